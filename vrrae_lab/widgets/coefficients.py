"""A model's coefficients as an explorer sees them: by falling spread, and in units of it."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from vrrae_lab import metrics
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.gaussian import DiagonalGaussian
from vrrae_lab.models import Autoencoder
from vrrae_lab.widgets.encoded import encoded

Image = Float[np.ndarray, "height width channels"]


class State(NamedTuple):
    """What the controls of one model say.

    Attributes:
        position: each coefficient's distance from its mean, in spreads, by falling spread.
        rank: how many of them are decoded; the others are held at their mean.
        noise: how much of the posterior's standard deviation is added.
    """

    position: Float[np.ndarray, " rank"]
    rank: int
    noise: float


@dataclass(frozen=True, eq=False)
class Coefficients:
    """A frozen model and what its coefficients do over a data set; arrays are by falling spread.

    Attributes:
        model: decodes the coefficients.
        order: the model's number, from 0, of each coefficient.
        mean: over the data.
        spread: standard deviation over the data.
        singular_values: root mean square over the data. For a model with an SVD, frozen on these data, this is the
            singular value divided by the square root of the number of images.
        kl: divergence from the prior, mean over the data, in nats; None for a deterministic model.
        noise: one draw of the posterior's noise, its standard deviation averaged over the data; None likewise.
    """

    model: Autoencoder
    order: Int[np.ndarray, " rank"]
    mean: Float[np.ndarray, " rank"]
    spread: Float[np.ndarray, " rank"]
    singular_values: Float[np.ndarray, " rank"]
    kl: Float[np.ndarray, " rank"] | None
    noise: Float[np.ndarray, " rank"] | None

    @classmethod
    def of(cls, model: Autoencoder, data: Dataset) -> "Coefficients":
        """Encode the data and measure.

        Raises:
            ValueError: if the model is not frozen, the images do not fit it, or a coefficient is NaN or infinite.
        """
        posterior, z, mean, spread, order = encoded(model, data)
        kl, noise = metrics.kl_per_coefficient(posterior), None
        if isinstance(posterior, DiagonalGaussian):
            width = np.asarray(posterior.standard_deviation).mean(axis=0)
            noise = (width * np.asarray(jax.random.normal(jax.random.key(0), width.shape)))[order]
        return cls(
            model=model,
            order=order,
            mean=mean[order],
            spread=spread[order],
            singular_values=np.sqrt(np.mean(np.square(z, dtype=float), axis=0))[order],
            kl=None if kl is None else np.array(kl)[order],
            noise=noise,
        )

    def __len__(self) -> int:
        return len(self.order)

    @property
    def start(self) -> State:
        """Every coefficient at its mean."""
        return State(np.zeros(len(self)), len(self), 0.0)

    def name(self, place: int) -> str:
        """What the coefficient is called that comes at `place` in the order, from 0."""
        return f"coefficient {self.order[place] + 1}"

    def encode(self, x: Image) -> Float[np.ndarray, " rank"]:
        """The position of an image: its posterior mean."""
        z = np.asarray(self.model.encode(x[None]).mean)[0, self.order]
        return (z.astype(float) - self.mean) / self._unit

    def decode(self, state: State) -> Image:
        """The image of a state."""
        offset = state.position * self._unit
        if self.noise is not None:
            offset = offset + state.noise * self.noise
        kept = np.arange(len(self)) < state.rank
        z = np.empty((1, len(self)), self.mean.dtype)
        z[0, self.order] = self.mean + np.where(kept, offset, 0.0)
        return np.asarray(self.model.decode(z))[0]

    @property
    def _unit(self) -> Float[np.ndarray, " rank"]:
        """The spread in float64, so that a position decodes to the very number it was encoded from, and never 0."""
        return np.maximum(self.spread.astype(float), 1e-30)
