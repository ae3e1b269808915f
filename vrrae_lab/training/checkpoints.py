"""Training runs that survive: checkpoints of everything a run needs to go on as if it had never stopped.

A run goes on bit for bit as it would have done only with the same settings on the same device with the same versions.
Other settings are refused, other versions or devices warned of.
"""

import hashlib
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import Array, Key, PyTree

from vrrae_lab import display
from vrrae_lab.array_file import ArrayFile, write
from vrrae_lab.checks import check_at_least, check_path
from vrrae_lab.environment import device, versions
from vrrae_lab.files import differences

FORMAT = "vrrae_lab training checkpoint 1"
HEADER = {"step": int, "settings": dict, "environment": dict}
IMAGES_IN_A_DIGEST = 1000


class Checkpoints:
    """Where `fit` keeps the state of a run, and takes it up again when it is called anew.

    One folder belongs to one run. If it lies on a disk that outlives the machine, such as a mounted Google Drive, so
    does the run.

    Attributes:
        folder: of this run alone; made if need be.
        every: steps between two checkpoints. There is also one where the run is interrupted, and one at its end.
        keep: so many of the newest are kept.
    """

    def __init__(self, folder: str | Path, *, every: int = 100, keep: int = 3) -> None:
        """Args: as the attributes.

        Raises:
            ValueError: if `every` or `keep` is below 1.
        """
        check_at_least(1, "every", every)
        check_at_least(1, "keep", keep)
        check_path("folder", folder)
        self.folder, self.every, self.keep = Path(folder), every, keep

    def __repr__(self) -> str:
        found = self.files()
        newest = f"the newest at step {int(found[-1].stem.removeprefix('step-')):,}" if found else "none yet"
        return f"Checkpoints: {self.folder}, every {self.every} steps · {display.plural(len(found), 'file')}, {newest}"

    def _repr_html_(self) -> str:
        title, _, facts = repr(self).partition(": ")
        return display.card(title, facts)

    def files(self) -> list[Path]:
        """The checkpoints there are, the oldest first."""
        return sorted(self.folder.glob("step-*.ckpt"))

    def save(self, step: int, arrays: PyTree, settings: Mapping[str, Any], notes: Mapping[str, Any]) -> None:
        """Write a checkpoint, atomically, and remove the oldest ones.

        Args:
            step: updates made so far.
            arrays: the state of the run.
            settings: what decides the run; see `settings_of`.
            notes: what else a run needs to go on, JSON-ready.
        """
        header = {"format": FORMAT, "step": step, "settings": dict(settings), "environment": _environment(), **notes}
        write(self.folder / f"step-{step:09d}.ckpt", arrays, header)
        for old in self.files()[: -self.keep]:
            old.unlink(missing_ok=True)

    def newest(self, settings: Mapping[str, Any]) -> ArrayFile | None:
        """The newest checkpoint that is whole, or None if there is none at all; a damaged one costs a warning.

        Raises:
            ValueError: if it is of a run of other settings, or none of the files is whole.
        """
        for leftover in self.folder.glob(".step-*.tmp"):  # of a process killed while it wrote
            leftover.unlink(missing_ok=True)
        found = self.files()
        for path in reversed(found):
            try:
                file = ArrayFile(path, "a training checkpoint", FORMAT)
                if not all(isinstance(file.header.get(name), kind) for name, kind in HEADER.items()):
                    raise ValueError(f"{path} is not of this version of vrrae_lab: it lacks one of {', '.join(HEADER)}")
            except ValueError as error:
                warnings.warn(f"{error}; going back to the checkpoint before it", stacklevel=3)
                continue
            self._check(file.header, settings)
            return file
        if found:
            raise ValueError(f"no checkpoint in {self.folder} can be read: remove that folder to train from the start")
        return None

    def _check(self, header: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        there, now = header["environment"], _environment()
        if other := differences(there, now):
            warnings.warn(
                f"the run in {self.folder} goes on with other versions or another device ({other}): the numbers may "
                "differ in rounding from those of a run that was never stopped",
                stacklevel=4,
            )
        known = dict(header["settings"])
        if there["jax"] != now["jax"]:
            known["optimizer"] = settings["optimizer"]  # its digest is of what that version of JAX made of it
        if other := differences(known, settings):
            raise ValueError(
                f"{self.folder} holds a run of other settings ({other}): choose another folder, or remove that one"
            )


def settings_of(
    model: PyTree,
    x: np.ndarray | Array,
    loss: PyTree,
    optimizer: optax.GradientTransformation,
    batch_size: int,
    key: Key[Array, ""],
    callback: Any,
) -> dict[str, Any]:
    """What decides every number of a run, JSON-ready: digests where the thing itself is too large.

    The number of steps is left out, as it decides only where a run ends.

    Args:
        model: before its first step.
        x: the training images, of which up to a thousand go into the digest.
        loss: before the first step.
        optimizer: known by the program JAX makes of its update.
        batch_size: images per step.
        key: of the run.
        callback: of the run, or None.
    """
    chosen = np.unique(np.linspace(0, len(x) - 1, IMAGES_IN_A_DIGEST).astype(int))
    return {
        "model": _digest(_text(jax.tree.structure(model))),
        "initial weights": _digest(*_arrays(model)),
        "loss": {"class": type(loss).__name__, **_numbers(loss)},
        "optimizer": _optimizer_digest(model, optimizer),
        "batch_size": batch_size,
        "key": np.asarray(jax.random.key_data(key)).tolist(),
        "images": {
            "shape": list(x.shape),
            "dtype": str(x.dtype),
            "digest": _digest(np.asarray(x[chosen])),
        },
        "callback": None if callback is None else f"{type(callback).__name__} every {callback.every} steps",
    }


def _environment() -> dict[str, str]:
    return versions() | {"device": "{devices} × {platform} ({kind})".format(**device())}


def _arrays(tree: PyTree) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


def _numbers(tree: PyTree) -> dict[str, Any]:
    """Small arrays of a pytree by where they are in it, and what else the class holds as text."""
    leaves = jax.tree_util.tree_flatten_with_path(eqx.filter(tree, eqx.is_array))[0]
    return {jax.tree_util.keystr(path): np.asarray(leaf).tolist() for path, leaf in leaves} | {
        "structure": _digest(_text(jax.tree.structure(tree)))
    }


def _optimizer_digest(model: PyTree, optimizer: optax.GradientTransformation) -> str:
    weights = eqx.filter(model, eqx.is_inexact_array)
    program = jax.make_jaxpr(optimizer.update)(weights, optimizer.init(weights), weights)
    return _digest(_text(program.jaxpr), *(np.asarray(c) for c in program.consts))


def _text(thing: Any) -> str:
    """Without addresses in memory, which are others in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(thing))


def _digest(*parts: str | np.ndarray) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:12]
