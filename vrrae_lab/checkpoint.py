"""Trained models in one file: a line of JSON that says how to build the model, then its arrays. Never pickle.

The header carries the length and SHA-256 of the arrays, so a damaged file is refused before anything is built.
"""

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from vrrae_lab.bottlenecks import FixedBasis
from vrrae_lab.files import atomic_file
from vrrae_lab.models import CONSTRUCTORS, Autoencoder, build, is_frozen

FORMAT = "vrrae_lab checkpoint 1"
LONGEST_HEADER = 1_000_000


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
    if model.recipe is None:
        raise ValueError(
            "this model was composed by hand: only models of the named constructors "
            f"({', '.join(CONSTRUCTORS)}) can be rebuilt from a file; use equinox.tree_serialise_leaves"
        )
    buffer = io.BytesIO()
    eqx.tree_serialise_leaves(buffer, model)
    arrays = buffer.getvalue()
    header = {
        "format": FORMAT,
        "constructor": model.recipe.constructor,
        "arguments": dict(model.recipe.arguments),
        "frozen_basis": isinstance(getattr(model.bottleneck, "basis", None), FixedBasis),
        "notes": notes or {},
        "bytes": len(arrays),
        "sha256": hashlib.sha256(arrays).hexdigest(),
    }
    line = json.dumps(header, allow_nan=False).encode() + b"\n"
    if len(line) > LONGEST_HEADER:
        raise ValueError(f"the notes make a header of {len(line):,} bytes: keep it below {LONGEST_HEADER:,}")
    with atomic_file(path) as file:
        file.write(line + arrays)


def load(path: str | os.PathLike[str]) -> tuple[Autoencoder, dict[str, Any]]:
    """Read a model written by `save`.

    Returns:
        The model and its notes.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a checkpoint, is damaged, or does not fit this version of the package.
    """
    path = Path(path)
    with path.open("rb") as file:
        header = _header(path, file.readline(LONGEST_HEADER))
        arrays = file.read()
    if len(arrays) != header["bytes"] or hashlib.sha256(arrays).hexdigest() != header["sha256"]:
        raise ValueError(
            f"{path} is damaged: its header promises {header['bytes']} bytes of arrays with a checksum that the "
            f"{len(arrays)} bytes found do not have; copy it again or train anew"
        )
    try:
        like = eqx.filter_eval_shape(_skeleton, header)
        return eqx.tree_deserialise_leaves(io.BytesIO(arrays), like), header["notes"]
    except (ValueError, TypeError, RuntimeError, KeyError) as error:
        raise ValueError(f"{path} does not fit this version of vrrae_lab: {error}") from error


def shipped(name: str) -> Path:
    """The checkpoint of a model that comes with the package.

    Raises:
        ValueError: if there is none of that name.
    """
    folder = Path(__file__).parent / "shipped"
    path = folder / f"{name}.ckpt"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.ckpt")))
        raise ValueError(f"no model {name!r} comes with the package: there are {known}")
    return path


def _header(path: Path, line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
        known = header["format"] == FORMAT and isinstance(header["bytes"], int) and isinstance(header["sha256"], str)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise ValueError(f"{path} is not a checkpoint of this package (its first line is not '{FORMAT}' JSON)")
    return header


def _skeleton(header: dict[str, Any]) -> Autoencoder:
    """A model of the right structure; its numbers are replaced by the file's."""
    arguments = {name: tuple(v) if isinstance(v, list) else v for name, v in dict(header["arguments"]).items()}
    model = build(header["constructor"], arguments, key=jax.random.key(0))
    if header["frozen_basis"] and not is_frozen(model):
        basis = model.bottleneck.basis  # type: ignore[attr-defined]
        matrix = jnp.zeros((arguments["latent_size"], basis.rank))
        model = eqx.tree_at(lambda m: m.bottleneck.basis, model, FixedBasis(matrix))
    return model
