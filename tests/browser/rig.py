"""A JupyterLab server, a Chromium and the few gestures the browser tests need."""

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SETTINGS = {
    # No news pop-up over the notebook, and no look-ups on the network.
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    # Cells out of sight are rendered too, so that every slider and picture is there to be found.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}
# A notebook that names no kernel opens with a question.
KERNELSPEC = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]

# The state of the notebook on screen: the first error message, or how many code cells have yet to run.
PROGRESS = """() => {
    const panel = jupyterapp.shell.currentWidget;
    const cells = panel.content.widgets.map(cell => cell.model)
        .filter(model => model.type === 'code' && model.sharedModel.source.trim());
    const outputs = cells.flatMap(model => model.outputs.toJSON());
    const error = outputs.find(output => output.output_type === 'error');
    const waiting = cells.filter(model => model.executionCount === null).length;
    const idle = panel.sessionContext.session?.kernel?.status === 'idle';
    return {error: error ? error.traceback.join('\\n') : null, waiting, done: idle && waiting === 0};
}"""
SHOWS_WIDGET = """number => {
    const model = jupyterapp.shell.currentWidget.content.widgets[number].model;
    const outputs = model.type === 'code' ? model.outputs.toJSON() : [];
    return outputs.some(output => 'application/vnd.jupyter.widget-view+json' in (output.data ?? {}));
}"""
RUN_CELL = """number => {
    const notebook = jupyterapp.shell.currentWidget.content;
    notebook.activeCellIndex = number;
    window.ran = false;
    jupyterapp.commands.execute('notebook:run-cell').then(() => { window.ran = true; });
}"""
# Run code in the notebook's kernel; what it printed.
ASK = """code => new Promise(done => {
    let text = '';
    const future = jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code});
    future.onIOPub = message => {
        if (message.header.msg_type === 'stream') text += message.content.text;
        if (message.header.msg_type === 'error') text += message.content.traceback.join('\\n');
    };
    future.done.then(() => done(text));
})"""
CARDS = ".vrrae-lab .card"
HANDLES = '.vrrae-lab [role="slider"], .vrrae-lab input[type="range"]'


def unavailable(reason: str) -> NoReturn:
    """Skip the test, or fail it where browser tests are demanded (`VRRAE_LAB_REQUIRE=browser`)."""
    if "browser" in os.environ.get("VRRAE_LAB_REQUIRE", "").split(","):
        pytest.fail(f"VRRAE_LAB_REQUIRE demands the browser tests, but {reason}")
    pytest.skip(reason)


def chromium_path() -> str:
    """Where Chromium is; where there is none, the test is skipped or fails."""
    for name in CHROMIUM:
        if path := shutil.which(name):
            return path
    unavailable("there is no Chromium on the PATH (Debian: apt-get install chromium)")


@contextmanager
def jupyterlab(folder: Path, state: Path) -> Iterator[str]:
    """Serve `folder` with JupyterLab, all of whose own files are kept in `state`; yields the address."""
    overrides = state / "settings" / "overrides.json"
    overrides.parent.mkdir(parents=True)
    overrides.write_text(json.dumps(SETTINGS))
    port = _free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"]
    command += [f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True"]
    command += [f"--LabApp.app_settings_dir={overrides.parent}"]
    with open(state / "server.log", "wb") as log:
        server = subprocess.Popen(command, env=_environment(state), stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for_server(server, f"http://127.0.0.1:{port}", state / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()  # it ends its kernels before it ends itself
            server.wait(timeout=30)


def _environment(state: Path) -> dict[str, str]:
    environment = os.environ | {"VRRAE_LAB_FAST": "1", "JUPYTER_PREFER_ENV_PATH": "1"}
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        environment[name] = str(state / name.lower())
    # a user's own kernels and settings have no say here, and without images notebooks 08 to 10 are sooner done
    for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "VRRAE_LAB_MANUAL_DIR"):
        environment.pop(name, None)
    return environment


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for_server(server: subprocess.Popen, address: str, log: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/api/status", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")


@contextmanager
def chromium() -> Iterator["Browser"]:
    """A headless Chromium, the system's own."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable("playwright is not installed (it is in the `test` extra)")
    executable = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


def write_notebook(path: Path, *sources: str) -> None:
    """A notebook of a title and of code cells, to be opened in `jupyterlab`."""
    cells = [new_markdown_cell(f"# {path.stem}"), *map(new_code_cell, sources)]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNELSPEC}), path)


def open_notebook(page: "Page", address: str, name: str) -> None:
    """Show the notebook `name` of the server at `address`, and wait for its kernel."""
    page.goto(f"{address}/lab/tree/{name}?reset")
    page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session", timeout=60_000)
    page.wait_for_function(
        "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel?.status === 'idle'", timeout=60_000
    )


def run_all(page: "Page", seconds: float = 120) -> None:
    """Run every cell of the notebook on screen; an error in a cell, or `seconds` gone by, fails."""
    page.evaluate("() => { void jupyterapp.commands.execute('notebook:run-all-cells'); }")
    deadline = time.monotonic() + seconds
    while not (progress := page.evaluate(PROGRESS))["done"]:
        assert not progress["error"], f"a cell failed:\n{progress['error']}"
        assert time.monotonic() < deadline, f"{progress['waiting']} cells have not run after {seconds:g} s"
        page.wait_for_timeout(100)
    assert not progress["error"], f"a cell failed:\n{progress['error']}"


def run_to_first_widget(page: "Page", seconds: float = 120) -> None:
    """Run the cells of the notebook on screen, in order, until one of them has shown a widget that can be moved.

    What comes after is run elsewhere, by nbmake. Fails as `run_all`, or if there is no such cell.
    """
    number_of_cells = page.evaluate("() => jupyterapp.shell.currentWidget.content.widgets.length")
    deadline = time.monotonic() + seconds
    for number in range(number_of_cells):
        page.evaluate(RUN_CELL, number)
        while not page.evaluate("window.ran"):
            assert time.monotonic() < deadline, f"cell {number} has not run after {seconds:g} s"
            page.wait_for_timeout(50)
        error = page.evaluate(PROGRESS)["error"]
        assert not error, f"a cell failed:\n{error}"
        if page.evaluate(SHOWS_WIDGET, number):
            page.wait_for_timeout(1000)  # views come after the cell is done
        if page.locator(CARDS).count() and page.locator(HANDLES).count():
            return
    raise AssertionError("no cell has shown a widget with a handle")


def ask(page: "Page", code: str) -> str:
    """Run code in the kernel of the notebook on screen; what it printed."""
    return page.evaluate(ASK, code).strip()


def pixels(page: "Page") -> np.ndarray:
    """What the first widget shows at this moment, as RGB."""
    shot = Image.open(io.BytesIO(page.locator(CARDS).first.screenshot()))
    return np.asarray(shot.convert("RGB")).astype(int)


def differ(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two pictures differ by more than the edges of letters may."""
    return before.shape != after.shape or np.abs(before - after).max() > 16


def settled_pixels(page: "Page") -> np.ndarray:
    """What the first widget shows once it has stayed the same for 0.3 s: it may still draw after the last cell."""
    before = pixels(page)
    while True:
        page.wait_for_timeout(300)
        if not differ(before, now := pixels(page)):
            return now
        before = now


def move_handle(page: "Page") -> None:
    """Move the first handle by a key, downwards where it stands at its upper end."""
    handle = page.locator(HANDLES).first
    before = handle.get_attribute("aria-valuetext")
    handle.focus()
    for key in ("ArrowUp", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
        page.wait_for_timeout(60)
        if handle.get_attribute("aria-valuetext") != before:
            return


def wait_for_new_pixels(page: "Page", before: np.ndarray, seconds: float = 10) -> np.ndarray:
    """Wait until the first widget no longer shows `before`, and return what it shows instead."""
    deadline = time.monotonic() + seconds
    while not differ(before, after := pixels(page)):
        assert time.monotonic() < deadline, f"the widget has not changed within {seconds:g} s"
        page.wait_for_timeout(20)
    return after


def save_screenshot(page: "Page", name: str) -> None:
    """Keep a picture of the page in the folder `VRRAE_LAB_SCREENSHOTS`, where that is set."""
    if folder := os.environ.get("VRRAE_LAB_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")
