"""The notebooks as their readers meet them: JupyterLab, a handle, a picture.

03, 08 and 11 train for long before they show widgets that 05 and 04 show too; nbmake runs all of them.
"""

import pytest

from . import rig

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    "name",
    [
        "00_start_here",
        "01_truncated_svd",
        "02_kl_derivation",
        "04_singular_values_and_beta",
        "05_latent_explorer",
        "06_kernel_density",
        "07_avae",
        "09_cifar10",
    ],
)
def test_moving_the_first_handle_changes_the_picture(page, address, name):
    rig.open_notebook(page, address, f"{name}.ipynb")
    rig.run_to_first_widget(page)
    before = rig.settled_pixels(page)
    rig.move_handle(page)
    rig.wait_for_new_pixels(page, before)
    rig.save_screenshot(page, name)


def test_notebook_without_widgets_runs_from_top_to_bottom(page, address):
    rig.open_notebook(page, address, "10_celeba.ipynb")
    rig.run_all(page)
    rig.save_screenshot(page, "10_celeba")
