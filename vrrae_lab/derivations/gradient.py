r"""Claim 10: the derivative of the truncated SVD in closed form.

Data are batch-first. The closed forms are those of a matrix whose *columns* are samples, as in the papers: $Y$ is
$L \times B$, $\alpha = U_k^T Y$, $\lambda = \sigma^2$, and a bar marks the cotangent of what stands under it.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.linalg import solve_sylvester

from vrrae_lab import linalg
from vrrae_lab.derivations.claim import Claim, Evidence, Finding, Verdict, float64
from vrrae_lab.derivations.samples import (
    below,
    decompose,
    orthonormal,
    random_latents,
    relative,
    rounding,
    with_spectrum,
)
from vrrae_lab.randomness import generator

RANK = 3


# ------------------------------------------------------------------------------------------- 10: the closed form


def across_the_cut(
    y: np.ndarray, basis: np.ndarray, projected_out: np.ndarray
) -> Float[np.ndarray, "latent_size rank"]:
    """X of X Λ_k − R Rᵀ X = (I − U_k U_kᵀ) Ũ: no pair of dropped directions is divided by its gap."""
    leftover = y - basis @ (basis.T @ y)
    squares = np.sum((basis.T @ y) ** 2, axis=1)
    return solve_sylvester(-leftover @ leftover.T, np.diag(squares), projected_out)


def within_block(projected: np.ndarray, squares: np.ndarray) -> Float[np.ndarray, "rank rank"]:
    """S_ji = (C − Cᵀ)_ji / (λ_i − λ_j)."""
    gaps = squares[None, :] - squares[:, None] + np.eye(len(squares))
    return (projected - projected.T) / gaps


def closed_form(latents: np.ndarray, basis: np.ndarray, basis_bar: np.ndarray, alpha_bar: np.ndarray) -> np.ndarray:
    """Ȳ = U_k (ᾱ + S α + Xᵀ Y) + X α, from the basis and cotangents of basis and coefficients (samples as columns)."""
    y = latents.T
    alpha = basis.T @ y
    u_tilde = basis_bar + y @ alpha_bar.T
    projected = basis.T @ u_tilde
    s = within_block(projected, np.sum(alpha**2, axis=1))
    x = across_the_cut(y, basis, u_tilde - basis @ projected)
    return (basis @ (alpha_bar + s @ alpha + x.T @ y) + x @ alpha).T


def closed_form_of_short_batch(
    latents: np.ndarray, basis: np.ndarray, basis_bar: np.ndarray, alpha_bar: np.ndarray
) -> np.ndarray:
    """The same by eigenvectors of YᵀY, for fewer samples than latent dimensions; no dropped σ is divided by."""
    y, rank = latents.T, basis.shape[1]
    eigenvalues, vectors = np.linalg.eigh(y.T @ y)
    others, dropped = vectors[:, ::-1][:, rank:], eigenvalues[::-1][rank:]
    alpha = basis.T @ y
    squares = np.sum(alpha**2, axis=1)
    u_tilde = basis_bar + y @ alpha_bar.T
    projected = basis.T @ u_tilde
    t = others @ ((others.T @ y.T @ u_tilde) / (squares[None, :] - dropped[:, None]))
    x = (u_tilde - basis @ projected + y @ t) / squares
    return (basis @ (alpha_bar + within_block(projected, squares) @ alpha + t.T) + x @ alpha).T


def closed_form_of_product(latents: np.ndarray, rank: int, cotangent: np.ndarray) -> np.ndarray:
    """Gradient of ⟨G, Y_k⟩ pair by pair, where the decoder sees the product only: kept pairs pass unchanged."""
    u, sigma, vt = np.linalg.svd(latents.T, full_matrices=False)
    g, squares = cotangent.T, sigma**2
    n = u.T @ g @ vt.T
    kept, dropped = np.arange(rank), np.arange(rank, len(sigma))
    gaps = squares[:rank, None] - squares[None, rank:]
    products = sigma[:rank, None] * sigma[None, rank:]
    upper, lower = n[np.ix_(kept, dropped)], n[np.ix_(dropped, kept)].T
    mapped = np.zeros_like(n)
    mapped[:rank, :rank] = n[:rank, :rank]
    mapped[:rank, rank:] = (squares[:rank, None] * upper + products * lower) / gaps
    mapped[rank:, :rank] = ((squares[:rank, None] * lower + products * upper) / gaps).T
    u_k, v_k = u[:, :rank], vt[:rank].T
    outside = (g - u @ (u.T @ g)) @ v_k @ v_k.T + u_k @ u_k.T @ (g - (g @ vt.T) @ vt)
    return (u @ mapped @ vt + outside).T


def textbook_svd(latents: Array, rank: int) -> linalg.TruncatedSVD:
    """Cut off after differentiating all of the SVD, which divides by every gap; signs as the library's."""
    left, singular_values, right = jnp.linalg.svd(latents, full_matrices=False)
    basis = right[:rank].T
    signs = jnp.sign(jnp.take_along_axis(basis, jnp.argmax(jnp.abs(basis), axis=0)[None], axis=0))
    return linalg.TruncatedSVD(
        basis * signs, singular_values[:rank], left[:, :rank] * singular_values[None, :rank] * signs
    )


def by_textbook(latents: Array, *bars: Array) -> Array:
    """By autodiff of the whole SVD: gradients of ⟨Ū, U_k⟩ + ⟨ᾱ, α⟩ and of ⟨G, Y_k⟩."""

    def values(latents: Array) -> Array:
        svd = textbook_svd(latents, RANK)
        return _values(svd, svd, *bars)

    return jax.jacrev(values)(latents)


def by_library(latents: Array, *bars: Array) -> Array:
    """By the library's rule, the second without the block. Where dropped values coincide the other is not finite."""

    def values(latents: Array) -> Array:
        exact = linalg.truncated_svd(latents, RANK, method="svd")
        return _values(exact, linalg.truncated_svd(latents, RANK, within_block=False, method="svd"), *bars)

    return jax.jacrev(values)(latents)


def _values(
    svd: linalg.TruncatedSVD, of_product: linalg.TruncatedSVD, basis_bar: Array, alpha_bar: Array, product_bar: Array
) -> Array:
    product = of_product.coefficients @ of_product.basis.T
    return jnp.stack(
        [
            jnp.vdot(basis_bar, svd.basis) + jnp.vdot(alpha_bar.T, svd.coefficients),
            jnp.vdot(product_bar, product),
        ]
    )


def check_closed_form(key: Key[Array, ""]) -> Evidence:
    rng = generator(key)
    findings: list[Finding] = []
    textbook_rule, library_rule = jax.jit(by_textbook), jax.jit(by_library)
    for name, shape in {"9 samples of 6": (9, 6), "6 samples of 9": (6, 9)}.items():
        latents = random_latents(rng, *shape)
        bars = rng.normal(size=(shape[1], RANK)), rng.normal(size=(RANK, shape[0])), rng.normal(size=shape)
        with float64():
            basis = decompose(latents, RANK).basis
            textbook, textbook_product = np.asarray(textbook_rule(latents, *bars))
            library, library_product = np.asarray(library_rule(latents, *bars))
        small = rounding(latents, RANK)
        expected, of_product = closed_form(latents, basis, *bars[:2]), closed_form_of_product(latents, RANK, bars[2])
        findings += [
            below(f"{name}: closed form against autodiff of the whole SVD", relative(expected, textbook), small),
            below(f"{name}: library against closed form", relative(library, expected), small),
            below(f"{name}: ⟨G, Y_k⟩ pair by pair against autodiff", relative(of_product, textbook_product), small),
            below(f"{name}: ⟨G, Y_k⟩ library without the block", relative(library_product, of_product), small),
        ]
        if shape[0] < shape[1]:
            short = closed_form_of_short_batch(latents, basis, *bars[:2])
            findings.append(below(f"{name}: closed form by YᵀY against autodiff", relative(short, textbook), small))
    return Evidence((*findings, *_dropped_tie(rng, library_rule)))


def _dropped_tie(rng: np.random.Generator, library_rule: Callable[..., Array]) -> list[Finding]:
    """Two dropped singular values that coincide: the gradient against differences of the function itself."""
    factors = orthonormal(rng, 9, 6), orthonormal(rng, 6, 6)
    bars = rng.normal(size=(6, RANK)), rng.normal(size=(RANK, 9)), rng.normal(size=(9, 6))
    latents = with_spectrum(factors[0], (2.0, 1.6, 1.2, 0.5, 0.5, 0.2), factors[1])

    def value(latents: np.ndarray) -> float:
        svd = decompose(latents, RANK)
        return float(np.sum(bars[0] * svd.basis) + np.sum(bars[1].T * svd.coefficients))

    direction = rng.normal(size=latents.shape)
    direction /= np.linalg.norm(direction)
    with float64():
        basis = decompose(latents, RANK).basis
        library = np.asarray(library_rule(latents, *bars)[0])
        # Central differences of two steps, so that the error is of the fourth power of step over gap: (1e-3 / 0.4)⁴.
        wide, narrow = (
            (value(latents + h * direction) - value(latents - h * direction)) / (2 * h) for h in (1e-3, 5e-4)
        )
    slope = (4 * narrow - wide) / 3
    expected = closed_form(latents, basis, *bars[:2])
    scale = float(np.linalg.norm(expected))
    return [
        below(
            "dropped tie: slope against differences, relative", abs(np.sum(library * direction) - slope) / scale, 1e-8
        ),
        below("dropped tie: library against closed form", relative(library, expected), rounding(latents, RANK)),
    ]


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=10,
        name="Pairs of one kept and one dropped direction",
        source="RRAE, Eq. 2, and VRRAE, Eq. 3, differentiated",
        statement=(
            r"Samples as columns: $\bar Y = U_k(\bar\alpha + S\alpha + X^T Y) + X\alpha$, where $X$ solves "
            r"$X\Lambda_k - RR^TX = (I - U_kU_k^T)\tilde U$ with $R = Y - U_k\alpha$ and "
            r"$\tilde U = \bar U + Y\bar\alpha^T$, and $S_{ji} = (C - C^T)_{ji} / (\lambda_i - \lambda_j)$ with "
            r"$C = U_k^T\tilde U$: no gap between two dropped directions occurs."
        ),
        verdict=Verdict.TRUE,
        explanation=(
            "Kept singular vectors turn towards dropped ones and towards each other; how the dropped ones turn among "
            "themselves is not seen by anything that is kept. The derivative therefore exists, and the formula is "
            "exact, where dropped singular values coincide. Of a function of the product $U_k\\alpha$ alone $C$ is "
            "symmetric and $S$ vanishes too."
        ),
        check=check_closed_form,
    ),
)
