"""The playground in JupyterLab: the page lives while the models train."""

import re
import time

import pytest

from . import rig

pytestmark = pytest.mark.browser

SHOW = """import jax
import vrrae_lab as vl
playground = vl.widgets.playground("digits", key=jax.random.key(0))
playground"""
CURVES = 1  # among the pictures, in the order of the page


@pytest.fixture
def training(page, address, workspace):
    """A page that shows a playground."""
    path = workspace / "playground.ipynb"
    rig.write_notebook(path, SHOW, "1 + 1")
    rig.open_notebook(page, address, path.name)
    rig.run_all(page)
    page.get_by_text("ready: press start").wait_for()
    return page


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def status(page):
    return page.locator(".jp-OutputArea").get_by_text(re.compile(r"^step \d+: ")).inner_text()


def step(page):
    return int(re.match(r"step (\d+)", status(page))[1])


def wait_for(page, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s; the status is {status(page)!r}"
        page.wait_for_timeout(50)


def readout(page, number):
    return page.locator(".jp-OutputArea .widget-readout").nth(number).inner_text()


def test_training_starts_pauses_and_follows_its_sliders(training):
    page = training
    first = rig.settled_pixels(page, CURVES)
    press(page, "start")
    wait_for(page, lambda: step(page) >= 5)
    beta = readout(page, 0)
    rig.move_slider(page, 0, 3)  # while it trains
    wait_for(page, lambda: readout(page, 0) != beta, 5)
    rig.save_screenshot(page, "playground_training")
    press(page, "pause")
    wait_for(page, lambda: "paused" in status(page), 5)
    still, picture = step(page), rig.settled_pixels(page, CURVES)
    page.wait_for_timeout(700)
    assert step(page) == still and rig.pixels(page, CURVES) == picture != first
    press(page, "start")
    wait_for(page, lambda: step(page) > still + 3)
    press(page, "reset")
    wait_for(page, lambda: "ready" in status(page), 5)
    assert step(page) == 0 and rig.settled_pixels(page, CURVES) == first
    rig.save_screenshot(page, "playground_reset")


def test_another_cell_runs_while_the_models_train_and_sees_the_sliders(training):
    page = training
    press(page, "start")
    wait_for(page, lambda: step(page) >= 3)
    rig.move_slider(page, 0, 2)
    page.evaluate(
        """source => {
            const {content} = jupyterapp.shell.currentWidget;
            content.activeCellIndex = content.widgets.length - 1;
            content.widgets.at(-1).model.sharedModel.setSource(source);
        }""",
        "print('beta', playground.training['VRRAE'].settings.beta, playground.running)",
    )
    page.evaluate("() => { void jupyterapp.commands.execute('notebook:run-cell'); }")
    page.get_by_text(re.compile(r"^beta \d+\.\d+ True")).wait_for(timeout=10_000)
    before = step(page)
    wait_for(page, lambda: step(page) > before + 3)
    press(page, "pause")
    wait_for(page, lambda: "paused" in status(page), 5)


def test_an_interrupted_kernel_ends_the_training_and_start_takes_it_up(training):
    page = training
    press(page, "start")
    wait_for(page, lambda: step(page) >= 10)

    def interrupted():  # one that falls between two frames is lost
        page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()")
        page.wait_for_timeout(300)
        return "interrupted" in status(page)

    wait_for(page, interrupted, 20)
    still = step(page)
    press(page, "start")
    wait_for(page, lambda: step(page) > still + 3, 20)
    press(page, "pause")
    wait_for(page, lambda: "paused" in status(page), 5)


def test_a_scenario_sets_the_sliders_and_says_what_to_look_for(training):
    page = training
    page.locator(".jp-OutputArea select").select_option("β too large")
    page.get_by_text("Look after 300 updates.").wait_for()
    assert readout(page, 0) == "10.0"
    press(page, "start")
    wait_for(page, lambda: step(page) >= 300)
    press(page, "pause")
    wait_for(page, lambda: "paused" in status(page), 5)
    text = page.locator(".jp-OutputArea").get_by_text(re.compile("^VAE: ")).inner_text()
    assert len(re.findall("0 of 8 coefficients active", text)) == 2, text
    rig.save_screenshot(page, "playground_scenario")
