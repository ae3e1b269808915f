"""The latent plane in JupyterLab: dragged, clicked, painted on, and moved by keys."""

import pytest

from . import rig

pytestmark = pytest.mark.browser

MAKE = """
import jax
import vrrae_lab as vl

bumps, diagonal = vl.data.bumps(image_size=32), vl.data.bumps_diagonal(image_size=32)
model, _ = vl.checkpoint.load(vl.checkpoint.shipped("bumps_vrrae"))
plane = vl.widgets.latent_plane(model, bumps, path=diagonal, key=jax.random.key(0), fallback={fallback})
plane
"""
CANVAS = ".jp-OutputArea canvas[role=application]"
DECODED, PAIR, STRIP = 0, 1, 2  # the images beside a canvas, in the order of the page
# Places on the canvas, as fractions of it, that have the colour of the points.
POINTS = """canvas => {
    const {width, height} = canvas;
    const data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
    const found = [];
    for (let i = 0; i < data.length; i += 4)
        if (data[i] === 0 && data[i + 1] === 114 && data[i + 2] === 178)
            found.push([(i / 4) % width / width, Math.floor(i / 4 / width) / height]);
    return found;
}"""


@pytest.fixture
def show(page, address, workspace, request):
    """A notebook with the plane, as a canvas or as sliders, that has been run."""

    def show(fallback):
        path = workspace / f"{request.node.name}.ipynb"
        rig.write_notebook(path, MAKE.format(fallback=fallback))
        rig.open_notebook(page, address, path.name)
        rig.run_all(page)

    return show


@pytest.fixture
def canvas(page, show):
    """Where the canvas is on the page, once it shows the points."""
    show(False)
    element = page.locator(CANVAS)
    element.scroll_into_view_if_needed()
    page.wait_for_function(f"canvas => ({POINTS})(canvas).length > 0", arg=element.element_handle(), timeout=10_000)
    box = element.bounding_box()
    return lambda right, down: (box["x"] + right * box["width"], box["y"] + down * box["height"])


def canvas_pixels(page):
    return page.locator(CANVAS).evaluate("canvas => canvas.toDataURL()")


def test_dragging_moves_the_ring_and_the_image_and_leaves_a_strip(page, canvas):
    image, plane = rig.settled_pixels(page, DECODED), canvas_pixels(page)
    page.mouse.move(*canvas(0.5, 0.5))
    page.mouse.down()
    page.mouse.move(*canvas(0.2, 0.3), steps=5)
    image = rig.wait_for_new_pixels(page, image, DECODED)
    assert canvas_pixels(page) != plane
    page.mouse.move(*canvas(0.8, 0.7), steps=5)
    rig.wait_for_new_pixels(page, image, DECODED)
    assert not page.get_by_text("decoded along the painted line").is_visible()
    page.mouse.up()
    page.get_by_text("decoded along the painted line").wait_for(timeout=10_000)
    assert rig.pixels(page, STRIP)
    rig.save_screenshot(page, "latent_plane_painted")


def test_arrow_keys_move_the_ring_and_enter_picks_the_nearest_point(page, canvas):
    image, plane = rig.settled_pixels(page, DECODED), canvas_pixels(page)
    cell = page.evaluate("() => jupyterapp.shell.currentWidget.content.mode")
    page.locator(CANVAS).focus()
    for _ in range(10):
        page.keyboard.press("Shift+ArrowRight" if _ < 2 else "ArrowUp")
    image = rig.wait_for_new_pixels(page, image, DECODED)
    assert canvas_pixels(page) != plane
    assert page.locator(CANVAS).evaluate("canvas => document.activeElement === canvas")
    assert page.evaluate("() => jupyterapp.shell.currentWidget.content.mode") == cell
    assert "arrow keys" in page.locator(CANVAS).get_attribute("aria-label")
    pair = rig.settled_pixels(page, PAIR)
    page.keyboard.press("Enter")
    rig.wait_for_new_pixels(page, pair, PAIR)
    rig.save_screenshot(page, "latent_plane_keys")


def test_hovering_and_clicking_show_a_point_and_two_of_them_a_strip(page, canvas):
    pair = rig.settled_pixels(page, PAIR)
    blue = page.locator(CANVAS).evaluate(POINTS)
    first, second = canvas(*min(blue, key=sum)), canvas(*max(blue, key=sum))
    page.mouse.move(*first)
    hovered = rig.wait_for_new_pixels(page, pair, PAIR)
    page.mouse.move(*second)
    rig.wait_for_new_pixels(page, hovered, PAIR)
    for place, button in ((first, "A = picked"), (second, "B = picked")):
        page.mouse.click(*place)
        page.wait_for_timeout(500)  # a press that comes sooner may overtake the click
        page.get_by_role("button", name=button).click()
    page.get_by_text("decoded on the straight line from A to B").wait_for(timeout=10_000)
    assert rig.pixels(page, STRIP)
    rig.save_screenshot(page, "latent_plane_strip")


def test_the_grid_and_samples_are_drawn_when_asked_for(page, canvas):
    plane = canvas_pixels(page)
    for press in (
        lambda: page.get_by_role("button", name="grid").click(),
        lambda: page.get_by_text("prior", exact=True).click(),
        lambda: page.get_by_text("Gaussian mixture", exact=True).click(),
        lambda: page.get_by_text("kernel density", exact=True).click(),
    ):
        press()
        handle = page.locator(CANVAS).element_handle()
        page.wait_for_function(
            "([canvas, before]) => canvas.toDataURL() !== before", arg=[handle, plane], timeout=20_000
        )
        page.wait_for_timeout(300)
        plane = canvas_pixels(page)
    rig.save_screenshot(page, "latent_plane_samples")


def test_the_sliders_move_the_ring_and_the_image(page, show):
    show(True)
    plane, decoded = rig.settled_pixels(page, 0), rig.settled_pixels(page, 1)
    rig.move_slider(page, 0, steps=5)
    rig.wait_for_new_pixels(page, decoded, 1)
    rig.wait_for_new_pixels(page, plane, 0)
    rig.save_screenshot(page, "latent_plane_sliders")
