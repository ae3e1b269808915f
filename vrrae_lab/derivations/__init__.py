"""Every numbered claim of the papers with a verdict, and a check that could have failed."""

from vrrae_lab.derivations import aggregate, bandwidths, yardsticks
from vrrae_lab.derivations.claim import Claim, Evidence, Finding, Verdict

CLAIMS: tuple[Claim, ...] = tuple(
    sorted(aggregate.CLAIMS + bandwidths.CLAIMS + yardsticks.CLAIMS, key=lambda claim: claim.number)
)

__all__ = ["CLAIMS", "Claim", "Evidence", "Finding", "Verdict"]
