"""Data sets: the computed bumps, the digits of scikit-learn, and published image sets loaded by name."""

from vrrae_lab.data.celeb_a import CELEB_A_ATTRIBUTES
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.data.images import NAMES, digits, load, mnist_sample, split_sizes
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
    "load",
    "mnist_sample",
    "split_sizes",
]
