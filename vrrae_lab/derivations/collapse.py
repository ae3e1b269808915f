r"""Eq. 4 to 6 of the paper: why orthogonal coefficients should not collapse, and how they can.

The argument: a coefficient that has collapsed is a constant, so $\sigma_j v_{bj} = c$ for every sample $b$; as $v_j$
has norm 1, $v_{bj} = \pm 1/\sqrt N$ and $\lvert c \rvert = \sigma_j / \sqrt N$, which is unlikely to be met.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from vrrae_lab import bottlenecks, gaussian, linalg
from vrrae_lab.derivations.claim import Claim, Evidence, Finding, Verdict, float64
from vrrae_lab.derivations.measures import ROUNDING, centred, constancy, evidence, terms_left
from vrrae_lab.derivations.samples import orthonormal
from vrrae_lab.randomness import generator

BATCH, LATENT_SIZE, RANK = 40, 9, 4


def constants_of_unit_columns() -> tuple[int, int]:
    """Solutions (v, c) of N v² = 1, c = sigma v, and terms by which they differ from v² = 1/N, c² = sigma²/N."""
    import sympy

    v, c = sympy.symbols("v c", real=True)
    sigma, batch = sympy.symbols("sigma N", positive=True)
    solutions = sympy.solve([batch * v**2 - 1, c - sigma * v], [v, c], dict=True)
    return len(solutions), sum(
        terms_left(s[c] ** 2 - sigma**2 / batch) + terms_left(s[v] ** 2 - 1 / batch) for s in solutions
    )


def check_constant_coefficient(key: Key[Array, ""]) -> Evidence:
    """Claim 4."""
    solutions, terms = constants_of_unit_columns()
    random = generator(key)
    scale = np.exp(random.normal())
    basis = orthonormal(random, LATENT_SIZE, RANK)
    # three more coefficients of root mean square 4, 2 and 1; the constants lie around and between
    rest = centred(random, BATCH, RANK - 1) * (scale * BATCH**0.5 * np.array([4, 2, 1]))
    constants = scale * 2.0 ** np.arange(-1.5, 3) * np.where(np.arange(5) % 2, 1, -1)
    errors = []
    for constant in constants:
        latents = np.concatenate([np.full((BATCH, 1), constant), rest], axis=1) @ basis.T
        with float64():
            _, singular_values, coefficients = map(np.asarray, linalg.truncated_svd(jnp.asarray(latents), RANK))
        j = constancy(coefficients).argmax()
        alpha, sigma = np.abs(coefficients[:, j]), singular_values[j]
        as_asked = np.abs(alpha / abs(constant) - 1).max()
        columns = np.abs(alpha / sigma * BATCH**0.5 - 1).max()
        errors.append((as_asked, abs(sigma / BATCH**0.5 / abs(constant) - 1), columns))
    worst = np.array(errors).max(axis=0)
    spread = np.abs(constants).max() / np.abs(constants).min()
    return evidence(
        Finding("solutions (v, c) of N v² = 1, c = sigma v", solutions, ">", 1.5),
        Finding("terms by which they differ from v² = 1/N, c² = sigma²/N", terms, "<", 0.5),
        Finding("constants c asked of the latents, largest over smallest", spread, ">", 10),
        Finding("a coefficient of the SVD being that constant, largest relative error", worst[0], "<", ROUNDING),
        Finding("|c| = sigma_j / sqrt(N), largest relative error", worst[1], "<", ROUNDING),
        Finding("|v_bj| = 1 / sqrt(N), largest relative error", worst[2], "<", ROUNDING),
    )


def minimum_of_the_kl() -> tuple[int, float, float, int]:
    """Of Eq. 2's term: stationary points, distance from (0, 1), least curvature; terms left as sigma → 0 for any v."""
    import sympy

    mean, v = sympy.symbols("mu v", real=True)
    s, sigma = sympy.symbols("s sigma", positive=True)
    term = (mean**2 + s**2 - 1 - 2 * sympy.log(s)) / 2
    points = sympy.solve([term.diff(mean), term.diff(s)], [mean, s], dict=True)
    distance = sympy.sqrt(points[0][mean] ** 2 + (points[0][s] - 1) ** 2)
    curvature = min(sympy.hessian(term, (mean, s)).subs(points[0]).eigenvals())
    limit = sympy.limit(term.subs({mean: sigma * v, s: 1}), sigma, 0, "+")
    return len(points), float(distance), float(curvature), terms_left(limit)


def check_vanishing_singular_value(key: Key[Array, ""]) -> Evidence:
    """Claim 5."""
    points, distance, curvature, terms = minimum_of_the_kl()
    random = generator(key)
    left, basis = orthonormal(random, BATCH, RANK), orthonormal(random, LATENT_SIZE, RANK)
    others = BATCH**0.5 * random.uniform(1, 2, size=RANK - 1)
    sizes = np.array([1.0, 1e-2, 1e-4, 1e-6])
    kls, constant = [], []
    for size in sizes:
        latents = left * np.append(others, size) @ basis.T
        with float64():
            coefficients = linalg.truncated_svd(jnp.asarray(latents), RANK).coefficients
            kl = np.asarray(gaussian.DiagonalGaussian(coefficients, jnp.zeros_like(coefficients)).kl())
        kls.append(kl[:, -1].sum())
        constant.append(constancy(np.asarray(coefficients))[-1])
    error = np.abs(kls / (sizes**2 / 2) - 1).max()
    return evidence(
        Finding("points where the gradient of one term of Eq. 2 vanishes", points, "<", 1.5),
        Finding("distance of the first from mean 0, standard deviation 1", distance, "<", ROUNDING),
        Finding("least curvature there", curvature, ">", 0),
        Finding("terms left of it as sigma goes to 0 with mean sigma v, s = 1, for any v", terms, "<", 0.5),
        # half the square of the singular value, and nothing for a standard deviation of 1
        Finding("KL divergence, in nats over the batch, for sigma_j = 1e-6, s = 1", kls[-1], "<", 1e-12),
        # an SVD is right to 1e-15 of its largest singular value, here below 13: to 1e-8 of one of 1e-6
        Finding("its being sigma_j² / 2, sigma_j from 1 to 1e-6, largest relative error", error, "<", 1e-6),
        # 1/40 on average for random directions in 40 dimensions
        Finding("squared cosine between v_j and a constant column, largest", max(constant), "<", 0.5),
    )


def count_constants(coefficients: Float[np.ndarray, "batch rank"]) -> int:
    """How many coefficients are a constant other than zero, to rounding."""
    squares = (coefficients**2).mean(axis=0)
    relevant = squares > ROUNDING * squares.max()
    return int((relevant & (coefficients.std(axis=0) < ROUNDING * squares.max() ** 0.5)).sum())


def two_constants_are_not_orthogonal() -> int:
    """Values of c_j other than 0 that make the constants c_i > 0 and c_j orthogonal."""
    import sympy

    c_i, batch = sympy.symbols("c_i N", positive=True)
    c_j = sympy.Symbol("c_j", real=True)
    product = sympy.summation(c_i * c_j, (sympy.Symbol("b"), 1, batch))
    return sum(solution != 0 for solution in sympy.solve(product, c_j))


def check_one_constant(key: Key[Array, ""]) -> Evidence:
    """Claim 6."""
    random = generator(key)
    constants = np.exp(random.normal(size=2))
    rest = centred(random, BATCH, 2) * (BATCH**0.5 * np.array([0.5, 0.2]))
    asked = np.concatenate([np.broadcast_to(constants, (BATCH, 2)), rest], axis=1)
    rotated = asked @ orthonormal(random, LATENT_SIZE, 4).T
    offsets = 3 * random.normal(size=(10, 1, LATENT_SIZE)) + random.normal(size=(10, BATCH, LATENT_SIZE))
    of_rank_1 = np.outer(random.normal(size=BATCH), random.normal(size=LATENT_SIZE))
    with float64():
        found = np.asarray(linalg.truncated_svd(jnp.asarray(rotated), RANK).coefficients)
        sums = [
            constancy(np.asarray(linalg.truncated_svd(jnp.asarray(latents), RANK).coefficients)).sum()
            for latents in offsets
        ]
        norms = np.linalg.norm(linalg.truncated_svd(jnp.asarray(of_rank_1), RANK).coefficients, axis=0)
        vae = bottlenecks.Variational(RANK, key=key)
        means = np.asarray(vae.encode(jnp.zeros((BATCH, RANK))).mean)  # of an encoder that gives zeros only
    others = two_constants_are_not_orthogonal()
    vanished = int((norms < ROUNDING * norms[0]).sum())
    return evidence(
        Finding("constants c_j other than 0 that are orthogonal to a constant c_i", others, "<", 0.5),
        Finding("coordinates of the latents that are non-zero constants", count_constants(asked), ">", 1.5),
        Finding("coefficients of their SVD that are: not none", count_constants(found), ">", 0.5),
        Finding("coefficients of their SVD that are: not two", count_constants(found), "<", 1.5),
        # Bessel's inequality for a unit vector and the orthonormal v_j
        Finding("sum over j of squared cosines between v_j and a constant", max(sums), "<", 1 + ROUNDING),
        Finding("constant means of a VAE of size 4 whose encoder gives zeros", count_constants(means), ">", 1.5),
        Finding("coefficients of latents of rank 1 that vanish together, of 4", vanished, ">", RANK - 1.5),
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=4,
        name="A constant coefficient",
        source="VRRAE, Eq. 4 to 6",
        statement=r"A coefficient can be a constant $c$ over the batch only if $v_{bj} = \pm 1/\sqrt{N}$ and "
        r"$\lvert c \rvert = \sigma_j / \sqrt{N}$, which training is unlikely to meet.",
        verdict=Verdict.CONDITIONAL,
        explanation=r"Both equations hold, but the second is no restriction: the encoder sets $\sigma_j$ freely, "
        r"so for every $c$ there are latents with that constant coefficient. The SVD excludes no value of a "
        "constant, and what the first equation asks is only that the coefficient be one.",
        check=check_constant_coefficient,
    ),
    Claim(
        number=5,
        name="Collapse by a vanishing singular value",
        source="VRRAE, Eq. 6",
        statement=r"Collapse of coefficient $j$ needs $v_{bj} = c / \sigma_j = \pm 1/\sqrt{N}$.",
        verdict=Verdict.FALSE,
        explanation=r"Eq. 6 divides by $\sigma_j$. The KL divergence of a coefficient has its only minimum at "
        r"$\mu = 0$, $s = 1$, and $\sigma_j \to 0$ reaches it with any $v_j$ at all, at a cost of "
        r"$\sigma_j^2/2$; the constant that the argument excludes would have cost $N c^2 / 2$.",
        check=check_vanishing_singular_value,
    ),
    Claim(
        number=6,
        name="One constant coefficient per batch",
        source="VRRAE, Eq. 4 to 6: what the argument does show",
        statement=r"At most one coefficient of a batch is a constant other than zero, because $\alpha \alpha^T = "
        r"\Sigma_k^2$ is diagonal.",
        verdict=Verdict.TRUE,
        explanation=r"Two constant rows are parallel: their product $N c_i c_j$ vanishes only with one of them. More "
        r"precisely $\sum_j (\mathbb{1}^T v_j)^2 \le N$ shares out how constant the coefficients may be, where a VAE's "
        "may all be. It does not keep several coefficients from being zero together, which is how they do collapse.",
        check=check_one_constant,
    ),
)
