"""The widgets of the SVD layer at the level of traits."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import vrrae_lab as vl


@pytest.fixture(scope="module")
def bumps():
    return vl.data.bumps(16, image_size=16)


def rows_of_pictures(widget, size, num_images):
    """The shown sheet as (rows, images, size, size, 3) RGB pixels."""
    sheet = np.asarray(Image.open(io.BytesIO(widget.image.value)))
    magnify = (sheet.shape[1]) // (num_images * (size + 1) - 1)
    sheet = sheet[::magnify, ::magnify]
    grid = range(0, sheet.shape[0], size + 1), range(0, sheet.shape[1], size + 1)
    return np.array([[sheet[top : top + size, left : left + size] for left in grid[1]] for top in grid[0]])


def test_truncation_shows_the_best_approximation_and_what_it_leaves_out(bumps):
    widget = vl.widgets.truncation(bumps, num_images=4)
    widget.sliders[0].value = 5
    matrix = bumps.x.reshape(16, -1).astype(float)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    best = ((left[:, :5] * values[:5]) @ right[:5])[[0, 5, 10, 15]].reshape(4, 16, 16, 1)
    shown = bumps.x[[0, 5, 10, 15]]
    low, high = float(bumps.x.min()), float(bumps.x.max())
    expected = [vl.figures.to_pixels(part, (low, high)) for part in (shown, best, shown - best + low)]
    found = rows_of_pictures(widget, 16, 4)
    assert found.shape == (3, 4, 16, 16, 3)
    assert np.abs(found.astype(int) - np.array(expected)).max() <= 4  # float32 may fall into the next colour
    energy = (values[:5] ** 2).sum() / (values**2).sum()
    assert f"keeps {100 * energy:.2f} %" in widget.caption.value
    assert f"error {100 * np.sqrt(1 - energy):.1f} %" in widget.caption.value


def test_truncation_at_full_rank_leaves_nothing_out(bumps):
    widget = vl.widgets.truncation(bumps, num_images=4)
    widget.sliders[0].value = widget.sliders[0].max
    images, truncated, difference = rows_of_pictures(widget, 16, 4).astype(int)
    assert widget.sliders[0].max == 16
    assert np.abs(images - truncated).max() <= 2
    assert np.ptp(difference, axis=(0, 1, 2)).max() <= 2
    widget.reset()
    assert widget.sliders[0].value == 2


def test_truncation_refuses_more_images_than_there_are(bumps):
    with pytest.raises(ValueError, match="num_images = 17"):
        vl.widgets.truncation(bumps, num_images=17)


@pytest.mark.usefixtures("x64")
def test_only_the_exact_gradient_with_noise_grows_as_the_gap_closes():
    norms = {
        gap: {
            name: float(jnp.linalg.norm(g))
            for name, g in vl.widgets.gradients_near_a_tie(gap, key=jax.random.key(1)).items()
        }
        for gap in (1e-3, 1e-6)
    }
    growth = {name: norms[1e-6][name] / norms[1e-3][name] for name in norms[1e-6]}
    assert 900 < growth.pop("noise, exact") < 1100
    assert len(growth) == 3 and all(0.9 < value < 1.1 for value in growth.values())


@pytest.mark.usefixtures("x64")
def test_gradients_near_a_tie_are_gradients():
    """Of the two functions, by central differences along a random direction: where no singular values are close."""
    key, h = jax.random.key(2), 1e-6
    gradients = vl.widgets.gradients_near_a_tie(0.25, key=key)
    np.testing.assert_allclose(gradients["no noise, automatic"], gradients["no noise, our rule"], rtol=1e-9)
    # the derivative by the gap itself, which moves the second singular value alone
    keys = jax.random.split(key, 4)
    left, right = (
        np.asarray(jnp.linalg.qr(jax.random.normal(k, (n, 8)))[0]) for k, n in zip(keys[:2], (12, 8), strict=True)
    )
    weights, noise = (
        np.asarray(jax.random.normal(keys[2], (12, 8))),
        0.3 * np.asarray(jax.random.normal(keys[3], (12, 3))),
    )

    def noisy(latents):
        svd = vl.linalg.truncated_svd(jnp.asarray(latents), 3)
        return float(jnp.sum(((svd.coefficients + noise) @ svd.basis.T - weights) ** 2))

    def latents(gap):
        return (left * [1, 1 - gap, 0.5, 0.25, 0.2, 0.15, 0.1, 0.05]) @ right.T

    by_gap = (noisy(latents(0.25 + h)) - noisy(latents(0.25 - h))) / (2 * h)
    assert abs(by_gap + left[:, 1] @ np.asarray(gradients["noise, exact"]) @ right[:, 1]) < 1e-5 * abs(by_gap)
    assert not np.allclose(gradients["noise, exact"], gradients["noise, kept pairs left out"], rtol=0.01)


def test_near_tie_shows_the_norms_and_a_changing_picture():
    widget = vl.widgets.near_tie(key=jax.random.key(0))
    start = widget.image.value
    widget.sliders[0].value = -3.0
    assert widget.image.value != start and widget.message.value == ""
    assert widget.caption.value.startswith("gap 1.0e-03")
    gradients = vl.widgets.gradients_near_a_tie(10.0**-3.0, key=jax.random.key(0))
    assert f"noise, exact: {float(jnp.linalg.norm(gradients['noise, exact'])):.3g}" in widget.caption.value
