"""Pictures that follow a slider: the bytes they send to the page."""

import numpy as np
import pytest
from support import shown

from vrrae_lab.widgets.picture import PngPicture, picture
from vrrae_lab.widgets.pixel_canvas import MODULE, PixelCanvas

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)


def test_a_canvas_gets_opaque_pixels_row_by_row():
    canvas = picture((5, 7), 4, "a picture")
    assert isinstance(canvas, PixelCanvas) and canvas.value == b""
    canvas.show(PIXELS)
    sent = np.frombuffer(canvas.value, np.uint8).reshape(5, 7, 4)
    np.testing.assert_array_equal(sent[..., :3], PIXELS)
    assert (sent[..., 3] == 255).all()
    assert (canvas.shape, canvas.magnify, canvas.label) == ((5, 7), 4, "a picture")


@pytest.mark.parametrize(("magnify", "room"), [(4, "28px"), (1, "7px"), (0.5, "3.5px")])
def test_both_kinds_show_the_same_and_take_the_same_room(magnify, room):
    canvas, png = (picture((5, 7), magnify, "a picture", fallback=fallback) for fallback in (False, True))
    assert isinstance(canvas, PixelCanvas) and isinstance(png, PngPicture)
    for pixels in (PIXELS, 255 - PIXELS):
        for each in (canvas, png):
            each.show(pixels)
            np.testing.assert_array_equal(shown(each), pixels)
    assert canvas.layout.min_width == png.layout.min_width == room
    assert canvas.magnify * 7 == float(room.removesuffix("px"))


def test_the_canvas_imports_nothing():
    assert "export default" in MODULE and "import" not in MODULE and "http" not in MODULE
