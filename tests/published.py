"""Data sets in their published layout, for tests: real images where ../shared/data has them, else computed ones."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from vrrae_lab.data import CELEB_A_ATTRIBUTES


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def publish(monkeypatch: pytest.MonkeyPatch, name: str, folder: Path, base_url: str) -> None:
    """Let TFDS say of a data set that the files in `folder` are the published ones, at `base_url`."""
    tfds = pytest.importorskip("tensorflow_datasets")
    infos = {
        f"{base_url}/{path.name}": tfds.core.download.checksums.UrlInfo(
            size=path.stat().st_size, checksum=sha256(path), filename=path.name
        )
        for path in folder.iterdir()
    }
    monkeypatch.setattr(tfds, "builder_cls", lambda asked: {name: SimpleNamespace(url_infos=infos)}[asked])


def cifar_bytes(images: np.ndarray, labels: np.ndarray) -> bytes:
    """A batch of CIFAR-10's binary version, written record by record."""
    return b"".join(
        bytes([label]) + b"".join(image[:, :, channel].tobytes() for channel in range(3))
        for image, label in zip(images, labels, strict=True)
    )


def write_cifar_tar(path: Path, batches: Mapping[str, bytes]) -> None:
    """The archive of CIFAR-10's binary version, with the files that are no batches, too."""
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in {"batches.meta.txt": b"airplane\n", **batches, "readme.html": b"<html>"}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def face(number: int, width: int = 178, height: int = 218) -> Image.Image:
    """A photograph of nobody: red grows along the columns, green along the rows, blue with the number."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width)
    image[..., 1] = np.arange(height)[:, None]
    image[..., 2] = 10 * number
    return Image.fromarray(image)


def jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=98, subsampling=0)
    return file.getvalue()


def write_faces_zip(path: Path, jpegs: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in jpegs.items():
            archive.writestr(f"img_align_celeba/{name}", content)


def write_lists(folder: Path, names: Sequence[str], attributes: np.ndarray, partition: Sequence[int]) -> None:
    """The two lists of CelebA that are read, in its spacing; `attributes` are 0 and 1."""
    lines = [f"{len(names)}", " ".join(CELEB_A_ATTRIBUTES) + " "]
    for name, row in zip(names, attributes, strict=True):
        lines.append(name + "".join(f" {'1' if value else '-1':>2}" for value in row))
    (folder / "list_attr_celeba.txt").write_text("\r\n".join(lines) + "\r\n")
    rows = [f"{name} {part}\n" for name, part in zip(names, partition, strict=True)]
    (folder / "list_eval_partition.txt").write_text("".join(rows))
