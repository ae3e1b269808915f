"""Trained models in one file: a line of JSON that says how to build the model, then its arrays (see `array_file`)."""

import os
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from vrrae_lab import array_file
from vrrae_lab.bottlenecks import FixedBasis
from vrrae_lab.checks import check_kind, check_path
from vrrae_lab.files import UNREADABLE
from vrrae_lab.models import CONSTRUCTORS, Autoencoder, build, is_frozen
from vrrae_lab.models.autoencoder import check_model

FORMAT = "vrrae_lab checkpoint 1"


def save(
    path: str | os.PathLike[str],
    model: Autoencoder,
    notes: dict[str, Any] | None = None,
    *,
    half_precision: bool = False,
) -> None:
    """Write a model, atomically.

    Args:
        path: the file to create or replace.
        model: made by one of the named constructors, trained or frozen since.
        notes: JSON-ready values to keep with the model (data set, seed, settings …).
        half_precision: whether to round the numbers to float16, in half the bytes: a relative error of at most 2⁻¹¹
            from 6e-5 on. False keeps them bit for bit.

    Raises:
        ValueError: if the model was composed by hand, so that a file cannot say how to build it, the notes are too
            long or contain NaN or infinity, or a number is too large for float16.
    """
    check_path("path", path)
    check_model(model)
    check_kind("notes", notes, dict | None, "give a dictionary of JSON-ready values, or None")
    check_kind("half_precision", half_precision, bool, "use True or False")
    if model.recipe is None:
        raise ValueError(
            "this model was composed by hand: only models of the named constructors "
            f"({', '.join(CONSTRUCTORS)}) can be rebuilt from a file; use equinox.tree_serialise_leaves"
        )
    header = {
        "format": FORMAT,
        "constructor": model.recipe.constructor,
        "arguments": dict(model.recipe.arguments),
        "frozen_basis": isinstance(getattr(model.bottleneck, "basis", None), FixedBasis),
        "half_precision": half_precision,
        "notes": notes or {},
    }
    array_file.write(path, jax.tree.map(_halved, model) if half_precision else model, header)


def load(path: str | os.PathLike[str]) -> tuple[Autoencoder, dict[str, Any]]:
    """Read a model written by `save`.

    Returns:
        The model, in float32 even if its file has half precision, and its notes.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a checkpoint, is damaged, or does not fit this version of the package.
    """
    check_path("path", path)
    file = array_file.ArrayFile(path, "a checkpoint", FORMAT)
    try:
        like = eqx.filter_eval_shape(_skeleton, file.header)
        notes = file.header["notes"]
    except UNREADABLE as error:
        raise ValueError(f"{path} does not fit this version of vrrae_lab: {error}") from error
    if not file.header.get("half_precision", False):  # of which the package's first files say nothing
        return file.arrays(like), notes
    halves = file.arrays(jax.tree.map(_half_of, like))
    return jax.tree.map(lambda half, whole: half.astype(whole.dtype), halves, like), notes


def shipped(name: str) -> Path:
    """The checkpoint of a model that comes with the package.

    Raises:
        ValueError: if there is none of that name.
    """
    folder = Path(__file__).parent / "shipped"
    path = folder / f"{name}.ckpt"
    known = sorted(p.stem for p in folder.glob("*.ckpt"))
    if name not in known:
        raise ValueError(f"no model {name!r} comes with the package: there are {', '.join(known)}")
    return path


def _halved(leaf: Array) -> Array:
    """The array in float16, if it is one of floats.

    Raises:
        ValueError: if a number is too large.
    """
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
        return leaf
    half = leaf.astype(jnp.float16)
    if (jnp.isinf(half) & jnp.isfinite(leaf)).any():
        raise ValueError(
            f"the model has a number of {jnp.abs(leaf).max():.3g}, and float16 ends at 65,504: "
            "save it with half_precision=False"
        )
    return half


def _half_of(like: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    floats = jnp.issubdtype(like.dtype, jnp.floating)
    return jax.ShapeDtypeStruct(like.shape, jnp.float16) if floats else like


def _skeleton(header: dict[str, Any]) -> Autoencoder:
    """A model of the right structure; its numbers are replaced by the file's."""
    arguments = {name: tuple(v) if isinstance(v, list) else v for name, v in dict(header["arguments"]).items()}
    model = build(header["constructor"], arguments, key=jax.random.key(0))
    if header["frozen_basis"] and not is_frozen(model):
        basis = model.bottleneck.basis  # type: ignore[attr-defined]
        matrix = jnp.zeros((arguments["latent_size"], basis.rank))
        frozen = FixedBasis(matrix, matrix[:, 0] if basis.centre else None)
        model = eqx.tree_at(lambda m: m.bottleneck.basis, model, frozen)
    return model
