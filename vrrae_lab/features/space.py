"""What a feature space is: a function from images to vectors, with a name that goes into every score."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from vrrae_lab.models import Images


@runtime_checkable
class FeatureSpace(Protocol):
    """Images as vectors in which their likeness is measured.

    A Fréchet distance means nothing without the space it was taken in: two are comparable only if that is the same.
    """

    @property
    def name(self) -> str:
        """What the features are of, in words that fit after "features of"."""
        ...

    @property
    def accuracy(self) -> float | None:
        """How many labels of test images the network behind the features gets right, in percent; None if unknown."""
        ...

    def __call__(self, images: Images) -> Float[np.ndarray, "batch dimension"]:
        """The features of each image.

        Raises:
            ValueError: if the images do not have the shape that the space is of.
        """
        ...
