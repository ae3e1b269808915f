"""Image sets of the real world, and `load`, which gives any data set of this package by name."""

import os
import tempfile
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from vrrae_lab.data import cache
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.data.decoders import decode_idx_pair
from vrrae_lab.data.sources import ImageSource, ImageSplit, Places, find_files
from vrrae_lab.data.synthetic import bumps, bumps_test

_IDX_SPLITS = MappingProxyType(
    {
        "train": ImageSplit(("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"), 60_000, decode_idx_pair),
        "test": ImageSplit(("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"), 10_000, decode_idx_pair),
    }
)
SOURCES: dict[str, ImageSource] = {
    "mnist": ImageSource("mnist", _IDX_SPLITS, sizes=(28,), channels=1),
    "fashion_mnist": ImageSource("fashion_mnist", _IDX_SPLITS, sizes=(28,), channels=1),
}
NAMES: tuple[str, ...] = ("bumps", "digits", *SOURCES)

NUM_TRAINING_DIGITS = 1437
DIGIT_SIZE = 8
BUMP_SIZE = 64


def load(
    name: str,
    split: str = "train",
    n: int | None = None,
    size: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    manual_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
) -> Dataset:
    """Load a data set by its name; never another one in its place.

    Published sets are looked for in the cache of decoded images, then as files in `manual_dir`, in the download
    cache of TensorFlow Datasets, and on the network. Files are used only if their checksum is the published one, and
    what they decode to is cached for the next time where the folder can be written to.

    Args:
        name: one of `NAMES`: "bumps", "digits" (8 by 8 pixels), "mnist", "fashion_mnist" (28 by 28 pixels).
        split: "train" or "test".
        n: give the first `n` images only; None gives all.
        size: pixels per side; None is the set's own. Only bumps can be had in other sizes.
        data_dir: the folder of the cache, and of downloads (in `downloads`); None means the environment variable
            VRRAE_LAB_DATA, or ~/.cache/vrrae_lab.
        manual_dir: a folder with the published files under their own names.
        download: whether the network may be used.

    Returns:
        Images as float32: of published sets and digits in [0, 1], of bumps standardised. Labels are the classes, or
        the centres of the bumps. `provenance` says where the images were found.

    Raises:
        ValueError: if the set does not have that name, split, size or so many images, `manual_dir` is not a folder,
            or a file is not the published one.
        DataUnavailableError: if a published set is not on this machine and cannot be downloaded.
    """
    _check_one_of("name", name, NAMES, "the data sets")
    if name in SOURCES:
        return _load_published(name, split, n, size, data_dir, manual_dir, download)
    _check_one_of("split", split, ("train", "test"), f"the splits of {name}")
    if name == "digits":
        _check_size(name, size, (DIGIT_SIZE,))
        return digits(split, n)
    image_size = BUMP_SIZE if size is None else size
    dataset = (
        bumps(image_size=image_size) if split == "train" else bumps_test(image_size=image_size, key=jax.random.key(0))
    )
    return dataset if n is None else dataset.take(n)


def digits(split: str = "train", n: int | None = None) -> Dataset:
    """The 1,797 handwritten digits that come with scikit-learn: real images that are always at hand.

    They are the test part of the *Optical Recognition of Handwritten Digits* set (E. Alpaydin and C. Kaynak, UCI
    repository, 1998): 8 by 8 pixels, each the number, 0 to 16, of inked points in a block of 4 by 4.

    Args:
        split: "train", the first 1,437 in scikit-learn's order, or "test", the other 360.
        n: give the first `n` images only; None gives all.

    Returns:
        Images (batch, 8, 8, 1) in [0, 1] and their classes, 0 to 9.

    Raises:
        ValueError: if the split is unknown or `n` is not from 1 to its number of images.
    """
    from sklearn.datasets import load_digits

    _check_one_of("split", split, ("train", "test"), "the splits of digits")
    part = slice(None, NUM_TRAINING_DIGITS) if split == "train" else slice(NUM_TRAINING_DIGITS, None)
    source = load_digits()
    x = (source.images[part] / 16).astype(np.float32)[..., None]
    provenance = {"name": "digits", "split": split, "found": "scikit-learn, load_digits"}
    dataset = Dataset(f"digits_{split}", x, source.target[part], offset=0.0, scale=16.0, provenance=provenance)
    return dataset if n is None else dataset.take(n)


def _load_published(
    name: str,
    split: str,
    n: int | None,
    size: int | None,
    data_dir: str | os.PathLike[str] | None,
    manual_dir: str | os.PathLike[str] | None,
    download: bool,
) -> Dataset:
    source = SOURCES[name]
    _check_one_of("split", split, tuple(source.splits), f"the splits of {name}")
    _check_size(name, size, source.sizes)
    num_images = source.splits[split].num_images
    if n is not None and not 1 <= n <= num_images:
        raise ValueError(f"n = {n}, but {name} has {num_images} {split} images: ask for 1 to {num_images}")
    manual = None if manual_dir is None else Path(manual_dir).expanduser()
    if manual is not None and not manual.is_dir():
        raise ValueError(f"manual_dir = {str(manual_dir)!r} is not a folder: name one that holds the files of {name}")

    image_size = source.sizes[0] if size is None else size
    (images, labels), provenance = _decoded(name, split, image_size, cache.data_folder(data_dir), manual, download)
    x = np.divide(images[:n], np.float32(255), dtype=np.float32)
    return Dataset(f"{name}_{split}", x, np.array(labels[:n], np.int64), offset=0.0, scale=255.0, provenance=provenance)


def _decoded(
    name: str, split: str, size: int, folder: Path, manual_dir: Path | None, download: bool
) -> tuple[cache.Decoded, dict[str, Any]]:
    source, part = SOURCES[name], SOURCES[name].splits[split]
    kept_in = folder / (name if len(source.sizes) == 1 else f"{name}-{size}")
    shape = (part.num_images, size, size, source.channels)
    about: dict[str, Any] = {"name": name, "split": split}
    kept = cache.read(kept_in, split, shape)
    if kept is not None:
        decoded, record = kept
        return decoded, {**about, **record, "found": "cache", "built_from": record["found"], "cache": str(kept_in)}

    with tempfile.TemporaryDirectory(prefix="vrrae_lab-") as scratch:
        files = find_files(source.tfds_name, part.files, Places(manual_dir, folder, download, Path(scratch)))
        decoded = part.decode([file.path for file in files], size)
    if decoded[0].shape != shape:
        raise ValueError(f"{name} ({split}) decodes to images of shape {decoded[0].shape}, not {shape}")
    record = {"found": ", ".join(sorted({file.found for file in files})), "files": [file.record() for file in files]}
    try:
        cache.write(kept_in, split, decoded, record)
    except OSError as error:
        return decoded, {**about, **record, "cache": f"not written: {error}"}
    return decoded, {**about, **record, "cache": str(kept_in)}


def _check_one_of(what: str, value: str, known: tuple[str, ...], meaning: str) -> None:
    if value not in known:
        raise ValueError(f"{what} = {value!r} is unknown; {meaning} are {', '.join(known)}")


def _check_size(name: str, size: int | None, sizes: tuple[int, ...]) -> None:
    if size is not None and size not in sizes:
        given = " or ".join(f"{known}" for known in sizes)
        raise ValueError(f"size = {size}, but the images of {name} are {given} pixels a side: use {given}, or None")
