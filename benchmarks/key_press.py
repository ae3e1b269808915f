"""From a key press to changed pixels, in JupyterLab and in an exported page, with headless Chromium."""

import shutil
import statistics
import tempfile
import time
from pathlib import Path

import vrrae_lab as vl
from benchmarks.measure import Row
from tests.browser import rig

PRESSES = 25
PAUSE = 250  # milliseconds between two presses
# A model of the papers' size for images of 64×64, trained so far that its pictures move: how well does not matter.
MODEL = """
import jax, optax
import vrrae_lab as vl
bumps = vl.data.bumps(image_size=64)
model = vl.vrrae(bumps.shape, latent_size=200, rank=2, key=jax.random.key(0))
settings = {"loss": vl.losses.Variational(0.1), "optimizer": optax.adabelief(1e-3), "batch_size": 64}
model, _ = vl.fit(model, bumps.x, num_steps=100, key=jax.random.key(1), progress=False, **settings)
model = vl.freeze_basis(model, bumps.x)
"""
SHIPPED = """
import vrrae_lab as vl
bumps = vl.data.bumps(image_size=32)
model, _ = vl.checkpoint.load(vl.checkpoint.shipped("bumps_vrrae"))
"""
# In the page: the time from the key's event to the frame after the picture has changed.
ON_PIXELS = """canvas => {
    window.times = [];
    let pressed = null;
    document.addEventListener('keydown', () => { pressed = performance.now(); }, true);
    const pen = canvas.getContext('2d');
    const put = pen.putImageData.bind(pen);
    pen.putImageData = (...picture) => {
        put(...picture);
        if (pressed === null) return;
        const from = pressed;
        pressed = null;
        requestAnimationFrame(() => window.times.push(performance.now() - from));
    };
}"""
ON_CANVAS = """() => {
    window.times = [];
    document.addEventListener('keydown', () => {
        const from = performance.now();
        requestAnimationFrame(() => requestAnimationFrame(() => window.times.push(performance.now() - from)));
    }, true);
}"""


def rows(fast: bool) -> list[Row]:
    """Median and longest of 25 presses, milliseconds. In the kernel the decoder is in the loop; the page of
    `export_html` draws by itself, and the frame after its frame is waited for, which is 16 ms later.
    """
    if not any(map(shutil.which, rig.CHROMIUM)):
        return [{"what": "Chromium is absent"}]
    presses = 3 if fast else PRESSES
    with tempfile.TemporaryDirectory() as scratch, rig.chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        code, size = (SHIPPED, 32) if fast else (MODEL, 64)
        table = [{"what": f"explore, {size}×{size}", **_explorer(page, Path(scratch), code, presses)}]
        table.append({"what": "exported page, 32×32", **_exported(page, Path(scratch), presses)})
    return table


def _explorer(page, scratch: Path, code: str, presses: int) -> Row:
    folder = scratch / "notebooks"
    folder.mkdir()
    rig.write_notebook(folder / "explorer.ipynb", code, "vl.widgets.explore(model, bumps)")
    with rig.jupyterlab(folder, scratch / "jupyter") as address:
        rig.open_notebook(page, address, "explorer.ipynb")
        rig.run_all(page)
        rig.settled_pixels(page)
        rig.sliders(page).first.focus()
        rig.images(page).first.evaluate(ON_PIXELS)
        return _presses(page, presses)


def _exported(page, scratch: Path, presses: int) -> Row:
    model, _ = vl.checkpoint.load(vl.checkpoint.shipped("bumps_vrrae"))
    path = vl.widgets.export_html(model, vl.data.bumps(image_size=32), scratch / "page.html")
    page.goto(path.as_uri())
    page.locator("#plane").focus()
    page.evaluate(ON_CANVAS)
    return _presses(page, presses)


def _presses(page, presses: int) -> Row:
    for number in range(presses + 2):  # the first two are not counted
        page.keyboard.press("ArrowRight")
        deadline = time.monotonic() + 10
        page.wait_for_timeout(PAUSE)  # to ask the page meanwhile would take its core
        while page.evaluate("window.times.length") <= number:
            if time.monotonic() > deadline:
                raise RuntimeError(f"key press {number + 1} has changed no picture within 10 s")
            page.wait_for_timeout(PAUSE)
    times = page.evaluate("window.times")[2:]
    return {"median": statistics.median(times), "longest": max(times)}
