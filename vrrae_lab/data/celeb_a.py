"""CelebA: aligned photographs of faces out of a zip, with 40 attributes each.

Source: Liu, Luo, Wang, Tang, *Deep Learning Face Attributes in the Wild*, ICCV 2015.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vrrae_lab.data.cache import Decoded, parts
from vrrae_lab.files import UNREADABLE

ZIP, ATTRIBUTES_LIST, PARTITION_LIST = "img_align_celeba.zip", "list_attr_celeba.txt", "list_eval_partition.txt"
FILES = (ZIP, ATTRIBUTES_LIST, PARTITION_LIST)
ZIP_FOLDER = "img_align_celeba"
SIZES = (160, 128, 64, 32)
WIDTH, HEIGHT = 178, 218
HALF = (89, 109)
LARGEST_OF_HALF = 64  # pixels per side that the photographs at half size suffice for
PARTITION = MappingProxyType({"train": "0", "validation": "1", "test": "2"})

CELEB_A_ATTRIBUTES: tuple[str, ...] = tuple(
    """
    5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair Blond_Hair
    Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones Male
    Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks
    Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace
    Wearing_Necktie Young
    """.split()
)


def decode_celeb_a(paths: Sequence[Path], split: str, size: int, num_images: int) -> Iterator[Decoded]:
    """Decode the first images of a split, in the order of their numbers.

    Args:
        paths: the zip, the list of attributes and the partition list.
        split: "train", "validation" or "test".
        size: pixels per side, see `cropped`.
        num_images: how many images.

    Yields:
        Images and their attributes (batch, 40), 1 where the attribute is present and 0 where it is not, in the order
        of `CELEB_A_ATTRIBUTES`.

    Raises:
        ValueError: if a file is damaged or the split has fewer images.
    """
    zip_path, attributes_path, partition_path = paths
    names = names_of_split(partition_path, split)
    if len(names) < num_images:
        raise ValueError(f"{partition_path} lists {len(names):,} {split} images, not {num_images:,}: fetch it again")
    return decode_images(zip_path, attributes_path, names[:num_images], size)


def decode_images(
    zip_path: Path, attributes_path: Path, names: Sequence[str], size: int, *, half: bool = False
) -> Iterator[Decoded]:
    """Decode the images of these names, in this order; see `decode_celeb_a`.

    Args:
        zip_path: the zip.
        attributes_path: the list of attributes.
        names: of the images.
        size: pixels per side.
        half: whether the photographs may be at half size, 89 by 109 pixels, where `size` is 64 or less.

    Raises:
        ValueError: as `decode_celeb_a`.
    """
    labels = read_attributes(attributes_path, names)
    with open_zip(zip_path) as archive:
        for part in parts(len(names), 3 * size * size, f"decoding {zip_path.name}"):
            images = np.stack([_decode_jpeg(archive, zip_path, names[number], size, half) for number in part])
            yield images, labels[part.start : part.stop]


def names_of_split(path: Path, split: str) -> list[str]:
    """The file names of a split's images, from the partition list.

    Raises:
        ValueError: if a line of the list is not a name and 0, 1 or 2.
    """
    rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    wrong = next((row for row in rows if len(row) != 2 or row[1] not in PARTITION.values()), None)
    if wrong is not None or not rows:
        raise ValueError(f"{path} is no list of names with 0, 1 or 2 (at {wrong}): fetch it again")
    return [name for name, part in rows if part == PARTITION[split]]


def read_attributes(path: Path, names: Sequence[str]) -> UInt8[np.ndarray, "batch attributes"]:
    """The attributes of the images of these names, from the list that gives them as 1 and -1.

    Raises:
        ValueError: if the list has other attributes than `CELEB_A_ATTRIBUTES` or lacks a name.
    """
    lines = path.read_text().splitlines()
    if len(lines) < 2 or tuple(lines[1].split()) != CELEB_A_ATTRIBUTES:
        raise ValueError(f"{path} does not have the 40 attributes of CelebA in its second line: fetch it again")
    rows = dict(line.split(maxsplit=1) for line in lines[2:] if len(line.split(maxsplit=1)) == 2)
    labels = np.zeros((len(names), len(CELEB_A_ATTRIBUTES)), np.uint8)
    for label, name in zip(labels, names, strict=True):
        values = rows.get(name, "").split()
        if len(values) != len(CELEB_A_ATTRIBUTES) or not set(values) <= {"1", "-1"}:
            raise ValueError(f"{path} does not have 40 attributes, each 1 or -1, for {name}: fetch it again")
        label[:] = [value == "1" for value in values]
    return labels


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip archive.

    Raises:
        ValueError: if it is none, or is cut off, as the directory lies at its end.
    """
    try:
        return zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise ValueError(f"{path} is not a whole zip archive ({error}): fetch it again") from error


def cropped(photograph: Any, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """The centre of an aligned photograph: all 178 columns and rows 20 to 197 of 218, scaled (bicubic) to `size`.

    Args:
        photograph: a Pillow image of 178 by 218 pixels, or of 89 by 109.
        size: pixels per side.
    """
    from PIL import Image

    width, height = photograph.size
    top = (height - width) // 2
    square = photograph.convert("RGB").resize((size, size), Image.Resampling.BICUBIC, box=(0, top, width, top + width))
    return np.asarray(square)


def convert_example(example: Mapping[str, Any], size: int) -> tuple[np.ndarray, np.ndarray]:
    """An example as TensorFlow Datasets prepares it, as an image and its attributes."""
    from PIL import Image

    attributes = [example["attributes"][name] for name in CELEB_A_ATTRIBUTES]
    return cropped(Image.fromarray(example["image"]), size), np.array(attributes, np.uint8)


class _TooSmall(ValueError):
    """The photographs are whole, but do not suffice for the size asked for."""


def _decode_jpeg(archive: zipfile.ZipFile, path: Path, name: str, size: int, half: bool) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(archive.read(f"{ZIP_FOLDER}/{name}"))) as photograph:
            if half and photograph.size == HALF and size > LARGEST_OF_HALF:
                raise _TooSmall(
                    f"{path} has photographs at half size, {HALF[0]} by {HALF[1]} pixels: ask for "
                    f"size={LARGEST_OF_HALF} or less, not {size}"
                )
            if photograph.size != (WIDTH, HEIGHT) and not (half and photograph.size == HALF):
                raise ValueError(f"it has {photograph.size} pixels, not {(WIDTH, HEIGHT)}")
            return cropped(photograph, size)
    except _TooSmall:
        raise
    except (OSError, *UNREADABLE) as error:
        raise ValueError(f"{path}: {ZIP_FOLDER}/{name} cannot be decoded ({error}): fetch the archive again") from error
