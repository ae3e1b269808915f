"""What several test modules need."""

import os
from pathlib import Path

import pytest


def shared_data() -> Path:
    """The folder of real data that lies beside the repository on some machines; skips the test on others.

    Where the environment variable VRRAE_LAB_REQUIRE contains "data", its absence is a failure.
    """
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        reason = f"real data is not on this machine: there is no folder {folder}"
        if "data" in os.environ.get("VRRAE_LAB_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
