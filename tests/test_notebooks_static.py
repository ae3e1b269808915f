"""The committed notebooks as files, and the tool that writes and checks them (tools/notebooks.py)."""

import importlib.util
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

TOOL = Path(__file__).parents[1] / "tools" / "notebooks.py"
_specification = importlib.util.spec_from_file_location("notebooks", TOOL)
notebooks = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(notebooks)


@pytest.mark.parametrize("path", sorted(notebooks.NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_committed_notebook_may_be_committed(path):
    assert notebooks.problems(path) == []


def test_notebooks_of_image_sets_are_there():
    names = {path.stem for path in notebooks.NOTEBOOKS.glob("*.ipynb")}
    assert {"07_mnist", "08_cifar10", "09_celeba"} == set(notebooks.ON_A_TPU) <= names
    assert {"09_celeba"} == set(notebooks.WITHOUT_PICTURES) <= names


@pytest.fixture
def write(tmp_path):
    """Write a notebook of the given code cells that has all a committed one should have."""

    def write(*sources, name="x", title="A title", **metadata):
        nb = new_notebook(cells=[new_markdown_cell(title)] + [new_code_cell(source) for source in sources])
        notebooks.clean(nb)
        nb.metadata["vrrae_lab"] = {"cells_sha256": notebooks.cells_sha256(nb)}
        nb.metadata.update(metadata)
        nbformat.write(nb, tmp_path / f"{name}.ipynb")
        return tmp_path / f"{name}.ipynb"

    return write


def _edit(path, change):
    nb = nbformat.read(path, as_version=4)
    change(nb)
    nbformat.write(nb, path)


def test_clean_notebook_has_no_problems(write):
    assert notebooks.problems(write("x = 1", "assert x == 1")) == []


def test_changed_code_is_stale_and_changed_prose_is_not(write):
    path = write("assert True")
    _edit(path, lambda nb: nb.cells[0].update(source="Another title"))
    assert notebooks.problems(path) == []
    _edit(path, lambda nb: nb.cells[1].update(source="assert not False"))
    assert notebooks.problems(path) == ["its outputs are older than its code"]


def test_code_moved_from_one_cell_to_the_next_is_stale(write):
    path = write("x = 1\ny = 2", "assert True")
    _edit(path, lambda nb: (nb.cells[1].update(source="x = 1"), nb.cells[2].update(source="y = 2\nassert True")))
    assert notebooks.problems(path) == ["its outputs are older than its code"]


@pytest.mark.parametrize("source", ["x = 1", "# assert x", "print('assert')"])
def test_notebook_without_an_assert_is_noticed(write, source):
    assert notebooks.problems(write(source)) == ["no code cell asserts anything"]


def test_long_cell_is_noticed(write):
    assert notebooks.problems(write("\n".join(["assert True"] * 20))) == []
    assert notebooks.problems(write("\n".join(["assert True"] * 21))) == ["a code cell has 21 lines, at most 20"]


def test_large_notebook_is_noticed(write):
    (problem,) = notebooks.problems(write("assert True", padding="x" * 1_200_000))
    assert "at most 1,200,000" in problem


def test_widget_state_and_views_are_noticed(write):
    assert notebooks.problems(write("assert True", widgets={})) == ["it holds widget state or views"]
    view = new_output("display_data", data={notebooks.WIDGET_VIEW: {"model_id": "1"}})
    path = write("assert True")
    _edit(path, lambda nb: nb.cells[1].update(outputs=[view]))
    assert notebooks.problems(path) == ["it holds widget state or views"]


def test_execution_count_is_noticed(write):
    path = write("assert True")
    _edit(path, lambda nb: nb.cells[1].update(execution_count=3))
    assert notebooks.problems(path) == ["it holds execution counts"]


def test_notebook_that_names_no_kernel_is_noticed(write):
    assert notebooks.problems(write("assert True", kernelspec={})) == ["it names no python3 kernel"]


def test_badge_opens_the_notebook_on_colab():
    badge = notebooks.colab_badge("07_mnist")
    assert badge.endswith(
        "https://colab.research.google.com/github/vrrae-lab/vrrae_lab/blob/main/notebooks/07_mnist.ipynb)"
    )


def test_notebook_for_a_tpu_has_a_badge_and_asks_for_one(write):
    title = f"{notebooks.colab_badge('07_mnist')}\n# A title"
    colab = {"gpuType": "V5E1", "provenance": []}
    path = write("assert True", name="07_mnist", title=title, accelerator="TPU", colab=colab)
    assert notebooks.problems(path) == []
    _edit(path, notebooks.clean)
    assert notebooks.problems(path) == []
    _edit(path, lambda nb: nb.cells[0].update(source=notebooks.colab_badge("08_cifar10")))
    assert notebooks.problems(path) == ["its first cell has no badge for Colab"]
    for metadata in ({}, {"accelerator": "GPU", "colab": colab}, {"accelerator": "TPU", "colab": {"provenance": []}}):
        path = write("assert True", name="07_mnist", title=title, **metadata)
        assert notebooks.problems(path) == ["its metadata ask Colab for no TPU"]


def _chart(kind, **layout):
    chart = {"data": [{"type": kind}], "layout": layout}
    return {"application/vnd.plotly.v1+json": chart, "image/png": "a picture of it"}


@pytest.mark.parametrize(
    ("data", "pictured"),
    [
        ({"text/plain": "42"}, False),
        (_chart("bar"), False),
        (_chart("scatter"), False),
        (_chart("image"), True),
        (_chart("heatmap"), True),
        (_chart("bar", images=[{"source": "face.png"}]), True),
        ({"application/vnd.plotly.v1+json": {"data": [{"marker": {"x": "data:image/png;base64,"}}]}}, True),
        ({"image/png": "a face"}, True),
        ({"image/jpeg": "a face"}, True),
        ({"image/svg+xml": "a face"}, True),
        ({"text/html": "<img src='face.png'>"}, True),
        ({"text/markdown": "![](data:image/png;base64,)"}, True),
    ],
)
def test_pictures_are_told_from_charts(data, pictured):
    nb = new_notebook(cells=[new_code_cell("1", outputs=[new_output("display_data", data=data)])])
    assert notebooks.has_pictures(nb) == pictured


def test_pictures_in_prose_are_noticed():
    assert notebooks.has_pictures(new_notebook(cells=[new_markdown_cell("![](data:image/png;base64,)")]))
    attached = new_markdown_cell("![](attachment:x.png)", attachments={"x.png": {"image/png": ""}})
    assert notebooks.has_pictures(new_notebook(cells=[attached]))


def test_faces_are_kept_out_of_the_notebook_of_celeba(write):
    title = notebooks.colab_badge("09_celeba")
    path = write("assert True", name="09_celeba", title=title, **notebooks.TPU_METADATA)
    assert notebooks.problems(path) == []
    face = new_output("display_data", data={"image/png": ""})
    _edit(path, lambda nb: nb.cells[1].update(outputs=[face]))
    assert notebooks.problems(path) == ["it shows pictures that may not be passed on"]


def test_run_stores_what_teaches_and_drops_the_rest(write, monkeypatch, capsys):
    monkeypatch.setenv("VRRAE_LAB_FAST", "1")
    path = write(
        "import os, sys, ipywidgets\nassert 'VRRAE_LAB_FAST' not in os.environ",
        "print('one')\nprint('two')\nprint('progress', file=sys.stderr)",
        "display(ipywidgets.FloatSlider())\n6 * 7",
    )
    _edit(path, lambda nb: nb.metadata.update(vrrae_lab={}, accelerator="TPU"))
    notebooks.run(path)
    assert notebooks.problems(path) == []
    nb = nbformat.read(path, as_version=4)
    assert nb.metadata.accelerator == "TPU"
    assert [output.text for output in nb.cells[2].outputs] == ["one\ntwo\n"]
    assert [output.data for output in nb.cells[3].outputs] == [{"text/plain": "42"}]
    assert "progress" in capsys.readouterr().err


def test_run_that_fails_leaves_the_file_as_it_was(write, monkeypatch, capsys):
    path = write("assert 1 + 1 == 3")
    before = path.read_bytes()
    with pytest.raises(CellExecutionError):
        notebooks.run(path)
    assert notebooks.main([str(path)]) == 1 and "x.ipynb" in capsys.readouterr().err
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_run_refuses_a_result_that_is_too_large(write, monkeypatch):
    monkeypatch.setattr(notebooks, "MAX_BYTES", 500)
    path = write("print('x' * 500)")
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"x\.ipynb would have .* bytes, at most 500"):
        notebooks.run(path)
    assert path.read_bytes() == before


def test_check_names_the_notebook_and_changes_nothing(write, capsys):
    path = write("x = 1")
    before = path.read_bytes()
    assert notebooks.main(["--check", str(path)]) == 1
    assert capsys.readouterr().err == "x.ipynb: no code cell asserts anything\n"
    assert path.read_bytes() == before
    assert notebooks.main(["--check", str(write("assert True"))]) == 0


def test_unknown_notebook_lists_the_known_ones():
    with pytest.raises(SystemExit, match="no notebook 'nonsense'; there are: "):
        notebooks.main(["nonsense"])
