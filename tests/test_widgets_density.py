"""The widgets of kernel densities at the level of traits."""

import math

import numpy as np
import pytest
from support import widget_models

import vrrae_lab as vl
from vrrae_lab import density


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(30, 2)) * [1.0, 0.3] + [5.0, -2.0]


def test_the_selectors_choose_and_scott_is_the_start(points):
    widget = vl.widgets.density(points)
    single = points.astype(np.float32)
    assert widget.bandwidth == widget.choices["Scott"] == density.scott(single)
    assert widget.choices["likelihood"] == density.likelihood_cross_validation(single)
    assert widget.choices["AVAE"] == density.avae_reference(single)
    assert "Sheather–Jones" not in widget.choices  # of a plane
    np.testing.assert_array_equal(widget.points, points)
    line = vl.widgets.density(points[:, :1], bandwidth=0.3)
    assert line.bandwidth == 0.3
    assert line.choices["Sheather–Jones"] == density.improved_sheather_jones(single[:, :1])


def test_points_moved_in_the_page_are_chosen_for_again(points):
    widget = vl.widgets.density(points)
    # as the page does it: what was chosen goes at once, the points follow when they rest
    widget.set_state({"choices": {}})
    assert widget.choices == {}
    widget.set_state({"points": (2 * points).tolist()})
    assert widget.choices["Scott"] == pytest.approx(2 * density.scott(points), rel=1e-5) and widget.message == ""
    np.testing.assert_array_equal(widget.points, 2 * points)


def test_a_selector_without_an_answer_is_left_out():
    choices = vl.widgets.density(np.repeat([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], 5, axis=0)).choices
    assert "Scott" in choices and not {"likelihood", "least squares"} & set(choices)


@pytest.mark.parametrize(
    ("points", "remedy"),
    [
        (np.zeros((5, 3)) + np.arange(3), "all 5 points are equal"),
        (np.eye(3), "one or two coordinates"),
        (np.array([[0.0, np.nan], [1.0, 1.0]]), "NaN"),
        (np.zeros((1, 2)), "2 or more"),
        (np.arange(2002.0).reshape(1001, 2), "at most 1,000"),
    ],
)
def test_bad_points_are_refused_at_the_door_and_later(points, remedy):
    with pytest.raises(ValueError, match=remedy):
        vl.widgets.density(points)
    widget = vl.widgets.density(np.eye(2))
    with pytest.raises(ValueError, match=remedy):
        widget.points = points.tolist()
    with pytest.raises(ValueError, match="bandwidth = 0"):
        widget.bandwidth = 0.0


def test_the_surface_says_what_the_table_says():
    widget = vl.widgets.bandwidth_surface()
    assert (widget.latent_size, widget.num_centres) == (10, 1000)
    widget.latent_size, widget.num_centres = 100, 10_000
    h = density.tabulated_bandwidth(100, 10_000)
    assert widget.bandwidth == h and widget.corrected == pytest.approx(h / math.sqrt(1 + h**2))
    assert widget.prior_deviation == pytest.approx(1 / math.sqrt(1 + h**2))
    with pytest.raises(ValueError, match="latent_size = 201: the table goes from 1 to 200"):
        widget.latent_size = 201
    with pytest.raises(ValueError, match="num_centres = 49"):
        widget.num_centres = 49


def test_the_page_reads_the_bandwidth_between_entries_of_its_surface():
    """By both neighbours in both directions, as bandwidth_surface.tsx does."""
    surface = np.frombuffer(vl.widgets.bandwidth_surface()._surface, "<f4").reshape(65, 65)
    for size, count in ((1, 50), (3, 700), (10, 1000), (77, 20_000), (199, 49_000)):
        x, y = 64 * math.log(size) / math.log(200), 64 * math.log(count / 50) / math.log(1000)
        i, j = min(63, int(x)), min(63, int(y))
        u, v = x - i, y - j
        square = surface[j : j + 2, i : i + 2]
        found = np.array([1 - v, v]) @ square @ np.array([1 - u, u])
        assert math.exp(found) == pytest.approx(density.tabulated_bandwidth(size, count), abs=3e-4)


def test_each_is_one_widget_model_and_close_leaves_none(points):
    before = len(widget_models())
    made = [vl.widgets.density(points), vl.widgets.bandwidth_surface(), vl.widgets.collapse_map()]
    assert len(widget_models()) == before + 3
    for widget in made:
        widget.close()
    assert len(widget_models()) == before
