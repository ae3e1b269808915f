"""What happens to one image on its way through a model, as boxes from left to right (SVG)."""

import base64
from collections.abc import Sequence
from html import escape
from typing import Literal, NamedTuple

from vrrae_lab.figures.style import PALETTE

Kind = Literal["image", "network", "numbers", "decomposition", "sampled"]

WIDTH, HEIGHT, GAP, MARGIN = 98, 164, 16, 4
PICTURE, LINE = 80, 17
BLUE, VERMILLION, GREEN, ORANGE = PALETTE[0], PALETTE[1], PALETTE[2], PALETTE[4]
# colour of the border, dashes: what is sampled can be told without its colour
LOOKS: dict[Kind, tuple[str, str]] = {
    "image": ("#666666", "none"),
    "network": (BLUE, "none"),
    "numbers": (GREEN, "none"),
    "decomposition": (ORANGE, "none"),
    "sampled": (VERMILLION, "6 3"),
}


class Stage(NamedTuple):
    """One box.

    Attributes:
        title: its heading.
        lines: below it.
        kind: decides the border.
        picture: a PNG in the box, or None.
    """

    title: str
    lines: Sequence[str] = ()
    kind: Kind = "numbers"
    picture: bytes | None = None


def flow(stages: Sequence[Stage], *, description: str) -> bytes:
    """The stages in their order, joined by arrows, as an SVG file.

    Args:
        stages: at least one.
        description: for those who cannot see it.

    Raises:
        ValueError: if there are no stages, or one is of an unknown kind.
    """
    for stage in stages:
        if not isinstance(stage, Stage) or stage.kind not in LOOKS:
            raise ValueError(f"{stage!r} is no Stage of a known kind: the kinds are {', '.join(LOOKS)}")
    if not stages:
        raise ValueError("there are no stages: give one or more")
    boxes = [_box(stage, MARGIN + i * (WIDTH + GAP)) for i, stage in enumerate(stages)]
    arrows = [_arrow(MARGIN + i * (WIDTH + GAP) - GAP) for i in range(1, len(stages))]
    width, height = size(len(stages))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
    head += f'viewBox="0 0 {width} {height}" font-family="DejaVu Sans, Verdana, sans-serif">'
    return "\n".join([head, f"<title>{escape(description)}</title>", *boxes, *arrows, "</svg>"]).encode()


def size(num_stages: int) -> tuple[int, int]:
    """Width and height of a diagram of so many stages, in pixels."""
    return num_stages * (WIDTH + GAP) - GAP + 2 * MARGIN, HEIGHT + 2 * MARGIN


def _box(stage: Stage, left: int) -> str:
    colour, dashes = LOOKS[stage.kind]
    middle = left + WIDTH // 2
    parts = [
        f'<rect x="{left}" y="{MARGIN}" width="{WIDTH}" height="{HEIGHT}" rx="8" fill="white" stroke="{colour}" '
        f'stroke-width="2.5" stroke-dasharray="{dashes}"/>',
        _text(middle, MARGIN + 22, stage.title, f'font-size="13" font-weight="bold" fill="{colour}"'),
    ]
    top = MARGIN + 36
    if stage.picture is not None:
        data = base64.b64encode(stage.picture).decode()
        parts.append(
            f'<image x="{middle - PICTURE // 2}" y="{top}" width="{PICTURE}" height="{PICTURE}" '
            f'href="data:image/png;base64,{data}"/>'
        )
        top += PICTURE + 4
    parts += [_text(middle, top + 12 + i * LINE, line, 'font-size="11"') for i, line in enumerate(stage.lines)]
    return "".join(parts)


def _text(x: int, y: int, text: str, style: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle" {style}>{escape(text)}</text>'


def _arrow(left: int) -> str:
    y, tip = MARGIN + HEIGHT // 2, left + GAP - 3
    line = f'<line x1="{left + 3}" y1="{y}" x2="{tip - 5}" y2="{y}" stroke="black" stroke-width="1.5"/>'
    return line + f'<path d="M{tip} {y} l-7 -4 v8 z"/>'
