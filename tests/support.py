"""What several test modules need."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import equinox as eqx
import ipywidgets
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vrrae_lab.data import Dataset
from vrrae_lab.experiments import Bumps, comparison
from vrrae_lab.models import constructors


def shared_data() -> Path:
    """The folder of real data that lies beside the repository on some machines; skips the test on others.

    Where the environment variable VRRAE_LAB_REQUIRE contains "data", its absence is a failure.
    """
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        reason = f"real data is not on this machine: there is no folder {folder}"
        if "data" in os.environ.get("VRRAE_LAB_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@contextmanager
def kernels_compile_quickly() -> Iterator[None]:
    """Let kernels that are started meanwhile compile without optimising: short runs compile more than they compute."""
    jax.devices()  # so that this process has read the flags, and keeps its own
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0")
        yield


def synthetic_images(
    name: str,
    split: str = "train",
    n: int | None = None,
    size: int | None = None,
    data_dir: str | None = None,
    manual_dir: str | None = None,
    download: bool = True,
    dtype: type = np.float32,
) -> Dataset:
    """In place of `data.load`: noisy squares where the published sets have their images, with labels of the same kind.

    The class decides how bright the square is and where it lies; of CelebA's attributes the first and the last do.
    """
    count, side, channels = n or 100, size or 28, 1 if name == "mnist" else 3
    random = np.random.default_rng([len(name), len(split)])
    classes = random.integers(0, 10, count)
    bright, right = classes % 5, classes // 5
    x = random.uniform(0, 0.3, (count, side, side, channels))
    x[:, 4:16, 2:14] += (0.14 * bright * (1 - right))[:, None, None, None]
    x[:, 4:16, 14:26] += (0.14 * bright * right)[:, None, None, None]
    labels = classes
    if name == "celeb_a":
        labels = random.integers(0, 2, (count, 40))
        labels[:, 0], labels[:, -1] = right, bright > 2
    images = np.round(255 * x).astype(np.uint8)
    scaled = images if dtype == np.uint8 else np.divide(images, np.float32(255), dtype=np.float32)
    provenance = {"name": name, "split": split, "found": "a test"}
    return Dataset(f"{name}_{split}", scaled, labels, scale=1.0 if dtype == np.uint8 else 255.0, provenance=provenance)


class LinearEncoder(eqx.Module):
    """In place of `ConvEncoder`: one linear map."""

    linear: eqx.nn.Linear

    def __init__(self, shape: tuple[int, int, int], latent_size: int, *, key: jax.Array) -> None:
        self.linear = eqx.nn.Linear(shape[0] * shape[1] * shape[2], latent_size, key=key)

    def __call__(self, x: jax.Array) -> jax.Array:
        return jax.vmap(self.linear)(x.reshape(len(x), -1))


class LinearDecoder(eqx.Module):
    """In place of `ConvDecoder`: one linear map."""

    linear: eqx.nn.Linear
    shape: tuple[int, int, int] = eqx.field(static=True)

    def __init__(self, shape: tuple[int, int, int], latent_size: int, *, key: jax.Array) -> None:
        self.linear = eqx.nn.Linear(latent_size, shape[0] * shape[1] * shape[2], key=key)
        self.shape = shape

    def __call__(self, latents: jax.Array) -> jax.Array:
        return jax.vmap(self.linear)(latents).reshape(len(latents), *self.shape)


@contextmanager
def linear_nets() -> Iterator[None]:
    """Let the named constructors make linear models, whose steps compile in a tenth of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constructors, "ConvEncoder", LinearEncoder)
        patch.setattr(constructors, "ConvDecoder", LinearDecoder)
        yield


TINY_BUMPS = Bumps(
    image_size=16,
    num_steps=3,
    batch_size=16,
    learning_rate=1e-3,
    latent_size=8,
    num_test=100,  # as many of all as there are training images, so that fewer sizes of batch are compiled
    num_generated=100,
    num_components=3,
    num_seeds=2,
)


def _sign_descent(learning_rate: float) -> optax.GradientTransformation:
    """Descent by the signs of the gradient, which no loss lets diverge.

    Its rate, like that of `experiments.optimizer.adabelief`, is a number of the step.
    """
    return optax.GradientTransformation(_no_state, jax.tree_util.Partial(_descend, jnp.asarray(learning_rate)))


def _no_state(parameters: Any) -> optax.EmptyState:
    return optax.EmptyState()


def _descend(rate: jax.Array, gradient: Any, state: Any, parameters: Any = None) -> tuple[Any, Any]:
    return jax.tree.map(lambda g: -rate * jnp.sign(g), gradient), state


@contextmanager
def quick_experiments() -> Iterator[None]:
    """Linear nets and one simple optimiser, so that a step compiles fast, and once a model instead of once a run."""
    with linear_nets(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "adabelief", _sign_descent)
        yield


def widget_models() -> list[ipywidgets.Widget]:
    """All that live in this process."""
    kept = getattr(ipywidgets.widgets.widget, "_instances", None)  # of version 8
    return list((ipywidgets.Widget.widgets if kept is None else kept).values())


@contextmanager
def compilations() -> Iterator[list[str]]:
    """The names of the functions that JAX compiles meanwhile."""
    names: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if found := re.match(r"Compiling (?:jit\()?(\w+)", record.getMessage()):
                names.append(found[1])

    listener, logger = Listener(), logging.getLogger("jax._src.interpreters.pxla")
    logger.addHandler(listener)
    propagate, logger.propagate = logger.propagate, False
    try:
        with jax.log_compiles():
            yield names
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagate
