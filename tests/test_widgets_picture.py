"""Pictures that follow a slider: the bytes they send to the page."""

import numpy as np
import pytest

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


@pytest.mark.parametrize("fallback", [False, True])
def test_both_kinds_show_the_same_and_take_the_same_room(fallback):
    shown = picture((5, 7), 4, "a picture", fallback=fallback)
    assert isinstance(shown, PngPicture) == fallback
    shown.show(PIXELS)
    before = shown.value
    shown.show(255 - PIXELS)
    assert shown.value != before and shown.layout.min_width == "28px"


def test_the_canvas_imports_nothing():
    assert "export default" in MODULE and "import" not in MODULE and "http" not in MODULE
