"""The published image sets: their files, splits and sizes, and how they are decoded."""

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import MappingProxyType

from vrrae_lab.data import celeb_a
from vrrae_lab.data.cache import Decoded
from vrrae_lab.data.decoders import CIFAR_SIZE, decode_cifar, decode_idx_pair
from vrrae_lab.data.slices import celeb_a_slice, cifar10_slice
from vrrae_lab.data.sources import Decode, ImageSource, ImageSplit


def whole(decode: Callable[[Sequence[Path], int], Decoded]) -> Decode:
    """A decoder that gives all images at once, however many are asked for."""

    def chunks(paths: Sequence[Path], size: int, num_images: int) -> Iterator[Decoded]:
        yield decode(paths, size)

    return chunks


def _cifar_split(num_images: int, *members: str) -> ImageSplit:
    decode = whole(lambda paths, size: decode_cifar(paths[0], members, size))
    return ImageSplit(("cifar-10-binary.tar.gz",), num_images, decode)


def _celeb_a_split(split: str, num_images: int) -> ImageSplit:
    decode = functools.partial(_decode_celeb_a, split)
    return ImageSplit(celeb_a.FILES, num_images, decode)


def _decode_celeb_a(split: str, paths: Sequence[Path], size: int, num_images: int) -> Iterator[Decoded]:
    return celeb_a.decode_celeb_a(paths, split, size, num_images)


_IDX_SPLITS = MappingProxyType(
    {
        "train": ImageSplit(
            ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"), 60_000, whole(decode_idx_pair)
        ),
        "test": ImageSplit(("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"), 10_000, whole(decode_idx_pair)),
    }
)
SOURCES: dict[str, ImageSource] = {
    "mnist": ImageSource("mnist", _IDX_SPLITS, sizes=(28,), channels=1),
    "fashion_mnist": ImageSource("fashion_mnist", _IDX_SPLITS, sizes=(28,), channels=1),
    "cifar10": ImageSource(
        "cifar10",
        {
            "train": _cifar_split(50_000, *(f"data_batch_{number}.bin" for number in range(1, 6))),
            "test": _cifar_split(10_000, "test_batch.bin"),
        },
        sizes=(CIFAR_SIZE,),
        channels=3,
        find_slice=cifar10_slice,
        advice="its host is slow and may take an hour for these 170 MB; an interrupted download is gone on with",
    ),
    "celeb_a": ImageSource(
        "celeb_a",
        {
            "train": _celeb_a_split("train", 162_770),
            "validation": _celeb_a_split("validation", 19_867),
            "test": _celeb_a_split("test", 19_962),
        },
        sizes=celeb_a.SIZES,
        channels=3,
        default_n=10_000,
        convert=celeb_a.convert_example,
        find_slice=celeb_a_slice,
        advice="1.4 GB lie on Google Drive, which refuses them when too many have asked that day; if so, try another "
        "day, or fetch them with a browser from https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html and pass their "
        "folder as manual_dir=. They are for non-commercial research only",
    ),
}
