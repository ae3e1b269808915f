"""What several checks measure with: numpy, so that jax compiles only what the library itself computes."""

import numpy as np
from jaxtyping import Array, Float

from vrrae_lab.derivations.claim import Evidence, Finding

# Relative: sums of a few hundred products in float64 carry a few hundred rounding errors of 1e-16, and so does an SVD.
ROUNDING = 1e-12


def centred(random: np.random.Generator, rows: int, columns: int) -> Float[np.ndarray, "rows columns"]:
    """Random orthonormal columns of zero mean."""
    normal = random.normal(size=(rows, columns))
    return np.linalg.qr(normal - normal.mean(axis=0))[0]


def relative_error(value: np.ndarray | Array | float, reference: np.ndarray | Array | float) -> float:
    """Largest difference, in units of the largest magnitude of the reference."""
    value, reference = np.asarray(value), np.asarray(reference)
    return float(np.abs(value - reference).max() / np.abs(reference).max())


def standard_errors(draws: np.ndarray, expected: np.ndarray | float) -> float:
    """Distance of the mean of independent draws from what is expected, in its standard errors; of columns the largest.

    NaN, which no bound admits, where a column varies by rounding alone: then it has no standard error to speak of.
    """
    spread = draws.std(axis=0)
    if np.any(spread <= len(draws) * np.finfo(float).eps * np.abs(draws).max(axis=0)):
        return float("nan")
    return float(np.max(np.abs(draws.mean(axis=0) - expected) / spread) * len(draws) ** 0.5)


def constancy(coefficients: Float[np.ndarray, "batch rank"]) -> Float[np.ndarray, " rank"]:
    r"""The part of each coefficient's sum of squares that is its mean's, $N \bar\alpha_j^2 / \sum_b \alpha_{bj}^2$.

    It is $(\mathbb{1}^T v_j)^2 / N$, the squared cosine between $v_j$ and a constant column: 1 if it is constant.
    """
    return len(coefficients) * coefficients.mean(axis=0) ** 2 / (coefficients**2).sum(axis=0)


def terms_left(difference: object) -> int:
    """How many terms of a sympy expression remain after simplification; 0 where it vanishes identically."""
    import sympy

    simplified = sympy.expand(sympy.simplify(difference))
    return 0 if simplified == 0 else len(sympy.Add.make_args(simplified))


def evidence(*findings: Finding) -> Evidence:
    """These findings, their figures as Python's own numbers whatever they were computed with."""
    return Evidence(tuple(finding._replace(value=float(finding.value)) for finding in findings))
