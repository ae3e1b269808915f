r"""Losses, called as `loss(model, batch, key=key) -> (value, terms)`.

Ours are per sample and in nats: squared error summed over the features and KL divergence summed over the coefficients,
both averaged over the batch, so β means the same at every batch size. The papers' convention, needed to rerun their
experiments, is a separate pair of losses: a relative, un-squared norm in percent, and a KL divergence *summed* over
the batch. The two do not share a scale of β: a step of the papers' loss is one of ours with

$$\beta_{\text{ours}} = \beta_{\text{paper}} \, \frac{\lVert \hat X - X \rVert \, \lVert X \rVert}{50},$$

which changes while the model learns. Copying a value of β from one convention to the other is a mistake.

Sources: Kingma & Welling, arXiv 1312.6114, Eq. 3; Higgins et al. 2017 (β); Mounayer et al., arXiv 2505.09458, Eq. 2.
"""

from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from vrrae_lab.gaussian import DiagonalGaussian, Posterior
from vrrae_lab.models import Autoencoder

Terms = dict[str, Float[Array, ""]]


@runtime_checkable
class Loss(Protocol):
    """Value to minimise, and its named parts for the history."""

    def __call__(self, model: Autoencoder, batch: Array, *, key: Key[Array, ""]) -> tuple[Array, Terms]: ...


class Reconstruction(eqx.Module):
    r"""$\frac1B \sum_b \lVert \hat x_b - x_b \rVert^2$: squared error summed over the features, mean over the batch."""

    def __call__(
        self, model: Autoencoder, batch: Float[Array, "batch ..."], *, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Terms]:
        squares, _ = model.squared_error(batch, key=key)
        reconstruction = squares / len(batch)
        return reconstruction, {"reconstruction": reconstruction}


class Variational(eqx.Module):
    r"""Squared error plus β times the KL divergence to $\mathcal{N}(0, I)$, per sample, in nats.

    Attributes:
        beta: weight of the KL divergence, 0 or more. An array, so that changing it does not recompile a step.
    """

    beta: Float[Array, ""]

    def __init__(self, beta: float | Float[Array, ""]) -> None:
        """Args: as the attribute.

        Raises:
            ValueError: if `beta` is negative or not finite.
        """
        self.beta = _checked_beta(beta)

    def __call__(
        self, model: Autoencoder, batch: Float[Array, "batch ..."], *, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Terms]:
        squares, posterior = model.squared_error(batch, key=key)
        reconstruction = squares / len(batch)
        kl = jnp.sum(_gaussian(posterior).kl()) / len(batch)
        return reconstruction + self.beta * kl, {"reconstruction": reconstruction, "kl": kl}


class PaperReconstruction(eqx.Module):
    r"""$100 \, \lVert \hat X - X \rVert_F / \lVert X \rVert_F$ over the batch, in percent."""

    def __call__(
        self, model: Autoencoder, batch: Float[Array, "batch ..."], *, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Terms]:
        squares, _ = model.squared_error(batch, key=key)
        reconstruction = _relative_norm(squares, batch)
        return reconstruction, {"reconstruction": reconstruction}


class PaperVariational(eqx.Module):
    r"""The relative norm in percent plus β times the KL divergence *summed* over the batch.

    Attributes:
        beta: weight of the summed KL divergence, 0 or more; its meaning changes with the batch size.
    """

    beta: Float[Array, ""]

    def __init__(self, beta: float | Float[Array, ""]) -> None:
        """Args: as the attribute.

        Raises:
            ValueError: if `beta` is negative or not finite.
        """
        self.beta = _checked_beta(beta)

    def __call__(
        self, model: Autoencoder, batch: Float[Array, "batch ..."], *, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Terms]:
        squares, posterior = model.squared_error(batch, key=key)
        reconstruction = _relative_norm(squares, batch)
        kl = jnp.sum(_gaussian(posterior).kl())
        return reconstruction + self.beta * kl, {"reconstruction": reconstruction, "kl": kl}


def _relative_norm(squares: Array, x: Array) -> Array:
    # the square root has no derivative at a perfect reconstruction: its subgradient 0 stands in, not NaN
    norm = jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)
    return 100 * norm / jnp.linalg.norm(x.ravel())


def _gaussian(posterior: Posterior) -> DiagonalGaussian:
    if not isinstance(posterior, DiagonalGaussian):
        raise ValueError(
            f"this loss weighs a KL divergence, but the model's posterior is a {type(posterior).__name__}: "
            "use losses.Reconstruction (or PaperReconstruction) for deterministic models"
        )
    return posterior


def _checked_beta(beta: float | Array) -> Array:
    if not isinstance(beta, jax.core.Tracer) and not (np.isfinite(beta) and beta >= 0):
        raise ValueError(f"beta = {beta}: the weight of the KL divergence is a finite number, 0 or more")
    return jnp.asarray(beta, jnp.result_type(float))
