r"""Errors of reconstruction, and the floors that any model should beat.

Errors are relative and in percent, $100\,\lVert \hat X - X\rVert_F / \lVert X \rVert_F$ over a whole set, as in the
papers.
"""

import numpy as np
from jaxtyping import Array, Float

from vrrae_lab.checks import as_numbers, check_array, check_at_least

Samples = Float[np.ndarray, "batch ..."] | Float[Array, "batch ..."]
TrainingSamples = Float[np.ndarray, "train_batch ..."] | Float[Array, "train_batch ..."]


def relative_error(x: Samples, x_hat: Samples) -> float:
    r"""$100\,\lVert \hat X - X\rVert_F / \lVert X \rVert_F$ over the whole set, in percent.

    NaN where `x_hat` contains NaN, as the reconstructions of a model that has diverged do.

    Raises:
        ValueError: if the shapes differ, or `x` is all zero or not finite.
    """
    x, x_hat = as_numbers("x", x), as_numbers("x_hat", x_hat)
    if x.shape != x_hat.shape:
        raise ValueError(f"x has shape {x.shape} and x_hat {x_hat.shape}: an error needs equal shapes")
    if not np.isfinite(x).all():
        raise ValueError("x contains NaN or infinity: remove those images, or mend what made them")
    norm = np.linalg.norm(x)
    if norm == 0:
        raise ValueError("x is all zero: a relative error has no meaning")
    return float(100 * np.linalg.norm(x_hat - x) / norm)


def nearest_image_error(x: Samples, x_train: TrainingSamples, *, block_size: int = 2048) -> float:
    """Relative error, in percent, of answering each image with the nearest training image: a floor for memory.

    Args:
        x: images.
        x_train: training images, of the same shape.
        block_size: how many images, and how many training images, are compared at a time. It bounds the memory.

    Raises:
        ValueError: if the images are of different shapes or not finite, there are none, `x` is all zero, or the block
            size is below 1.
    """
    check_at_least(1, "block_size", block_size)
    x, train = _image_pair(x, x_train)
    nearest = np.concatenate([_nearest(block, train, block_size) for block in _blocks(x, block_size)])
    return relative_error(x, train[nearest])


def _blocks(x: np.ndarray, block_size: int) -> list[np.ndarray]:
    return [x[start : start + block_size] for start in range(0, len(x), block_size)]


def _nearest(x: np.ndarray, train: np.ndarray, block_size: int) -> np.ndarray:
    """The index of the nearest training image of each image."""
    flat = _flat(x)
    nearest, least = np.zeros(len(x), int), np.full(len(x), np.inf)
    for i, block in enumerate(map(_flat, _blocks(train, block_size))):
        squares = (block**2).sum(axis=1) - 2 * flat @ block.T  # and |x|², which is the same for all
        best = squares.argmin(axis=1)
        found = squares[np.arange(len(x)), best]
        closer = found < least
        nearest[closer], least[closer] = i * block_size + best[closer], found[closer]
    return nearest


def linear_error(x_train: Samples, rank: int) -> float:
    r"""Relative error, in percent, of the best reconstruction of `x_train` by a linear map of rank `rank`.

    By Eckart–Young it is what the truncated SVD of the pixels leaves out, $100\,(\sum_{j>k} \sigma_j^2 /
    \sum_j \sigma_j^2)^{1/2}$. The squares are eigenvalues of the smaller Gram matrix, right to a rounding error of the
    largest one: an error that should be 0 may come out as some millionths of a percent.

    Raises:
        ValueError: if the rank is below 1, or `x_train` is empty, all zero or not finite.
    """
    check_at_least(1, "rank", rank)
    flat = _flat(_finite("x_train", x_train))
    gram = flat @ flat.T if len(flat) <= flat.shape[1] else flat.T @ flat
    squares = np.maximum(np.linalg.eigvalsh(gram)[::-1], 0)  # rounding makes zeros negative
    if squares[0] == 0:
        raise ValueError("x_train is all zero: a relative error has no meaning")
    return float(100 * np.sqrt(squares[rank:].sum() / squares.sum()))


def linear_test_error(x_train: TrainingSamples, x_test: Samples, rank: int) -> float:
    """Relative error on `x_test`, in percent, of projection on the first principal components of `x_train`.

    Unlike in `linear_error` the mean of the training images is taken out first, as models with biases may do.

    Raises:
        ValueError: if the rank is below 1, the images are of different shapes or not finite, there are none, or
            `x_test` is all zero.
    """
    check_at_least(1, "rank", rank)
    test, train = _image_pair(x_test, x_train, ("x_test", "x_train"))
    centre = train.mean(axis=0, dtype=float)
    a, b = _flat(train - centre), _flat(test - centre)
    if len(a) <= a.shape[1]:
        kept = np.linalg.svd(a, full_matrices=False)[2][:rank].T
    else:  # of many images the Gram matrix is the smaller one
        kept = np.linalg.eigh(a.T @ a)[1][:, -rank:]
    return relative_error(test, (b @ kept @ kept.T).reshape(test.shape) + centre)


def _flat(x: np.ndarray) -> Float[np.ndarray, "batch pixels"]:
    return np.asarray(x, float).reshape(len(x), -1)


def _finite(name: str, x: Samples) -> np.ndarray:
    """As an array, not converted, since a training set in float64 may not fit."""
    check_array(name, x)
    found = np.asarray(x)
    if found.size == 0:
        raise ValueError(f"{name} has shape {found.shape}: give one image or more")
    if not np.isfinite(found).all():
        raise ValueError(f"{name} contains NaN or infinity: remove those images, or mend what made them")
    return found


def _image_pair(
    x: Samples, x_train: TrainingSamples, names: tuple[str, str] = ("x", "x_train")
) -> tuple[np.ndarray, np.ndarray]:
    images, train = _finite(names[0], x), _finite(names[1], x_train)
    if images.shape[1:] != train.shape[1:]:
        shapes = f"images of {names[0]} have shape {images.shape[1:]}, those of {names[1]} {train.shape[1:]}"
        raise ValueError(f"{shapes}: give images of one shape")
    return images, train
