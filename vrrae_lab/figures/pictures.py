"""Images as pixels, as one picture of many, and as a figure."""

import base64
import functools
import io
import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Array, Float, UInt8

from vrrae_lab.figures.style import MAP, Figure, styled

Images = Float[np.ndarray, "count height width channels"] | Float[Array, "count height width channels"]


def to_pixels(images: Images, limits: tuple[float, float] | None = None) -> UInt8[np.ndarray, "count height width 3"]:
    """Images as 8-bit RGB: grey ones through the perceptual map, colour ones as they are.

    Args:
        images: 1 or 3 channels.
        limits: the values shown as the darkest and the brightest colour; by default the extremes of all the images.

    Raises:
        ValueError: if there are no images, or they have neither 1 nor 3 channels.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.size == 0:
        raise ValueError(f"the images have shape {images.shape}: give (batch, height, width, channels), at least one")
    if images.shape[-1] not in (1, 3):
        raise ValueError(f"the images have {images.shape[-1]} channels: only 1 (grey) or 3 (colour) can be shown")
    low, high = limits if limits is not None else (float(np.nanmin(images)), float(np.nanmax(images)))
    unit = np.nan_to_num(np.clip((images - low) / max(high - low, 1e-12), 0, 1))
    if images.shape[-1] == 3:
        return np.round(255 * unit).astype(np.uint8)
    return _map()[np.round(255 * unit[..., 0]).astype(int)]


def _check_pixels(pixels: np.ndarray, ndim: int) -> None:
    if not (isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim == ndim):
        raise ValueError(f"the pixels are no 8-bit RGB array of {ndim} axes: make them with to_pixels")
    if pixels.size == 0 or pixels.shape[-1] not in (3, 4):
        raise ValueError(f"the pixels have shape {pixels.shape}: give at least one, of 3 colours, or of 4 with opacity")


def tile(
    pixels: UInt8[np.ndarray, "count height width colours"], columns: int, gap: int = 1
) -> UInt8[np.ndarray, "grid_height grid_width colours"]:
    """One picture of all images side by side, row by row, separated by lines of `gap` pixels: white, or clear if the
    pixels have an opacity.

    Raises:
        ValueError: if there are no pictures of 8-bit RGB, `columns` is below 1 or `gap` below 0.
    """
    _check_pixels(pixels, 4)
    if columns < 1 or gap < 0:
        raise ValueError(f"columns = {columns}, gap = {gap}: use 1 column or more, and a gap of 0 or more")
    count, height, width, colours = pixels.shape
    rows = math.ceil(count / columns)
    sheet = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, colours), 255 if colours == 3 else 0, np.uint8
    )
    for i, picture in enumerate(pixels):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def png(pixels: UInt8[np.ndarray, "height width colours"], magnify: int = 1) -> bytes:
    """An 8-bit picture of RGB or RGBA as PNG, each pixel drawn as a square of `magnify` pixels.

    Raises:
        ValueError: if it is no picture of 8-bit RGB, or `magnify` is below 1.
    """
    _check_pixels(pixels, 3)
    if magnify < 1:
        raise ValueError(f"magnify = {magnify}: use 1 or more")
    from PIL import Image

    buffer = io.BytesIO()
    enlarged = pixels.repeat(magnify, axis=0).repeat(magnify, axis=1)
    # level 1: an image on screen a few milliseconds sooner is worth more than a smaller one
    Image.fromarray(enlarged).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


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
        limits: see `to_pixels`.
        width: of the figure, in pixels.

    Raises:
        ValueError: as `to_pixels` and `tile`.
    """
    pixels = to_pixels(images, limits)
    _, row_height, column_width, channels = np.shape(images)
    if channels == 1 and limits is not None and tuple(limits) == (0, 1):
        pixels = 255 - to_pixels(np.repeat(images, 3, axis=3), limits)
    sheet = tile(np.concatenate([pixels, np.full_like(pixels[..., :1], 255)], axis=3), columns)
    source = "data:image/png;base64," + base64.b64encode(png(sheet)).decode()
    smooth = "fast" if min(row_height, column_width) >= 28 else False
    figure = Figure(go.Image(source=source, hoverinfo="skip", zsmooth=smooth))
    figure.update_xaxes(visible=False)
    figure.update_yaxes(
        showgrid=False,
        zeroline=False,
        ticks="",
        showticklabels=bool(row_names),
        tickvals=[(row_height + 1) * (i + 0.5) for i in range(len(row_names))],
        ticktext=list(row_names),
    )
    margin_left = 20 + 7 * max((len(name) for name in row_names), default=0)
    height = round(60 + (width - margin_left - 20) * sheet.shape[0] / sheet.shape[1])
    return styled(figure, title, width, height, margin_left=margin_left)


@functools.cache  # plotly takes some milliseconds for it
def _map() -> UInt8[np.ndarray, "256 3"]:
    from plotly.colors import sample_colorscale

    return np.round(255 * np.asarray(sample_colorscale(MAP, np.linspace(0, 1, 256), colortype="tuple"))).astype(
        np.uint8
    )
