r"""The truncated SVD as a differentiable layer.

The papers write latent vectors as columns, $Y \in \mathbb{R}^{L \times N}$ with $Y = U \Sigma V^T$. Here a batch is
batch-first, so every matrix is the transpose of the papers': `latents` $= Y^T = V \Sigma U^T$. The basis $U_k$ keeps
its name and shape; the coefficients $\alpha = \Sigma_k V_k^T$ become `coefficients` $= \alpha^T$, one row per sample.

**Derivative.** Write $\Lambda = \Sigma^2$ and $N = V^T\,dY^T\,U$ for a perturbation in the frame of the singular
vectors. Differentiating $Y Y^T u_j = \lambda_j u_j$ and projecting on $u_i$ gives the rotation of the basis,

$$\Omega_{ij} = u_i^T du_j = \frac{\sigma_j N_{ji} + \sigma_i N_{ij}}{\lambda_j - \lambda_i}, \qquad i \ne j,$$

and outside the span of $U$ (only when the batch is smaller than the latent space) the directions behave as dropped
ones of singular value zero, $du_j = \dots + (I - U U^T)\,dY\,v_j / \sigma_j$. As $Y^T U = V \Sigma$,

$$dU_k = U\,\Omega_k + (I - U U^T)\,dY\,V_k \Sigma_k^{-1}, \qquad
  d\alpha^T = dY^T U_k + V \Sigma\,\Omega_k .$$

Only the columns $j \le k$ of $\Omega$ occur: pairs of one kept and one dropped direction, and pairs inside the kept
block. The rule is linear in $dY$, so JAX transposes it into the reverse-mode gradient; no pair of two dropped
directions is ever divided by its gap. A function that does not change when the kept frame is rotated, such as the
low-rank product $U_k \alpha$, does not depend on the pairs inside the kept block, and leaving them out
(`within_block=False`) keeps its gradient exact when kept singular values coincide.

**Near ties.** A gap $d = \lambda_j - \lambda_i$ enters as $d / (d^2 + \delta^2)$, where $\delta$ is what rounding does
to $d$. At a tie across the cut the map itself is discontinuous and all one can ask of a gradient is to be finite.

**Two ways to decompose.** The rule is the same for both:

- `"svd"`: the platform's SVD (LAPACK's on a CPU). Singular values are right to a rounding error of the *largest* one,
  however small they are.
- `"gram"`: eigenvectors of the smaller of the Gram matrices $Y Y^T$ and $Y^T Y$. Faster, most so where one side is much
  the longer, and made of matrix products. But it compares squares: the error of a direction, and of its right angle to
  the others, grows with $(\sigma_1 / \sigma_j)^2$, so that in float32 one of $\sigma_j = 10^{-3} \sigma_1$ is right to
  a few percent only; and a kept direction that vanishes may get a zero instead of a unit vector.
- `"auto"`: `"gram"` on TPUs, whose SVD is slow; `"svd"` elsewhere.

Products are asked for in full precision, which accelerators do not give by default.

**Spread over devices** (see `vrrae_lab.sharding`), the decomposition is still that of the whole batch. Adding up the
devices' $L \times L$ Gram matrices moves about $2 L^2$ numbers to and from each device, gathering the $B \times L$
latents $B L$: where $B \le 2 L$ they are gathered, otherwise the way is `"gram"`, with `"auto"` too. The gradient adds
up $L \times k$ matrices. Images and activations stay where they are.

Sources: Mounayer et al., *Variational Rank Reduction Autoencoders*, arXiv 2505.09458, Eq. 1 and 3; Mounayer et al.,
*Rank Reduction Autoencoders*, arXiv 2405.13980, Eq. 2.
"""

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

    Differentiable in forward and reverse mode; the derivation is in the module's docstring.

    Args:
        latents: one latent vector per row.
        rank: how many singular directions to keep, $k$.
        within_block: whether the derivative includes the rotation inside the kept block. Leave it out only where what
            follows does not change under a rotation of the kept frame, or where a biased gradient is meant (the
            "transport gauge", of lower variance when noise is drawn per coefficient).
        method: how to decompose; when each is right is said in the module's docstring.

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
    """How to decompose a batch spread over devices with the fewest bytes between them; see the module's docstring."""
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
