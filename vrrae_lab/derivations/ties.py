"""Claims on ties among kept singular values: 11 and 12."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from vrrae_lab import bottlenecks, linalg
from vrrae_lab.derivations.claim import Claim, Evidence, Finding, Verdict, float64
from vrrae_lab.derivations.gradient import closed_form_of_product
from vrrae_lab.derivations.samples import above, below, orthonormal, relative, rounding, with_spectrum
from vrrae_lab.randomness import generator

BATCH, LATENT_SIZE, RANK = 12, 8, 3


def tied(gap: float) -> tuple[float, ...]:
    """A spectrum whose second and third values, both kept, differ by this fraction."""
    return 2.0, 1.5, 1.5 * (1 - gap), 0.8, 0.5, 0.3


# ------------------------------------------------------------------------------------------- 11: ties that are kept


class Setting(NamedTuple):
    """A decoder of one layer, what it should give, noise, and the key of the layer g and of the posterior's draw."""

    decoder: Array | np.ndarray
    x: Array | np.ndarray
    noise: Array | np.ndarray
    key: Key[Array, ""]

    def error(self, latents: Array) -> Array:
        return jnp.sum((jnp.tanh(latents @ self.decoder) - self.x) ** 2)

    def error_gradient(self, latents: np.ndarray) -> np.ndarray:
        x_hat = np.tanh(latents @ self.decoder)
        return np.asarray((2 * (x_hat - self.x) * (1 - x_hat**2)) @ self.decoder.T)


def random_setting(rng: np.random.Generator) -> Setting:
    decoder = rng.normal(size=(LATENT_SIZE, LATENT_SIZE)) / LATENT_SIZE**0.5
    x, noise = rng.normal(size=(2, BATCH, LATENT_SIZE))
    return Setting(decoder, x, noise, jax.random.key(int(rng.integers(2**31))))


SINGULAR = (
    "all of VRRAE's loss",
    "KL alone, log variance linear in α",
    "noise of one std drawn per coefficient, alone",
)
REGULAR = ("|α|²", "noise drawn in the latent space and projected", "RRAE")


def losses(setting: Setting, latents: Array) -> Array:
    """Those named in `SINGULAR` and `REGULAR`, stacked."""
    variational = bottlenecks.VariationalLowRank(RANK, key=setting.key)
    low_rank = bottlenecks.LowRank.of_rank(RANK)
    basis, _, alpha = linalg.truncated_svd(latents, RANK)
    draw = variational(latents, key=setting.key)
    return jnp.stack(
        [
            setting.error(draw.latents) + jnp.sum(variational.posterior(alpha).kl()),
            jnp.sum(variational.posterior(alpha).kl()),
            setting.error((alpha + 0.5 * setting.noise[:, :RANK]) @ basis.T),
            jnp.sum(alpha**2),
            setting.error((latents + 0.5 * setting.noise) @ basis @ basis.T),
            setting.error(low_rank(latents, key=setting.key).latents),
        ]
    )


def losses_and_gradients(setting: Setting, latents: Array) -> tuple[Array, Array]:
    """Of `losses`: the values, and their gradients by the latents."""
    jacobian, values = jax.jacrev(lambda latents: (losses(setting, latents),) * 2, has_aux=True)(latents)
    return values, jacobian


def check_kept_ties(key: Key[Array, ""]) -> Evidence:
    rng = generator(key)
    left, right, setting = orthonormal(rng, BATCH, 6), orthonormal(rng, LATENT_SIZE, 6), random_setting(rng)
    direction = rng.normal(size=(BATCH, LATENT_SIZE))
    direction /= np.linalg.norm(direction)
    at, step = with_spectrum(left, tied(1e-4), right), 1e-7
    exactly = with_spectrum(left, tied(0), right)
    with float64():
        both = jax.jit(losses_and_gradients)
        gradients = {
            gap: np.asarray(both(setting, with_spectrum(left, tied(gap), right))[1]) for gap in (1e-4, 1e-8, 1e-10, 0)
        }
        ahead, behind = (np.asarray(both(setting, at + sign * step * direction)[0]) for sign in (1, -1))
    slope = np.sum(gradients[1e-4] * direction, axis=(1, 2))
    norms = {gap: np.linalg.norm(gradient, axis=(1, 2)) for gap, gradient in gradients.items()}
    powers = np.log(norms[1e-8] / norms[1e-10]) / np.log(1e-8 / 1e-10)
    changes = np.linalg.norm(gradients[1e-10] - gradients[1e-8], axis=(1, 2)) / norms[1e-8]
    error = abs((ahead[0] - behind[0]) / (2 * step) - slope[0]) / norms[1e-4][0]
    # The gap itself is right to ε / 1e-10 = 2e-6 of it, and what does not depend on it is gone at 1e-8.
    findings = [
        finding
        for name, power, growth in zip(SINGULAR, powers, norms[1e-10] / norms[1e-4], strict=False)
        for finding in (
            below(f"{name}: |power of the gap + 1| of the gradient", abs(power + 1), 0.05),
            above(f"{name}: gradient at a gap of 1e-10 over that at 1e-4", growth, 1e3),
        )
    ]
    findings += [
        below(f"{name}: change of the gradient from a gap of 1e-8 to 1e-10", change, 1e-4)
        for name, change in zip(REGULAR, changes[len(SINGULAR) :], strict=True)
    ]
    bar = setting.error_gradient(low_rank_part(exactly))
    expected = closed_form_of_product(exactly, RANK, bar)
    findings.append(below(f"{SINGULAR[0]}, gap of 1e-4: gradient against differences", error, 1e-4))
    findings.append(
        below("RRAE, exact tie: gradient against the closed form", relative(gradients[0][-1], expected), 1e-11)
    )
    return Evidence(tuple(findings))


def low_rank_part(latents: np.ndarray) -> np.ndarray:
    left, singular_values, right = np.linalg.svd(latents, full_matrices=False)
    return (left[:, :RANK] * singular_values[None, :RANK]) @ right[:RANK]


# ------------------------------------------------------------------- 12: the rule of the authors' code at ties


class Factors(NamedTuple):
    """A whole thin SVD, latents = left @ diag(singular_values) @ basis.T, in the library's signs."""

    left: np.ndarray
    singular_values: np.ndarray
    basis: np.ndarray


def factorise(latents: np.ndarray) -> Factors:
    left, singular_values, right = np.linalg.svd(latents, full_matrices=False)
    largest = np.abs(right).argmax(axis=1)
    signs = np.sign(right[np.arange(len(right)), largest])
    return Factors(left * signs[None, :], singular_values, right.T * signs[None, :])


CUT_OFF = 1e-11


def inverse_or_zero(numbers: np.ndarray) -> np.ndarray:
    """1 over each, and 0 where it is exactly 0."""
    return np.where(numbers == 0, 0, 1 / np.where(numbers == 0, 1, numbers))


def authors_gradient(svd: Factors, basis_bar: np.ndarray, alpha_bar: np.ndarray, cut_off: float) -> np.ndarray:
    r"""The standard derivative of the whole SVD with the exceptions of the authors' code, in the given precision.

    $$\bar Y = V\big[(F \circ (V^T \bar V - \bar V^T V))\,\Sigma + \Sigma\,(F \circ (U^T \bar U - \bar U^T U))
      + \bar \Sigma\big]U^T + (I - VV^T)\,\bar V \Sigma^{-1} U^T + V \Sigma^{-1} \bar U^T (I - UU^T)$$

    with $F_{ij} = 1 / ((\sigma_j - \sigma_i)(\sigma_j + \sigma_i))$, for latents $Y = V \Sigma U^T$ with one row per
    sample, whose coefficients are $V_k \Sigma_k$. The cotangents are those of basis and coefficients. The exceptions:
    singular values below $c\,\sigma_1$ count as 0, and what would be divided by exactly 0 is left out.
    """
    left, sigma, basis = svd
    rank = basis_bar.shape[1]
    u_bar, v_bar, sigma_bar = np.zeros_like(basis), np.zeros_like(left), np.zeros_like(sigma)
    u_bar[:, :rank], v_bar[:, :rank] = basis_bar, alpha_bar * sigma[None, :rank]
    sigma_bar[:rank] = np.sum(left[:, :rank] * alpha_bar, axis=0)
    sigma = np.where(sigma < np.asarray(cut_off, sigma.dtype) * sigma[0], 0, sigma)
    f = inverse_or_zero((sigma[None, :] - sigma[:, None]) * (sigma[None, :] + sigma[:, None]))
    of_left, of_basis = left.T @ v_bar, basis.T @ u_bar
    core = f * (of_left - of_left.T) * sigma[None, :] + sigma[:, None] * f * (of_basis - of_basis.T)
    inside, inverse = left @ (core + np.diag(sigma_bar)) @ basis.T, inverse_or_zero(sigma)
    return inside + (v_bar - left @ of_left) * inverse @ basis.T + left * inverse @ (u_bar - basis @ of_basis).T


def autodiff(latents: Array, basis_bar: Array, alpha_bar: Array, product_bar: Array) -> Array:
    """The library's gradients of ⟨Ū, U_k⟩ + ⟨ᾱ, α⟩ and, without the block, of ⟨G, Y_k⟩."""

    def values(latents: Array) -> Array:
        svd = linalg.truncated_svd(latents, RANK, method="svd")
        product = linalg.truncated_svd(latents, RANK, within_block=False, method="svd")
        of_svd = jnp.vdot(basis_bar, svd.basis) + jnp.vdot(alpha_bar, svd.coefficients)
        return jnp.stack([of_svd, jnp.vdot(product_bar, product.coefficients @ product.basis.T)])

    return jax.jacrev(values)(latents)


def in_float32(svd: Factors, bars: tuple[np.ndarray, np.ndarray], cut_off: float) -> np.ndarray:
    return authors_gradient(svd, bars[0].astype(np.float32), bars[1].astype(np.float32), cut_off)


def check_authors_rule(key: Key[Array, ""]) -> Evidence:
    rng = generator(key)
    left, right = orthonormal(rng, BATCH, 6), orthonormal(rng, LATENT_SIZE, 6)
    # Ten pairs of cotangents: one alone may hardly see the pair that is tied.
    draws = [(rng.normal(size=(LATENT_SIZE, RANK)), rng.normal(size=(BATCH, RANK))) for _ in range(10)]
    double = {gap: factorise(with_spectrum(left, tied(gap), right)) for gap in (0.2, 1e-8, 1e-10)}
    single = {
        gap: factorise(with_spectrum(left, tied(gap), right).astype(np.float32))
        for gap in (0.2, 1e-2, 1e-3, 1e-4, 1e-5)
    }
    norms = {g: np.linalg.norm([authors_gradient(svd, *bars, CUT_OFF) for bars in draws]) for g, svd in double.items()}
    found = {gap: np.array([in_float32(svd, bars, CUT_OFF) for bars in draws]) for gap, svd in single.items()}
    norms32 = {gap: np.linalg.norm(gradients) for gap, gradients in found.items()}
    changes = [np.max(np.abs(found[g] - [in_float32(svd, bars, 0.0) for bars in draws])) for g, svd in single.items()]
    smallest = min(svd.singular_values[-1] / svd.singular_values[0] for svd in single.values())
    library = jax.jit(autodiff)
    separated, product_bar = with_spectrum(left, tied(0.2), right), rng.normal(size=(BATCH, LATENT_SIZE))
    with float64():
        of_library = np.asarray(library(separated, *draws[0], product_bar)[0])
    of_rule = authors_gradient(double[0.2], *draws[0], CUT_OFF)
    # float32 carries a gap of 1e-5 to about ε / 1e-5 = 1 %, so the power of the gap comes out to a hundredth or so.
    powers = {
        "float32, gap 1e-3 to 1e-5": np.log10(norms32[1e-5] / norms32[1e-3]) / 2,
        "float64, gap 1e-8 to 1e-10": np.log10(norms[1e-10] / norms[1e-8]) / 2,
    }
    return Evidence(
        (
            below(
                "separated: their rule against the library", relative(of_rule, of_library), rounding(separated, RANK)
            ),
            # two of eight singular values vanish; what float32 leaves of them is some 1e-8 of the largest
            above("float32, rank 6 of 8: least singular value over the cut-off", smallest / CUT_OFF, 10),
            below("float32, gaps from 0.2 to 1e-5: largest change by the cut-off", max(changes), 1e-30),
            *(below(f"{name}: |power of the gap + 1|", abs(power - 1), 0.1) for name, power in powers.items()),
            *_product_at_a_tie(rng, library, left, right),
        )
    )


def _product_at_a_tie(
    rng: np.random.Generator, library: Callable[..., Array], left: np.ndarray, right: np.ndarray
) -> list[Finding]:
    """Gradient of ⟨G, Y_k⟩ at a kept tie of ten matrices and G, by their rule and by the library.

    In float64 the matrices are diagonal, so that the tie is exact; in float32 rounding makes of it what it does.
    """
    unused = np.zeros((LATENT_SIZE, RANK), np.float32), np.zeros((BATCH, RANK), np.float32)
    exact, errors, errors_of_library = [], [], []
    diagonal = with_spectrum(np.eye(BATCH, 6), tied(0), np.eye(LATENT_SIZE, 6))
    for _ in range(10):
        g = rng.normal(size=(BATCH, LATENT_SIZE))
        turned = with_spectrum(left, tied(0), right @ orthonormal(rng, 6, 6)).astype(np.float32)
        expected = closed_form_of_product(turned.astype(float), RANK, g)
        exact.append(relative(_of_product(diagonal, g), closed_form_of_product(diagonal, RANK, g)))
        errors.append(relative(_of_product(turned, g.astype(np.float32)), expected))
        errors_of_library.append(relative(library(turned, *unused, g.astype(np.float32))[1], expected))
    # Without gaps in the way an error is float32's 1e-7 times modest factors. With them it is that over a gap which
    # rounding has made; and where the pair is left out, two of the sixty numbers that count.
    return [
        above("⟨G, Y_k⟩ at an exact tie, float64: largest relative error of their rule", max(exact), 0.03),
        above("⟨G, Y_k⟩ at a tie, float32: largest relative error of their rule", max(errors), 0.03),
        below("⟨G, Y_k⟩ at a tie, float32: largest relative error of the library", max(errors_of_library), 1e-5),
    ]


def _of_product(latents: np.ndarray, g: np.ndarray) -> np.ndarray:
    svd = factorise(latents)
    basis, alpha = svd.basis[:, :RANK], (svd.left * svd.singular_values[None, :])[:, :RANK]
    return authors_gradient(svd, g.T @ alpha, g @ basis, CUT_OFF)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=11,
        name="Ties among kept singular values",
        source="RRAE and VRRAE, the gradient of the truncated SVD",
        statement=(
            r"The gradient through the truncated SVD stays finite where two *kept* singular values coincide, "
            r"$\sigma_i \to \sigma_j$ with $i, j \le k$."
        ),
        verdict=Verdict.FALSE,
        explanation=(
            "True of the RRAE, whose decoder sees the product of coefficients and basis alone: it does not change when "
            "the kept frame is rotated. A VRRAE's loss does change, because the log variance is linear in the "
            "coefficients and the noise is drawn per coefficient; either of them by itself makes the exact gradient "
            "grow as one over the gap. The mean's part of the KL and noise drawn in the latent space are harmless."
        ),
        check=check_kept_ties,
    ),
    Claim(
        number=12,
        name="A safe SVD",
        source="the authors' public code (RRAEs), the derivative of its stable SVD",
        statement=(
            r"Counting singular values below $10^{-11} \sigma_1$ as zero, and leaving out pairs that are exactly "
            r"equal, makes the standard derivative of the SVD stable at ties."
        ),
        verdict=Verdict.FALSE,
        explanation=(
            "Near ties are not touched, and keep their gradient of one over the gap. What float32 leaves of a singular "
            "value of zero is a thousand times the cut-off, so that this does nothing either. At an exact tie the pair "
            "is left out: the gradient is finite and wrong, even that of the low-rank product, which has no "
            "singularity at a kept tie; and where rounding has parted the pair, it is rounding over rounding."
        ),
        check=check_authors_rule,
    ),
)
