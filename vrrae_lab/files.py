"""Files that are whole or absent: every result is written under a temporary name, synced and renamed.

Also where this package keeps what it can make or fetch again.
"""

import errno
import json
import os
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

# What the system says of a disk that takes no more, without naming the file.
DISK_ERRORS = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO})

# What NumPy, zipfile and JSON answer to damaged or hostile content, beside OSError. Nothing of it has been executed.
UNREADABLE = (
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, EOFError, SyntaxError),
    *(RuntimeError, MemoryError, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open `path` for binary writing; it appears only if the block ends without an exception.

    The temporary file lies in the same folder, because a rename is atomic only within one file system.

    Args:
        path: the file to create or replace; missing parent folders are made.

    Yields:
        A writable binary file.

    Raises:
        OSError: naming `path`, if the disk is full or fails.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes the file private to its owner
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in DISK_ERRORS and error.filename is None:
            reason = f"{os.strerror(error.errno)}, so this file is not written; what was there before is left"
            raise OSError(error.errno, reason, str(path)) from error
        raise


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` as UTF-8, atomically."""
    with atomic_file(path) as file:
        file.write(text.encode())


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` to `path` as indented JSON, atomically; NaN and infinity are refused, as JSON has neither."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The entries in which two settings differ, as text; empty if they agree."""
    names = [name for name in dict.fromkeys([*there, *now]) if there.get(name) != now.get(name)]
    return "; ".join(f"{name}: {there.get(name)} there, {now.get(name)} now" for name in names)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def user_cache_folder() -> Path:
    """The folder of this package in the user's cache folder ($XDG_CACHE_HOME, or ~/.cache); it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "vrrae_lab"
