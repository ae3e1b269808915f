"""From a key press in `explore` to changed pixels, and from its page to a first picture, in headless Chromium."""

import shutil
import statistics
import tempfile
from pathlib import Path

import jax

import vrrae_lab as vl
from benchmarks.measure import Row
from tests.browser import rig
from vrrae_lab.models import freeze_basis

PRESSES = 40
# In the page: milliseconds from a key's event to the canvas being painted, and whether a frame had gone by before.
PRESS = """async presses => {
    const frame = () => new Promise(requestAnimationFrame);
    const pen = document.querySelector('figure canvas').getContext('2d');
    const put = pen.putImageData.bind(pen);
    let painted = () => {};
    pen.putImageData = (...picture) => { put(...picture); painted(); };
    const handle = document.querySelector('[role=slider][aria-label^=coefficient]');
    handle.focus();
    const times = [];
    for (let i = 0; i < presses + 2; i++) {
        await frame();
        await new Promise(done => setTimeout(done, 50));
        let late = false;
        const shown = new Promise(done => { painted = done; });
        const from = performance.now();
        const key = { key: i % 10 < 5 ? 'ArrowUp' : 'ArrowDown', bubbles: true, cancelable: true };
        handle.dispatchEvent(new KeyboardEvent('keydown', key));
        requestAnimationFrame(() => { late = true; });
        await shown;
        times.push([performance.now() - from, late]);
    }
    return times.slice(2);
}"""
FIRST = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN"


def rows(fast: bool) -> list[Row]:
    """Milliseconds: median and longest of 40 presses until the picture is painted, which the next frame shows, and how
    many of them missed that frame; "page" until the exported page has painted first.
    """
    if not any(map(shutil.which, rig.CHROMIUM)):
        return [{"what": "Chromium is absent"}]
    digits, _ = vl.checkpoint.load(vl.checkpoint.shipped("digits_vrrae"))
    cases = {"8×8, digits": (digits, vl.data.digits())}
    if not fast:
        mnist, _ = vl.checkpoint.load(vl.checkpoint.shipped("mnist_vrrae"))
        cases["28×28, MNIST"] = (mnist, vl.data.mnist_sample())
        bumps = vl.data.bumps(image_size=64)
        # not trained: how well it draws takes no time
        large = vl.vrrae(bumps.shape, latent_size=200, rank=2, key=jax.random.key(0))
        cases["64×64, bumps"] = (freeze_basis(large, bumps.x), bumps)
    with tempfile.TemporaryDirectory() as scratch, rig.chromium() as browser:
        found = []
        for name, (model, data) in cases.items():
            path = vl.widgets.export_html(model, data, Path(scratch) / "page.html")
            page = browser.new_page(viewport={"width": 1240, "height": 900})
            page.goto(path.as_uri())
            page.locator("figure canvas").first.wait_for()
            presses = page.evaluate(PRESS, 3 if fast else PRESSES)
            times, late = zip(*presses, strict=True)
            found.append(
                {
                    "what": name,
                    "median": statistics.median(times),
                    "longest": max(times),
                    "frames missed": sum(late),
                    "page": page.evaluate(FIRST),
                }
            )
            page.close()
    return found
