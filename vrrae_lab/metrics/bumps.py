"""What is measured on the Gaussian bumps: whether generated images are bumps, and how straight latent paths are."""

import numpy as np
from jaxtyping import Array, Float

from vrrae_lab.checks import as_numbers, check_kind
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.data.synthetic import SPREAD, bump_images
from vrrae_lab.metrics.inputs import as_rows
from vrrae_lab.metrics.reconstruction import Samples, relative_error


def bump_fit_error(x: Samples, training: Dataset) -> float:
    r"""How far generated images are from being bumps, in percent.

    No public code defines the random-generation error of the VRRAE paper; this one is ours. To each image a bump of the
    *right* height (1) and spread (0.2) is fitted by least squares over its centre, which is free in [-1, 1]²; the
    height and the spread are not free. With $F$ the fitted bumps, scaled like the training set, the error is
    $100\,\lVert X - F\rVert_F / \lVert F\rVert_F$ over all images.

    The fit is a search on a grid of 41×41 centres, refined five times by a factor of ten around the best one.

    Args:
        x: square grey images in the scale of the training set.
        training: the training bumps, for their offset and scale.

    Raises:
        ValueError: if the images are not square with one channel, or not finite.
    """
    check_kind("training", training, Dataset, "give the training bumps, such as vrrae_lab.data.bumps()")
    scaled = as_numbers("x", x)
    if scaled.ndim != 4 or len(scaled) == 0 or scaled.shape[1] != scaled.shape[2] or scaled.shape[3] != 1:
        raise ValueError(f"the images have shape {scaled.shape}: bumps are (batch, size, size, 1)")
    if not np.isfinite(scaled).all():
        raise ValueError("the images contain NaN or infinity: the model that made them has diverged")
    raw = scaled[..., 0] * training.scale + training.offset
    centres = np.zeros((len(raw), 2))
    step = 0.05
    offsets = np.arange(-20, 21)
    for _ in range(6):
        candidates = np.clip(centres[:, :, None] + step * offsets, -1, 1)
        centres = _best_centres(raw, candidates[:, 0], candidates[:, 1])
        step, offsets = step / 10, np.arange(-10, 11)
    fitted = (bump_images(centres, raw.shape[1]) - training.offset) / training.scale
    return relative_error(fitted, scaled[..., 0])


def _best_centres(
    raw: Float[np.ndarray, "batch size size"], u: Float[np.ndarray, "batch n"], v: Float[np.ndarray, "batch n"]
) -> Float[np.ndarray, "batch 2"]:
    """Of the candidate centres (u_i, v_j) of each image, the one whose bump has the least squared distance."""
    grid = np.linspace(-1, 1, raw.shape[1])
    # a bump is the product of a factor along the rows and one along the columns, so its correlation with an image is
    # a product of three small matrices
    along_u, along_v = (np.exp(-((grid - c[:, :, None]) ** 2) / (2 * SPREAD**2)) for c in (u, v))
    correlation = along_v @ raw @ along_u.transpose(0, 2, 1)
    squares = (along_v**2).sum(-1)[:, :, None] * (along_u**2).sum(-1)[:, None, :]
    best = (squares - 2 * correlation).reshape(len(raw), -1).argmin(axis=1)
    row, column = np.divmod(best, u.shape[1])
    every = np.arange(len(raw))
    return np.stack([u[every, column], v[every, row]], axis=-1)


def straightness(path: Float[np.ndarray, "count rank"] | Float[Array, "count rank"]) -> tuple[float, float]:
    """How straight a sequence of points is.

    Returns:
        The share of its variance along its first principal direction (1: a straight line), and the share of its steps
        along that direction that go the same way as the majority (1: never turns back).

    Raises:
        ValueError: if there are fewer than 3 points, they all coincide, are not finite or not a matrix.
    """
    points = as_rows("path", path)
    if len(points) < 3:
        raise ValueError(f"the path has {len(points)} points: straightness needs 3 or more")
    _, singular_values, directions = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    if singular_values[0] == 0:
        raise ValueError("all points of the path coincide: it has no direction")
    steps = np.diff(points @ directions[0])
    forward = float((steps > 0).mean())
    return float(singular_values[0] ** 2 / (singular_values**2).sum()), max(forward, float((steps < 0).mean()))
