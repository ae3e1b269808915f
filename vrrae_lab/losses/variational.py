"""The two conventions of a loss, and the KL divergence weighed in either."""

from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from vrrae_lab.checks import check_number
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
        reconstruction = self.error(squares, batch)
        return reconstruction, {"reconstruction": reconstruction}

    def error(self, squares: Float[Array, ""], x: Float[Array, "batch ..."]) -> Float[Array, ""]:
        """The term of a batch from its squared error, summed over batch and features."""
        return squares / len(x)

    def over_batch(self, values: Float[Array, " batch"]) -> Float[Array, ""]:
        """How a penalty of single samples enters beside this term: their mean."""
        return jnp.sum(values) / len(values)


class PaperReconstruction(eqx.Module):
    r"""$100 \, \lVert \hat X - X \rVert_F / \lVert X \rVert_F$ over the batch, in percent."""

    def __call__(
        self, model: Autoencoder, batch: Float[Array, "batch ..."], *, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Terms]:
        squares, _ = model.squared_error(batch, key=key)
        reconstruction = self.error(squares, batch)
        return reconstruction, {"reconstruction": reconstruction}

    def error(self, squares: Float[Array, ""], x: Float[Array, "batch ..."]) -> Float[Array, ""]:
        """The term of a batch from its squared error, summed over batch and features."""
        # the square root has no derivative at a perfect reconstruction: its subgradient 0 stands in, not NaN
        norm = jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)
        return 100 * norm / jnp.linalg.norm(x.ravel())

    def over_batch(self, values: Float[Array, " batch"]) -> Float[Array, ""]:
        """How a penalty of single samples enters beside this term: their *sum*."""
        return jnp.sum(values)


Convention = Reconstruction | PaperReconstruction


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
        self.beta = checked_weight("beta", beta)

    def __call__(
        self, model: Autoencoder, batch: Float[Array, "batch ..."], *, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Terms]:
        return _with_kl(Reconstruction(), self.beta, model, batch, key)


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
        self.beta = checked_weight("beta", beta)

    def __call__(
        self, model: Autoencoder, batch: Float[Array, "batch ..."], *, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Terms]:
        return _with_kl(PaperReconstruction(), self.beta, model, batch, key)


def _with_kl(convention: Convention, beta: Array, model: Autoencoder, batch: Array, key: Array) -> tuple[Array, Terms]:
    squares, posterior = model.squared_error(batch, key=key)
    reconstruction = convention.error(squares, batch)
    kl = convention.over_batch(jnp.sum(gaussian(posterior).kl(), axis=1))
    return reconstruction + beta * kl, {"reconstruction": reconstruction, "kl": kl}


def gaussian(posterior: Posterior) -> DiagonalGaussian:
    """The posterior, known to be Gaussian.

    Raises:
        ValueError: if it is not.
    """
    if not isinstance(posterior, DiagonalGaussian):
        raise ValueError(
            f"this loss weighs a KL divergence, but the model's posterior is a {type(posterior).__name__}: "
            "use losses.Reconstruction (or PaperReconstruction) for deterministic models"
        )
    return posterior


def checked_weight(name: str, weight: float | Array) -> Array:
    """A weight as an array.

    Raises:
        ValueError: if it is negative or not finite.
    """
    check_number(name, weight)
    if not isinstance(weight, jax.core.Tracer) and not (np.isfinite(weight) and weight >= 0):
        raise ValueError(f"{name} = {weight}: the weight of a term is a finite number, 0 or more")
    return jnp.asarray(weight, jnp.result_type(float))
