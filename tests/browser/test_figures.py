"""The figures of a notebook for pages that show no plotly: kaleido draws them with the same Chromium."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from . import rig

pytestmark = pytest.mark.browser
TOOL = Path(__file__).parents[2] / "tools" / "notebooks.py"


def test_a_plotly_figure_is_stored_as_a_chart_and_as_a_picture(tmp_path):
    pytest.importorskip("kaleido", reason="kaleido is not installed (it is in the `dev` extra)")
    rig.chromium_path()
    path = tmp_path / "figure.ipynb"
    source = "import plotly.graph_objects as go\ngo.Figure(go.Scatter(y=[1, 3, 2]))"
    rig.write_notebook(path, source)
    subprocess.run([sys.executable, TOOL, path], check=True)
    (output,) = nbformat.read(path, as_version=4).cells[-1].outputs
    assert set(output.data) == {"application/vnd.plotly.v1+json", "image/png"}
