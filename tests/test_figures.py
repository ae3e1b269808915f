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


# ---- grids of images


def colours(images: np.ndarray, limits: tuple[float, float] | None = None) -> np.ndarray:
    """Of the pixels of images in one row, without the clear lines between them: (height, width, 3)."""
    shown = picture(figures.image_grid(images, len(images), limits=limits))
    return shown[:, (shown[..., 3] == 255).all(axis=0), :3]


def test_grey_images_go_through_the_perceptual_map() -> None:
    # its ends: deep violet and light yellow
    found = colours(np.array([-3.0, 0.0, 1.0]).reshape(1, 1, 3, 1))
    np.testing.assert_array_equal(found[0, [0, 2]], [[36, 20, 74], [252, 246, 185]])
    brightness = colours(np.linspace(0, 1, 50).reshape(1, 1, 50, 1))[0] @ [0.2, 0.7, 0.1]
    assert (np.diff(brightness) > 0).all()


def test_colour_images_are_shown_as_they_are() -> None:
    images = np.array([0.0, 0.2, 1.0]).reshape(1, 1, 1, 3)
    np.testing.assert_array_equal(colours(images, (0.0, 1.0)), [[[0, 51, 255]]])
    np.testing.assert_array_equal(colours(jnp.asarray(images), (0.0, 1.0)), [[[0, 51, 255]]])


def test_limits_are_the_extremes_of_all_images_unless_given() -> None:
    images = np.array([0.0, 1.0, 2.0, 4.0]).reshape(2, 1, 2, 1).repeat(3, axis=3)
    np.testing.assert_array_equal(colours(images)[..., 0].ravel(), [0, 64, 128, 255])
    np.testing.assert_array_equal(colours(images, (0.0, 2.0))[..., 0].ravel(), [0, 128, 255, 255])
    np.testing.assert_array_equal(colours(images, (1.0, 9.0))[..., 0].ravel(), [0, 0, 32, 96])


def test_flat_and_missing_values_are_dark() -> None:
    np.testing.assert_array_equal(colours(np.full((1, 2, 2, 3), 7.0)), 0)
    images = np.array([np.nan, 1.0, 2.0]).reshape(1, 1, 3, 1).repeat(3, axis=3)
    np.testing.assert_array_equal(colours(images)[0, :, 0], [0, 0, 255])


@pytest.mark.parametrize("channels", [2, 4])
def test_other_channels_are_refused(channels: int) -> None:
    with pytest.raises(ValueError, match=f"the images have {channels} channels: only 1 .* or 3"):
        figures.image_grid(np.zeros((1, 4, 4, channels)), 1)


@pytest.mark.parametrize(("count", "columns"), [(6, 3), (5, 3), (1, 1), (2, 5), (4, 1)])
def test_images_lie_row_by_row_between_clear_lines(count: int, columns: int) -> None:
    images = RNG.integers(0, 256, size=(count, 3, 4, 3)) / 255
    sheet = picture(figures.image_grid(images, columns, limits=(0, 1)))
    assert sheet.shape == (4 * math.ceil(count / columns) - 1, 5 * columns - 1, 4)
    covered = np.zeros(sheet.shape[:2], bool)
    for i in range(count):
        top, left = 4 * (i // columns), 5 * (i % columns)
        np.testing.assert_array_equal(sheet[top : top + 3, left : left + 4, :3], 255 * images[i])
        covered[top : top + 3, left : left + 4] = True
    np.testing.assert_array_equal(sheet[..., 3], 255 * covered)


def test_digits_are_ink_on_paper_and_large_images_smooth() -> None:
    images = np.array([0.0, 0.2, 1.0, 2.0]).reshape(1, 2, 2, 1)
    figure = figures.image_grid(images, 1, limits=(0, 1))
    np.testing.assert_array_equal(picture(figure)[..., 0], [[255, 204], [0, 0]])
    assert figure.data[0].zsmooth is False
    assert figures.image_grid(np.zeros((1, 28, 28, 1)), 1).data[0].zsmooth == "fast"


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


def points(figure: go.Figure) -> list[go.Scatter]:
    return [trace for trace in figure.data if trace.mode == "markers"]


def test_latent_plane_has_a_panel_per_model() -> None:
    planes = {"VAE": RNG.normal(size=(9, 2)), "VRRAE": RNG.normal(size=(9, 2))}
    paths = {name: RNG.normal(size=(4, 2)) for name in planes}
    figure = figures.latent_plane(planes, paths=paths, title="Planes", axis_names=("first", "second"))
    assert isinstance(figure, go.Figure) and len(figure.data) == 4
    assert [note.text for note in figure.layout.annotations] == ["VAE", "VRRAE"]
    for i, name in enumerate(planes):
        images, path = figure.data[2 * i], figure.data[2 * i + 1]
        assert images.mode == "markers" and path.mode == "lines"
        np.testing.assert_array_equal(np.stack([images.x, images.y], axis=1), planes[name])
        np.testing.assert_array_equal(np.stack([path.x, path.y], axis=1), paths[name])
        assert images.xaxis == path.xaxis == ("x" if i == 0 else "x2")
    assert [trace.showlegend for trace in figure.data] == [False, True, False, False]
    assert [trace.marker.color for trace in points(figure)] == [figures.MODELS["VAE"], figures.MODELS["VRRAE"]]
    assert figure.layout.xaxis.title.text == figure.layout.xaxis2.title.text == "first"
    assert figure.layout.yaxis.title.text == "second" and figure.layout.title.text == "Planes"


def test_latent_plane_of_values_has_a_scale_that_says_what_they_are() -> None:
    colour = np.arange(5.0) / 3
    figure = figures.latent_plane({"AE": RNG.normal(size=(5, 2))}, colour=colour, colour_name="x of the centre")
    (images,) = figure.data
    np.testing.assert_array_equal(images.marker.color, colour)
    assert images.marker.showscale and images.marker.colorbar.title.text == "x of the centre"


def test_latent_plane_of_classes_has_ten_colours_and_numerals_apart() -> None:
    classes = np.arange(10).repeat(20)
    planes = {"VAE": RNG.normal(size=(200, 2)), "prior": RNG.normal(size=(200, 2))}  # all middles near 0
    figure = figures.latent_plane(planes, colour={"VAE": classes})
    images, prior = points(figure)
    assert [images.marker.color[20 * c] for c in range(10)] == list(figures.PALETTE) and len(set(figures.PALETTE)) == 10
    assert prior.marker.color == figures.PALETTE[0]  # its own, as it has no classes
    (numerals,) = (trace for trace in figure.data if trace.mode == "text")
    assert list(numerals.text) == [str(c) for c in range(10)]
    places = np.stack([numerals.x, numerals.y], axis=1) / np.ptp(planes["VAE"], axis=0)
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2)[np.triu_indices(10, 1)]
    assert gaps.min() > 0.05


def test_a_term_that_turns_negative_stays_on_a_logarithmic_axis() -> None:
    values = {"loss": np.array([300.0, 20.0, 1.0]), "KL": np.array([50.0, 0.0, -0.5])}
    figure = figures.lines(values, [1, 2, 3], log_y=True, quantity="nats")
    loss, kl = figure.data
    assert figure.layout.yaxis.type == "linear"  # of heights that are logarithms themselves
    np.testing.assert_array_equal(kl.customdata, values["KL"])
    assert np.isfinite([*loss.y, *kl.y]).all() and kl.y[1] == 0
    order = np.argsort([*loss.y, *kl.y])
    np.testing.assert_array_equal(order, np.argsort([*values["loss"], *values["KL"]]))
    ticks = dict(zip(figure.layout.yaxis.ticktext, figure.layout.yaxis.tickvals, strict=True))
    assert ticks["0"] == 0 and "100" in ticks and "-0.1" in ticks
    low, high = figure.layout.yaxis.range
    assert low < min(kl.y) and high > max(loss.y)
    assert ticks["100"] - ticks["10"] == pytest.approx(1, abs=0.1)  # a decade


def test_positive_terms_have_plotly_s_logarithmic_axis() -> None:
    figure = figures.lines({"VAE": np.array([3.0, np.nan, 1.0]), "AE": np.array([5.0, 4.0])}, [1, 2, 500], log_y=True)
    assert figure.layout.yaxis.type == "log"
    np.testing.assert_array_equal(figure.data[0].y, [3.0, np.nan, 1.0])
    low, high = figure.layout.yaxis.range
    assert low < 0 and high > np.log10(5.0)


def test_names_stand_at_the_ends_of_lines_and_never_on_each_other() -> None:
    ends = {"VAE": 1.0, "VRRAE": 1.001, "RRAE": 0.999, "AE": 0.0, "beta 1": 0.5}
    figure = figures.lines({name: np.array([0.5, end]) for name, end in ends.items()}, [1, 2])
    notes = {note.text: note for note in figure.layout.annotations}
    assert set(notes) == {"VAE", "VRRAE", "RRAE", "AE", "β 1"}
    assert all(note.x == 1 and note.xanchor == "left" for note in notes.values())  # right of the plot: off every point
    places = sorted(note.y for note in notes.values())
    room = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    assert np.diff(places).min() * room > 13 and 0 <= places[0] and places[-1] <= 1
    assert notes["RRAE"].y < notes["VAE"].y < notes["VRRAE"].y
    assert notes["VRRAE"].font.color == figures.MODELS["VRRAE"]
    assert figure.layout.margin.r > 8 * 5 and not any(trace.showlegend for trace in figure.data)
    assert not figures.lines({"one": np.ones(2)}, [1, 2]).layout.annotations


def test_a_model_has_its_colour_whoever_is_beside_it() -> None:
    curves = {name: np.ones(2) for name in ("VRRAE, train", "VRRAE, test", "VAE (f = I)", "RRAE+VAE", "Long AE", "KL")}
    drawn = {trace.name: (trace.line.color, trace.line.dash) for trace in figures.lines(curves, [1, 2]).data}
    assert drawn["VRRAE, train"] == ("#d9480f", "solid") and drawn["VRRAE, test"] == ("#d9480f", "dash")
    assert drawn["VAE (f = I)"] == ("#2a6fbb", "solid") and drawn["KL"] == ("#7048e8", "solid")
    assert [drawn[name][0] for name in ("RRAE+VAE", "Long AE")] == list(figures.PALETTE[:2])
    names = [note.text for note in figures.lines(curves, [1, 2]).layout.annotations]
    assert "—— VRRAE, train" in names and "– – VRRAE, test" in names  # which of the two lines it is


def test_lines_stand_where_they_belong_on_the_asked_axes() -> None:
    x = np.array([0.1, 1.0, 10.0])
    figure = figures.lines({"a": np.array([1.0, 2.0, 3.0]), "b": np.ones(2)}, x, x_name="gap", log_x=True)
    np.testing.assert_array_equal(figure.data[0].x, x)
    np.testing.assert_array_equal(figure.data[1].x, x[:2])
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "linear")
    assert figure.layout.xaxis.title.text == "gap"
    ticks = dict(zip(figure.layout.xaxis.ticktext, figure.layout.xaxis.tickvals, strict=True))
    assert ticks["0.2"] == pytest.approx(0.2) and ticks["10"] == pytest.approx(10)
    wide = figures.lines({"a": np.ones(2)}, [1e-6, 1.0], log_x=True).layout.xaxis
    assert (wide.type, wide.exponentformat) == ("log", "power")  # one millionth is 10⁻⁶ on an axis, not 1μ


def test_seed_strip_shows_each_seed_the_means_and_the_floors() -> None:
    figure = figures.seed_strip(
        {"AE": [1.0, 3.0], "VAE": [4.0]}, title="Errors", floors={"nearest": 16.8, "linear": 2.0}
    )
    means, seeds = figure.data
    assert dict(zip(means.x, means.y, strict=True)) == {"AE": 2.0, "VAE": 4.0}
    assert list(zip(seeds.x, seeds.y, strict=True)) == [("AE", 1.0), ("AE", 3.0), ("VAE", 4.0)]
    assert [line.y0 for line in figure.layout.shapes] == [line.y1 for line in figure.layout.shapes] == [16.8, 2]
    assert [note.text for note in figure.layout.annotations] == ["mean 2", "4", "nearest", "linear"]
    assert list(seeds.marker.color) == [figures.MODELS[name] for name in ("AE", "AE", "VAE")]
    assert figure.layout.yaxis.title.text == "error (%)"


def test_seed_strip_leaves_out_a_model_without_values() -> None:
    means, seeds = figures.seed_strip({"AE": [], "VAE": [4.0]}).data
    assert list(means.x) == list(seeds.x) == ["VAE"]


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
        figures.lines({"AE": np.ones(3)}, range(3)),
        figures.seed_strip({"AE": [1.0]}),
        figures.bars({"AE": [1.0]}),
    ):
        assert isinstance(figure, go.Figure)
        assert figure.layout.width > 100 and figure.layout.height > 100
        assert '"displayModeBar": false' in figure.to_html(include_plotlyjs=False, full_html=False)
        assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"


def test_a_notebook_shows_figures_without_a_toolbar(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr("plotly.io.show", lambda figure, **options: shown.append(options["config"]))
    figure = figures.bars({"AE": [1.0]})
    figure._ipython_display_()
    figure.show(config={"displayModeBar": True})  # who wants it has it
    assert shown == [{"displayModeBar": False}, {"displayModeBar": True}]


# ---- settings


def test_lines_stand_at_even_places_and_repeat_colours_with_another_dash() -> None:
    curves = {f"model {i}": [1.0, None, 0.1] for i in range(12)}
    figure = figures.sweep_lines(curves, x=[0.0, 1e-3, 1.0], axis_names=("β", "σ"), logarithmic=True)
    assert [trace.name for trace in figure.data] == list(curves)
    assert list(figure.data[0].x) == [0, 1, 2] and figure.data[0].y[[0, 2]].tolist() == [1.0, 0.1]
    assert np.isnan(figure.data[0].y[1])
    assert list(figure.layout.xaxis.ticktext) == ["0", "0.001", "1"]
    assert (
        figure.layout.yaxis.type == "log"
        and figures.sweep_lines(curves, x=[0.0, 1.0, 2.0]).layout.yaxis.type == "linear"
    )
    looks = [(trace.line.color, trace.line.dash) for trace in figure.data]
    assert len(set(looks)) == 12 and looks[0][0] == looks[10][0]
