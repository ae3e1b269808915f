"""What is handed to others: the wheel, the source distribution, and the version they bear."""

import re
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
INFO = f"vrrae_lab-{PROJECT['version']}.dist-info"
# What the wheel may hold, and nothing else: no data sets but a sample of MNIST, no pictures, tests or caches.
PATTERNS = {
    "code": "vrrae_lab/**/*.py",
    "type marker": "vrrae_lab/py.typed",
    "notebooks": "notebooks/*.ipynb",
    "shipped models": "vrrae_lab/shipped/*.ckpt",
    "recorded races": "vrrae_lab/shipped/*.race.npz",
    "records": "vrrae_lab/records/*.json",
    "sample of MNIST": "vrrae_lab/data/mnist_2000/*",
    "page": "vrrae_lab/widgets/lab.js",
}
MOST_BYTES = 20 * 2**20


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel, built in this process, so that nothing is installed for it."""
    from hatchling.builders.wheel import WheelBuilder

    folder = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(path) as file:
        yield file


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in the source distribution, relative to its folder."""
    from hatchling.builders.sdist import SdistBuilder

    folder = tmp_path_factory.mktemp("sdist")
    (path,) = SdistBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with tarfile.open(path) as file:
        return {name.split("/", 1)[1] for name in file.getnames()}


def belonging(pattern: str) -> set[str]:
    """The files of this repository that match a pattern, by their names in a wheel."""
    names = {path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern)}
    return {f"vrrae_lab/{name}" if name.startswith("notebooks/") else name for name in names}


def test_one_version_is_named_everywhere() -> None:
    (cited,) = re.findall(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    (released,) = re.findall(r'^date-released: "(\S+)"$', (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    changes = re.findall(r"^## \[(\d\S*)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert (PROJECT["version"], released) == changes[0] and cited == PROJECT["version"]


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS.keys())
def test_the_wheel_holds_all_that_belongs_in_it(wheel: zipfile.ZipFile, pattern: str) -> None:
    names, expected = set(wheel.namelist()), belonging(pattern)
    assert expected and expected <= names


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    expected = set().union(*map(belonging, PATTERNS.values()))
    assert {name for name in wheel.namelist() if not name.startswith(f"{INFO}/")} == expected
    assert sum(entry.compress_size for entry in wheel.infolist()) < MOST_BYTES


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    about = Parser().parsestr(wheel.read(f"{INFO}/METADATA").decode())
    assert (about["Name"], about["Version"]) == ("vrrae_lab", PROJECT["version"])
    assert (about["License-Expression"], about["Requires-Python"]) == ("MIT AND CC-BY-SA-3.0", ">=3.11")
    for name in ("LICENSE", "vrrae_lab/data/mnist_2000/NOTICE.md"):
        assert wheel.read(f"{INFO}/licenses/{name}") == (ROOT / name).read_bytes()
    assert b"vrrae-lab = vrrae_lab.cli:entry_point" in wheel.read(f"{INFO}/entry_points.txt")
    assert about.get_payload() == (ROOT / "README.md").read_text()


def test_from_the_source_distribution_the_tests_can_be_run(source: set[str]) -> None:
    needed = {"Makefile", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "pyproject.toml", ".ci/run"}
    needed |= {"constraints.txt", "constraints-colab.txt", "docs/results.md", "binder/postBuild"}
    code = ("vrrae_lab/**/*.py", "tests/**/*.py", "benchmarks/**/*.py", "tools/*.py", "notebooks/*.ipynb")
    for pattern in (*code, "vrrae_lab/widgets/page/*.*", "vrrae_lab/widgets/page/src/**/*.ts*"):
        needed |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern)}
    assert needed <= source


def test_the_source_distribution_holds_neither_caches_nor_results(source: set[str]) -> None:
    folders = {part for name in source for part in PurePosixPath(name).parts[:-1]}
    assert not folders & {
        "__pycache__",
        "runs",
        "build",
        "dist",
        ".git",
        ".venv",
        ".venv-colab",
        "shared",
        "node_modules",
    }
    kept = {name for name in source if not name.endswith(".race.npz")}  # recordings that belong to the package
    assert not {name for name in kept if name.endswith((".pyc", ".zip", ".gz", ".npy", ".npz"))}
