"""An explorer as one HTML file: no kernel and no network, for a teacher's own pages."""

import base64
import html
import itertools
import json
import os
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from vrrae_lab import figures
from vrrae_lab.checks import check_at_least, check_path
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.files import write_text
from vrrae_lab.models import Autoencoder
from vrrae_lab.widgets.encoded import decode_plane, encoded
from vrrae_lab.widgets.labelled_points import colours, label_vector, shown

LIMIT = 3.0  # spreads to each side
MOST_BYTES = 5_000_000


def export_html(
    model: Autoencoder,
    data: Dataset,
    path: str | os.PathLike[str],
    *,
    title: str = "A latent space to drag through",
    num_coefficients: int = 3,
    side: int = 17,
) -> Path:
    """Write a page in which a marker is dragged through planes of two coefficients, and the decoded image follows.

    There is a plane for every pair of the coefficients of largest spread. Its images are decoded beforehand at places
    of a grid; between them the page shows a weighted mean of the four nearest.

    Args:
        model: a frozen model.
        data: whose coefficients are the points in the planes, at most 2000 of them, evenly spread over the set.
        path: the file to create or replace.
        title: of the page.
        num_coefficients: how many of them take part, two or more; all if the model has fewer.
        side: places of the grid along each axis, two or more.

    Returns:
        The path.

    Raises:
        ValueError: if the model is not frozen or has fewer than two coefficients, the images do not fit it, a
            coefficient is NaN or infinite, a number is too small, or the page would be larger than 5 MB.
    """
    check_path("path", path)
    check_at_least(2, "num_coefficients", num_coefficients)
    check_at_least(2, "side", side)
    _, z, middle, spread, by_spread = encoded(model, data)
    if z.shape[1] < 2:
        raise ValueError("the model has 1 coefficient: a plane needs 2 or more")
    spread = np.maximum(spread, 1e-12)
    order = np.sort(by_spread[:num_coefficients])
    kept = shown(len(z))
    points = ((z[kept] - middle) / spread)[:, order]
    rgb, meaning = colours(label_vector(data, kept), len(kept))
    limits = data.value_range
    exported = {
        "limit": LIMIT,
        "side": side,
        "height": data.shape[0],
        "width": data.shape[1],
        "names": [f"coefficient {j + 1}" for j in order],
        "points": np.round(points, 3).tolist(),
        "colours": ["#{:02X}{:02X}{:02X}".format(*colour) for colour in rgb],
        "planes": [
            {"pair": pair, "sprite": _sprite(model, middle, spread, order[list(pair)], side, limits)}
            for pair in itertools.combinations(range(len(order)), 2)
        ],
    }
    page = _page(title, data, exported, meaning)
    if len(page.encode()) > MOST_BYTES:
        raise ValueError(
            f"the page would have {len(page.encode()) / 1e6:.1f} MB, more than {MOST_BYTES / 1e6:.0f}: use a smaller "
            f"side than {side}, or fewer than {len(order)} coefficients"
        )
    write_text(Path(path), page)
    return Path(path)


def _sprite(
    model: Autoencoder,
    middle: Float[np.ndarray, " rank"],
    spread: Float[np.ndarray, " rank"],
    pair: Int[np.ndarray, "2"],
    side: int,
    limits: tuple[float, float],
) -> str:
    """Decodes over one plane as a picture: the first coefficient to the right, the second downwards."""
    ticks = np.linspace(-LIMIT, LIMIT, side)
    places = np.stack([np.tile(ticks, side), np.repeat(ticks, side)], axis=1)
    images = decode_plane(model, middle, pair.tolist(), middle[pair] + spread[pair] * places)
    sheet = figures.tile(figures.to_pixels(images, limits), side, gap=0)
    return base64.b64encode(figures.png(sheet)).decode()


def _page(title: str, data: Dataset, exported: dict[str, Any], colours_mean: str) -> str:
    template = Template((Path(__file__).parent / "export.html").read_text(encoding="utf-8"))
    points = f"{len(exported['points']):,} of {len(data):,} images"
    return template.substitute(
        title=html.escape(title),
        data=html.escape(data.name),
        limit=LIMIT,
        footer=f"vrrae_lab {version('vrrae_lab')}. Points: {points}; {colours_mean}.",
        exported=json.dumps(exported),  # numbers, base64 and our own words: nothing that would end the script
    )
