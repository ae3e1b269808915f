"""From the files a data set is published in to arrays of uint8, one function per format."""

import gzip
import math
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

IDX_UNSIGNED_BYTES = b"\x00\x00\x08"


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
