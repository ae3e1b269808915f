"""Claims as objects: what a finding and evidence mean, and that the list is complete and well-formed."""

import math

import jax
import pytest

from vrrae_lab.derivations import CLAIMS, Claim, Evidence, Finding, Verdict
from vrrae_lab.derivations.claim import float64

# 1 to 31 are those of the papers, the rest what they rest on.
EXPECTED = {*range(1, 41)}


@pytest.mark.parametrize(
    ("value", "relation", "bound", "holds"),
    [
        (1.0, "<", 2.0, True),
        (2.0, "<", 2.0, False),
        (3.0, "<", 2.0, False),
        (3.0, ">", 2.0, True),
        (2.0, ">", 2.0, False),
        (1.0, ">", 2.0, False),
        (math.nan, "<", 2.0, False),
        (math.nan, ">", 2.0, False),
        (math.inf, "<", 2.0, False),
        (math.inf, ">", 2.0, True),
    ],
)
def test_finding_holds_strictly_and_never_for_nan(value: float, relation: str, bound: float, holds: bool) -> None:
    assert Finding("a figure", value, relation, bound).holds is holds  # type: ignore[arg-type]


def test_evidence_needs_every_finding_and_at_least_one() -> None:
    good, bad = Finding("a", 1.0, "<", 2.0), Finding("b", 1.0, ">", 2.0)
    assert Evidence((good, good)).supports_verdict is True
    assert Evidence((good, bad)).supports_verdict is False
    assert Evidence((bad,)).supports_verdict is False
    assert Evidence(()).supports_verdict is False


def test_float64_holds_inside_the_block_only() -> None:
    def precision() -> str:
        return str(jax.numpy.ones(1).dtype)

    assert precision() == "float32"
    with float64():
        assert precision() == "float64"
        with float64():
            pass
        assert precision() == "float64"
    assert precision() == "float32"
    with pytest.raises(ZeroDivisionError), float64():
        raise ZeroDivisionError
    assert precision() == "float32"


def test_numbers_are_those_expected_and_in_order() -> None:
    numbers = [claim.number for claim in CLAIMS]
    assert numbers == sorted(set(numbers))
    assert set(numbers) == EXPECTED


def test_names_differ() -> None:
    assert len({claim.name.lower() for claim in CLAIMS}) == len(CLAIMS)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: str(claim.number))
def test_every_field_says_something(claim: Claim) -> None:
    assert claim.number >= 1
    assert isinstance(claim.verdict, Verdict)
    for text in (claim.name, claim.source, claim.statement, claim.explanation):
        assert text == text.strip() and "  " not in text and len(text) > 3
    assert len(claim.name) <= 70 and not claim.name.endswith(".")
    assert claim.statement.endswith(".") and claim.explanation.endswith(".")
    assert callable(claim.check)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: str(claim.number))
def test_formulas_are_delimited(claim: Claim) -> None:
    for text in (claim.statement, claim.explanation):
        outside = "".join(text.split("$")[::2])
        assert text.count("$") % 2 == 0
        for command in ("\\", "_{", "^{"):
            assert command not in outside
        for formula in text.split("$")[1::2]:
            assert formula.count("{") == formula.count("}")
            assert formula.count(r"\big(") == formula.count(r"\big)")
    assert "$" in claim.statement
