"""Runs the checks of claims, and says what became of them: as text, as a Markdown table, as JSON."""

import math
import textwrap
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, Key

from vrrae_lab.checks import check_key, check_kind
from vrrae_lab.derivations.claim import Claim, Finding

WIDTH, INDENT = 100, " " * 5


@dataclass(frozen=True, repr=False)
class Outcome:
    """What became of one check.

    Attributes:
        claim: which was checked.
        findings: the figures; none if the check failed to run.
        error: why it failed to run, or None.
        supported: whether the recorded verdict stands.
        seconds: how long the check took.
    """

    claim: Claim
    findings: tuple[Finding, ...]
    error: str | None
    supported: bool
    seconds: float

    def __repr__(self) -> str:
        return f"Claim {self.claim.number}, {self.claim.name}: {_conclusion(self)}"

    def _repr_markdown_(self) -> str:
        return f"{self.claim._repr_markdown_()}\n\n{findings_table(self)}\n\n{_conclusion(self)}"


def check(claim: Claim, *, key: Key[Array, ""]) -> Outcome:
    """Run the check of one claim; an exception in it is an outcome that does not support the verdict.

    Args:
        claim: which to check.
        key: the same key for all claims is in order, each makes its own of it.
    """
    check_kind("claim", claim, Claim, "give one of derivations.CLAIMS, such as derivations.by_number(7)")
    check_key(key)
    started = time.perf_counter()
    try:
        evidence = claim.check(jax.random.fold_in(key, claim.number))
    except Exception as error:  # whatever it is, the other claims are still to be checked
        reason = f"{type(error).__name__}: {error}"
        return Outcome(claim, (), reason, False, time.perf_counter() - started)
    seconds = time.perf_counter() - started
    return Outcome(claim, evidence.findings, None, evidence.supports_verdict, seconds)


def text(outcome: Outcome) -> str:
    """Several lines for a terminal of 100 columns: the claim, the verdict, and each figure beside its bound."""
    claim = outcome.claim
    lines = _wrapped(claim.name, f"{claim.number:>3}  ")
    for paragraph in (claim.source, claim.statement, f"Verdict: {claim.verdict}. {claim.explanation}"):
        lines += _wrapped(paragraph)
    for finding in outcome.findings:
        comparison = f"{finding.value:.6g} {finding.relation} {finding.bound:.4g}"
        lines += _wrapped(finding.quantity, f"{INDENT}{'ok' if finding.holds else 'NO'}  {comparison:26}  ")
    return "\n".join(lines + _wrapped(_conclusion(outcome)))


def table(outcomes: Iterable[Outcome]) -> str:
    """A Markdown table with a row for each claim: verdict, figures that are as it needs them, result."""
    rows = ["| | claim | verdict | figures that hold | check |", "| ---: | --- | --- | ---: | --- |"]
    for outcome in outcomes:
        check_kind("an outcome", outcome, Outcome, "give what derivations.check returns")
        claim, holding = outcome.claim, sum(finding.holds for finding in outcome.findings)
        result = "supports the verdict" if outcome.supported else (outcome.error or "contradicts the verdict")
        figures = f"{holding} of {len(outcome.findings)}"
        cells = str(claim.number), claim.name, str(claim.verdict), figures, result
        rows.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(rows)


def findings_table(outcome: Outcome) -> str:
    """A Markdown table with a row for each figure that decides: what was measured, the figure, its bound."""
    check_kind("outcome", outcome, Outcome, "give what derivations.check returns")
    rows = ["| figure | value | needed | holds |", "| --- | ---: | ---: | --- |"]
    for finding in outcome.findings:
        needed = f"{finding.relation} {finding.bound:.3g}"
        cells = finding.quantity, f"{finding.value:.4g}", needed, "yes" if finding.holds else "NO"
        rows.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    """One line in which no bar ends the cell."""
    return textwrap.shorten(text, 400).replace("|", r"\|")


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The outcome in types that JSON has; figures that are not finite become null."""
    claim = outcome.claim
    findings = [
        {
            "quantity": finding.quantity,
            "value": _finite(finding.value),
            "relation": finding.relation,
            "bound": _finite(finding.bound),
            "holds": bool(finding.holds),
        }
        for finding in outcome.findings
    ]
    return {
        "number": claim.number,
        "name": claim.name,
        "source": claim.source,
        "statement": claim.statement,
        "verdict": str(claim.verdict),
        "explanation": claim.explanation,
        "findings": findings,
        "error": outcome.error,
        "supported": outcome.supported,
        "seconds": round(outcome.seconds, 3),
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _conclusion(outcome: Outcome) -> str:
    if outcome.supported:
        return f"The check supports the verdict ({outcome.seconds:.1f} s)."
    if outcome.error is not None:
        return "The check CONTRADICTS the verdict, as it failed to run: " + textwrap.shorten(outcome.error, 400)
    return "The check CONTRADICTS the verdict" + (": see NO above." if outcome.findings else ": it has no figures.")


def _wrapped(text: str, first: str = INDENT) -> list[str]:
    """Lines of at most 100 columns, all but the first indented as far as the text of the first."""
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first))
