"""The explorer under mouse, keyboard and pen, in a notebook of its own."""

import io

import numpy as np
import pytest
from PIL import Image

from . import rig

pytestmark = pytest.mark.browser

MODEL = """
import vrrae_lab as vl
model, _ = vl.checkpoint.load(vl.checkpoint.shipped("bumps_vrrae"))
bumps = vl.data.bumps(image_size=32)
"""
ONE_MODEL = MODEL + "vl.widgets.explore(model, bumps, num_sliders=1)"
TWO_MODELS = MODEL + "vl.widgets.explore(model, bumps, other=model)"


@pytest.fixture
def show(page, address, workspace, request):
    """Open and run a notebook of one cell."""

    def show(source):
        path = workspace / f"{request.node.name}.ipynb"
        rig.write_notebook(path, source)
        rig.open_notebook(page, address, path.name)
        rig.run_all(page)
        page.evaluate("() => jupyterapp.commands.execute('application:toggle-left-area')")

    return show


def output(page):
    return page.locator(".jp-OutputArea")


def press(page, name):
    output(page).get_by_role("button", name=name, exact=True).click()


def choose(page, name, content):
    with page.expect_file_chooser() as chooser:
        output(page).get_by_role("button", name="upload PNG or JPEG").click()
    chooser.value.set_files({"name": name, "mimeType": "image/png", "buffer": content})


def test_sliders_follow_keyboard_and_mouse_and_undo_brings_back(page, show):
    show(ONE_MODEL)
    start = rig.settled_pixels(page)
    rig.move_slider(page)
    by_key = rig.wait_for_new_pixels(page, start)
    handle = rig.sliders(page).first.bounding_box()
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    page.mouse.down()
    page.mouse.move(handle["x"] + 60, handle["y"] + 5, steps=5)
    page.mouse.up()
    by_mouse = rig.wait_for_new_pixels(page, by_key)
    rig.save_screenshot(page, "explorer_moved")
    press(page, "next")
    output(page).get_by_text("2 to 2 of 2").wait_for()
    assert rig.settled_pixels(page) != by_key
    press(page, "undo")
    assert rig.wait_for_new_pixels(page, by_mouse) == start
    press(page, "random")
    drawn = rig.wait_for_new_pixels(page, start)
    press(page, "reset")
    assert rig.wait_for_new_pixels(page, drawn) == start
    output(page).locator(".widget-play button").first.focus()
    page.keyboard.press("Enter")
    playing = rig.wait_for_new_pixels(page, start)
    rig.wait_for_new_pixels(page, playing)
    rig.save_screenshot(page, "explorer_playing")


def test_a_bad_upload_is_named_and_a_good_one_stands_beside_its_reconstruction(page, show):
    show(ONE_MODEL)
    start = rig.settled_pixels(page)
    choose(page, "notes.png", b"no picture")
    output(page).get_by_role("alert").get_by_text("notes.png is neither a PNG nor a JPEG").wait_for()
    assert rig.pixels(page) == start
    rig.save_screenshot(page, "explorer_bad_upload")
    u, v = np.meshgrid(np.linspace(-1, 1, 32), np.linspace(-1, 1, 32))
    bump = np.exp(-((u - 0.3) ** 2 + (v + 0.2) ** 2) / 0.08)
    picture = io.BytesIO()
    Image.fromarray(np.round(255 * bump).astype(np.uint8)).save(picture, "PNG")
    choose(page, "bump.png", picture.getvalue())
    output(page).get_by_text("bump.png").wait_for()
    assert rig.images(page).count() == 2 and output(page).get_by_role("alert").count() == 0
    assert rig.settled_pixels(page, 0) != rig.settled_pixels(page, 1) != start
    output(page).get_by_text("; error ").wait_for()
    rig.save_screenshot(page, "explorer_upload")
    press(page, "undo")  # one step: that the page moves the sliders to their nearest steps is none
    output(page).get_by_text("bump.png").wait_for(state="detached")
    assert rig.settled_pixels(page) == start


def test_a_drawing_and_a_number_go_to_both_models(page, show):
    show(TWO_MODELS)
    rig.settled_pixels(page)
    pad = output(page).locator("canvas:not(.vrrae-lab-pixels)")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 110, box["y"] + 110, steps=5)
    page.mouse.up()
    output(page).get_by_text("your drawing").nth(1).wait_for()
    assert rig.images(page).count() == 4
    original = rig.settled_pixels(page)
    assert rig.settled_pixels(page, 2) == original
    rig.save_screenshot(page, "explorer_two_models")
    press(page, "encode it")
    output(page).get_by_text("image 0 of bumps").nth(1).wait_for()
    assert rig.wait_for_new_pixels(page, original) == rig.settled_pixels(page, 2)
