"""Every numbered claim of the papers with a verdict, and a check that could have failed."""

from vrrae_lab.derivations import conventions, cost, information, shortcuts, tables
from vrrae_lab.derivations.claim import Claim, Evidence, Finding, Verdict

_PARTS = (conventions, cost, information, shortcuts, tables)
CLAIMS: tuple[Claim, ...] = tuple(sorted((c for part in _PARTS for c in part.CLAIMS), key=lambda claim: claim.number))

__all__ = ["CLAIMS", "Claim", "Evidence", "Finding", "Verdict"]
