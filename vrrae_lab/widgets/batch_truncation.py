"""What the SVD of a batch drops, which is decided by the size of the batch, under the finger."""

from functools import lru_cache

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from vrrae_lab import figures
from vrrae_lab.checks import check_at_least, check_key, check_memory
from vrrae_lab.widgets.raster import Axis, Sheet
from vrrae_lab.widgets.slider_picture import SliderPicture, View, int_slider

WIDTH, HEIGHT = 420, 280
MOST_IMAGES = 1024  # in a batch


def batch_truncation(latent_size: int, *, rank: int, batch_size: int, key: Key[Array, ""]) -> SliderPicture:
    """Sliders for the rank and the batch size: the share of white noise that the SVD of a batch drops, beside what one
    basis for all batches drops (claim 19; see `vrrae_lab.derivations`).

    Args:
        latent_size: the dimension of the latents.
        rank: where its slider starts, up to the latent size.
        batch_size: where its slider starts, up to 1024.
        key: draws the noise.

    Raises:
        ValueError: if a number is below 1, the rank above the latent size, the batch size above 1024, or there is no
            memory for the latent size.
    """
    numbers = {"latent_size": latent_size, "rank": rank, "batch_size": batch_size}
    for name, value in numbers.items():
        check_at_least(1, name, value)
    if rank > latent_size or batch_size > MOST_IMAGES:
        raise ValueError(f"{numbers}: use a rank up to the latent size and a batch size up to {MOST_IMAGES}")
    check_memory(12 * MOST_IMAGES * latent_size, f"noise of {latent_size:,} dimensions")  # in float32 and in float64
    check_key(key)
    noise = np.asarray(jax.random.normal(key, (MOST_IMAGES, latent_size)), float)
    ranks = np.arange(latent_size + 1)
    of_one_basis = 1 - ranks / latent_size

    @lru_cache
    def of_batch(batch_size: int) -> Float[np.ndarray, " ranks"]:
        """The share that is left out, by rank."""
        batch = noise[:batch_size]
        # of the smaller Gram matrix, as a slider cannot wait for an SVD
        energy = np.linalg.eigvalsh(batch @ batch.T if batch_size <= latent_size else batch.T @ batch)[::-1]
        beyond = energy.sum() - np.append(0, np.cumsum(energy))
        return np.pad(np.maximum(beyond, 0) / energy.sum(), (0, latent_size - len(energy)))  # rounding goes below 0

    def render(rank: int, batch_size: int) -> View:
        shares = of_batch(batch_size), of_one_basis
        names = (f"SVD of each batch of {batch_size}", "one basis for all")
        axes = [(Axis(0, latent_size, "rank"), Axis(0, 1))]
        sheet = Sheet(WIDTH, HEIGHT, ["share of white noise that is dropped"], axes)
        for share, colour in zip(shares, figures.PALETTE, strict=False):
            sheet.panels[0].line(ranks, share, colour)
            sheet.panels[0].dots([rank], share[[rank]], [colour], radius=5)
        sheet.panels[0].legend(names, figures.PALETTE[:2])
        lines = [f"{name} drops {100 * share[rank]:.1f} %" for name, share in zip(names, shares, strict=True)]
        return View(sheet.png(), f"rank {rank} of {latent_size}: the " + "<br>".join(lines))

    sliders = [
        int_slider("rank", 1, latent_size, value=rank),
        int_slider("batch size", 1, MOST_IMAGES, value=batch_size),
    ]
    return SliderPicture(render, sliders, width=WIDTH, height=HEIGHT)
