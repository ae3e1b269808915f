"""Every widget as a page of one file, without a kernel: each handle by keyboard, mouse and finger, in every width.

What a notebook adds, a kernel that agrees with the page, is tested in `test_lab`.
"""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from vrrae_lab.widgets.card import document

from . import rig
from .widgets import WIDGETS

pytestmark = pytest.mark.browser

SIZES = {"wide": (1240, 860), "900": (900, 860), "390": (390, 844)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The page of each widget."""
    folder = tmp_path_factory.mktemp("pages")
    for name, make in WIDGETS.items():
        (folder / f"{name}.html").write_text(document(name, [make().html()]), encoding="utf-8")
    return folder


@pytest.fixture
def show(browser, files):
    """Open a widget's page in a width and a colour scheme; no error may turn up until the test ends, nor a request."""
    contexts, errors = [], []

    def opened(name, size="wide", scheme="light"):
        width, height = SIZES[size]
        touch = size == "390"
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=touch, is_mobile=touch
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: errors.append(request.url) if request.url.startswith("http") else None)
        page.goto((files / f"{name}.html").as_uri())
        page.locator(".vrrae-lab .card").wait_for()
        page.wait_for_timeout(300)
        if folder := os.environ.get("VRRAE_LAB_SCREENSHOTS"):
            page.screenshot(path=Path(folder) / f"{name}_{size}_{scheme}.png", full_page=True)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not errors


WITH_HANDLES = sorted(set(WIDGETS) - {"collapse_map"})  # which has cells


@pytest.mark.parametrize("name", WITH_HANDLES)
def test_each_handle_is_named_and_moves_by_keys(show, name):
    page = show(name)
    handles = page.locator(rig.HANDLES)
    assert handles.count()
    for number in range(handles.count()):
        handle = handles.nth(number)
        label = handle.get_attribute("aria-label")
        before, picture = handle.get_attribute("aria-valuetext"), rig.pixels(page)
        assert label and before
        handle.focus()
        for key in ("ArrowUp", "ArrowDown", "ArrowDown"):  # one that stands at its end moves the other way
            page.keyboard.press(key)
            page.wait_for_timeout(60)
            if handle.get_attribute("aria-valuetext") != before and rig.differ(picture, rig.pixels(page)):
                break
        else:
            pytest.fail(f"{label} stays at {before}, or nothing is seen of it")


def drag(page, box, by):
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for part in (0.3, 0.6, 1):
        page.mouse.move(x + part * by[0], y + part * by[1])
    page.mouse.up()
    page.wait_for_timeout(60)


def swipe(page, box, by):
    client = page.context.new_cdp_session(page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for kind, part in (("touchStart", 0), ("touchMove", 0.5), ("touchMove", 1), ("touchEnd", None)):
        points = [] if part is None else [{"x": x + part * by[0], "y": y + part * by[1]}]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.wait_for_timeout(60)


@pytest.mark.parametrize(("size", "move"), [("wide", drag), ("390", swipe)], ids=["mouse", "touch"])
@pytest.mark.parametrize("name", WITH_HANDLES)
def test_each_handle_moves_with_the_pointer(show, name, size, move):
    page = show(name, size)
    handles = page.locator('.vrrae-lab svg [role="slider"]')
    for number in range(handles.count()):
        handle = handles.nth(number)
        handle.scroll_into_view_if_needed()
        label, before = handle.get_attribute("aria-label"), handle.get_attribute("aria-valuetext")
        scrolled = page.evaluate("scrollY")
        for by in ((24, -24), (-24, 24), (-90, 90)):  # some go from one whole number to the next
            move(page, handle.bounding_box(), by)
            if handle.get_attribute("aria-valuetext") != before:
                break
        else:
            pytest.fail(f"{label} stays at {before}")
        assert page.evaluate("scrollY") == scrolled


def test_a_cell_of_the_collapse_map_is_opened_by_keys_and_by_the_pointer(show):
    page = show("collapse_map")
    chosen = page.locator('[role="gridcell"][aria-selected="true"]')
    seen = [(chosen.first.get_attribute("aria-label"), rig.pixels(page))]
    page.locator('[role="grid"]').first.focus()
    for act in (lambda: page.keyboard.press("ArrowLeft"), lambda: page.locator('[role="gridcell"]').last.click()):
        act()
        page.wait_for_timeout(60)
        seen.append((chosen.first.get_attribute("aria-label"), rig.pixels(page)))
    for (label, before), (other, after) in itertools.pairwise(seen):
        assert label != other and rig.differ(before, after)


def test_a_drawing_is_encoded_while_it_is_drawn(show):
    page = show("explore", "390")
    pad = page.locator("canvas.pad")
    pad.scroll_into_view_if_needed()
    before, scrolled = rig.pixels(page), page.evaluate("scrollY")
    swipe(page, pad.bounding_box(), (30, 40))
    page.wait_for_timeout(200)
    assert page.evaluate("scrollY") == scrolled  # first: to take a picture may scroll as well
    assert rig.differ(before, rig.pixels(page))


@pytest.mark.parametrize("size", ["900", "390"])
@pytest.mark.parametrize("name", WIDGETS)
def test_nothing_scrolls_sideways(show, name, size):
    page = show(name, size)
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]


@pytest.mark.parametrize("name", WIDGETS)
def test_the_card_is_dark_where_the_page_is_and_fits_a_laptop(show, name):
    page = show(name, scheme="dark")
    shot = rig.pixels(page)
    assert np.median(shot) < 60  # of paper
    assert (shot.max(axis=2) > 200).any()  # and ink that is read on it
    assert shot.shape[0] <= 800
