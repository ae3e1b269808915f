"""Compiled programs kept on disk, so that a restarted notebook or run need not compile them again."""

import os
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

from vrrae_lab.checks import check_path
from vrrae_lab.files import user_cache_folder


def keep_compiled(folder: str | os.PathLike[str] | None = None) -> None:
    """Keep what JAX compiles from now on in a folder, and take from there what was compiled before.

    Programs are found again only by the same versions of JAX on the same kind of device; the folder can be removed at
    any time.

    Args:
        folder: where; None means `compiled` in the user's cache folder ($XDG_CACHE_HOME, or ~/.cache) of this package.

    Raises:
        OSError: if the folder cannot be made.
    """
    if folder is not None:
        check_path("folder", folder)
    folder = user_cache_folder() / "compiled" if folder is None else Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    compilation_cache.reset_cache()  # JAX would go on with the folder it has opened first
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)  # the default, 1 s, leaves small decoders out
