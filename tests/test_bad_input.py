"""Every public function and class, called with what is no argument for it: a clear error of ours, at once.

The table has a good call of each, and for each of its arguments a kind, which knows what is bad. Each bad value must be
refused by a `raise` of this package, with a message that names the argument and the remedy. A public name without a row
fails; other test modules may have its rows instead, which is checked too.
"""

import enum
import inspect
import re
import time
import traceback
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from bad_calls import TABLE, Bad

import vrrae_lab as vl
from vrrae_lab import checks, nets, train

pytestmark = pytest.mark.usefixtures("unchecked")

PACKAGE = Path(vl.__file__).parent
TESTS = Path(__file__).parent
SECONDS = 5.0  # of the processor, for the refusals of an argument; one takes microseconds, beside a late import

CASES = [(name, argument) for name, found in TABLE.items() for argument in found.bad if found.bad[argument]]

# What these refuse is in another module, beside what it needs.
TESTED_ELSEWHERE = {
    "features.inception.tuned_inception": "test_features_inception.py",
    "features.inception.imagenet_inception": "test_features_inception.py",
    "features.scores.feature_scores": "test_features.py",
    "features.scores.scores_of_features": "test_features.py",
}
# They hold what functions of the package have returned, or a reader's own records; nothing is computed from it.
RESULTS = {
    "bottlenecks.full_rank.Activations",
    "derivations.claim.Claim",
    "derivations.report.Outcome",
    "exercises.Checked",
    "features.classifier.Classifier",
    "features.inception.Inception",
    "gaussian.DiagonalGaussian",
    "gaussian.PointMass",
    "papers.Printed",
    "train.History",
    "widgets.batch_truncation.BatchTruncation",
    "widgets.explorer.Explorer",
    "widgets.kl.KL",
    "widgets.playground.Playground",
    "widgets.race.Race",
    "widgets.race.Recording",
    "widgets.spectrum.Spectrum",
    "widgets.truncated_svd.TruncatedSVD",
}

# ---- every public callable


def public(module: types.ModuleType) -> Iterator[tuple[str, Any]]:
    """What a module offers, and the modules in it: names and callables."""
    here = [name for name, v in vars(module).items() if getattr(v, "__module__", None) == module.__name__]
    for name in getattr(module, "__all__", None) or [name for name in here if not name.startswith("_")]:
        found = getattr(module, name)
        if isinstance(found, types.ModuleType):
            yield from public(found)
        elif callable(found) and typing.get_origin(found) is None:  # not a type such as list[int]
            yield f"{found.__module__}.{found.__qualname__}".removeprefix("vrrae_lab."), found


def takes_nothing_bad(found: Any) -> bool:
    """It has no arguments, or is a type of results, exceptions or protocols, or cannot be called."""
    if inspect.isclass(found):
        fields_only = issubclass(found, tuple) and hasattr(found, "_fields")
        if fields_only or issubclass(found, BaseException | enum.Enum | dict) or getattr(found, "_is_protocol", False):
            return True
        if inspect.isabstract(found):
            return True
    return not inspect.signature(found).parameters


def test_every_public_callable_has_a_row() -> None:
    names = {name: found for module in (vl, train, nets) for name, found in public(module)}
    wanted = {name for name, found in names.items() if not takes_nothing_bad(found)}
    assert len(wanted) > 130
    without = wanted - set(TABLE) - set(TESTED_ELSEWHERE) - RESULTS
    assert not without, f"give {', '.join(sorted(without))} rows in TABLE, or name the module that tests them"
    of_methods = {name for name in TABLE if name.split(".")[0][0].isupper()}
    assert set(TABLE) - of_methods | set(TESTED_ELSEWHERE) | RESULTS <= set(names), "a row is of no public name"


@pytest.mark.parametrize("name", TESTED_ELSEWHERE)
def test_what_is_tested_elsewhere_is(name: str) -> None:
    text = (TESTS / TESTED_ELSEWHERE[name]).read_text()
    assert re.search(rf"\b{name.rpartition('.')[2]}\(", text) and "pytest.raises" in text


@pytest.mark.parametrize("name", TABLE)
def test_every_argument_has_bad_values(name: str) -> None:
    """Or is a matter of taste: titles, say, whose wrong values do no harm."""
    call, good, _ = TABLE[name]
    parameters = [p for p in inspect.signature(call).parameters.values() if p.kind is not p.VAR_KEYWORD]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return  # a compiled method hides its arguments
    assert set(good) <= {p.name for p in parameters}
    assert {p.name for p in parameters if p.default is p.empty} - {"key"} <= set(good)


@pytest.mark.filterwarnings("ignore:A JAX array is being set as static")  # Equinox says so before we are asked
@pytest.mark.parametrize("name, argument", CASES)
def test_bad_values_are_refused_by_name_at_once(
    name: str, argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    call, good, bad = TABLE[name]
    started = time.process_time()
    wrong = [words for one in bad[argument] if (words := what_is_wrong(call, good, argument, one))]
    assert not wrong, "\n".join(wrong)
    assert time.process_time() - started < SECONDS
    assert not list(tmp_path.iterdir())


def what_is_wrong(call: Callable[..., Any], good: dict[str, Any], argument: str, bad: Bad) -> str | None:
    """With how a bad value is refused."""
    value = f"{argument} = {bad.value!r}"[:100]
    try:
        found = call(**{**good, argument: bad.value})
    except bad.error as error:
        raised, message = traceback.extract_tb(error.__traceback__)[-1], str(error)
    except Exception as error:
        return f"{value}: {type(error).__name__} instead of {bad.error.__name__}: {error}"
    else:
        return f"{value} is taken, and gives {type(found).__name__}"
    if not Path(raised.filename).is_relative_to(PACKAGE):
        return f"{value}: not refused by us, but by {raised.filename}:{raised.lineno}: {message}"
    if not re.search(bad.says or rf"\b{argument}\b", message) or not re.search(r"[:;,] \w|names no", message):
        return f"{value}: the message names it not, or no remedy: {message}"
    return None


def test_what_is_no_refusal_of_ours_is_told() -> None:
    """So that the tests above can fail."""

    def call(n: Any) -> Any:
        return checks.check_at_least(1, "n", n) if n != 7 else int("seven")

    assert what_is_wrong(call, {}, "n", Bad(0)) is None
    for bad, words in {
        Bad(3): "is taken",
        Bad(0, TypeError): "ValueError instead of TypeError",
        Bad(0, says="m = 0"): "names it not",
        Bad(7): "not refused by us",
    }.items():
        assert words in (what_is_wrong(call, {}, "n", bad) or "")


# ---- the checks themselves


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), jnp.asarray(3), np.array(3), True], ids=repr)
def test_whole_numbers_of_every_library_are_taken(value: Any) -> None:
    checks.check_at_least(1, "n", value)


@pytest.mark.parametrize(
    "value", [3, 0.5, np.float32(0.5), jnp.asarray(0.5), np.array(0.5), jnp.bfloat16(0.5)], ids=repr
)
def test_real_numbers_of_every_library_are_taken(value: Any) -> None:
    checks.check_positive("x", value)


@pytest.mark.parametrize("make", [jr.key, jr.PRNGKey, lambda seed: jr.key(seed, impl="rbg")])
def test_keys_of_every_kind_are_taken(make: Callable[[int], jax.Array]) -> None:
    checks.check_key(make(0))
    jax.jit(checks.check_key)(make(0))


@pytest.mark.parametrize(
    "value", [[[1, 2]], ((1.5,),), np.eye(2, dtype=np.float32), jnp.eye(2), jnp.eye(2, dtype="bfloat16")]
)
def test_what_can_be_read_as_numbers_is(value: Any) -> None:
    assert checks.as_numbers("x", value).dtype == np.float64


def test_memory_is_that_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"SC_PAGE_SIZE": 1000, "SC_PHYS_PAGES": 2_000_000}
    monkeypatch.setattr("os.sysconf", sizes.__getitem__)
    checks.check_memory(2_000_000_000, "it")
    with pytest.raises(ValueError, match="it would take 3 GB, and this machine has 2 GB: use less"):
        checks.check_memory(3_000_000_000, "it")
    monkeypatch.delattr("os.sysconf")  # as on Windows
    checks.check_memory(10**18, "it")
