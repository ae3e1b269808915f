r"""How good generated samples are and how much of the real ones they cover, as two numbers.

*Precision* is the share of generated samples that look real, *recall* the share of real ones that could have been
generated. Two definitions are in use and their numbers are not comparable: `prd` compares histograms over clusters
(Sajjadi et al.), `improved_precision_recall` looks for samples within reach of the nearest neighbours of the other set
(Kynkäänniemi et al.).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Key

from vrrae_lab.checks import as_numbers, check_at_least, check_key, check_memory, check_number
from vrrae_lab.metrics.inputs import RowsX, RowsY, as_pair
from vrrae_lab.randomness import generator

NAMES = ("real", "generated")


class PrecisionRecall(NamedTuple):
    """Two shares from 0 to 1.

    Attributes:
        precision: of generated samples that look real.
        recall: of real samples that could have been generated.
    """

    precision: float
    recall: float


class PRDCurve(NamedTuple):
    """Pairs of precision and recall that go together, from all the recall there is and no precision to the reverse.

    Attributes:
        precision: of each point, from 0 to 1.
        recall: of each point, from 0 to 1.
    """

    precision: Float[np.ndarray, " num_angles"]
    recall: Float[np.ndarray, " num_angles"]

    def f_score(self, beta: float) -> float:
        r"""The largest $F_\beta = (1 + \beta^2)\, p r / (\beta^2 p + r)$ on the curve; large β weigh recall.

        Raises:
            ValueError: if `beta` is not positive.
        """
        check_number("beta", beta)
        if not 0 < beta < np.inf:
            raise ValueError(f"beta = {beta}: use a positive number, above 1 to weigh recall more")
        above = (1 + beta**2) * self.precision * self.recall
        below = beta**2 * self.precision + self.recall
        return float(np.divide(above, below, out=np.zeros_like(above), where=below > 0).max())

    def summary(self) -> PrecisionRecall:
        """$F_{1/8}$ for precision and $F_8$ for recall, the pair that papers report."""
        return PrecisionRecall(self.f_score(1 / 8), self.f_score(8))


def prd(
    real: RowsX,
    generated: RowsY,
    *,
    num_clusters: int = 20,
    num_runs: int = 10,
    num_angles: int = 1001,
    key: Key[Array, ""],
) -> PRDCurve:
    """Precision and recall for distributions (PRD): `prd_of_histograms` of the shares of samples in clusters.

    The union of both sets is divided by k-means; precision and recall are means over several runs of it, angle by
    angle, as every run finds other clusters. Sets of different sizes are refused because the larger one would decide
    where the clusters are.

    Source: Sajjadi et al., *Assessing Generative Models via Precision and Recall*, arXiv 1806.00035, section 3.

    Args:
        real: features of real samples, one per row.
        generated: features of as many generated samples.
        num_clusters: the number of clusters.
        num_runs: how often k-means starts afresh.
        num_angles: points of the curve.
        key: draws the first centres of the clusters.

    Raises:
        ValueError: if the sets differ in number or dimension, are empty, no matrices or not finite, have fewer distinct
            samples than clusters, or a number is too small.
    """
    check_at_least(1, "num_clusters", num_clusters)
    check_at_least(1, "num_runs", num_runs)
    check_at_least(3, "num_angles", num_angles)
    check_memory(24 * num_angles * num_clusters, f"num_angles = {num_angles:,} of num_clusters = {num_clusters:,}")
    check_key(key)
    real, generated = as_pair(real, generated, names=NAMES)
    count = len(real)
    if len(generated) != count:
        raise ValueError(f"{count} real and {len(generated)} generated samples: draw as many of one as of the other")
    union = np.concatenate([real, generated])
    distinct = len(np.unique(union, axis=0))
    if distinct < num_clusters:
        raise ValueError(f"there are {distinct} distinct samples for {num_clusters} clusters: ask for fewer clusters")
    from sklearn.cluster import KMeans

    curves = []
    for seed in generator(key).integers(2**31, size=num_runs):
        clusters = KMeans(num_clusters, n_init=1, random_state=int(seed)).fit(union).labels_
        shares = [np.bincount(part, minlength=num_clusters) / count for part in (clusters[:count], clusters[count:])]
        curves.append(prd_of_histograms(*shares, num_angles=num_angles))
    return PRDCurve(*np.mean(curves, axis=0))


def prd_of_histograms(
    real: Float[np.ndarray, " bins"], generated: Float[np.ndarray, " bins"], *, num_angles: int = 1001
) -> PRDCurve:
    r"""The PRD curve of two discrete distributions $P$ (real) and $Q$ (generated),

    $$\alpha(\lambda) = \sum_\omega \min(\lambda P(\omega), Q(\omega)), \qquad
      \beta(\lambda) = \sum_\omega \min(P(\omega), Q(\omega) / \lambda),$$

    precision $\alpha$ and recall $\beta$ at the slopes $\lambda = \tan\big(\tfrac{i}{n+1} \tfrac{\pi}{2}\big)$,
    $i = 1, \dots, n$.

    Source: Sajjadi et al., *Assessing Generative Models via Precision and Recall*, arXiv 1806.00035, section 3.

    Args:
        real: probability of each bin.
        generated: probability of each bin.
        num_angles: the number $n$ of points. An odd one has $\lambda = 1$ among them.

    Raises:
        ValueError: if the histograms differ in length, are no vectors, contain negative or not finite numbers or do not
            sum to 1, or there are fewer than 3 points.
    """
    check_at_least(3, "num_angles", num_angles)
    p, q = as_numbers("real", real), as_numbers("generated", generated)
    if p.ndim != 1 or p.shape != q.shape:
        raise ValueError(f"the histograms have shapes {p.shape} and {q.shape}: give two vectors over the same bins")
    for name, histogram in zip(NAMES, (p, q), strict=True):
        if not (np.isfinite(histogram).all() and (histogram >= 0).all() and abs(histogram.sum() - 1) < 1e-6):
            raise ValueError(f"{name} sums to {histogram.sum()}: give finite probabilities of 0 or more that sum to 1")
    check_memory(24 * num_angles * len(p), f"num_angles = {num_angles:,} of {len(p):,} bins")
    slopes = np.tan(np.arange(1, num_angles + 1) / (num_angles + 1) * np.pi / 2)
    precision = np.minimum(slopes[:, None] * p, q).sum(axis=1)
    recall = np.minimum(p, q / slopes[:, None]).sum(axis=1)
    return PRDCurve(np.minimum(precision, 1), np.minimum(recall, 1))  # rounding can leave more than all


def improved_precision_recall(
    real: RowsX, generated: RowsY, *, num_neighbours: int = 3, block_size: int = 512
) -> PrecisionRecall:
    r"""Precision and recall by nearest neighbours.

    Each set is taken for the union of balls around its samples that reach to their `num_neighbours`-th neighbours in
    the same set, its boundary included,

    $$f(\varphi, \Phi) = 1 \ \text{ if }\ |\varphi - \varphi'| \le |\varphi' - \mathrm{NN}_k(\varphi', \Phi)|
      \ \text{ for some } \varphi' \in \Phi, \ \text{ else } 0.$$

    Precision is the share of generated samples in the balls of the real ones, recall the share of real ones in the
    balls of the generated ones. A sample is not its own neighbour, but a copy of it is, at distance zero. Distances are
    sums of squared differences, so that those of copies are exactly zero and ties are exact.

    Time grows with the product of the numbers of samples and the dimension.

    Source: Kynkäänniemi et al., *Improved Precision and Recall Metric for Assessing Generative Models*, arXiv
    1904.06991, Eq. 1 and 2.

    Args:
        real: features of real samples, one per row.
        generated: features of generated samples, as many for numbers comparable to published ones.
        num_neighbours: the number $k$.
        block_size: how many rows of a matrix of distances are held at a time.

    Raises:
        ValueError: if a set has not more samples than neighbours are asked for, is not a matrix or not finite, the
            dimensions differ, or a number is below 1.
    """
    check_at_least(1, "num_neighbours", num_neighbours)
    check_at_least(1, "block_size", block_size)
    real, generated = as_pair(real, generated, least=num_neighbours + 1, names=NAMES)
    return PrecisionRecall(
        _share_within(generated, real, _squared_radii(real, num_neighbours, block_size), block_size),
        _share_within(real, generated, _squared_radii(generated, num_neighbours, block_size), block_size),
    )


def _squared_radii(
    points: Float[np.ndarray, "count dimension"], num_neighbours: int, block_size: int
) -> Float[np.ndarray, " count"]:
    """Squared distance of each point to its neighbour of that rank among the others."""
    from scipy.spatial.distance import cdist

    radii = []
    for start in range(0, len(points), block_size):
        squares = cdist(points[start : start + block_size], points, "sqeuclidean")
        row = np.arange(len(squares))
        squares[row, start + row] = np.inf
        radii.append(np.partition(squares, num_neighbours - 1, axis=1)[:, num_neighbours - 1])
    return np.concatenate(radii)


def _share_within(
    queries: Float[np.ndarray, "n_queries dimension"],
    points: Float[np.ndarray, "count dimension"],
    squared_radii: Float[np.ndarray, " count"],
    block_size: int,
) -> float:
    """Of the queries, those in the ball of any point."""
    from scipy.spatial.distance import cdist

    inside = [
        (cdist(queries[start : start + block_size], points, "sqeuclidean") <= squared_radii).any(axis=1)
        for start in range(0, len(queries), block_size)
    ]
    return float(np.concatenate(inside).mean())
