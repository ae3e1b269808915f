"""Training runs that survive: checkpoints of everything a run needs to go on as if it had never stopped.

A run goes on bit for bit as it would have done only with the same settings on the same device with the same versions.
Other settings are refused, other versions or devices warned of. What decides a run is what it computes, not what that
is called: its programs with their constants, its numbers and images, and what steers it from Python.
"""

import functools
import hashlib
import platform
import re
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.extend.core import ClosedJaxpr
from jaxtyping import Array, Key, PyTree

from vrrae_lab import display
from vrrae_lab.array_file import LONGEST_HEADER, ArrayFile, write
from vrrae_lab.checks import check_at_least, check_path
from vrrae_lab.compilation import digest, setting
from vrrae_lab.environment import device, versions
from vrrae_lab.files import differences

FORMAT = "vrrae_lab training checkpoint 2"
HEADER = {"step": int, "settings": dict, "environment": dict}
IMAGES_AT_A_TIME = 1000
PROGRAMS = ("loss and model", "optimizer")
MOST_NUMBERS_SHOWN = 10

_first_seen: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


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
            ValueError: if it is of a run of other settings or of an older version, or none of the files is whole.
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
                if _is_of_older_version(path):
                    raise ValueError(
                        f"{self.folder} holds an unfinished run of an older version of vrrae_lab, which this one "
                        "cannot take up: finish it with that version, choose another folder, or remove this one"
                    ) from error
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
        ignored: tuple[str, ...] = ()
        if there != now:  # on which depends what program comes out, and how Python's bytecode looks
            ignored = *PROGRAMS, "what the callback does"
        elif known.get(PROGRAMS[0]) == settings.get(PROGRAMS[0]):  # where the same is computed, names do not matter
            ignored = "model", "class of the loss"
        known |= {name: settings[name] for name in ignored if name in settings}
        if other := differences(known, settings):
            raise ValueError(
                f"{self.folder} holds a run of other settings ({other}): choose another folder, or remove that one"
            )


def settings_of(
    model: PyTree,
    x: np.ndarray | Array,
    loss: PyTree,
    programs: Mapping[str, ClosedJaxpr],
    batch_size: int,
    key: Key[Array, ""],
    callback: Any,
) -> dict[str, Any]:
    """What decides every number of a run, JSON-ready: digests where the thing itself is too large.

    The number of steps is left out, as it decides only where a run ends.

    Args:
        model: before its first step.
        x: the training images.
        loss: before the first step.
        programs: what a step computes, by the names in `PROGRAMS`.
        batch_size: images per step.
        key: of the run.
        callback: of the run, or None.
    """
    return {
        "model": repr(model),
        "initial weights": _hash(map(_array, _leaves(model).values())),
        "loss": _leaves(loss, _shown),
        "class of the loss": getattr(loss, "__name__", type(loss).__name__),
        **{name: digest(program) for name, program in programs.items()},
        "batch_size": batch_size,
        "key": np.asarray(jax.random.key_data(key)).tolist(),
        "random numbers": f"{jax.random.key_impl(key)}"
        + ("" if setting("threefry_partitionable") else ", not partitionable"),
        "images": {
            "shape": list(x.shape),
            "dtype": str(x.dtype),
            "digest": _hash(_array(x[i : i + IMAGES_AT_A_TIME]) for i in range(0, len(x), IMAGES_AT_A_TIME)),
        },
        "callback": None if callback is None else f"{type(callback).__name__} every {callback.every} steps",
        "what the callback does": _made_of(callback),
    }


def _environment() -> dict[str, str]:
    kind = "{devices} × {platform} ({kind})".format(**device())
    return versions() | {"python": platform.python_version(), "device": kind}


def _is_of_older_version(path: Path) -> bool:
    name, _, number = FORMAT.rpartition(" ")
    with path.open("rb") as file:
        found = re.match(rb'\{"format": "' + name.encode() + rb' (\d+)"', file.readline(LONGEST_HEADER))
    return found is not None and int(found[1]) < int(number)


def _leaves(tree: PyTree, show: Callable[[Any], Any] = lambda leaf: leaf) -> dict[str, Any]:
    """The numbers of a pytree by where they are in it."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {
        jax.tree_util.keystr(path): show(leaf) for path, leaf in leaves if eqx.is_array(leaf) or type(leaf) is float
    }


def _shown(leaf: Any) -> Any:
    """In full if there is little of it."""
    return np.asarray(leaf).tolist() if np.size(leaf) <= MOST_NUMBERS_SHOWN else _hash([_array(leaf)])


def _array(array: Any) -> bytes:
    if isinstance(array, jax.Array) and jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    return np.ascontiguousarray(array).tobytes()


def _made_of(callback: Any) -> str:
    """A digest of its numbers and its code; used again, it is still what it was at first."""
    with suppress(TypeError):  # None, or what cannot be referred to weakly
        if callback not in _first_seen:
            _first_seen[callback] = _hash(_content(callback, []))
        return _first_seen[callback]
    return _hash(_content(callback, []))


def _content(thing: Any, seen: list[Any]) -> Iterator[bytes]:
    """What an object of Python is made of: its numbers, and the code of its functions without their names."""
    if thing is None or isinstance(
        thing, str | bytes | int | float | complex | type | ModuleType | BuiltinFunctionType
    ):
        yield getattr(thing, "__qualname__", repr(thing)).encode()
        return
    if any(thing is other for other in seen):
        return
    seen.append(thing)
    parts: Any
    if isinstance(thing, np.ndarray | np.generic | jax.Array):
        yield f"{thing.dtype} {thing.shape}".encode() + _array(thing)
        return
    if isinstance(thing, CodeType):
        yield thing.co_code
        parts = [*thing.co_consts, *thing.co_names]
    elif isinstance(thing, FunctionType):
        parts = [thing.__code__, thing.__defaults__, thing.__kwdefaults__]
        parts += [cell.cell_contents for cell in thing.__closure__ or () if cell != CellType()]
    elif isinstance(thing, MethodType):
        parts = [thing.__self__, thing.__func__]
    elif isinstance(thing, Mapping):
        parts = [part for pair in thing.items() for part in pair]
    elif isinstance(thing, list | tuple | deque):
        parts = thing
    elif isinstance(thing, set | frozenset):
        parts = sorted(map(repr, thing))
    elif isinstance(thing, functools.partial):
        parts = [thing.func, thing.args, thing.keywords]
    else:
        own = [cls for cls in type(thing).__mro__ if cls.__module__ != "builtins"]
        functions = [f for cls in own for f in vars(cls).values() if isinstance(f, FunctionType)]
        parts = [functions, getattr(thing, "__wrapped__", None), getattr(thing, "__dict__", type(thing))]
    for part in parts:
        yield from _content(part, seen)


def _hash(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:12]
