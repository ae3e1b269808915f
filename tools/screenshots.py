"""Take the README's pictures: widgets in JupyterLab, in headless Chromium.

python -m tools.screenshots
"""

import io
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

from tests.browser import rig

DOCS = Path(__file__).resolve().parent.parent / "docs"
BEGIN = """
import jax
import vrrae_lab as vl
digits = vl.data.digits()
models = {n: vl.checkpoint.load(vl.checkpoint.shipped(f"digits_{n.lower()}"))[0] for n in ("VAE", "VRRAE")}
"""
# picture: what shows it
CELLS = {
    "explore": """
vl.widgets.explore(models["VRRAE"], digits, other=models["VAE"])""",
    "playground": """
widget = vl.widgets.playground("digits", key=jax.random.key(0))
widget.scenario.value = "make the VAE collapse"
for _ in range(60):
    widget.step(10)
widget""",
}


def main() -> None:
    """One notebook with a cell for each picture; each is the output of its cell."""
    with tempfile.TemporaryDirectory() as scratch, rig.chromium() as browser:
        folder = Path(scratch) / "notebooks"
        folder.mkdir()
        rig.write_notebook(folder / "pictures.ipynb", BEGIN, *CELLS.values())
        with rig.jupyterlab(folder, Path(scratch) / "jupyter") as address:
            page = browser.new_page(viewport={"width": 1700, "height": 1500})
            rig.open_notebook(page, address, "pictures.ipynb")
            rig.run_all(page)
            page.wait_for_timeout(2000)
            for number, name in enumerate(CELLS):
                output = page.locator(".jp-OutputArea-output").nth(number)
                output.locator(".vrrae-lab, .jupyter-widgets").first.wait_for()  # not a widget's description as text
                output.scroll_into_view_if_needed()
                page.wait_for_timeout(500)
                _without_margin(output.screenshot()).save(DOCS / f"{name}.png", optimize=True)
                print(DOCS / f"{name}.png")


def _without_margin(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture = picture.crop((0, 0, picture.width, picture.height - 1))  # the last row may be the edge of the panel
    white = Image.new("RGB", picture.size, "white")
    _, _, right, bottom = ImageChops.difference(picture, white).getbbox()
    return picture.crop((0, 0, right, bottom))


if __name__ == "__main__":
    main()
