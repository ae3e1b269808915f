"""Bases of latents: that of a whole data set, and how far two of them lie apart."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Array, Float

from vrrae_lab.checks import as_numbers, check_array, check_at_least, check_memory, check_whole


class GramBasis:
    """The basis of a whole data set's latents from one pass over its batches.

    Accumulates the Gram matrix $\\sum_b Y_b Y_b^T$ in float64, so the eigenvectors are those of one exact SVD of all
    the latents and do not depend on how they were batched. (Stacking the bases of the batches and decomposing the
    stack, as the authors' code does, loses the order and the frame when batches share a span.)
    """

    def __init__(self, latent_size: int) -> None:
        """Nothing is accumulated yet.

        Raises:
            ValueError: if `latent_size` is below 1.
        """
        check_at_least(1, "latent_size", latent_size)
        check_memory(8 * latent_size**2, f"the Gram matrix of latent_size = {latent_size}")
        self._gram = np.zeros((latent_size, latent_size))
        self._sum = np.zeros(latent_size)
        self._count = 0

    @classmethod
    def of(cls, batches: Iterable[Float[Array, "_ latent_size"] | Float[np.ndarray, "_ latent_size"]]) -> "GramBasis":
        """Accumulate some batches of latents.

        Raises:
            ValueError: if there is none.
        """
        gram: GramBasis | None = None
        for latents in batches:
            if gram is None:
                _check_rows(latents)
                gram = GramBasis(latents.shape[1])
            gram.add(latents)
        if gram is None:
            raise ValueError("no batches of latents were given: there is nothing to take a basis of")
        return gram

    def add(self, latents: Float[Array, "batch latent_size"] | Float[np.ndarray, "batch latent_size"]) -> None:
        """Accumulate one batch of latents.

        Raises:
            ValueError: if it has another shape than (batch, latent size).
        """
        _check_rows(latents)
        if latents.shape[1] != len(self._gram):
            raise ValueError(f"the latents have shape {latents.shape}, but the others are of size {len(self._gram)}")
        batch = np.asarray(latents, dtype=np.float64)
        with np.errstate(invalid="ignore"):  # `basis` says what is wrong with latents that are not finite
            self._gram += batch.T @ batch
            self._sum += batch.sum(axis=0)
        self._count += len(batch)

    def add_other_processes(self) -> None:
        """Accumulate what the processes of a `jax.distributed` program have added, each its own; all of them call it.

        What travels is one Gram matrix of each process.
        """
        from jax.experimental.multihost_utils import process_allgather

        # as pairs of integers, as JAX would round float64 to float32
        own = np.concatenate([self._gram.ravel(), self._sum, [self._count]]).view(np.uint32)
        total = np.asarray(process_allgather(own)).reshape(-1, len(own)).view(np.float64).sum(axis=0)
        gram, self._sum, count = np.split(total, [self._gram.size, -1])
        self._gram, self._count = gram.reshape(self._gram.shape), int(count[0])

    @property
    def mean(self) -> Float[np.ndarray, " latent_size"]:
        """The mean of all latents added so far."""
        return self._sum / max(1, self._count)

    def basis(
        self, rank: int, *, centre: bool = False
    ) -> tuple[Float[np.ndarray, "latent_size rank"], Float[np.ndarray, " rank"]]:
        """The first `rank` basis vectors and singular values of all latents added so far, or of them less their mean.

        Args:
            rank: how many.
            centre: whether the mean is taken off. One pass is enough for that, as the sums are in float64: a mean that
                carries 99.9 % of the squares costs three of its sixteen digits.

        Raises:
            ValueError: if `rank` is below 1 or exceeds the latent size or the number of latents, or if the latents
                are not finite.
        """
        check_whole("rank", rank)
        limit = min(len(self._gram), self._count)
        if not 1 <= rank <= limit:
            raise ValueError(
                f"rank = {rank}, but {self._count} latents of size {len(self._gram)} have {limit} singular directions"
            )
        if not np.isfinite(self._gram).all():
            raise ValueError("the latents contain NaN or infinity: the model has diverged or its input is not finite")
        gram = self._gram - self._count * np.outer(self.mean, self.mean) if centre else self._gram
        eigenvalues, vectors = np.linalg.eigh(gram)
        basis = vectors[:, ::-1][:, :rank]
        largest = np.abs(basis).argmax(axis=0)
        signs = np.where(basis[largest, np.arange(rank)] < 0, -1.0, 1.0)
        return basis * signs, np.sqrt(np.clip(eigenvalues[::-1][:rank], 0, None))


def energy_overlap(
    latents: Float[Array, "batch latent_size"] | Float[np.ndarray, "batch latent_size"],
    basis: Float[Array, "latent_size rank"] | Float[np.ndarray, "latent_size rank"],
) -> float:
    r"""How much of the energy of a batch's own rank-$k$ part $Y_k$ lies in the span of another basis $U$ of rank $k$.

    $$\lVert Y_k U \rVert_F^2 \,/\, \lVert Y_k \rVert_F^2$$

    1: the batch's basis spans the same space; about $k / L$: no more than chance. Each direction of the batch counts by
    its $\sigma_j^2$, so one that carries nothing decides nothing, where it would decide the largest angle.

    Args:
        latents: one latent vector per row, uncentred.
        basis: orthonormal columns.

    Raises:
        ValueError: if the shapes do not fit, something is not finite, or the latents are all zero.
    """
    y, other = as_numbers("latents", latents), as_numbers("basis", basis)
    if y.ndim != 2 or other.ndim != 2 or y.shape[1] != len(other) or not y.size or not other.size:
        raise ValueError(f"latents have shape {y.shape} and the basis {other.shape}: give (batch, L) and (L, rank)")
    if not (np.isfinite(y).all() and np.isfinite(other).all()):
        raise ValueError("latents or basis contain NaN or infinity: the model has diverged")
    _, singular_values, directions = np.linalg.svd(y.astype(float), full_matrices=False)
    kept = singular_values[: other.shape[1], None] * directions[: other.shape[1]]
    energy = float(np.sum(kept**2))
    if energy == 0:
        raise ValueError("the latents are all zero: they have no directions to compare")
    return float(np.sum((kept @ other) ** 2)) / energy


def _check_rows(latents: Array | np.ndarray) -> None:
    check_array("latents", latents)
    if latents.ndim != 2 or latents.shape[1] == 0:
        raise ValueError(f"the latents have shape {latents.shape}: give one latent vector per row")


def gram_basis(
    batches: Iterable[Float[Array, "_ latent_size"] | Float[np.ndarray, "_ latent_size"]], rank: int
) -> tuple[Float[np.ndarray, "latent_size rank"], Float[np.ndarray, " rank"]]:
    """Basis and singular values of the latents in `batches`, as if stacked into one matrix; see `GramBasis`.

    Raises:
        ValueError: if there is no batch, or as `GramBasis.basis`.
    """
    return GramBasis.of(batches).basis(rank)


def subspace_angle(
    a: Float[Array, "latent_size rank"] | Float[np.ndarray, "latent_size rank"],
    b: Float[Array, "latent_size rank"] | Float[np.ndarray, "latent_size rank"],
) -> float:
    """Largest principal angle between the spans of two bases, in radians (0: same span).

    Raises:
        ValueError: if they are no matrices of as many rows, or not finite.
    """
    from scipy.linalg import subspace_angles

    first, second = as_numbers("a", a), as_numbers("b", b)
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second) or not first.size or not second.size:
        raise ValueError(f"a has shape {first.shape} and b {second.shape}: give two bases, in columns")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("a or b contains NaN or infinity: the model has diverged")
    return float(subspace_angles(first, second)[0])
