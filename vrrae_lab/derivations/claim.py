"""A claim of the papers as an object: what is said, what is true of it, and a check whose figures decide.

A check measures; it does not argue. Each of its findings is one figure beside the bound that the recorded verdict
needs, so a wrong verdict, or a mistake in what the check depends on, shows as a finding that does not hold.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

import jax
from jaxtyping import Array, Key


class Verdict(StrEnum):
    """What was found of a claim."""

    TRUE = "true"
    CONDITIONAL = "true with a condition"
    FALSE = "false"
    CONTRADICTION = "contradiction in the paper's tables"


class Finding(NamedTuple):
    """One figure, and what the verdict needs of it.

    Attributes:
        quantity: what was measured, in words, with its units.
        value: the figure.
        relation: how it should stand to the bound.
        bound: the least or the most it may be; for an error, what rounding or sampling explains.
    """

    quantity: str
    value: float
    relation: Literal["<", ">"]
    bound: float

    @property
    def holds(self) -> bool:
        """Whether the figure is as the verdict needs it; false for NaN."""
        return self.value < self.bound if self.relation == "<" else self.value > self.bound


class Evidence(NamedTuple):
    """The findings of one check; the verdict stands only if every one holds."""

    findings: tuple[Finding, ...]

    @property
    def supports_verdict(self) -> bool:
        """Whether there are findings and all of them hold."""
        return bool(self.findings) and all(finding.holds for finding in self.findings)


@dataclass(frozen=True, repr=False)
class Claim:
    """A numbered statement of the papers, or one they rest on.

    Attributes:
        number: 1 and up, as the notebooks and the command line call it.
        name: a few words.
        source: paper, equation or table.
        statement: the statement as LaTeX with prose, in `$…$`.
        verdict: what was found.
        explanation: why, and under which condition, in two or three sentences.
        check: random key to evidence; a few seconds at most.
    """

    number: int
    name: str
    source: str
    statement: str
    verdict: Verdict
    explanation: str
    check: Callable[[Key[Array, ""]], Evidence]

    def __repr__(self) -> str:
        return f"Claim {self.number}, {self.name}: {self.verdict}"

    def _repr_markdown_(self) -> str:
        return (
            f"**Claim {self.number} · {self.name}** ({self.source})\n\n{self.statement}\n\n"
            f"**{str(self.verdict).capitalize()}.** {self.explanation}"
        )


class Claims(tuple[Claim, ...]):
    """All claims, in the order of their numbers; a notebook shows their table."""

    def __repr__(self) -> str:
        count = ", ".join(f"{sum(claim.verdict == v for claim in self)} {v}" for v in Verdict)
        return f"{len(self)} claims: {count}"

    def _repr_markdown_(self) -> str:
        rows = [f"| {c.number} | {c.name} | {c.source} | {c.verdict} |" for c in self]
        return "\n".join(["| | claim | source | verdict |", "| ---: | --- | --- | --- |", *rows])


@contextmanager
def float64() -> Iterator[None]:
    """Let jax compute in float64 inside this block: derivations are checked to rounding, and float32 hides mistakes."""
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)  # the option exists in every version; the context manager has moved
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)
