"""The same models in plain Equinox, in the authors' package RRAEs, and in PyTorch, for the same work.

Each `*_step` gives a function without arguments that makes one update: forward, backward, Adam. All have the papers'
layers and loss and start from random weights. PyTorch's images are in `channels_last`, its fastest layout on a CPU.
Peers that are not installed (extra `bench`) are `Absent`.
"""

import math
import os
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.measure import Absent
from vrrae_lab.experiments.plan import Candidate, four_models
from vrrae_lab.models import Autoencoder, build
from vrrae_lab.nets import ConvDecoder, ConvEncoder

BETA, LEARNING_RATE = 1e-3, 1e-3
OPTIMIZER = optax.adam(LEARNING_RATE)
WIDTHS = (32, 256, 128, 32, 8)

try:
    import torch
except ImportError:
    torch = None
else:
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)

try:
    import RRAEs.config  # noqa: F401  it defines the base class that the next line builds on
    from RRAEs import AE_classes
    from RRAEs.training_classes import AE_Trainor_class
    from RRAEs.utilities import loss_generator, stable_SVD
except ImportError:
    AE_classes = None


def candidates(shape: tuple[int, int, int], latent_size: int, rank: int, fast: bool = False) -> dict[str, Candidate]:
    """AE, VAE, RRAE and VRRAE with the papers' losses; the last alone where it is only to be seen that all works."""
    four = four_models(shape, latent_size, rank, BETA, BETA)
    return {"VRRAE": four["VRRAE"]} if fast else four


# ----------------------------------------------------------------------------------------------------- Equinox


class _PlainEncoder(eqx.Module):
    """Equinox's own layers, one image at a time under `vmap`."""

    layers: tuple[eqx.nn.Conv2d, eqx.nn.Conv2d]
    linear: eqx.nn.Linear

    def __init__(self, ours: ConvEncoder) -> None:
        key = jax.random.key(0)
        sizes = [c.weight.shape[2:] for c in ours.convolutions]
        self.layers = tuple(eqx.nn.Conv2d(i, o, 3, stride=2, padding=1, key=key) for i, o in sizes)
        self.linear = ours.linear

    def __call__(self, x: jax.Array) -> jax.Array:
        return jax.vmap(self._one)(x.transpose(0, 3, 1, 2))

    def _one(self, x: jax.Array) -> jax.Array:
        for layer in self.layers:
            x = jax.nn.relu(layer(x))
        return self.linear(x.ravel())


class _PlainDecoder(eqx.Module):
    linear: eqx.nn.Linear
    layers: tuple[eqx.nn.ConvTranspose2d, ...]
    last: eqx.nn.Conv2d
    start: tuple[int, int, int] = eqx.field(static=True)

    def __init__(self, ours: ConvDecoder) -> None:
        key = jax.random.key(0)
        sizes = [c.weight.shape[2:] for c in ours.convolutions]
        self.linear = ours.linear
        self.layers = tuple(
            eqx.nn.ConvTranspose2d(i, o, 3, stride=2, padding=1, output_padding=1, key=key) for i, o in sizes
        )
        *kernel, inputs, outputs = ours.last.weight.shape
        self.last = eqx.nn.Conv2d(inputs, outputs, tuple(kernel), key=key)
        self.start = (32, math.ceil(ours.shape[0] / 16), math.ceil(ours.shape[1] / 16))

    def __call__(self, latents: jax.Array) -> jax.Array:
        return jax.vmap(self._one)(latents).transpose(0, 2, 3, 1)

    def _one(self, latent: jax.Array) -> jax.Array:
        x = self.linear(latent).reshape(self.start)
        for layer in self.layers:
            x = jax.nn.relu(layer(x))
        return self.last(x)


def plain(part: Any) -> Any:
    """The plain Equinox form of one of our encoders, decoders or autoencoders."""
    if isinstance(part, Autoencoder):
        return eqx.tree_at(lambda m: (m.encoder, m.decoder), part, (plain(part.encoder), plain(part.decoder)))
    return _PlainEncoder(part) if isinstance(part, ConvEncoder) else _PlainDecoder(part)


def whole_batch_loss(model: Autoencoder, x: jax.Array, key: jax.Array) -> jax.Array:
    """The papers' loss as one would write it down."""
    x_hat, posterior = model(x, key=key)
    value = 100 * jnp.linalg.norm((x_hat - x).ravel()) / jnp.linalg.norm(x.ravel())
    return value + BETA * jnp.sum(posterior.kl()) if hasattr(posterior, "kl") else value


def equinox_step(candidate: Candidate, x: np.ndarray) -> Callable[[], Any]:
    """With Equinox's own convolutions."""
    model = plain(build(candidate.constructor, dict(candidate.arguments), key=jax.random.key(0)))
    return _jitted_step(model, whole_batch_loss, x)


def our_step(
    candidate: Candidate, x: np.ndarray, change: Callable[[Autoencoder], Autoencoder] = lambda model: model
) -> Callable[[], Any]:
    """The loss and the parts of `fit`, of the model after a change."""
    model = change(build(candidate.constructor, dict(candidate.arguments), key=jax.random.key(0)))
    return _jitted_step(model, our_loss(candidate), x)


def our_loss(candidate: Candidate) -> Callable[[Autoencoder, jax.Array, jax.Array], jax.Array]:
    """The candidate's loss without its terms."""
    return lambda model, x, key: candidate.loss(model, x, key=key)[0]


def start(model: Any) -> tuple[Any, Any]:
    """A model and the fresh state of the optimiser."""
    return model, OPTIMIZER.init(eqx.filter(model, eqx.is_inexact_array))


def update(loss: Callable[[Any, jax.Array, jax.Array], jax.Array]) -> Callable[..., tuple[tuple[Any, Any], jax.Array]]:
    """One update by a loss, as ((images, key), (model, optimiser state)) to ((model, optimiser state), loss)."""

    def step(batch: tuple[jax.Array, jax.Array], state: tuple[Any, Any]) -> tuple[tuple[Any, Any], jax.Array]:
        model, optimizer_state = state
        value, gradient = eqx.filter_value_and_grad(loss)(model, *batch)
        updates, optimizer_state = OPTIMIZER.update(gradient, optimizer_state, eqx.filter(model, eqx.is_inexact_array))
        return (eqx.apply_updates(model, updates), optimizer_state), value

    return step


def _jitted_step(
    model: Any, loss: Callable[[Any, jax.Array, jax.Array], jax.Array], x: np.ndarray
) -> Callable[[], Any]:
    images, step = jnp.asarray(x), eqx.filter_jit(update(loss), donate="all-except-first")
    kept = [start(model)]

    def once() -> Any:
        kept[0], value = step((images, jax.random.key(1)), kept[0])
        return kept[0], value

    return once


# ------------------------------------------------------------------------------------------------------- RRAEs


def rraes_svd() -> Any:
    """Their SVD of a matrix with samples as columns, or `Absent`."""
    return Absent("RRAEs") if AE_classes is None else stable_SVD


def rraes_step(candidate: Candidate, x: np.ndarray) -> Callable[[], Any] | Absent:
    """Their model and loss, in the step that their trainer compiles; without the trainer's loader and printing."""
    if AE_classes is None:
        return Absent("RRAEs")
    classes = {"ae": "Vanilla_AE_CNN", "vae": "VAE_CNN", "rrae": "RRAE_CNN", "vrrae": "VRRAE_CNN"}
    losses = {"ae": "default", "vae": "VAE", "rrae": "RRAE", "vrrae": "VRRAE"}
    arguments, name = candidate.arguments, candidate.constructor
    sizes = [arguments[a] for a in ("latent_size", "rank") if a in arguments]
    height, width, channels = arguments["shape"]
    columns = jnp.asarray(x.transpose(3, 1, 2, 0))
    model = AE_Trainor_class(
        columns,
        getattr(AE_classes, classes[name]),
        **{"channels": channels, "height": height, "width": width, "latent_size": sizes[0]},
        **({"k_max": sizes[1]} if len(sizes) > 1 else {}),
        **{"kwargs_enc": {"width_CNNs": [32, 64]}, "kwargs_dec": {"width_CNNs": list(WIDTHS[1:])}},
        key=jax.random.key(0),
    ).model
    value_and_grad = loss_generator(losses[name])
    options: dict[str, Any] = {"k_max": arguments["rank"]} if "rank" in arguments else {}
    if name in ("vae", "vrrae"):
        options |= {"beta": BETA, "epsilon": jax.random.normal(jax.random.key(1), (sizes[-1], len(x)))}
    else:
        options |= {"epsilon": None}

    @eqx.filter_jit
    def step(model: Any, state: Any, images: jax.Array, options: dict[str, Any]) -> Any:
        moving, still = eqx.partition(model, eqx.is_inexact_array)
        (value, _), gradient = value_and_grad(moving, still, images, images, idx=None, **options)
        updates, state = OPTIMIZER.update(gradient, state)
        return (eqx.combine(eqx.apply_updates(moving, updates), still), state), value

    kept = [start(model)]

    def once() -> Any:
        kept[0], value = step(*kept[0], columns, options)
        return kept[0], value

    return once


# ----------------------------------------------------------------------------------------------------- PyTorch


def torch_encoder(shape: tuple[int, int, int], latent_size: int) -> Any:
    """The papers' encoder, images channels first."""
    n, (height, width, channels) = torch.nn, shape
    inputs = 64 * math.ceil(height / 4) * math.ceil(width / 4)
    layers = [n.Conv2d(channels, 32, 3, 2, 1), n.ReLU(), n.Conv2d(32, 64, 3, 2, 1), n.ReLU()]
    net = n.Sequential(*layers, n.Flatten(), n.Linear(inputs, latent_size))
    return net.to(device=torch_device(), memory_format=torch.channels_last)


def torch_decoder(shape: tuple[int, int, int], latent_size: int) -> Any:
    """The papers' decoder, images channels first."""
    n, (height, width, channels) = torch.nn, shape
    start = math.ceil(height / 16), math.ceil(width / 16)
    layers = [n.Linear(latent_size, 32 * math.prod(start)), n.Unflatten(1, (32, *start))]
    for before, after in zip(WIDTHS, WIDTHS[1:], strict=False):
        layers += [n.ConvTranspose2d(before, after, 3, 2, 1, 1), n.ReLU()]
    layers.append(n.Conv2d(WIDTHS[-1], channels, (16 * start[0] - height + 1, 16 * start[1] - width + 1)))
    return n.Sequential(*layers).to(device=torch_device(), memory_format=torch.channels_last)


def torch_device() -> str:
    """The device JAX uses, if PyTorch can use it too."""
    return "cuda" if jax.default_backend() == "gpu" and torch.cuda.is_available() else "cpu"


def torch_images(x: np.ndarray) -> Any:
    """Images batch first, channels last, as a tensor."""
    tensor = torch.tensor(np.asarray(x)).permute(0, 3, 1, 2)
    return tensor.to(device=torch_device(), memory_format=torch.channels_last)


def torch_step(candidate: Candidate, x: np.ndarray) -> Callable[[], Any] | Absent:
    """The same model, loss and optimiser in PyTorch."""
    if torch is None:
        return Absent("torch")
    arguments, name = candidate.arguments, candidate.constructor
    latent_size, rank = arguments["latent_size"], arguments.get("rank", arguments["latent_size"])
    encoder, decoder = torch_encoder(arguments["shape"], latent_size), torch_decoder(arguments["shape"], latent_size)
    heads = [torch.nn.Linear(rank, rank, device=torch_device()) for _ in range({"vae": 2, "vrrae": 1}.get(name, 0))]
    optimizer = torch.optim.Adam(torch.nn.ModuleList([encoder, decoder, *heads]).parameters(), LEARNING_RATE)
    images = torch_images(x)

    def once() -> None:
        optimizer.zero_grad()
        mean = encoder(images)
        if "rank" in arguments:
            basis, values, right = torch.linalg.svd(mean.T, full_matrices=False)
            basis, mean = basis[:, :rank], (values[:rank, None] * right[:rank]).T
        kl, z = 0.0, mean
        if heads:
            mean, log_variance = (heads[0](mean) if name == "vae" else mean), heads[-1](mean)
            z = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
            kl = (log_variance.exp() + mean**2 - 1 - log_variance).sum() / 2
        x_hat = decoder(z @ basis.T if "rank" in arguments else z)
        (100 * torch.linalg.norm(x_hat - images) / torch.linalg.norm(images) + BETA * kl).backward()
        optimizer.step()
        torch_wait()

    return once


def torch_wait() -> None:
    """Until the device has finished."""
    if torch_device() == "cuda":
        torch.cuda.synchronize()
