"""The repository's address: one command writes it everywhere, or takes it away, and nothing else changes."""

import shutil
import sys
import types

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

from tools import address, notebooks

URL = "https://github.com/somebody/vrrae_lab"


@pytest.fixture
def tree(tmp_path):
    """A copy of all files that hold the address, none of which has one."""
    for name in ("pyproject.toml", "CITATION.cff", "README.md"):
        shutil.copy(address.ROOT / name, tmp_path)
    (tmp_path / "notebooks").mkdir()
    for name in ("00_start_here", "08_mnist"):
        shutil.copy(address.ROOT / "notebooks" / f"{name}.ipynb", tmp_path / "notebooks")
    address.write("", tmp_path)
    return tmp_path


def contents(tree):
    return {path: path.read_text() for path in tree.rglob("*") if path.is_file()}


def test_it_is_written_everywhere_and_taken_away_again(tree, monkeypatch):
    before = contents(tree)
    assert "somebody/" not in str(before) and "mybinder.org/v2" not in str(before)
    assert set(address.write(URL, tree)) == set(before)
    assert address.address(tree) == URL
    after = contents(tree)
    assert all("somebody/vrrae_lab" in text for text in after.values())
    for path in (tree / "notebooks").iterdir():
        badges, install, _ = (nbformat.read(path, as_version=4).cells[number].source for number in (0, 2, 3))
        assert f"labpath=notebooks/{path.name})" in badges and f"blob/main/notebooks/{path.name})" in badges
        assert f"vrrae_lab[data] @ git+{URL}" in install
        monkeypatch.setattr(notebooks, "address", lambda: URL)
        assert notebooks.problems(path) == []
        monkeypatch.setattr(notebooks, "address", lambda: "")
        assert len(notebooks.problems(path)) == 1 and "make address" in notebooks.problems(path)[0]
    address.write("https://github.com/another/lab", tree)
    assert "somebody/" not in str(contents(tree))
    address.write("", tree)
    assert contents(tree) == before


def test_an_address_that_is_not_on_github_gets_no_badge(tree):
    address.write("git+file:///srv/vrrae_lab", tree)
    written = "".join(contents(tree).values())
    assert "mybinder.org/v2" not in written and "git+git+file" not in written


@pytest.mark.parametrize("url", ["somebody/vrrae_lab", "javascript:alert(1)", 'https://x"; import os', "https://a b"])
def test_what_is_no_address_is_refused_and_nothing_is_written(tree, url, capsys):
    before = contents(tree)
    with pytest.raises(ValueError, match="give one such as https://github.com/somebody/vrrae_lab"):
        address.write(url, tree)
    assert contents(tree) == before
    assert address.main([url]) == 2 and "URL = " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "wheel", "installed"),
    [
        (URL, False, f'install -q "vrrae_lab[data] @ git+{URL}"'),
        (URL, True, 'install -q "./vrrae_lab-0.1.0-py3-none-any.whl[data]"'),
        ("", True, 'install -q "./vrrae_lab-0.1.0-py3-none-any.whl[data]"'),
    ],
)
def test_the_first_cell_installs_a_wheel_beside_it_or_from_the_address(url, wheel, installed, tmp_path, monkeypatch):
    shell, asked = bare(tmp_path, monkeypatch, wheel)
    assert shell.run_cell(address.install_cell(url)).success
    assert asked == [installed] and shell.user_ns["vl"].__name__ == "vrrae_lab"


def test_the_first_cell_says_what_to_do_where_there_is_neither(tmp_path, monkeypatch):
    shell, asked = bare(tmp_path, monkeypatch, wheel=False)
    result = shell.run_cell(address.install_cell(""))
    assert isinstance(result.error_in_exec, SystemExit) and asked == []
    assert str(result.error_in_exec).startswith("Put the wheel of vrrae_lab")


def bare(folder, monkeypatch, wheel):
    """A shell in which this package is missing until pip is asked for it, and what pip is asked for."""
    if wheel:
        (folder / "vrrae_lab-0.1.0-py3-none-any.whl").touch()
    monkeypatch.chdir(folder)
    monkeypatch.setitem(sys.modules, "vrrae_lab", None)
    shell, asked = InteractiveShell(), []

    def pip(line):
        asked.append(line)
        sys.modules["vrrae_lab"] = types.ModuleType("vrrae_lab")

    shell.register_magic_function(pip, magic_name="pip")
    return shell, asked
