"""Data for the checks, drawn from their key and arranged for no claim, and how far rounding may carry a result."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vrrae_lab import bottlenecks, linalg
from vrrae_lab.derivations.claim import Finding


def random_latents(rng: np.random.Generator, batch: int, latent_size: int) -> Float[np.ndarray, "batch latent_size"]:
    """What a random layer makes of random inputs: correlated, bounded, off-centre, no two singular values alike."""
    weights = rng.normal(size=(latent_size, latent_size)) / latent_size**0.5
    return np.tanh(rng.normal(size=(batch, latent_size)) @ weights + rng.normal(size=latent_size))


def orthonormal(rng: np.random.Generator, rows: int, columns: int) -> Float[np.ndarray, "rows columns"]:
    """Random orthonormal columns."""
    return np.linalg.qr(rng.normal(size=(rows, columns)))[0]


def with_spectrum(
    left: Float[np.ndarray, "batch count"], spectrum: Sequence[float], right: Float[np.ndarray, "latent_size count"]
) -> Float[np.ndarray, "batch latent_size"]:
    """The matrix with these singular vectors and values."""
    return (left * np.asarray(spectrum)[None, :]) @ right.T


class Decomposition(NamedTuple):
    """A `TruncatedSVD` of numpy arrays."""

    basis: np.ndarray
    singular_values: np.ndarray
    coefficients: np.ndarray


def decompose(latents: np.ndarray, rank: int, method: linalg.Method = "svd") -> Decomposition:
    """The library's truncated SVD, compiled as one program."""
    found = _compiled(linalg.truncated_svd, rank, method)(jnp.asarray(latents))
    return Decomposition(*(np.asarray(part) for part in found))


@cache
def _compiled(
    function: Callable[..., linalg.TruncatedSVD], rank: int, method: linalg.Method
) -> Callable[[Array], linalg.TruncatedSVD]:
    """Compiled once a shape; the function is an argument so that another in its place is compiled anew."""
    return jax.jit(partial(function, rank=rank, method=method))


def rounding(latents: Float[np.ndarray, "batch latent_size"], rank: int) -> float:
    r"""What float64 rounding explains, as a fraction, in quantities made of the first `rank` singular vectors.

    An SVD is exact for a matrix that differs from the given one by a modest multiple of $\varepsilon \sigma_1$. Its
    squares move by $\varepsilon \sigma_1^2$, and singular vectors by this over the gap of the squares to the nearest
    other one; a latent space larger than the batch has directions of singular value zero beside those of the SVD.
    """
    squares = np.append(np.linalg.svd(latents, compute_uv=False) ** 2, 0.0)
    gaps = np.abs(squares[:rank, None] - squares)[~np.eye(rank, len(squares), dtype=bool)]
    return 20 * sum(latents.shape) * float(np.finfo(float).eps * squares[0] / gaps.min())


def relative(found: np.ndarray | Array, expected: np.ndarray | Array) -> float:
    """Norm of the difference over the norm of what is expected."""
    return float(np.linalg.norm(np.asarray(found) - np.asarray(expected)) / np.linalg.norm(expected))


def largest_cosine(columns: Float[np.ndarray, "rows count"]) -> float:
    """The largest |cosine| between two different columns."""
    units = columns / np.linalg.norm(columns, axis=0)
    cosines: np.ndarray = np.abs(units.T @ units)
    return float(np.triu(cosines, 1).max())


def below(quantity: str, value: float | np.floating, bound: float) -> Finding:
    """A figure that the verdict needs to be less than the bound."""
    return Finding(quantity, float(value), "<", float(bound))


def above(quantity: str, value: float | np.floating, bound: float) -> Finding:
    """A figure that the verdict needs to be more than the bound."""
    return Finding(quantity, float(value), ">", float(bound))


def in_fixed_basis(basis: np.ndarray, latents: np.ndarray) -> Float[np.ndarray, "batch rank"]:
    """Coefficients by `FixedBasis`."""
    return np.asarray(bottlenecks.FixedBasis(jnp.asarray(basis)).project(jnp.asarray(latents))[1])


def leftover(latents: np.ndarray, basis: np.ndarray) -> float:
    """Squared distance of the latents from the span of an orthonormal basis."""
    return float(np.sum((latents - latents @ basis @ basis.T) ** 2))
