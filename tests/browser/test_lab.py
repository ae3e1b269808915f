"""Widgets in JupyterLab, where a kernel and the page hold the same state."""

import pytest

from . import rig

pytestmark = pytest.mark.browser

MAKE = "import vrrae_lab as vl\nwidget = vl.widgets.kl()\nwidget"
EXPLORE = """model, _ = vl.checkpoint.load(vl.checkpoint.shipped("digits_vae"))
vl.widgets.explore(model, vl.data.digits("train", 100))"""
SPECTRUM = "vl.widgets.spectrum([4.0, 2.0, 1.0, 0.5])"
RACE = 'import vrrae_lab as vl\nvl.widgets.race("mnist_collapse")'
RUNNING = "import ipywidgets.widgets.widget as module\nprint(len(module._instances))"


@pytest.fixture
def lab(page, address, workspace):
    """A notebook of one widget, run; no error may turn up in the console until the test ends."""
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    rig.write_notebook(workspace / "widget.ipynb", MAKE)
    rig.open_notebook(page, address, "widget.ipynb")
    rig.run_all(page)
    page.locator(".vrrae-lab .card").wait_for()
    yield page
    assert not errors


def mean(page, number=0):
    return page.get_by_role("slider", name="mean", exact=True).nth(number)


def wait_for_text(page, text, number=0):
    page.wait_for_function(
        "([element, text]) => element.getAttribute('aria-valuetext') === text",
        arg=[mean(page, number).element_handle(), text],
    )


def test_python_and_page_agree_whoever_moves(lab):
    mean(lab).focus()
    for _ in range(20):  # faster than the kernel answers
        lab.keyboard.press("ArrowRight")
    wait_for_text(lab, "μ = 2.10")
    lab.wait_for_timeout(500)
    wait_for_text(lab, "μ = 2.10")
    assert rig.ask(lab, "print(round(widget.mean, 6))") == "2.1"
    rig.ask(lab, "widget.mean = -2.0")
    wait_for_text(lab, "μ = -2.00")
    lab.keyboard.press("ArrowRight")
    wait_for_text(lab, "μ = -1.95")


def test_a_second_view_shows_the_same(lab):
    cell = lab.evaluate("jupyterapp.shell.currentWidget.content.widgets.length - 1")
    lab.evaluate("cell => jupyterapp.commands.execute('notebook:create-output-view')", cell)
    lab.wait_for_function("document.querySelectorAll('.vrrae-lab .card').length === 2")
    mean(lab).focus()
    lab.keyboard.press("ArrowRight")
    wait_for_text(lab, "μ = 1.15", 0)
    wait_for_text(lab, "μ = 1.15", 1)


def test_a_cell_that_is_run_again_leaves_one_widget_model(lab):
    running = int(rig.ask(lab, RUNNING))  # this notebook's kernel has seen the tests before this one
    for _ in range(2):
        lab.evaluate(rig.RUN_CELL, 1)
        lab.wait_for_function("window.ran")
    assert int(rig.ask(lab, RUNNING)) == running
    rig.ask(lab, "widget.close()")
    assert int(rig.ask(lab, RUNNING)) == running - 1


def test_the_view_of_a_kernel_that_has_died_goes_on(lab):
    lab.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.shutdown()")
    lab.wait_for_timeout(1000)
    mean(lab).focus()
    for _ in range(2):
        lab.keyboard.press("ArrowRight")
    wait_for_text(lab, "μ = 1.20")


def test_the_lab_and_a_spectrum_go_on_after_a_reload_and_the_death_of_their_kernel(page, address, workspace):
    rig.write_notebook(workspace / "two.ipynb", "import vrrae_lab as vl", EXPLORE, SPECTRUM)
    rig.open_notebook(page, address, "two.ipynb")
    rig.run_all(page)
    page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_timeout(1000)
    page.goto(page.url.split("?")[0])
    page.wait_for_function("document.querySelectorAll('.vrrae-lab .card').length === 2", timeout=60_000)
    page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.shutdown()")
    page.wait_for_timeout(1000)
    for name in ("coefficient 1", "β"):
        handle = page.get_by_role("slider", name=name, exact=True)
        before = handle.get_attribute("aria-valuetext")
        handle.focus()
        page.keyboard.press("ArrowUp")
        page.wait_for_function(
            "([handle, before]) => handle.getAttribute('aria-valuetext') !== before",
            arg=[handle.element_handle(), before],
        )
    page.get_by_role("button", name="prior", exact=True).click()  # samples are drawn and decoded in the page
    page.get_by_role("button", name="sample 2").wait_for()


def test_a_recorded_race_is_played_in_a_notebook_in_the_colours_of_the_theme(page, address, workspace):
    rig.write_notebook(workspace / "race.ipynb", RACE)
    rig.open_notebook(page, address, "race.ipynb")
    rig.run_all(page)
    image = page.get_by_role("img", name="test image 1", exact=True)
    image.wait_for()
    page.wait_for_timeout(500)
    corner = "canvas => [...canvas.getContext('2d').getImageData(0, 0, 1, 1).data]"
    assert image.evaluate(corner) == [255, 255, 255, 255]  # paper
    page.get_by_role("slider", name="frame", exact=True).focus()
    page.keyboard.press("Home")
    page.get_by_text("step 0", exact=True).wait_for()
    assert not page.get_by_role("button", name="train").count()  # there is nothing to steer


def test_a_page_that_is_loaded_again_shows_the_state_of_a_living_kernel(lab):
    mean(lab).focus()
    lab.keyboard.press("ArrowRight")
    lab.wait_for_timeout(500)
    lab.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    lab.wait_for_timeout(1000)
    lab.goto(lab.url.split("?")[0])
    lab.locator(".vrrae-lab .card").wait_for(timeout=60_000)
    wait_for_text(lab, "μ = 1.15")
