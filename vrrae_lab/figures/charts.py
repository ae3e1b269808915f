"""Curves, points, bars and maps."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Shaped
from plotly.subplots import make_subplots

from vrrae_lab.figures.style import PALETTE, PATH_COLOUR, styled


def latent_plane(
    planes: Mapping[str, Float[np.ndarray, "count two"]],
    *,
    colour: Float[np.ndarray, " count"] | None = None,
    paths: Mapping[str, Float[np.ndarray, "points two"]] | None = None,
    title: str = "",
    axis_names: tuple[str, str] = ("coefficient 1", "coefficient 2"),
) -> go.Figure:
    """The first two coefficients of each image as a scatter plot, one panel per model.

    Args:
        planes: model name to the coefficients of the same images.
        colour: a value for each image, as the colour of its point.
        paths: model name to a sequence of coefficients drawn as a line over the points (a motion, say).
        title: above the panels.
        axis_names: what the two axes show.

    Raises:
        ValueError: if there are no planes, their points are not pairs, or a plane has no path where others do.
    """
    if not planes or any(np.ndim(points) != 2 or np.shape(points)[1] < 2 for points in planes.values()):
        shapes = {name: np.shape(points) for name, points in planes.items()}
        raise ValueError(f"the planes are {shapes}: give one or more, each of two coefficients per image")
    if paths is not None and set(paths) != set(planes):
        raise ValueError(f"there are paths for {', '.join(paths)}: give one for each of {', '.join(planes)}")
    figure = make_subplots(cols=len(planes), rows=1, subplot_titles=list(planes), horizontal_spacing=0.06)
    for column, (name, points) in enumerate(planes.items(), 1):
        marker = {"size": 6, "color": PALETTE[0] if colour is None else colour, "colorscale": "Cividis"}
        scatter = go.Scatter(x=points[:, 0], y=points[:, 1], mode="markers", marker=marker, name="images")
        figure.add_trace(scatter.update(showlegend=column == 1), row=1, col=column)
        if paths is not None:
            path = paths[name]
            line = {"color": PATH_COLOUR, "width": 3}
            trace = go.Scatter(x=path[:, 0], y=path[:, 1], mode="lines", line=line, name="diagonal motion")
            figure.add_trace(trace.update(showlegend=column == 1), row=1, col=column)
    figure.update_xaxes(title=axis_names[0])
    figure.update_yaxes(title=axis_names[1], col=1)
    return styled(figure, title, 200 + 300 * len(planes), 400)


def training_curves(
    curves: Mapping[str, Float[np.ndarray, " steps"]],
    *,
    steps: Sequence[int] | None = None,
    title: str = "",
    quantity: str = "loss",
) -> go.Figure:
    """A quantity against the number of steps, one line per name, on a logarithmic axis.

    Args:
        curves: name to values.
        steps: the step of each value; by default 1, 2, ….
        title: above the lines.
        quantity: what the values are.
    """
    longest = max((len(values) for values in curves.values()), default=0)
    x = np.arange(1, longest + 1) if steps is None else np.asarray(steps)
    return lines(curves, x, title=title, x_name="step", quantity=quantity, log_y=True)


def lines(
    curves: Mapping[str, Float[np.ndarray, " count"]],
    x: Shaped[np.ndarray, " longest"],
    *,
    title: str = "",
    x_name: str = "",
    quantity: str = "",
    log_x: bool = False,
    log_y: bool = False,
) -> go.Figure:
    """Quantities against a common one, one line per name.

    Args:
        curves: name to values; a shorter one ends earlier.
        x: where the values belong.
        title: above the lines.
        x_name: what `x` is.
        quantity: what the values are.
        log_x: whether the axis of `x` is logarithmic.
        log_y: whether that of the values is.

    Raises:
        ValueError: if there are more values than places for them.
    """
    _check_lengths(curves, x)
    figure = go.Figure()
    for i, (name, values) in enumerate(curves.items()):
        line = {"color": PALETTE[i % len(PALETTE)], "width": 2}
        figure.add_trace(go.Scatter(x=x[: len(values)], y=values, mode="lines", line=line, name=name))
    figure.update_xaxes(title=x_name, type="log" if log_x else "linear", exponentformat="power" if log_x else None)
    figure.update_yaxes(title=quantity, type="log" if log_y else "linear", exponentformat="power" if log_y else None)
    return styled(figure, title, 700, 400)


def _check_lists(values: Mapping[str, Sequence[float]]) -> None:
    if not isinstance(values, Mapping) or any(np.ndim(heights) != 1 for heights in values.values()):
        raise TypeError(f"values = {values!r}: give a list of numbers for each name")


def _check_lengths(curves: Mapping[str, Sequence[float | None] | np.ndarray], x: Sequence[float] | np.ndarray) -> None:
    for name, values in curves.items():
        if len(values) > len(x):
            raise ValueError(f"{name} has {len(values)} values, but x has {len(x)}: give one x for each")


def seed_strip(
    values: Mapping[str, Sequence[float]],
    *,
    title: str = "",
    quantity: str = "error (%)",
    floors: Mapping[str, float] | None = None,
) -> go.Figure:
    """One point per seed for each model, its mean as a bar, and floors as dashed lines; models without values are left
    out.

    Raises:
        TypeError: if there is no list of numbers for each name.
    """
    _check_lists(values)
    figure = go.Figure()
    names = [name for name in values if len(values[name])]
    means = [float(np.mean(values[name])) for name in names]
    figure.add_trace(go.Bar(x=names, y=means, marker_color="#BBBBBB", name="mean", width=0.5))
    x = [name for name in names for _ in values[name]]
    y = [value for name in names for value in values[name]]
    marker = {"size": 9, "color": PALETTE[0], "line": {"width": 1, "color": "white"}}
    figure.add_trace(go.Scatter(x=x, y=y, mode="markers", marker=marker, name="one seed"))
    floors = floors or {}
    places = _label_places(list(floors.values()), 0.06 * max([*y, *floors.values()], default=1.0))
    for i, ((name, floor), place) in enumerate(zip(floors.items(), places, strict=True)):
        line = {"color": PALETTE[1 + i % (len(PALETTE) - 1)], "dash": "dash"}
        figure.add_hline(y=floor, line=line, annotation_text=name, annotation_position=place)
    figure.update_yaxes(title=quantity, rangemode="tozero")
    return styled(figure, title, 700, 420)


def _label_places(heights: Sequence[float], room: float) -> list[str]:
    """Where the labels of horizontal lines stand so that, of up to four near ones, none covers another.

    That is at the right above the line; but where labels, `room` high, would touch, the second is below its line, and
    the next two are at the left.
    """
    corners = ("top right", "bottom right", "top left", "bottom left")
    places = [""] * len(heights)
    number, above = 0, np.inf
    for i in sorted(range(len(heights)), key=lambda i: -heights[i]):
        near = 2 * room if number else room  # the label before hangs below its line
        number = number + 1 if above - heights[i] < near else 0
        places[i], above = corners[number % len(corners)], heights[i]
    return places


def bars(values: Mapping[str, Sequence[float]], *, title: str = "", quantity: str = "") -> go.Figure:
    """Groups of bars, one group per position and one colour per name (KL per coefficient, say).

    Raises:
        TypeError: if there is no list of numbers for each name.
    """
    _check_lists(values)
    figure = go.Figure()
    for i, (name, heights) in enumerate(values.items()):
        positions = [str(j + 1) for j in range(len(heights))]
        figure.add_trace(go.Bar(x=positions, y=list(heights), name=name, marker_color=PALETTE[i % len(PALETTE)]))
    figure.update_xaxes(title="coefficient")
    figure.update_yaxes(title=quantity)
    return styled(figure, title, 700, 360)


def heat_maps(
    maps: Mapping[str, Float[np.ndarray, "rows columns"]],
    *,
    x: Sequence[float],
    y: Sequence[float],
    limits: Mapping[str, tuple[float, float]] | None = None,
    lines: Mapping[str, float] | None = None,
    title: str = "",
    axis_names: tuple[str, str] = ("x", "y"),
) -> go.Figure:
    """Quantities on one grid, a panel each, the value written in every cell; cells without a value (NaN) stay white.

    The grid is drawn with cells of equal size; a line is placed between its neighbours in proportion of logarithms.

    Args:
        maps: name to values; rows go with `y`, columns with `x`.
        x: positive and rising.
        y: of each row, from below.
        limits: name to the values shown as the darkest and the brightest colour; by default its extremes.
        lines: name to a value on the x axis, marked by a vertical line; only those the grid reaches are drawn.
        title: above the panels.
        axis_names: what x and y are.

    Raises:
        ValueError: if `x` is not positive and rising, or the maps are not of as many rows and columns.
    """
    for name, values in maps.items():
        if np.shape(values) != (len(y), len(x)):
            raise ValueError(f"{name} has shape {np.shape(values)}: give rows as y and columns as x")
    if not maps or not len(x):
        raise ValueError("there are no maps: give one or more, each of one row and one column or more")
    if min(x) <= 0 or any(a >= b for a, b in zip(x, x[1:], strict=False)):
        raise ValueError(f"x = {list(x)}: a line is placed by logarithms, so the values must be positive and rising")
    figure = make_subplots(cols=len(maps), rows=1, subplot_titles=list(maps), horizontal_spacing=0.16)
    for column, (name, values) in enumerate(maps.items(), 1):
        low, high = (limits or {}).get(name, (None, None))
        trace = go.Heatmap(z=values, colorscale="Cividis", zmin=low, zmax=high, xgap=1, ygap=1)
        trace.update(text=[[_cell(v) for v in row] for row in values], texttemplate="%{text}")
        trace.update(colorbar={"x": column / len(maps) - 0.16 * (1 - column / len(maps)), "thickness": 12})
        figure.add_trace(trace, row=1, col=column)
        for i, (line, value) in enumerate((lines or {}).items()):
            place = _place(value, x)
            if place is not None:
                style = {"color": PATH_COLOUR, "dash": "dash", "width": 3}
                figure.add_vline(x=place, line=style, row=1, col=column)
                height = 1 - 0.08 * i
                figure.add_annotation(
                    x=place, y=height, yref="y domain", text=line, showarrow=False, bgcolor="white", row=1, col=column
                )
    figure.update_xaxes(title=axis_names[0], tickvals=list(range(len(x))), ticktext=[f"{v:.3g}" for v in x])
    figure.update_yaxes(title=axis_names[1], tickvals=list(range(len(y))), ticktext=[f"{v:.3g}" for v in y])
    return styled(figure, title, 120 + 420 * len(maps), 200 + 50 * len(y))


def _cell(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else ""


def _place(value: float, x: Sequence[float]) -> float | None:
    """Where `value` lies among cells numbered from 0, in proportion of logarithms; None beyond the outer cells."""
    if len(x) < 2 or not value > 0:
        return None
    logs = np.log(x)
    i = int(np.clip(np.searchsorted(logs, np.log(value)) - 1, 0, len(x) - 2))
    place = i + (np.log(value) - logs[i]) / (logs[i + 1] - logs[i])
    return float(place) if -0.5 <= place <= len(x) - 0.5 else None


def sweep_lines(
    curves: Mapping[str, Sequence[float | None]],
    *,
    x: Sequence[float],
    title: str = "",
    axis_names: tuple[str, str] = ("x", "y"),
    logarithmic: bool = False,
) -> go.Figure:
    """Values over a list of settings, one line per name, the settings spaced evenly (values of β and 0, say).

    Args:
        curves: name to values; a line is interrupted where there is None.
        x: the settings.
        title: above the lines.
        axis_names: what x and the values are.
        logarithmic: whether the value axis is.

    Raises:
        ValueError: if there are more values than settings.
    """
    _check_lengths(curves, x)
    figure = go.Figure()
    dashes = ("solid", "dash", "dot", "dashdot")
    for i, (name, values) in enumerate(curves.items()):
        # beyond seven lines the colours come again, with another dash
        line = {"color": PALETTE[i % len(PALETTE)], "width": 2, "dash": dashes[i // len(PALETTE) % len(dashes)]}
        trace = go.Scatter(x=list(range(len(values))), y=list(values), mode="lines+markers", line=line, name=name)
        figure.add_trace(trace)
    figure.update_xaxes(title=axis_names[0], tickvals=list(range(len(x))), ticktext=[f"{v:.3g}" for v in x])
    figure.update_yaxes(title=axis_names[1], type="log" if logarithmic else "linear")
    return styled(figure, title, 760, 420)
