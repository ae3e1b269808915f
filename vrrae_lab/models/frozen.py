"""One basis for inference in place of the SVD of each batch, and what may be asked of a model then."""

from collections.abc import Callable, Iterator
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array

from vrrae_lab.bottlenecks import AdaptiveBasis, FixedBasis, LowRank, VariationalLowRank
from vrrae_lab.linalg import GramBasis
from vrrae_lab.models.autoencoder import (
    BATCH,
    Autoencoder,
    Images,
    Recipe,
    check_images,
    check_model,
    in_batches,
    latents_of,
)
from vrrae_lab.sharding import batch_mesh, check_mesh, on_mesh, replicate, split_rows

# What a model of adaptive rank is once its rank stands.
_OF_FIXED_RANK = {"adaptive_rrae": "rrae", "adaptive_vrrae": "vrrae"}


def freeze_basis(model: Autoencoder, x: Images, *, mesh: Mesh | None = None) -> Autoencoder:
    """Replace the batch SVD by projection on one basis: that of the latents of all of `x`, in one pass.

    Models without an SVD are returned unchanged. One of adaptive rank is cut to the rank it has reached, and is a
    plain `rrae` or `vrrae` of that rank from then on.

    Args:
        model: a trained model.
        x: the whole training set.
        mesh: devices to share the work between; None for one. See `fit`.

    Raises:
        ValueError: if the images do not have the model's shape, are not finite, or are fewer than the rank.
    """
    check_model(model)
    check_mesh(mesh)
    bottleneck = model.bottleneck
    if not isinstance(bottleneck, LowRank | VariationalLowRank):
        return model
    check_images(x, model.shape)
    adaptive = isinstance(bottleneck.basis, AdaptiveBasis)
    rank = int(bottleneck.basis.active) if isinstance(bottleneck.basis, AdaptiveBasis) else bottleneck.basis.rank
    centre = bottleneck.basis.centre
    gram = _gram(model, x, None if mesh is None else batch_mesh(mesh))
    matrix, _ = gram.basis(rank, centre=centre)
    dtype = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))[0].dtype
    offset = jnp.asarray(gram.mean, dtype) if centre else None
    frozen = bottleneck.on_basis(FixedBasis(jnp.asarray(matrix, dtype), offset))
    recipe = _of_rank(model.recipe, rank) if adaptive and model.recipe else model.recipe
    return Autoencoder(model.encoder, frozen, model.decoder, model.shape, recipe)


def _gram(model: Autoencoder, x: Images, mesh: Mesh | None) -> GramBasis:
    """The Gram matrix of the latents of all images: of each process its own part, then their sum."""
    encoder = replicate(model.encoder, mesh)
    size = BATCH * (1 if mesh is None else mesh.size)
    parts = (x[start : start + size] for start in range(0, len(x), size))
    if mesh is None:
        return GramBasis.of(in_batches(partial(latents_of, encoder), part) for part in parts)
    gram = GramBasis.of(latents for part in parts for latents in _own(encoder, part, mesh))
    if jax.process_count() > 1:
        gram.add_other_processes()
    return gram


def _own(encoder: Callable[[Array], Array], x: Images, mesh: Mesh) -> Iterator[np.ndarray]:
    """The latents of the images that this process's devices were given."""
    rows = np.arange(-(-len(x) // mesh.size) * mesh.size)
    batch = split_rows(x, np.minimum(rows, len(x) - 1), mesh)
    with on_mesh(mesh):
        latents = latents_of(encoder, batch)
    for shard in latents.addressable_shards:
        yield np.asarray(shard.data)[rows[shard.index[0]] < len(x)]


def _of_rank(recipe: Recipe, rank: int) -> Recipe:
    arguments = tuple(dict(recipe.arguments, rank=rank).items())
    return Recipe(_OF_FIXED_RANK.get(recipe.constructor, recipe.constructor), arguments)


def is_frozen(model: Autoencoder) -> bool:
    """Whether coefficients can be decoded without a batch: true also of models that have no SVD."""
    check_model(model)
    basis = getattr(model.bottleneck, "basis", None)
    return basis is None or isinstance(basis, FixedBasis)


def check_frozen(model: Autoencoder, name: str = "this model") -> None:
    """Refuse a model whose coefficients cannot be decoded alone.

    Raises:
        ValueError: naming it and the remedy.
    """
    if not is_frozen(model):
        raise ValueError(
            f"{name} takes its basis from each batch, so its coefficients cannot be decoded alone: "
            "call model = freeze_basis(model, data.x) first"
        )
