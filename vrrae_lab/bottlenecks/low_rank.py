"""Bottlenecks with a truncated SVD: of the latents of a batch, or projection on a fixed basis in its place."""

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

from vrrae_lab.bottlenecks.bases import Basis, BatchBasis, FixedBasis, plus
from vrrae_lab.bottlenecks.full_rank import Draw, MeanLayer, check_mean_layer
from vrrae_lab.checks import check_key, check_kind, check_memory
from vrrae_lab.gaussian import DiagonalGaussian, PointMass
from vrrae_lab.randomness import linear


class LowRank(eqx.Module):
    """The best approximation of the latents by a matrix of rank k (RRAE)."""

    basis: Basis

    def __check_init__(self) -> None:
        check_basis(self.basis)

    @classmethod
    def of_rank(cls, rank: int, *, centre: bool = False) -> "LowRank":
        """With the basis of each batch. The product U_k α is invariant to rotations of the kept frame."""
        return cls(BatchBasis(rank, within_block=False, centre=centre))

    def on_basis(self, basis: FixedBasis) -> "LowRank":
        """This bottleneck on a fixed basis."""
        return LowRank(basis)

    def __call__(self, latents: Float[Array, "batch latent_size"], *, key: Key[Array, ""]) -> Draw:
        basis, coefficients = self.basis.project(latents)
        return Draw(PointMass(coefficients), plus(coefficients @ basis.T, self.basis.offset_of(latents)))

    def encode(self, latents: Float[Array, "batch latent_size"]) -> PointMass:
        return PointMass(self.basis.project(latents)[1])

    def decode(self, z: Float[Array, "batch rank"]) -> Float[Array, "batch latent_size"]:
        return plus(z @ self.basis.matrix_for_decoding().T, self.basis.offset_for_decoding())


class VariationalLowRank(eqx.Module):
    r"""A Gaussian on the SVD coefficients: mean $f(\alpha)$, and $\log s^2 = g(\alpha)$ with $g$ linear.

    $f = I$ makes it a VRRAE, a trained linear $f$ the ablation "RRAE + VAE". The posterior of an inactive coefficient
    of an `AdaptiveBasis` is the prior.
    """

    basis: Basis
    mean_layer: MeanLayer
    log_variance_layer: eqx.nn.Linear

    def __init__(
        self,
        rank: int,
        *,
        basis: Basis | None = None,
        centre: bool = False,
        mean_layer: MeanLayer | None = None,
        key: Key[Array, ""],
    ) -> None:
        """With the basis of each batch and f = I unless others are given; `key` draws the initial weights of g.

        Where no basis is given, `centre` is that of the `BatchBasis`.

        Raises:
            ValueError: if `rank` is below 1, or not that of the basis.
        """
        of_each_batch = BatchBasis(rank, centre=centre)  # refuses a bad rank
        check_memory(4 * rank**2, f"a matrix of rank = {rank}")
        if basis is not None:
            check_basis(basis)
        check_mean_layer(mean_layer)
        check_key(key)
        self.basis = of_each_batch if basis is None else basis
        if self.basis.rank != rank:
            raise ValueError(f"rank = {rank}, but the basis has rank {self.basis.rank}: give both the same")
        self.mean_layer = eqx.nn.Identity() if mean_layer is None else mean_layer
        self.log_variance_layer = linear(rank, rank, key=key)

    def on_basis(self, basis: FixedBasis) -> "VariationalLowRank":
        """This bottleneck on a fixed basis, f and g restricted to as many coefficients as that has."""
        layers = tuple(_leading(layer, basis.rank) for layer in (self.mean_layer, self.log_variance_layer))
        return eqx.tree_at(lambda b: (b.basis, b.mean_layer, b.log_variance_layer), self, (basis, *layers))

    def posterior(self, coefficients: Float[Array, "batch rank"]) -> DiagonalGaussian:
        """The posterior of latents with these coefficients."""
        mean, log_variance = (jax.vmap(f)(coefficients) for f in (self.mean_layer, self.log_variance_layer))
        return DiagonalGaussian(self.basis.keep(mean), self.basis.keep(log_variance))

    def __call__(self, latents: Float[Array, "batch latent_size"], *, key: Key[Array, ""]) -> Draw:
        basis, coefficients = self.basis.project(latents)
        posterior = self.posterior(coefficients)
        return Draw(posterior, plus(posterior.sample(key=key) @ basis.T, self.basis.offset_of(latents)))

    def encode(self, latents: Float[Array, "batch latent_size"]) -> DiagonalGaussian:
        return self.posterior(self.basis.project(latents)[1])

    def decode(self, z: Float[Array, "batch rank"]) -> Float[Array, "batch latent_size"]:
        return plus(z @ self.basis.matrix_for_decoding().T, self.basis.offset_for_decoding())


def check_basis(basis: Basis) -> None:
    """Refuse what is no basis.

    Raises:
        TypeError: naming the value and the remedy.
    """
    check_kind("basis", basis, Basis, "give a BatchBasis, an AdaptiveBasis or a FixedBasis")


def _leading(layer: MeanLayer, rank: int) -> MeanLayer:
    """The layer's first outputs, from its first inputs alone."""
    if isinstance(layer, eqx.nn.Identity) or layer.out_features == rank:
        return layer
    small = linear(rank, rank, use_bias=layer.use_bias, key=jax.random.key(0))  # its sizes; the numbers follow
    numbers = [layer.weight[:rank, :rank], *([] if layer.bias is None else [layer.bias[:rank]])]
    return eqx.tree_at(jax.tree.leaves, small, numbers)
