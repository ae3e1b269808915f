"""Kernel densities under the finger: of points in a plane, and AVAE's bandwidth by dimension and number of kernels."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from vrrae_lab import density, figures
from vrrae_lab.checks import as_numbers
from vrrae_lab.widgets.slider_picture import SliderPicture, View, float_slider

Points = Float[np.ndarray, "num_points dimension"] | Float[Array, "num_points dimension"]

NUM_CELLS = 80  # of the plane, per side
MAGNIFY = 5
INK, LIGHT = (213, 94, 0), (255, 255, 255)
MOST_POINTS = 1000
SELECTORS: dict[str, Callable[[Points], float]] = {
    "Scott": density.scott,
    "Silverman": density.silverman,
    "AVAE": density.avae_reference,
    "likelihood": density.likelihood_cross_validation,
    "least squares": density.least_squares_cross_validation,
}
LATENT_SIZES, NUM_CENTRES = (1, 200), (50, 50_000)  # those of the table


def kernel_density(points: Points) -> SliderPicture:
    """A slider for the bandwidth of kernels on points of a plane: their density, and how well each point is predicted
    by the others.

    The colours go from zero to the highest density in the picture. The caption names the bandwidths that the selectors
    of `density` choose; where one finds none, as it may among repeated points, it is left out.

    Args:
        points: one per row, two coordinates, from 2 to 1000 of them.

    Raises:
        ValueError: if the points are not of two dimensions, or too many, if they contain NaN or infinity, or if there
            are fewer than two different ones.
    """
    array = as_numbers("points", points).astype(np.float32)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"the points have shape {array.shape}: a picture needs two coordinates, one point per row")
    if len(array) > MOST_POINTS:
        raise ValueError(f"{len(array):,} points are more than a slider can follow: give at most {MOST_POINTS:,}")
    scale = density.points_scale(array)  # with its checks
    chosen = _selected(array)
    low, high = array.min(axis=0) - scale, array.max(axis=0) + scale
    middle, half = (low + high) / 2, float((high - low).max()) / 2  # a square, so that kernels look round
    ticks = (np.arange(NUM_CELLS) + 0.5) / NUM_CELLS * 2 - 1
    x, y = np.meshgrid(middle[0] + half * ticks, middle[1] - half * ticks)  # the second coordinate upwards
    cells = jnp.asarray(np.stack([x.ravel(), y.ravel()], axis=1), jnp.float32)
    centres, columns, rows = jnp.asarray(array), *_pixels(array, middle, half)
    names = ", ".join(f"{name} {h:.3g}" for name, h in chosen.items())

    def render(exponent: float) -> View:
        bandwidth = 10.0**exponent
        logs, score = _densities(cells, centres, bandwidth)
        heights = np.exp(np.asarray(logs) - float(logs.max())).reshape(NUM_CELLS, NUM_CELLS, 1)
        sheet = figures.to_pixels(heights[None], (0.0, 1.0))[0].repeat(MAGNIFY, axis=0).repeat(MAGNIFY, axis=1)
        _dot(sheet, rows, columns)
        caption = f"bandwidth {bandwidth:.3g}; leave-one-out log likelihood {float(score):.3f} nats per point"
        return View(figures.png(sheet), f"{caption}<br>chosen by {names}")

    start = round(math.log10(chosen["Scott"]), 2)
    slider = float_slider("log10 of h", math.log10(scale) - 1.5, math.log10(scale) + 0.5, value=start, step=0.02)
    return SliderPicture(render, [slider], width=NUM_CELLS * MAGNIFY, height=NUM_CELLS * MAGNIFY)


@jax.jit
def _densities(cells: Array, points: Array, bandwidth: float | Array) -> tuple[Array, Array]:
    """Log density of each cell, and the mean log density of each point under the kernels of the others."""
    kernels = density.KernelDensity(points, bandwidth, block_size=256)
    return kernels.log_density(cells), jnp.mean(kernels.leave_one_out())


def _selected(points: np.ndarray) -> dict[str, float]:
    found = {}
    for name, select in SELECTORS.items():
        try:
            found[name] = select(points)
        except ValueError:  # the points are sound, so this selector has no answer for them
            continue
    return found


def _pixels(points: np.ndarray, middle: np.ndarray, half: float) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of the points in the picture."""
    unit = (points - middle) / (2 * half) + 0.5
    size = NUM_CELLS * MAGNIFY
    return (unit[:, 0] * size).astype(int), ((1 - unit[:, 1]) * size).astype(int)


def _dot(sheet: UInt8[np.ndarray, "height width 3"], rows: np.ndarray, columns: np.ndarray) -> None:
    """Draw points of 3 by 3 pixels into a picture."""
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            sheet[np.clip(rows + down, 0, len(sheet) - 1), np.clip(columns + right, 0, sheet.shape[1] - 1)] = INK


def avae_bandwidth() -> SliderPicture:
    """Sliders for the dimension and the number of kernels: AVAE's bandwidth, its correction, and where that is on the
    surface of all of them.

    In the picture dimension rises to the right, and the number of kernels upwards, both by their logarithms; the
    brighter, the larger is the bandwidth before the correction. The lines are drawn where it is 0.2, 0.4, …
    """
    ends = [(math.log(low), math.log(high)) for low, high in (LATENT_SIZES, NUM_CENTRES)]
    unit = (np.arange(NUM_CELLS) + 0.5) / NUM_CELLS
    sizes, counts = (np.exp(low + (high - low) * unit) for low, high in ends)
    surface = np.array([[density.tabulated_bandwidth(float(n), float(m)) for n in sizes] for m in counts[::-1]])
    ground = figures.to_pixels(surface[None, ..., None], (0.0, float(surface.max())))[0]
    ground = _with_contours(ground, surface).repeat(MAGNIFY, axis=0).repeat(MAGNIFY, axis=1)

    def render(size_exponent: float, count_exponent: float) -> View:
        latent_size, num_centres = round(10.0**size_exponent), round(10.0**count_exponent)
        h = density.tabulated_bandwidth(latent_size, num_centres)
        corrected = density.corrected_bandwidth(h)
        right, up = (
            (math.log(value) - low) / (high - low)
            for value, (low, high) in zip((latent_size, num_centres), ends, strict=True)
        )
        sheet = ground.copy()
        _cross(sheet, round((1 - up) * (len(sheet) - 1)), round(right * (len(sheet) - 1)))
        return View(
            figures.png(sheet),
            f"dimension l = {latent_size}, kernels m = {num_centres:,}<br>bandwidth h = {h:.3f}<br>"
            f"corrected h/√(1+h²) = {corrected:.3f}<br>sample from a Gaussian of standard deviation "
            f"{math.sqrt(1 - corrected**2):.3f}<br>picture: l to the right, m upwards, lines at h = 0.2, 0.4, …",
        )

    sliders = [
        float_slider("log10 of l", *np.log10(LATENT_SIZES).tolist(), value=1.0, step=0.02),
        float_slider("log10 of m", *np.log10(NUM_CENTRES).tolist(), value=3.0, step=0.02),
    ]
    return SliderPicture(render, sliders, width=NUM_CELLS * MAGNIFY, height=NUM_CELLS * MAGNIFY)


def _with_contours(pixels: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """White where the level, in steps of 0.2, differs from that of the cell to the right or above."""
    level = np.floor(surface / 0.2)
    change = np.zeros(level.shape, bool)
    change[:, :-1] |= level[:, 1:] != level[:, :-1]
    change[1:] |= level[1:] != level[:-1]
    return np.where(change[..., None], np.array(LIGHT, np.uint8), pixels)


def _cross(sheet: np.ndarray, row: int, column: int) -> None:
    """Draw a cross of lines of 3 pixels over the whole picture."""
    sheet[max(row - 1, 0) : row + 2] = INK
    sheet[:, max(column - 1, 0) : column + 2] = INK
