"""The adaptive rank algorithm: a rank that falls while the loss stays at its plateau, and rises when it does not.

Given to `fit` as its callback, with a model of `models.adaptive_rrae` or `adaptive_vrrae`:

1. At the largest rank, wait until the loss has stopped falling. Its level then is the plateau.
2. Take one direction away. As soon as the loss is at the plateau again, take away the next.
3. If it gets stuck above the plateau, give one direction back, and another if that does not suffice. Once the loss is
   at the plateau, the rank is settled: it changes no more.

It needs training steps after it has settled, for the last directions given back; leave it room in `num_steps`.

Source: Mounayer et al., *Rank Reduction Autoencoders*, arXiv 2405.13980 (aRRAE). Theirs gives back one direction and
stops; here it goes on until the loss is back.
"""

from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from vrrae_lab.bottlenecks import AdaptiveBasis
from vrrae_lab.checks import check_at_least, check_number, check_whole
from vrrae_lab.losses import Loss
from vrrae_lab.models import Autoencoder
from vrrae_lab.models.autoencoder import check_model


class RankEvent(NamedTuple):
    """Something the algorithm did.

    Attributes:
        step: after how many updates.
        event: "plateau" when the loss had stopped falling at the largest rank, then what was done to the rank.
        rank: from then on.
        level: mean loss since the call before.
    """

    step: int
    event: Literal["plateau", "fell", "rose", "settled"]
    rank: int
    level: float


class AdaptiveRank:
    """A callback of `fit` that adapts the rank of a model; see the module's docstring. Make a new one for each run.

    Attributes:
        every: steps between two looks at the loss, over which its mean is taken.
        log: what was done, in order.
    """

    def __init__(
        self, every: int = 50, *, patience: int = 4, tolerance: float = 0.02, good_enough: float = 0.0
    ) -> None:
        """Args:
            every: see the attribute.
            patience: so many looks in a row without improvement, and the loss has stopped falling.
            tolerance: a fraction of the loss. Less than this below the best level is no improvement, and up to this
                above the plateau is at the plateau.
            good_enough: a loss that always counts as at the plateau, for losses that would fall towards zero for ever.

        Raises:
            ValueError: if a number is out of its range.
        """
        check_at_least(1, "every", every)
        check_at_least(1, "patience", patience)
        check_number("tolerance", tolerance)
        check_number("good_enough", good_enough)
        if not 0 < tolerance < 1:
            raise ValueError(f"tolerance = {tolerance}: use a fraction of the loss, between 0 and 1")
        if not good_enough >= 0:
            raise ValueError(f"good_enough = {good_enough}: use a loss of 0 or more")
        self.every = every
        self.log: list[RankEvent] = []
        self._patience, self._tolerance, self._good_enough = patience, tolerance, good_enough
        self._plateau = np.inf
        self._step = 0
        self._phase: Literal["waiting", "falling", "rising", "settled"] = "waiting"
        self._best, self._looks = np.inf, 0

    @property
    def settled(self) -> bool:
        """Whether the rank has been found. If not, train longer."""
        return self._phase == "settled"

    def __call__(
        self, step: int, model: Autoencoder, loss: Loss, terms: dict[str, Float[np.ndarray, " steps"]]
    ) -> tuple[Autoencoder, Loss]:
        """Look at the loss of the last steps, and change the rank if it is time.

        Raises:
            ValueError: if the model's rank is fixed, or this object has already seen another run.
        """
        basis = getattr(model.bottleneck, "basis", None)
        if not isinstance(basis, AdaptiveBasis):
            raise ValueError("the rank of this model is fixed: use models.adaptive_rrae or models.adaptive_vrrae")
        if step <= self._step:
            raise ValueError(f"step {step} after step {self._step}: make a new AdaptiveRank for each run")
        self._step = step
        rank = int(basis.active)
        new = self._next_rank(rank, basis.rank, float(np.mean(terms["loss"], dtype=np.float64)))
        return (model if new == rank else with_rank(model, new)), loss

    def state(self) -> dict[str, Any]:
        """What it remembers of a run, JSON-ready."""
        return {
            "step": self._step,
            "phase": self._phase,
            "plateau": _finite(self._plateau),
            "best": _finite(self._best),
            "looks": self._looks,
            "log": [list(event) for event in self.log],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Remember what `state` has returned."""
        self._step, self._phase, self._looks = state["step"], state["phase"], state["looks"]
        self._plateau, self._best = (np.inf if v is None else v for v in (state["plateau"], state["best"]))
        self.log = [RankEvent(*event) for event in state["log"]]

    def _next_rank(self, rank: int, largest: int, level: float) -> int:
        stuck = self._is_stuck(level)
        at_plateau = level <= max((1 + self._tolerance) * self._plateau, self._good_enough)
        if self._phase == "waiting" and (stuck or level <= self._good_enough):
            self._plateau = self._best
            self._note("plateau", rank, level)
            self._phase, at_plateau = "falling", True
        if self._phase == "falling" and at_plateau:
            self._plateau = min(self._plateau, level)
            return self._change("fell", rank - 1, level) if rank > 1 else self._settle(rank, level)
        if self._phase == "rising" and (at_plateau or rank == largest):
            return self._settle(rank, level)
        if self._phase in ("falling", "rising") and stuck:
            self._phase = "rising"
            return self._change("rose", rank + 1, level)
        return rank

    def _is_stuck(self, level: float) -> bool:
        """Whether the loss has not improved for as many looks as there is patience."""
        if level < (1 - self._tolerance) * self._best:
            self._best, self._looks = level, 0
        else:
            self._best, self._looks = min(self._best, level), self._looks + 1
        return self._looks >= self._patience

    def _change(self, event: Literal["fell", "rose"], rank: int, level: float) -> int:
        self._note(event, rank, level)
        self._best, self._looks = np.inf, 0  # watch anew
        return rank

    def _settle(self, rank: int, level: float) -> int:
        self._phase = "settled"
        self._note("settled", rank, level)
        return rank

    def _note(self, event: Literal["plateau", "fell", "rose", "settled"], rank: int, level: float) -> None:
        self.log.append(RankEvent(self._step, event, rank, level))


def _finite(number: float) -> float | None:
    """JSON has no infinity."""
    return float(number) if np.isfinite(number) else None


def with_rank(model: Autoencoder, rank: int) -> Autoencoder:
    """The model with another number of active directions.

    Raises:
        ValueError: if the model's rank is fixed, or `rank` is not from 1 to its largest.
    """
    check_model(model)
    check_whole("rank", rank)
    basis = getattr(model.bottleneck, "basis", None)
    if not isinstance(basis, AdaptiveBasis):
        raise ValueError("the rank of this model is fixed: use models.adaptive_rrae or models.adaptive_vrrae")
    if not 1 <= rank <= basis.rank:
        raise ValueError(f"rank = {rank}: use 1 to {basis.rank}, the largest rank of this model")
    return eqx.tree_at(lambda m: m.bottleneck.basis.active, model, jnp.int32(rank))
