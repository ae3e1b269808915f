"""From a request for a published set to its images: out of the cache, or decoded and then cached."""

import errno
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from vrrae_lab.checks import check_whole
from vrrae_lab.data import cache, prepared
from vrrae_lab.data.catalogue import SOURCES
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.data.published import checksum
from vrrae_lab.data.sources import ImageSource, Places, Slice, find_files


def checked_places(
    data_dir: str | os.PathLike[str] | None,
    manual_dir: str | os.PathLike[str] | None,
    download: bool,
    mirror: str | None,
) -> Places:
    """The places to look in, from the arguments of `load`; see there."""
    manual = None if manual_dir is None else Path(manual_dir).expanduser()
    if manual is not None and not manual.is_dir():
        raise ValueError(f"manual_dir = {str(manual_dir)!r} is not a folder: name one that holds the set's files")
    if mirror is not None and (urlsplit(mirror).scheme not in ("http", "https") or not urlsplit(mirror).netloc):
        raise ValueError(f"mirror = {mirror!r} is no address of a folder: use one like https://host/folder")
    return Places(manual, cache.data_folder(data_dir), download, mirror)


def load_published(name: str, split: str, n: int | None, size: int | None, places: Places) -> Dataset:
    """Load a split of a published set as uint8; see `vrrae_lab.data.load`."""
    source = SOURCES[name]
    check_one_of("split", split, tuple(source.splits), f"the splits of {name}")
    check_size(name, size, source.sizes)
    num_images = source.splits[split].num_images
    if n is not None:
        check_whole("n", n)
    if n is not None and not 1 <= n <= num_images:
        raise ValueError(f"n = {n}, but {name} has {num_images} {split} images: ask for 1 to {num_images}")
    image_size = source.sizes[0] if size is None else size
    given = min(source.default_n or num_images, num_images) if n is None else n
    decoded_first = num_images if source.default_n is None else given
    shape = (decoded_first, image_size, image_size, source.channels)

    kept_in = places.data_dir / (name if len(source.sizes) == 1 else f"{name}-{image_size}")
    about: dict[str, Any] = {"name": name, "split": split}
    kept = cache.read(kept_in, split, shape)
    part = None
    if kept is not None:
        (images, labels), record = kept
        about |= {**record, "found": "cache", "built_from": record["found"], "cache": str(kept_in)}
    elif (part := _slice(source, split, places)) is not None:
        images, labels = _from_slice(part, name, split, n, shape)
        about |= _slice_record(part)
    else:
        (images, labels), record = _decode_and_keep(source, split, shape, kept_in, places)
        about |= record
    title = f"{name}_{split}" if part is None else f"{name}_slice_{split}"
    return Dataset(title, images[:given], np.array(labels[:given], np.int64), provenance=about)


def _slice(source: ImageSource, split: str, places: Places) -> Slice | None:
    folder = places.manual_dir
    if folder is None or (folder / source.splits[split].files[0]).is_file():
        return None
    return source.find_slice(folder, split)


def _from_slice(part: Slice, name: str, split: str, n: int | None, shape: tuple[int, int, int, int]) -> cache.Decoded:
    files = ", ".join(str(file) for file in part.files)
    if n is None or n > part.num_images:
        raise ValueError(
            f"n = {n}, but {files} is only a slice of {name}, with {part.num_images:,} {split} images: ask for at most "
            f"so many, or leave manual_dir out or let it hold the published files"
        )
    warnings.warn(f"{name} ({split}): the {n:,} images are of a slice, not the published set: {files}", stacklevel=4)
    return cache.gather((n, *shape[1:]), part.decode(shape[1], n))


def _slice_record(part: Slice) -> dict[str, Any]:
    files = [{"name": file.name, "path": str(file), "sha256": checksum(file)} for file in part.files]
    return {"found": f"slice of {part.num_images} images in manual_dir, not the published set", "files": files}


def _decode_and_keep(
    source: ImageSource, split: str, shape: tuple[int, int, int, int], kept_in: Path, places: Places
) -> tuple[cache.Decoded, dict[str, Any]]:
    part = source.splits[split]
    folder, unusable = prepared.find(source.tfds_name, split, part.num_images, places.tfds_folders())
    with tempfile.TemporaryDirectory(prefix="vrrae_lab-") as scratch:
        record: dict[str, Any]
        if folder is None:
            files = find_files(source, part.files, places, Path(scratch), unusable)
            paths = [file.path for file in files]
            record = {"found": ", ".join(sorted({file.found for file in files}))}
            record["files"] = [file.record() for file in files]
        else:
            record = {"found": "prepared by TFDS", "folder": str(folder), "order": "that of TFDS, which is shuffled"}

        def chunks() -> Iterator[cache.Decoded]:
            if folder is None:
                return part.decode(paths, shape[1], shape[0])
            return prepared.read(folder, split, shape[0], shape[1], source.convert)

        try:
            cache.write(kept_in, split, shape, chunks(), record)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            return cache.gather(shape, chunks()), {**record, "cache": f"not written: {error}"}
    kept = cache.read(kept_in, split, shape)
    if kept is None:
        raise OSError(f"the cache in {kept_in} cannot be read although it was just written")
    return kept[0], {**record, "cache": str(kept_in)}


def check_one_of(what: str, value: str, known: tuple[str, ...], meaning: str) -> None:
    """Refuse a name that is not among the known ones."""
    if value not in known:
        raise ValueError(f"{what} = {value!r} is unknown; {meaning} are {', '.join(known)}")


def check_size(name: str, size: int | None, sizes: tuple[int, ...]) -> None:
    """Refuse a number of pixels that a data set cannot be had in."""
    if size is not None and size not in sizes:
        given = " or ".join(f"{known}" for known in sizes)
        raise ValueError(f"size = {size}, but the images of {name} are {given} pixels a side: use {given}, or None")
