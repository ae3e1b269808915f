"""From the files a data set is published in to arrays of uint8, one function per format."""

import gzip
import math
import os
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

IDX_UNSIGNED_BYTES = b"\x00\x00\x08"
CIFAR_FOLDER = "cifar-10-batches-bin"
CIFAR_SIZE = 32
NUM_CIFAR_CLASSES = 10


def read_idx(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "..."]:
    """Read a gzipped IDX file of unsigned bytes, the format MNIST is published in.

    Such a file is two zero bytes, a type code (8 for unsigned bytes), the number of axes, the length of each axis as
    a big-endian 32-bit integer, then the values with the last axis running fastest.

    Raises:
        ValueError: if the file is not whole gzip data, not IDX of unsigned bytes, or has more or fewer values than
            its header says.
    """
    try:
        with gzip.open(path) as file:
            content = file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a whole gzip file ({error}): fetch it again") from error
    if len(content) < 4 or content[:3] != IDX_UNSIGNED_BYTES:
        raise ValueError(
            f"{path} is not an IDX file of unsigned bytes: it begins with the bytes '{content[:4].hex(' ')}', "
            f"not '{IDX_UNSIGNED_BYTES.hex(' ')}' and a number of axes; fetch it again"
        )
    header_size = 4 + 4 * content[3]
    if len(content) < header_size:
        raise ValueError(f"{path} ends within its IDX header of {header_size} bytes: fetch it again")
    shape = tuple(int(length) for length in np.frombuffer(content[4:header_size], ">u4"))
    num_values = len(content) - header_size
    if num_values != math.prod(shape):
        raise ValueError(f"{path} holds {num_values} values, but its header says {shape}: fetch it again")
    return np.frombuffer(content, np.uint8, offset=header_size).reshape(shape)


def decode_idx_pair(
    paths: Sequence[Path], size: int
) -> tuple[UInt8[np.ndarray, "batch height width channels"], UInt8[np.ndarray, " batch"]]:
    """Decode a file of grey images and the file of their labels.

    Args:
        paths: the images and the labels, in this order.
        size: pixels per side that the images must have.

    Raises:
        ValueError: if a file is damaged, the images have another size, or there is not one label to each image.
    """
    images, labels = (read_idx(path) for path in paths)
    if labels.ndim != 1 or images.shape != (len(labels), size, size):
        raise ValueError(
            f"{paths[0]} holds an array of shape {images.shape} and {paths[1]} one of shape {labels.shape}, not "
            f"images of {size} by {size} pixels with one label each: fetch both again"
        )
    return images[..., None], labels


def decode_cifar(
    path: Path, members: Sequence[str], size: int = CIFAR_SIZE
) -> tuple[UInt8[np.ndarray, "batch height width channels"], UInt8[np.ndarray, " batch"]]:
    """Decode batches of the binary version of CIFAR-10.

    A batch is a sequence of records: a byte with the class, then the red, the green and the blue plane of an image.

    Args:
        path: the tar archive, compressed with gzip.
        members: file names of the batches, in the order their images shall have.
        size: pixels per side.

    Raises:
        ValueError: if the archive is damaged, lacks a member, or a member does not consist of such records.
    """
    record_bytes = 1 + 3 * size * size
    contents = _read_members(path, [f"{CIFAR_FOLDER}/{member}" for member in members])
    batches = []
    for name, content in contents.items():
        if len(content) % record_bytes:
            raise ValueError(f"{path}: {name} has {len(content):,} bytes, not records of {record_bytes}")
        batches.append(np.frombuffer(content, np.uint8).reshape(-1, record_bytes))
        if not len(batches[-1]) or batches[-1][:, 0].max() >= NUM_CIFAR_CLASSES:
            raise ValueError(f"{path}: {name} is no batch of CIFAR-10: it is empty or has classes beyond 0 to 9")
    records = np.concatenate(batches)
    planes = records[:, 1:].reshape(-1, 3, size, size)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0]


def _read_members(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    contents = dict.fromkeys(names, b"")
    missing = set(names)
    try:
        with gzip.open(path) as stream:
            with tarfile.open(fileobj=stream) as archive:
                for member in archive:  # in the archive's order: going back means decompressing from the start again
                    file = archive.extractfile(member) if member.name in missing else None
                    if file is not None:
                        contents[member.name] = file.read()
                        missing.remove(member.name)
            while stream.read(2**20):  # the checksum of gzip lies behind the end of the archive
                pass
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a whole tar archive ({error}): fetch it again") from error
    if missing:
        raise ValueError(f"{path} has no member {', '.join(sorted(missing))}: fetch it again")
    return contents
