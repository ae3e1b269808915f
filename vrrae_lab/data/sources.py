"""Where the files of a published image set are found: in a folder of the user's, in a download cache, on the network.

TensorFlow Datasets (TFDS) knows the addresses, sizes and checksums and does the downloading; none of that needs
TensorFlow itself.
"""

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vrrae_lab.data.cache import Decoded

ANSWER_SECONDS = 4.0

_SHARED_FOLDER = (
    "pass as data_dir=, or name in the environment variable VRRAE_LAB_DATA, a folder that has the set already"
)


class DataUnavailableError(RuntimeError):
    """A data set is neither on this machine nor to be had from the network; the message says what to do."""


@dataclass(frozen=True)
class ImageSplit:
    """One split of a published image set.

    Attributes:
        files: names of the published files that the split is decoded from.
        num_images: how many images it has.
        decode: maps the paths of `files` and a size in pixels to images (batch, size, size, channels) and labels.
    """

    files: tuple[str, ...]
    num_images: int
    decode: Callable[[Sequence[Path], int], Decoded]


@dataclass(frozen=True)
class ImageSource:
    """A published image set.

    Attributes:
        tfds_name: its name in TFDS.
        splits: its splits by name.
        sizes: pixels per side that can be asked for, the default first.
        channels: 1 for grey, 3 for colour.
    """

    tfds_name: str
    splits: Mapping[str, ImageSplit]
    sizes: tuple[int, ...]
    channels: int


@dataclass(frozen=True)
class PublishedFile:
    """What TFDS knows of a file: its name, address, size in bytes and SHA-256 checksum."""

    name: str
    url: str
    num_bytes: int
    sha256: str


@dataclass(frozen=True)
class FoundFile:
    """A published file on this machine, its checksum verified, and the kind of place it was found in."""

    published: PublishedFile
    path: Path
    found: str

    def record(self) -> dict[str, str]:
        """The same as JSON-ready values."""
        published = self.published
        return {"name": published.name, "path": str(self.path), "url": published.url, "sha256": published.sha256}


@dataclass(frozen=True)
class Places:
    """Where to look, in this order.

    Attributes:
        manual_dir: a folder where the user has put the files under their published names.
        data_dir: the folder whose `downloads` is searched, and downloaded to.
        download: whether the network may be used.
        scratch: an existing temporary folder, downloaded to if `data_dir` is read-only.
    """

    manual_dir: Path | None
    data_dir: Path
    download: bool
    scratch: Path

    def download_caches(self) -> list[Path]:
        """The download folders: ours, then TFDS's own."""
        tfds_dir = Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
        return list(dict.fromkeys([self.data_dir / "downloads", tfds_dir / "downloads"]))


def find_files(tfds_name: str, names: Sequence[str], places: Places) -> list[FoundFile]:
    """Find the published files `names`, downloading those that are not on this machine.

    Raises:
        DataUnavailableError: if a file is neither found nor can be downloaded.
        ValueError: if a file has another checksum than the published one.
    """
    try:
        published = _published_files(tfds_name)
    except ImportError as error:
        raise DataUnavailableError(_without_tfds(tfds_name, names, error)) from error
    found = {name: _find_local(tfds_name, published[name], places) for name in names}
    missing = [published[name] for name, file in found.items() if file is None]
    if missing:
        problem = _network_problem(missing[0].url) if places.download else "not tried, as download=False"
        if problem is None:
            found.update(_download(tfds_name, missing, places))
        else:
            raise DataUnavailableError(_nowhere(tfds_name, missing, places, problem))
    return [file for file in found.values() if file is not None]


def _published_files(tfds_name: str) -> dict[str, PublishedFile]:
    import tensorflow_datasets as tfds

    infos = tfds.builder_cls(tfds_name).url_infos
    files = [PublishedFile(info.filename, url, int(info.size), info.checksum) for url, info in infos.items()]
    return {file.name: file for file in files}


def _find_local(tfds_name: str, file: PublishedFile, places: Places) -> FoundFile | None:
    from tensorflow_datasets.core.download.resource import get_dl_fname

    candidates = [] if places.manual_dir is None else [("manual_dir", places.manual_dir / file.name)]
    cached_name = get_dl_fname(file.url, file.sha256)
    for cache in places.download_caches():
        # TFDS before 4.9 made no folder per data set.
        candidates += [("download cache", folder / cached_name) for folder in (cache / tfds_name, cache)]
    for place, path in candidates:
        if path.is_file():
            return _verified(file, path, place)
    return None


def _verified(file: PublishedFile, path: Path, found: str) -> FoundFile:
    # TFDS takes a file in its download cache at its name's word, so a damaged one is noticed only here.
    with path.open("rb") as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    if sha256 != file.sha256:
        raise ValueError(
            f"{path} is not the published file: its SHA-256 is {sha256}, not {file.sha256}. It is damaged or of "
            f"another data set: delete it, then fetch it again ({file.num_bytes:,} bytes, {file.url})"
        )
    return FoundFile(file, path, found)


def _network_problem(url: str) -> str | None:
    """Why `url` cannot be downloaded now, or None if its server answers.

    TFDS would retry for minutes before giving up, so this is asked first. The thread keeps the time: the limits of
    `requests` hold per address of a host, of which there may be many, and leave out the look-up of its name.
    """
    import requests

    outcome: list[str | None] = []

    def ask() -> None:
        try:
            response = requests.head(url, timeout=(3.05, 5), allow_redirects=True)
            outcome.append(None if response.ok else f"{url} answered with HTTP status {response.status_code}")
        except Exception as error:  # an exception would be lost with the thread, whatever it is
            outcome.append(f"{url} cannot be reached ({type(error).__name__}: {error})")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    return outcome[0] if outcome else f"{url} did not answer within {ANSWER_SECONDS} s"


def _download(tfds_name: str, files: Sequence[PublishedFile], places: Places) -> dict[str, FoundFile]:
    import requests
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
    from tensorflow_datasets.core.download.util import DownloadError

    downloads = places.data_dir / "downloads"
    kept = _writable(downloads)
    manager = tfds.download.DownloadManager(
        download_dir=downloads if kept else places.scratch,
        extract_dir=places.scratch,
        url_infos=tfds.builder_cls(tfds_name).url_infos,
        dataset_name=tfds_name,
        force_checksums_validation=True,
    )
    try:
        paths: Mapping[str, Any] = manager.download({file.name: file.url for file in files})
    except NonMatchingChecksumError as error:
        raise ValueError(f"{tfds_name}: a download is not the published file, so it is not used. {error}") from error
    except (requests.RequestException, DownloadError, OSError) as error:
        problem = f"the download broke off ({type(error).__name__}: {error})"
        raise DataUnavailableError(_nowhere(tfds_name, files, places, problem)) from error
    found = "download" if kept else "download, not kept"
    return {file.name: _verified(file, Path(paths[file.name]), found) for file in files}


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _nowhere(tfds_name: str, missing: Sequence[PublishedFile], places: Places, problem: str) -> str:
    caches = ", ".join(f"{cache / tfds_name}" for cache in places.download_caches())
    return "\n".join(
        [
            f"{tfds_name} is not on this machine and was not downloaded.",
            "Searched:",
            f"  cache of decoded images: {places.data_dir / tfds_name}",
            f"  manual_dir: {places.manual_dir or 'not given'}",
            f"  download caches: {caches}",
            f"  network: {problem}",
            "Missing files:",
            *(f"  {file.name} ({file.num_bytes:,} bytes) {file.url}" for file in missing),
            "Remedies, any one of them:",
            "  put these files in a folder, under these names, and pass it as manual_dir=",
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
            "Remedies, any one of them:",
            "  pip install 'vrrae_lab[data]', then load again; without a network, pass a folder with these files as "
            "manual_dir=",
            f"  {_SHARED_FOLDER}",
        ]
    )
