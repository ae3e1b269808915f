"""What may look at a run from time to time, and change it."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from vrrae_lab.losses import Loss
from vrrae_lab.models import Autoencoder


@runtime_checkable
class Callback(Protocol):
    """Looks at a run from time to time, and may change its model and the numbers in its loss.

    A run with checkpoints needs one that can be taken up again too, a `ResumableCallback`.

    Attributes:
        every: steps between two calls. There is none after the last step, when nothing is left to train a change.
    """

    every: int

    def __call__(
        self, step: int, model: Autoencoder, loss: Loss, terms: dict[str, Float[np.ndarray, " steps"]]
    ) -> tuple[Autoencoder, Loss]:
        """What to go on with, of the same structure: the model and loss given, or those with other numbers in them.

        Args:
            step: updates made so far.
            model: after them; it may be kept.
            loss: that was minimised.
            terms: as in `History`, at the steps since the last call.
        """
        ...


@runtime_checkable
class ResumableCallback(Callback, Protocol):
    """A callback that can say what it remembers, and be told it again."""

    def state(self) -> dict[str, Any]:
        """What it remembers of a run, JSON-ready."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Remember what `state` has returned."""
        ...
