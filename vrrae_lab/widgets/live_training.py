"""Training that is steered while it runs: one model, its updates a few at a time, and what it looks like in between."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from vrrae_lab import models as family
from vrrae_lab.adaptive_rank import with_rank
from vrrae_lab.bottlenecks import AdaptiveBasis, BatchBasis, Bottleneck, Draw, LowRank, VariationalLowRank
from vrrae_lab.bottlenecks.bases import less, plus
from vrrae_lab.experiments.optimizer import adabelief
from vrrae_lab.gaussian import DiagonalGaussian, PointMass, Posterior
from vrrae_lab.losses import Reconstruction, Terms, Variational
from vrrae_lab.models import Autoencoder, Images, as_floats
from vrrae_lab.randomness import generator
from vrrae_lab.train import DataOrder, Run, TrainingImages
from vrrae_lab.widgets.dense import DenseDecoder, DenseEncoder

Decode = Callable[[Array], Array]


class Settings(NamedTuple):
    """What may change between two updates; all are numbers of the compiled step."""

    beta: float  # weight of the KL divergence
    learning_rate: float  # of AdaBelief
    rank: int  # singular directions kept by a model that has a truncated SVD
    noise: float  # factor on the posterior's standard deviation where training draws from it


class Look(NamedTuple):
    """What a model makes of some images, without noise; an SVD is that of these images.

    The spectrum holds singular values over the root of the number of images: of the latents before they are truncated,
    or, without a truncation, of the posterior means. A deterministic model has neither divergence nor deviation.
    """

    mean: Float[np.ndarray, "batch rank"]  # of the posterior
    kl: Float[np.ndarray, " rank"] | None  # of each coefficient, mean over the images, in nats
    deviation: Float[np.ndarray, " rank"] | None  # s of each coefficient, mean over the images
    spectrum: Float[np.ndarray, " directions"]
    kept: Int[np.ndarray, ""]  # how many of them
    x_hat: Float[np.ndarray, "batch height width channels"]  # decoded from the means

    @property
    def finite(self) -> bool:
        """Whether all numbers are: they are not once training has diverged."""
        return all(np.isfinite(part).all() for part in self if part is not None)


class LiveLoss(eqx.Module):
    """A loss whose draws from the posterior have a factor on their noise; the KL divergence is that without it."""

    loss: Variational | Reconstruction
    noise: Float[Array, ""]

    def __call__(self, model: Autoencoder, batch: Array, *, key: Key[Array, ""]) -> tuple[Array, Terms]:
        noisy = eqx.tree_at(lambda m: m.bottleneck, model, _ScaledNoise(model.bottleneck, self.noise))
        return self.loss(noisy, batch, key=key)


class LiveTraining:
    """One model in training. The numbers are those of `fit` with the same key as long as nothing is changed.

    Attributes:
        settings: that the next update takes.
        variational: whether the model has a KL divergence; otherwise neither β nor the noise has an effect.
    """

    def __init__(
        self, model: Autoencoder, x: Images, settings: Settings, *, batch_size: int, key: Key[Array, ""]
    ) -> None:
        """Args:
        model: before its first update. The basis of each batch gets a rank that can change.
        x: the training images.
        settings: to start with.
        batch_size: images per update.
        key: order of the data, and noise.
        """
        order_key, self._noise_key = jax.random.split(key)
        self._order, self._images = DataOrder(order_key, len(x), batch_size), TrainingImages(x)
        self._start = _with_variable_rank(model)
        self.variational = hasattr(model.bottleneck, "log_variance_layer")
        self.settings = settings
        self.reset()

    @property
    def step(self) -> int:
        """Updates made so far."""
        return self._run.step

    @property
    def model(self) -> Autoencoder:
        """As it is now, in arrays of its own: each update takes over the buffers of the one in training."""
        return jax.tree.map(lambda leaf: jnp.array(leaf) if eqx.is_array(leaf) else leaf, self._run.state[0])

    def reset(self) -> None:
        """Back to before the first update; the settings stay."""
        loss, optimizer = self._loss(), adabelief(self.settings.learning_rate)
        self._run = Run(self._start, loss, optimizer, self._noise_key, None, None)
        self.change(self.settings)

    def change(self, settings: Settings) -> None:
        """Take other settings from the next update on."""
        self.settings = settings
        self._run.exchange(self._loss(), adabelief(settings.learning_rate))
        model, optimizer_state = self._run.state
        if isinstance(getattr(model.bottleneck, "basis", None), AdaptiveBasis):
            rank = min(settings.rank, model.bottleneck.basis.rank)
            self._run.state = with_rank(model, rank), optimizer_state

    def advance(self, num_steps: int) -> dict[str, float]:
        """Make some updates; the mean of each term of the loss over them."""
        self._run.advance(self._batches(num_steps))
        return {name: float(np.mean(values)) for name, values in self._run.terms(num_steps).items()}

    def look(self, x: Images) -> Look:
        """What the model makes of images."""
        return Look(*jax.tree.map(np.asarray, _look(self._run.state[0], jnp.asarray(x))))

    def _batches(self, num_steps: int) -> Iterator[Array]:
        for step in range(self.step, self.step + num_steps):
            yield self._images.batch(self._order.batch(step))

    def _loss(self) -> LiveLoss:
        loss = Variational(self.settings.beta) if self.variational else Reconstruction()
        return LiveLoss(loss, jnp.asarray(self.settings.noise, jnp.float32))


class _ScaledNoise(eqx.Module):
    """A bottleneck in training, its noise multiplied by a factor."""

    bottleneck: Bottleneck
    factor: Float[Array, ""]

    def __call__(self, latents: Array, *, key: Key[Array, ""]) -> Draw:
        posterior, decode = _posterior(self.bottleneck, latents)
        z = posterior.mean + self.factor * (posterior.sample(key=key) - posterior.mean)
        return Draw(posterior, decode(z))


def _posterior(bottleneck: Bottleneck, latents: Array) -> tuple[Posterior, Decode]:
    """The posterior of a batch, an SVD being that of the batch, and what makes latents for the decoder of its draws."""
    if not isinstance(bottleneck, LowRank | VariationalLowRank):
        return bottleneck.encode(latents), bottleneck.decode
    basis, coefficients = bottleneck.basis.project(latents)
    posterior = PointMass(coefficients) if isinstance(bottleneck, LowRank) else bottleneck.posterior(coefficients)
    offset = bottleneck.basis.offset_of(latents)
    return posterior, lambda z: plus(z @ basis.T, offset)


def _with_variable_rank(model: Autoencoder) -> Autoencoder:
    basis = getattr(model.bottleneck, "basis", None)
    if not isinstance(basis, BatchBasis):
        return model
    variable = AdaptiveBasis(basis.rank, method=basis.method, centre=basis.centre)
    return eqx.tree_at(lambda m: m.bottleneck.basis, model, variable)


@eqx.filter_jit
def _look(model: Autoencoder, x: Array) -> tuple[Array, Array | None, Array | None, Array, Array, Array]:
    latents = model.encoder(as_floats(x))
    posterior, decode = _posterior(model.bottleneck, latents)
    basis = getattr(model.bottleneck, "basis", None)
    offset = None if basis is None else basis.offset_of(latents)
    decomposed = posterior.mean if basis is None else less(latents, offset)
    values = jnp.linalg.svd(decomposed, compute_uv=False) / jnp.sqrt(len(x))
    kept = jnp.asarray(len(values)) if basis is None else jnp.sum(basis.mask)
    kl = deviation = None
    if isinstance(posterior, DiagonalGaussian):
        kl, deviation = posterior.kl().mean(axis=0), posterior.standard_deviation.mean(axis=0)
    return posterior.mean, kl, deviation, values, kept, model.decoder(decode(posterior.mean))


def dense(name: str, sizes: dict[str, Any], width: int, *, key: Key[Array, ""]) -> Autoencoder:
    """A model of the family whose bottleneck lies between dense nets.

    Its layers start as Equinox draws them, but from numpy's numbers: to compile JAX's, shape by shape, takes seconds.
    """

    def build(key: Key[Array, ""]) -> Autoencoder:
        shape, latent_size = sizes["shape"], sizes["latent_size"]
        encoder, decoder = (net(shape, latent_size, width, key=key) for net in (DenseEncoder, DenseDecoder))
        return Autoencoder(encoder, family.build(name, sizes, key=key).bottleneck, decoder, shape)

    random = generator(key)

    def draw(part: Any) -> Any:
        if not isinstance(part, eqx.nn.Linear):
            return part
        bound = int(part.in_features) ** -0.5
        return jax.tree.map(lambda leaf: jnp.asarray(random.uniform(-bound, bound, leaf.shape), leaf.dtype), part)

    empty = eqx.filter_eval_shape(build, key)
    return jax.tree.map(draw, empty, is_leaf=lambda part: isinstance(part, eqx.nn.Linear))
