"""Arrays in one file behind a line of JSON that says what they are. Never pickle: reading one executes nothing.

The header carries the length of the arrays and a SHA-256 of itself and them, so that a damaged file is refused before
anything is built.
"""

import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

from vrrae_lab.files import UNREADABLE, atomic_file

LONGEST_HEADER = 1_000_000


def write(path: str | os.PathLike[str], arrays: PyTree, header: Mapping[str, Any]) -> None:
    """Write the array leaves of a pytree, atomically.

    Args:
        path: the file to create or replace.
        arrays: any pytree; what is no array in it is left out.
        header: JSON-ready; "format" names what kind of file it is, "bytes" and "sha256" are added.

    Raises:
        ValueError: if the header is too long or contains NaN or infinity.
    """
    buffer = io.BytesIO()
    eqx.tree_serialise_leaves(buffer, _without_keys(arrays))
    content = buffer.getvalue()
    sealed = {**header, "bytes": len(content)}
    sealed["sha256"] = _digest(sealed, content)
    line = json.dumps(sealed, allow_nan=False).encode() + b"\n"
    if len(line) > LONGEST_HEADER:
        raise ValueError(f"the notes make a header of {len(line):,} bytes: keep it below {LONGEST_HEADER:,}")
    with atomic_file(path) as file:
        file.write(line + content)


class ArrayFile:
    """A file that `write` has made, read and found whole.

    Attributes:
        header: as it was given.
    """

    def __init__(self, path: str | os.PathLike[str], kind: str, format: str) -> None:
        """Read it.

        Args:
            path: the file.
            kind: what such a file is called, for messages.
            format: what its header must give as its format.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is of another kind, or damaged.
        """
        self._path = Path(path)
        with self._path.open("rb") as file:
            self.header = _header(self._path, file.readline(LONGEST_HEADER), kind, format)
            self._content = file.read()
        length = len(self._content)
        if length != self.header["bytes"] or not _is_whole(self.header, self._content):
            raise ValueError(
                f"{path} is damaged: its header promises {self.header['bytes']} bytes of arrays, of which {length} are "
                "there, and a checksum that they and the header do not have; copy it again or train anew"
            )

    def arrays(self, like: PyTree) -> PyTree:
        """The arrays, in a pytree of the structure, shapes and types of `like`.

        Raises:
            ValueError: if they do not fit it.
        """
        try:
            found = eqx.tree_deserialise_leaves(io.BytesIO(self._content), _without_keys(like))
            return jax.tree.map(_with_keys, found, like)
        except UNREADABLE as error:
            raise ValueError(f"{self._path} does not fit this version of vrrae_lab: {error}") from error


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _without_keys(tree: PyTree) -> PyTree:
    """Random keys as the numbers they consist of, which is how they lie in a file."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, tree)


def _with_keys(leaf: Any, like: Any) -> Any:
    return jax.random.wrap_key_data(leaf, impl=jax.random.key_impl(like)) if _is_key(like) else leaf


def _header(path: Path, line: bytes, kind: str, format: str) -> dict[str, Any]:
    try:
        header = json.loads(line)
        known = header["format"] == format and isinstance(header["bytes"], int) and isinstance(header["sha256"], str)
    except (ValueError, KeyError, TypeError, RecursionError):
        known = False
    if not known:
        raise ValueError(f"{path} is not {kind} of this package (its first line is not '{format}' JSON)")
    return header


def _is_whole(header: Mapping[str, Any], content: bytes) -> bool:
    """Whether the checksum is that of the header and the arrays, or of these alone, as in the package's first files."""
    checksum = header["sha256"]
    return checksum == _digest(header, content) or checksum == hashlib.sha256(content).hexdigest()


def _digest(header: Mapping[str, Any], content: bytes) -> str:
    """The SHA-256 of all else in a header, and of the arrays."""
    rest = {name: value for name, value in header.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(rest).encode() + b"\n")
    digest.update(content)
    return digest.hexdigest()
