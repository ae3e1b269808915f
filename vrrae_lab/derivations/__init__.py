"""Every numbered claim of the papers with a verdict, and a check that could have failed."""

from vrrae_lab.derivations import collapse, gauge, kl, linear, noise, trained
from vrrae_lab.derivations.claim import Claim, Evidence, Finding, Verdict

_VRRAE = kl.CLAIMS + collapse.CLAIMS + linear.CLAIMS + gauge.CLAIMS + noise.CLAIMS + trained.CLAIMS

CLAIMS: tuple[Claim, ...] = tuple(sorted(_VRRAE, key=lambda claim: claim.number))

__all__ = ["CLAIMS", "Claim", "Evidence", "Finding", "Verdict"]
