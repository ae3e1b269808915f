"""The pages that are written by hand: their example runs, and the list of modules is whole."""

import inspect
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import vrrae_lab as vl
from vrrae_lab.bottlenecks import Bottleneck
from vrrae_lab.models.constructors import CONSTRUCTORS

ROOT = Path(__file__).parents[1]
API = (ROOT / "docs" / "api.md").read_text()
# What no user calls: helpers of the modules that are listed.
INNER = {"array_file", "checks", "display", "environment", "files", "interrupts", "lab", "randomness"}

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_every_module_but_the_inner_ones_is_in_the_reference() -> None:
    block = re.search(r"```\{eval-rst\}(.*?)```", API, re.DOTALL)
    listed = set(re.findall(r"^   (\w+)$", block.group(1), re.MULTILINE))
    package = ROOT / "vrrae_lab"
    there = {path.stem for path in package.glob("*.py")} | {path.parent.name for path in package.glob("*/__init__.py")}
    assert listed == there - INNER - {"__init__"}


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_a_constructor_tells_all_its_arguments_and_its_example_makes_a_model(name: str) -> None:
    text, arguments = inspect.getdoc(CONSTRUCTORS[name]), inspect.signature(CONSTRUCTORS[name]).parameters
    assert all(f"    {argument}: " in text for argument in arguments)
    (example,) = re.findall(r">>> (.*)", text)
    assert isinstance(eval(example, {"vl": vl, "jax": jax}), vl.Autoencoder)


def test_the_model_of_ones_own_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", API, re.DOTALL | re.MULTILINE)
    fit = vl.fit
    monkeypatch.setattr(vl, "fit", lambda *given, **named: fit(*given, **(named | {"num_steps": 3, "progress": False})))
    names: dict[str, Any] = {}
    exec(compile(example, "docs/api.md", "exec"), names)
    model, train, history = names["model"], names["train"], names["history"]
    assert history.num_steps == 3 and isinstance(model.bottleneck, Bottleneck)
    assert np.all(model.encode(train.x[:9]).log_variance == -2)
    assert vl.explore.coefficients(model, train.x[:9]).shape == (9, 8)
