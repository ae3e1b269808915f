"""Encoder and decoder, forward and backward, against plain Equinox, PyTorch and the limit that matrix products set.

The limit is the time of the layers' matrix products at the measured speed of one of 1024×1024.
"""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import peers
from benchmarks.measure import Absent, Row, interleaved, ratio
from vrrae_lab.microbatch import microbatch_sum
from vrrae_lab.nets import ConvDecoder, ConvEncoder, microbatch_size

SETTINGS = {"bumps": (64, 64), "MNIST": (28, 64), "MNIST, paper's batch": (28, 576)}
FAST_SETTINGS = {"tiny": (16, 8)}
LATENT_SIZE = 16


def rows(fast: bool) -> list[Row]:
    """Milliseconds for value and gradient with respect to the weights (of the decoder, also to the latents)."""
    table = []
    seconds = 0.1 if fast else 10
    flops_per_ms = _product_speed()
    for setting, (size, batch) in (FAST_SETTINGS if fast else SETTINGS).items():
        rng, shape = np.random.default_rng(0), (size, size, 1)
        x, z = rng.random((batch, *shape), np.float32), rng.normal(size=(batch, LATENT_SIZE)).astype(np.float32)
        key = jax.random.key(0)
        encoder, decoder = ConvEncoder(shape, LATENT_SIZE, key=key), ConvDecoder(shape, LATENT_SIZE, key=key)
        parts = {
            # nobody needs the gradient with respect to the images, so the first layer's products are two, not three
            "encoder": (_encoder_ways(encoder, x, z), batch * (3 * _encoder_flops(encoder) - _first_flops(encoder))),
            "decoder": (_decoder_ways(decoder, x, z), 3 * batch * _decoder_flops(decoder)),
        }
        for part, (ways, flops) in parts.items():
            times = interleaved({name: ways[name] for name in ("ours", "PyTorch")}, seconds)
            slow = interleaved({name: ways[name] for name in ("ours", "Equinox")}, seconds)
            table.append(
                {"setting": f"{setting}, batch {batch}", "part": part}
                | times
                | {"Equinox": slow["Equinox"], "limit": flops / flops_per_ms}
                | {
                    "ours / PyTorch": ratio(times, "ours", "PyTorch"),
                    "Equinox / ours": ratio(slow, "Equinox", "ours"),
                    "ours / limit": times["ours"] / (flops / flops_per_ms),
                }
            )
    return table


def _encoder_ways(ours: ConvEncoder, x: np.ndarray, target: np.ndarray) -> dict[str, Callable[[], Any] | Absent]:
    def error(encoder: Any, x: jax.Array) -> jax.Array:
        return jnp.sum((encoder(x) - target) ** 2)

    value_and_grad = eqx.filter_jit(eqx.filter_value_and_grad(error))
    images, equinox = jnp.asarray(x), peers.plain(ours)
    return {
        "ours": lambda: value_and_grad(ours, images),
        "Equinox": lambda: value_and_grad(equinox, images),
        "PyTorch": _torch_way(peers.torch and peers.torch_encoder(ours.shape, ours.latent_size), x, target),
    }


def _decoder_ways(ours: ConvDecoder, x: np.ndarray, z: np.ndarray) -> dict[str, Callable[[], Any] | Absent]:
    def error(decoder: Any, z: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.sum((decoder(z) - x) ** 2)

    @eqx.filter_jit
    def of_ours(decoder: Any, z: jax.Array, x: jax.Array) -> Any:
        size = microbatch_size(ours.shape)
        return eqx.filter_value_and_grad(lambda inputs: microbatch_sum(error, *inputs, x, size=size))((decoder, z))

    @eqx.filter_jit
    def of_equinox(decoder: Any, z: jax.Array, x: jax.Array) -> Any:
        return eqx.filter_value_and_grad(lambda inputs: error(*inputs, x))((decoder, z))

    equinox, latents, images = peers.plain(ours), jnp.asarray(z), jnp.asarray(x)
    return {
        "ours": lambda: of_ours(ours, latents, images),
        "Equinox": lambda: of_equinox(equinox, latents, images),
        "PyTorch": _torch_way(peers.torch and peers.torch_decoder(ours.shape, ours.latent_size), z, x),
    }


def _torch_way(net: Any, inputs: np.ndarray, target: np.ndarray) -> Callable[[], Any] | Absent:
    if net is None:
        return Absent("torch")

    def tensor(array: np.ndarray) -> Any:
        return peers.torch_images(array) if array.ndim == 4 else peers.torch.tensor(array, device=peers.torch_device())

    given, wanted = tensor(inputs), tensor(target)
    given.requires_grad_(given.ndim == 2)  # the latents, not the images

    def once() -> None:
        net.zero_grad()
        given.grad = None
        ((net(given) - wanted) ** 2).sum().backward()
        peers.torch_wait()

    return once


def _product_speed() -> float:
    """Floating-point operations in a millisecond of a product of two 1024×1024 matrices of float32."""
    square = jnp.ones((1024, 1024))
    product = jax.jit(lambda a: a @ a)
    return 2 * 1024**3 / interleaved({"product": lambda: product(square)}, 2)["product"]


def _encoder_flops(encoder: ConvEncoder) -> int:
    """Of the forward pass of one image."""
    height, width, _ = encoder.shape
    total = 2 * encoder.linear.weight.size
    for layer in encoder.convolutions:
        height, width = math.ceil(height / 2), math.ceil(width / 2)
        total += 2 * layer.weight.size * height * width
    return total


def _first_flops(encoder: ConvEncoder) -> int:
    height, width, _ = encoder.shape
    return 2 * encoder.convolutions[0].weight.size * math.ceil(height / 2) * math.ceil(width / 2)


def _decoder_flops(decoder: ConvDecoder) -> int:
    height, width = math.ceil(decoder.shape[0] / 16), math.ceil(decoder.shape[1] / 16)
    total = 2 * decoder.linear.weight.size
    for layer in decoder.convolutions:
        total += 2 * layer.weight.size * height * width
        height, width = 2 * height, 2 * width
    return total + 2 * decoder.last.weight.size * math.prod(decoder.shape[:2])
