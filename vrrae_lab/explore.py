"""Looking into the latent space of a trained model: new images, paths between images, one coefficient at a time.

Each function works on coefficients and decodes them, so a model with an SVD must be frozen first (`freeze_basis`).
"""

import math
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from vrrae_lab.checks import as_numbers, check_array, check_at_least, check_key, check_memory, check_whole
from vrrae_lab.models import Autoencoder, Images, check_frozen, check_images, in_batches
from vrrae_lab.models.autoencoder import check_model


def coefficients(model: Autoencoder, x: Images) -> Float[np.ndarray, "batch rank"]:
    """Posterior means of the images, encoded a few hundred at a time.

    Raises:
        ValueError: if the images do not have the model's shape.
    """
    check_model(model)
    check_images(x, model.shape)
    return in_batches(lambda part: model.encode(part).mean, x)


def generate(
    model: Autoencoder, x_train: Images, num_images: int, *, num_components: int = 10, key: Key[Array, ""]
) -> Float[np.ndarray, "num_images height width channels"]:
    """New images: a Gaussian mixture is fitted to the training coefficients, and its samples are decoded.

    The mixture is scikit-learn's, with full covariances, fitted to coefficients centred and scaled to unit
    variance.

    Args:
        model: a frozen model.
        x_train: the training images.
        num_images: how many to make.
        num_components: Gaussians in the mixture.
        key: randomness of the fit and of the samples.

    Raises:
        ValueError: if a number is below 1, there are fewer training images than components, the model's basis is not
            frozen, or the coefficients are not finite.
    """
    check_frozen(model)
    check_images(x_train, model.shape)
    check_at_least(1, "num_images", num_images)
    check_memory(4 * num_images * math.prod(model.shape), f"num_images = {num_images:,} images of {model.shape}")
    check_whole("num_components", num_components)
    check_key(key)
    if not 1 <= num_components <= len(x_train):
        raise ValueError(f"num_components = {num_components}: use 1 to {len(x_train)}, the number of training images")
    z = sample_mixture(coefficients(model, x_train), num_images, num_components=num_components, key=key)
    return in_batches(model.decode, z)


def sample_mixture(
    z: Float[np.ndarray, "count rank"], num_samples: int, *, num_components: int = 10, key: Key[Array, ""]
) -> Float[np.ndarray, "num_samples rank"]:
    """Samples of a Gaussian mixture fitted to `z`; see `generate`.

    Raises:
        ValueError: if a number is below 1, there are fewer rows than components, or they are not finite.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    check_key(key)
    check_at_least(1, "num_samples", num_samples)
    z = as_numbers("z", z)
    if z.ndim != 2 or z.shape[1] == 0:
        raise ValueError(f"z has shape {z.shape}: give one row of coefficients per image")
    check_memory(16 * num_samples * z.shape[1], f"num_samples = {num_samples:,} samples in {z.shape[1]} dimensions")
    check_whole("num_components", num_components)
    if not 1 <= num_components <= len(z):
        raise ValueError(f"num_components = {num_components}: use 1 to {len(z)}, the number of rows of z")
    if not np.isfinite(z).all():
        raise ValueError("the coefficients contain NaN or infinity: the model has diverged")
    seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
    centre, spread = z.mean(axis=0), z.std(axis=0)
    # a collapsed coefficient has next to no spread; dividing by it would only blow up rounding errors
    spread = np.maximum(spread, 1e-6 * (spread.max() or 1.0))
    mixture = GaussianMixture(num_components, random_state=seed, max_iter=500)
    with warnings.catch_warnings():
        # fewer distinct points than components, as in a wholly collapsed model, still give a valid mixture
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit((z - centre) / spread)
    return (mixture.sample(num_samples)[0] * spread + centre).astype(np.float32)


def interpolate(
    model: Autoencoder, start: Images, end: Images, num_points: int = 7
) -> Float[np.ndarray, "batch num_points height width channels"]:
    """Decode evenly spaced points on the straight lines between the coefficients of pairs of images, ends included.

    Raises:
        ValueError: if there are fewer than 2 points, the numbers of images differ, or the model's basis is not frozen.
    """
    check_frozen(model)
    check_whole("num_points", num_points)
    check_array("start", start)
    check_array("end", end)
    if num_points < 2:
        raise ValueError(f"num_points = {num_points}: a path has 2 ends, use 2 or more")
    if len(start) != len(end):
        raise ValueError(f"{len(start)} start images and {len(end)} end images: give one end for each start")
    a, b = coefficients(model, start), coefficients(model, end)
    weights = np.linspace(0, 1, num_points, dtype=np.float32)[:, None]
    z = (1 - weights) * a[:, None] + weights * b[:, None]
    images = in_batches(model.decode, z.reshape(-1, a.shape[1]))
    return images.reshape(len(a), num_points, *images.shape[1:])


def traverse(
    model: Autoencoder,
    z: Float[np.ndarray, " rank"] | Float[Array, " rank"],
    coefficient: int,
    values: Float[np.ndarray, " count"],
) -> Float[np.ndarray, "count height width channels"]:
    """Decode `z` with one coefficient set to each of `values` in turn.

    Raises:
        ValueError: if there is no such coefficient or the model's basis is not frozen.
    """
    check_frozen(model)
    check_array("z", z)
    check_array("values", values)
    check_whole("coefficient", coefficient)
    if z.ndim != 1 or values.ndim != 1:
        raise ValueError(
            f"z has shape {z.shape} and values {values.shape}: give the coefficients of one image, and a list"
        )
    rank = z.shape[0]
    if not 0 <= coefficient < rank:
        raise ValueError(f"coefficient = {coefficient}, but the model has coefficients 0 to {rank - 1}")
    path = jnp.tile(jnp.asarray(z), (len(values), 1)).at[:, coefficient].set(jnp.asarray(values, z.dtype))
    return np.asarray(model.decode(path))
