r"""Why a VRRAE loses coefficients: what an uncentred SVD and its KL divergence make of the mean of the batch.

Notation: $Y = \mathbb{1}\mu^T + E$ are the latents of a batch, one row a sample, $\mu$ their mean, so
$\mathbb{1}^T E = 0$; $p_j = N \bar\alpha_j^2 / \sigma_j^2$ is the constant's share of coefficient $j$.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from vrrae_lab import bottlenecks, gaussian
from vrrae_lab.derivations.claim import Claim, Evidence, Finding, Verdict, float64
from vrrae_lab.derivations.measures import ROUNDING, centred, constancy, evidence, relative_error, terms_left
from vrrae_lab.derivations.samples import orthonormal
from vrrae_lab.randomness import generator

BATCH, LATENT_SIZE, RANK = 40, 9, 3
SHARES = (0.5, 0.9, 0.99, 0.999)  # of the squares of the latents that are their mean's
DOMINANT = 1e8  # squares of the mean over those of the rest
SPREAD = np.array([3.0, 2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25, 0.2])  # of E's singular values


def latents_around_a_mean(
    random: np.random.Generator, ratio: float
) -> tuple[Float[np.ndarray, "batch latent_size"], Float[np.ndarray, " latent_size"]]:
    """The centred part of some latents and their mean, whose squares are `ratio` times those of that part."""
    rest = centred(random, BATCH, LATENT_SIZE) * SPREAD @ orthonormal(random, LATENT_SIZE, LATENT_SIZE).T
    mean = random.normal(size=LATENT_SIZE)
    return rest, mean * np.sqrt(ratio * (rest**2).sum() / BATCH) / np.linalg.norm(mean)


def truncated(
    latents: np.ndarray, rank: int, *, centre: bool = False
) -> tuple[Float[np.ndarray, "batch rank"], Float[np.ndarray, "batch latent_size"]]:
    """The coefficients by the library's bottleneck, and what the decoder would see."""
    basis, y = bottlenecks.BatchBasis(rank, centre=centre), jnp.asarray(latents)
    matrix, coefficients = basis.project(y)
    offset = basis.offset_of(y)
    seen = np.asarray(coefficients) @ np.asarray(matrix).T
    return np.asarray(coefficients), seen if offset is None else seen + np.asarray(offset)


def lost(latents: np.ndarray, rank: int, *, centre: bool = False) -> float:
    """Squares of the latents that the truncation loses."""
    return float(((latents - truncated(latents, rank, centre=centre)[1]) ** 2).sum())


def check_what_the_mean_takes(key: Key[Array, ""]) -> Evidence:
    """Claim 39."""
    random = generator(key)
    below, first, centred_shares, more, fewer = [], [], [], [], []
    with float64():
        for share in SHARES:
            rest, mean = latents_around_a_mean(random, share / (1 - share))
            constant = constancy(truncated(rest + mean, RANK)[0])
            first.append(constant[0])
            below.append(1 - np.linalg.norm(rest, 2) ** 2 / (BATCH * mean @ mean) - constant[0])
            centred_shares.append(constancy(truncated(rest + mean, RANK, centre=True)[0]).max())
            own, size = lost(rest + mean, RANK), (rest**2).sum()
            more.append((own - lost(rest + mean, RANK, centre=True)) / size)
            fewer.append((lost(rest + mean, RANK - 1, centre=True) - own) / size)
        rest, mean = latents_around_a_mean(random, DOMINANT)
        beside = rest - np.outer(rest @ mean, mean) / (mean @ mean)
        limit = (np.linalg.svd(beside, compute_uv=False)[RANK - 1 :] ** 2).sum()
        far = abs(lost(rest + mean, RANK) / limit - 1)
    return evidence(
        Finding("1 - |E|² / (N |mean|²), less the constant's share of alpha_1, largest", max(below), "<", ROUNDING),
        Finding("the constant's share of alpha_1 where the mean has 99.9 % of the squares", first[-1], ">", 0.99),
        Finding("the constant's share of any coefficient, centred", max(centred_shares), "<", ROUNDING),
        Finding("what rank k loses more uncentred than centred, part of |E|², least", min(more), ">", 0),
        Finding("what it loses less than rank k - 1 centred, least", min(fewer), ">", 0),
        # the first direction is the mean's to 1e-4 in angle, and the squares move by the square of it: 1e-8 of |E|²
        Finding("|mean|² 1e8 |E|²: what it loses, against rank k - 1 of E beside the mean", far, "<", 1e-6),
    )


def price_of_a_signal() -> tuple[int, int, int]:
    """Terms by which three formulas of the claim differ from what they are derived from."""
    import sympy

    scale, variance, noise, weight, eigenvalue = sympy.symbols("a V s2 beta lambda2", positive=True)
    share, ratio = sympy.Symbol("p", nonnegative=True), sympy.Symbol("r", nonnegative=True)
    square = variance / (1 - share)  # second moment of a coefficient, p of which is its mean's square
    kl = (scale * (square + noise) - 1 - sympy.log(scale * noise)) / 2  # of a coefficient times the root of a
    (best,) = sympy.solve(kl.diff(scale), scale)
    total = terms_left(best * (square + noise) - 1)
    price = sympy.log(1 + ratio / (1 - share)) / 2
    at_best = kl.subs(scale, best).subs(variance, ratio * noise)
    cost = terms_left(sympy.simplify(sympy.exp(2 * at_best) - sympy.exp(2 * price)))
    loss = eigenvalue / (1 + ratio) + weight * price
    threshold = terms_left(loss.diff(ratio).subs(ratio, 0) - (weight / (2 * (1 - share)) - eigenvalue))
    return total, cost, threshold


def kl_of_means(coefficients: Float[np.ndarray, "batch rank"], log_variance: Float[np.ndarray, "batch rank"]) -> float:
    """The KL divergence of the batch, in nats, less that of the same noise around zero."""
    posterior, noise = (
        gaussian.DiagonalGaussian(jnp.asarray(m), jnp.asarray(log_variance)) for m in (coefficients, 0 * coefficients)
    )
    return float(posterior.kl().sum() - noise.kl().sum())


def least_kl(coefficient: Float[np.ndarray, " batch"]) -> float:
    """Of a coefficient with noise of variance 1, over the scales of both: nats per sample, to 1e-7."""
    scales = np.exp(np.arange(-14, 4, 8e-4))
    log_variance = np.broadcast_to(2 * np.log(scales), (len(coefficient), len(scales)))
    posterior = gaussian.DiagonalGaussian(jnp.asarray(np.outer(coefficient, scales)), jnp.asarray(log_variance))
    return float(np.asarray(posterior.kl()).mean(axis=0).min())


def check_what_the_kl_bounds(key: Key[Array, ""]) -> Evidence:
    """Claim 40."""
    total, cost, threshold = price_of_a_signal()
    random = generator(key)
    rest, mean = latents_around_a_mean(random, 30.0)
    with float64():
        log_variance = random.normal(size=(BATCH, RANK))
        own, around = (truncated(rest + mean, RANK, centre=centre)[0] for centre in (False, True))
        kl, kl_around = kl_of_means(own, log_variance), kl_of_means(around, log_variance)
        own_moved, around_moved = (truncated(rest + 2 * mean, RANK, centre=centre)[0] for centre in (False, True))
        moved = kl_of_means(own_moved, log_variance)
        moved_around = kl_of_means(around_moved, log_variance)
        price = np.array([least_kl(coefficients[:, 0]) for coefficients in (own, around)])
    moments, variances = (own**2).sum() / 2, BATCH * around.var(axis=0).sum() / 2
    formula = np.array([np.log1p(a[:, 0].var() / (1 - constancy(a)[0])) / 2 for a in (own, around)])
    return evidence(
        Finding("terms by which V/(1 - p) + s² differs from 1 at the scale of the least KL", total, "<", 0.5),
        Finding("terms by which that KL differs from log(1 + r/(1 - p)) / 2, r = V/s²", cost, "<", 0.5),
        Finding("terms by which the slope at r = 0 differs from beta/(2 (1 - p)) - lambda²", threshold, "<", 0.5),
        Finding("KL of the means, against half the squares, relative", abs(kl / moments - 1), "<", ROUNDING),
        Finding("centred: against N/2 times the variances, relative", abs(kl_around / variances - 1), "<", ROUNDING),
        # a mean twice as long has four times the squares, 30 of 31 of all
        Finding("the mean doubled: the KL of the means, over half those squares", moved / moments, ">", 2),
        Finding("centred: over N/2 times those variances, less 1", abs(moved_around / variances - 1), "<", ROUNDING),
        # the search goes in steps of 8e-4, which leave 2e-7 nats at the minimum; the prices are of 0.1 and more
        Finding("price of alpha_1 at s = 1 by search, against the formula", relative_error(price, formula), "<", 1e-5),
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=39,
        name="What the batch mean takes of an uncentred SVD",
        source="VRRAE, the truncated SVD of the latents: what follows from its not being centred",
        statement=r"Of latents $\mathbb{1}\mu^T + E$ the first coefficient is a constant but for a share of at most "
        r"$\sigma_1(E)^2 / (N \lVert \mu \rVert^2)$ of its squares. Rank $k$ uncentred loses at least what rank $k$ "
        r"centred loses and at most what rank $k - 1$ centred does; as the mean dominates, it loses what rank $k - 1$ "
        r"of $E$ beside $\mu$ loses.",
        verdict=Verdict.TRUE,
        explanation=r"$\sigma_1^2 \ge N \lVert \mu \rVert^2$, and $\lVert E u_1 \rVert^2 \le \sigma_1(E)^2$ is all "
        r"of it that varies. Matrices of rank $k$ are among those of rank $k$ plus a mean, and those of rank $k - 1$ "
        r"plus a mean are among those of rank $k$: hence both bounds. One direction is spent on what a bias of the "
        "decoder would give; of two, one is left.",
        check=check_what_the_mean_takes,
    ),
    Claim(
        number=40,
        name="Second moments or variances",
        source="VRRAE, Eq. 7: what follows from its SVD's not being centred",
        statement=r"The KL divergence of a VRRAE bounds the second moments $\bar\alpha_j^2 + V_j$ of its coefficients, "
        r"that of a centred one their variances $V_j$. A coefficient with signal to noise $r = V / s^2$ and a share "
        r"$p$ of its squares in its mean costs at least $\frac{1}{2} \log(1 + r / (1 - p))$ nats a sample.",
        verdict=Verdict.TRUE,
        explanation=r"The least is over the coefficient's scale, which linear layers around it are free to choose; "
        r"$V / (1 - p) + s^2 = 1$ there. While $p$ lasts, a small signal of eigenvalue $\lambda^2$ lowers the loss "
        r"only if $\lambda^2 > \beta / (2 (1 - p))$: where 97 % is constant, the collapsed state attracts from 0.03 of "
        r"the threshold $2 \lambda^2$ on. With $p = 0$, as centring has it, the threshold is that of claim 7.",
        check=check_what_the_kl_bounds,
    ),
)
