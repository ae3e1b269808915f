"""The rig tried on notebooks of its own: it sees a picture change, and it notices what goes wrong."""

import pytest

from . import rig

pytestmark = pytest.mark.browser

SHOW = "import os\nimport vrrae_lab as vl\nvl.widgets.kl()"


@pytest.fixture
def show(page, address, workspace, request):
    """Open a notebook of the given code cells."""

    def show(*sources):
        path = workspace / f"{request.node.name}.ipynb"
        rig.write_notebook(path, *sources)
        rig.open_notebook(page, address, path.name)

    return show


def test_a_handle_changes_the_picture_and_back(page, show):
    show(SHOW, "", "assert os.environ['VRRAE_LAB_FAST'] == '1'")
    rig.run_all(page)
    before = rig.settled_pixels(page)
    rig.move_handle(page)
    after = rig.wait_for_new_pixels(page, before)
    page.keyboard.press("ArrowDown")
    rig.wait_for_new_pixels(page, after)
    page.keyboard.press("ArrowUp")
    page.wait_for_timeout(300)
    assert not rig.differ(rig.settled_pixels(page), after)  # the handle has the focus now as it had then
    rig.save_screenshot(page, "rig")


def test_a_picture_that_stays_the_same_is_noticed(page, show):
    show(SHOW)
    rig.run_all(page)
    before = rig.settled_pixels(page)
    with pytest.raises(AssertionError, match="has not changed"):
        rig.wait_for_new_pixels(page, before, seconds=1)


def test_an_error_in_a_cell_is_noticed(page, show):
    show("assert 1 + 1 == 3, 'arithmetic'", "2")
    with pytest.raises(AssertionError, match="arithmetic"):
        rig.run_all(page)


def test_a_cell_that_takes_too_long_is_noticed(page, show):
    show("import time", "time.sleep(5)")
    with pytest.raises(AssertionError, match="1 cells have not run"):
        rig.run_all(page, seconds=1)


def test_a_cell_before_the_widget_that_takes_too_long_is_noticed(page, show):
    show("import time", "time.sleep(5)", SHOW)
    with pytest.raises(AssertionError, match="cell 2 has not run"):
        rig.run_to_first_widget(page, seconds=1)


def test_cells_are_run_until_one_shows_a_widget(page, show):
    show("1 + 1", SHOW, "assert False, 'too far'")
    rig.run_to_first_widget(page)
    before = rig.settled_pixels(page)
    rig.move_handle(page)
    rig.wait_for_new_pixels(page, before)


def test_an_error_before_the_widget_and_a_notebook_without_one_are_noticed(page, show):
    show("assert 1 + 1 == 3, 'arithmetic'", SHOW)
    with pytest.raises(AssertionError, match="arithmetic"):
        rig.run_to_first_widget(page)
    show("1 + 1")
    with pytest.raises(AssertionError, match="no cell has shown"):
        rig.run_to_first_widget(page)
