"""Claims on ties and signs, where a singular vector is not determined: 11, 12, 13 and 33."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from vrrae_lab import bottlenecks, gaussian, linalg
from vrrae_lab.derivations.claim import Claim, Evidence, Finding, Verdict, float64
from vrrae_lab.derivations.gradient import closed_form_of_product
from vrrae_lab.derivations.samples import (
    above,
    below,
    decompose,
    generator,
    orthonormal,
    random_latents,
    relative,
    rounding,
    with_spectrum,
)

BATCH, LATENT_SIZE, RANK = 12, 8, 3
VISIBLE = 1e-3  # what rounding in float64 does not explain, see `spectrum`


def tied(gap: float) -> tuple[float, ...]:
    """A spectrum whose second and third values, both kept, differ by this fraction."""
    return 2.0, 1.5, 1.5 * (1 - gap), 0.8, 0.5, 0.3


# ------------------------------------------------------------------------------------------- 11: ties that are kept


class Setting(NamedTuple):
    """A decoder of one layer, what it should give, noise, and the key of the layer g and of the posterior's draw."""

    decoder: np.ndarray
    x: np.ndarray
    noise: np.ndarray
    key: Key[Array, ""]

    def error(self, latents: Array) -> Array:
        return jnp.sum((jnp.tanh(latents @ self.decoder) - self.x) ** 2)

    def error_gradient(self, latents: np.ndarray) -> np.ndarray:
        x_hat = np.tanh(latents @ self.decoder)
        return (2 * (x_hat - self.x) * (1 - x_hat**2)) @ self.decoder.T


def random_setting(rng: np.random.Generator) -> Setting:
    decoder = rng.normal(size=(LATENT_SIZE, LATENT_SIZE)) / LATENT_SIZE**0.5
    x, noise = rng.normal(size=(2, BATCH, LATENT_SIZE))
    return Setting(decoder, x, noise, jax.random.key(int(rng.integers(2**31))))


SINGULAR = ("all of VRRAE's loss", "KL alone, log variance linear in α", "noise of one std drawn per coefficient, alone")
REGULAR = ("|α|²", "noise drawn in the latent space and projected", "RRAE")


def losses(setting: Setting, latents: Array) -> Array:
    """Those named in `SINGULAR` and `REGULAR`, stacked."""
    variational = bottlenecks.VariationalLowRank(RANK, key=setting.key)
    low_rank = bottlenecks.LowRank.of_rank(RANK)
    basis, _, alpha = linalg.truncated_svd(latents, RANK)
    draw = variational(latents, key=setting.key)
    return jnp.stack(
        [
            setting.error(draw.latents) + jnp.sum(variational.encode(latents).kl()),
            jnp.sum(variational.posterior(alpha).kl()),
            setting.error((alpha + 0.5 * setting.noise[:, :RANK]) @ basis.T),
            jnp.sum(alpha**2),
            setting.error((latents + 0.5 * setting.noise) @ basis @ basis.T),
            setting.error(low_rank(latents, key=setting.key).latents),
        ]
    )


def check_kept_ties(key: Key[Array, ""]) -> Evidence:
    rng = generator(key)
    left, right, setting = orthonormal(rng, BATCH, 6), orthonormal(rng, LATENT_SIZE, 6), random_setting(rng)
    direction = rng.normal(size=(BATCH, LATENT_SIZE))
    direction /= np.linalg.norm(direction)
    at, step = with_spectrum(left, tied(1e-4), right), 1e-7
    exactly = with_spectrum(left, tied(0), right)
    with float64():
        values = jax.jit(lambda latents: losses(setting, latents))
        jacobian = jax.jit(jax.jacrev(lambda latents: losses(setting, latents)))
        gradients = {g: np.asarray(jacobian(with_spectrum(left, tied(g), right))) for g in (1e-4, 1e-8, 1e-10, 0)}
        ahead, behind = (np.asarray(values(at + sign * step * direction)) for sign in (1, -1))
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
    findings.append(below("RRAE, exact tie: gradient against the closed form", relative(gradients[0][-1], expected), 1e-11))
    return Evidence(tuple(findings))


def low_rank_part(latents: np.ndarray) -> np.ndarray:
    left, singular_values, right = np.linalg.svd(latents, full_matrices=False)
    return (left[:, :RANK] * singular_values[None, :RANK]) @ right[:RANK]


# ------------------------------------------------------------------------------- 12: a cut-off on the gaps


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


def cut_off_gradient(svd: Factors, basis_bar: np.ndarray, alpha_bar: np.ndarray, cut_off: float) -> np.ndarray:
    r"""The standard derivative of the whole SVD, with its gaps kept from below $c \sigma_1$, in the given precision.

    $$\bar Y = V\big[(F \circ (V^T \bar V - \bar V^T V))\,\Sigma + \Sigma\,(F \circ (U^T \bar U - \bar U^T U))
      + \bar \Sigma\big]U^T + (I - VV^T)\,\bar V \Sigma^{-1} U^T + V \Sigma^{-1} \bar U^T (I - UU^T)$$

    with $F_{ij} = 1 / ((\sigma_j - \sigma_i)(\sigma_j + \sigma_i))$, for latents $Y = V \Sigma U^T$ with one row per
    sample, whose coefficients are $V_k \Sigma_k$. The cotangents are those of basis and coefficients.
    """
    left, sigma, basis = svd
    rank = basis_bar.shape[1]
    u_bar, v_bar, sigma_bar = np.zeros_like(basis), np.zeros_like(left), np.zeros_like(sigma)
    u_bar[:, :rank], v_bar[:, :rank] = basis_bar, alpha_bar * sigma[None, :rank]
    sigma_bar[:rank] = np.sum(left[:, :rank] * alpha_bar, axis=0)
    gaps, floor = sigma[None, :] - sigma[:, None], np.asarray(cut_off * sigma[0], sigma.dtype)
    gaps = np.where(np.abs(gaps) < floor, np.where(gaps < 0, -floor, floor), gaps)
    np.fill_diagonal(gaps, np.inf)
    f = 1 / (gaps * (sigma[None, :] + sigma[:, None]))
    of_left, of_basis = left.T @ v_bar, basis.T @ u_bar
    core = f * (of_left - of_left.T) * sigma[None, :] + sigma[:, None] * f * (of_basis - of_basis.T)
    inside = left @ (core + np.diag(sigma_bar)) @ basis.T
    return inside + (v_bar - left @ of_left) / sigma @ basis.T + left / sigma @ (u_bar - basis @ of_basis).T


CUT_OFF = 1e-11


def autodiff(latents: Array, basis_bar: Array, alpha_bar: Array, product_bar: Array) -> Array:
    """The library's gradients of ⟨Ū, U_k⟩ + ⟨ᾱ, α⟩ and, without the block, of ⟨G, Y_k⟩."""

    def values(latents: Array) -> Array:
        svd = linalg.truncated_svd(latents, RANK, method="svd")
        product = linalg.truncated_svd(latents, RANK, within_block=False, method="svd")
        of_svd = jnp.vdot(basis_bar, svd.basis) + jnp.vdot(alpha_bar, svd.coefficients)
        return jnp.stack([of_svd, jnp.vdot(product_bar, product.coefficients @ product.basis.T)])

    return jax.jacrev(values)(latents)


def check_cut_off(key: Key[Array, ""]) -> Evidence:
    rng = generator(key)
    left, right = orthonormal(rng, BATCH, 6), orthonormal(rng, LATENT_SIZE, 6)
    bars = rng.normal(size=(LATENT_SIZE, RANK)), rng.normal(size=(BATCH, RANK))
    product_bar = rng.normal(size=(BATCH, LATENT_SIZE))
    low, low_product = (bars[0].astype(np.float32), bars[1].astype(np.float32)), product_bar.astype(np.float32)
    library = jax.jit(lambda *arrays: autodiff(*arrays))

    def norm(gap: float, dtype: str) -> float:
        factors = factorise(with_spectrum(left, tied(gap), right).astype(dtype))
        return float(np.linalg.norm(cut_off_gradient(factors, *(low if dtype == "float32" else bars), CUT_OFF)))

    separated = with_spectrum(left, tied(0.2), right)
    with float64():
        of_library = np.asarray(library(separated, *bars, product_bar)[0])
    uncut = cut_off_gradient(factorise(separated), *bars, 0.0)
    changes, errors, errors_of_library = [], [], []
    for gap in (1e-2, 1e-4, 1e-6):
        factors = factorise(with_spectrum(left, tied(gap), right).astype("float32"))
        cut, uncut_too = (cut_off_gradient(factors, *low, cut_off) for cut_off in (CUT_OFF, 0.0))
        changes.append(np.abs(cut - uncut_too).max())
    for _ in range(5):  # the product at a tie, in float32, seen through five frames
        latents = with_spectrum(left, tied(0), right @ orthonormal(rng, 6, 6)).astype("float32")
        factors = factorise(latents)
        basis, alpha = factors.basis[:, :RANK], (factors.left * factors.singular_values)[:, :RANK]
        found = cut_off_gradient(factors, low_product.T @ alpha, low_product @ basis, CUT_OFF)
        expected = closed_form_of_product(latents.astype("float64"), RANK, product_bar)
        errors.append(relative(found, expected))
        errors_of_library.append(relative(library(latents, *low, low_product)[1], expected))
    # float32 carries a gap of 1e-5 to about ε / 1e-5 = 1 %, hence the power of the gap to a hundredth or two.
    powers = {
        "float32, gap 1e-3 to 1e-5": np.log10(norm(1e-5, "float32") / norm(1e-3, "float32")) / 2,
        "float64, gap 1e-8 to 1e-10": np.log10(norm(1e-10, "float64") / norm(1e-8, "float64")) / 2,
    }
    return Evidence(
        (
            below("uncut, separated: against the library", relative(uncut, of_library), rounding(separated, RANK)),
            above("least gap of float32 numbers below 1 over the cut-off", np.finfo("float32").epsneg / CUT_OFF, 1e3),
            below("float32, gaps from 1e-2 to 1e-6: largest change by the cut-off", max(changes), 1e-30),
            *(below(f"{name}: |power of the gap + 1|", abs(power - 1), 0.1) for name, power in powers.items()),
            above("float32, exact tie: gradient over that at a gap of 0.2", norm(0, "float32") / norm(0.2, "float32"), 1e4),
            above("⟨G, Y_k⟩ at a tie, float32: largest relative error with the cut-off", max(errors), 0.01),
            below("⟨G, Y_k⟩ at a tie, float32: largest error of the library", max(errors_of_library), 1e-5),
        )
    )


# -------------------------------------------------------------------------------------------- 13: arbitrary signs


def check_signs(key: Key[Array, ""]) -> Evidence:
    rng = generator(key)
    latents = random_latents(rng, BATCH, LATENT_SIZE)
    shuffles = [latents[rng.permutation(BATCH)] for _ in range(8)]
    flips = 1 - 2 * np.eye(RANK)
    layer_key = jax.random.key(int(rng.integers(2**31)))
    with float64():
        model = bottlenecks.VariationalLowRank(RANK, key=layer_key)
        constant = eqx.tree_at(lambda m: m.log_variance_layer.weight, model, replace_fn=jnp.zeros_like)
        divergence = jax.jit(lambda bottleneck, alpha: jnp.sum(bottleneck.posterior(alpha).kl()))

        def kl(bottleneck: bottlenecks.VariationalLowRank, alpha: np.ndarray) -> float:
            return float(divergence(bottleneck, alpha))

        basis, _, alpha = decompose(latents, RANK)
        by_gram = decompose(latents, RANK, method="gram")
        flipped = [kl(model, alpha * flip) / kl(model, alpha) - 1 for flip in flips]
        flipped_constant = [kl(constant, alpha * flip) / kl(constant, alpha) - 1 for flip in flips]
        raw = [np.linalg.svd(shuffled, full_matrices=False)[2][:RANK].T for shuffled in shuffles]
        raw_kl = [kl(model, rows @ frame) for rows, frame in zip(shuffles, raw, strict=True)]
        bases = [decompose(shuffled, RANK).basis for shuffled in shuffles]
        ours_kl = [kl(model, decompose(shuffled, RANK).coefficients) for shuffled in shuffles]
        either_side = [kl(model, decompose(batch, RANK).coefficients) for batch in _either_side(rng)]
    small = rounding(latents, RANK)
    flips_of_numpy = sum(int(np.sum(np.sum(frame * basis, axis=0) < 0)) for frame in raw)
    differences = [float(np.max(np.abs(other - basis))) for other in (*bases, by_gram.basis)]
    return Evidence(
        (
            above("one sign flipped: largest relative change of the KL", np.max(np.abs(flipped)), VISIBLE),
            below("likewise, log variance without slope", np.max(np.abs(flipped_constant)), small),
            above("numpy, 8 orders of one batch: flipped directions of 24", flips_of_numpy, 0),
            below("numpy: directions that kept their sign, of 24", flips_of_numpy, 24),
            above("numpy, 8 orders of one batch: spread of the KL, relative", np.ptp(raw_kl) / min(raw_kl), VISIBLE),
            below("library, 8 orders and both methods: largest change of the basis", max(differences), small),
            below("library, 8 orders of one batch: spread of the KL, relative", np.ptp(ours_kl) / min(ours_kl), small),
            above("library, two batches 1e-9 apart: change of the KL, relative", np.ptp(either_side) / min(either_side), VISIBLE),
        )
    )


def _either_side(rng: np.random.Generator) -> list[np.ndarray]:
    """Two batches 1e-9 apart between which the largest entry of the first basis vector changes its place, and sign."""
    directions = rng.normal(size=(LATENT_SIZE, RANK))
    directions[:2, 0] = np.array([1, -1]) * (1 + np.abs(directions[:, 0]).max())
    left = orthonormal(rng, BATCH, RANK)
    batches = []
    for tilt in (1e-9, -1e-9):
        tilted = directions.copy()
        tilted[0, 0] *= 1 + tilt
        batches.append(with_spectrum(left, (2.0, 1.5, 1.0), np.linalg.qr(tilted)[0]))
    return batches


# ------------------------------------------------------------------------------- 33: leaving out the kept pairs


def check_transport_gauge(key: Key[Array, ""]) -> Evidence:
    rng = generator(key)
    left, right, setting = orthonormal(rng, BATCH, 6), orthonormal(rng, LATENT_SIZE, 6), random_setting(rng)
    latents = with_spectrum(left, (2.0, 1.6, 1.2, 0.8, 0.5, 0.3), right)
    noise = rng.normal(size=(2000, BATCH, RANK))

    def of_noise(within_block: bool, std: np.ndarray) -> Callable:
        def value(latents: Array, noise: Array) -> Array:
            basis, _, alpha = linalg.truncated_svd(latents, RANK, within_block=within_block, method="svd")
            return setting.error((alpha + std * noise) @ basis.T)

        return jax.jit(jax.vmap(jax.grad(value), in_axes=(None, 0)))
    out=[]
    with float64():
        for std in (np.full((1,3),.5), np.array([[.2,.5,1.]])):
            g=[np.asarray(of_noise(w,std)(latents,noise)).reshape(len(noise),-1) for w in (True,False)]
            d=g[0]-g[1]; var=lambda a: a.var(0).sum()
            out.append((float((d.mean(0)**2).sum()/(var(d)/len(d))), float(var(g[0])/var(g[1])), float(np.linalg.norm(d.mean(0))/np.linalg.norm(g[0].mean(0)))))
    return out
