"""Where an explorer's image comes from: the data, a file, or the user's own hand."""

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
from jaxtyping import Float

from vrrae_lab.data.dataset import Dataset
from vrrae_lab.widgets.error_line import ErrorLine

Image = Float[np.ndarray, "height width channels"]
FORMATS = ("PNG", "JPEG")
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")  # 8 bits per channel or fewer
PAD_SIZE = 160  # of its longer side, in pixels


class Source(NamedTuple):
    """An image, scaled as the data are, and what it is called."""

    name: str
    x: Image


def black_and_white(data: Dataset) -> tuple[float, float]:
    """The values that black and white have in data of this scaling.

    In the units of the source black is 0, and white is 1 or, in data that were divided by their largest value, that
    value. Where the images do not lie between the two, black and white are their extremes.
    """
    low, high = data.value_range
    if data.x.dtype == np.uint8:
        return low, high
    raw_low, raw_high = low * data.scale + data.offset, high * data.scale + data.offset
    slack = 1e-5 * data.scale  # for the rounding of float32
    for white in (1.0, data.scale):
        if raw_low >= -slack and raw_high <= white + slack:
            return -data.offset / data.scale, (white - data.offset) / data.scale
    return low, high


def read_picture(content: bytes, name: str, data: Dataset) -> Source:
    """A PNG or JPEG as an image like those of the data: their size, channels and scale.

    The middle of the picture is cut out in the shape of the data; what is transparent becomes white.

    Args:
        content: of the file.
        name: of the file, for messages.
        data: black and white become what they are there (see `black_and_white`).

    Raises:
        ValueError: if the content is not a sound picture of 8 bits per channel, or the data are neither grey nor RGB.
    """
    import PIL
    import PIL.Image
    import PIL.ImageOps

    height, width, channels = data.shape
    if channels not in (1, 3):
        raise ValueError(f"{data.name} has {channels} channels: pictures can be read for 1 (grey) or 3 (colour) only")
    try:
        with PIL.Image.open(io.BytesIO(content), formats=FORMATS) as file:
            picture = PIL.ImageOps.exif_transpose(file)
            picture.load()
    except PIL.UnidentifiedImageError:
        raise ValueError(f"{name} is neither a PNG nor a JPEG: choose another file") from None
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise ValueError(f"{name} cannot be read, choose another file ({error})") from error
    if picture.mode not in MODES:
        raise ValueError(f"{name} has pixels of the kind {picture.mode}: save it with 8 bits per channel")
    if "A" in picture.mode or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = PIL.Image.alpha_composite(PIL.Image.new("RGBA", picture.size, "white"), picture)
    fitted = PIL.ImageOps.fit(picture.convert("L" if channels == 1 else "RGB"), (width, height))
    black, white = black_and_white(data)
    unit = np.asarray(fitted, np.float32).reshape(data.shape) / np.float32(255)
    return Source(name, np.float32(black) + np.float32(white - black) * unit)


def uploaded(value: Any) -> tuple[str, bytes] | None:
    """Name and content of the file in the value of an `ipywidgets.FileUpload`; None if there is none."""
    if not value:
        return None
    if isinstance(value, dict):  # ipywidgets 7: files by name
        name, file = next(iter(value.items()))
    else:
        name, file = value[0]["name"], value[0]
    return name, bytes(file["content"])


class ImageSource(ipywidgets.HBox):
    """An image's number, a button for a file, and a pad to draw on.

    Attributes:
        number: of an image of the data.
        take: the button that gives the image of this number again.
        upload: the button for a file.
        pad: None where there is no canvas.
    """

    def __init__(
        self, data: Dataset, receive: Callable[[Source], None], message: ErrorLine, fallback: bool = False
    ) -> None:
        """Made by the explorer.

        Args:
            data: its images can be picked, and the others are made like them.
            receive: called with each new image.
            message: shows what went wrong.
            fallback: whether to do without a pad, which is a canvas.
        """
        self._data, self._receive = data, receive
        self.number = ipywidgets.BoundedIntText(
            value=0,
            min=0,
            max=len(data) - 1,
            description="image number",
            style={"description_width": "110px"},
            layout={"width": "210px"},
        )
        self.take = ipywidgets.Button(description="encode it", tooltip="encode the image of this number")
        self.upload = ipywidgets.FileUpload(
            accept=".png,.jpg,.jpeg",
            description="upload PNG or JPEG",
            layout={"width": "210px"},
        )
        self.pad = None if fallback else _drawing_pad(data)
        self.number.observe(message.watch(lambda _: self._pick()), names="value")
        self.take.on_click(message.watch(lambda _: self._pick()))
        self.upload.observe(message.watch(lambda change: self._open(change.new)), names="value")
        buttons = ipywidgets.VBox([self.number, self.take, self.upload])
        if self.pad is None:
            super().__init__([buttons])
        else:
            self.pad.observe(message.watch(lambda change: self._drawn(change.new)), names="picture")
            super().__init__([buttons, self.pad])

    def _pick(self) -> None:
        number = self.number.value
        image = replace(self._data, x=self._data.x[number : number + 1], labels=None)
        self._receive(Source(f"image {number} of {self._data.name}", image.as_floats().x[0]))

    def _open(self, value: Any) -> None:
        file = uploaded(value)
        if file is None:
            return
        try:
            name, content = file
            self._receive(read_picture(content, name, self._data))
        finally:
            self.upload.set_trait("value", type(value)())  # else the same file could not be chosen again

    def _drawn(self, picture: str) -> None:
        if picture:
            self._receive(read_picture(base64.b64decode(picture.partition(",")[2]), "your drawing", self._data))


def _drawing_pad(data: Dataset) -> Any:
    try:
        from vrrae_lab.widgets.drawing_pad import DrawingPad
    except ImportError:  # no anywidget: files and numbers remain
        return None
    height, width, _ = data.shape
    scale = PAD_SIZE / max(height, width)
    return DrawingPad(width=round(width * scale), height=round(height * scale))
