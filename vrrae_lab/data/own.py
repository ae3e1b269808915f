"""Images of one's own: from arrays, or from a folder of picture files."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from vrrae_lab.checks import check_kind, check_path, check_whole
from vrrae_lab.data.dataset import Dataset

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
LEAST_SIZE, MOST_SIZE = 4, 1024
DEEP = ("I", "I;16", "I;16B", "I;16L")  # modes of Pillow with more than 8 bits


def from_arrays(images: Any, labels: Any = None, *, name: str = "images") -> Dataset:
    """Make a data set of an array of images.

    Whole numbers from 0 to 255 are kept as bytes, which `fit` takes as fractions of 255; 16-bit ones become fractions
    of 65,535. Floats keep their values: scale them yourself to what the decoder is to give, such as [0, 1].

    Args:
        images: (batch, height, width) or (batch, height, width, channels), or a list of such images: of whole numbers,
            truth values or floats of any size.
        labels: one for each image, numbers or texts; or None.
        name: for titles and records.

    Returns:
        The images as uint8 or float32, channels last.

    Raises:
        TypeError: if the images are not numbers, or a masked array.
        ValueError: if they are not a batch of images, contain NaN, infinity or whole numbers beyond 16 bits, or there
            is not one label to each.

    Example:
        >>> data = vl.data.from_arrays(np.load("cells.npz")["images"], name="cells")
        >>> data.shape, len(data)
    """
    check_kind("name", name, str, "give the name of the data as text")
    for what, value in (("images", images), ("labels", labels)):
        if np.ma.isMaskedArray(value):
            raise TypeError(f"{what} is a masked array: fill what is masked first, with {what}.filled(0), say")
    x, scale = _pixels(_plain("images", images))
    if labels is not None:
        labels = _plain("labels", labels)
        if labels.shape[:1] != x.shape[:1]:
            raise ValueError(f"labels has shape {labels.shape}, but there are {len(x):,} images: give one label each")
    return Dataset(name, x, labels, scale=scale, provenance={"name": name, "found": "arrays"})


def from_folder(
    folder: str | os.PathLike[str], *, size: int, colour: bool | None = None, name: str | None = None
) -> Dataset:
    """Make a data set of the pictures in a folder and its subfolders.

    Where there are subfolders, the first one on the way to a picture is its class. Of each picture the largest square
    in the middle is scaled to `size`. What is transparent counts as white; of 16 bits the upper 8 are kept; of moving
    pictures the first is taken; a camera's note on which side is up is followed.

    Args:
        folder: with files that end in .png, .jpg, .jpeg, .webp, .bmp, .gif, .tif or .tiff; others are left out, and so
            are those whose names begin with a dot.
        size: pixels per side that the images get, 4 to 1024.
        colour: three channels or one; None means three unless all pictures are grey.
        name: for titles and records; None means that of the folder.

    Returns:
        Images as uint8, in the order of their paths, and their classes as texts; `provenance` counts the files.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it has no picture, or some that cannot be read.

    Example:
        >>> data = vl.data.from_folder("~/pictures/leaves", size=32)
        >>> model = vl.vrrae(data.shape, latent_size=64, rank=8, key=jax.random.key(0))
    """
    check_path("folder", folder)
    check_whole("size", size)
    if not LEAST_SIZE <= size <= MOST_SIZE:
        raise ValueError(f"size = {size}: use {LEAST_SIZE} to {MOST_SIZE:,} pixels per side")
    check_kind("colour", colour, bool | None, "use True, False or None")
    check_kind("name", name, str | None, "give the name of the data as text, or None")
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"folder = {os.fspath(folder)!r}: there is no such folder; give one that has pictures")
    files = _picture_files(root)
    x = _read(files, root, int(size), colour)
    places = [file.relative_to(root).parts for file in files]
    in_classes = all(len(place) > 1 for place in places)
    labels = np.array([place[0] for place in places]) if in_classes else None
    provenance = {"name": name or root.resolve().name, "found": f"{len(files):,} pictures in {root}, {size} × {size}"}
    return Dataset(name or root.resolve().name, x, labels, provenance=provenance)


def _plain(name: str, values: Any) -> np.ndarray:
    """As NumPy's own, whatever made it: a list, a tensor, a frame, a series."""
    try:
        array = np.asarray(values)
    except Exception as error:  # every library has its own
        raise TypeError(f"{name} cannot be read as an array ({error}): give numbers, all of one shape") from error
    if array.dtype == object and array.ndim and len({np.shape(each) for each in array}) == 1:
        array = np.asarray(array.tolist())  # a series of images, say
    if array.dtype.kind not in ("biufUS" if name == "labels" else "biuf"):
        texts = " or texts" if name == "labels" else ", all images of one size"
        raise TypeError(f"{name} is an array of {array.dtype}: give numbers{texts}")
    return array


def _pixels(array: np.ndarray) -> tuple[np.ndarray, float]:
    """Images as uint8 or float32, with channels, and what they were divided by."""
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or 0 in array.shape:
        raise ValueError(
            f"images has shape {array.shape}: give (batch, height, width) or (batch, height, width, channels)"
        )
    if array.shape[1] in (1, 3) and array.shape[3] > 4:
        raise ValueError(
            f"images has shape {array.shape}, which looks like channels first: "
            "give images.transpose(0, 2, 3, 1), or leave out a channel of 1"
        )
    if array.dtype.kind == "f":
        wrong = np.count_nonzero(~np.isfinite(array))
        if wrong:
            raise ValueError(f"images has {wrong:,} values that are NaN or infinite: leave out or mend these images")
        return array.astype(np.float32), 1.0
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255), 1.0
    low, high = array.min(), array.max()
    if low < 0 or high > 65535:
        raise ValueError(f"images has whole numbers from {low} to {high}: give 0 to 255, 0 to 65535, or floats")
    return (array.astype(np.uint8), 1.0) if high <= 255 else ((array / 65535).astype(np.float32), 65535.0)


def _picture_files(root: Path) -> list[Path]:
    """Those of the folder and its subfolders, in the order of their paths."""
    files = [
        file
        for file in sorted(root.rglob("*"))
        if file.suffix.lower() in SUFFIXES
        and file.is_file()
        and not any(part.startswith(".") or part == "__MACOSX" for part in file.relative_to(root).parts)
    ]
    if not files:
        raise ValueError(f"{root} has no pictures: give a folder with files that end in {', '.join(SUFFIXES)}")
    return files


def _read(
    files: Sequence[Path], root: Path, size: int, colour: bool | None
) -> UInt8[np.ndarray, "batch height width channels"]:
    from PIL import Image
    from tqdm.auto import tqdm

    pictures, unread = [], []
    for file in tqdm(files, desc=f"reading {root.name}", unit=" pictures", leave=False, delay=1):
        try:
            with Image.open(file) as picture:
                pictures.append(_square(picture, size))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            unread.append(f"{file.relative_to(root)} ({error})")
    if unread:
        more = f" and {len(unread) - 3:,} more" if len(unread) > 3 else ""
        raise ValueError(f"{root}: cannot read {'; '.join(unread[:3])}{more}: replace or remove these files")
    x = np.stack(pictures)
    if colour or (colour is None and (x != x[..., :1]).any()):
        return x
    return np.stack([np.asarray(Image.fromarray(each).convert("L")) for each in x])[..., None]


def _square(picture: "Image", size: int) -> UInt8[np.ndarray, "size size 3"]:
    """The largest square in the middle, `size` pixels wide, in RGB on white."""
    from PIL import Image, ImageOps

    if picture.mode == "F":
        raise ValueError("floats: read it yourself, and use from_arrays")
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in DEEP:
        picture = Image.fromarray((np.asarray(picture).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    picture = picture.convert("RGB")
    return np.asarray(ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS))
