"""Figures: what is in them, pixel by pixel and trace by trace; none is displayed."""

import base64
import io
import math

import jax.numpy as jnp
import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from vrrae_lab import figures

RNG = np.random.default_rng(0)


def picture(figure: go.Figure) -> np.ndarray:
    """The pixels of the one image of a figure."""
    (trace,) = figure.data
    assert isinstance(trace, go.Image)
    kind, encoded = trace.source.split(",", 1)
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))


# ---- pixels


def test_grey_images_go_through_cividis() -> None:
    pixels = figures.to_pixels(np.array([-3.0, 0.0, 1.0]).reshape(1, 1, 3, 1))
    assert pixels.shape == (1, 1, 3, 3) and pixels.dtype == np.uint8
    # the ends of the map: dark blue and yellow
    np.testing.assert_allclose(pixels[0, 0, 0].astype(int), [0, 32, 76], atol=3)
    np.testing.assert_allclose(pixels[0, 0, 2].astype(int), [254, 232, 56], atol=3)
    brightness = figures.to_pixels(np.linspace(0, 1, 50).reshape(1, 1, 50, 1))[0, 0].astype(float) @ [0.2, 0.7, 0.1]
    assert (np.diff(brightness) > 0).all()


def test_colour_images_are_shown_as_they_are() -> None:
    images = np.array([0.0, 0.2, 1.0]).reshape(1, 1, 1, 3)
    np.testing.assert_array_equal(figures.to_pixels(images, (0.0, 1.0)), [[[[0, 51, 255]]]])
    np.testing.assert_array_equal(figures.to_pixels(jnp.asarray(images), (0.0, 1.0)), [[[[0, 51, 255]]]])


def test_limits_are_the_extremes_of_all_images_unless_given() -> None:
    images = np.array([0.0, 1.0, 2.0, 4.0]).reshape(2, 1, 2, 1).repeat(3, axis=3)
    np.testing.assert_array_equal(figures.to_pixels(images)[..., 0].ravel(), [0, 64, 128, 255])
    np.testing.assert_array_equal(figures.to_pixels(images, (0.0, 2.0))[..., 0].ravel(), [0, 128, 255, 255])
    np.testing.assert_array_equal(figures.to_pixels(images, (1.0, 9.0))[..., 0].ravel(), [0, 0, 32, 96])


def test_flat_and_missing_values_are_dark() -> None:
    flat = figures.to_pixels(np.full((1, 2, 2, 3), 7.0))
    np.testing.assert_array_equal(flat, 0)
    images = np.array([np.nan, 1.0, 2.0]).reshape(1, 1, 3, 1).repeat(3, axis=3)
    np.testing.assert_array_equal(figures.to_pixels(images)[0, 0, :, 0], [0, 0, 255])


@pytest.mark.parametrize("channels", [2, 4])
def test_other_channels_are_refused(channels: int) -> None:
    with pytest.raises(ValueError, match=f"the images have {channels} channels: only 1 .* or 3"):
        figures.to_pixels(np.zeros((1, 4, 4, channels)))
    with pytest.raises(ValueError, match=f"{channels} channels"):
        figures.image_grid(np.zeros((1, 4, 4, channels)), 1)


@pytest.mark.parametrize(("count", "columns", "gap"), [(6, 3, 1), (5, 3, 1), (1, 1, 1), (2, 5, 2), (4, 1, 0)])
def test_tiles_lie_row_by_row_between_white_lines(count: int, columns: int, gap: int) -> None:
    pixels = RNG.integers(0, 255, size=(count, 3, 4, 3), dtype=np.uint8)  # none is white
    sheet = figures.tile(pixels, columns, gap)
    rows = math.ceil(count / columns)
    assert sheet.shape == (rows * 3 + (rows - 1) * gap, columns * 4 + (columns - 1) * gap, 3)
    covered = np.zeros(sheet.shape[:2], bool)
    for i in range(count):
        top, left = (3 + gap) * (i // columns), (4 + gap) * (i % columns)
        np.testing.assert_array_equal(sheet[top : top + 3, left : left + 4], pixels[i])
        covered[top : top + 3, left : left + 4] = True
    assert (sheet[~covered] == 255).all()


@pytest.mark.parametrize("magnify", [1, 3])
def test_png_magnifies_each_pixel(magnify: int) -> None:
    pixels = RNG.integers(0, 256, size=(4, 5, 3), dtype=np.uint8)
    decoded = np.asarray(Image.open(io.BytesIO(figures.png(pixels, magnify))))
    assert decoded.shape == (4 * magnify, 5 * magnify, 3)
    for row in range(4 * magnify):
        for column in range(5 * magnify):
            np.testing.assert_array_equal(decoded[row, column], pixels[row // magnify, column // magnify])


# ---- grids of images


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("limits", [None, (0.2, 0.8)])
def test_image_grid_shows_the_pixels(channels: int, limits: tuple[float, float] | None) -> None:
    images = RNG.random((5, 6, 7, channels))
    figure = figures.image_grid(images, 3, limits=limits)
    np.testing.assert_array_equal(picture(figure), figures.tile(figures.to_pixels(images, limits), 3))
    assert not figure.layout.yaxis.showticklabels


def test_image_grid_names_its_rows() -> None:
    figure = figures.image_grid(np.zeros((6, 8, 8, 1)), 3, title="Six", row_names=["first", "second"])
    axis = figure.layout.yaxis
    assert list(axis.ticktext) == ["first", "second"] and axis.showticklabels
    # the middle of each row of images, which are 8 pixels and a line apart
    np.testing.assert_allclose(axis.tickvals, [4.5, 13.5])
    assert figure.layout.title.text == "Six"


def test_image_grid_keeps_the_pixels_square() -> None:
    wide = figures.image_grid(np.zeros((8, 4, 4, 1)), 8, width=400)
    tall = figures.image_grid(np.zeros((8, 4, 4, 1)), 1, width=400)
    assert wide.layout.width == tall.layout.width == 400
    for figure in (wide, tall):
        height, width, _ = picture(figure).shape
        drawn_width = 400 - figure.layout.margin.l - figure.layout.margin.r
        assert figure.layout.height == pytest.approx(60 + drawn_width * height / width, abs=1)


# ---- planes, curves, points


def test_latent_plane_has_a_panel_per_model() -> None:
    planes = {"VAE": RNG.normal(size=(9, 2)), "VRRAE": RNG.normal(size=(9, 2))}
    paths = {name: RNG.normal(size=(4, 2)) for name in planes}
    figure = figures.latent_plane(planes, paths=paths, title="Planes", axis_names=("first", "second"))
    assert isinstance(figure, go.Figure) and len(figure.data) == 4
    assert [note.text for note in figure.layout.annotations] == ["VAE", "VRRAE"]
    for i, name in enumerate(planes):
        points, path = figure.data[2 * i], figure.data[2 * i + 1]
        assert points.mode == "markers" and path.mode == "lines"
        np.testing.assert_array_equal(np.stack([points.x, points.y], axis=1), planes[name])
        np.testing.assert_array_equal(np.stack([path.x, path.y], axis=1), paths[name])
        assert points.xaxis == path.xaxis == ("x" if i == 0 else "x2")
    assert [trace.showlegend for trace in figure.data] == [True, True, False, False]
    assert figure.layout.xaxis.title.text == figure.layout.xaxis2.title.text == "first"
    assert figure.layout.yaxis.title.text == "second" and figure.layout.title.text == "Planes"


def test_latent_plane_without_paths_coloured() -> None:
    colour = np.arange(5.0)
    figure = figures.latent_plane({"AE": RNG.normal(size=(5, 2))}, colour=colour)
    (points,) = figure.data
    np.testing.assert_array_equal(points.marker.color, colour)


def test_training_curves_hold_the_values() -> None:
    curves = {"VAE": np.array([3.0, 2.0, 1.0]), "AE": np.array([5.0, 4.0])}
    figure = figures.training_curves(curves, title="Loss", quantity="error")
    assert [trace.name for trace in figure.data] == ["VAE", "AE"]
    for trace, values in zip(figure.data, curves.values(), strict=True):
        np.testing.assert_array_equal(trace.y, values)
        np.testing.assert_array_equal(trace.x, range(1, len(values) + 1))
    assert figure.layout.yaxis.type == "log" and figure.layout.yaxis.title.text == "error"
    assert len({trace.line.color for trace in figure.data}) == 2


def test_training_curves_at_given_steps() -> None:
    figure = figures.training_curves({"VAE": np.array([3.0, 2.0])}, steps=[1, 500])
    assert list(figure.data[0].x) == [1, 500]


def test_lines_stand_where_they_belong_on_the_asked_axes() -> None:
    x = np.array([0.1, 1.0, 10.0])
    figure = figures.lines({"a": np.array([1.0, 2.0, 3.0]), "b": np.ones(2)}, x, x_name="gap", log_x=True)
    np.testing.assert_array_equal(figure.data[0].x, x)
    np.testing.assert_array_equal(figure.data[1].x, x[:2])
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "linear")
    assert figure.layout.xaxis.title.text == "gap"
    assert figure.layout.xaxis.exponentformat == "power"  # one millionth is 10⁻⁶ on an axis, not 1μ


def test_more_curves_than_colours() -> None:
    curves = {str(i): np.ones(2) for i in range(len(figures.PALETTE) + 1)}
    assert figures.training_curves(curves).data[-1].line.color == figures.PALETTE[0]


def test_seed_strip_shows_each_seed_the_means_and_the_floors() -> None:
    figure = figures.seed_strip(
        {"AE": [1.0, 3.0], "VAE": [4.0]}, title="Errors", floors={"nearest": 16.8, "linear": 2.0}
    )
    means, points = figure.data
    assert dict(zip(means.x, means.y, strict=True)) == {"AE": 2.0, "VAE": 4.0}
    assert list(zip(points.x, points.y, strict=True)) == [("AE", 1.0), ("AE", 3.0), ("VAE", 4.0)]
    assert [line.y0 for line in figure.layout.shapes] == [line.y1 for line in figure.layout.shapes] == [16.8, 2]
    assert [note.text for note in figure.layout.annotations] == ["nearest", "linear"]
    assert figure.layout.yaxis.title.text == "error (%)"


@pytest.mark.parametrize(
    ("floors", "places"),
    [
        ({"a": 10.0, "b": 20.0}, {"a": "top right", "b": "top right"}),
        ({"a": 19.5, "b": 20.0}, {"a": "bottom right", "b": "top right"}),
        ({"a": 19.5, "b": 20.0, "c": 17.8}, {"b": "top right", "a": "bottom right", "c": "top left"}),
        ({"a": 19.5, "b": 20.0, "c": 19.0, "d": 5.0}, {"b": "top right", "a": "bottom right", "c": "top left"}),
    ],
)
def test_labels_of_near_floors_do_not_cover_each_other(floors: dict[str, float], places: dict[str, str]) -> None:
    figure = figures.seed_strip({"AE": [1.0]}, floors=floors)
    corner = {("bottom", "right"): "top right", ("top", "right"): "bottom right", ("bottom", "left"): "top left"}
    found = {note.text: corner[note.yanchor, note.xanchor] for note in figure.layout.annotations}
    assert found == {"d": "top right"} | places if "d" in floors else found == places


def test_seed_strip_leaves_out_a_model_without_values() -> None:
    means, points = figures.seed_strip({"AE": [], "VAE": [4.0]}).data
    assert list(means.x) == list(points.x) == ["VAE"]


def test_bars_are_grouped_by_coefficient() -> None:
    figure = figures.bars({"VAE": [0.5, 0.0], "VRRAE": [1.0, 2.0, 3.0]}, quantity="KL (nats)")
    assert [(trace.name, list(trace.x), list(trace.y)) for trace in figure.data] == [
        ("VAE", ["1", "2"], [0.5, 0.0]),
        ("VRRAE", ["1", "2", "3"], [1.0, 2.0, 3.0]),
    ]
    assert figure.layout.yaxis.title.text == "KL (nats)" and figure.layout.xaxis.title.text == "coefficient"


def test_figures_are_ready_for_a_page() -> None:
    for figure in (
        figures.image_grid(RNG.random((2, 8, 8, 1)), 2),
        figures.latent_plane({"AE": RNG.normal(size=(5, 2))}),
        figures.training_curves({"AE": np.ones(3)}),
        figures.seed_strip({"AE": [1.0]}),
        figures.bars({"AE": [1.0]}),
    ):
        assert isinstance(figure, go.Figure)
        assert figure.layout.width > 100 and figure.layout.height > 100
        assert "<div" in figure.to_html(include_plotlyjs=False, full_html=False)


# ---- heat maps and lines


def test_heat_maps_show_every_value_with_threshold_lines() -> None:
    share = np.array([[0.0, 0.5, 1.0], [0.25, np.nan, 1.0]])
    error = np.array([[3.0, 4.0, 90.0], [5.0, np.nan, 91.0]])
    figure = figures.heat_maps(
        {"share": share, "error": error},
        x=[1.0, 10.0, 1000.0],
        y=[1e-4, 1e-3],
        limits={"share": (0.0, 1.0)},
        lines={"first": 10.0**0.5, "second": 100.0, "at the edge": 1000.0, "beyond": 1e7},
        title="map",
        axis_names=("β", "rate"),
    )
    first, second = figure.data
    np.testing.assert_array_equal(first.z, share)
    np.testing.assert_array_equal(second.z, error)
    assert (first.zmin, first.zmax, second.zmin) == (0.0, 1.0, None)
    assert [list(row) for row in first.text] == [["0", "0.5", "1"], ["0.25", "", "1"]]
    assert first.colorscale[0][1] == second.colorscale[0][1] == "#00224e"  # cividis
    # in logarithms: halfway between the first two cells, halfway between the next two, on the last, nowhere
    assert [shape.x0 for shape in figure.layout.shapes] == pytest.approx([0.5, 1.5, 2.0] * 2)
    assert all(shape.x0 == shape.x1 for shape in figure.layout.shapes)
    texts = [note.text for note in figure.layout.annotations]
    assert texts.count("first") == texts.count("second") == 2 and "beyond" not in texts
    assert list(figure.layout.xaxis.ticktext) == ["1", "10", "1e+03"]
    assert list(figure.layout.yaxis2.ticktext) == ["0.0001", "0.001"]
    assert {"share", "error"} <= set(texts)


@pytest.mark.parametrize("x", [[0.0, 1.0], [2.0, 1.0], [-1.0, 1.0]])
def test_heat_maps_refuse_a_grid_without_logarithms(x: list[float]) -> None:
    with pytest.raises(ValueError, match="must be positive and rising"):
        figures.heat_maps({"a": np.zeros((1, 2))}, x=x, y=[1.0])


def test_lines_stand_at_even_places_and_repeat_colours_with_another_dash() -> None:
    curves = {f"model {i}": [1.0, None, 0.1] for i in range(9)}
    figure = figures.sweep_lines(curves, x=[0.0, 1e-3, 1.0], axis_names=("β", "σ"), logarithmic=True)
    assert [trace.name for trace in figure.data] == list(curves)
    assert list(figure.data[0].x) == [0, 1, 2] and list(figure.data[0].y) == [1.0, None, 0.1]
    assert list(figure.layout.xaxis.ticktext) == ["0", "0.001", "1"]
    assert (
        figure.layout.yaxis.type == "log"
        and figures.sweep_lines(curves, x=[0.0, 1.0, 2.0]).layout.yaxis.type == "linear"
    )
    looks = [(trace.line.color, trace.line.dash) for trace in figure.data]
    assert len(set(looks)) == 9 and looks[0][0] == looks[7][0]
