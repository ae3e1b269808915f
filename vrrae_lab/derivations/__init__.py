"""Every numbered claim of the papers with a verdict, and a check that could have failed."""

from vrrae_lab.derivations import bases, frames, gradient, spectrum, ties
from vrrae_lab.derivations.claim import Claim, Evidence, Finding, Verdict

_ALL = (*bases.CLAIMS, *frames.CLAIMS, *gradient.CLAIMS, *spectrum.CLAIMS, *ties.CLAIMS)
CLAIMS: tuple[Claim, ...] = tuple(sorted(_ALL, key=lambda claim: claim.number))

__all__ = ["CLAIMS", "Claim", "Evidence", "Finding", "Verdict"]
