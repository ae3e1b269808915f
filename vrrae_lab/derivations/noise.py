"""Without a KL divergence a VRRAE's noise dies away, and with it all that sets it apart from an RRAE."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from vrrae_lab import bottlenecks, linalg, losses
from vrrae_lab.derivations import linear_model
from vrrae_lab.derivations.claim import Claim, Evidence, Finding, Verdict, float64
from vrrae_lab.derivations.measures import evidence, standard_errors, terms_left
from vrrae_lab.derivations.samples import orthonormal
from vrrae_lab.derivations.tiny import tiny_autoencoder
from vrrae_lab.models import Autoencoder
from vrrae_lab.randomness import generator

BATCH, SHAPE, HIDDEN, LATENT_SIZE, RANK = 40, (7, 1, 1), 8, 6, 3


def stationary_variance() -> tuple[int, int]:
    """Roots in s² > 0 of the slope of the error in log s²; terms left of the loss's root as beta goes to 0."""
    import sympy

    variance, image, beta = sympy.symbols("s2 w2 beta", positive=True)
    error = variance * image
    loss = error + beta / 2 * (variance - 1 - sympy.log(variance))
    (root,) = sympy.solve(variance * loss.diff(variance), variance)
    return len(sympy.solve(variance * error.diff(variance), variance)), terms_left(sympy.limit(root, beta, 0))


def variances_in_training(start: linear_model.Linear, x: Array, betas: Array, steps: int) -> tuple[Any, np.ndarray]:
    """Plain gradient descent of a linear VRRAE's expected loss, once for each beta.

    Returns:
        the trained models, stacked, and their s² after a quarter of the steps, half of them and all.
    """
    project = linear_model.first_directions(len(start.log_variance))

    def train(beta: Array) -> tuple[Any, Array]:
        def step(model: linear_model.Linear, _: None) -> tuple[linear_model.Linear, Array]:
            gradient = jax.grad(linear_model.expected_loss)(model, x, beta, project)
            model = linear_model.Linear(*(p - 2e-2 * g for p, g in zip(model, gradient, strict=True)))
            return model, jnp.exp(model.log_variance)

        return jax.lax.scan(step, start, None, length=steps)

    models, variances = jax.jit(jax.vmap(train))(betas)
    return models, np.asarray(variances[:, np.array([steps // 4, steps // 2, steps]) - 1])


def without_noise(model: Any, x: Array, key: Key[Array, ""]) -> tuple[float, float]:
    """Relative differences in loss and in gradient between a VRRAE of tiny s at beta = 0 and the RRAE of its nets."""
    quiet = eqx.tree_at(
        lambda m: (m.bottleneck.log_variance_layer.weight, m.bottleneck.log_variance_layer.bias),
        model,
        (jnp.zeros((RANK, RANK)), jnp.full(RANK, -60.0)),
    )
    rrae = eqx.tree_at(lambda m: m.bottleneck, model, bottlenecks.LowRank.of_rank(RANK))

    @eqx.filter_jit
    def both(quiet: Autoencoder, rrae: Autoencoder) -> list:
        of = [(losses.Variational(0.0), quiet), (losses.Reconstruction(), rrae)]
        return [eqx.filter_value_and_grad(lambda m, loss=loss: loss(m, x, key=key)[0])(m) for loss, m in of]

    (value, gradient), (reference, expected) = both(quiet, rrae)
    ours, theirs = (
        np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves((g.encoder, g.decoder))])
        for g in (gradient, expected)
    )
    return float(abs(value / reference - 1)), float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def check_beta_zero(key: Key[Array, ""]) -> Evidence:
    """Claim 30."""
    roots, terms = stationary_variance()
    random, (bottleneck_key, nets_key, noise_key) = generator(key), jax.random.split(key, 3)
    samples, eigenvalues, vectors = linear_model.random_data(random, ratio=2)
    samples, eigenvalues, rank = samples / eigenvalues[0] ** 0.5, eigenvalues / eigenvalues[0], 2
    before = float(eigenvalues[1])  # a beta below the threshold of claim 7, at whose optimum training begins
    frame = orthonormal(random, linear_model.LATENT_SIZE, rank)
    with float64():
        x = jnp.asarray(samples)
        start = linear_model.optimum(eigenvalues, vectors, before, frame)
        models, variances = variances_in_training(start, x, jnp.array([0.0, before / 2]), steps=4000)
        free, weighted = (linear_model.Linear(*(part[i] for part in models)) for i in range(2))
        draws = linear_model.sampled_loss(free, x, 0.0, key, draws=300)
        expected = float(linear_model.expected_loss(free, x, 0.0, linear_model.first_directions(rank)))
        basis = np.asarray(linalg.truncated_svd(x @ weighted.encoder, rank).basis)
        bottleneck = bottlenecks.VariationalLowRank(RANK, key=bottleneck_key)
        model = tiny_autoencoder(SHAPE, HIDDEN, LATENT_SIZE, bottleneck, key=nets_key)
        images = jnp.asarray(random.normal(size=(BATCH, *SHAPE)))
        in_loss, in_gradient = without_noise(model, images, noise_key)
    images_of_basis = ((basis.T @ np.asarray(weighted.decoder)) ** 2).sum(axis=1)
    from_root = np.abs(variances[1, -1] * (1 + 2 * images_of_basis / (before / 2)) - 1).max()
    return evidence(
        Finding("values of s² > 0 at which the error's slope s² |w|² vanishes", roots, "<", 0.5),
        Finding("terms left of the stationary s² = beta / (beta + 2 |w|²) as beta goes to 0", terms, "<", 0.5),
        # a half where the decoder stands still, as then s² falls as 1/t; more while it shrinks as well
        Finding(
            "beta = 0: largest ratio of s² after half of the training to a quarter",
            (variances[0, 1] / variances[0, 0]).max(),
            "<",
            0.85,
        ),
        Finding(
            "beta = 0: largest ratio of s² after all of the training to half",
            (variances[0, 2] / variances[0, 1]).max(),
            "<",
            0.85,
        ),
        Finding("beta halved: smallest such ratio", (variances[1, 2] / variances[1, 1]).min(), ">", 0.9),
        Finding("beta halved: s² less beta / (beta + 2 |w|²), relative, largest", from_root, "<", 0.05),
        Finding(
            "expected loss at beta = 0, in standard errors from the mean of sampled ones",
            standard_errors(draws, expected),
            "<",
            6,
        ),
        # noise of standard deviation e^-30 = 1e-13
        Finding("loss of a VRRAE with s = 1e-13, beta = 0, against the RRAE: relative difference", in_loss, "<", 1e-10),
        Finding("its gradient in the nets, relative difference", in_gradient, "<", 1e-9),
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=30,
        name="β = 0 leaves no noise in the end",
        source="VRRAE, Table 3 and A.3-2 (the ablation VRRAE with beta = 0)",
        statement=r"A VRRAE trained with $\beta = 0$ still samples its coefficients, unlike an RRAE.",
        verdict=Verdict.CONDITIONAL,
        explanation=r"Only until it is trained. With $\beta = 0$ nothing holds $\log s^2$ from below: the slope of the "
        r"error is $s_j^2 \lVert w_j \rVert^2 > 0$ wherever coefficient $j$ is decoded at all, so $s^2$ falls with "
        r"every doubling of the training, to no limit but 0, where loss and gradients are the RRAE's. With "
        r"$\beta > 0$ it settles at $\beta / (\beta + 2 \lVert w_j \rVert^2)$.",
        check=check_beta_zero,
    ),
)
