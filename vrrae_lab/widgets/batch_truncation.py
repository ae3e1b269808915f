"""What the SVD of a batch drops, which is decided by the size of the batch, under the finger."""

from typing import Any

import jax
import numpy as np
import traitlets
from jaxtyping import Array, Float, Key

from vrrae_lab.checks import check_at_least, check_key, check_memory
from vrrae_lab.widgets.card import Card, as_bytes

SIZES = [1, *(n << k for k in range(9) for n in (2, 3)), 1024]  # 1, 2, 3, 4, 6, 8, 12, … images
MOST_IMAGES = SIZES[-1]


class BatchTruncation(Card):
    """What `batch_truncation` returns.

    Attributes:
        rank: directions that are kept.
        batch_size: images per batch; taken to the nearest of those in `dropped`.
        dropped: the share of the noise that a batch's own SVD drops: by batch size, at ranks from 0 on.
    """

    rank = traitlets.Int().tag(sync=True)
    batch_size = traitlets.Int().tag(sync=True)
    _latent_size = traitlets.Int().tag(sync=True)
    _sizes = traitlets.List(traitlets.Int()).tag(sync=True)
    _dropped = traitlets.Bytes().tag(sync=True)

    def __init__(self, latent_size: int, rank: int, batch_size: int, key: Key[Array, ""]) -> None:
        """Made by `batch_truncation`."""
        sizes = sorted({*SIZES, batch_size})
        noise = np.asarray(jax.random.normal(key, (MOST_IMAGES, latent_size)), float)
        self.dropped = {size: _dropped(noise[:size]) for size in sizes}
        super().__init__(
            "batch_truncation",
            f"white noise of {latent_size} dimensions",
            rank=rank,
            batch_size=batch_size,
            _latent_size=latent_size,
            _sizes=sizes,
            _dropped=as_bytes(list(self.dropped.values())),
        )

    @traitlets.validate("rank")
    def _known_rank(self, proposal: Any) -> int:
        if not 1 <= proposal["value"] <= self._latent_size:
            raise traitlets.TraitError(f"rank = {proposal['value']}: use 1 to {self._latent_size}")
        return proposal["value"]

    @traitlets.validate("batch_size")
    def _nearest_size(self, proposal: Any) -> int:
        size = proposal["value"]
        if not 1 <= size <= MOST_IMAGES:
            raise traitlets.TraitError(f"batch_size = {size}: use 1 to {MOST_IMAGES}")
        return min(self._sizes, key=lambda known: abs(np.log(known / size)))


def batch_truncation(latent_size: int, *, rank: int, batch_size: int, key: Key[Array, ""]) -> BatchTruncation:
    """The share of white noise that the SVD of a batch drops, beside what one basis for all batches drops, by rank and
    by batch size (claim 19; see `vrrae_lab.derivations`).

    Args:
        latent_size: the dimension of the latents.
        rank: where its handle starts, up to the latent size.
        batch_size: where its handle starts, up to 1024.
        key: draws the noise.

    Raises:
        ValueError: if a number is below 1, the rank above the latent size, the batch size above 1024, or there is no
            memory for the latent size.

    Example:
        >>> widget = vl.widgets.batch_truncation(512, rank=60, batch_size=64, key=jax.random.key(0))
        >>> widget.dropped[64][60]  # .03: of 64 images, rank 60 leaves next to nothing
    """
    numbers = {"latent_size": latent_size, "rank": rank, "batch_size": batch_size}
    for name, value in numbers.items():
        check_at_least(1, name, value)
    if rank > latent_size or batch_size > MOST_IMAGES:
        raise ValueError(f"{numbers}: use a rank up to the latent size and a batch size up to {MOST_IMAGES}")
    check_memory(12 * MOST_IMAGES * latent_size, f"noise of {latent_size:,} dimensions")  # in float32 and in float64
    check_key(key)
    return BatchTruncation(int(latent_size), int(rank), int(batch_size), key)


def _dropped(batch: Float[np.ndarray, "batch latent_size"]) -> Float[np.ndarray, " ranks"]:
    # of the smaller Gram matrix, which is quicker than an SVD
    tall = len(batch) > batch.shape[1]
    energy = np.linalg.eigvalsh(batch.T @ batch if tall else batch @ batch.T)[::-1]
    beyond = energy.sum() - np.append(0, np.cumsum(energy))
    shares = np.maximum(beyond, 0) / energy.sum()  # rounding goes below 0
    return np.pad(shares, (0, batch.shape[1] + 1 - len(shares)))
