r"""The Gaussian-bump images of the VRRAE paper: one round bump that only moves.

$$x(u, v) = \exp\left(-\frac{(u - x_0)^2 + (v - y_0)^2}{2 \cdot 0.2^2}\right), \qquad u, v \in [-1, 1]$$

Two numbers, the centre, describe an image completely, so an autoencoder of rank 2 has just enough room:
a model that ignores one coefficient (posterior collapse) is seen at once.

Source: Mounayer et al., *Variational Rank Reduction Autoencoders*, arXiv 2505.09458, section 4.
"""

import math

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from vrrae_lab.checks import check_key, check_memory, check_whole
from vrrae_lab.data.dataset import Dataset

SPREAD = 0.2
CENTRE_LIMIT = 0.5


def bump_images(
    centres: Float[np.ndarray, "batch 2"], image_size: int, spread: float = SPREAD
) -> Float[np.ndarray, "batch size size"]:
    """Draw unscaled bumps of height 1.

    Args:
        centres: (x0, y0) of each bump, in units where the image spans [-1, 1].
        image_size: pixels per side.
        spread: standard deviation of the bump, in the same units.

    Returns:
        Images; u runs along the columns (last axis), v along the rows.
    """
    grid = np.linspace(-1, 1, image_size)
    along_u = np.exp(-((grid - centres[:, :1]) ** 2) / (2 * spread**2))
    along_v = np.exp(-((grid - centres[:, 1:]) ** 2) / (2 * spread**2))
    return along_v[:, :, None] * along_u[:, None, :]


def bumps(num_images: int = 100, image_size: int = 64) -> Dataset:
    """The training set: centres on a regular square grid over [-0.5, 0.5]².

    Args:
        num_images: a square number, as the grid has as many rows as columns.
        image_size: pixels per side, at least 8.

    Returns:
        Images standardised by their own scalar mean and standard deviation; `labels` are the centres (batch, 2).

    Raises:
        ValueError: if `num_images` is not a square number of 4 or more, or the images are smaller than 8 pixels.
    """
    _check_sizes(num_images, image_size)
    side = math.isqrt(max(num_images, 0))
    if side < 2 or side * side != num_images:
        near = max(side, 2)
        raise ValueError(
            f"num_images = {num_images} is not a square number of 4 or more, and the centres form a square grid: "
            f"use {near * near} or {(near + 1) ** 2}"
        )
    axis = np.linspace(-CENTRE_LIMIT, CENTRE_LIMIT, side)
    centres = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    images = _checked_images(centres, image_size)
    return _scaled("bumps", centres, images, float(images.mean()), float(images.std()))


def bumps_test(num_images: int = 1000, image_size: int = 64, *, key: Key[Array, ""]) -> Dataset:
    """Test bumps whose two coordinates are drawn independently and uniformly from [-0.5, 0.5].

    Scaled with the mean and standard deviation of the training set `bumps(image_size=image_size)`, so that the
    same bump is the same array in both.

    Args:
        num_images: how many to draw.
        image_size: pixels per side, at least 8.
        key: the randomness of the centres.

    Raises:
        ValueError: if `num_images` is below 1 or the images are smaller than 8 pixels.
    """
    check_key(key)
    _check_sizes(num_images, image_size)
    if num_images < 1:
        raise ValueError(f"num_images = {num_images}: a test set needs at least 1 image")
    centres = jax.random.uniform(key, (num_images, 2), minval=-CENTRE_LIMIT, maxval=CENTRE_LIMIT)
    return _like_training("bumps_test", np.asarray(centres, float), image_size)


def bumps_diagonal(num_images: int = 100, image_size: int = 64) -> Dataset:
    """Bumps that move along the diagonal x0 = y0, in order: the red curve of the paper's Figure 2.

    The authors' code draws x0 and y0 with the same random key, so all its test images lie on this diagonal; errors on
    it are therefore reported beside those on `bumps_test`.

    Args:
        num_images: how many positions, evenly spaced from (-0.5, -0.5) to (0.5, 0.5).
        image_size: pixels per side, at least 8.

    Raises:
        ValueError: if `num_images` is below 2 or the images are smaller than 8 pixels.
    """
    _check_sizes(num_images, image_size)
    if num_images < 2:
        raise ValueError(f"num_images = {num_images}: a motion needs at least 2 images")
    position = np.linspace(-CENTRE_LIMIT, CENTRE_LIMIT, num_images)
    return _like_training("bumps_diagonal", np.stack([position, position], axis=-1), image_size)


def _check_sizes(num_images: int, image_size: int) -> None:
    check_whole("num_images", num_images)
    check_whole("image_size", image_size)
    check_memory(8 * num_images * image_size**2, f"num_images = {num_images:,} of image_size = {image_size:,}")


def _checked_images(centres: np.ndarray, image_size: int) -> np.ndarray:
    if image_size < 8:
        raise ValueError(f"image_size = {image_size}: below 8 pixels a bump is not resolved; use 8 or more")
    return bump_images(centres, image_size)


def _like_training(name: str, centres: np.ndarray, image_size: int) -> Dataset:
    images = _checked_images(centres, image_size)
    training = bumps(image_size=image_size)
    return _scaled(name, centres, images, training.offset, training.scale)


def _scaled(name: str, centres: np.ndarray, images: np.ndarray, offset: float, scale: float) -> Dataset:
    x = ((images - offset) / scale).astype(np.float32)[..., None]
    provenance = {"source": "computed", "spread": SPREAD, "centres": f"within ±{CENTRE_LIMIT}"}
    return Dataset(name, x, centres, offset, scale, provenance)
