r"""The linear VRRAE, of which everything is exact: its expected loss, and two ways to its minimum.

Encoder and decoder are matrices and $\log s^2$ is one number per coefficient, so the expectation of the loss over the
noise is exact. With $w_j$ the decoder's image of basis vector $j$, per sample,

$$\frac1N \Big\lVert X - \sum_j \alpha_j w_j^T \Big\rVert^2 + \sum_j s_j^2 \lVert w_j \rVert^2
  + \frac{\beta}{2} \sum_j \Big(\frac{\sigma_j^2}{N} + s_j^2 - 1 - \log s_j^2\Big).$$
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Key

from vrrae_lab import bottlenecks, gaussian, linalg, losses
from vrrae_lab.derivations.samples import orthonormal
from vrrae_lab.models import Autoencoder

BATCH, FEATURES, LATENT_SIZE = 50, 6, 5
Project = Callable[[Array], tuple[Array, Array]]


class Linear(NamedTuple):
    """Parameters: latents are `x @ encoder`; images are `latents @ decoder`; one log variance per coefficient."""

    encoder: Array
    decoder: Array
    log_variance: Array


def first_directions(rank: int) -> Project:
    """A VRRAE's latents to the basis and the coefficients of their truncated SVD."""

    def project(latents: Array) -> tuple[Array, Array]:
        svd = linalg.truncated_svd(latents, rank)
        return svd.basis, svd.coefficients

    return project


def as_they_are(latents: Array) -> tuple[Array, Array]:
    """A VAE's latents are its coefficients."""
    return jnp.eye(latents.shape[1]), latents


def noise_energy(log_variance: Array, directions: Array) -> Array:
    """What noise of these variances adds to the squared error, when these rows are what the coefficients decode to."""
    return jnp.sum(jnp.exp(log_variance) * jnp.sum(directions**2, axis=1))


def expected_loss(model: Linear, x: Array, beta: float | Array, project: Project) -> Array:
    """The loss of the module's docstring."""
    basis, coefficients = project(x @ model.encoder)
    directions = basis.T @ model.decoder
    log_variance = jnp.broadcast_to(model.log_variance[None, :], coefficients.shape)
    kl = jnp.sum(gaussian.DiagonalGaussian(coefficients, log_variance).kl())
    squares = jnp.sum((coefficients @ directions - x) ** 2)
    return (squares + beta * kl) / len(x) + noise_energy(model.log_variance, directions)


NUM_STARTS = 6  # all of them stop short once in a thousand data sets, if not less often


def random_starts(random: np.random.Generator, latent_size: int, rank: int) -> list[Linear]:
    """Enough of them for a search."""
    return [random_start(random, latent_size, rank) for _ in range(NUM_STARTS)]


def random_start(random: np.random.Generator, latent_size: int, rank: int) -> Linear:
    """Random matrices that keep the scale of what they are applied to, and a standard deviation of 1."""
    encoder = random.normal(size=(FEATURES, latent_size)) / FEATURES**0.5
    decoder = random.normal(size=(latent_size, FEATURES)) / latent_size**0.5
    return Linear(jnp.asarray(encoder), jnp.asarray(decoder), jnp.zeros(rank))


def minimise(starts: list[Linear], x: Array, beta: float, project: Project) -> tuple[Linear, float]:
    """The least of the minima that L-BFGS finds from these starts, and its value.

    The gradient jumps where singular values meet, and there a search may stop short: one in twenty from random starts.
    """
    from jax.flatten_util import ravel_pytree
    from scipy.optimize import minimize

    _, unravel = ravel_pytree(starts[0])
    value_and_grad = jax.jit(jax.value_and_grad(lambda p: expected_loss(unravel(p), x, beta, project)))
    options = {"maxiter": 3000, "maxfun": 5000, "gtol": 1e-10, "ftol": 1e-16, "maxcor": 30}
    searches = [
        minimize(
            lambda p: tuple(map(np.asarray, value_and_grad(p))),
            np.asarray(ravel_pytree(start)[0]),
            jac=True,
            method="L-BFGS-B",
            options=options,
        )
        for start in starts
    ]
    found = min(searches, key=lambda search: search.fun)
    return unravel(jnp.asarray(found.x)), float(found.fun)


def descend(starts: list[Linear], x: Array, beta: float, project: Project, steps: int) -> Linear:
    """The best of what gradient steps find from these starts, steps of a length that is bounded and falls to zero.

    Such steps also settle where the gradient jumps. The truncated SVD's does where the last kept and the first dropped
    singular value meet, as they do in a collapse. They may settle above the minimum where two kept ones meet: neither
    can pass the other with the noise that belongs to its place.
    """
    length = optax.cosine_decay_schedule(3e-2, steps)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(length))

    def step(state: tuple, _: None) -> tuple[tuple, None]:
        model, opt_state = state
        gradient = jax.grad(expected_loss)(model, x, beta, project)
        updates, opt_state = optimizer.update(gradient, opt_state)
        return (optax.apply_updates(model, updates), opt_state), None

    def run(model: Linear) -> tuple[Linear, Array]:
        model = jax.lax.scan(step, (model, optimizer.init(model)), None, length=steps)[0][0]
        return model, expected_loss(model, x, beta, project)

    models, values = jax.jit(jax.vmap(run))(Linear(*map(jnp.stack, zip(*starts, strict=True))))
    return Linear(*(part[jnp.argmin(values)] for part in models))


def random_data(random: np.random.Generator, ratio: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Data of random directions and scale, the eigenvalues of its X^T X / N, falling by about `ratio`, and vectors."""
    scale = np.exp(random.normal())
    eigenvalues = scale * float(ratio) ** -np.arange(FEATURES) * random.uniform(0.85, 1.15, size=FEATURES)
    vectors = orthonormal(random, FEATURES, FEATURES)
    return orthonormal(random, BATCH, FEATURES) * np.sqrt(BATCH * eigenvalues) @ vectors.T, eigenvalues, vectors


def optimum(eigenvalues: np.ndarray, vectors: np.ndarray, beta: float, frame: np.ndarray) -> Linear:
    """The optimum of claim 7, its latents along the columns of `frame`; every beta is below twice each eigenvalue."""
    rank = frame.shape[1]
    variances = beta / (2 * eigenvalues[:rank])
    scales, vectors = np.sqrt(1 - variances), vectors[:, :rank]
    encoder = vectors * (scales / np.sqrt(eigenvalues[:rank])) @ frame.T
    decoder = frame @ (vectors * (scales * np.sqrt(eigenvalues[:rank]))).T
    return Linear(*map(jnp.asarray, (encoder, decoder, np.log(variances))))


def second_moments(model: Linear, x: Array, rank: int) -> np.ndarray:
    """sigma_j² / N of the latents."""
    return np.linalg.svd(np.asarray(x @ model.encoder), compute_uv=False)[:rank] ** 2 / len(x)


def sampled_loss(model: Linear, x: Array, beta: float, key: Key[Array, ""], draws: int) -> np.ndarray:
    """The library's loss of the library's bottleneck, with these matrices around it, for some draws of the noise."""
    rank = len(model.log_variance)
    bottleneck = eqx.tree_at(
        lambda b: (b.log_variance_layer.weight, b.log_variance_layer.bias),
        bottlenecks.VariationalLowRank(rank, key=key),
        (jnp.zeros((rank, rank)), model.log_variance),
    )
    shape = (FEATURES, 1, 1)
    autoencoder = Autoencoder(
        lambda x: x.reshape(len(x), -1) @ model.encoder,
        bottleneck,
        lambda latents: (latents @ model.decoder).reshape(-1, *shape),
        shape,
    )
    loss, images = losses.Variational(beta), x.reshape(-1, *shape)
    return np.asarray(jax.jit(jax.vmap(lambda k: loss(autoencoder, images, key=k)[0]))(jax.random.split(key, draws)))
