"""Every numbered claim of the papers with a verdict, and a check that could have failed."""

import json
from pathlib import Path

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
from vrrae_lab.derivations.report import Outcome, Outcomes, check, findings_table, from_json, table

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


def shipped_outcomes() -> Outcomes:
    """The outcomes of all checks that come with the package, as the record "claims" has them.

    Example:
        >>> outcomes = vl.derivations.shipped_outcomes()
        >>> outcomes[7].findings
        >>> outcomes.check(7, key=jax.random.key(1))  # again, on other random data
    """
    record = json.loads((Path(__file__).parent.parent / "records" / "claims.json").read_text())
    found = {entry["number"]: entry for entry in record["results"]}
    outcomes = Outcomes({c.number: from_json(c, found[c.number]) for c in CLAIMS if c.number in found})
    outcomes.origin = (
        f"Checked in {record['duration_seconds']:.0f} s of a processor with seed {record['settings']['seed']} at "
        f"commit {record['commit'][:7]}, by jax {record['versions']['jax']} on {record['device']['kind']}."
    )
    return outcomes


__all__ = [
    "CLAIMS",
    "Claim",
    "Evidence",
    "Finding",
    "Outcome",
    "Outcomes",
    "Verdict",
    "by_number",
    "check",
    "findings_table",
    "shipped_outcomes",
    "table",
]
