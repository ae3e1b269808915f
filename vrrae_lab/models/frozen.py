"""One basis for inference in place of the SVD of each batch, and what may be asked of a model then."""

from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from vrrae_lab.bottlenecks import AdaptiveBasis, FixedBasis, LowRank, VariationalLowRank
from vrrae_lab.linalg import gram_basis
from vrrae_lab.models.autoencoder import BATCH, Autoencoder, Images, Recipe, as_floats, check_images, in_batches

# What a model of adaptive rank is once its rank stands.
_OF_FIXED_RANK = {"adaptive_rrae": "rrae", "adaptive_vrrae": "vrrae"}


def freeze_basis(model: Autoencoder, x: Images) -> Autoencoder:
    """Replace the batch SVD by projection on one basis: that of the latents of all of `x`, in one pass.

    Models without an SVD are returned unchanged. One of adaptive rank is cut to the rank it has reached, and is a
    plain `rrae` or `vrrae` of that rank from then on.

    Args:
        model: a trained model.
        x: the whole training set.

    Raises:
        ValueError: if the images do not have the model's shape, are not finite, or are fewer than the rank.
    """
    bottleneck = model.bottleneck
    if not isinstance(bottleneck, LowRank | VariationalLowRank):
        return model
    check_images(x, model.shape)
    adaptive = isinstance(bottleneck.basis, AdaptiveBasis)
    rank = int(bottleneck.basis.active) if isinstance(bottleneck.basis, AdaptiveBasis) else bottleneck.basis.rank
    encode = partial(_latents, model.encoder)
    latents = (in_batches(encode, x[start : start + BATCH]) for start in range(0, len(x), BATCH))
    matrix, _ = gram_basis(latents, rank)
    dtype = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))[0].dtype
    frozen = bottleneck.on_basis(FixedBasis(jnp.asarray(matrix, dtype)))
    recipe = _of_rank(model.recipe, rank) if adaptive and model.recipe else model.recipe
    return Autoencoder(model.encoder, frozen, model.decoder, model.shape, recipe)


def _of_rank(recipe: Recipe, rank: int) -> Recipe:
    arguments = tuple(dict(recipe.arguments, rank=rank).items())
    return Recipe(_OF_FIXED_RANK.get(recipe.constructor, recipe.constructor), arguments)


@eqx.filter_jit
def _latents(encoder: Callable[[Array], Array], x: Array) -> Array:
    return encoder(as_floats(x))


def is_frozen(model: Autoencoder) -> bool:
    """Whether coefficients can be decoded without a batch: true also of models that have no SVD."""
    basis = getattr(model.bottleneck, "basis", None)
    return basis is None or isinstance(basis, FixedBasis)


def num_parameters(model: Autoencoder) -> int:
    """How many numbers are trained; a frozen basis is not counted."""
    arrays = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))
    basis = getattr(model.bottleneck, "basis", None)
    return sum(a.size for a in arrays) - (basis.matrix.size if isinstance(basis, FixedBasis) else 0)
