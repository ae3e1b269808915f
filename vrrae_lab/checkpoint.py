"""Trained models in one file: a line of JSON that says how to build the model, then its arrays (see `array_file`)."""

import os
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from vrrae_lab import array_file
from vrrae_lab.bottlenecks import FixedBasis
from vrrae_lab.checks import check_kind, check_path
from vrrae_lab.files import UNREADABLE
from vrrae_lab.models import CONSTRUCTORS, Autoencoder, build, is_frozen
from vrrae_lab.models.autoencoder import check_model

FORMAT = "vrrae_lab checkpoint 1"


def save(path: str | os.PathLike[str], model: Autoencoder, notes: dict[str, Any] | None = None) -> None:
    """Write a model, atomically.

    Args:
        path: the file to create or replace.
        model: made by one of the named constructors, trained or frozen since.
        notes: JSON-ready values to keep with the model (data set, seed, settings …).

    Raises:
        ValueError: if the model was composed by hand, so that a file cannot say how to build it, or the notes are too
            long or contain NaN or infinity.
    """
    check_path("path", path)
    check_model(model)
    check_kind("notes", notes, dict | None, "give a dictionary of JSON-ready values, or None")
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
        "notes": notes or {},
    }
    array_file.write(path, model, header)


def load(path: str | os.PathLike[str]) -> tuple[Autoencoder, dict[str, Any]]:
    """Read a model written by `save`.

    Returns:
        The model and its notes.

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
    return file.arrays(like), notes


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


def _skeleton(header: dict[str, Any]) -> Autoencoder:
    """A model of the right structure; its numbers are replaced by the file's."""
    arguments = {name: tuple(v) if isinstance(v, list) else v for name, v in dict(header["arguments"]).items()}
    model = build(header["constructor"], arguments, key=jax.random.key(0))
    if header["frozen_basis"] and not is_frozen(model):
        basis = model.bottleneck.basis  # type: ignore[attr-defined]
        matrix = jnp.zeros((arguments["latent_size"], basis.rank))
        model = eqx.tree_at(lambda m: m.bottleneck.basis, model, FixedBasis(matrix))
    return model
