"""Where a published image set is found: prepared by TensorFlow Datasets (TFDS), as files of the user's or in a download
cache, on the network.

TFDS knows the addresses, sizes and checksums; asking it for them needs no TensorFlow.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vrrae_lab.data import downloads
from vrrae_lab.data.cache import Decoded
from vrrae_lab.data.prepared import Convert, image_and_label
from vrrae_lab.data.published import DataUnavailableError, FoundFile, PublishedFile, published_files, verified

_REMEDIES = "Remedies, any one of them (manual_dir= is --manual-dir on the command line, and so on):"
_SHARED_FOLDER = (
    "pass as data_dir=, or name in the environment variable VRRAE_LAB_DATA, a folder that has the set already"
)

Decode = Callable[[Sequence[Path], int, int], Iterator[Decoded]]


@dataclass(frozen=True)
class ImageSplit:
    """One split of a published image set.

    Attributes:
        files: names of the published files that the split is decoded from, the one with the images first.
        num_images: how many images it has.
        decode: maps the paths of `files`, a size in pixels and a number of images to chunks of images (batch, size,
            size, channels) and labels.
    """

    files: tuple[str, ...]
    num_images: int
    decode: Decode


@dataclass(frozen=True)
class Slice:
    """A part of a published set in a file of another kind, which has no published checksum.

    Attributes:
        files: what it consists of.
        num_images: how many images of the split it has.
        decode: maps a size in pixels and a number of images to chunks of images and labels.
    """

    files: tuple[Path, ...]
    num_images: int
    decode: Callable[[int, int], Iterator[Decoded]]


@dataclass(frozen=True)
class ImageSource:
    """A published image set.

    Attributes:
        tfds_name: its name in TFDS.
        splits: its splits by name.
        sizes: pixels per side that can be asked for, the default first.
        channels: 1 for grey, 3 for colour.
        default_n: how many images of a split are given where no number is asked for, and decoded to begin with; None
            means all.
        convert: maps an example as TFDS prepares it, and a size, to an image and its label.
        find_slice: looks in a folder for a slice of a split.
        advice: what to know before it is downloaded from its own host.
    """

    tfds_name: str
    splits: Mapping[str, ImageSplit]
    sizes: tuple[int, ...]
    channels: int
    default_n: int | None = None
    convert: Convert = image_and_label
    find_slice: Callable[[Path, str], Slice | None] = lambda folder, split: None
    advice: str | None = None


@dataclass(frozen=True)
class Places:
    """Where to look, in this order.

    Attributes:
        manual_dir: a folder where the user has put the files under their published names.
        data_dir: the folder whose `downloads` is searched, and downloaded to.
        download: whether the network may be used.
        mirror: address of a folder with the published files, to download from instead of their own addresses.
    """

    manual_dir: Path | None
    data_dir: Path
    download: bool
    mirror: str | None = None

    def tfds_folders(self) -> list[Path]:
        """Where TFDS may have prepared data sets and downloaded files: our folder, then TFDS's own."""
        tfds_dir = Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
        return list(dict.fromkeys([self.data_dir, tfds_dir]))

    def download_caches(self, tfds_name: str) -> list[Path]:
        """The folders that downloads of a data set are kept in."""
        return [folder / "downloads" / tfds_name for folder in self.tfds_folders()]


def find_files(
    source: ImageSource, names: Sequence[str], places: Places, scratch: Path, unusable: Sequence[str] = ()
) -> list[FoundFile]:
    """Find the published files `names`, downloading those that are not on this machine.

    Args:
        source: the data set.
        names: which of its files.
        places: where to look.
        scratch: an existing temporary folder, downloaded to if that of `places` is read-only.
        unusable: what was found before and could not be used, for the message.

    Raises:
        DataUnavailableError: if a file is neither found nor can be downloaded.
        ValueError: if a file has another checksum than the published one.
        OSError: if the disk has no room for a download.
    """
    try:
        published = published_files(source.tfds_name)
    except ImportError as error:
        raise DataUnavailableError(_without_tfds(source.tfds_name, names, error)) from error
    found = {name: _find_local(source.tfds_name, published[name], places) for name in names}
    missing = [published[name] for name, file in found.items() if file is None]
    if missing:
        problem: str | None = "not tried, as download=False"
        if places.download:
            problem = downloads.network_problem(downloads.address(missing[0], places.mirror))
        if problem is not None:
            raise DataUnavailableError(_nowhere(source, missing, places, unusable, problem))
        found.update(_download(source, missing, places, scratch, unusable))
    return [file for file in found.values() if file is not None]


def _find_local(tfds_name: str, file: PublishedFile, places: Places) -> FoundFile | None:
    from tensorflow_datasets.core.download.resource import get_dl_fname

    candidates = [] if places.manual_dir is None else [("manual_dir", places.manual_dir / file.name)]
    cached_name = get_dl_fname(file.url, file.sha256)
    for cache in places.download_caches(tfds_name):
        # TFDS before 4.9 made no folder per data set.
        candidates += [
            ("download cache", path) for path in (cache / file.name, cache / cached_name, cache.parent / cached_name)
        ]
    for place, path in candidates:
        if path.is_file():
            return verified(file, path, place)
    return None


def _download(
    source: ImageSource, files: Sequence[PublishedFile], places: Places, scratch: Path, unusable: Sequence[str]
) -> dict[str, FoundFile]:
    import requests

    folder = places.data_dir / "downloads" / source.tfds_name
    kept = _writable(folder)
    if source.advice and places.mirror is None:
        print(f"{source.tfds_name}: {source.advice}", file=sys.stderr, flush=True)
    try:
        paths = downloads.download(files, folder if kept else scratch, places.mirror)
    except requests.RequestException as error:
        problem = f"the download broke off ({type(error).__name__}: {error})"
        if kept:
            problem += "; what has come is kept, and the next load goes on from there"
        raise DataUnavailableError(_nowhere(source, files, places, unusable, problem)) from error
    found = "download" if places.mirror is None else f"download from the mirror {places.mirror}"
    if not kept:
        found += ", not kept"
    return {file.name: FoundFile(file, path, found) for file, path in zip(files, paths, strict=True)}


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _nowhere(
    source: ImageSource, missing: Sequence[PublishedFile], places: Places, unusable: Sequence[str], problem: str
) -> str:
    name = source.tfds_name
    decoded = name if len(source.sizes) == 1 else f"{name}-SIZE"
    return "\n".join(
        [
            f"{name} is not on this machine and was not downloaded.",
            "Searched:",
            f"  cache of decoded images: {places.data_dir / decoded}",
            f"  prepared by TFDS: {', '.join(f'{folder / name}' for folder in places.tfds_folders())}",
            *(f"    not usable: {found}" for found in unusable),
            f"  manual_dir: {places.manual_dir or 'not given'}",
            f"  download caches: {', '.join(f'{cache}' for cache in places.download_caches(name))}",
            f"  network: {problem}",
            "Missing files:",
            *(f"  {file.name} ({file.num_bytes:,} bytes) {file.url}" for file in missing),
            *([f"To know: {source.advice}"] if source.advice else []),
            _REMEDIES,
            "  put these files in a folder, under these names, and pass it as manual_dir=",
            "  pass as mirror= the address of a folder that has them",
            f"  {_SHARED_FOLDER}",
            "  with a network, load again with download=True",
        ]
    )


def _without_tfds(tfds_name: str, names: Sequence[str], error: ImportError) -> str:
    return "\n".join(
        [
            f"{tfds_name} is not in the cache of decoded images, and its files {', '.join(names)} cannot be found or "
            f"checked, because tensorflow_datasets, which knows their addresses and checksums, failed to import "
            f"({error}).",
            _REMEDIES,
            "  pip install 'vrrae_lab[data]', then load again; without a network, pass a folder with these files as "
            "manual_dir=",
            f"  {_SHARED_FOLDER}",
        ]
    )
