r"""AVAE's weight of the divergence: the error on validation images, measured again in every epoch.

The better a model reconstructs, the less its latents are pressed towards the prior. Published are two rules. The paper
takes the mean norm of the errors as β. Its code divides the reconstruction by their root mean square, which is the same
as multiplying the divergence with it, but for a factor of the whole loss that optimizers like Adam do not see.

Source: Saha, Joshi & Whitaker, *Matching aggregate posteriors in the variational autoencoder*, arXiv 2311.07693.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from vrrae_lab import display
from vrrae_lab.checks import check_array, check_at_least, check_kind, check_number
from vrrae_lab.losses import AggregateMatching, Loss
from vrrae_lab.models import Autoencoder, Images, as_floats, check_images, in_batches

Norms = Float[np.ndarray, " count"]


def mean_error_norm(norms: Norms) -> float:
    r"""$\frac1n \sum_i \lVert \hat x_i - x_i \rVert$: the rule of the paper."""
    return float(np.mean(norms))


def root_mean_square_error(norms: Norms) -> float:
    r"""$\sqrt{\frac1n \sum_i \lVert \hat x_i - x_i \rVert^2}$: the rule of its code, the norm over a whole image."""
    return float(np.sqrt(np.mean(norms**2)))


class BetaEvent(NamedTuple):
    """A weight that was set: after how many updates, and to what."""

    step: int
    beta: float


class ValidationBeta:
    """A callback of `fit` that sets the β of `losses.AggregateMatching` by the error on validation images.

    Attributes:
        every: steps between two settings: those of an epoch.
        log: what was set, in order.
    """

    def __init__(
        self, x: Images, every: int, *, rule: Callable[[Norms], float] = mean_error_norm, largest: float = np.inf
    ) -> None:
        """Args:
            x: validation images, which are not trained on.
            every: see the attribute.
            rule: maps the error norms of the images to β.
            largest: no β is larger.

        Raises:
            ValueError: if there are no images, `every` is below 1 or `largest` not positive.
        """
        check_array("x", x)
        check_kind("rule", rule, Callable, "give a function of the error norms")
        check_number("largest", largest)
        if x.ndim != 4:
            raise ValueError(f"x has shape {x.shape}: images are (batch, height, width, channels)")
        if len(x) == 0:
            raise ValueError("there are no validation images: give one or more")
        check_at_least(1, "every", every)
        if not largest > 0:
            raise ValueError(f"largest = {largest}: use a positive weight")
        self.every = every
        self.log: list[BetaEvent] = []
        self._x, self._rule, self._largest = x, rule, largest

    def __repr__(self) -> str:
        last = f"β = {self.log[-1].beta:.4g} since step {self.log[-1].step:,}" if self.log else "not set yet"
        return f"ValidationBeta: every {self.every} steps on {display.plural(len(self._x), 'image')} · {last}"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """How β went."""
        if not self.log:
            return {"text/plain": repr(self)}
        from vrrae_lab import figures

        steps, betas = zip(*self.log, strict=True)
        figure = figures.lines({"β": betas}, steps, title=repr(self), x_name="step", quantity="β", log_y=True)
        return figure._repr_mimebundle_(**options) | {"text/plain": repr(self)}

    def __call__(
        self, step: int, model: Autoencoder, loss: Loss, terms: dict[str, Float[np.ndarray, " steps"]]
    ) -> tuple[Autoencoder, Loss]:
        """The model as it is, and the loss with another β.

        Raises:
            ValueError: if the loss is not an `AggregateMatching`, or the images do not have the model's shape.
        """
        if not isinstance(loss, AggregateMatching):
            raise ValueError(f"the loss is a {type(loss).__name__}: this callback sets β of losses.AggregateMatching")
        beta = min(self._rule(self.error_norms(model)), self._largest)
        self.log.append(BetaEvent(step, beta))
        return model, eqx.tree_at(lambda found: found.beta, loss, jnp.asarray(beta, loss.beta.dtype))

    def state(self) -> dict[str, Any]:
        """What it remembers of a run, JSON-ready."""
        return {"log": [list(event) for event in self.log]}

    def restore(self, state: dict[str, Any]) -> None:
        """Remember what `state` has returned."""
        self.log = [BetaEvent(*event) for event in state["log"]]

    def error_norms(self, model: Autoencoder) -> Norms:
        r"""$\lVert \hat x_i - x_i \rVert$ of each validation image, which is decoded from its posterior's mean.

        Raises:
            ValueError: if the images do not have the model's shape.
        """
        check_images(self._x, model.shape)
        x = np.asarray(as_floats(jnp.asarray(self._x)), float)
        x_hat = np.asarray(in_batches(model.reconstruct, self._x), float)
        return np.linalg.norm((x_hat - x).reshape(len(x), -1), axis=1)
