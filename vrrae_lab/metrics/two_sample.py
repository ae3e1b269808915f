"""Whether two sets of samples come from one distribution: the energy distance and its permutation test."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Key

from vrrae_lab.checks import check_at_least, check_memory
from vrrae_lab.metrics.inputs import RowsX, RowsY, as_pair
from vrrae_lab.randomness import generator


class TwoSampleResult(NamedTuple):
    """The outcome of a two-sample test.

    Attributes:
        statistic: the energy distance between the sets, in the units of the samples.
        p_value: how often a division of the pooled samples at random gives as much or more, were the sets of one
            distribution.
    """

    statistic: float
    p_value: float


def energy_distance(x: RowsX, y: RowsY, *, block_size: int = 512) -> float:
    r"""How far the distributions of two sets are apart, by the mean distances between their samples,

    $$E = \frac{2}{nm} \sum_{i,j} |x_i - y_j| - \frac{1}{n^2} \sum_{i,j} |x_i - x_j|
      - \frac{1}{m^2} \sum_{i,j} |y_i - y_j|.$$

    It is zero where the sets are equal and positive elsewhere; for two sets of one distribution it falls with their
    sizes but does not vanish, for which see `two_sample_test`.

    Source: Székely & Rizzo, *Energy statistics: A class of statistics based on distances*, 2013.

    Args:
        x: one sample per row.
        y: one sample per row, in the same space.
        block_size: how many rows of the matrix of distances are held at a time.

    Returns:
        In the units of the samples, 0 or more.

    Raises:
        ValueError: if a set is empty, not a matrix or not finite, the dimensions differ, or the block size is below 1.
    """
    check_at_least(1, "block_size", block_size)
    x, y = as_pair(x, y)
    distance = _energies(np.concatenate([x, y]), _signed_weights(len(x), len(y))[:, None], block_size)
    return float(max(distance[0], 0.0))  # rounding can leave less than nothing


def two_sample_test(
    x: RowsX, y: RowsY, *, num_permutations: int = 999, block_size: int = 512, key: Key[Array, ""]
) -> TwoSampleResult:
    r"""Test whether two sets come from one distribution, by the energy distance and permutations.

    The samples are pooled and divided at random into sets of the same sizes. With $b$ of $B$ divisions at least as far
    apart as the sets given, $p = (1 + b) / (1 + B)$, so that under the null hypothesis $P(p \le \alpha) \le \alpha$ at
    any sizes. The samples must be independent; draws from the aggregate posterior should be of different images.

    All divisions are judged in one pass over the matrix of distances, of which `block_size` rows are held at a time.
    Beside them, memory holds one number per sample and permutation.

    Source: Székely & Rizzo, *Energy statistics: A class of statistics based on distances*, 2013; Phipson & Smyth,
    *Permutation p-values should never be zero*, 2010 (the 1 in the p-value).

    Args:
        x: one sample per row, e.g. draws from the aggregate posterior.
        y: one sample per row, e.g. draws from the prior.
        num_permutations: the number $B$; the least p-value is $1 / (1 + B)$.
        block_size: how many rows of the matrix of distances are held at a time.
        key: draws the permutations.

    Raises:
        ValueError: if a set has fewer than 2 samples, is not a matrix or not finite, the dimensions differ, or a number
            is below 1.
    """
    check_at_least(1, "num_permutations", num_permutations)
    check_at_least(1, "block_size", block_size)
    x, y = as_pair(x, y, least=2)
    numbers = (len(x) + len(y)) * (1 + num_permutations)
    check_memory(16 * numbers, f"num_permutations = {num_permutations:,} of {len(x) + len(y):,} samples")
    pooled, given = np.concatenate([x, y]), _signed_weights(len(x), len(y))
    divisions = np.tile(given, (1 + num_permutations, 1))
    generator(key).permuted(divisions[1:], axis=1, out=divisions[1:])
    energies = _energies(pooled, divisions.T, block_size)
    # the same division found again, or its mirror image, is as far apart whatever rounding says
    rounding = 1e-12 * float(np.linalg.norm(pooled.std(axis=0)))
    as_far = int((energies[1:] >= energies[0] - rounding).sum())
    return TwoSampleResult(float(max(energies[0], 0.0)), (1 + as_far) / (1 + num_permutations))


def _signed_weights(n_x: int, n_y: int) -> Float[np.ndarray, " count"]:
    """1/n for the samples of one set and -1/m for those of the other."""
    return np.concatenate([np.full(n_x, 1 / n_x), np.full(n_y, -1 / n_y)])


def _energies(
    pooled: Float[np.ndarray, "count dimension"], weights: Float[np.ndarray, "count divisions"], block_size: int
) -> Float[np.ndarray, " divisions"]:
    """The energy distance of each division: minus the quadratic form of the distances in its signed weights."""
    from scipy.spatial.distance import cdist

    energies = np.zeros(weights.shape[1])
    for start in range(0, len(pooled), block_size):
        block = slice(start, start + block_size)
        energies -= (weights[block] * (cdist(pooled[block], pooled) @ weights)).sum(axis=0)
    return energies
