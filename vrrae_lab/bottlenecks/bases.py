"""The bases of the low-rank bottlenecks: of each batch, of each batch with a rank that changes, or fixed."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from vrrae_lab.checks import check_array, check_kind, check_whole
from vrrae_lab.linalg import Method, check_method, truncated_svd


class BatchBasis(eqx.Module):
    """The left singular vectors of the batch at hand; used while training.

    Attributes:
        rank: how many singular directions are kept.
        within_block: see `vrrae_lab.linalg.truncated_svd`.
        method: likewise.
        centre: whether the mean of the batch is taken off before the SVD, and put back before the decoder.
    """

    rank: int = eqx.field(static=True)
    within_block: bool = eqx.field(static=True, default=True)
    method: Method = eqx.field(static=True, default="auto")
    centre: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check_whole("rank", self.rank)
        check_method(self.method)
        check_kind("centre", self.centre, bool, "use True or False")
        if self.rank < 1:
            raise ValueError(f"rank = {self.rank}: keep 1 singular direction or more")

    def project(
        self, latents: Float[Array, "batch latent_size"]
    ) -> tuple[Float[Array, "latent_size rank"], Float[Array, "batch rank"]]:
        """The basis of this batch, and the coefficients of the latents in it.

        Raises:
            ValueError: if the batch is smaller than the rank.
        """
        svd = truncated_svd(
            less(latents, self.offset_of(latents)), self.rank, within_block=self.within_block, method=self.method
        )
        return svd.basis, svd.coefficients

    def offset_of(self, latents: Float[Array, "batch latent_size"]) -> Float[Array, " latent_size"] | None:
        """What is taken off the latents of this batch and put back, their mean; None where nothing is."""
        return _mean(latents) if self.centre else None

    def keep(self, numbers: Float[Array, "batch rank"]) -> Float[Array, "batch rank"]:
        """All coefficients are active."""
        return numbers

    def matrix_for_decoding(self) -> Float[Array, "latent_size rank"]:
        """There is none: the basis belongs to a batch.

        Raises:
            ValueError: always, naming the remedy.
        """
        raise _no_basis_of_its_own()

    def offset_for_decoding(self) -> Float[Array, " latent_size"] | None:
        """As `matrix_for_decoding`."""
        raise _no_basis_of_its_own()


def _mean(latents: Float[Array, "batch latent_size"]) -> Float[Array, " latent_size"]:
    """Taken off before the products of the Gram matrix are, not from it: that would cancel where the mean dominates."""
    return latents.mean(axis=0)


def less(latents: Float[Array, "batch latent_size"], offset: Array | None) -> Float[Array, "batch latent_size"]:
    """Latents with an offset taken off."""
    return latents if offset is None else latents - offset[None, :]


def plus(low_rank_latents: Array, offset: Array | None) -> Array:
    """Low-rank latents with an offset put back."""
    return low_rank_latents if offset is None else low_rank_latents + offset[None, :]


def _no_basis_of_its_own() -> ValueError:
    return ValueError(
        "this model takes its basis from each batch, so coefficients alone cannot be decoded: "
        "call freeze_basis(model, x_train) first"
    )


class AdaptiveBasis(eqx.Module):
    r"""As `BatchBasis`, but only the first `active` of the `rank` directions are used.

    The others are zeroed, not cut off: every shape stays that of the largest rank, so that a step is compiled once.
    Zeroing is exact, because the truncated SVD of rank `active` is the start of that of rank `rank`. The pairs inside
    the block of `rank` directions take part in the gradient, since the cut now lies between two of them.

    Attributes:
        active: how many directions are used, 1 to `rank`; an array, which `AdaptiveRank` changes during training.
        rank: the largest number of directions, and the length of the coefficients.
        method: see `vrrae_lab.linalg.truncated_svd`.
        centre: see `BatchBasis`.
    """

    active: Int[Array, ""]
    rank: int = eqx.field(static=True)
    method: Method = eqx.field(static=True)
    centre: bool = eqx.field(static=True)

    def __init__(
        self,
        rank: int,
        active: int | Int[Array, ""] | None = None,
        method: Method = "auto",
        *,
        centre: bool = False,
    ) -> None:
        """All directions are active unless `active` says otherwise.

        Raises:
            ValueError: if `rank` is below 1 or `active` is not from 1 to `rank`.
        """
        BatchBasis(rank, method=method, centre=centre)  # refuses a bad one
        active = rank if active is None else active
        if not isinstance(active, jax.core.Tracer):
            check_whole("active", active)
        if not isinstance(active, jax.core.Tracer) and not 1 <= int(active) <= rank:
            raise ValueError(f"active = {active}: use 1 to {rank}, the basis's largest rank")
        self.active, self.rank, self.method, self.centre = jnp.asarray(active, jnp.int32), rank, method, centre

    @property
    def mask(self) -> Bool[Array, " rank"]:
        """Which directions are used."""
        return jnp.arange(self.rank) < self.active

    def project(
        self, latents: Float[Array, "batch latent_size"]
    ) -> tuple[Float[Array, "latent_size rank"], Float[Array, "batch rank"]]:
        """The basis of this batch and the coefficients of the latents in it; what is inactive is zero.

        Raises:
            ValueError: if the batch is smaller than the largest rank.
        """
        svd = truncated_svd(less(latents, self.offset_of(latents)), self.rank, method=self.method)
        return self.keep(svd.basis), self.keep(svd.coefficients)

    def offset_of(self, latents: Float[Array, "batch latent_size"]) -> Float[Array, " latent_size"] | None:
        """As `BatchBasis.offset_of`."""
        return _mean(latents) if self.centre else None

    def keep(self, numbers: Float[Array, "batch rank"]) -> Float[Array, "batch rank"]:
        """Zero in the place of whatever belongs to an inactive direction."""
        return jnp.where(self.mask[None, :], numbers, 0)

    def matrix_for_decoding(self) -> Float[Array, "latent_size rank"]:
        """There is none: the basis belongs to a batch.

        Raises:
            ValueError: always, naming the remedy.
        """
        raise _no_basis_of_its_own()

    def offset_for_decoding(self) -> Float[Array, " latent_size"] | None:
        """As `matrix_for_decoding`."""
        raise _no_basis_of_its_own()


class FixedBasis(eqx.Module):
    """A given orthonormal basis, held fixed; used at inference.

    Attributes:
        matrix: orthonormal columns. No gradient flows into it.
        offset: what is taken off the latents before they are projected, and put back before they are decoded: the mean
            latents of the training images where the basis is centred, None where it is not. No gradient flows into it.
    """

    matrix: Float[Array, "latent_size rank"]
    offset: Float[Array, " latent_size"] | None = None

    def __check_init__(self) -> None:
        check_array("matrix", self.matrix)
        if self.matrix.ndim != 2 or self.matrix.size == 0:
            raise ValueError(f"the matrix has shape {self.matrix.shape}: give one column per direction, at least one")
        if self.offset is not None:
            check_array("offset", self.offset)
            if self.offset.shape != self.matrix.shape[:1]:
                raise ValueError(
                    f"the offset has shape {self.offset.shape} and the matrix {self.matrix.shape}: give one number per "
                    "row of it, or None"
                )

    @property
    def rank(self) -> int:
        """How many directions the basis has."""
        return self.matrix.shape[1]

    @property
    def centre(self) -> bool:
        """Whether there is an offset."""
        return self.offset is not None

    def project(
        self, latents: Float[Array, "batch latent_size"]
    ) -> tuple[Float[Array, "latent_size rank"], Float[Array, "batch rank"]]:
        """The basis, and the coefficients of the latents in it."""
        matrix = lax.stop_gradient(self.matrix)
        return matrix, less(latents, self.offset_for_decoding()) @ matrix

    def offset_of(self, latents: Float[Array, "batch latent_size"]) -> Float[Array, " latent_size"] | None:
        """The offset, whatever the latents are."""
        return self.offset_for_decoding()

    def keep(self, numbers: Float[Array, "batch rank"]) -> Float[Array, "batch rank"]:
        """All coefficients are active."""
        return numbers

    def matrix_for_decoding(self) -> Float[Array, "latent_size rank"]:
        """The basis."""
        return lax.stop_gradient(self.matrix)

    def offset_for_decoding(self) -> Float[Array, " latent_size"] | None:
        """The offset."""
        return None if self.offset is None else lax.stop_gradient(self.offset)


Basis = BatchBasis | AdaptiveBasis | FixedBasis
