"""Runs the checks of claims, and says what became of them: as text, as tables, as JSON."""

import html
import math
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, Key

from vrrae_lab import display
from vrrae_lab.checks import check_key, check_kind
from vrrae_lab.derivations.claim import Claim, Finding, Verdict

WIDTH, INDENT = 100, " " * 5
MARKS = {Verdict.TRUE: "●", Verdict.CONDITIONAL: "◐", Verdict.FALSE: "○", Verdict.CONTRADICTION: "≠"}
_GRID = "display:grid;grid-template-columns:3em 1.2em minmax(9em,1fr) minmax(0,11em) 4em"
_ROW = f"{_GRID};gap:6px;align-items:baseline;cursor:pointer"


@dataclass(frozen=True, repr=False)
class Outcome:
    """What became of one check.

    Attributes:
        claim: which was checked.
        findings: the figures; none if the check failed to run.
        error: why it failed to run, or None.
        supported: whether the recorded verdict stands.
        seconds: how long the check took, in time of the processor.
        shipped: the outcome of the same check that comes with the package, to compare with; or None.
    """

    claim: Claim
    findings: tuple[Finding, ...]
    error: str | None
    supported: bool
    seconds: float
    shipped: "Outcome | None" = None

    def __repr__(self) -> str:
        return f"Claim {self.claim.number}, {self.claim.name}: {_conclusion(self)}"

    def _repr_markdown_(self) -> str:
        return f"{self.claim._repr_markdown_()}\n\n{findings_table(self)}\n\n{_conclusion(self)}"


class Outcomes(dict[int, Outcome]):
    """Outcomes by the numbers of their claims; a notebook shows them as a list of which each line unfolds.

    Attributes:
        origin: where they come from, in words.
    """

    origin = ""

    def check(self, number: int, *, key: Key[Array, ""], progress: bool = True) -> Outcome:
        """Run the check of one claim again, here and now; the outcome shows its figures beside these.

        Args:
            number: of the claim.
            key: draws the data that the check is made on; see `check`.
            progress: whether to show a progress bar.

        Raises:
            ValueError: if there is no claim of this number.
        """
        if number not in self:
            raise ValueError(f"number = {number}: there are {', '.join(map(str, self))}")
        return check(self[number].claim, key=key, shipped=self[number], progress=progress)

    def __repr__(self) -> str:
        supported = sum(outcome.supported for outcome in self.values())
        return f"{supported} of {len(self)} checks support their verdict"

    def _repr_html_(self) -> str:
        count = Counter(outcome.claim.verdict for outcome in self.values())
        verdicts = ", ".join(f"{MARKS[verdict]} {count[verdict]} {verdict}" for verdict in Verdict if count[verdict])
        rows = "".join(_unfolding(outcome) for outcome in self.values())
        end = f'<div style="opacity:.7;margin-top:8px">{html.escape(self.origin)}</div>' if self.origin else ""
        return display.card(repr(self), verdicts, rows + end)


def check(claim: Claim, *, key: Key[Array, ""], shipped: Outcome | None = None, progress: bool = False) -> Outcome:
    """Run the check of one claim; an exception in it is an outcome that does not support the verdict.

    Args:
        claim: which to check.
        key: the same key for all claims is in order, each makes its own of it.
        shipped: an earlier outcome of this check: its figures are shown beside the new ones, and its seconds tell the
            progress bar how long the check may take.
        progress: whether to show a progress bar.
    """
    check_kind("claim", claim, Claim, "give one of derivations.CLAIMS, such as derivations.by_number(7)")
    check_key(key)
    started = time.process_time()
    with _clock(f"claim {claim.number}", None if shipped is None else shipped.seconds, progress):
        try:
            evidence = claim.check(jax.random.fold_in(key, claim.number))
        except Exception as error:  # whatever it is, the other claims are still to be checked
            reason = f"{type(error).__name__}: {error}"
            return Outcome(claim, (), reason, False, time.process_time() - started, shipped)
    seconds = time.process_time() - started
    return Outcome(claim, evidence.findings, None, evidence.supports_verdict, seconds, shipped)


@contextmanager
def _clock(name: str, expected: float | None, progress: bool) -> Iterator[None]:
    """A bar that moves by the clock while a check runs, which cannot say how far it is."""
    from tqdm.auto import tqdm

    over, started = threading.Event(), time.perf_counter()
    about = "{elapsed}" if expected is None else f"{{elapsed}}, about {max(1, expected):.0f} s on our machine"
    with tqdm(
        total=expected, desc=name, disable=not progress, leave=False, bar_format=f"{{desc}} {{bar}} {about}"
    ) as bar:

        def tick() -> None:
            while not over.wait(0.25):
                elapsed = time.perf_counter() - started
                bar.n = elapsed if expected is None else min(elapsed, expected)
                bar.refresh()

        ticking = threading.Thread(target=tick, daemon=True)
        if progress:
            ticking.start()
        try:
            yield
        finally:
            over.set()
            if progress:
                ticking.join()


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
    """A Markdown table with a row for each figure that decides: what was measured, the figure, its bound.

    Where the outcome has a shipped one beside it, "yours" is the figure just measured and "ours" the shipped one.
    """
    check_kind("outcome", outcome, Outcome, "give what derivations.check returns")
    head, *rows = _figures(outcome)
    rule = ["---", *["---:"] * (len(head) - 2), "---"]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in (head, rule, *rows))


def _figures(outcome: Outcome) -> list[list[str]]:
    """The cells of `findings_table`, the head first."""
    ours = {} if outcome.shipped is None else {finding.quantity: finding for finding in outcome.shipped.findings}
    rows = [["figure", *(["yours", "ours"] if ours else ["value"]), "needed", "holds"]]
    for finding in outcome.findings:
        beside = [f"{ours[finding.quantity].value:.4g}" if finding.quantity in ours else "–"] if ours else []
        needed = f"{finding.relation} {finding.bound:.3g}"
        rows.append([finding.quantity, f"{finding.value:.4g}", *beside, needed, "yes" if finding.holds else "NO"])
    return rows


def _unfolding(outcome: Outcome) -> str:
    """A line of HTML that unfolds to the claim, why the verdict, and the figures."""
    claim, (head, *rows) = outcome.claim, _figures(outcome)
    holding = "supports it" if outcome.supported else "CONTRADICTS it"
    cells = f"▸ {claim.number}", MARKS[claim.verdict], claim.name, str(claim.verdict), f"{outcome.seconds:.1f} s"
    line = "".join(f"<span>{html.escape(cell)}</span>" for cell in cells)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    heads = "".join(f"<th>{cell}</th>" for cell in head)
    table = f'<table style="font-size:inherit"><tr>{heads}</tr>{body}</table>'
    texts = f"{claim.source}: {claim.statement}", f"Verdict: {claim.verdict}. {claim.explanation} The check {holding}:"
    paragraphs = "".join(f"<p>{html.escape(text)}</p>" for text in texts)
    return (
        '<details style="border-top:1px solid rgba(125,133,144,.25);padding:3px 0">'
        f'<summary style="{_ROW}">{line}</summary>'
        f'<div style="margin:4px 0 10px 3em">{paragraphs}{outcome.error or table}</div></details>'
    )


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


def from_json(claim: Claim, entry: dict[str, Any]) -> Outcome:
    """What `as_json` was made of. Of a figure that was not finite it is known whether it held, so which it was."""

    def finding(found: dict[str, Any]) -> Finding:
        value = found["value"]
        if value is None:
            value = math.nan if not found["holds"] else math.inf if found["relation"] == ">" else -math.inf
        return Finding(found["quantity"], value, found["relation"], found["bound"])

    findings = tuple(map(finding, entry["findings"]))
    return Outcome(claim, findings, entry["error"], entry["supported"], entry["seconds"])


def _conclusion(outcome: Outcome) -> str:
    if outcome.supported:
        return f"The check supports the verdict ({outcome.seconds:.1f} s)."
    if outcome.error is not None:
        return "The check CONTRADICTS the verdict, as it failed to run: " + textwrap.shorten(outcome.error, 400)
    return "The check CONTRADICTS the verdict" + (": see NO above." if outcome.findings else ": it has no figures.")


def _wrapped(text: str, first: str = INDENT) -> list[str]:
    """Lines of at most 100 columns, all but the first indented as far as the text of the first."""
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first))
