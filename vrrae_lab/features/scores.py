"""Images held against real ones in a feature space: the Fréchet distance with its floor, and the kernel distance."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Key, UInt8

from vrrae_lab import metrics
from vrrae_lab.checks import as_numbers, check_key, check_kind, check_number
from vrrae_lab.features.space import FeatureSpace
from vrrae_lab.randomness import generator

# as `models.Images`, of which there need not be equally many
Real = (
    Float[np.ndarray, "n_real height width channels"]
    | Float[Array, "n_real height width channels"]
    | UInt8[np.ndarray, "n_real height width channels"]
)
Generated = Float[np.ndarray, "n_generated height width channels"] | Float[Array, "n_generated height width channels"]

LEAST = 4  # generated images, for two blocks of two


def feature_scores(real: Real, generated: Generated, space: FeatureSpace, *, key: Key[Array, ""]) -> dict[str, Any]:
    """Scores of generated images against real ones, by the features of both; see `scores_of_features`.

    Args:
        real: real images, best twice as many as generated ones and none of those the models were trained on.
        generated: images to score.
        space: where their features are taken.
        key: see `scores_of_features`.

    Raises:
        ValueError: if there are too few images, or they do not have the shape the space is of.
    """
    check_kind("space", space, FeatureSpace, "give a trained Classifier or an Inception")
    return scores_of_features(space(real), space(generated), space, key=key)


def scores_of_features(
    real: Float[np.ndarray, "n_real dimension"],
    generated: Float[np.ndarray, "n_generated dimension"],
    space: FeatureSpace,
    *,
    key: Key[Array, ""],
) -> dict[str, Any]:
    r"""Scores of generated images from features computed before.

    The Fréchet distance between finite sets depends on their size, also where both are of one distribution. So one
    number $n$ is used throughout: of the generated images, of the real ones they are held against, and of each of the
    two disjoint sets of real ones between which the distance is the floor. It is the largest that there are enough
    images for: $n \le n_\text{generated}$, $2n \le n_\text{real}$. The kernel distance has an expectation that does not
    depend on $n$.

    Args:
        real: features of real images.
        generated: features of the images to score.
        space: that they were taken in, for its name and accuracy.
        key: chooses images where there are more than n, and the sets for the floor and the kernel distance.

    Returns:
        JSON-ready: "features", "accuracy" (percent, or None), "n", "frechet_distance", "frechet_floor" (mean and
        standard deviation of 10 pairs of sets), "kernel_distance" and its "kernel_distance_error" (standard error).

    Raises:
        ValueError: if n would be below 4, or features are not finite or of different dimensions.
    """
    real, generated = as_numbers("real", real), as_numbers("generated", generated)
    check_key(key)
    n = min(len(generated), len(real) // 2)
    if n < LEAST:
        raise ValueError(
            f"{len(real)} real and {len(generated)} generated images are too few: use {2 * LEAST} real ones and "
            f"{LEAST} generated ones or more"
        )
    chosen, floor_key, kernel_key = jax.random.split(key, 3)
    random = generator(chosen)
    x, y = (features[random.permutation(len(features))[:n]] for features in (real, generated))
    floor = metrics.same_distribution_floor(metrics.frechet_distance, real, (n, n), key=floor_key)
    kernel = metrics.mean_kernel_distance(x, y, num_blocks=min(10, n // 2), key=kernel_key)
    return {
        "features": space.name,
        "accuracy": space.accuracy,
        "n": n,
        "frechet_distance": metrics.frechet_distance(x, y),
        "frechet_floor": [floor.mean, floor.standard_deviation],
        "kernel_distance": kernel.value,
        "kernel_distance_error": kernel.standard_error,
    }


def frechet_title(features: str, accuracy: float | None) -> str:
    """What a Fréchet distance is to be called; FID is the name of that in the features of the ImageNet Inception alone.

    Args:
        features: the name of the feature space.
        accuracy: of the network behind it, in percent.

    Raises:
        TypeError: if one is of another kind.
    """
    check_kind("features", features, str, "give the name of the feature space")
    if accuracy is not None:
        check_number("accuracy", accuracy)
    known = "" if accuracy is None else f" (accuracy {accuracy:.1f} %)"
    return f"Fréchet distance, features of {features}{known}"
