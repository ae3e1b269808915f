"""Data sets that TensorFlow Datasets (TFDS) has prepared on this machine before.

Preparing one needs TensorFlow; reading one does not, if its files have the format array_record.
"""

import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vrrae_lab.data.cache import Decoded, parts

Convert = Callable[[Mapping[str, Any], int], tuple[np.ndarray, Any]]


def find(tfds_name: str, split: str, num_images: int, folders: Sequence[Path]) -> tuple[Path | None, list[str]]:
    """Look for a split that can be read here.

    Args:
        tfds_name: the data set's name in TFDS.
        split: the split's name there.
        num_images: how many images the split must have.
        folders: folders of prepared data sets, as TFDS lays them out: folder/name/version.

    Returns:
        The folder of the newest version that has it, or None; and what stands against the others.
    """
    unusable: list[str] = []
    if importlib.util.find_spec("tensorflow_datasets") is None:
        return None, unusable
    for folder in folders:
        for info_path in sorted((folder / tfds_name).glob("*/dataset_info.json"), key=_version, reverse=True):
            problem = _problem(info_path, split, num_images)
            if problem is None:
                return info_path.parent, unusable
            unusable.append(f"{info_path.parent} ({problem})")
    return None, unusable


def read(folder: Path, split: str, num_images: int, size: int, convert: Convert) -> Iterator[Decoded]:
    """Decode the first images of a split, in TFDS's order, which is not that of the published files.

    Args:
        folder: what `find` gave.
        split: the split's name.
        num_images: how many images.
        size: pixels per side, for `convert`.
        convert: maps an example of the set and `size` to an image and its label.

    Raises:
        ValueError: if the files are damaged.
    """
    import tensorflow_datasets as tfds

    try:
        source = tfds.builder_from_directory(str(folder)).as_data_source(split)
        for part in parts(num_images, 3 * size * size, f"decoding {folder}"):
            images, labels = zip(*(convert(source[number], size) for number in part), strict=True)
            yield np.stack(images), np.array(labels)
    except Exception as error:  # whatever a damaged file makes array_record, protobuf or Pillow raise
        raise ValueError(
            f"the data set prepared in {folder} cannot be read ({type(error).__name__}: {error}): delete the folder"
        ) from error


def image_and_label(example: Mapping[str, Any], size: int) -> tuple[np.ndarray, int]:
    """The image of an example as it is, and its class."""
    return example["image"], example["label"]


def _problem(info_path: Path, split: str, num_images: int) -> str | None:
    try:
        info = json.loads(info_path.read_text())
        file_format = info.get("fileFormat", "tfrecord")
        lengths = {entry["name"]: sum(map(int, entry["shardLengths"])) for entry in info["splits"]}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return f"dataset_info.json cannot be read: {error}"
    if file_format != "array_record":
        return f"in the format {file_format}, which cannot be read without TensorFlow"
    if lengths.get(split) != num_images:
        return f"with {lengths.get(split, 0):,} {split} images, not {num_images:,}"
    return None


def _version(info_path: Path) -> tuple[int, ...]:
    numbers = info_path.parent.name.split(".")
    return tuple(int(number) for number in numbers) if all(map(str.isdecimal, numbers)) else ()
