"""Batches spread over the devices of a mesh, with the arithmetic of one device that holds them whole.

Inside `on_mesh`, a compiled function sees whole batches, as ever, and XLA splits what it does with them by their first
axis. Two things it would do badly are said here outright: `on_each_device` keeps a loop over parts of a batch on the
device that holds them, and `gathered` gives every device all of a small array where that is the cheaper way.

Outside `on_mesh` both do nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import equinox as eqx
import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, PyTree

from vrrae_lab.checks import check_kind

AXIS = "batch"
T = TypeVar("T")


def check_mesh(mesh: Mesh | None) -> None:
    """Refuse what is no mesh of devices.

    Raises:
        TypeError: naming the value and the remedy.
    """
    check_kind("mesh", mesh, Mesh | None, "give a jax.sharding.Mesh, such as jax.make_mesh((2,), ('batch',)), or None")


def batch_mesh(mesh: Mesh) -> Mesh:
    """The devices of a mesh in one row, which is what a batch is split over, whatever axes it had."""
    return Mesh(mesh.devices.reshape(-1), (AXIS,), axis_types=(AxisType.Auto,))


@contextmanager
def on_mesh(mesh: Mesh | None) -> Iterator[None]:
    """Functions compiled inside run on all devices of a `batch_mesh`; with None, nothing changes."""
    if mesh is None:
        yield
        return
    with jax.set_mesh(mesh):
        yield


def num_devices() -> int:
    """Over how many devices a batch is split where this is traced."""
    mesh = jax.sharding.get_abstract_mesh()
    # within on_each_device the batch is that of one device
    return mesh.shape[AXIS] if AXIS in mesh.shape and AXIS not in mesh.manual_axes else 1


def on_each_device(function: Callable[..., Array], *arrays: PyTree) -> Array:
    """`function(*arrays)` with the rows that each device holds, and what it gives put together along the first axis.

    Args:
        function: from arrays to an array, row by row or at least device by device. Its own arrays, if it is a pytree
            such as a bound method of a module or an `equinox.Partial`, are the same on all devices, and their gradients
            are summed over them once, at the end. It must not close over others.
        arrays: with the batch as first axis. If it cannot be split evenly, XLA splits the work as it sees fit.
    """
    count = num_devices()
    if count == 1 or any(len(leaf) % count for leaf in jax.tree.leaves(arrays)):
        return function(*arrays)
    shared, rest = eqx.partition(function, eqx.is_array)

    def on_one(shared: PyTree, *arrays: PyTree) -> Array:
        return eqx.combine(shared, rest)(*arrays)

    rows = PartitionSpec(AXIS)
    specs = (PartitionSpec(), *[rows] * len(arrays))
    return jax.shard_map(on_one, in_specs=specs, out_specs=rows, check_vma=False)(shared, *arrays)


def whole(tree: T) -> T:
    """The arrays of a pytree, the same on every device."""
    if num_devices() == 1:
        return tree
    arrays, rest = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.lax.with_sharding_constraint(arrays, PartitionSpec()), rest)


@jax.custom_jvp
def gathered(rows: Float[Array, "batch size"]) -> Float[Array, "batch size"]:
    """A batch of small rows, all of them on every device; of its gradient each device gets back its own rows only."""
    return whole(rows)


@gathered.defjvp
def _gathered_jvp(rows: tuple[Array], tangent: tuple[Array]) -> tuple[Array, Array]:
    # linear in the tangent, and constrained before it is gathered: transposed, the constraint is on the gradient
    return gathered(*rows), spread(*tangent)


def spread(rows: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
    """A batch, each row on one device."""
    return rows if num_devices() == 1 else jax.lax.with_sharding_constraint(rows, PartitionSpec(AXIS))


def replicate(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """The arrays of a pytree, a copy on every device of the mesh, on all of its processes."""
    if mesh is None:
        return tree
    whole = NamedSharding(mesh, PartitionSpec())

    def put(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array | np.ndarray):
            return leaf
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(put(np.asarray(jax.random.key_data(leaf))), impl=jax.random.key_impl(leaf))
        value = np.asarray(leaf)
        return jax.make_array_from_callback(value.shape, whole, lambda index: value[index])

    return jax.tree.map(put, tree)


def local(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """The arrays of a replicated pytree as this process's own, on one device."""
    if mesh is None:
        return tree
    return jax.tree.map(
        lambda leaf: jax.numpy.asarray(leaf.addressable_data(0)) if isinstance(leaf, Array) else leaf, tree
    )


def split_rows(x: np.ndarray | Array, indices: np.ndarray, mesh: Mesh) -> Array:
    """The rows `x[indices]`, spread over the mesh; a process reads only those that its own devices hold."""
    rows = NamedSharding(mesh, PartitionSpec(AXIS))

    def read(index: tuple[slice, ...] | None) -> np.ndarray:
        return np.asarray(x[indices if index is None else indices[index[0]]])

    return jax.make_array_from_callback((len(indices), *x.shape[1:]), rows, read)
