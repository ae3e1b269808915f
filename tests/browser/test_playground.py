"""The training race in JupyterLab: the page lives while the models train, and keeps their race when the kernel dies."""

import re

import pytest

from . import rig

pytestmark = pytest.mark.browser

MAKE = """import jax
import vrrae_lab as vl
playground = vl.widgets.playground("digits", key=jax.random.key(0))
playground"""


@pytest.fixture
def race(page, address, workspace):
    """A notebook that shows a playground; no error may turn up in the console until the test ends."""
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    rig.write_notebook(workspace / "playground.ipynb", MAKE)
    rig.open_notebook(page, address, "playground.ipynb")
    rig.run_all(page)
    page.get_by_text("ready", exact=True).wait_for(timeout=60_000)
    yield page
    assert not errors


def press(page, name):
    page.locator(".vrrae-lab").get_by_role("button", name=name).click()


def handle(page):
    return page.get_by_role("slider", name="frame", exact=True)


def place(page):
    """The step that is shown, its place among the frames, and how many there are."""
    return tuple(map(int, re.findall(r"\d+", handle(page).get_attribute("aria-valuetext"))))


def wait_for_frames(page, count):
    page.wait_for_function(
        "([handle, count]) => Number(handle.getAttribute('aria-valuemax')) >= count",
        arg=[handle(page).element_handle(), count],
        timeout=120_000,
    )


def test_the_page_steers_and_scrubs_while_the_models_train(race):
    press(race, "train")
    wait_for_frames(race, 5)
    race.get_by_role("slider", name="β", exact=True).focus()
    for _ in range(3):
        race.keyboard.press("ArrowRight")
    wait_for_frames(race, 8)
    handle(race).focus()
    race.keyboard.press("Home")  # back to the first frame, while the others go on arriving
    _, first, count = place(race)
    wait_for_frames(race, count + 3)
    assert first == place(race)[1] == 1
    press(race, "newest")
    press(race, "pause")
    race.get_by_text("paused", exact=True).wait_for()
    step, shown, count = place(race)
    assert shown == count
    race.wait_for_timeout(500)
    assert place(race) == (step, shown, count)
    python = rig.ask(
        race, "print(playground.steps, len(playground.record().frames), playground.running, playground.beta)"
    )
    steps, frames, running, beta = python.split()
    assert (int(steps), int(frames), running) == (step, count, "False")
    said = race.get_by_role("slider", name="β", exact=True).get_attribute("aria-valuetext")
    assert float(said) == float(beta) > 0.03
    press(race, "reset")
    race.get_by_text("ready", exact=True).wait_for()
    assert place(race) == (0, 1, 1)


def test_a_preset_starts_and_says_what_to_look_for(race):
    press(race, "β too large")
    race.get_by_text("All lamps go out").wait_for()
    race.get_by_text("paused", exact=True).wait_for(timeout=180_000)
    assert place(race)[0] == 300
    assert race.get_by_text("0 / 8", exact=True).count() == 2


def test_a_page_that_is_loaded_again_has_every_frame_and_keeps_them_when_the_kernel_dies(race):
    rig.ask(race, "playground.step(60)")
    wait_for_frames(race, 12)
    race.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    race.wait_for_timeout(1000)
    race.goto(race.url.split("?")[0])
    race.locator(".vrrae-lab .card").wait_for(timeout=60_000)
    wait_for_frames(race, 12)
    assert place(race) == (60, 13, 13)
    race.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.shutdown()")
    race.wait_for_timeout(1000)
    handle(race).focus()
    race.keyboard.press("ArrowLeft")
    race.keyboard.press("ArrowLeft")
    race.wait_for_timeout(200)
    assert place(race) == (50, 11, 13)
    press(race, "replay")
    race.wait_for_function(
        "handle => handle.getAttribute('aria-valuetext') === 'step 60, frame 13 of 13'",
        arg=handle(race).element_handle(),
    )
