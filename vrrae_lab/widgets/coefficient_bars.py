"""Bars of what each coefficient carries, as a drawing inside the page that screen readers can read out."""

import html

import numpy as np
from jaxtyping import Float

from vrrae_lab.figures import PALETTE
from vrrae_lab.widgets.coefficients import Coefficients

WIDTH, HEIGHT = 380, 60
BLUE, ACTIVE, GREEN = PALETTE[0], PALETTE[1], PALETTE[2]
PALE = 0.3  # opacity of what all images share, and of what the rank cuts off
MOST_SPOKEN = 8  # coefficients named in a text alternative


def bars(coefficients: Coefficients, rank: int, active: int) -> str:
    """HTML with the singular values and, for a variational model, the KL divergences, by falling spread.

    Args:
        coefficients: of one model.
        rank: coefficients beyond it are pale.
        active: the place of the one drawn in another colour.
    """
    charts = [
        _chart(
            "singular value / √N; in strong colour the spread",
            [coefficients.singular_values, coefficients.spread],
            coefficients,
            BLUE,
            rank,
            active,
        )
    ]
    if coefficients.kl is not None:
        title = f"KL divergence in nats, {coefficients.kl.sum():.3g} in all"
        charts.append(_chart(title, [coefficients.kl], coefficients, GREEN, rank, active))
    return "".join(charts)


def _chart(
    title: str,
    layers: list[Float[np.ndarray, " rank"]],
    coefficients: Coefficients,
    colour: str,
    rank: int,
    active: int,
) -> str:
    """Bars of the first layer, pale if another one, no higher, is drawn over it."""
    heights, top = layers[0], max(float(layers[0].max()), 1e-30)
    names = [f"{coefficients.name(place)}: {height:.3g}" for place, height in enumerate(heights)]
    step = WIDTH / len(heights)
    drawn = []
    for layer in layers:
        for place, height in enumerate(layer):
            pale = place >= rank or layer is not layers[-1]
            tall = HEIGHT * float(height) / top
            drawn.append(
                f"<rect x='{place * step:.1f}' y='{HEIGHT - tall:.1f}' width='{max(0.8 * step, 1):.1f}' "
                f"height='{tall:.1f}' fill='{ACTIVE if place == active else colour}' opacity='{PALE if pale else 1}'>"
                f"<title>{names[place]}</title></rect>"
            )
    rest = len(names) - MOST_SPOKEN
    spoken = f"{title}. {'; '.join(names[:MOST_SPOKEN])}{f'; and {rest} more' if rest > 0 else ''}"
    return (
        f"<div style='line-height:1.4'>{html.escape(title)}</div>"
        f"<svg role='img' aria-label='{html.escape(spoken)}' width='{WIDTH}' height='{HEIGHT}'>{''.join(drawn)}</svg>"
    )
