"""The committed notebooks as files, and the tool that writes and checks them (tools/notebooks.py)."""

import ast
import builtins
import itertools
import re

import nbformat
import numpy as np
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import vrrae_lab as vl
from tools import notebooks

COMMITTED = pytest.mark.parametrize("path", sorted(notebooks.NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)


@COMMITTED
def test_committed_notebook_may_be_committed(path):
    assert notebooks.problems(path) == []


@COMMITTED
def test_a_reader_needs_nothing_that_only_the_tests_define(path):
    known = {*dir(builtins), "display"}
    for cell in notebooks.code_cells(nbformat.read(path, as_version=4)):
        tree = ast.parse(re.sub(r"^( *)%.*$", r"\1pass", cell.source, flags=re.M))
        nodes = list(ast.walk(tree))
        known |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        known |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        known |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        known |= {node.asname or node.name.split(".")[0] for node in nodes if isinstance(node, ast.alias)}
        known |= {node.name for node in nodes if isinstance(node, ast.ExceptHandler) and node.name}
        assert {node.id for node in nodes if isinstance(node, ast.Name)} <= known


def exercises_of(path):
    """The code cells that check an answer, each with the markdown cell after it, which folds hints and a solution."""
    cells = nbformat.read(path, as_version=4).cells
    return [(c, after) for c, after in itertools.pairwise(cells) if "vl.exercises.check_" in c.source]


@COMMITTED
def test_an_exercise_ships_open_and_its_folded_solution_is_right(path):
    (found,) = exercises_of(path)
    cell, folded = found
    names = {"np": np, "vl": vl}
    exec(cell.source, names)
    assert names["check"].words.startswith("Not filled in yet")
    assert folded.source.count("<summary>") == 4  # three hints, and last the solution
    (solution,) = re.findall(r"```python\n(.*?)```", folded.source, re.S)
    call = cell.source[cell.source.index("check = ") :]
    exec(f"{solution}\n{call}", names)
    assert names["check"].right


def test_notebooks_of_image_sets_are_there():
    names = {path.stem for path in notebooks.NOTEBOOKS.glob("*.ipynb")}
    assert {"08_mnist", "09_cifar10", "10_celeba"} == set(notebooks.ON_A_TPU) <= names
    assert {"10_celeba"} == set(notebooks.WITHOUT_PICTURES) <= names


@pytest.fixture
def write(tmp_path):
    """Write a notebook of the given code cells that has all a committed one should have."""

    def write(*sources, name="x", title="A title", **metadata):
        nb = new_notebook(cells=[new_markdown_cell(title)] + [new_code_cell(source) for source in sources])
        nb.cells[-1].metadata["nbmake"] = {"post_cell_execute": ["assert True"]}
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
    assert notebooks.problems(write("x = 1", "print(x)")) == []


def test_changed_code_is_stale_and_changed_prose_is_not(write):
    path = write("x = 1")
    _edit(path, lambda nb: nb.cells[0].update(source="Another title"))
    assert notebooks.problems(path) == []
    _edit(path, lambda nb: nb.cells[1].update(source="x = 2"))
    assert notebooks.problems(path) == ["its outputs are older than its code"]


def test_code_moved_from_one_cell_to_the_next_is_stale(write):
    path = write("x = 1\ny = 2", "z = 3")
    _edit(path, lambda nb: (nb.cells[1].update(source="x = 1"), nb.cells[2].update(source="y = 2\nz = 3")))
    assert notebooks.problems(path) == ["its outputs are older than its code"]


@pytest.mark.parametrize("source", ["assert x", "x = 1\nassert x == 1", "if x:\n    assert x == 1"])
def test_an_assert_where_a_reader_sees_it_is_noticed(write, source):
    (problem,) = notebooks.problems(write(source))
    assert problem.startswith("a code cell asserts")
    assert notebooks.problems(write("# assert x", "print('assert')")) == []


def test_a_notebook_of_which_nothing_is_tested_is_noticed(write):
    path = write("x = 1")
    _edit(path, lambda nb: nb.cells[1].metadata.pop("nbmake"))
    assert notebooks.problems(path) == ["no cell's nbmake.post_cell_execute asserts anything"]


def test_long_cell_is_noticed(write):
    assert notebooks.problems(write("\n".join(["x = 1"] * 20))) == []
    assert notebooks.problems(write("\n".join(["x = 1"] * 21))) == ["a code cell has 21 lines, at most 20"]


def test_large_notebook_is_noticed(write):
    (problem,) = notebooks.problems(write("x = 1", padding="x" * 1_200_000))
    assert "at most 1,200,000" in problem


def test_widget_state_and_views_are_noticed(write):
    assert notebooks.problems(write("x = 1", widgets={})) == ["it holds widget state or views"]
    view = new_output("display_data", data={notebooks.WIDGET_VIEW: {"model_id": "1"}})
    path = write("x = 1")
    _edit(path, lambda nb: nb.cells[1].update(outputs=[view]))
    assert notebooks.problems(path) == ["it holds widget state or views"]


def test_execution_count_is_noticed(write):
    path = write("x = 1")
    _edit(path, lambda nb: nb.cells[1].update(execution_count=3))
    assert notebooks.problems(path) == ["it holds execution counts"]


def test_notebook_that_names_no_kernel_is_noticed(write):
    assert notebooks.problems(write("x = 1", kernelspec={})) == ["it names no python3 kernel"]


def test_notebook_for_a_tpu_asks_for_one(write):
    colab = {"gpuType": "V5E1", "provenance": []}
    path = write("x = 1", name="08_mnist", accelerator="TPU", colab=colab)
    assert notebooks.problems(path) == []
    _edit(path, notebooks.clean)
    assert notebooks.problems(path) == []
    for metadata in ({}, {"accelerator": "GPU", "colab": colab}, {"accelerator": "TPU", "colab": {"provenance": []}}):
        path = write("x = 1", name="08_mnist", **metadata)
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
    path = write("x = 1", name="10_celeba", **notebooks.TPU_METADATA)
    assert notebooks.problems(path) == []
    face = new_output("display_data", data={"image/png": ""})
    _edit(path, lambda nb: nb.cells[1].update(outputs=[face]))
    assert notebooks.problems(path) == ["it shows pictures that may not be passed on"]


def test_run_stores_what_teaches_and_drops_the_rest(write, monkeypatch, capsys):
    monkeypatch.setenv("VRRAE_LAB_FAST", "1")
    path = write(
        "import os, sys, ipywidgets\nif 'VRRAE_LAB_FAST' in os.environ:\n    raise RuntimeError",
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
    path = write("1 / 0")
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
    path = write("x = 1", kernelspec={})
    before = path.read_bytes()
    assert notebooks.main(["--check", str(path)]) == 1
    assert capsys.readouterr().err == "x.ipynb: it names no python3 kernel\n"
    assert path.read_bytes() == before
    assert notebooks.main(["--check", str(write("x = 1"))]) == 0


def test_unknown_notebook_lists_the_known_ones():
    with pytest.raises(SystemExit, match="no notebook 'nonsense'; there are: "):
        notebooks.main(["nonsense"])
