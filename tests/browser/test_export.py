"""The exported page, opened as a file: dragged, moved by keys and sliders, without a kernel."""

import os
from pathlib import Path

import pytest

import vrrae_lab as vl

pytestmark = pytest.mark.browser
CANVAS = "canvas => canvas.toDataURL()"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    model, _ = vl.checkpoint.load(vl.checkpoint.shipped("bumps_vrrae"))
    path = tmp_path_factory.mktemp("exported") / "bumps.html"
    return vl.widgets.export_html(model, vl.data.bumps(image_size=32), path, title="Bumps")


@pytest.fixture
def opened(page, exported):
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(exported.as_uri())
    page.wait_for_function("document.getElementById('place').textContent !== ''")
    yield page
    assert not errors
    assert all(url.startswith(("file:", "data:")) for url in asked)


def place(page):
    return page.locator("#place").inner_text()


def test_dragging_moves_the_picture(opened):
    plane, image = opened.locator("#plane"), opened.locator("#image")
    before, box = image.evaluate(CANVAS), plane.bounding_box()
    assert box["width"] == box["height"]
    opened.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    opened.mouse.down()
    seen = set()
    for right in (20, 40, 60):
        opened.mouse.move(box["x"] + box["width"] / 2 + right, box["y"] + box["height"] / 2 - right)
        seen.add(image.evaluate(CANVAS))
    opened.mouse.up()
    assert len(seen | {before}) == 4
    assert place(opened).startswith("coefficient 1: 0.9")
    if folder := os.environ.get("VRRAE_LAB_SCREENSHOTS"):
        opened.screenshot(path=Path(folder) / "export.png")
    opened.get_by_role("button", name="reset").click()
    assert image.evaluate(CANVAS) == before


def test_keys_and_sliders_move_it_too(opened):
    image, before = opened.locator("#image"), opened.locator("#image").evaluate(CANVAS)
    opened.locator("#plane").focus()
    for _ in range(4):
        opened.keyboard.press("ArrowRight")
    assert place(opened).startswith("coefficient 1: 0.20")
    assert image.evaluate(CANVAS) != before
    opened.locator("#y").focus()
    opened.keyboard.press("ArrowLeft")
    assert "coefficient 2: -0.05" in place(opened)


def test_a_damaged_page_says_so(page, exported, tmp_path):
    text = exported.read_text()
    start = text.index('"sprite": "') + len('"sprite": "')
    (tmp_path / "damaged.html").write_text(text[:start] + "AAAA" + text[start + 400 :])
    page.goto((tmp_path / "damaged.html").as_uri())
    page.wait_for_function("document.getElementById('error').textContent.includes('damaged')")
