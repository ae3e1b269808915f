"""The widgets of kernel densities at the level of traits."""

import io
import math
import re

import numpy as np
import pytest
from PIL import Image
from scipy.special import logsumexp

import vrrae_lab as vl
from vrrae_lab import density
from vrrae_lab.widgets.densities import INK


def picture(widget):
    return np.asarray(Image.open(io.BytesIO(widget.image.value))).astype(int)


def inked(pixels):
    return (pixels == INK).all(axis=-1)


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    return rng.normal(size=(30, 2)) * [1.0, 0.3] + [5.0, -2.0]


def test_the_caption_has_the_leave_one_out_likelihood_and_the_selectors(points):
    widget = vl.widgets.kernel_density(points)
    widget.sliders[0].value = -0.4
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    h = 10**-0.4
    logs = np.where(np.eye(30), -np.inf, -squares / (2 * h**2))
    expected = (logsumexp(logs, axis=1) - math.log(29 * 2 * math.pi * h**2)).mean()
    found = float(re.search("likelihood (-?[0-9.]+) nats", widget.caption.value)[1])
    assert abs(found - expected) < 2e-3
    assert "bandwidth 0.398;" in widget.caption.value and widget.message.value == ""
    for name, select in (("Scott", density.scott), ("likelihood", density.likelihood_cross_validation)):
        assert f"{name} {select(points.astype(np.float32)):.3g}" in widget.caption.value


def test_the_picture_is_brightest_where_the_points_are(points):
    """One cluster of many points at the upper left, one of few at the lower right."""
    rng = np.random.default_rng(1)
    clusters = np.concatenate([rng.normal([-3, 3], 0.1, (40, 2)), rng.normal([3, -3], 0.1, (8, 2))])
    widget = vl.widgets.kernel_density(clusters)
    widget.sliders[0].value = 0.0
    pixels = picture(widget)
    half = len(pixels) // 2
    light = np.where(inked(pixels), 0, pixels.sum(axis=-1))
    corners = {(i, j): light[i * half :][:half, j * half :][:, :half].max() for i in (0, 1) for j in (0, 1)}
    assert corners[0, 0] > corners[1, 1] + 100 > max(corners[0, 1], corners[1, 0]) + 100
    points_at = inked(pixels)
    assert points_at[:half, :half].any() and points_at[half:, half:].any()
    assert not points_at[:half, half:].any() and not points_at[half:, :half].any()


def test_the_slider_starts_at_scott_and_goes_back_to_it(points):
    widget = vl.widgets.kernel_density(points)
    start = widget.image.value
    assert abs(10 ** widget.sliders[0].value / density.scott(points) - 1) < 0.03
    widget.sliders[0].value = widget.sliders[0].min
    assert widget.image.value != start
    widget.reset()
    assert widget.image.value == start


def test_a_selector_without_an_answer_is_left_out():
    repeated = np.repeat([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], 5, axis=0)
    caption = vl.widgets.kernel_density(repeated).caption.value
    assert "Scott" in caption and "likelihood 0" not in caption and "least squares" not in caption


@pytest.mark.parametrize(
    ("points", "remedy"),
    [
        (np.zeros((5, 3)), "two coordinates"),
        (np.array([[0.0, np.nan], [1.0, 1.0]]), "NaN"),
        (np.array([[0.0, np.inf], [1.0, 1.0]]), "infinity"),
        (np.zeros((1, 2)), "2 or more"),
        (np.zeros((4, 2)), "all 4 points are equal"),
        (np.zeros((1001, 2)), "at most 1,000"),
    ],
)
def test_bad_points_are_refused_with_a_remedy(points, remedy):
    with pytest.raises(ValueError, match=remedy):
        vl.widgets.kernel_density(points)


def test_avae_bandwidth_says_what_the_table_says():
    widget = vl.widgets.avae_bandwidth()
    widget.sliders[0].value, widget.sliders[1].value = 2.0, 4.0
    h = density.tabulated_bandwidth(100, 10_000)
    corrected = h / math.sqrt(1 + h**2)
    for part in (
        "l = 100, ",
        "m = 10,000",
        f"h = {h:.3f}",
        f" = {corrected:.3f}",
        f"{math.sqrt(1 - corrected**2):.3f}",
    ):
        assert part in widget.caption.value
    rows, columns = np.nonzero(inked(picture(widget)))
    size = len(picture(widget))
    row = np.bincount(rows).argmax()  # of the line from side to side
    column = np.bincount(columns).argmax()
    assert abs(column / size - math.log(100) / math.log(200)) < 0.01
    assert abs(1 - row / size - math.log(10_000 / 50) / math.log(1000)) < 0.01


def test_avae_bandwidth_reaches_both_ends_of_the_table():
    widget = vl.widgets.avae_bandwidth()
    for end in ("min", "max"):
        for slider in widget.sliders:
            slider.value = getattr(slider, end)
        assert widget.message.value == ""
        assert ("l = 1, kernels m = 50<" if end == "min" else "l = 200, kernels m = 50,000<") in widget.caption.value


def test_the_surface_brightens_with_the_dimension_and_darkens_with_the_number_of_kernels():
    widget = vl.widgets.avae_bandwidth()
    light = picture(widget)[..., 1]  # the green channel of cividis rises all along
    least, quarter, most = 3, len(light) // 4, len(light) - 3
    assert light[most, least] < light[most, 2 * quarter + 20] < light[most, most]
    assert light[least, quarter + 20] < light[most, quarter + 20]
