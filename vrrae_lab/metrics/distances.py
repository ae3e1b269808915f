r"""Distances between two sets of samples, such as features of real and of generated images.

Both are made from finitely many samples, and that shows. The Fréchet distance between two sets of the *same*
distribution is above zero, by more the fewer samples there are; `same_distribution_floor` says by how much. The kernel
distance is without bias, so it can be negative.
"""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Array, Float, Key

from vrrae_lab.checks import check_at_least, check_kind, check_whole
from vrrae_lab.metrics.inputs import Estimate, Rows, RowsX, RowsY, Spread, as_pair, as_rows
from vrrae_lab.randomness import generator


def frechet_distance(x: RowsX, y: RowsY) -> float:
    r"""Squared Fréchet (2-Wasserstein) distance between the Gaussians with the means and covariances of two sets,

    $$|\mu_x - \mu_y|^2 + \mathrm{tr}\big(S_x + S_y - 2\,(S_x S_y)^{1/2}\big).$$

    FID is this of Inception features. Covariances have the divisor $n - 1$.

    The root of the product, which is not symmetric, is never formed. With $S_x = R_x^T R_x$ and $S_y = R_y^T R_y$, the
    matrices $R$ from a QR decomposition of the centred samples, its trace is the sum of the singular values of
    $R_x R_y^T$. That also holds for singular covariances, of fewer samples than dimensions for instance, and no square
    root of a rounding error is taken.

    Source: Heusel et al., *GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium*, arXiv
    1706.08500, Eq. 6; Dowson & Landau, *The Fréchet distance between multivariate normal distributions*, 1982.

    Args:
        x: one sample per row.
        y: one sample per row, in the same space.

    Returns:
        In the squared units of the samples, 0 or more.

    Raises:
        ValueError: if a set has fewer than 2 samples, is not a matrix or not finite, or the dimensions differ.
    """
    rows = as_pair(x, y, least=2)
    (mean_x, root_x), (mean_y, root_y) = (_moments(z) for z in rows)
    overlap = np.linalg.svd(root_x @ root_y.T, compute_uv=False).sum()
    distance = np.sum((mean_x - mean_y) ** 2) + np.sum(root_x**2) + np.sum(root_y**2) - 2 * overlap
    return float(max(distance, 0.0))  # rounding can leave less than nothing


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean, and an upper triangular R whose RᵀR is the covariance."""
    mean = x.mean(axis=0)
    return mean, np.asarray(np.linalg.qr((x - mean) / math.sqrt(len(x) - 1), mode="r"))


def same_distribution_floor(
    distance: Callable[[np.ndarray, np.ndarray], float],
    x: Rows,
    counts: tuple[int, int],
    *,
    num_repeats: int = 10,
    key: Key[Array, ""],
) -> Spread:
    """What a distance gives between two sets of the same distribution, at the sizes at which it is used.

    Two disjoint sets are drawn from `x` without replacement, again and again. A distance between generated and real
    samples says something by its excess over this.

    The repetitions share the samples `x`: their standard deviation leaves out the chance in those.

    Args:
        distance: of two sets of samples, such as `frechet_distance`.
        x: samples of one distribution, one per row.
        counts: how many samples each set has, e.g. the numbers of generated and of real images.
        num_repeats: how many pairs of sets are drawn.
        key: draws them.

    Returns:
        Mean and standard deviation of the distance, in its units.

    Raises:
        ValueError: if `x` has fewer samples than the two sets together, is not a matrix or not finite, a count is below
            1, or there are fewer than 2 repetitions.
    """
    rows = as_rows("x", x)
    check_kind("distance", distance, Callable, "give a function of two sets of samples, such as frechet_distance")
    check_kind("counts", counts, tuple | list, "give two whole numbers")
    if len(counts) != 2:
        raise ValueError(f"counts = {counts}: give one number for each of the two sets")
    for count in counts:
        check_whole("a count in counts", count)
    first, second = counts
    check_at_least(2, "num_repeats", num_repeats)
    if min(counts) < 1:
        raise ValueError(f"counts = {counts}: use 1 or more for each set")
    if first + second > len(rows):
        raise ValueError(f"two disjoint sets of {first} and {second} need {first + second} samples, x has {len(rows)}")
    random = generator(key)
    distances = []
    for _ in range(num_repeats):
        order = random.permutation(len(rows))[: first + second]
        distances.append(distance(rows[order[:first]], rows[order[first:]]))
    return Spread(float(np.mean(distances)), float(np.std(distances, ddof=1)))


def cubic_kernel(
    x: Float[np.ndarray, "n_x dimension"], y: Float[np.ndarray, "n_y dimension"]
) -> Float[np.ndarray, "n_x n_y"]:
    r"""$\kappa(x, y) = \big(\tfrac{x \cdot y}{d} + 1\big)^3$ of each pair, $d$ the dimension: the kernel of KID.

    Raises:
        ValueError: if a set is no matrix, empty or not finite, or the dimensions differ.
    """
    x, y = as_pair(x, y)
    base = x @ y.T / x.shape[1] + 1
    return base * base * base


def kernel_distance(x: RowsX, y: RowsY, *, block_size: int = 1024) -> float:
    r"""Squared maximum mean discrepancy with `cubic_kernel`, estimated without bias,

    $$\frac{1}{n(n-1)} \sum_{i \ne j} \kappa(x_i, x_j) + \frac{1}{m(m-1)} \sum_{i \ne j} \kappa(y_i, y_j)
      - \frac{2}{nm} \sum_{i, j} \kappa(x_i, y_j).$$

    KID is this of Inception features; for its standard error see `mean_kernel_distance`. It does not vanish for two
    equal sets: the pairs of a sample with its copy are in the last sum alone.

    Source: Bińkowski et al., *Demystifying MMD GANs*, arXiv 1801.01401 (kernel inception distance); Gretton et al., *A
    Kernel Two-Sample Test*, 2012, Eq. 3.

    Args:
        x: one sample per row.
        y: one sample per row, in the same space.
        block_size: how many rows of the kernel matrices are held at a time.

    Returns:
        In the units of the kernel, negative by chance where the distributions are alike.

    Raises:
        ValueError: if a set has fewer than 2 samples, is not a matrix or not finite, the dimensions differ, or the
            block size is below 1.
    """
    check_at_least(1, "block_size", block_size)
    x, y = as_pair(x, y, least=2)
    within = [(_kernel_sum(z, z, block_size) - _kernel_trace(z)) / (len(z) * (len(z) - 1)) for z in (x, y)]
    return float(within[0] + within[1] - 2 * _kernel_sum(x, y, block_size) / (len(x) * len(y)))


def _kernel_sum(x: np.ndarray, y: np.ndarray, block_size: int) -> float:
    return sum(float(cubic_kernel(x[i : i + block_size], y).sum()) for i in range(0, len(x), block_size))


def _kernel_trace(x: np.ndarray) -> float:
    return float((((x**2).mean(axis=1) + 1) ** 3).sum())


def mean_kernel_distance(x: RowsX, y: RowsY, *, num_blocks: int = 10, key: Key[Array, ""]) -> Estimate:
    r"""The mean of `kernel_distance` over blocks of the samples, and its standard error.

    Each set is divided at random into `num_blocks` disjoint blocks of nearly equal size, and the first block of `x` is
    compared with the first of `y`, and so on. As no sample is in two blocks the distances are independent, and the
    spread over them tells the standard error of their mean. KID is often reported over subsets that overlap instead;
    their spread leaves out the chance in the samples themselves.

    More blocks make the standard error more certain and larger: fewer pairs are compared.

    Source: Bińkowski et al., *Demystifying MMD GANs*, arXiv 1801.01401 (kernel inception distance); Zaremba, Gretton &
    Blaschko, *B-tests: Low Variance Kernel Two-Sample Tests*, arXiv 1307.1954 (means over disjoint blocks).

    Args:
        x: one sample per row.
        y: one sample per row, in the same space.
        num_blocks: into how many blocks each set is divided.
        key: divides the sets.

    Returns:
        The mean, whose expectation is that of `kernel_distance`, and its standard error.

    Raises:
        ValueError: if there are fewer than 2 blocks, or a set has fewer than 2 samples for each, is not a matrix or not
            finite, or the dimensions differ.
    """
    check_at_least(2, "num_blocks", num_blocks)
    x, y = as_pair(x, y, least=2 * num_blocks)
    random = generator(key)
    blocks = [np.array_split(random.permutation(z), num_blocks) for z in (x, y)]
    found = np.array([kernel_distance(a, b) for a, b in zip(*blocks, strict=True)])
    return Estimate(float(found.mean()), float(found.std(ddof=1)) / math.sqrt(num_blocks))
