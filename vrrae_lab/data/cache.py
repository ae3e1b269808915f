"""Decoded images kept on disk as uint8, so that a data set is decoded once and opened in a millisecond afterwards."""

import errno
import json
import math
import os
import shutil
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Integer, UInt8

from vrrae_lab.files import UNREADABLE, atomic_file, user_cache_folder, write_json

FORMAT = 1
PART_BYTES = 64 * 2**20  # of images that are decoded one by one, so many at a time
ABANDONED_SECONDS = 3600.0

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


def check_space(folder: Path, num_bytes: int, what: str) -> None:
    """Refuse what the disk has no room for, before any of it is written.

    Args:
        folder: where it would go; it need not exist yet.
        num_bytes: how much it needs.
        what: what it is, for the message.

    Raises:
        OSError: if the file system of `folder` has less free space; its errno is ENOSPC.
    """
    existing = folder
    while not existing.is_dir() and existing != existing.parent:
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < num_bytes:
        raise OSError(
            errno.ENOSPC,
            f"{folder} has no room for {what}: {num_bytes:,} bytes are needed and {free:,} are free; make room, or "
            f"pass a folder on another disk as data_dir= (or name it in the environment variable VRRAE_LAB_DATA)",
        )


def parts(num_images: int, image_bytes: int, description: str) -> Iterator[range]:
    """Go through images in parts of `PART_BYTES`, with a progress bar if there is more than one.

    Args:
        num_images: how many there are.
        image_bytes: the size of one when decoded.
        description: what is being done, for the bar.

    Yields:
        The numbers of the images of one part.
    """
    from tqdm.auto import tqdm

    step = max(1, PART_BYTES // image_bytes)
    with tqdm(total=num_images, desc=description, unit=" images", disable=num_images <= step) as bar:
        for start in range(0, num_images, step):
            part = range(start, min(start + step, num_images))
            yield part
            bar.update(len(part))


def read(folder: Path, split: str, shape: tuple[int, int, int, int]) -> tuple[Decoded, dict[str, Any]] | None:
    """Open a split that `write` has kept, memory-mapped.

    A damaged cache costs a warning and is then as good as none: it only repeats what the published files say, so
    building it again is safe, while an error would leave the user to delete files by hand.

    Args:
        folder: the folder of one data set.
        split: the split's name.
        shape: (batch, height, width, channels) of the images wanted; more of them may have been kept.

    Returns:
        The first images and labels, as many as are wanted, and the record they were written with; None if they are
        not there, too few or damaged.
    """
    try:
        if not (folder / "meta.json").is_file():
            return None
        splits = _read_splits(folder)
        if split not in splits:
            return None
        images = np.load(_array_path(folder, split, "images"), mmap_mode="r")
        labels = np.load(_array_path(folder, split, "labels"), mmap_mode="r")
        due = (splits[split]["shape"][0], *shape[1:])
        if images.shape != due or images.dtype != np.uint8 or len(labels) != len(images):
            raise ValueError(
                f"{split}: images {images.shape} {images.dtype} and {len(labels)} labels where {due} uint8 is due"
            )
        found = [labels.dtype.str, *labels.shape]
        if splits[split].get("labels", found) != found:  # caches of before it was kept have none
            raise ValueError(f"{split}: the labels are {found} where {splits[split]['labels']} is due")
        record = splits[split]["record"]
    except (OSError, *UNREADABLE) as error:
        warnings.warn(f"the cache in {folder} is damaged and will be built again: {error}", stacklevel=4)
        return None
    return None if len(images) < shape[0] else ((images[: shape[0]], labels[: shape[0]]), record)


def write(
    folder: Path, split: str, shape: tuple[int, int, int, int], chunks: Iterable[Decoded], record: dict[str, Any]
) -> None:
    """Keep a split; an interruption at any moment leaves it out of the cache or as it was, never half of it.

    Args:
        folder: the folder of one data set; made if need be.
        split: the split's name.
        shape: (batch, height, width, channels) of all images together.
        chunks: images and labels in order, of which only one chunk at a time is in memory.
        record: where they came from, as JSON-ready values.

    Raises:
        OSError: if the folder cannot be written to or the disk is too full.
        ValueError: if the chunks together do not have the `shape`.
    """
    image_path, label_path = (_array_path(folder, split, kind) for kind in ("images", "labels"))
    _remove_abandoned(folder)
    check_space(folder, math.prod(shape), f"the decoded images of {folder.name} ({split})")
    with atomic_file(image_path) as image_file, atomic_file(label_path) as label_file:
        labels = _save_images(image_file, shape, chunks)
        np.save(label_file, labels)
        for file in (image_file, label_file):  # a full disk may show only here
            file.flush()
            os.fsync(file.fileno())
        # A split counts as kept only while meta.json names it, hence not while its files are being replaced.
        splits = _splits_if_whole(folder)
        if splits.pop(split, None) is not None:
            write_json(folder / "meta.json", {"format": FORMAT, "splits": splits})
    splits[split] = {
        "shape": list(shape),
        "dtype": "uint8",
        "labels": [labels.dtype.str, *labels.shape],
        "record": record,
    }
    write_json(folder / "meta.json", {"format": FORMAT, "splits": splits})


def gather(shape: tuple[int, int, int, int], chunks: Iterable[Decoded]) -> Decoded:
    """Put chunks together in memory, for when they cannot be written.

    Raises:
        ValueError: if they together do not have the `shape`.
    """
    checked = list(_checked(shape, chunks))
    images, labels = (np.concatenate(arrays) for arrays in zip(*checked, strict=True))
    return images, labels


def _save_images(file: BinaryIO, shape: tuple[int, int, int, int], chunks: Iterable[Decoded]) -> np.ndarray:
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    all_labels = []
    for images, labels in _checked(shape, chunks):
        file.write(np.ascontiguousarray(images).data)
        all_labels.append(labels)
    return np.concatenate(all_labels)


def _checked(shape: tuple[int, int, int, int], chunks: Iterable[Decoded]) -> Iterator[Decoded]:
    num_images = 0
    for images, labels in chunks:
        num_images += len(images)
        if images.shape[1:] != shape[1:] or len(labels) != len(images) or num_images > shape[0]:
            raise ValueError(
                f"decoding gave images of shape {(num_images, *images.shape[1:])} and {len(labels)} labels to the last "
                f"{len(images)}, not {shape}"
            )
        yield images, labels
    if num_images != shape[0]:
        raise ValueError(f"decoding gave images of shape {(num_images, *shape[1:])}, not {shape}")


def _remove_abandoned(folder: Path) -> None:
    # A killed program leaves its temporary file, which can be large; one that is being written is young.
    for path in folder.glob(".*.npy.*.tmp"):
        try:
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink()
        except OSError:
            continue


def _array_path(folder: Path, split: str, kind: str) -> Path:
    return folder / f"{split}-{kind}.npy"


def _splits_if_whole(folder: Path) -> dict[str, Any]:
    try:
        return _read_splits(folder)
    except (OSError, *UNREADABLE):
        return {}


def _read_splits(folder: Path) -> dict[str, Any]:
    meta = json.loads((folder / "meta.json").read_text())
    if meta["format"] != FORMAT:
        raise ValueError(f"meta.json has format {meta['format']}, not {FORMAT}")
    return dict(meta["splits"])
