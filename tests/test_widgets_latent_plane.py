"""The latent plane at the level of traits, as a canvas and as sliders; tests/browser drags in it."""

import io
import subprocess
import sys
import threading
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageColor
from support import shown

import vrrae_lab as vl
from vrrae_lab.widgets.labelled_points import CLASS_COLOURS, MOST_POINTS
from vrrae_lab.widgets.latent_canvas import Canvas
from vrrae_lab.widgets.latent_drawing import SIZE
from vrrae_lab.widgets.latent_plane import ONE_AT_A_TIME, SliderBoard, _picture
from vrrae_lab.widgets.latent_points import NUM_STEPS, PER_SIDE

SIDE = 12  # of the images
KEY = jax.random.key(7)


class Linear(eqx.Module):
    """An encoder or a decoder that compiles at once."""

    matrix: jax.Array
    shape: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, x):
        return (x.reshape(len(x), -1) @ self.matrix).reshape(len(x), *self.shape)


def linear_model(bottleneck, latent_size):
    keys = jax.random.split(jax.random.key(1))
    encoder = Linear(jax.random.normal(keys[0], (SIDE * SIDE, latent_size)) / SIDE, (latent_size,))
    decoder = Linear(jax.random.normal(keys[1], (latent_size, SIDE * SIDE)), (SIDE, SIDE, 1))
    return vl.Autoencoder(encoder, bottleneck, decoder, (SIDE, SIDE, 1))


@pytest.fixture(scope="module")
def bumps():
    return vl.data.bumps(25, image_size=SIDE)


@pytest.fixture(scope="module")
def model(bumps):
    """Variational, with three coefficients."""
    bottleneck = vl.bottlenecks.VariationalLowRank(3, key=jax.random.key(0))
    return vl.freeze_basis(linear_model(bottleneck, 6), bumps.x)


@pytest.fixture(scope="module")
def deterministic():
    return linear_model(vl.bottlenecks.Identity(), 3)


@pytest.fixture(params=[False, True], ids=["canvas", "sliders"])
def plane(request, model, bumps):
    return vl.widgets.latent_plane(model, bumps, key=KEY, fallback=request.param)


def means(model, data):
    return np.asarray(model.encode(data.x).mean)


def ground(plane):
    """The picture of the plane, without the marker where that is not part of it."""
    png = plane.board.picture if isinstance(plane.board, Canvas) else plane.board.image.value
    return np.asarray(Image.open(io.BytesIO(png))).astype(int)


def expected(model, data, z, columns=1):
    """What the model decodes from coefficients, as one picture."""
    limits = (float(data.x.min()), float(data.x.max()))
    pixels = vl.figures.to_pixels(np.asarray(model.decode(jnp.asarray(z, jnp.float32))), limits)
    return vl.figures.tile(pixels, columns).astype(int)


def assert_shows(picture, pixels):
    """Up to rounding to 8 bits, which may fall either way."""
    assert np.abs(shown(picture).astype(int) - pixels).max() <= 2


def places(plane, points):
    """Rows and columns of positions in the picture."""
    left, right, bottom, top = plane.board.extent if isinstance(plane.board, Canvas) else plane._plane.extent
    columns = (points[:, 0] - left) / (right - left) * SIZE
    rows = (top - points[:, 1]) / (top - bottom) * SIZE
    return rows.astype(int), columns.astype(int)


# ------------------------------------------------------------------------------------------------ pointer and axes


def test_the_decoded_image_follows_the_pointer(plane, model, bumps):
    middle = means(model, bumps).mean(axis=0)
    assert_shows(plane.decoded, expected(model, bumps, middle[None]))
    before = plane.decoded.value
    plane.board.pointer = (0.7, -0.4)
    z = middle.copy()
    z[[plane.across.value, plane.up.value]] = 0.7, -0.4
    assert plane.decoded.value != before
    assert_shows(plane.decoded, expected(model, bumps, z[None]))
    for words in ("= 0.7", "= -0.4", "at their mean"):
        assert words in plane.caption.value
    assert plane.message.value == ""


def test_the_axes_are_offered_by_falling_spread_and_start_with_the_widest(plane, model, bumps):
    order = np.argsort(-means(model, bumps).std(axis=0)).tolist()
    assert [number for _, number in plane.across.options] == order
    assert [plane.across.value, plane.up.value] == order[:2]
    assert plane.across.options[0][0].startswith(f"coefficient {order[0] + 1} (spread ")


def test_another_axis_shows_other_points_and_puts_the_marker_at_their_mean(plane, model, bumps):
    before = ground(plane)
    plane.board.pointer = (0.1, 0.1)
    third = plane.across.options[2][1]
    plane.up.value = third
    middle = means(model, bumps).mean(axis=0)
    np.testing.assert_allclose(plane.board.pointer, middle[[plane.across.value, third]], atol=1e-6)
    assert not np.array_equal(ground(plane), before)
    assert_shows(plane.decoded, expected(model, bumps, middle[None]))


def test_choosing_one_coefficient_twice_swaps_the_axes(plane):
    first, second = plane.across.value, plane.up.value
    plane.across.value = second
    assert (plane.across.value, plane.up.value) == (second, first)
    plane.up.value = second
    assert (plane.across.value, plane.up.value) == (first, second)
    assert plane.message.value == ""


def test_both_forms_show_the_same_in_the_same_state(model, bumps):
    diagonal = vl.data.bumps_diagonal(20, SIDE)
    pair = [vl.widgets.latent_plane(model, bumps, key=KEY, path=diagonal, fallback=f) for f in (False, True)]
    for plane in pair:
        plane.samples["prior"].value = True
        plane.grid.value = True
        plane.board.picked = 3
        plane.start.click()
        plane.others.value = True
        plane.board.picked = 9
        plane.end.click()
        plane.board.pointer = (0.2, 0.3)
    canvas, sliders = pair
    for name in ("decoded", "pair", "strip"):
        np.testing.assert_array_equal(shown(getattr(canvas, name)), shown(getattr(sliders, name)), name)
    for name in ("caption", "legend", "pair_name", "strip_name", "message"):
        assert getattr(canvas, name).value == getattr(sliders, name).value, name
    rows, columns = np.nonzero((ground(canvas) != ground(sliders)).any(axis=-1))
    (row,), (column,) = places(canvas, np.array([[0.2, 0.3]]))
    assert 8 < np.hypot(rows - row, columns - column).max() < 13  # the marker alone


def test_the_sliders_move_the_pointer_and_follow_it(model, bumps):
    plane = vl.widgets.latent_plane(model, bumps, key=KEY, fallback=True)
    across, up = plane.board.sliders
    across.value = across.min
    assert plane.board.pointer == (across.min, up.value)
    z = means(model, bumps).mean(axis=0)
    z[[plane.across.value, plane.up.value]] = plane.board.pointer
    assert_shows(plane.decoded, expected(model, bumps, z[None]))
    plane.board.pointer = (0.25, -0.125)
    assert (across.value, up.value) == (0.25, -0.125)


def test_the_sliders_reach_as_far_as_the_picture(model, bumps):
    plane = vl.widgets.latent_plane(model, bumps, key=KEY, fallback=True)
    for name in ("prior", "kernel density"):
        plane.samples[name].value = True
        across, up = plane.board.sliders
        assert (across.min, across.max, up.min, up.max) == plane._plane.extent


# ------------------------------------------------------------------------------------------- points and their labels


def test_every_point_is_drawn_where_its_coefficients_are(model, bumps):
    plane = vl.widgets.latent_plane(model, bumps, key=KEY)
    points = np.frombuffer(plane.board.points, "<f4").reshape(-1, 2)
    z = means(model, bumps)
    np.testing.assert_allclose(points, z[:, [plane.across.value, plane.up.value]], atol=1e-6)
    rows, columns = places(plane, points)
    assert len(np.unique(rows)) > 10 and np.ptp(rows) > 0.8 * SIZE and np.ptp(columns) > 0.8 * SIZE
    np.testing.assert_array_equal(ground(plane)[rows, columns], np.tile(ImageColor.getrgb(CLASS_COLOURS[0]), (25, 1)))


@pytest.mark.parametrize(
    "labels", [np.arange(25) % 8, np.array(list("abcde") * 5), np.arange(25) % 2 == 0], ids=["8", "words", "two"]
)
def test_up_to_eight_classes_have_colours_of_their_own(model, bumps, labels):
    plane = vl.widgets.latent_plane(model, replace(bumps, labels=labels), key=KEY)
    classes, index = np.unique(labels, return_inverse=True)
    for colour, name in zip(CLASS_COLOURS, classes, strict=False):
        assert f"{colour}'>⬤</span> {name}" in plane.legend.value
    rows, columns = places(plane, np.frombuffer(plane.board.points, "<f4").reshape(-1, 2))
    colours = np.array([ImageColor.getrgb(c) for c in CLASS_COLOURS])[index]
    uncovered = (ground(plane)[rows, columns] == colours).all(axis=1)
    assert uncovered.mean() > 0.8  # but for points beneath another


@pytest.mark.parametrize(
    ("labels", "ends"),
    [
        (np.linspace(-1, 2, 25), "from -1 (dark blue) to 2 (yellow)"),
        (np.arange(25) // 9 / 2, "from 0 (dark blue) to 1 (yellow)"),
        (np.arange(25), "from 0 (dark blue) to 24 (yellow)"),
        (np.array(list("abcdefghijklmnopqrstuvwxy")), "from a (dark blue) to y (yellow)"),
    ],
    ids=["numbers", "three numbers", "many", "words"],
)
def test_numbers_and_many_classes_go_from_dark_to_bright(model, bumps, labels, ends):
    plane = vl.widgets.latent_plane(model, replace(bumps, labels=labels), key=KEY)
    assert ends in plane.legend.value
    rows, columns = places(plane, np.frombuffer(plane.board.points, "<f4").reshape(-1, 2))
    light = ground(plane)[rows, columns, 1]  # the green channel of cividis rises all along
    assert light[0] < 60 and light[-1] > 200 and (np.diff(light) >= 0).mean() > 0.8


def test_labels_that_are_no_vector_of_numbers_give_one_colour(model, bumps):
    for labels in (None, np.zeros((25, 2)), np.where(np.arange(25) == 3, np.nan, 1.0)):
        plane = vl.widgets.latent_plane(model, replace(bumps, labels=labels), key=KEY)
        assert "one colour" in plane.legend.value
    assert "NaN" in plane.legend.value


def test_a_large_set_is_thinned_evenly_and_says_so(deterministic):
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (2 * MOST_POINTS + 1, SIDE, SIDE, 1)).astype(np.uint8)
    data = vl.data.Dataset("noise <b>", x, np.arange(len(x)))
    plane = vl.widgets.latent_plane(deterministic, data, key=KEY)
    assert f"2,000 of {len(x):,} images of noise &lt;b&gt;, evenly spread" in plane.legend.value
    points = np.frombuffer(plane.board.points, "<f4").reshape(-1, 2)
    assert len(points) == MOST_POINTS
    plane.board.picked = MOST_POINTS - 1
    assert plane.pair_name.value == f"image {len(x) - 1}, label {len(x) - 1}, and decoded"
    z = means(deterministic, replace(data, x=x[-1:], labels=None))[0]
    np.testing.assert_allclose(points[-1], z[[plane.across.value, plane.up.value]], rtol=1e-5)


# -------------------------------------------------------------------------------------------------- picking, strips


def test_a_picked_point_shows_its_image_beside_its_decode(plane, model, bumps):
    plane.board.picked = 7
    both = np.concatenate([bumps.x[[7]], np.asarray(model.decode(means(model, bumps)[[7]]))])
    limits = (float(bumps.x.min()), float(bumps.x.max()))
    assert_shows(plane.pair, vl.figures.tile(vl.figures.to_pixels(both, limits), 2).astype(int))
    assert plane.pair_name.value == "image 7, and decoded"


def test_hovering_shows_a_point_and_leaving_it_the_picked_one_again(model, bumps):
    plane = vl.widgets.latent_plane(model, bumps, key=KEY)
    plane.board.picked = 7
    picked = plane.pair.value
    plane.board.hovered = 2
    assert plane.pair.value != picked and plane.pair_name.value.startswith("image 2,")
    plane.board.hovered = -1
    assert plane.pair.value == picked


def test_the_nearest_point_is_picked_and_gets_the_marker(plane, model, bumps):
    points = means(model, bumps)[:, [plane.across.value, plane.up.value]]
    plane.board.pointer = tuple(float(v) for v in points[11] + 1e-3)
    plane.nearest.click()
    assert plane.board.picked == 11
    np.testing.assert_allclose(plane.board.pointer, points[11], rtol=1e-6)


def test_the_other_coefficients_may_be_those_of_the_picked_point(plane, model, bumps):
    plane.board.picked = 7
    plane.others.value = True
    plane.board.pointer = (0.5, 0.5)
    z = means(model, bumps)[7].copy()
    z[[plane.across.value, plane.up.value]] = 0.5, 0.5
    assert_shows(plane.decoded, expected(model, bumps, z[None]))
    assert "those of image 7" in plane.caption.value
    before = plane.decoded.value
    plane.board.picked = 20
    assert plane.decoded.value != before  # without a move


def test_a_and_b_give_the_interpolation_of_their_images(plane, model, bumps):
    plain = ground(plane)
    plane.board.picked = 3
    plane.start.click()
    assert plane.strip.layout.display == "none" and not np.array_equal(ground(plane), plain)
    plane.board.picked = 21
    plane.end.click()
    (images,) = vl.explore.interpolate(model, bumps.x[[3]], bumps.x[[21]], NUM_STEPS)
    limits = (float(bumps.x.min()), float(bumps.x.max()))
    assert_shows(plane.strip, vl.figures.tile(vl.figures.to_pixels(images, limits), NUM_STEPS).astype(int))
    assert plane.strip.layout.display is None and "from A to B" in plane.strip_name.value


def test_marking_without_a_picked_point_says_what_to_do(plane):
    plane.start.click()
    assert "no point is picked" in plane.message.value
    plane.board.picked = 1
    plane.start.click()
    assert plane.message.value == ""


def test_a_painted_line_gives_a_strip_at_equal_distances(model, bumps):
    plane = vl.widgets.latent_plane(model, bumps, key=KEY)
    # all along one axis, and not evenly sampled
    plane.board.trail = [[0.0, 0.2], [0.05, 0.2], [0.1, 0.2], [1.0, 0.2]]
    z = np.tile(means(model, bumps).mean(axis=0), (NUM_STEPS, 1))
    z[:, plane.across.value], z[:, plane.up.value] = np.linspace(0, 1, NUM_STEPS), 0.2
    assert_shows(plane.strip, expected(model, bumps, z, NUM_STEPS))
    assert "painted" in plane.strip_name.value and plane.message.value == ""


# -------------------------------------------------------------------------------------- behind and over the points


def test_the_grid_is_what_is_decoded_at_the_middles_of_its_cells(model, bumps):
    plane = vl.widgets.latent_plane(model, bumps, key=KEY)
    plain = ground(plane)
    plane.grid.value = True
    left, right, bottom, top = plane.board.extent
    z = means(model, bumps).mean(axis=0)
    # the fourth cell from the left in the second row
    z[[plane.across.value, plane.up.value]] = (
        left + 3.5 / PER_SIDE * (right - left),
        top - 1.5 / PER_SIDE * (top - bottom),
    )
    cell = SIZE // PER_SIDE
    shown = ground(plane)[cell : 2 * cell, 3 * cell : 4 * cell][
        cell // SIDE // 2 :: cell // SIDE, cell // SIDE // 2 :: cell // SIDE
    ]
    close = (np.abs(shown - expected(model, bumps, z[None])) <= 2).all(axis=-1)
    assert close.mean() > 0.7  # but for what is drawn over it
    plane.grid.value = False
    np.testing.assert_array_equal(ground(plane), plain)


def test_a_path_is_drawn_through_its_coefficients(model, bumps):
    diagonal = vl.data.bumps_diagonal(30, SIDE)
    plane = vl.widgets.latent_plane(model, bumps, key=KEY, path=diagonal)
    line = means(model, diagonal)[1:-1, [plane.across.value, plane.up.value]]
    colour = ImageColor.getrgb(vl.figures.PALETTE[1])
    rows, columns = places(plane, line)
    assert (ground(plane)[rows, columns] == colour).all()
    without = ground(vl.widgets.latent_plane(model, bumps, key=KEY))
    assert not (without == colour).all(axis=-1).any()
    few = vl.widgets.latent_plane(model, bumps.take(3), key=KEY, path=diagonal)
    places_in_few = places(few, means(model, diagonal)[:, [few.across.value, few.up.value]])
    assert np.min(places_in_few) >= 0 and np.max(places_in_few) < SIZE  # all of it can be seen
    assert "orange line: the way of bumps_diagonal" in plane.legend.value


@pytest.mark.parametrize("name", ["prior", "Gaussian mixture", "kernel density"])
def test_one_key_gives_the_same_samples_and_another_others(model, bumps, name):
    drawn = []
    for key in (KEY, KEY, jax.random.key(8)):
        plane = vl.widgets.latent_plane(model, bumps, key=key)
        plain = ground(plane)
        plane.samples[name].value = True
        drawn.append(ground(plane))
        assert not np.array_equal(drawn[-1], plain)
        assert plane.message.value == "" and "samples of " in plane.legend.value
        plane.samples[name].value = False
        np.testing.assert_array_equal(ground(plane), plain)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_samples_have_the_moments_of_what_they_are_drawn_from(model, bumps):
    points = vl.widgets.latent_plane(model, bumps, key=KEY)._points
    z = means(model, bumps)
    prior = points.samples("prior")
    assert np.abs(prior.mean(axis=0)).max() < 0.2 and np.abs(prior.std(axis=0) - 1).max() < 0.15
    widened = np.sqrt(z.var(axis=0) + vl.density.avae_reference(z) ** 2)
    for name, spread in (("Gaussian mixture", z.std(axis=0)), ("kernel density", widened)):
        samples = points.samples(name)
        assert np.abs((samples.mean(axis=0) - z.mean(axis=0)) / spread).max() < 0.2
        assert np.abs(samples.std(axis=0) / spread - 1).max() < 0.15


def test_a_deterministic_model_has_no_prior(deterministic, bumps):
    plane = vl.widgets.latent_plane(deterministic, bumps, key=KEY)
    assert list(plane.samples) == ["Gaussian mixture", "kernel density"]


def test_samples_that_cannot_be_drawn_are_an_error_to_be_seen(plane, deterministic, bumps):
    same = replace(bumps, x=bumps.x[[0] * 4], labels=None)
    plane = vl.widgets.latent_plane(deterministic, same, key=KEY, fallback=isinstance(plane.board, SliderBoard))
    assert np.isfinite(plane._plane.extent).all()
    plane.samples["kernel density"].value = True
    assert "all 4 points are equal" in plane.message.value
    plane.samples["kernel density"].value = False
    assert plane.message.value == ""


def test_the_marker_stays_in_the_picture_when_samples_go(model, bumps):
    plane = vl.widgets.latent_plane(model, bumps, key=KEY)
    inside = list(plane.board.extent)
    plane.samples["prior"].value = True
    left, right, bottom, top = plane.board.extent
    assert left <= inside[0] and right >= inside[1] and (left, right) != tuple(inside[:2])
    plane.board.pointer = (left, top)
    plane.samples["prior"].value = False
    left, right, bottom, top = inside
    assert left <= plane.board.pointer[0] <= right and bottom <= plane.board.pointer[1] <= top


# ---------------------------------------------------------------------------------------------- what may go wrong


def test_a_move_during_a_redraw_is_not_undone(plane, model, bumps, monkeypatch):
    draw = plane._points.plane

    def interrupted(scene):
        drawn = draw(scene)
        plane.board.pointer = (0.5, 0.25)  # as from another thread of the kernel
        return drawn

    monkeypatch.setattr(plane._points, "plane", interrupted)
    plane.grid.value = True
    assert plane.board.pointer == (0.5, 0.25)
    z = means(model, bumps).mean(axis=0)
    z[[plane.across.value, plane.up.value]] = 0.5, 0.25
    assert_shows(plane.decoded, expected(model, bumps, z[None]))


def test_one_thread_waits_for_another(plane):
    before = plane.decoded.value
    thread = threading.Thread(target=setattr, args=(plane.board, "pointer", (0.5, 0.25)))
    with ONE_AT_A_TIME:
        thread.start()
        thread.join(0.3)
        assert thread.is_alive() and plane.decoded.value == before
    thread.join()
    assert plane.decoded.value != before


def test_bad_input_is_refused_with_a_remedy(model, bumps):
    unfrozen = linear_model(vl.bottlenecks.LowRank.of_rank(2), 6)
    with pytest.raises(ValueError, match="freeze_basis"):
        vl.widgets.latent_plane(unfrozen, bumps, key=KEY)
    with pytest.raises(ValueError, match="shape"):
        vl.widgets.latent_plane(model, vl.data.bumps(25, image_size=16), key=KEY)
    with pytest.raises(ValueError, match="shape"):
        vl.widgets.latent_plane(model, bumps, key=KEY, path=vl.data.bumps_diagonal(5, 16))
    with pytest.raises(ValueError, match="no samples"):
        vl.widgets.latent_plane(model, replace(bumps, x=bumps.x[:0], labels=None), key=KEY)
    with pytest.raises(ValueError, match="needs two"):
        vl.widgets.latent_plane(linear_model(vl.bottlenecks.Identity(), 1), bumps, key=KEY)
    with pytest.raises(ValueError, match="diverged"):
        vl.widgets.latent_plane(model, replace(bumps, x=bumps.x * np.nan), key=KEY)


def test_sliders_are_taken_where_anywidget_is_missing(model, bumps, monkeypatch):
    monkeypatch.setitem(sys.modules, "vrrae_lab.widgets.latent_canvas", None)
    assert isinstance(vl.widgets.latent_plane(model, bumps, key=KEY).board, SliderBoard)


def test_anywidget_is_not_imported_before_it_is_used():
    program = "import sys, vrrae_lab.widgets; print('anywidget' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


def test_the_canvas_is_a_module_of_its_own_that_imports_nothing():
    source = str(Canvas._esm)
    assert "export default" in source and "import" not in source and "http" not in source


@pytest.mark.parametrize(("height", "on_the_page"), [(160, 80), (64, 64), (28, 56)])
def test_large_images_are_scaled_down_to_their_place(height, on_the_page):
    strip = _picture(80, height, 10 * height, "a strip", Canvas())
    assert strip.magnify * height == on_the_page
