r"""What β leaves of each coefficient of a VRRAE: exactly, for a linear one, and in the record of a training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float

from vrrae_lab.checks import as_numbers
from vrrae_lab.experiments import comparison
from vrrae_lab.widgets.card import Card, as_bytes

DECADES = 1.5  # of β below the thresholds of a linear model, and half as many above
ACTIVE = 0.01  # as `metrics.active_units`


class Spectrum(Card):
    r"""What `spectrum` returns.

    Attributes:
        beta: the weight of the KL divergence; of a record, taken to the nearest β that was trained with.
        step: of the training; of a record, taken to the nearest that was looked at.
        eigenvalues: $\lambda_j^2$ of the data's covariance.
    """

    beta = traitlets.Float().tag(sync=True)
    step = traitlets.Int().tag(sync=True)
    eigenvalues = traitlets.List(traitlets.Float(), read_only=True).tag(sync=True)
    _betas = traitlets.List(traitlets.Float()).tag(sync=True)
    _steps = traitlets.List(traitlets.Int()).tag(sync=True)
    _moments = traitlets.Bytes().tag(sync=True)
    _data = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        eigenvalues: Float[np.ndarray, " rank"],
        betas: Sequence[float],
        steps: Sequence[int] = (),
        moments: Float[np.ndarray, "betas steps 2 rank"] | None = None,
        data: str = "",
    ) -> None:
        """Made by `spectrum`; without `moments` the model is linear, and `betas` the two ends of the axis."""
        self._recorded = moments
        self.set_trait("eigenvalues", eigenvalues.tolist())
        super().__init__(
            "spectrum",
            f"VRRAE on {data}" if data else "linear VRRAE",
            beta=betas[len(betas) // 2] if data else 2 * float(np.median(eigenvalues)),
            step=steps[-1] if data else 0,
            _betas=list(betas),
            _steps=list(steps),
            _moments=b"" if moments is None else as_bytes(moments),
            _data=data,
        )

    @property
    def moments(self) -> Float[np.ndarray, "2 rank"]:
        r"""$\sigma_j^2/N$, and the mean of $s_j^2$, at `beta` and `step`."""
        if self._recorded is not None:
            return self._recorded[self._betas.index(self.beta), self._steps.index(self.step)]
        noise = np.minimum(self.beta / (2 * np.array(self.eigenvalues)), 1)
        return np.stack([1 - noise, noise])

    @traitlets.validate("beta")
    def _nearest_beta(self, proposal: Any) -> float:
        beta, least, most = proposal["value"], min(self._betas), max(self._betas)
        if not 0 < beta < np.inf:
            raise traitlets.TraitError(f"beta = {beta}: use a finite number above 0")
        if self._recorded is None:
            return min(max(beta, least), most)
        return min(self._betas, key=lambda known: abs(np.log(known / beta)))

    @traitlets.validate("step")
    def _nearest_step(self, proposal: Any) -> int:
        return min(self._steps, key=lambda known: abs(known - proposal["value"]), default=0)


def spectrum(source: Sequence[float] | Float[np.ndarray, " rank"] | Mapping[str, Any]) -> Spectrum:
    r"""What β leaves of each coefficient: $\sigma_j^2/N$ and $s_j^2$, which at an optimum add up to 1.

    Given eigenvalues, those of a linear VRRAE at its optimum in our loss: $s_j^2 = \beta / (2 \lambda_j^2)$ and
    $\sigma_j^2 / N = 1 - s_j^2$; where that is not positive, the coefficient is lost (claim 7; see
    `vrrae_lab.derivations`). Given a record, those of networks while they train.

    Args:
        source: eigenvalues $\lambda_j^2$ of the covariance of the data, all above 0; or a record of
            `experiments.BetaTraining`, the first of its seeds.

    Raises:
        ValueError: if there are no eigenvalues, or one is not above 0; if the record is of another kind.

    Example:
        >>> widget = vl.widgets.spectrum([4.0, 2.0, 1.0, 0.5])
        >>> widget.beta = 3
        >>> widget.moments[0]  # the last two are lost
        >>> vl.widgets.spectrum(vl.experiments.shipped_record("beta_training_fast"))
    """
    if isinstance(source, Mapping):
        return _of_record(source)
    squares = as_numbers("source", source)
    if squares.ndim != 1 or not len(squares) or not (squares > 0).all() or not np.isfinite(squares).all():
        raise ValueError(f"source = {source}: give one eigenvalue or more, each finite and above 0, or a record")
    ends = 2 * squares.min() / 10**DECADES, 2 * squares.max() * 10 ** (DECADES / 3)
    return Spectrum(squares.astype(float), ends)


def _of_record(record: Mapping[str, Any]) -> Spectrum:
    finished = [run for name in comparison.model_names(record) for run in comparison.runs_of(record, name)[:1]]
    looks = [(run["callback"], run["metrics"]) for run in finished if "moments" in run["metrics"]]
    if not looks or "eigenvalues" not in record["data"]:
        raise ValueError(
            "source is a record without moments of the coefficients: give one of experiments.BetaTraining, such as "
            'experiments.shipped_record("beta_training_fast")'
        )
    settings = record["settings"]
    betas = [
        beta
        for beta, run in zip(settings["betas"], finished, strict=True)
        if "moments" in run["metrics"]  # diverged ones have none
    ]
    moments = np.array([[*seen["moments"], metrics["moments"]] for seen, metrics in looks])
    steps = [*looks[0][0]["steps"], settings["num_steps"]]
    about = f"{settings['num_train']} {settings['data']} of {settings['image_size']} × {settings['image_size']}"
    return Spectrum(np.array(record["data"]["eigenvalues"]), betas, steps, moments, about)
