"""Curves, points and bars."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Shaped
from plotly.subplots import make_subplots

from vrrae_lab.figures.style import DASHES, INK, MAP, PALETTE, Figure, labelled, looks, number, styled, written

PATH = PALETTE[3]
LINEAR = {"type": "linear"}
DECADES = 4  # of a logarithmic axis on each side of 0
MOST_NUMBERS = 24  # on bars, side by side


def latent_plane(
    planes: Mapping[str, Float[np.ndarray, "count two"]],
    *,
    colour: Shaped[np.ndarray, " count"] | Mapping[str, Shaped[np.ndarray, " count"]] | None = None,
    paths: Mapping[str, Float[np.ndarray, "points two"]] | None = None,
    title: str = "",
    axis_names: tuple[str, str] = ("coefficient 1", "coefficient 2"),
    colour_name: str = "label",
) -> go.Figure:
    """The first two coefficients of each image as a scatter plot, one panel per model.

    Args:
        planes: model name to the coefficients of the same images.
        colour: a value for each image, as the colour of its point, or such values by model; up to ten whole numbers
            are classes, each with its numeral in its middle.
        paths: model name to a sequence of coefficients drawn as a line over the points (a motion, say).
        title: above the panels.
        axis_names: what the two axes show.
        colour_name: what the colour shows, if it is not a class.

    Raises:
        ValueError: if there are no planes, their points are not pairs, or a plane has no path where others do.
    """
    if not planes or any(np.ndim(points) != 2 or np.shape(points)[1] < 2 for points in planes.values()):
        shapes = {name: np.shape(points) for name, points in planes.items()}
        raise ValueError(f"the planes are {shapes}: give one or more, each of two coefficients per image")
    if paths is not None and set(paths) != set(planes):
        raise ValueError(f"there are paths for {', '.join(paths)}: give one for each of {', '.join(planes)}")
    figure = make_subplots(
        cols=len(planes),
        rows=1,
        subplot_titles=[written(name) for name in planes],
        horizontal_spacing=0.06,
        figure=Figure(),
    )
    for column, ((name, points), (own, _)) in enumerate(zip(planes.items(), looks(planes), strict=True), 1):
        values = colour.get(name) if isinstance(colour, Mapping) else colour
        classes = _classes(values)
        marker: dict[str, Any] = {"size": 6, "opacity": 0.7, "color": own if values is None else values}
        if len(classes):
            marker["color"] = [PALETTE[int(value) % len(PALETTE)] for value in np.asarray(values)]
        elif values is not None:
            marker |= {"colorscale": MAP, "showscale": column == 1, "colorbar": {"title": colour_name, "thickness": 12}}
        scatter = go.Scatter(x=points[:, 0], y=points[:, 1], mode="markers", marker=marker, name=name)
        figure.add_trace(scatter.update(showlegend=False), row=1, col=column)
        if paths is not None:
            line = {"color": PATH, "width": 3}
            trace = go.Scatter(
                x=paths[name][:, 0], y=paths[name][:, 1], mode="lines", line=line, name="diagonal motion"
            )
            figure.add_trace(trace.update(showlegend=column == 1), row=1, col=column)
        if len(classes):
            middles = np.array([np.median(points[np.asarray(values) == c, :2], axis=0) for c in classes])
            figure.add_trace(_numerals(classes, _clear(middles, np.ptp(points[:, :2], axis=0))), row=1, col=column)
    figure.update_xaxes(title=axis_names[0])
    figure.update_yaxes(title=axis_names[1], col=1)
    figure = styled(figure, title, 200 + 300 * len(planes), 420)
    return figure.update_layout(margin_t=80 if paths else 60, legend_y=1.07)


def _classes(values: np.ndarray | None) -> np.ndarray:
    """The different values, if they are few whole numbers."""
    found = np.unique([]) if values is None else np.unique(np.asarray(values))
    few = 2 <= len(found) <= len(PALETTE) and np.isin(found, range(len(PALETTE))).all()
    return found.astype(int) if few else found[:0]


def _clear(middles: np.ndarray, extent: np.ndarray) -> np.ndarray:
    """Places of numerals, pushed off each other until none covers another."""
    unit = middles / np.maximum(extent, 1e-12)
    for _ in range(60):
        gaps = unit[:, None] - unit[None]
        near = np.linalg.norm(gaps, axis=2) + np.eye(len(unit))
        push = np.where(near < 0.06, 0.5 * (0.06 - near) / np.maximum(near, 1e-6), 0)
        unit = unit + (gaps * push[:, :, None]).sum(axis=1)
    return unit * extent


def _numerals(classes: np.ndarray, places: np.ndarray) -> go.Scatter:
    font = {"size": 19, "weight": "bold", "color": [PALETTE[c] for c in classes], "shadow": "auto"}
    return go.Scatter(
        x=places[:, 0], y=places[:, 1], mode="text", text=[str(c) for c in classes], textfont=font, showlegend=False
    )


def lines(
    curves: Mapping[str, Float[np.ndarray, " count"] | Sequence[float | None]],
    x: Shaped[np.ndarray, " longest"] | Sequence[float],
    *,
    title: str = "",
    x_name: str = "",
    quantity: str = "",
    log_x: bool = False,
    log_y: bool = False,
) -> go.Figure:
    """Quantities against a common one, one line per name, which stands at its end.

    Args:
        curves: name to values; a shorter one ends earlier, and a line is interrupted where there is None or NaN.
        x: where the values belong.
        title: above the lines.
        x_name: what `x` is.
        quantity: what the values are.
        log_x: whether the axis of `x` is logarithmic.
        log_y: whether that of the values is. Where some are 0 or below, it goes through 0 to negative powers of ten.

    Raises:
        ValueError: if there are more values than places for them.
    """
    for name, values in curves.items():
        if len(values) > len(x):
            raise ValueError(f"{name} has {len(values)} values, but x has {len(x)}: give one x for each")
    figure = Figure()
    known = {name: np.array(values, float) for name, values in curves.items()}
    finite = np.concatenate([np.zeros(0), *known.values()])
    finite = finite[np.isfinite(finite)]
    signed = log_y and bool((finite <= 0).any())
    unit = 10.0 ** (math.ceil(math.log10(np.abs(finite).max() or 1)) - DECADES) if signed else 1.0
    labels = []
    styles = looks(curves)
    for (name, values), (colour, dash) in zip(known.items(), styles, strict=True):
        line = {"color": colour, "width": 2, "dash": dash}
        shown = _signed_logarithm(values, unit) if signed else values
        trace = go.Scatter(x=np.asarray(x)[: len(values)], y=shown, mode="lines", line=line, name=name)
        if signed:
            trace.update(customdata=values, hovertemplate="%{x}: %{customdata:.4g}")
        figure.add_trace(trace.update(showlegend=False))
        heights = np.log10(shown) if log_y and not signed else shown
        if np.isfinite(heights).any():
            sign = f"{DASHES[dash]} " if any(other != "solid" for _, other in styles) else ""
            labels.append((sign + name, float(heights[np.isfinite(heights)][-1]), colour))
    figure.update_xaxes(title=x_name, **(_logarithmic_axis(np.asarray(x, float)) if log_x else LINEAR))
    logarithmic = log_y and not signed
    figure.update_yaxes(title=quantity, **(_logarithmic_axis(finite) if logarithmic else LINEAR))
    if signed:
        powers = [unit * 10**i for i in range(DECADES + 1)]
        ticks = [value for value in [*(-p for p in powers[::-1]), 0, *powers] if finite.min() <= value <= finite.max()]
        figure.update_yaxes(tickvals=_signed_logarithm(np.array(ticks), unit), ticktext=[number(v) for v in ticks])
        finite = _signed_logarithm(finite, unit)
    return _with_names(styled(figure, title, 700, 400), labels, np.log10(finite) if logarithmic else finite)


def _logarithmic_axis(values: np.ndarray) -> dict[str, Any]:
    """An axis with a tick at each power of ten, as a power, or in a narrow range at 1, 2 and 5 of each, as numbers."""
    powers = np.log10(values[values > 0])
    low, high = (float(powers.min()), float(powers.max())) if len(powers) else (0.0, 0.0)
    if high - low > 3:
        return {"type": "log", "exponentformat": "power", "dtick": 1}
    decades = range(math.floor(low) - 1, math.ceil(high) + 1)
    ticks = [digit * 10.0**power for power in decades for digit in (1, 2, 5)]
    return {"type": "log", "tickvals": ticks, "ticktext": [number(tick) for tick in ticks]}


def _signed_logarithm(values: np.ndarray, unit: float) -> np.ndarray:
    return np.sign(values) * np.log10(1 + np.abs(values) / unit)


def _with_names(figure: Figure, labels: list[tuple[str, float, str]], heights: np.ndarray) -> Figure:
    """The vertical axis fitted to the heights, and the names at the right if they are more than one."""
    low, high = (float(heights.min()), float(heights.max())) if len(heights) else (0.0, 1.0)
    room = 0.05 * (high - low) or 0.5
    figure.update_yaxes(range=(low - room, high + room))
    return labelled(figure, labels, (low - room, high + room)) if len(labels) > 1 else figure


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
        logarithmic: whether the value axis is; see `lines`.

    Raises:
        ValueError: if there are more values than settings.
    """
    figure = lines(curves, range(len(x)), title=title, quantity=axis_names[1], log_y=logarithmic)
    figure.update_traces(mode="lines+markers")
    return figure.update_xaxes(title=axis_names[0], tickvals=list(range(len(x))), ticktext=[number(v) for v in x])


def _check_lists(values: Mapping[str, Sequence[float]]) -> None:
    if not isinstance(values, Mapping) or any(np.ndim(heights) != 1 for heights in values.values()):
        raise TypeError(f"values = {values!r}: give a list of numbers for each name")


def seed_strip(
    values: Mapping[str, Sequence[float]],
    *,
    title: str = "",
    quantity: str = "error (%)",
    floors: Mapping[str, float] | None = None,
) -> go.Figure:
    """One point per seed for each model, its mean as a stroke with its number, and floors as dashed lines; models
    without values are left out.

    Raises:
        TypeError: if there is no list of numbers for each name.
    """
    _check_lists(values)
    figure, floors = Figure(), floors or {}
    names = [name for name in values if len(values[name])]
    colours = [colour for colour, _ in looks(names)]
    shown = [written(name) for name in names]
    means = [float(np.mean(values[name])) for name in names]
    stroke = {"symbol": "line-ew", "size": 24, "line": {"width": 2, "color": colours}}
    trace = go.Scatter(x=shown, y=means, mode="markers", marker=stroke, name="mean", showlegend=False)
    figure.add_trace(trace.update(hovertemplate="mean %{y:.4g}"))
    for i, (own, mean) in enumerate(zip(names, means, strict=True)):
        text = f"{mean:.3g}" if i or len(values[own]) == 1 else f"mean {mean:.3g}"
        figure.add_annotation(x=shown[i], y=max(values[own]), text=text, yshift=14, showarrow=False)
    x = [name for name, own in zip(shown, names, strict=True) for _ in values[own]]
    y = [value for name in names for value in values[name]]
    marker = {"size": 8, "opacity": 0.75, "color": [c for c, n in zip(colours, names, strict=True) for _ in values[n]]}
    trace = go.Scatter(x=x, y=y, mode="markers", marker=marker, name="one seed", showlegend=False)
    figure.add_trace(trace.update(hovertemplate="%{y:.4g}"))
    for floor in floors.values():
        figure.add_hline(y=floor, line={"color": INK, "dash": "dash", "width": 1})
    top = 1.1 * max([*y, *floors.values()], default=1.0)
    figure.update_yaxes(title=quantity, range=(0, top)).update_xaxes(showgrid=False, range=(-0.5, len(names) - 0.5))
    labels = [(name, floor, INK) for name, floor in floors.items()]
    return labelled(styled(figure, title, 700, 420), labels, (0, top))


def bars(values: Mapping[str, Sequence[float]], *, title: str = "", quantity: str = "") -> go.Figure:
    """Groups of bars, one group per position and one colour per name (KL per coefficient, say).

    Raises:
        TypeError: if there is no list of numbers for each name.
    """
    _check_lists(values)
    figure = Figure()
    count = sum(len(heights) for heights in values.values())
    for (name, heights), (colour, _) in zip(values.items(), looks(values), strict=True):
        trace = go.Bar(x=[str(j + 1) for j in range(len(heights))], y=list(heights), name=written(name))
        trace.update(marker={"color": colour, "line_width": 0})
        if count <= MOST_NUMBERS:
            trace.update(texttemplate="%{y:.2g}", textposition="outside", textangle=0, cliponaxis=False)
        figure.add_trace(trace)
    figure.update_xaxes(title="coefficient", showgrid=False)
    figure.update_yaxes(title=quantity)
    return styled(figure, title, 700, 360).update_layout(uniformtext={"minsize": 9, "mode": "show"})
