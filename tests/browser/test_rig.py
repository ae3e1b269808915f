"""The rig tried on notebooks of its own: it sees a picture change, and it notices what goes wrong."""

import pytest

from . import rig

pytestmark = pytest.mark.browser

SLIDER_AND_IMAGE = """
import io, os
import ipywidgets as widgets
from PIL import Image

def picture(level):
    file = io.BytesIO()
    Image.new("L", (64, 64), int(level)).save(file, "PNG")
    return file.getvalue()

slider = widgets.FloatSlider(value=100, min=0, max=255, step=5)
image = widgets.Image(value=picture(100), layout={"width": "64px"})
"""
LINK = "slider.observe(lambda change: setattr(image, 'value', picture(change.new)), 'value')"
SHOW = "widgets.VBox([slider, image])"


@pytest.fixture
def show(page, address, workspace, request):
    """Open a notebook of the given code cells."""

    def show(*sources):
        path = workspace / f"{request.node.name}.ipynb"
        rig.write_notebook(path, *sources)
        rig.open_notebook(page, address, path.name)

    return show


def test_slider_changes_the_picture_and_back(page, show):
    show(SLIDER_AND_IMAGE, LINK, SHOW, "", "assert os.environ['VRRAE_LAB_FAST'] == '1'")
    rig.run_all(page)
    before = rig.settled_pixels(page)
    rig.move_slider(page)
    after = rig.wait_for_new_pixels(page, before)
    rig.move_slider(page, steps=-1)
    assert rig.wait_for_new_pixels(page, after) == before
    rig.save_screenshot(page, "rig")


def test_a_slider_that_does_nothing_is_noticed(page, show):
    show(SLIDER_AND_IMAGE, SHOW)
    rig.run_all(page)
    before = rig.settled_pixels(page)
    rig.move_slider(page)
    with pytest.raises(AssertionError, match="has not changed"):
        rig.wait_for_new_pixels(page, before, seconds=1)


def test_an_error_in_a_cell_is_noticed(page, show):
    show("assert 1 + 1 == 3, 'arithmetic'", "2")
    with pytest.raises(AssertionError, match="arithmetic"):
        rig.run_all(page)


def test_a_cell_that_takes_too_long_is_noticed(page, show):
    show("import time", "time.sleep(5)")
    with pytest.raises(AssertionError, match="1 cells have not run"):
        rig.run_all(page, seconds=1)


def test_a_cell_before_the_slider_that_takes_too_long_is_noticed(page, show):
    show("import time", "time.sleep(5)", SHOW)
    with pytest.raises(AssertionError, match="cell 2 has not run"):
        rig.run_to_first_slider(page, seconds=1)


def test_cells_are_run_until_one_shows_a_slider_and_a_picture(page, show):
    show(SLIDER_AND_IMAGE, LINK, "slider", SHOW, "assert False, 'too far'")
    rig.run_to_first_slider(page)
    before = rig.settled_pixels(page)
    rig.move_slider(page)
    rig.wait_for_new_pixels(page, before)


def test_an_error_before_the_slider_and_a_notebook_without_one_are_noticed(page, show):
    show(SLIDER_AND_IMAGE, "assert 1 + 1 == 3, 'arithmetic'", SHOW)
    with pytest.raises(AssertionError, match="arithmetic"):
        rig.run_to_first_slider(page)
    show(SLIDER_AND_IMAGE, LINK)
    with pytest.raises(AssertionError, match="no cell has shown"):
        rig.run_to_first_slider(page)
