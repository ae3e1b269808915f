"""Compiled programs, found again by what they compute: in this process, and in a folder by the next one.

**In this process.** `compiled` traces a function and looks up the program that comes out, its constants included. So an
optimizer or a loss that is written anew but computes the same needs no new compilation, whatever it is called; and
`digest`, by which programs are told apart, also says whether a run in a folder of checkpoints is the one at hand.

**On disk.** Importing the package lets JAX keep what it compiles in `compiled` in the user's cache folder
($XDG_CACHE_HOME, or ~/.cache), apart for each processor and each version of JAX, up to 1 GB of what was used last.
Where that cannot be written, nothing is kept. The environment variable VRRAE_LAB_COMPILED=off turns it off;
`forget_compiled` empties it. A folder that JAX was told before stays as it is.
"""

import atexit
import functools
import hashlib
import os
import platform
import re
import shutil
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import jaxlib
import numpy as np
from jax.experimental.compilation_cache import compilation_cache
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from jaxtyping import PyTree

from vrrae_lab.checks import check_path
from vrrae_lab.files import user_cache_folder

T = TypeVar("T")

SWITCH = "VRRAE_LAB_COMPILED"
MOST_BYTES = 2**30
MOST_PROGRAMS = 8  # kept in a process, each of some megabytes

_programs: OrderedDict[Any, tuple[jax.stages.Compiled, ClosedJaxpr]] = OrderedDict()
_digests: weakref.WeakKeyDictionary[Jaxpr, tuple[str, tuple[Any, ...]]] = weakref.WeakKeyDictionary()


# ---- on disk


def keep_compiled(folder: str | os.PathLike[str] | None = None) -> None:
    """Keep what JAX compiles from now on in a folder, and take from there what was compiled before.

    Importing the package has done so with the usual folder; call this for another one.

    Args:
        folder: where; None means the usual one (see the module's docstring). It can be removed at any time.

    Raises:
        OSError: if the folder cannot be made.
    """
    if folder is not None:
        check_path("folder", folder)
    root = _usual_folder() if folder is None else Path(folder)
    own = root / _processor_and_versions()
    own.mkdir(parents=True, exist_ok=True)
    if not os.access(own, os.W_OK):
        raise PermissionError(f"nothing can be written to {own}: give another folder")
    jax.config.update("jax_compilation_cache_dir", str(own))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # a start compiles many small programs
    compilation_cache.reset_cache()  # JAX would go on with the folder it has opened first
    # a full disk or a removed folder costs compilations, not attention
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
    atexit.unregister(_trim)
    atexit.register(_trim, root)


def keep_compiled_unless_off() -> None:
    """`keep_compiled` as the package is imported: silent, and not where somebody has decided otherwise."""
    if os.environ.get(SWITCH, "") != "off" and setting("compilation_cache_dir") is None:
        with suppress(OSError, RuntimeError):  # no folder, or nobody's home
            keep_compiled()


def forget_compiled() -> None:
    """Empty the usual folder of compiled programs. What this process has compiled it still has in memory."""
    shutil.rmtree(_usual_folder(), ignore_errors=True)


def _usual_folder() -> Path:
    return user_cache_folder() / "compiled"


def _processor_and_versions() -> str:
    """A name for what compiled programs fit: JAX's own key leaves the processor out, and another one may crash."""
    try:
        about = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
        lines = [line for line in about.splitlines() if line.startswith(("model name", "flags", "Features", "CPU"))]
    except OSError:
        lines = [platform.processor()]
    digest = hashlib.sha256("\n".join([platform.machine(), *lines]).encode()).hexdigest()[:12]
    return f"jax-{jax.__version__}-{jaxlib.__version__}-{platform.machine()}-{digest}"


def _trim(root: Path) -> None:
    """Remove what was used longest ago, down to a gigabyte."""
    found = []
    for path in root.rglob("*"):
        with suppress(OSError):  # another process may be at it too
            about = path.stat()
            if path.is_file():
                found.append((max(about.st_atime, about.st_mtime), about.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= MOST_BYTES:
            return
        with suppress(OSError):
            path.unlink()
        total -= size


# ---- in this process


class Compiled:
    """A function of two pytrees, compiled for arguments like those it was first given.

    Attributes:
        program: as JAX has compiled it, a function of arrays.
        signature: of the arguments: all but the numbers in their arrays.
    """

    def __init__(self, function: Callable[[Any, Any], PyTree], given: PyTree, state: PyTree) -> None:
        """Args: as in `compiled`."""
        self.signature = signature((given, state))
        arrays, rest = eqx.partition((given, state), _is_numbers)
        (given_arrays, state_arrays), results = arrays, []

        def of_arrays(*arrays: PyTree) -> list[jax.Array]:
            found, other = eqx.partition(function(*eqx.combine(arrays, rest)), eqx.is_array)
            leaves, structure = jax.tree.flatten(found)
            results.append((structure, other))
            return leaves

        traced = jax.jit(_flat(of_arrays, arrays), donate_argnums=1).trace(*map(jax.tree.leaves, arrays))
        [(self._structure, self._other)] = results[-1:]
        self.program = _looked_up(traced, (given_arrays, state_arrays))

    def __call__(self, given: PyTree, state: PyTree) -> PyTree:
        """The function's result. The buffers of `state` are taken over."""
        arrays = (jax.tree.leaves(eqx.filter(argument, _is_numbers)) for argument in (given, state))
        return eqx.combine(jax.tree.unflatten(self._structure, self.program(*arrays)), self._other)


def compiled(function: Callable[[Any, Any], PyTree], given: PyTree, state: PyTree) -> Compiled:
    """A function compiled as by `equinox.filter_jit`, but found again by what it computes.

    Args:
        function: of two pytrees, to a pytree.
        given: what it only reads.
        state: what it may overwrite: the buffers of its arrays are taken over at each call.
    """
    return Compiled(function, given, state)


def at_once(function: Callable[[Any], PyTree], given: PyTree) -> PyTree:
    """`function(given)` as one compiled program, where its operations one by one would be compiled one by one."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(given)):
        return function(given)  # part of a larger program already
    return compiled(lambda given, _: function(given), given, ())(given, ())


def jitted(function: Callable[..., T]) -> Callable[..., T]:
    """As `equinox.filter_jit`, with the compiler's options as for `compiled` where it is a program of its own."""

    @functools.cache
    def chosen(*options: tuple[str, Any]) -> Callable[..., T]:
        named: dict[str, Any] = {"compiler_options": dict(options)} if options else {}
        return eqx.filter_jit(function, **named)

    @functools.wraps(function)
    def call(*arguments: Any) -> T:
        inside = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(arguments))
        return chosen(*() if inside else _compiler_options().items())(*arguments)

    return call


def signature(tree: PyTree) -> tuple[Any, ...]:
    """What a program compiled for these arguments depends on: all but the numbers in their arrays."""
    arrays, rest = eqx.partition(tree, _is_numbers)
    shapes = [(a.shape, a.dtype, getattr(a, "weak_type", False)) for a in jax.tree.leaves(arrays)]
    return jax.tree.structure(arrays), jax.tree.structure(rest), jax.tree.leaves(rest), shapes


def _is_numbers(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic)


def _flat(function: Callable[..., Any], like: tuple[PyTree, ...]) -> Callable[..., Any]:
    """The function of the leaves of its arguments: the names of their fields would be part of the program."""
    structures = [jax.tree.structure(argument) for argument in like]

    def program(*leaves: list[Any]) -> Any:
        return function(*map(jax.tree.unflatten, structures, leaves))

    return program


def _looked_up(traced: Any, arrays: PyTree) -> jax.stages.Compiled:
    text, functions = _program(traced.jaxpr)
    placed = tuple(getattr(leaf, "sharding", None) for leaf in jax.tree.leaves(arrays))
    # beside the program: what runs in Python is told apart by the object itself, which the traced program keeps alive
    key = text, tuple(map(id, functions)), placed, len(jax.tree.leaves(arrays[1])), _options()
    if key not in _programs:
        _programs[key] = traced.lower().compile(_compiler_options()), traced.jaxpr
        while len(_programs) > MOST_PROGRAMS:
            _programs.popitem(last=False)
    _programs.move_to_end(key)
    return _programs[key][0]


def _compiler_options() -> dict[str, Any]:
    """On a CPU, LLVM's second level: the same numbers at the same speed as its third, in two thirds of the time."""
    chosen = jax.config.read("jax_disable_most_optimizations") or "optimization_level" in os.environ.get(
        "XLA_FLAGS", ""
    )
    return {} if chosen or jax.default_backend() != "cpu" else {"xla_backend_optimization_level": 2}


def _options() -> tuple[Any, ...]:
    names = "enable_x64", "threefry_partitionable"
    return jax.config.read("jax_disable_most_optimizations"), *map(setting, names)


def setting(name: str) -> Any:
    """A setting of JAX's, such as "enable_x64"."""
    return getattr(jax.config, f"jax_{name}")


def digest(program: ClosedJaxpr) -> str:
    """What a program computes, as a short text: the same in every process with the same version of JAX.

    Names of functions, classes and variables play no part; constants do. Two functions that are called back in Python
    are told apart by their names alone.
    """
    return _program(program)[0]


def _program(program: ClosedJaxpr) -> tuple[str, tuple[Any, ...]]:
    text, functions = _operations(program.jaxpr)
    return _hash(text, *map(_constant, program.consts)), functions


def _operations(jaxpr: Jaxpr) -> tuple[str, tuple[Any, ...]]:
    """The digest of a jaxpr without its constants, and the Python functions it calls back."""
    if jaxpr in _digests:
        return _digests[jaxpr]
    numbers: dict[Any, int] = {}
    functions: list[Any] = []

    def name(atom: Any) -> str:
        if isinstance(atom, Literal):
            return f"{_constant(atom.val)}:{atom.aval}"
        return f"{numbers.setdefault(atom, len(numbers))}:{atom.aval}"

    def text(value: Any) -> str:
        if isinstance(value, ClosedJaxpr | Jaxpr):
            found, inner = _program(value) if isinstance(value, ClosedJaxpr) else _operations(value)
            functions.extend(inner)
            return found
        if isinstance(value, tuple | list):
            return "(" + " ".join(map(text, value)) + ")"
        if isinstance(value, dict):
            return text([item for pair in sorted(value.items()) for item in pair])
        if _is_numbers(value):
            return _constant(value)
        return re.sub(r" at 0x[0-9a-f]+", "", getattr(value, "__qualname__", None) or repr(value))

    lines = [*map(name, [*jaxpr.constvars, *jaxpr.invars])]
    for equation in jaxpr.eqns:
        primitive = equation.primitive.name
        parameters = {key: value for key, value in equation.params.items() if key != "name"}
        if "callback" in primitive:
            functions.append(parameters.get("callback"))
        operands, results = (" ".join(map(name, atoms)) for atoms in (equation.invars, equation.outvars))
        lines.append(f"{results} = {primitive} {text(parameters)} {operands}")
    lines += map(name, jaxpr.outvars)
    _digests[jaxpr] = _hash(*lines), tuple(functions)
    return _digests[jaxpr]


def _constant(value: Any) -> str:
    if isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        return f"{value.dtype} {_constant(jax.random.key_data(value))}"
    array = np.asarray(value)
    return f"{array.dtype}{array.shape} {_hash(np.ascontiguousarray(array).tobytes())}"


def _hash(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\n")
    return digest.hexdigest()[:16]
