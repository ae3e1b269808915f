r"""Batches worked through in parts, so that a CPU's caches hold what a network computes on the way.

Two cases suffice for an autoencoder. `microbatch_map` applies a function that treats samples independently; its
gradient computes each part once more, from its input alone. `microbatch_sum` is for a function *summed* over the
samples, as a squared error is: the gradient of a part does not depend on the other parts, so value and gradient are
computed together, part by part, and nothing is kept or computed twice. What is made of the sum later only scales it:

$$S = \sum_i f(\theta, z_i), \qquad \nabla_\theta\, g(S) = g'(S) \sum_i \nabla_\theta f(\theta, z_i).$$
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PyTree

from vrrae_lab.sharding import on_each_device


def microbatch_map(
    function: Callable[[Array], Array], x: Float[Array, "batch ..."], size: int | None
) -> Float[Array, "batch ..."]:
    """`function(x)`, computed on `size` samples at a time.

    Args:
        function: batch to batch, treating samples independently.
        x: the batch; its length need not be a multiple of `size`.
        size: samples at a time, at most; None for all of them.
    """
    return on_each_device(eqx.Partial(_map, function, size), x)


def _map(function: Callable[[Array], Array], size: int | None, x: Array) -> Array:
    if size is None or len(x) <= size:
        return function(x)
    parts, rest = _split(x, _part_size(len(x), size))
    # a loop keeps the passes apart by itself; the lambda because checkpoint hashes what it is given
    y = lax.map(jax.checkpoint(lambda part: function(part), prevent_cse=False), parts)
    y = y.reshape(-1, *y.shape[2:])
    return jnp.concatenate([y, function(rest)]) if len(rest) else y


def microbatch_sum(
    function: Callable[..., Float[Array, ""]], parameters: PyTree, *arrays: Float[Array, "batch ..."], size: int | None
) -> Float[Array, ""]:
    """`function(parameters, *arrays)`, computed on `size` samples at a time.

    Args:
        function: the parameters and any number of arrays with a common first axis, to a sum over that axis. In parts,
            what it closes over cannot be differentiated, and JAX refuses forward mode.
        parameters: any pytree.
        arrays: floats, batches of one length, which need not be a multiple of `size`.
        size: samples at a time, at most; None for all of them.
    """
    return jnp.sum(on_each_device(eqx.Partial(_device_sum, function, size, parameters), *arrays))


def _device_sum(function: Callable[..., Array], size: int | None, parameters: PyTree, *arrays: Array) -> Array:
    """The sum over one device's samples, of length 1, so that what the devices give can be put together and added."""
    if size is None or len(arrays[0]) <= size:
        return function(parameters, *arrays)[None]
    numbers, other = eqx.partition(parameters, eqx.is_inexact_array)

    def of_numbers(numbers: PyTree, arrays: tuple[Array, ...]) -> Array:
        return function(eqx.combine(numbers, other), *arrays)

    return _sum(of_numbers, _part_size(len(arrays[0]), size), numbers, arrays)[None]


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _sum(function: Callable[..., Array], size: int, parameters: PyTree, arrays: tuple[Array, ...]) -> Array:
    parts, rest = _split(arrays, size)
    total = jnp.sum(lax.map(lambda part: function(parameters, part), parts))
    return total + function(parameters, rest) if len(rest[0]) else total


def _sum_forward(
    function: Callable[..., Array], size: int, parameters: PyTree, arrays: tuple[Array, ...]
) -> tuple[Array, tuple[PyTree, tuple[Array, ...]]]:
    """The sum, and its gradients as what the backward pass needs."""

    def value_and_gradients(part: tuple[Array, ...]) -> tuple[tuple[Array, PyTree], tuple[Array, ...]]:
        value, (by_parameters, by_part) = jax.value_and_grad(function, (0, 1))(parameters, part)
        return (value, by_parameters), by_part

    def step(total: PyTree, part: tuple[Array, ...]) -> tuple[PyTree, tuple[Array, ...]]:
        summed, by_part = value_and_gradients(part)
        return jax.tree.map(jnp.add, total, summed), by_part

    parts, rest = _split(arrays, size)
    one_part = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), parts)
    shapes, _ = jax.eval_shape(value_and_gradients, one_part)
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    total, by_parts = lax.scan(step, nothing, parts)
    by_arrays = tuple(g.reshape(-1, *g.shape[2:]) for g in by_parts)
    if len(rest[0]):
        total, by_rest = step(total, rest)
        by_arrays = tuple(jnp.concatenate(pair) for pair in zip(by_arrays, by_rest, strict=True))
    value, by_parameters = total
    return value, (by_parameters, by_arrays)


def _sum_backward(function: Callable[..., Array], size: int, gradients: PyTree, value_bar: Array) -> PyTree:
    return jax.tree.map(lambda gradient: (value_bar * gradient).astype(gradient.dtype), gradients)


_sum.defvjp(_sum_forward, _sum_backward)


def _part_size(batch: int, size: int) -> int:
    """The largest divisor of `batch` that is at most `size`, unless it is below half of it: then there is a rest."""
    divisors = [n for n in range(size, (size - 1) // 2, -1) if batch % n == 0]
    return divisors[0] if divisors else size


def _split(arrays: Any, size: int) -> tuple[Any, Any]:
    """Each array as (parts, size, ...), and what is left over."""
    whole = len(jax.tree.leaves(arrays)[0]) // size * size
    parts = jax.tree.map(lambda a: a[:whole].reshape(-1, size, *a.shape[1:]), arrays)
    return parts, jax.tree.map(lambda a: a[whole:], arrays)
