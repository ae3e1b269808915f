"""The SVD layer under the finger: how much a rank keeps, and what a gradient does when singular values meet."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from vrrae_lab import figures
from vrrae_lab.checks import check_key, check_number, check_whole
from vrrae_lab.data.dataset import Dataset, check_data
from vrrae_lab.linalg import truncated_svd
from vrrae_lab.widgets.slider_picture import SliderPicture, View, float_slider, int_slider

WIDTH = 560


def truncation(data: Dataset, *, num_images: int = 8) -> SliderPicture:
    """A slider for the rank to which a data set's pixels are cut: images, their truncation, and what it leaves out.

    Args:
        data: its images, flattened, are the rows of the matrix that is decomposed.
        num_images: how many of them are shown, evenly spread over the set.

    Raises:
        ValueError: if `num_images` is not from 1 to the number of images.
    """
    check_data(data)
    check_whole("num_images", num_images)
    if not 1 <= num_images <= len(data):
        raise ValueError(f"num_images = {num_images}, but {data.name} has {len(data)} images: use 1 to {len(data)}")
    rows = data.x.reshape(len(data), -1)
    full = truncated_svd(jnp.asarray(rows), min(rows.shape))
    coefficients, basis, squares = (np.asarray(full.coefficients), np.asarray(full.basis), full.singular_values**2)
    energy = np.cumsum(np.asarray(squares)) / float(squares.sum())
    shown = np.linspace(0, len(data) - 1, num_images).astype(int)
    limits = data.value_range

    def render(rank: int) -> View:
        low_rank = coefficients[shown, :rank] @ basis[:, :rank].T
        parts = np.concatenate([rows[shown], low_rank, rows[shown] - low_rank + limits[0]])
        sheet = figures.tile(figures.to_pixels(parts.reshape(-1, *data.shape), limits), num_images)
        return View(
            figures.png(sheet, max(1, WIDTH // sheet.shape[1])),
            f"rank {rank} of {len(energy)} keeps {100 * energy[rank - 1]:.2f} % of the energy; error "
            f"{100 * np.sqrt(max(0.0, 1 - energy[rank - 1])):.1f} %<br>rows: images, their truncation, the difference",
        )

    height = round(WIDTH * 3 * data.shape[0] / (num_images * data.shape[1]))
    return SliderPicture(render, [int_slider("rank", 1, len(energy), value=2)], width=WIDTH, height=height)


def gradients_near_a_tie(gap: float | Float[Array, ""], *, key: Key[Array, ""]) -> dict[str, Float[Array, "12 8"]]:
    r"""Gradients through a truncated SVD of rank 3 whose first two singular values are 1 and 1 - `gap`.

    Two functions of 12 latents of size 8: a linear one of the low-rank product $U_k \alpha$, as in an RRAE, and a
    squared error of $U_k (\alpha + \epsilon)$ with noise per coefficient, as in a VRRAE.

    Args:
        gap: between the two, from 0 to 0.4.
        key: draws singular vectors, weights and noise.

    Returns:
        By name: the first by automatic differentiation of an SVD and by our rule; the second by our rule with and
        without the pairs inside the kept block.

    Raises:
        ValueError: if the gap is not from 0 to 0.4.
    """
    check_key(key)
    check_number("gap", gap)
    if not 0 <= gap <= 0.4:
        raise ValueError(f"gap = {gap}: use 0 to 0.4, where the two stay the largest")
    return _gradients_near_a_tie(gap, key)


@jax.jit
def _gradients_near_a_tie(gap: float | Float[Array, ""], key: Key[Array, ""]) -> dict[str, Float[Array, "12 8"]]:
    """With the arguments checked."""
    keys = jax.random.split(key, 4)
    left, right = (jnp.linalg.qr(jax.random.normal(k, (n, 8)))[0] for k, n in zip(keys[:2], (12, 8), strict=True))
    values = jnp.array([1, 1 - gap, 0.5, 0.25, 0.2, 0.15, 0.1, 0.05])
    latents = (left * values[None]) @ right.T
    weights, noise = jax.random.normal(keys[2], (12, 8)), 0.3 * jax.random.normal(keys[3], (12, 3))

    def product(decompose: Callable[[Array], tuple[Array, Array]]) -> Array:
        def function(latents: Array) -> Array:
            basis, coefficients = decompose(latents)
            return jnp.sum(weights * (coefficients @ basis.T))

        return jax.grad(function)(latents)

    def noisy(within_block: bool) -> Array:
        def function(latents: Array) -> Array:
            svd = truncated_svd(latents, 3, within_block=within_block)
            return jnp.sum(((svd.coefficients + noise) @ svd.basis.T - weights) ** 2)

        return jax.grad(function)(latents)

    def ours(latents: Array) -> tuple[Array, Array]:
        svd = truncated_svd(latents, 3, within_block=False)
        return svd.basis, svd.coefficients

    def automatic(latents: Array) -> tuple[Array, Array]:
        left, values, right = jnp.linalg.svd(latents, full_matrices=False)
        return right[:3].T, left[:, :3] * values[None, :3]

    return {
        "no noise, automatic": product(automatic),
        "no noise, our rule": product(ours),
        "noise, exact": noisy(True),
        "noise, kept pairs left out": noisy(False),
    }


def near_tie(*, key: Key[Array, ""]) -> SliderPicture:
    """A slider for the gap between two kept singular values; the four gradients of `gradients_near_a_tie` beside it.

    All have one scale of colours, which the largest of them just fills at a wide gap.
    """
    check_key(key)
    widest = max(float(jnp.abs(g).max()) for g in gradients_near_a_tie(0.4, key=key).values())
    limits = (-widest, widest)

    def render(exponent: float) -> View:
        gradients = gradients_near_a_tie(10.0**exponent, key=key)
        sheet = figures.tile(figures.to_pixels(np.stack(list(gradients.values()))[..., None], limits), 4, gap=2)
        norms = "".join(f"<br>{name}: {float(jnp.linalg.norm(g)):.3g}" for name, g in gradients.items())
        return View(
            figures.png(sheet, WIDTH // sheet.shape[1]), f"gap {10.0**exponent:.1e}; norms, left to right:{norms}"
        )

    slider = float_slider("log10 of gap", -10.0, -0.4, value=-0.4, step=0.1)
    return SliderPicture(render, [slider], width=WIDTH, height=round(WIDTH * 12 / 38))
