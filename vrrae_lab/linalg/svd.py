"""The truncated SVD of a batch and its derivative; what is computed, and why so, is in the docstring of the package."""

from functools import partial
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from vrrae_lab.checks import check_array, check_whole
from vrrae_lab.sharding import gathered, num_devices

Method = Literal["auto", "svd", "gram"]


class TruncatedSVD(NamedTuple):
    """The first `rank` singular triplets of a batch of latents.

    Attributes:
        basis: orthonormal columns $U_k$; in each, the entry of largest magnitude is positive.
        singular_values: in decreasing order.
        coefficients: `latents @ basis`; column j has norm `singular_values[j]`.
    """

    basis: Float[Array, "latent_size rank"]
    singular_values: Float[Array, " rank"]
    coefficients: Float[Array, "batch rank"]


def truncated_svd(
    latents: Float[Array, "batch latent_size"], rank: int, *, within_block: bool = True, method: Method = "auto"
) -> TruncatedSVD:
    r"""Truncated SVD of a batch of latents, $Y \approx U_k \alpha$ (VRRAE, Eq. 3).

    Differentiable in forward and reverse mode; the derivation is in the docstring of `vrrae_lab.linalg`.

    Args:
        latents: one latent vector per row.
        rank: how many singular directions to keep, $k$.
        within_block: whether the derivative includes the rotation inside the kept block. Leave it out only where what
            follows does not change under a rotation of the kept frame, or where a biased gradient is meant (the
            "transport gauge", of lower variance when noise is drawn per coefficient).
        method: how to decompose; when each is right is said in the docstring of `vrrae_lab.linalg`.

    Raises:
        ValueError: if `rank` is below 1 or exceeds the smaller side of `latents`, or if the method is unknown.
    """
    check_method(method)
    check_whole("rank", rank)
    check_array("latents", latents)
    if latents.ndim != 2:
        raise ValueError(f"the latents have shape {latents.shape}: give one latent vector per row")
    batch, latent_size = latents.shape
    if not 1 <= rank <= min(batch, latent_size):
        raise ValueError(
            f"rank = {rank} does not fit latents of shape (batch {batch}, latent size {latent_size}): "
            f"use a rank from 1 to {min(batch, latent_size)}, or a larger batch; a trained model encodes batches "
            "smaller than its rank after freeze_basis"
        )
    if num_devices() > 1:
        latents, method = _on_devices(latents, method)
    with jax.default_matmul_precision("highest"):
        return TruncatedSVD(*_truncated_svd(latents, rank, within_block, method))


def check_method(method: Method) -> None:
    """Refuse an unknown way of decomposing.

    Raises:
        ValueError: naming the known ones.
    """
    if method not in get_args(Method):
        raise ValueError(f"method = {method!r}: choose one of {', '.join(get_args(Method))}")


def _on_devices(latents: Array, method: Method) -> tuple[Array, Method]:
    """How to decompose a batch spread over devices with the fewest bytes between them; see the package's docstring."""
    batch, latent_size = latents.shape
    if method == "svd" or batch <= 2 * latent_size:
        return gathered(latents), method
    return latents, "gram"


def _decompose(latents: Array, method: Method) -> tuple[Array, Array, Array]:
    """The thin SVD as (V, sigma, U), with the sign convention of `TruncatedSVD` applied to both factors."""
    ways = {"svd": _by_svd, "gram": _by_gram}
    latents = nan_unless_finite(latents)
    if method == "auto":
        left, singular_values, basis = lax.platform_dependent(latents, tpu=_by_gram, default=_by_svd)
    else:
        left, singular_values, basis = ways[method](latents)
    largest = jnp.argmax(jnp.abs(basis), axis=0)
    sign = jnp.where(jnp.take_along_axis(basis, largest[None], axis=0) < 0, -1, 1).astype(basis.dtype)
    return left * sign, singular_values, basis * sign


def nan_unless_finite(matrix: Float[Array, "rows columns"]) -> Float[Array, "rows columns"]:
    """The matrix, or NaN everywhere if one number is not finite: LAPACK's SVD returns from NaN, from infinity never.

    A run that diverges passes through infinity, and must come back to say so.
    """
    return jnp.where(jnp.isfinite(matrix).all(), matrix, jnp.nan)


def _by_svd(latents: Array) -> tuple[Array, Array, Array]:
    """LAPACK is quicker with the tall one of a matrix and its transpose."""
    if latents.shape[0] >= latents.shape[1]:
        left, singular_values, right = jnp.linalg.svd(latents, full_matrices=False)
        return left, singular_values, right.T
    basis, singular_values, left = jnp.linalg.svd(latents.T, full_matrices=False)
    return left.T, singular_values, basis


def _by_gram(latents: Array) -> tuple[Array, Array, Array]:
    """Eigenvectors of the smaller Gram matrix are one factor; what the latents make of them, normalised, the other.

    The norms of those products are the singular values: they are right to rounding where roots of eigenvalues are
    right to the root of it.
    """
    unit = _nonzero(jnp.max(jnp.abs(latents)))  # squares of tiny or huge latents stay finite
    tall = latents.shape[0] >= latents.shape[1]
    rows = latents / unit if tall else latents.T / unit
    _, vectors = jnp.linalg.eigh(rows.T @ rows)
    products = rows @ vectors
    norms = jnp.linalg.norm(products, axis=0)
    order = jnp.argsort(-norms)  # that of the eigenvalues but for rounding
    vectors, products, norms = vectors[:, order], products[:, order], norms[order]
    vanishes = norms <= len(rows) * jnp.finfo(norms.dtype).eps * norms[0]  # nothing but rounding
    others = jnp.where(vanishes[None, :], 0, products / jnp.where(vanishes, 1, norms)[None, :])
    return (others, norms * unit, vectors) if tall else (vectors, norms * unit, others)


def _nonzero(number: Array) -> Array:
    return jnp.where(number > 0, number, 1)


@partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3))
def _truncated_svd(latents: Array, rank: int, within_block: bool, method: Method) -> tuple[Array, Array, Array]:
    left, singular_values, basis = _decompose(latents, method)
    kept = singular_values[:rank]
    return basis[:, :rank], kept, left[:, :rank] * kept[None, :]


@_truncated_svd.defjvp
def _truncated_svd_jvp(
    rank: int, within_block: bool, method: Method, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]:
    (latents,), (tangent,) = primals, tangents
    with jax.default_matmul_precision("highest"):
        return _with_derivative(rank, within_block, method, latents, tangent)


def _with_derivative(
    rank: int, within_block: bool, method: Method, latents: Array, tangent: Array
) -> tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]:
    left, singular_values, basis = _decompose(latents, method)
    left_k, basis_k, kept = left[:, :rank], basis[:, :rank], singular_values[:rank]

    # Everything below is divided by the largest singular value, so that squares of tiny or huge ones stay finite.
    unit = _nonzero(singular_values[0])
    s_all = singular_values / unit
    s_kept = s_all[:rank]
    scaled = tangent / unit

    moved = scaled @ basis_k
    towards_kept = left.T @ moved  # N_ij, i any direction, j kept
    from_kept = scaled.T @ left_k
    from_kept_inside = basis.T @ from_kept  # N_ji
    inverse_gap = _damped_inverse_gap(s_kept[None, :], s_all[:, None])
    # a direction does not turn towards itself: said outright, as one rounding between the two zeros would blow up
    inverse_gap = jnp.where(jnp.eye(len(s_all), rank, dtype=bool), 0, inverse_gap)
    if not within_block:
        inverse_gap = inverse_gap.at[:rank].set(0)
    rotation = inverse_gap * (s_kept[None, :] * from_kept_inside + s_all[:, None] * towards_kept)
    d_basis = basis @ rotation
    if basis.shape[0] > basis.shape[1]:  # else U spans the latent space and nothing lies outside
        inverse = s_kept * _damped_inverse_gap(s_kept, jnp.zeros_like(s_kept))  # 1 / sigma_j
        d_basis = d_basis + (from_kept - basis @ from_kept_inside) * inverse[None, :]
    d_singular_values = unit * jnp.diagonal(towards_kept[:rank])
    d_coefficients = unit * (moved + left @ (s_all[:, None] * rotation))
    return (basis_k, kept, left_k * kept[None, :]), (d_basis, d_singular_values, d_coefficients)


def _damped_inverse_gap(kept: Array, other: Array) -> Array:
    """1 / (kept² - other²) for singular values in units of the largest one, smoothed where rounding decides the gap.

    A singular value carries a rounding error of about eps, hence the gap of squares one of eps·(kept + other); the
    second term keeps the result finite when both vanish.
    """
    eps = jnp.finfo(kept.dtype).eps
    gap = (kept - other) * (kept + other)
    noise = (4 * eps * (kept + other)) ** 2 + (0.3 * eps**0.5) ** 4
    return gap / (gap**2 + noise)
