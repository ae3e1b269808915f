"""Parts of a published set, for machines that cannot have the whole: real images, but no published file.

They carry no published checksum, so nothing they give claims to be the set itself.
"""

import functools
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vrrae_lab.data.cache import Decoded
from vrrae_lab.data.celeb_a import (
    ATTRIBUTES_LIST,
    PARTITION_LIST,
    ZIP_FOLDER,
    decode_images,
    names_of_split,
    open_zip,
)
from vrrae_lab.data.sources import Slice
from vrrae_lab.files import UNREADABLE


def cifar10_slice(folder: Path, split: str) -> Slice | None:
    """Look for a file train*.npz or test*.npz: arrays `images` (n, 32, 32, 3) and `labels` (n,) of uint8.

    Raises:
        ValueError: if it holds anything else, or there are several.
    """
    path = _only_one(folder, f"{split}*.npz")
    if path is None:
        return None
    images, labels = _read_npz(path)
    if images.shape != (len(labels), 32, 32, 3) or images.dtype != np.uint8 or labels.ndim != 1:
        raise ValueError(
            f"{path} has images {images.shape} {images.dtype} and labels {labels.shape}, not (n, 32, 32, 3) uint8 and "
            f"(n,): it is no slice of CIFAR-10"
        )

    def decode(size: int, num_images: int) -> Iterator[Decoded]:
        yield images[:num_images], labels[:num_images]

    return Slice((path,), len(labels), decode)


def celeb_a_slice(folder: Path, split: str) -> Slice | None:
    """Look for img_align_celeba_subset*.zip, laid out as the published zip, beside the lists of its images.

    The images are those of the partition list that are in the zip. Where the size asked for is 64 or less they may be
    at half size, 89 by 109 pixels.

    Raises:
        ValueError: if there are several, or the zip or the partition list is damaged.
    """
    path = _only_one(folder, "img_align_celeba_subset*.zip")
    attributes, partition = folder / ATTRIBUTES_LIST, folder / PARTITION_LIST
    if path is None or not (attributes.is_file() and partition.is_file()):
        return None
    with open_zip(path) as archive:
        in_zip = set(archive.namelist())
    names = [name for name in names_of_split(partition, split) if f"{ZIP_FOLDER}/{name}" in in_zip]
    return Slice((path, attributes, partition), len(names), functools.partial(_first, path, attributes, names))


def _first(path: Path, attributes: Path, names: list[str], size: int, num_images: int) -> Iterator[Decoded]:
    return decode_images(path, attributes, names[:num_images], size, half=True)


def _only_one(folder: Path, pattern: str) -> Path | None:
    found = sorted(folder.glob(pattern))
    if len(found) > 1:
        raise ValueError(f"{folder} has more than one {pattern} ({', '.join(path.name for path in found)}): keep one")
    return found[0] if found else None


def _read_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file) as arrays:  # np.load would leave a damaged file open
            if (damaged := zipfile.ZipFile(file).testzip()) is not None:  # NumPy stops reading before the checksum
                raise ValueError(f"{damaged} has another checksum")
            return arrays["images"], arrays["labels"]
    except (OSError, *UNREADABLE) as error:
        raise ValueError(f"{path} is not a whole npz file with arrays 'images' and 'labels' ({error})") from error
