"""What all figures have in common: one colour a model, ink that reads on white and on black, and no toolbar."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

MODELS = {"AE": "#7a7a7a", "VAE": "#2a6fbb", "RRAE": "#2b8a3e", "VRRAE": "#d9480f", "KL": "#7048e8"}
# ten classes, or whatever else has no colour of its own; those of the page's style.css
PALETTE = (
    *("#4e79a7", "#e8730c", "#cf3f46", "#2f9a94", "#4a9a3f"),
    *("#b08a00", "#8f5aa5", "#e0569b", "#8a5a3c", "#666b75"),
)
# even steps of lightness, from deep violet to light yellow; those of the page's Image.tsx
STOPS = ("#24144a", "#4b2b7a", "#7c3c83", "#ac507a", "#d76f68", "#f39b60", "#fccd78", "#fcf6b9")
MAP = [[i / (len(STOPS) - 1), colour] for i, colour in enumerate(STOPS)]
INK, HAIRLINE = "#7d8590", "rgba(125,133,144,0.25)"
DASHES = {"solid": "——", "dash": "– –", "dot": "····", "dashdot": "–·–"}  # and how a name shows them
CONFIG = {"displayModeBar": False}  # copied where it is given, as plotly writes into it
LETTER, LABEL = 8, 15  # width of a letter and height of a line, in pixels


class Figure(go.Figure):
    """A plotly figure that is shown without a toolbar."""

    def show(self, *arguments: Any, **options: Any) -> Any:
        """As plotly's."""
        return super().show(*arguments, **({"config": {**CONFIG}} | options))

    def to_html(self, *arguments: Any, **options: Any) -> str:
        """As plotly's."""
        return super().to_html(*arguments, **({"config": {**CONFIG}} | options))

    def _repr_mimebundle_(self, *arguments: Any, **options: Any) -> Any:
        return super()._repr_mimebundle_(*arguments, **({"config": {**CONFIG}} | options))

    def _ipython_display_(self) -> None:
        self.show()


def looks(names: Iterable[str]) -> list[tuple[str, str]]:
    """Colour and dash of each: a model's own by its name ("VAE, test" is a VAE), or the next of the palette.

    What has the colour of one before has another dash.
    """
    found: list[tuple[str, str]] = []
    others = 0
    for name in names:
        family = re.match(r"(VRRAE|RRAE|VAE|AE|KL)(?![\w+-])", name)
        colour = MODELS[family[1]] if family else PALETTE[others % len(PALETTE)]
        others += not family
        uses = sum(colour == other for other, _ in found)
        found.append((colour, list(DASHES)[uses % len(DASHES)]))
    return found


def written(name: str) -> str:
    """A name as it is shown: "VRRAE (β = 0)"."""
    return re.sub(r"\bbeta\b", "β", name)


def number(value: float) -> str:
    """Of a tick: 0.003, 64.6, 50,000."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def labelled(figure: Figure, labels: Sequence[tuple[str, float, str]], span: tuple[float, float]) -> Figure:
    """Names at the right of the plot, each at its height or as near as the others let it.

    Args:
        figure: of its final height.
        labels: name, height on the axis (its logarithm if that is logarithmic), and colour.
        span: of that axis.
    """
    room = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    places = apart([(y - span[0]) / (span[1] - span[0]) for _, y, _ in labels], LABEL / room)
    for (name, _, colour), place in zip(labels, places, strict=True):
        figure.add_annotation(
            x=1, xref="paper", xanchor="left", xshift=6, y=place, yref="paper", yanchor="middle", showarrow=False
        )
        figure.layout.annotations[-1].update(text=written(name), font_color=colour, align="left")
    longest = max((len(name) for name, _, _ in labels), default=0)
    return figure.update_layout(margin_r=14 + LETTER * longest)


def apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Places as near to those wanted, within 0 and 1, as they can be when neighbours keep a gap."""
    order = np.argsort(wanted, kind="stable")
    found = np.clip(np.asarray(wanted, float), 0, 1)
    for before, after in zip(order, order[1:], strict=False):
        found[after] = max(found[after], found[before] + gap)
    limit = 1.0
    for i in order[::-1]:
        found[i] = min(found[i], limit)
        limit = found[i] - gap
    return found.tolist()


def styled(figure: Figure, title: str, width: int, height: int, margin_left: int = 60) -> Figure:
    """The figure with the lab's look."""
    margin = {"l": margin_left, "r": 20, "t": 50 if title else 30, "b": 50 if margin_left == 60 else 10}
    clear = "rgba(0,0,0,0)"
    figure.update_layout(template="plotly_white", width=width, height=height, margin=margin, font_size=13)
    figure.update_layout(
        paper_bgcolor=clear, plot_bgcolor=clear, font_color=INK, title={"text": title, "font_size": 15}
    )
    figure.update_layout(legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 1, "xanchor": "right"})
    axes = {"gridcolor": HAIRLINE, "zerolinecolor": HAIRLINE, "linecolor": HAIRLINE}
    return figure.update_xaxes(axes).update_yaxes(axes)
