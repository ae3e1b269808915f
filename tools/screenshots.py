"""Take the pictures of the README and the docs: widgets as their page draws them, in headless Chromium.

python -m tools.screenshots
"""

import io
import tempfile
from pathlib import Path

import jax
from PIL import Image
from playwright.sync_api import Page

import vrrae_lab as vl
from tests.browser import rig
from vrrae_lab.widgets import card

DOCS = Path(__file__).resolve().parent.parent / "docs"
SIZE = {"width": 1100, "height": 800}
NUM_FRAMES, PAUSE = 30, 120  # of the moving picture, and milliseconds of each
MOST_BYTES = 2_000_000


def explorer() -> card.Card:
    """MNIST's two shipped models, on one image."""
    models = [vl.checkpoint.load(vl.checkpoint.shipped(f"mnist_{name}"))[0] for name in ("vrrae", "vae")]
    return vl.widgets.explore(models[0], vl.data.mnist_sample(), other=models[1])


STILL = {
    "explorer": explorer,
    "truncated_svd": lambda: vl.widgets.truncated_svd(key=jax.random.key(0)),
    "collapse_map": vl.widgets.collapse_map,
}


def main() -> None:
    """A PNG of each widget in its first state, and the race of MNIST from its first step to its last."""
    with tempfile.TemporaryDirectory() as scratch, rig.chromium() as browser:
        page = browser.new_page(viewport=SIZE)
        for name, make in STILL.items():
            _open(page, make(), Path(scratch))
            _shot(page).quantize(256, dither=Image.Dither.NONE).save(DOCS / f"{name}.png", optimize=True)
        _open(page, vl.widgets.race("mnist_collapse"), Path(scratch))
        scrubber = page.locator('[role="slider"]').first
        last = int(float(scrubber.get_attribute("aria-valuemax") or 0))
        scrubber.focus()
        page.keyboard.press("Home")
        frames = []
        for number in range(NUM_FRAMES):
            for _ in range(last * (number + 1) // NUM_FRAMES - last * number // NUM_FRAMES):
                page.keyboard.press("ArrowRight")
            page.wait_for_timeout(60)
            frames.append(_shot(page))
        file = DOCS / "race.webp"
        frames[0].save(file, save_all=True, append_images=frames[1:], duration=PAUSE, loop=0, quality=60, method=4)
        assert file.stat().st_size <= MOST_BYTES, f"{file} has {file.stat().st_size:,} bytes"


def _open(page: Page, widget: card.Card, folder: Path) -> None:
    file = folder / "widget.html"
    file.write_text(card.document("", [widget.html()]), encoding="utf-8")
    page.goto(file.as_uri())
    page.wait_for_timeout(1500)


def _shot(page: Page) -> Image.Image:
    return Image.open(io.BytesIO(page.locator(".vrrae-lab .card").screenshot())).convert("RGB")


if __name__ == "__main__":
    main()
