"""Run the notebooks and store their outputs (`make notebooks`), or with `--check` only look at them (`make lint`).

A committed notebook carries static outputs, so that it teaches on a web page too, and a hash of the code that made
them, so that outputs older than their code are noticed. It carries nothing that changes from machine to machine.
"""

import argparse
import base64
import hashlib
import io
import os
import re
import shutil
import sys
import tempfile
import time
from functools import reduce
from operator import getitem
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from PIL import Image
from playwright.sync_api import sync_playwright

from tools.address import address, install_cell, is_install_cell, with_badges
from vrrae_lab.files import atomic_file, write_text
from vrrae_lab.widgets import card

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
MAX_BYTES = 1_200_000
MAX_LINES = 20
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
POSTER_WIDTH, POSTER_BYTES = 1040, 120_000
PICTURES, PICTURE_SIZE = NOTEBOOKS.parent / "docs" / "notebooks", (360, 240)  # for the README's table
POSTER_WAIT = 1500  # milliseconds, in which the page draws what it draws a part at a time
# What JupyterLab itself writes, so that opening and saving a notebook there does not change it.
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
# For Colab: which notebooks want a TPU, and what makes it give them one.
ON_A_TPU = ("08_mnist", "09_cifar10", "10_celeba")
TPU_METADATA = {"accelerator": "TPU", "colab": {"gpuType": "V5E1", "provenance": []}}
# The terms of these data sets do not let their pictures be passed on.
WITHOUT_PICTURES = ("10_celeba",)
CHARTS = ("bar", "scatter")
PLOTLY = "application/vnd.plotly.v1+json"


def code_cells(nb: NotebookNode) -> list[NotebookNode]:
    """The code cells of `nb`, in order."""
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def held(cell: NotebookNode) -> str:
    """What must hold after a cell: code that nbmake runs in the tests and a reader never does."""
    return "\n".join(cell.metadata.get("nbmake", {}).get("post_cell_execute", []))


def cells_sha256(nb: NotebookNode) -> str:
    """A hash of all code but that which installs; prose may change without making outputs stale."""
    sources = [cell.source for cell in code_cells(nb) if not is_install_cell(cell)]
    return hashlib.sha256("\n\0".join(sources).encode()).hexdigest()


def clean(nb: NotebookNode) -> None:
    """Drop from `nb`, in place, what differs between runs and machines or means nothing without a kernel.

    That is: counts and timings, versions of the kernel, live widgets, and the error stream (progress bars).
    """
    nb.metadata.pop("widgets", None)
    nb.metadata.kernelspec = dict(KERNELSPEC)
    nb.metadata.language_info = {"name": "python"}
    for cell in code_cells(nb):
        cell.execution_count = None
        cell.metadata.pop("execution", None)
        cell.outputs = [output for output in cell.outputs if not (_is_widget(output) or _is_stderr(output))]
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = None


def run(path: Path) -> None:
    """Execute the notebook at `path` in full and replace it by its cleaned self; on any failure it stays as it was.

    Raises:
        CellExecutionError: if a cell fails.
        ValueError: if the result is larger than `MAX_BYTES`.
    """
    nb = nbformat.read(path, as_version=4)
    client = NotebookClient(nb, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}})
    client.record_timing, client.coalesce_streams = False, True
    # Each plotly figure is kept twice: as a live chart, and as a picture for pages that show no plotly.
    environment = os.environ | {"PLOTLY_RENDERER": "plotly_mimetype+png"}
    environment.pop("VRRAE_LAB_FAST", None)
    try:
        client.execute(env=environment)
    except AssertionError as error:  # at Ctrl-C nbclient ends the kernel, and fails to end it again on its way out
        raise KeyboardInterrupt from error
    for output in filter(_is_stderr, _outputs(nb)):
        print(output.text, file=sys.stderr)  # a warning must not vanish unseen with the progress bars
    put_posters(nb)
    clean(nb)
    nb.metadata.setdefault("vrrae_lab", {})["cells_sha256"] = cells_sha256(nb)
    text = nbformat.writes(nb) + "\n"
    if (size := len(text.encode())) > MAX_BYTES:
        raise ValueError(f"{path.name} would have {size:,} bytes, at most {MAX_BYTES:,}: show fewer or smaller figures")
    write_text(path, text)
    if path.resolve().parent == NOTEBOOKS:
        _write_picture(nb, path.stem)


def _write_picture(nb: NotebookNode, name: str) -> None:
    """The notebook's first widget, or without one its first chart, made small."""
    found = [output.data for output in _outputs(nb) if "image/png" in output.get("data", {})]
    pictures = [data["image/png"] for data in sorted(found, key=lambda data: PLOTLY in data)]
    if pictures:
        small = Image.open(io.BytesIO(base64.b64decode(pictures[0]))).convert("RGB")
        small.thumbnail(PICTURE_SIZE)
        with atomic_file(PICTURES / f"{name}.png") as file:
            small.quantize(64).save(file, "PNG", optimize=True)


def put_posters(nb: NotebookNode) -> None:
    """Put in the place of each widget of `nb`, in place, the picture that the page draws of it, for readers without
    a kernel."""
    states = nb.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    for output in filter(_is_widget, _outputs(nb)):
        kept = states.get(output.data[WIDGET_VIEW]["model_id"], {})
        state = kept.get("state", {})
        for buffer in kept.get("buffers", []):
            *path, name = buffer["path"]
            reduce(getitem, path, state)[name] = base64.b64decode(buffer["data"])
        if "_widget" in state:
            del output.data[WIDGET_VIEW]
            output.data["image/png"] = base64.b64encode(poster(card.element(state))).decode()


def poster(element: str) -> bytes:
    """A PNG of a widget, drawn by its page in Chromium."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "widget.html"
        file.write_text(card.document("", [element]), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": POSTER_WIDTH, "height": 800}, color_scheme="light")
        page.goto(file.as_uri())
        page.wait_for_timeout(POSTER_WAIT)
        shot = Image.open(io.BytesIO(page.locator(".vrrae-lab").screenshot())).convert("RGB")
        browser.close()
    for colours in (256, 128, 64, 32):
        packed = io.BytesIO()
        shot.quantize(colours, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
        if packed.tell() <= POSTER_BYTES:
            return packed.getvalue()
    raise ValueError(f"the picture of a widget has {packed.tell():,} bytes, at most {POSTER_BYTES:,}")


def problems(path: Path) -> list[str]:
    """What keeps the notebook at `path` from being committed, one line each."""
    nb = nbformat.read(path, as_version=4)
    cells, outputs = code_cells(nb), _outputs(nb)
    longest = max((len(cell.source.splitlines()) for cell in cells), default=0)
    size = path.stat().st_size
    on_a_tpu = path.stem in ON_A_TPU
    complaints = {
        f"it has {size:,} bytes, at most {MAX_BYTES:,}": size > MAX_BYTES,
        f"a code cell has {longest} lines, at most {MAX_LINES}": longest > MAX_LINES,
        "a code cell asserts: its reader is no test, so move that to nbmake.post_cell_execute of its metadata": any(
            re.search(r"^\s*assert\b", cell.source, re.M) for cell in cells
        ),
        "no cell's nbmake.post_cell_execute asserts anything": "assert" not in str([held(cell) for cell in cells]),
        "it names no python3 kernel": nb.metadata.get("kernelspec", {}).get("name") != "python3",
        "it holds widget state or views": "widgets" in nb.metadata or any(map(_is_widget, outputs)),
        "it holds execution counts": any(item.get("execution_count") for item in [*cells, *outputs]),
        "its outputs are older than its code": nb.metadata.get("vrrae_lab", {}).get("cells_sha256") != cells_sha256(nb),
        "its badges, or the cell that installs, are not those of `make address`": not _has_address(nb, path.stem),
        "its metadata ask Colab for no TPU": on_a_tpu and not TPU_METADATA.items() <= nb.metadata.items(),
        "it shows pictures that may not be passed on": path.stem in WITHOUT_PICTURES and has_pictures(nb),
    }
    return [complaint for complaint, holds in complaints.items() if holds]


def _has_address(nb: NotebookNode, name: str) -> bool:
    title, url = nb.cells[0].source, address()
    found = [cell.source for cell in nb.cells if is_install_cell(cell)]
    return title == with_badges(title, url, name) and found in ([install_cell(url)], [])


def has_pictures(nb: NotebookNode) -> bool:
    """Whether `nb` may show an image of the data: anything but text, and charts of bars, lines and points."""
    attached = any(cell.get("attachments") for cell in nb.cells)
    return attached or any("data:image" in cell.source for cell in nb.cells) or any(map(_is_picture, _outputs(nb)))


def _is_picture(output: NotebookNode) -> bool:
    found = output.get("data", {})
    # A PNG beside a chart is the same chart, drawn by `run`.
    chart = found.get(PLOTLY)
    if chart is not None:
        pictured = {trace.get("type", "scatter") for trace in chart["data"]} - set(CHARTS)
        return bool(pictured) or bool(chart.get("layout", {}).get("images")) or "data:image" in str(chart)
    return any(kind.startswith("image/") for kind in found) or any(
        mark in str(output) for mark in ("data:image", "<img", ";base64,")
    )


def main(arguments: list[str]) -> int:
    """Run or check the named notebooks, or all of them; the exit status is 1 when one fails, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="tools.notebooks", description="Run the notebooks, or check them.")
    parser.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="a path or a name in notebooks/ (all)")
    parser.add_argument("--check", action="store_true", help="change nothing, say what is wrong")
    options = parser.parse_args(arguments)
    paths = [_find(name) for name in options.notebooks] or sorted(NOTEBOOKS.glob("*.ipynb"))
    # A list, not a generator: every notebook gets its turn, also after one that failed.
    try:
        return int(not all([(_check if options.check else _run)(path) for path in paths]))
    except KeyboardInterrupt:
        print("\ninterrupted: the notebook that was running stays as it was", file=sys.stderr)
        return 130


def _check(path: Path) -> bool:
    found = problems(path)
    for problem in found:
        print(f"{path.name}: {problem}", file=sys.stderr)
    return not found


def _run(path: Path) -> bool:
    start = time.monotonic()
    try:
        run(path)
    except (CellExecutionError, ValueError) as error:
        print(f"{path.name}: {error}", file=sys.stderr)
        return False
    print(f"{path.name}: {time.monotonic() - start:.0f} s, {path.stat().st_size / 1000:.0f} kB")
    return True


def _find(name: str) -> Path:
    for path in (Path(name), NOTEBOOKS / name, NOTEBOOKS / f"{name}.ipynb"):
        if path.is_file():
            return path
    sys.exit(f"no notebook {name!r}; there are: {', '.join(sorted(path.stem for path in NOTEBOOKS.glob('*.ipynb')))}")


def _outputs(nb: NotebookNode) -> list[NotebookNode]:
    return [output for cell in code_cells(nb) for output in cell.outputs]


def _is_widget(output: NotebookNode) -> bool:
    return WIDGET_VIEW in output.get("data", {})


def _is_stderr(output: NotebookNode) -> bool:
    return output.get("name") == "stderr"


if __name__ == "__main__":
    # The kernel of this environment, not one of the same name that the user installed elsewhere.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    sys.exit(main(sys.argv[1:]))
