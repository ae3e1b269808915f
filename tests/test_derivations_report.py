"""Outcomes of claims: kept as JSON, shown as a list that unfolds, and checked again beside what is kept."""

import json
import math

import jax
import pytest

from vrrae_lab.derivations import Claim, Evidence, Finding, Outcome, Outcomes, Verdict, check
from vrrae_lab.derivations.report import as_json, findings_table, from_json

KEY = jax.random.key(0)


def claim(*findings: Finding, number: int = 7) -> Claim:
    return Claim(number, "A claim", "Eq. 1", "$1 < 2$.", Verdict.FALSE, "It is.", lambda key: Evidence(findings))


def test_an_outcome_comes_back_from_json_whatever_its_figures() -> None:
    values = ((1.5, "<"), (math.inf, ">"), (-math.inf, "<"), (math.inf, "<"), (math.nan, ">"))
    made = claim(*(Finding(f"{value} {relation}", value, relation, 2.0) for value, relation in values))  # type: ignore[arg-type]
    outcome = check(made, key=KEY)
    back = from_json(made, json.loads(json.dumps(as_json(outcome), allow_nan=False)))
    assert (back.claim, back.error, back.supported) == (made, None, False)
    assert [f.holds for f in back.findings] == [f.holds for f in outcome.findings] == [True, True, True, False, False]
    assert [f.value for f in back.findings[:3]] == [1.5, math.inf, -math.inf]


def test_outcomes_unfold_to_the_figures_in_html_that_escapes() -> None:
    outcome = check(claim(Finding("a & b", 1.0, "<", 2.0)), key=KEY)
    outcomes = Outcomes({7: outcome})
    outcomes.origin = "by <us>"
    shown = outcomes._repr_html_()
    assert shown.count("<details") == 1 == shown.count("<summary")
    assert all(text in shown for text in ("A claim", "$1 &lt; 2$.", "It is.", "a &amp; b", "&lt; 2", "by &lt;us&gt;"))
    assert "○ 1 false" in shown and "supports it" in shown
    assert repr(outcomes) == "1 of 1 checks support their verdict"
    failed = Outcomes({7: check(claim(Finding("a", 3.0, "<", 2.0)), key=KEY)})
    assert repr(failed).startswith("0 of 1") and "CONTRADICTS it" in failed._repr_html_()


def test_a_check_made_again_shows_its_figures_beside_the_kept_ones(capsys: pytest.CaptureFixture[str]) -> None:
    now = claim(Finding("same", 1.0, "<", 2.0), Finding("new", 0.5, "<", 2.0))
    kept = Outcome(now, (Finding("same", 1.25, "<", 2.0),), None, True, 3.0)
    again = Outcomes({7: kept}).check(7, key=KEY)
    assert again.shipped is kept and again.findings[0].value == 1.0
    head, _, same, new = findings_table(again).splitlines()
    assert head == "| figure | yours | ours | needed | holds |"
    assert same == "| same | 1 | 1.25 | < 2 | yes |" and new == "| new | 0.5 | – | < 2 | yes |"
    assert findings_table(kept).splitlines()[0] == "| figure | value | needed | holds |"
    printed = capsys.readouterr().err
    assert "claim 7" in printed and "about 3 s" in printed


def test_a_check_that_fails_to_run_ends_its_bar(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(key: jax.Array) -> Evidence:
        raise RuntimeError("no figure")

    made = Claim(7, "A claim", "Eq. 1", "$1$.", Verdict.TRUE, "It is.", broken)
    outcome = check(made, key=KEY, progress=True)
    assert outcome.error == "RuntimeError: no figure" and "claim 7" in capsys.readouterr().err
    assert "no figure" in Outcomes({7: outcome})._repr_html_()
    check(made, key=KEY)
    assert capsys.readouterr().err == ""
