"""The files a data set is published as: names, addresses, sizes, checksums, all from TensorFlow Datasets (TFDS)."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


class DataUnavailableError(RuntimeError):
    """A data set is neither on this machine nor to be had from the network; the message says what to do."""


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


def published_files(tfds_name: str) -> dict[str, PublishedFile]:
    """All files of a data set by name; needs tensorflow_datasets, but neither TensorFlow nor the network."""
    import tensorflow_datasets as tfds

    infos = tfds.builder_cls(tfds_name).url_infos
    files = [PublishedFile(info.filename, url, int(info.size), info.checksum) for url, info in infos.items()]
    return {file.name: file for file in files}


def checksum(path: Path) -> str:
    """The SHA-256 checksum of a file."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def verified(file: PublishedFile, path: Path, found: str) -> FoundFile:
    """Check that the file at `path` is the published one.

    Raises:
        ValueError: if its checksum is another.
    """
    # TFDS takes a file in its download cache at its name's word, so a damaged one is noticed only here.
    sha256 = checksum(path)
    if sha256 != file.sha256:
        raise ValueError(
            f"{path} is not the published file: its SHA-256 is {sha256}, not {file.sha256}. It is damaged, a part, or "
            f"of another data set: delete it, then fetch it again ({file.num_bytes:,} bytes, {file.url})"
        )
    return FoundFile(file, path, found)
