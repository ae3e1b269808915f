"""What arguments are refused for everywhere in the same words."""

import numbers
import operator
import os
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key


def check_whole(name: str, value: int | Array) -> None:
    """Refuse what is no whole number.

    Raises:
        TypeError: if it is none of Python's, NumPy's or JAX's integers.
    """
    try:
        operator.index(value)
    except TypeError:
        raise TypeError(f"{name} = {_short(value)}: use a whole number") from None


def check_at_least(least: int, name: str, value: int) -> None:
    """Refuse a number that is too small.

    Raises:
        TypeError: if `value` is no whole number.
        ValueError: if it is less than `least`.
    """
    check_whole(name, value)
    if value < least:
        raise ValueError(f"{name} = {value}: use {least} or more")


def check_number(name: str, value: float | Array) -> None:
    """Refuse what is no single real number.

    Raises:
        TypeError: if it is a text, say, or an array of several numbers.
    """
    scalar = isinstance(value, np.ndarray | jax.Array) and value.ndim == 0
    if not isinstance(value, numbers.Real) and not (scalar and jax.numpy.isrealobj(value)):
        raise TypeError(f"{name} = {_short(value)}: use one real number")


def check_array(name: str, value: Any) -> None:
    """Refuse what is no array of numbers.

    Raises:
        TypeError: if it is a list, say, or an array of objects.
    """
    if not isinstance(value, np.ndarray | jax.Array):
        raise TypeError(f"{name} = {_short(value)}: give a NumPy or JAX array, such as numpy.asarray({name})")
    if value.dtype == object:
        raise TypeError(f"{name} is an array of objects: give numbers, all rows of one length")


def as_numbers(name: str, value: Any) -> np.ndarray:
    """An array of float64 of what can be read as one, such as a list of lists.

    Raises:
        TypeError: if there is anything but real numbers in it, or the rows differ in length.
    """
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if not (np.isrealobj(array) and (array.dtype.kind in "biuf" or jax.numpy.issubdtype(array.dtype, np.floating))):
        raise TypeError(f"{name} = {_short(value)}: give an array of real numbers")
    return array.astype(float, copy=False)


def check_positive(name: str, value: float | Array, what: str = "number") -> None:
    """Refuse what is not above 0 and finite.

    Raises:
        TypeError: if it is no real number.
        ValueError: naming it.
    """
    check_number(name, value)
    if not 0 < value < np.inf:
        raise ValueError(f"{name} = {value}: use a positive finite {what}")


def check_kind(name: str, value: Any, kind: Any, remedy: str) -> None:
    """Refuse what is of another class than `kind`: a class, or a union of some.

    Raises:
        TypeError: naming the value and the remedy.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} = {_short(value)}: {remedy}")


def check_path(name: str, path: str | os.PathLike[str]) -> None:
    """Refuse what names no file or folder.

    Raises:
        TypeError: if it is neither a text nor a path.
        ValueError: if it is empty, or has a character that no file system allows.
    """
    check_kind(name, path, str | os.PathLike, "give a text or a pathlib.Path")
    if not os.fspath(path) or "\0" in os.fspath(path):
        raise ValueError(f"{name} = {os.fspath(path)!r} names no file or folder")


def check_key(key: Key[Array, ""]) -> None:
    """Refuse what is not one of JAX's random keys.

    Raises:
        TypeError: if it is a seed, say, or several keys.
    """
    if not isinstance(key, jax.Array) or not (
        (jax.numpy.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ())
        or (key.dtype == np.uint32 and key.ndim == 1)  # what jax.random.PRNGKey returns
    ):
        raise TypeError(f"key = {_short(key)}: give one random key, such as jax.random.key(0)")


def check_memory(num_bytes: int, what: str) -> None:
    """Refuse what this machine cannot hold, as XLA ends the whole process where an allocation fails.

    Raises:
        ValueError: if it is more than all memory of the machine, where the system tells how much that is.
    """
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return
    if num_bytes > memory:
        raise ValueError(
            f"{what} would take {num_bytes / 1e9:,.0f} GB, and this machine has {memory / 1e9:,.0f} GB: use less"
        )


def _short(value: Any) -> str:
    """The value in a message: of an array or another large thing, what it is."""
    if isinstance(value, np.ndarray | jax.Array) and np.ndim(value):
        return f"an array of {value.dtype} of shape {value.shape}"
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text else f"a {type(value).__name__}"
