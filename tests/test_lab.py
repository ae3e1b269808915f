"""Where the notebooks are found and copied to, and how JupyterLab is started."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vrrae_lab import lab
from vrrae_lab.lab import copy_notebooks, first_notebook, notebooks_folder, open_lab


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, Any]]]:
    """The processes that would have been started, in place of JupyterLab."""
    calls: list[tuple[list[str], dict[str, Any]]] = []

    def run(command: list[str], **options: Any) -> SimpleNamespace:
        calls.append((command, options))
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    return calls


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone in a folder of the package's own name, with three notebooks."""
    package = tmp_path / "vrrae_lab" / "vrrae_lab"
    package.mkdir(parents=True)
    monkeypatch.setattr(lab, "__file__", str(package / "lab.py"))
    monkeypatch.setattr(lab.shutil, "which", lambda name, **options: f"/usr/bin/{name}")  # Colab has no JupyterLab
    return put_notebooks(tmp_path / "vrrae_lab" / "notebooks")


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed wheel, which carries its notebooks inside the package."""
    package = tmp_path / "site-packages" / "vrrae_lab"
    package.mkdir(parents=True)
    monkeypatch.setattr(lab, "__file__", str(package / "lab.py"))
    monkeypatch.setattr(lab.shutil, "which", lambda name, **options: f"/usr/bin/{name}")
    return put_notebooks(package / "notebooks")


def put_notebooks(folder: Path) -> Path:
    folder.mkdir()
    for name in ("03_b.ipynb", "00_a.ipynb", "10_c.ipynb"):
        (folder / name).write_text(f"{name} as it came")
    (folder / "notes.txt").write_text("no notebook")
    return folder


def test_notebooks_of_a_clone_and_of_a_wheel_are_found(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for kind in ("clone", "wheel"):
        (tmp_path / kind).mkdir()
    assert notebooks_folder() == Path(__file__).parents[1] / "notebooks"
    assert notebooks_folder() != (folder := request.getfixturevalue("wheel"))
    assert notebooks_folder() == folder


def test_installation_without_notebooks_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "__file__", str(tmp_path / "package" / "lab.py"))
    with pytest.raises(FileNotFoundError, match="carries no notebooks: .*clone"):
        notebooks_folder()


def test_copying_never_overwrites(wheel: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "course"
    assert copy_notebooks(wheel, folder) == 3
    assert sorted(path.name for path in folder.iterdir()) == ["00_a.ipynb", "03_b.ipynb", "10_c.ipynb"]
    (folder / "00_a.ipynb").write_text("worked in")
    (folder / "10_c.ipynb").unlink()
    assert copy_notebooks(wheel, folder) == 1
    assert (folder / "00_a.ipynb").read_text() == "worked in"
    assert (folder / "10_c.ipynb").read_text() == "10_c.ipynb as it came"
    assert copy_notebooks(wheel, folder) == 0
    assert copy_notebooks(wheel, wheel) == 0


def test_first_notebook_is_the_first_by_name(wheel: Path, tmp_path: Path) -> None:
    assert first_notebook(wheel) == "00_a.ipynb"
    with pytest.raises(FileNotFoundError, match="no notebooks in"):
        first_notebook(tmp_path)


def test_lab_opens_the_notebooks_of_a_clone_in_place(
    clone: Path,
    tmp_path: Path,
    started: list[tuple[list[str], dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert open_lab(browser=False) == 0
    assert "copied" not in capsys.readouterr().out
    ((command, options),) = started
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={clone}" in command
    assert "--LabApp.default_url=/lab/tree/00_a.ipynb" in command
    assert "--no-browser" in command
    assert options["env"]["PATH"].split(os.pathsep)[0] == os.path.dirname(sys.executable)
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("folder", [None, "course"])
def test_lab_of_a_wheel_works_on_a_copy(
    folder: str | None,
    wheel: Path,
    tmp_path: Path,
    started: list[tuple[list[str], dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / (folder or "vrrae_lab_notebooks")
    asked = None if folder is None else Path(folder)
    assert open_lab(asked) == 0
    assert f"copied 3 notebooks to {copy}" in capsys.readouterr().out
    ((command, _),) = started
    assert f"--ServerApp.root_dir={copy}" in command and "--no-browser" not in command
    assert (copy / "03_b.ipynb").exists()
    open_lab(asked)
    assert "copied" not in capsys.readouterr().out


def test_status_of_jupyter_is_passed_on(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda command, **options: SimpleNamespace(returncode=5))
    assert open_lab() == 5


def test_without_jupyter_nothing_is_started(
    clone: Path, started: list[tuple[list[str], dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab.shutil, "which", lambda name, **options: None)
    with pytest.raises(FileNotFoundError, match=r"pip install 'vrrae_lab\[lab\]'"):
        open_lab()
    assert not started
