"""Decoded images kept on disk as uint8, so that a data set is decoded once and opened in a millisecond afterwards."""

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer, UInt8

from vrrae_lab.files import atomic_file, user_cache_folder, write_json

FORMAT = 1

Decoded = tuple[UInt8[np.ndarray, "batch height width channels"], Integer[np.ndarray, "batch ..."]]


def data_folder(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder that data sets are kept in.

    Args:
        data_dir: the folder itself; None means the environment variable VRRAE_LAB_DATA, or where that is not set,
            `vrrae_lab` in the user's cache folder ($XDG_CACHE_HOME, or ~/.cache).
    """
    chosen = data_dir or os.environ.get("VRRAE_LAB_DATA")
    if chosen:
        return Path(chosen).expanduser()
    return user_cache_folder()


def read(folder: Path, split: str, shape: tuple[int, int, int, int]) -> tuple[Decoded, dict[str, Any]] | None:
    """Open a split that `write` has kept, memory-mapped.

    A damaged cache costs a warning and is then as good as none: it only repeats what the published files say, so
    building it again is safe, while an error would leave the user to delete files by hand.

    Args:
        folder: the folder of one data set.
        split: the split's name.
        shape: the (batch, height, width, channels) the images must have.

    Returns:
        The images and labels and the record they were written with; None if they are not there or damaged.
    """
    try:
        if not (folder / "meta.json").is_file():
            return None
        splits = _read_splits(folder)
        if split not in splits:
            return None
        images = np.load(_array_path(folder, split, "images"), mmap_mode="r")
        labels = np.load(_array_path(folder, split, "labels"), mmap_mode="r")
        if images.shape != shape or images.dtype != np.uint8 or len(labels) != len(images):
            raise ValueError(
                f"{split}: images {images.shape} {images.dtype} and {len(labels)} labels where {shape} uint8 is due"
            )
        return (images, labels), splits[split]["record"]
    except (OSError, ValueError, LookupError, TypeError, EOFError) as error:
        warnings.warn(f"the cache in {folder} is damaged and will be built again: {error}", stacklevel=5)
        return None


def write(folder: Path, split: str, decoded: Decoded, record: dict[str, Any]) -> None:
    """Keep a split; an interruption at any moment leaves a cache without it, never half of it.

    Args:
        folder: the folder of one data set; made if need be.
        split: the split's name.
        decoded: images and labels.
        record: where they came from, as JSON-ready values.

    Raises:
        OSError: if the folder cannot be written to.
    """
    try:
        splits = _read_splits(folder)
    except (OSError, ValueError, LookupError, TypeError):
        splits = {}
    if splits.pop(split, None) is not None:
        write_json(folder / "meta.json", {"format": FORMAT, "splits": splits})
    for kind, array in zip(("images", "labels"), decoded, strict=True):
        with atomic_file(_array_path(folder, split, kind)) as file:
            np.save(file, array)
    # A split counts as kept only once meta.json names it, hence last.
    splits[split] = {"shape": list(decoded[0].shape), "dtype": str(decoded[0].dtype), "record": record}
    write_json(folder / "meta.json", {"format": FORMAT, "splits": splits})


def _array_path(folder: Path, split: str, kind: str) -> Path:
    return folder / f"{split}-{kind}.npy"


def _read_splits(folder: Path) -> dict[str, Any]:
    meta = json.loads((folder / "meta.json").read_text())
    if meta["format"] != FORMAT:
        raise ValueError(f"meta.json has format {meta['format']}, not {FORMAT}")
    return dict(meta["splits"])
