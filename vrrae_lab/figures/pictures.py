"""Images side by side."""

import base64
import functools
import io
import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Array, Float, UInt8

from vrrae_lab.figures.style import MAP, Figure, styled, written

Images = Float[np.ndarray, "count height width channels"] | Float[Array, "count height width channels"]


def image_grid(
    images: Images,
    columns: int,
    *,
    title: str = "",
    row_names: Sequence[str] = (),
    limits: tuple[float, float] | None = None,
    width: int = 700,
) -> go.Figure:
    """Images side by side as one picture, smooth from 28 pixels on, in squares below.

    Grey images of `limits` from 0 to 1, such as digits, are ink on paper; others go through the perceptual map.

    Args:
        images: at least one, 1 or 3 channels.
        columns: images in a row.
        title: above the picture.
        row_names: a name for each row, shown at its left.
        limits: the values shown as the darkest and the brightest colour; by default the extremes of all the images.
        width: of the figure, in pixels.

    Raises:
        ValueError: if there are no images, they have neither 1 nor 3 channels, or `columns` is below 1.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.size == 0:
        raise ValueError(f"the images have shape {images.shape}: give (batch, height, width, channels), at least one")
    if images.shape[-1] not in (1, 3):
        raise ValueError(f"the images have {images.shape[-1]} channels: only 1 (grey) or 3 (colour) can be shown")
    if columns < 1:
        raise ValueError(f"columns = {columns}: use 1 or more")
    sheet = _tiled(_colours(images, limits), columns)
    smooth = "fast" if min(images.shape[1:3]) >= 28 else False
    figure = Figure(go.Image(source=_png(sheet), hoverinfo="skip", zsmooth=smooth))
    figure.update_xaxes(visible=False)
    figure.update_yaxes(
        showgrid=False,
        zeroline=False,
        ticks="",
        showticklabels=bool(row_names),
        tickvals=[(images.shape[1] + 1) * (i + 0.5) for i in range(len(row_names))],
        ticktext=[written(name) for name in row_names],
    )
    margin_left = 20 + 7 * max((len(name) for name in row_names), default=0)
    height = round(60 + (width - margin_left - 20) * sheet.shape[0] / sheet.shape[1])
    return styled(figure, title, width, height, margin_left=margin_left)


def picture(images: Images, columns: int, limits: tuple[float, float]) -> str:
    """The picture of `image_grid` alone, as the address of a PNG that it contains itself."""
    return _png(_tiled(_colours(np.asarray(images), limits), columns))


def _colours(images: np.ndarray, limits: tuple[float, float] | None) -> UInt8[np.ndarray, "count height width 3"]:
    low, high = limits if limits is not None else (float(np.nanmin(images)), float(np.nanmax(images)))
    levels = np.round(255 * np.nan_to_num(np.clip((images - low) / max(high - low, 1e-12), 0, 1))).astype(np.uint8)
    if images.shape[-1] == 3:
        return levels
    return (
        np.repeat(255 - levels, 3, axis=3) if (low, high) == (0, 1) and limits is not None else _map()[levels[..., 0]]
    )


@functools.cache
def _map() -> UInt8[np.ndarray, "256 3"]:
    from plotly.colors import sample_colorscale

    return np.round(255 * np.array(sample_colorscale(MAP, np.linspace(0, 1, 256), colortype="tuple"))).astype(np.uint8)


def _tiled(pictures: np.ndarray, columns: int) -> UInt8[np.ndarray, "grid_height grid_width 4"]:
    """Row by row, with clear lines of a pixel between them."""
    count, height, width, _ = pictures.shape
    rows = math.ceil(count / columns)
    sheet = np.zeros((rows * (height + 1) - 1, columns * (width + 1) - 1, 4), np.uint8)
    for i, picture in enumerate(pictures):
        top, left = (i // columns) * (height + 1), (i % columns) * (width + 1)
        sheet[top : top + height, left : left + width, :3] = picture
        sheet[top : top + height, left : left + width, 3] = 255
    return sheet


def _png(pixels: np.ndarray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
