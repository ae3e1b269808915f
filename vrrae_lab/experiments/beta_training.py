r"""What becomes of each coefficient while VRRAEs train with several β: the law $\sigma_j^2/N + s_j^2 = 1$."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Float, Key

from vrrae_lab.data import Dataset
from vrrae_lab.experiments import evaluation
from vrrae_lab.experiments.beta_sweep import BetaSweep
from vrrae_lab.experiments.plan import Candidate
from vrrae_lab.experiments.subjects import Extent, Subject
from vrrae_lab.losses import Loss, PaperVariational, Variational
from vrrae_lab.models import Autoencoder, in_batches

RANK = 6  # four more than bumps need
MOST_IMAGES = 1000  # that are looked at while a model trains
GROWTH = 1.2  # of the steps between two looks


@dataclass(frozen=True)
class BetaTraining(BetaSweep):
    r"""Mean squares and mean variances of the coefficients, a few times in each doubling of the steps, in our loss.

    A set of 100 images is in each batch whole, so that the SVD of a batch is that of the data.

    Attributes:
        betas: of `losses.Variational`, each above 0.
    """

    name: ClassVar[str] = "beta_training"
    description: ClassVar[str] = "VRRAE over a list of beta: each coefficient while it trains"
    models: ClassVar[tuple[str, ...]] = ("VRRAE",)
    loss: ClassVar[type[PaperVariational] | type[Variational]] = Variational
    axis: ClassVar[str] = "β"

    betas: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0, 30.0, 100.0)

    @classmethod
    def fast(cls) -> "BetaTraining":
        """A reduced setting: some minutes on two idle CPU cores."""
        return cls(extent=Extent.FAST, num_steps=600, num_seeds=1)

    @classmethod
    def tiny(cls) -> "BetaTraining":
        """Seconds; for tests. Its results mean nothing."""
        return replace(cls.fast(), extent=Extent.TINY, num_steps=None, betas=(0.01, 100.0))

    @property
    def subject(self) -> Subject:
        """The images and settings, with six coefficients."""
        own = super().subject
        return replace(own, rank=RANK, batch_size=max(own.batch_size, min(own.num_train, 100)))

    def facts(self, train: Dataset) -> dict[str, Any]:
        r"""Eigenvalues $\lambda_j^2$: a linear model loses coefficient j where $\beta > 2 \lambda_j^2$."""
        return {"eigenvalues": evaluation.pixel_eigenvalues(evaluation.bounded(train).x, self.subject.rank)}

    def candidates(self, train: Dataset) -> dict[str, Candidate]:
        """A VRRAE with every β, looked at while it trains."""
        callback = partial(Moments, _seen(train))
        return {name: replace(candidate, callback=callback) for name, candidate in super().candidates(train).items()}

    def evaluate(self, model: Autoencoder, train: Dataset, test: Dataset, key: Key[Array, ""]) -> dict[str, Any]:
        """As all studies, with the last of the moments."""
        return super().evaluate(model, train, test, key) | {"moments": moments(model, _seen(train))}


class Moments:
    """A callback of `fit` that remembers `moments`, at steps that grow by a fifth."""

    every = 2

    def __init__(self, x: Float[np.ndarray, "batch height width channels"]) -> None:
        """Args: x: the images that are encoded."""
        self._x = x
        self._seen: list[tuple[int, list[list[float]]]] = []

    def __call__(
        self, step: int, model: Autoencoder, loss: Loss, terms: dict[str, Float[np.ndarray, " steps"]]
    ) -> tuple[Autoencoder, Loss]:
        """Look, if it is time; nothing is changed."""
        if not self._seen or step >= GROWTH * self._seen[-1][0]:
            self._seen.append((step, moments(model, self._x)))
        return model, loss

    def state(self) -> dict[str, Any]:
        """Steps, and the moments at each."""
        return {"steps": [step for step, _ in self._seen], "moments": [found for _, found in self._seen]}

    def restore(self, state: dict[str, Any]) -> None:
        """Remember what `state` has returned."""
        self._seen = list(zip(state["steps"], state["moments"], strict=True))


def moments(model: Autoencoder, x: Float[np.ndarray, "batch height width channels"]) -> list[list[float]]:
    r"""$\frac1N\sum_b \mu_{bj}^2$, which is $\sigma_j^2/N$ in a VRRAE, and $\frac1N\sum_b s_{bj}^2$; to 4 digits."""
    posterior = in_batches(model.encode, x, len(x))  # in one, whose SVD is that of the data
    variances = np.exp(np.asarray(posterior.log_variance, float))
    return [
        [float(f"{value:.4g}") for value in values.mean(axis=0)]
        for values in (np.asarray(posterior.mean, float) ** 2, variances)
    ]


def _seen(train: Dataset) -> Float[np.ndarray, "batch height width channels"]:
    return train.take(min(len(train), MOST_IMAGES)).as_floats().x
