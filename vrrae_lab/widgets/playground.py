"""Two models in training beside each other, steered and watched while they learn."""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from vrrae_lab import models as family
from vrrae_lab.checks import check_key, check_kind
from vrrae_lab.data import bumps, bumps_test, digits
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.models import Autoencoder
from vrrae_lab.randomness import generator
from vrrae_lab.widgets.dense import DenseDecoder, DenseEncoder
from vrrae_lab.widgets.live_training import LiveTraining, Settings
from vrrae_lab.widgets.scenarios import SCENARIOS
from vrrae_lab.widgets.steered_training import Playground

NAMES = {
    "ae": "AE",
    "vae": "VAE",
    "vae_identity": "VAE with f = I",
    "rrae": "RRAE",
    "vrrae": "VRRAE",
    "rrae_vae": "RRAE + VAE",
}
WITH_SVD = ("rrae", "vrrae", "rrae_vae")
RANK, LATENT_SIZE = 8, 32
START = Settings(beta=0.1, learning_rate=1e-3, rank=RANK, noise=1.0)  # for a data set of one's own
BATCH_SIZE = 64
IMAGE_SIZE, NUM_BUMPS = 16, 400
NUM_WATCHED = 200
FEWEST_IMAGES = 5 * RANK  # a fifth is watched, and an SVD of rank k needs k images


def playground(
    data: str | Dataset = "digits", *, models: tuple[str, str] = ("vae", "vrrae"), key: Key[Array, ""]
) -> Playground:
    """Train two models beside each other, and change β, the learning rate, the rank and the noise while they learn.

    The loss is `losses.Variational`, for a deterministic model `losses.Reconstruction`. The pictures are of images that
    are not trained on.

    Args:
        data: "digits", those of scikit-learn; "bumps", of 16 by 16 pixels; or a data set, of which every fifth image is
            watched and not trained on.
        models: names of constructors: ae, vae, vae_identity, rrae, vrrae or rrae_vae. Those without an SVD get as many
            coefficients, 8, as the others have at most.
        key: initial weights, order of the data, noise; and the centres of the bumps that are watched.

    Raises:
        ValueError: if the data or a model is unknown, both models are the same, or a data set has fewer than 40 images,
            or some that are not finite.
    """
    check_key(key)
    _check_models(models)
    model_key, training_key, data_key = jax.random.split(key, 3)
    x, watched = _split(data, data_key)
    scenarios = SCENARIOS[data] if isinstance(data, str) else {}
    start = scenarios["balanced"].settings if scenarios else START
    training = {}
    for name in models:
        sizes = {"latent_size": LATENT_SIZE, "rank": RANK} if name in WITH_SVD else {"latent_size": RANK}
        model = _dense(name, {"shape": watched.shape, **sizes}, model_key)
        training[NAMES[name]] = LiveTraining(model, x, start, batch_size=min(BATCH_SIZE, len(x)), key=training_key)
    return Playground(training, watched, scenarios if tuple(models) == ("vae", "vrrae") else {})


def _dense(name: str, sizes: dict[str, Any], key: Key[Array, ""]) -> Autoencoder:
    """A model of the family whose bottleneck lies between dense nets.

    Its layers start as Equinox draws them, but from numpy's numbers: to compile JAX's, shape by shape, takes seconds.
    """

    def build(key: Key[Array, ""]) -> Autoencoder:
        shape, latent_size = sizes["shape"], sizes["latent_size"]
        encoder, decoder = (net(shape, latent_size, key=key) for net in (DenseEncoder, DenseDecoder))
        return Autoencoder(encoder, family.build(name, sizes, key=key).bottleneck, decoder, shape)

    random = generator(key)

    def draw(part: Any) -> Any:
        if not isinstance(part, eqx.nn.Linear):
            return part
        bound = int(part.in_features) ** -0.5
        return jax.tree.map(lambda leaf: jnp.asarray(random.uniform(-bound, bound, leaf.shape), leaf.dtype), part)

    empty = eqx.filter_eval_shape(build, key)
    return jax.tree.map(draw, empty, is_leaf=lambda part: isinstance(part, eqx.nn.Linear))


def _check_models(models: tuple[str, str]) -> None:
    check_kind("models", models, tuple | list, "name two constructors")
    if len(models) != 2 or models[0] == models[1]:
        raise ValueError(f"models = {models}: name two different ones")
    for name in models:
        if name not in NAMES:
            raise ValueError(f"models = {models}: {name!r} is none of {', '.join(NAMES)}")


def _split(data: str | Dataset, key: Key[Array, ""]) -> tuple[np.ndarray, Dataset]:
    """Images to train on, and a set to watch."""
    if isinstance(data, Dataset):
        data = data.as_floats()
        if len(data) < FEWEST_IMAGES or not np.isfinite(data.x).all():
            raise ValueError(
                f"{data.name} has {len(data)} images: give {FEWEST_IMAGES} or more, and all of them finite"
            )
        every_fifth = np.arange(len(data)) % 5 == 0
        labels = None if data.labels is None else data.labels[every_fifth][:NUM_WATCHED]
        return data.x[~every_fifth], replace(data, x=data.x[every_fifth][:NUM_WATCHED], labels=labels)
    if data == "digits":
        return digits("train").x, digits("test", NUM_WATCHED)
    if data == "bumps":
        return bumps(NUM_BUMPS, IMAGE_SIZE).x, bumps_test(NUM_WATCHED, IMAGE_SIZE, key=key)
    raise ValueError(f"data = {data!r}: use 'digits', 'bumps' or a Dataset")
