import shutil
from pathlib import Path

import pytest
from support import kernels_compile_quickly

from . import rig

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


# The server and the browser end with this package: playwright keeps an event loop running in the test thread, which
# nothing after it should meet.
@pytest.fixture(scope="package")
def browser():
    with rig.chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def workspace(tmp_path_factory):
    """The folder that JupyterLab shows: copies of the notebooks, because opening one may save it."""
    folder = tmp_path_factory.mktemp("workspace") / "notebooks"
    shutil.copytree(NOTEBOOKS, folder)
    return folder


@pytest.fixture(scope="package")
def address(browser, workspace, tmp_path_factory):
    with kernels_compile_quickly(), rig.jupyterlab(workspace, tmp_path_factory.mktemp("jupyter")) as address:
        yield address


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    yield page
    page.close()
