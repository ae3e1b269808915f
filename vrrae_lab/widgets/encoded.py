"""What a frozen model makes of a data set, for every widget that shows coefficients."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from vrrae_lab.data.dataset import Dataset, check_data
from vrrae_lab.gaussian import Posterior
from vrrae_lab.models import Autoencoder, check_frozen, in_batches


class Encoded(NamedTuple):
    """The posteriors of a data set; arrays over coefficients are in the model's own order.

    Attributes:
        posterior: of every image, as numpy arrays.
        z: the posterior means.
        middle: their mean over the images.
        spread: their standard deviation over the images.
        order: the coefficients by falling spread.
    """

    posterior: Posterior
    z: Float[np.ndarray, "count rank"]
    middle: Float[np.ndarray, " rank"]
    spread: Float[np.ndarray, " rank"]
    order: Int[np.ndarray, " rank"]


def encoded(model: Autoencoder, data: Dataset) -> Encoded:
    """Encode the data and measure.

    Raises:
        ValueError: if the model is not frozen, the images do not fit it, or a coefficient is NaN or infinite.
    """
    check_frozen(model)
    check_data(data)
    posterior = in_batches(model.encode, data.x)
    z = np.asarray(posterior.mean)
    if not np.isfinite(z).all():
        raise ValueError(
            f"the coefficients of {data.name} contain NaN or infinity: the model has diverged, or the images contain "
            "them"
        )
    spread = z.std(axis=0)
    return Encoded(posterior, z, z.mean(axis=0), spread, np.argsort(-spread, kind="stable"))


def decode_plane(
    model: Autoencoder,
    z: Float[np.ndarray, " rank"],
    axes: Sequence[int],
    positions: Float[np.ndarray, "count 2"],
) -> Float[np.ndarray, "count height width channels"]:
    """Decode `z` with two of its coefficients, the `axes`, set to each of the positions in turn."""
    moved = np.repeat(z[None], len(positions), axis=0)
    moved[:, axes] = positions
    return in_batches(model.decode, moved)
