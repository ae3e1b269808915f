"""Image sets of the real world, and `load`, which gives any data set of this package by name."""

import os
from pathlib import Path

import jax
import numpy as np
from numpy.typing import DTypeLike

from vrrae_lab.checks import check_kind, check_path
from vrrae_lab.data.catalogue import SOURCES
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.data.loading import check_one_of, check_size, checked_places, load_published
from vrrae_lab.data.published import checksum
from vrrae_lab.data.synthetic import bumps, bumps_test

NAMES: tuple[str, ...] = ("bumps", "digits", *SOURCES)

NUM_TRAINING_DIGITS, NUM_DIGITS = 1437, 1797
DIGIT_SIZE = 8
BUMP_SIZE = 64
MNIST_SHEET = Path(__file__).parent / "mnist_2000"


def load(
    name: str,
    split: str = "train",
    n: int | None = None,
    size: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    manual_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
    dtype: DTypeLike = np.float32,
    mirror: str | None = None,
) -> Dataset:
    """Load a data set by its name; never another one in its place.

    Published sets are looked for in the cache of decoded images, then as a set prepared by TensorFlow Datasets (in the
    format array_record), as files in `manual_dir`, in the download caches, and on the network. Files are used only if
    their checksum is the published one, and what they decode to is cached for the next time where the folder can be
    written to. A prepared set has another order of images; `provenance` says so.

    `manual_dir` may instead hold a *slice* of a set: of cifar10, train*.npz and test*.npz with arrays `images` and
    `labels`; of celeb_a, img_align_celeba_subset*.zip, laid out as the published zip, and the lists of its images. A
    slice is real data but not the published set, so it is used only if `n` is given and the slice has so many images,
    with a warning and under a name that says "slice"; it is never cached.

    The photographs of celeb_a, 178 by 218 pixels, are cropped to the square in their centre and scaled to `size`.

    Args:
        name: one of `NAMES`: "bumps", "digits" (8 by 8 pixels), "mnist", "fashion_mnist" (28 by 28), "cifar10"
            (32 by 32, colour), "celeb_a" (colour).
        split: "train" or "test"; of celeb_a also "validation".
        n: give the first `n` images only; None gives all, but of celeb_a 10,000: 0.8 GB on disk and 3.1 GB as float32
            at the default size. Only as many images of celeb_a are decoded as were asked for at most.
        size: pixels per side; None is the set's own. Bumps can be had in other sizes, and celeb_a in 160, the default,
            128, 64 and 32.
        data_dir: the folder of the cache, and of downloads (in `downloads`); None means the environment variable
            VRRAE_LAB_DATA, or ~/.cache/vrrae_lab.
        manual_dir: a folder with the published files under their own names, or with a slice.
        download: whether the network may be used.
        dtype: np.float32, or, for published sets, np.uint8: the bytes themselves, memory-mapped from the cache, which
            `fit` takes as fractions of 255 (`Dataset.as_floats` makes floats of them).
        mirror: the address of a folder on a web server that has the published files under their own names, to
            download from instead of the original host; the same checksums are demanded.

    Returns:
        Images as float32: of published sets and digits in [0, 1], of bumps standardised; or as uint8. Labels are the
        classes, the centres of the bumps, or the 40 `CELEB_A_ATTRIBUTES` as 0 and 1. `provenance` says where the
        images were found.

    Raises:
        ValueError: if the set does not have that name, split, size, dtype or so many images, `manual_dir` is not a
            folder, `mirror` is no address, or a file is damaged or not the published one.
        DataUnavailableError: if a published set is not on this machine and cannot be downloaded.
        OSError: if the disk has no room for the download or the decoded images.
    """
    check_one_of("name", name, NAMES, "the data sets")
    for what, folder in (("data_dir", data_dir), ("manual_dir", manual_dir)):
        if folder is not None:
            check_path(what, folder)
    check_kind("mirror", mirror, str | None, "give the address of a folder, or None")
    as_bytes = _is_uint8(dtype)
    if name in SOURCES:
        dataset = load_published(name, split, n, size, checked_places(data_dir, manual_dir, download, mirror))
        return dataset if as_bytes else dataset.as_floats()
    if as_bytes:
        raise ValueError(f"dtype = uint8, but {name} has no stored bytes: use np.float32")
    check_one_of("split", split, ("train", "test"), f"the splits of {name}")
    if name == "digits":
        check_size(name, size, (DIGIT_SIZE,))
        return digits(split, n)
    image_size = BUMP_SIZE if size is None else size
    dataset = (
        bumps(image_size=image_size) if split == "train" else bumps_test(image_size=image_size, key=jax.random.key(0))
    )
    return dataset if n is None else dataset.take(n)


def split_sizes(name: str) -> dict[str, int]:
    """How many images each split of a data set has, as `load` gives them.

    Raises:
        ValueError: if the data set is unknown.
    """
    check_one_of("name", name, NAMES, "the data sets")
    if name in SOURCES:
        return {split: part.num_images for split, part in SOURCES[name].splits.items()}
    if name == "digits":
        return {"train": NUM_TRAINING_DIGITS, "test": NUM_DIGITS - NUM_TRAINING_DIGITS}
    return {"train": 100, "test": 1000}


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

    check_one_of("split", split, ("train", "test"), "the splits of digits")
    part = slice(None, NUM_TRAINING_DIGITS) if split == "train" else slice(NUM_TRAINING_DIGITS, None)
    source = load_digits()
    x = (source.images[part] / 16).astype(np.float32)[..., None]
    provenance = {"name": "digits", "split": split, "found": "scikit-learn, load_digits"}
    dataset = Dataset(f"digits_{split}", x, source.target[part], offset=0.0, scale=16.0, provenance=provenance)
    return dataset if n is None else dataset.take(n)


def mnist_sample() -> Dataset:
    """The first 2,000 training images of MNIST, which come with the package: for thumbnails and short trainings.

    They are not MNIST, which is what `load("mnist")` gives, and are never given in its place. Source and licence
    (CC BY-SA 3.0) are in `NOTICE.md` beside them.

    Returns:
        Images (2000, 28, 28, 1) in [0, 1], as `load` scales them, and their classes, 0 to 9.
    """
    from PIL import Image

    sheet, classes = MNIST_SHEET / "images.png", MNIST_SHEET / "labels.txt"
    with Image.open(sheet) as picture:
        pixels = np.asarray(picture)
    rows, columns = pixels.shape[0] // 28, pixels.shape[1] // 28
    x = pixels.reshape(rows, 28, columns, 28).swapaxes(1, 2).reshape(-1, 28, 28, 1)
    labels = np.array(list(classes.read_text().strip()), np.int64)
    provenance = {
        "name": "mnist",
        "split": "train",
        "found": f"vrrae_lab, the first {len(x):,} of 60,000 training images",
        "files": [{"name": file.name, "sha256": checksum(file)} for file in (sheet, classes)],
    }
    return Dataset("MNIST, 2,000 images", x, labels, provenance=provenance).as_floats()


def _is_uint8(dtype: DTypeLike) -> bool:
    try:
        known = np.dtype(dtype)
    except TypeError:
        known = None
    if known not in (np.dtype(np.float32), np.dtype(np.uint8)):
        raise ValueError(f"dtype = {dtype!r} is not offered: use np.float32 or np.uint8")
    return known == np.uint8
