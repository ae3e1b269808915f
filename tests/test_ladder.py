"""The order of modules: each imports only from lower floors, and the package itself loads little."""

import ast
import graphlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "vrrae_lab"

# A package counts as one module here: all its parts stand on its floor.
FLOORS = {
    "checks": 0,
    "display": 0,
    "environment": 0,
    "files": 0,
    "sharding": 0,
    "interrupts": 0,
    "array_file": 0,
    "linalg": 0,
    "gaussian": 0,
    "convolution": 0,
    "microbatch": 0,
    "compilation": 0,
    "randomness": 0,
    "data": 0,
    "figures": 0,
    "papers": 0,
    "nets": 1,
    "bottlenecks": 1,
    "density": 1,
    "models": 2,
    "losses": 3,
    "explore": 3,
    "metrics": 3,
    "checkpoint": 3,
    "adaptive_rank": 4,
    "validation_beta": 4,
    "checkpoints": 3,
    "train": 4,
    "derivations": 5,
    "features": 5,
    "experiments": 6,
    "widgets": 7,
    "exercises": 7,
    "lab": 7,
    "cli": 8,
}
# Modules for everyone, even on their own floor.
COMMON = {"checks", "compilation", "files", "sharding", "display", "figures", "randomness"}


# --------------------------------------------------------------------------------------------------- the checker


def imported(source, module, is_package, modules):
    """The modules of the package that a source file imports, wherever in it: {dotted name: line}."""
    package = module if is_package else module.rpartition(".")[0]
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            # `from a import b` imports a.b where that is a module, else it takes a name of a
            full = [f"{base}.{alias.name}" for alias in node.names]
            names = [name if name in modules else base for name in full]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "vrrae_lab":
                found.setdefault(name, node.lineno)
    return found


def problems(sources):
    """What is wrong with the imports of a package given as {dotted name: (source, is it a package)}."""
    messages, graph = [], {}
    for module, (source, is_package) in sources.items():
        if module == "vrrae_lab":
            continue  # it gathers the public names, so it looks at every floor
        importer = module.split(".")[1]
        if importer not in FLOORS:
            messages.append(f"{module} has no floor: give it one in FLOORS and in the design")
            continue
        edges = imported(source, module, is_package, sources)
        graph[module] = {name for name in edges if name != module}
        for name, line in edges.items():
            where = f"{module}:{line} imports {name}"
            if name == "vrrae_lab":
                messages.append(f"{where}: name the module that holds what you need")
                continue
            target = name.split(".")[1]
            if target not in FLOORS:
                messages.append(f"{where}, which has no floor")
            elif target != importer and target not in COMMON and FLOORS[target] >= FLOORS[importer]:
                messages.append(f"{where}: floor {FLOORS[importer]} from floor {FLOORS[target]}")
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        messages.append("a cycle: " + " -> ".join(error.args[1]))
    return messages


def read_package(folder=PACKAGE):
    sources = {}
    for path in folder.rglob("*.py"):
        parts = ["vrrae_lab", *path.relative_to(folder).with_suffix("").parts]
        is_package = parts[-1] == "__init__"
        sources[".".join(parts[:-1] if is_package else parts)] = (path.read_text(), is_package)
    return sources


# --------------------------------------------------------------------------------------------------- the package


def test_modules_import_only_from_lower_floors():
    sources = read_package()
    assert {"vrrae_lab", "vrrae_lab.linalg", "vrrae_lab.data", "vrrae_lab.data.images"} < set(sources)
    assert problems(sources) == []


def test_figures_imports_nothing_of_ours():
    sources = read_package()
    own = {module for module in sources if module.split(".")[:2] == ["vrrae_lab", "figures"]}
    assert "vrrae_lab.figures" in own
    for module in own:
        source, is_package = sources[module]
        assert set(imported(source, module, is_package, sources)) <= own


# ------------------------------------------------------------------------------- the checker finds what it should

# Three floors and a package of two modules, without any import.
SMALL = {
    "vrrae_lab": ("", True),
    "vrrae_lab.files": ("", False),
    "vrrae_lab.linalg": ("", False),
    "vrrae_lab.gaussian": ("", False),
    "vrrae_lab.models": ("", False),
    "vrrae_lab.data": ("", True),
    "vrrae_lab.data.cache": ("", False),
    "vrrae_lab.data.images": ("", False),
}


def problems_with(**sources):
    return problems(SMALL | {f"vrrae_lab.{name}".replace("__", "."): (text, False) for name, text in sources.items()})


@pytest.mark.parametrize(
    "source",
    [
        "import vrrae_lab.models",
        "import vrrae_lab.models as m",
        "import os, vrrae_lab.models",
        "from vrrae_lab import models",
        "from vrrae_lab import gaussian, models as m",
        "from vrrae_lab.models import Autoencoder",
        "from vrrae_lab.models import *",
        "from . import models",
        "from .models import Autoencoder",
        "def f():\n    from vrrae_lab.models import Autoencoder",
        "class A:\n    async def f(self):\n        import vrrae_lab.models",
        "if TYPE_CHECKING:\n    from vrrae_lab.models import Autoencoder",
        "try:\n    pass\nexcept ImportError:\n    from vrrae_lab.models import Autoencoder",
    ],
)
def test_upward_import_is_found_in_every_form(source):
    found = problems_with(linalg=source)
    assert any("floor 0 from floor 2" in message and "vrrae_lab.linalg:" in message for message in found)


@pytest.mark.parametrize("source", ["from ..models import A", "from .. import models", "from vrrae_lab import models"])
def test_upward_import_is_found_inside_a_package(source):
    (message,) = problems_with(data__images=source)
    assert message == "vrrae_lab.data.images:1 imports vrrae_lab.models: floor 0 from floor 2"


def test_import_within_a_floor_is_found_unless_it_is_of_files():
    (message,) = problems_with(linalg="x = 1\nfrom vrrae_lab.gaussian import KL")
    assert message == "vrrae_lab.linalg:2 imports vrrae_lab.gaussian: floor 0 from floor 0"
    assert problems_with(linalg="from vrrae_lab.files import write_text") == []


def test_downward_imports_and_those_of_others_are_allowed():
    assert problems_with(models="import jax\nfrom vrrae_lab import linalg\nfrom .gaussian import KL") == []
    assert problems_with(linalg="import models\nfrom data import models\nimport vrrae_labels.models") == []


def test_parts_of_one_package_may_import_each_other_but_not_in_a_circle():
    assert problems_with(data__images="from vrrae_lab.data import cache\nfrom .cache import store") == []
    (message,) = problems_with(data__images="from . import cache", data__cache="from .images import load")
    assert message.startswith("a cycle: ")
    with_init = SMALL | {
        "vrrae_lab.data": ("from vrrae_lab.data.images import load", True),
        "vrrae_lab.data.images": ("from vrrae_lab.data import NAMES", False),
    }
    (message,) = problems(with_init)
    assert message.startswith("a cycle: ")


def test_module_without_a_floor_is_found():
    (message,) = problems_with(novelty="")
    assert message.startswith("vrrae_lab.novelty has no floor")
    (message,) = problems_with(models="from vrrae_lab.novelty import x")
    assert message == "vrrae_lab.models:1 imports vrrae_lab.novelty, which has no floor"


@pytest.mark.parametrize("source", ["import vrrae_lab as vl", "from vrrae_lab import fit", "from . import fit"])
def test_import_of_the_package_itself_is_found(source):
    (message,) = problems_with(models=source)
    assert "name the module" in message


# ------------------------------------------------------------------------------------------- what loads with what

HEAVY = [
    "plotly",
    "ipywidgets",
    "anywidget",
    "sklearn",
    "scipy.stats",
    "tensorflow_datasets",
    "tqdm",
    "PIL",
    "requests",
    "sympy",
]
LAZY = [
    *("checkpoint", "data", "derivations", "exercises", "experiments", "explore", "features", "figures", "metrics"),
    *("papers", "widgets"),
]

REPORT = f"""
import json, sys
import vrrae_lab
heavy = [name for name in {HEAVY} if name in sys.modules]
early = [name for name in {LAZY} if f"vrrae_lab.{{name}}" in sys.modules]
names = {{name: getattr(vrrae_lab, name).__name__ for name in {LAZY}}}
unlisted = sorted(set(dir(vrrae_lab)) ^ set(vrrae_lab.__all__))
missing = [name for name in vrrae_lab.__all__ if not hasattr(vrrae_lab, name)]
print(json.dumps([heavy, early, names, unlisted, missing]))
"""


def test_package_loads_nothing_heavy_and_its_other_modules_on_use():
    """In another process, because this one has loaded them already."""
    run = subprocess.run([sys.executable, "-c", REPORT], capture_output=True, text=True, check=True)
    heavy, early, names, unlisted, missing = json.loads(run.stdout)
    assert heavy == [] and early == []
    assert names == {name: f"vrrae_lab.{name}" for name in LAZY}
    assert unlisted == [] and missing == []


def test_unknown_name_of_the_package_is_an_attribute_error():
    import vrrae_lab

    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = vrrae_lab.nonsense
