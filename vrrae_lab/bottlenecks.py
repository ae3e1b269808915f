r"""What lies between encoder and decoder: nothing, a Gaussian, a truncated SVD, or both.

Every bottleneck answers three calls:

- `bottleneck(latents, key=key)`: the training pass; the posterior of the batch and one draw of what the decoder sees;
- `bottleneck.encode(latents)`: the posterior over the coefficients;
- `bottleneck.decode(z)`: coefficients to what the decoder sees.

The low-rank ones hold a basis: `BatchBasis` decomposes whatever batch it is given, `FixedBasis` projects on a matrix.
In our batch-first convention `coefficients = latents @ basis` and `low_rank_latents = coefficients @ basis.T`; the
papers' matrices are the transposes.

Sources: Mounayer et al., arXiv 2505.09458, section 3 (VRRAE) and arXiv 2405.13980, section 2 (RRAE); Kingma & Welling,
arXiv 1312.6114 (VAE).
"""

from typing import NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
from jax import lax
from jaxtyping import Array, Float, Key

from vrrae_lab.gaussian import DiagonalGaussian, PointMass, Posterior
from vrrae_lab.linalg import Method, truncated_svd


class Draw(NamedTuple):
    """One pass through a bottleneck: the posterior, and latents for the decoder made from one sample of it."""

    posterior: Posterior
    latents: Float[Array, "batch decoder_size"]


@runtime_checkable
class Bottleneck(Protocol):
    """The three calls described in the module's docstring."""

    def __call__(self, latents: Float[Array, "batch latent_size"], *, key: Key[Array, ""]) -> Draw: ...

    def encode(self, latents: Float[Array, "batch latent_size"]) -> Posterior: ...

    def decode(self, z: Float[Array, "batch rank"]) -> Float[Array, "batch decoder_size"]: ...


class BatchBasis(eqx.Module):
    """The left singular vectors of the batch at hand; used while training.

    Attributes:
        rank: how many singular directions are kept.
        within_block: see `vrrae_lab.linalg.truncated_svd`.
        method: likewise.
    """

    rank: int = eqx.field(static=True)
    within_block: bool = eqx.field(static=True, default=True)
    method: Method = eqx.field(static=True, default="auto")

    def __check_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"rank = {self.rank}: keep 1 singular direction or more")

    def project(
        self, latents: Float[Array, "batch latent_size"]
    ) -> tuple[Float[Array, "latent_size rank"], Float[Array, "batch rank"]]:
        """The basis of this batch, and the coefficients of the latents in it.

        Raises:
            ValueError: if the batch is smaller than the rank.
        """
        svd = truncated_svd(latents, self.rank, within_block=self.within_block, method=self.method)
        return svd.basis, svd.coefficients

    def matrix_for_decoding(self) -> Float[Array, "latent_size rank"]:
        """There is none: the basis belongs to a batch.

        Raises:
            ValueError: always, naming the remedy.
        """
        raise ValueError(
            "this model takes its basis from each batch, so coefficients alone cannot be decoded: "
            "call freeze_basis(model, x_train) first"
        )


class FixedBasis(eqx.Module):
    """A given orthonormal basis, held fixed; used at inference.

    Attributes:
        matrix: orthonormal columns. No gradient flows into it.
    """

    matrix: Float[Array, "latent_size rank"]

    @property
    def rank(self) -> int:
        """How many directions the basis has."""
        return self.matrix.shape[1]

    def project(
        self, latents: Float[Array, "batch latent_size"]
    ) -> tuple[Float[Array, "latent_size rank"], Float[Array, "batch rank"]]:
        """The basis, and the coefficients of the latents in it."""
        matrix = lax.stop_gradient(self.matrix)
        return matrix, latents @ matrix

    def matrix_for_decoding(self) -> Float[Array, "latent_size rank"]:
        """The basis."""
        return lax.stop_gradient(self.matrix)


class Identity(eqx.Module):
    """The latents themselves, without truncation or noise (AE)."""

    def __call__(self, latents: Float[Array, "batch latent_size"], *, key: Key[Array, ""]) -> Draw:
        return Draw(PointMass(latents), latents)

    def encode(self, latents: Float[Array, "batch latent_size"]) -> PointMass:
        return PointMass(latents)

    def decode(self, z: Float[Array, "batch latent_size"]) -> Float[Array, "batch latent_size"]:
        return z


class Variational(eqx.Module):
    """A Gaussian whose mean and log variance are linear in the latents (VAE)."""

    mean_layer: eqx.nn.Linear
    log_variance_layer: eqx.nn.Linear

    def __init__(self, latent_size: int, *, key: Key[Array, ""]) -> None:
        """`key` draws the initial weights of both layers."""
        mean_key, variance_key = jax.random.split(key)
        self.mean_layer = eqx.nn.Linear(latent_size, latent_size, key=mean_key)
        self.log_variance_layer = eqx.nn.Linear(latent_size, latent_size, key=variance_key)

    def __call__(self, latents: Float[Array, "batch latent_size"], *, key: Key[Array, ""]) -> Draw:
        posterior = self.encode(latents)
        return Draw(posterior, posterior.sample(key=key))

    def encode(self, latents: Float[Array, "batch latent_size"]) -> DiagonalGaussian:
        return DiagonalGaussian(jax.vmap(self.mean_layer)(latents), jax.vmap(self.log_variance_layer)(latents))

    def decode(self, z: Float[Array, "batch latent_size"]) -> Float[Array, "batch latent_size"]:
        return z


class LowRank(eqx.Module):
    """The best approximation of the latents by a matrix of rank k (RRAE)."""

    basis: BatchBasis | FixedBasis

    @classmethod
    def of_rank(cls, rank: int) -> "LowRank":
        """With the basis of each batch. The product U_k α is invariant to rotations of the kept frame."""
        return cls(BatchBasis(rank, within_block=False))

    def __call__(self, latents: Float[Array, "batch latent_size"], *, key: Key[Array, ""]) -> Draw:
        basis, coefficients = self.basis.project(latents)
        return Draw(PointMass(coefficients), coefficients @ basis.T)

    def encode(self, latents: Float[Array, "batch latent_size"]) -> PointMass:
        return PointMass(self.basis.project(latents)[1])

    def decode(self, z: Float[Array, "batch rank"]) -> Float[Array, "batch latent_size"]:
        return z @ self.basis.matrix_for_decoding().T


class VariationalLowRank(eqx.Module):
    r"""A Gaussian whose mean is the SVD coefficients, $\mu = \alpha$, with $\log s^2 = g(\alpha)$ linear (VRRAE)."""

    basis: BatchBasis | FixedBasis
    log_variance_layer: eqx.nn.Linear

    def __init__(self, rank: int, *, key: Key[Array, ""]) -> None:
        """With the basis of each batch; `key` draws the initial weights of g."""
        self.basis = BatchBasis(rank)
        self.log_variance_layer = eqx.nn.Linear(rank, rank, key=key)

    def posterior(self, coefficients: Float[Array, "batch rank"]) -> DiagonalGaussian:
        """The posterior whose mean is these coefficients."""
        return DiagonalGaussian(coefficients, jax.vmap(self.log_variance_layer)(coefficients))

    def __call__(self, latents: Float[Array, "batch latent_size"], *, key: Key[Array, ""]) -> Draw:
        basis, coefficients = self.basis.project(latents)
        posterior = self.posterior(coefficients)
        return Draw(posterior, posterior.sample(key=key) @ basis.T)

    def encode(self, latents: Float[Array, "batch latent_size"]) -> DiagonalGaussian:
        return self.posterior(self.basis.project(latents)[1])

    def decode(self, z: Float[Array, "batch rank"]) -> Float[Array, "batch latent_size"]:
        return z @ self.basis.matrix_for_decoding().T
