"""What objects show of themselves in a notebook: a line of facts and a picture, in HTML that has nothing to load.

Ink, paper and hairlines are those of what surrounds it, so that it reads on white and on black.
"""

import html
from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float

_CARD = "border:1px solid rgba(125,133,144,.35);border-radius:10px;padding:8px 14px;margin:2px 0;font:13px system-ui"
_STEP = "border:1px solid rgba(125,133,144,.5);border-radius:10px;padding:1px 8px;white-space:nowrap"


def card(title: str, facts: str, body: str = "") -> str:
    """HTML of an object.

    Args:
        title: what it is, plain text.
        facts: a line beside it, plain text.
        body: HTML below.
    """
    head = f'<b>{html.escape(title)}</b> <span style="opacity:.7;margin-left:6px">{html.escape(facts)}</span>'
    below = f'<div style="margin-top:8px">{body}</div>' if body else ""
    return f'<div style="{_CARD}">{head}{below}</div>'


def thumbnails(images: Float[np.ndarray, "count height width channels"], limits: tuple[float, float]) -> str:
    """A row of images, 40 pixels high each, as HTML.

    Args:
        images: of 1 or 3 channels.
        limits: the values of the darkest and the brightest colour.
    """
    from vrrae_lab.figures.pictures import picture

    rendering = "auto" if min(images.shape[1:3]) >= 28 else "pixelated"
    style = f"height:40px;max-width:100%;image-rendering:{rendering}"
    return f'<img alt="{len(images)} of the images" style="{style}" src="{picture(images, len(images), limits)}">'


def strip(steps: Sequence[str]) -> str:
    """What happens to an image, one step after the other; in brackets what is learned: "x", "[encoder]", "y"."""
    boxed = [
        f'<span style="{_STEP}">{html.escape(step[1:-1])}</span>' if step.startswith("[") else html.escape(step)
        for step in steps
    ]
    return f'<div style="line-height:2">{" → ".join(boxed)}</div>'


def plural(count: int, what: str, ending: str = "s") -> str:
    """ "1 image", "1,437 images"."""
    return f"{count:,} {what}{'' if count == 1 else ending}"


def shape_of(array: np.ndarray | Array | tuple[int, ...]) -> str:
    """ "28 × 28 × 1"."""
    return " × ".join(map(str, array if isinstance(array, tuple) else array.shape))
