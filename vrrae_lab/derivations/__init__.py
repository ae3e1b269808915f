"""Every numbered claim of the papers with a verdict, and a check that could have failed."""

from vrrae_lab.derivations import (
    aggregate,
    bandwidths,
    bases,
    centring,
    collapse,
    conventions,
    cost,
    frames,
    gauge,
    gradient,
    information,
    kl,
    linear,
    noise,
    shortcuts,
    spectrum,
    tables,
    ties,
    trained,
    yardsticks,
)
from vrrae_lab.derivations.claim import Claim, Claims, Evidence, Finding, Verdict
from vrrae_lab.derivations.report import Outcome, check, findings_table, table

_PARTS = (
    aggregate,
    bandwidths,
    bases,
    centring,
    collapse,
    conventions,
    cost,
    frames,
    gauge,
    gradient,
    information,
    kl,
    linear,
    noise,
    shortcuts,
    spectrum,
    tables,
    ties,
    trained,
    yardsticks,
)
CLAIMS = Claims(sorted((c for part in _PARTS for c in part.CLAIMS), key=lambda claim: claim.number))


def by_number(number: int) -> Claim:
    """The claim of that number.

    Raises:
        ValueError: if there is none.
    """
    for claim in CLAIMS:
        if claim.number == number:
            return claim
    raise ValueError(f"no claim has the number {number}: there are {', '.join(str(c.number) for c in CLAIMS)}")


__all__ = [
    "CLAIMS",
    "Claim",
    "Evidence",
    "Finding",
    "Outcome",
    "Verdict",
    "by_number",
    "check",
    "findings_table",
    "table",
]
