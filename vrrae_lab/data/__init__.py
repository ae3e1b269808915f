"""Data sets: the computed bumps, the digits of scikit-learn, published image sets by name, and one's own images."""

from vrrae_lab.data.celeb_a import CELEB_A_ATTRIBUTES
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.data.images import NAMES, digits, load, mnist_sample, split_sizes
from vrrae_lab.data.own import from_arrays, from_folder
from vrrae_lab.data.published import DataUnavailableError
from vrrae_lab.data.synthetic import bumps, bumps_diagonal, bumps_test

__all__ = [
    "CELEB_A_ATTRIBUTES",
    "NAMES",
    "DataUnavailableError",
    "Dataset",
    "bumps",
    "bumps_diagonal",
    "bumps_test",
    "digits",
    "from_arrays",
    "from_folder",
    "load",
    "mnist_sample",
    "split_sizes",
]
