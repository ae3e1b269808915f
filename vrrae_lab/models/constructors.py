"""A named constructor for each model of the papers.

With one key, a model and its ablation start from the same numbers wherever they share a part: `vae`, `vae_identity` and
`beta_tcvae`; `vrrae`, `rrae_vae` and `adaptive_vrrae`; `rrae` and `adaptive_rrae`; `ae`, `avae`,
`sparse_ae` and `contractive_ae`. Linear layers start as Equinox draws them, uniformly between ±1/√(inputs).

Sources: Mounayer et al., arXiv 2505.09458 (VRRAE and its ablations) and arXiv 2405.13980 (RRAE); Kingma & Welling,
arXiv 1312.6114 (VAE); Jing et al., arXiv 2010.00679 (IRMAE); Mazumder et al., arXiv 2310.16194 (LoRAE). Those of the
models that are a loss: see `vrrae_lab.losses`.
"""

import inspect
from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
import jax
from jaxtyping import Array, Key

from vrrae_lab.bottlenecks import (
    AdaptiveBasis,
    Bottleneck,
    Identity,
    LinearStack,
    LowRank,
    Sigmoid,
    Variational,
    VariationalLowRank,
)
from vrrae_lab.checks import check_at_least, check_key, check_kind, check_whole
from vrrae_lab.models.autoencoder import Autoencoder, Recipe
from vrrae_lab.nets import ConvDecoder, ConvEncoder, Shape, check_shape
from vrrae_lab.randomness import linear


def ae(shape: Shape, latent_size: int, *, key: Key[Array, ""]) -> Autoencoder:
    """Autoencoder with a narrow latent vector ("diabolo")."""
    return _assemble("ae", shape, latent_size, Identity(), key)


def long_ae(shape: Shape, latent_size: int, *, key: Key[Array, ""]) -> Autoencoder:
    """Autoencoder with the long latent vector of an RRAE and no truncation."""
    return _assemble("long_ae", shape, latent_size, Identity(), key)


def contractive_ae(shape: Shape, latent_size: int, *, key: Key[Array, ""]) -> Autoencoder:
    """Autoencoder to be trained with `losses.Contractive`."""
    return _assemble("contractive_ae", shape, latent_size, Identity(), key)


def avae(shape: Shape, latent_size: int, *, key: Key[Array, ""]) -> Autoencoder:
    """Autoencoder to be trained with `losses.AggregateMatching`: no noise, no posteriors."""
    return _assemble("avae", shape, latent_size, Identity(), key)


def sparse_ae(shape: Shape, latent_size: int, *, key: Key[Array, ""]) -> Autoencoder:
    """Autoencoder whose latents pass through a sigmoid, to be trained with `losses.Sparse`."""
    return _assemble("sparse_ae", shape, latent_size, Sigmoid(), key)


def vae(shape: Shape, latent_size: int, *, key: Key[Array, ""]) -> Autoencoder:
    """Variational autoencoder: mean and log variance are linear maps of the encoder's output."""
    return _variational("vae", shape, latent_size, None, key)


def vae_identity(shape: Shape, latent_size: int, *, key: Key[Array, ""]) -> Autoencoder:
    """VAE whose mean is the encoder's output itself, f = I (ablation)."""
    return _variational("vae_identity", shape, latent_size, eqx.nn.Identity(), key)


def beta_tcvae(shape: Shape, latent_size: int, *, key: Key[Array, ""]) -> Autoencoder:
    """A VAE to be trained with `losses.TotalCorrelation`."""
    return _variational("beta_tcvae", shape, latent_size, None, key)


def irmae(shape: Shape, latent_size: int, num_matrices: int, *, key: Key[Array, ""]) -> Autoencoder:
    """Implicit rank-minimising autoencoder: linear layers without bias between encoder and latent vector."""
    check_key(key)
    key, bottleneck_key = jax.random.split(key)
    stack = LinearStack(latent_size, num_matrices, key=bottleneck_key)
    return _assemble("irmae", shape, latent_size, stack, key, ("num_matrices", num_matrices))


def lorae(shape: Shape, latent_size: int, *, key: Key[Array, ""]) -> Autoencoder:
    """Low-rank autoencoder: one matrix as in `irmae`, to be trained with `losses.NuclearNorm`."""
    check_key(key)
    key, bottleneck_key = jax.random.split(key)
    return _assemble("lorae", shape, latent_size, LinearStack(latent_size, 1, key=bottleneck_key), key)


def rrae(shape: Shape, latent_size: int, rank: int, *, centre: bool = False, key: Key[Array, ""]) -> Autoencoder:
    """Rank reduction autoencoder: the decoder sees the truncated SVD of the batch's latents."""
    _check_rank(rank, latent_size, key)
    return _assemble("rrae", shape, latent_size, LowRank.of_rank(rank, centre=centre), key, *_recipe(rank, centre))


def adaptive_rrae(
    shape: Shape, latent_size: int, rank: int, *, centre: bool = False, key: Key[Array, ""]
) -> Autoencoder:
    """RRAE that starts from a large rank, to be trained with `AdaptiveRank` as callback."""
    _check_rank(rank, latent_size, key)
    return _assemble(
        "adaptive_rrae", shape, latent_size, LowRank(AdaptiveBasis(rank, centre=centre)), key, *_recipe(rank, centre)
    )


def vrrae(shape: Shape, latent_size: int, rank: int, *, centre: bool = False, key: Key[Array, ""]) -> Autoencoder:
    """Variational rank reduction autoencoder: the SVD coefficients are the mean of a Gaussian."""
    _check_rank(rank, latent_size, key)
    key, bottleneck_key = jax.random.split(key)
    bottleneck = VariationalLowRank(rank, centre=centre, key=bottleneck_key)
    return _assemble("vrrae", shape, latent_size, bottleneck, key, *_recipe(rank, centre))


def adaptive_vrrae(
    shape: Shape, latent_size: int, rank: int, *, centre: bool = False, key: Key[Array, ""]
) -> Autoencoder:
    """VRRAE that starts from a large rank, to be trained with `AdaptiveRank` as callback."""
    _check_rank(rank, latent_size, key)
    key, bottleneck_key = jax.random.split(key)
    bottleneck = VariationalLowRank(rank, basis=AdaptiveBasis(rank, centre=centre), key=bottleneck_key)
    return _assemble("adaptive_vrrae", shape, latent_size, bottleneck, key, *_recipe(rank, centre))


def rrae_vae(shape: Shape, latent_size: int, rank: int, *, centre: bool = False, key: Key[Array, ""]) -> Autoencoder:
    """VRRAE whose mean is a trained linear map of the SVD coefficients, f(α) (ablation)."""
    _check_rank(rank, latent_size, key)
    key, bottleneck_key = jax.random.split(key)
    mean_layer = linear(rank, rank, key=jax.random.fold_in(bottleneck_key, 1))
    bottleneck = VariationalLowRank(rank, centre=centre, mean_layer=mean_layer, key=bottleneck_key)
    return _assemble("rrae_vae", shape, latent_size, bottleneck, key, *_recipe(rank, centre))


CONSTRUCTORS: dict[str, Callable[..., Autoencoder]] = {
    constructor.__name__: constructor
    for constructor in (
        ae,
        vae,
        rrae,
        vrrae,
        long_ae,
        vae_identity,
        rrae_vae,
        irmae,
        lorae,
        sparse_ae,
        contractive_ae,
        avae,
        beta_tcvae,
        adaptive_rrae,
        adaptive_vrrae,
    )
}

# What an argument is, for every constructor that has it: how it is described, and its value in the example.
ARGUMENTS = {
    "shape": ("(height, width, channels) of one image.", "(28, 28, 1)"),
    "latent_size": ("length L of the latent vector.", "64"),
    "rank": ("how many singular directions are kept, at most `latent_size`.", "8"),
    "num_matrices": ("how many matrices of L×L, each with initial weights of its own.", "2"),
    "centre": (
        "whether the mean of the batch's latents is subtracted before the SVD and added again before the\n"
        "            decoder; in the papers' models it is not.",
        None,
    ),
    "key": ("draws the initial weights.", "jax.random.key(0)"),
}


def _documented(constructor: Callable[..., Autoencoder]) -> str:
    """The docstring with arguments, errors and an example, which are the same for all constructors."""
    names = list(inspect.signature(constructor).parameters)
    described = "\n".join(f"        {name}: {ARGUMENTS[name][0]}" for name in names)
    values = [(name, ARGUMENTS[name][1]) for name in names]
    call = ", ".join(value if name == "shape" else f"{name}={value}" for name, value in values if value)
    too_large = " or the rank exceeds the latent size" if "rank" in names else ""
    return (
        f"{(constructor.__doc__ or '').rstrip()}\n\n    Args:\n{described}\n\n"
        f"    Raises:\n        ValueError: if a size is too small{too_large}.\n\n"
        f"    Example:\n        >>> vl.{constructor.__name__}({call})\n    "
    )


for _constructor in CONSTRUCTORS.values():
    _constructor.__doc__ = _documented(_constructor)


def build(constructor: str, arguments: dict[str, Any], *, key: Key[Array, ""]) -> Autoencoder:
    """Make a model by the name of its constructor, as checkpoints and experiments do.

    Args:
        constructor: a key of `CONSTRUCTORS`.
        arguments: its arguments except the key; those with a default may be left out.
        key: draws the initial weights.

    Raises:
        ValueError: if the name is unknown or the arguments are not the constructor's.
    """
    if not isinstance(constructor, str) or constructor not in CONSTRUCTORS:
        raise ValueError(f"unknown model {constructor!r}: known are {', '.join(CONSTRUCTORS)}")
    check_kind(
        "arguments", arguments, dict, "give the constructor's arguments by name, such as {'shape': data.shape, …}"
    )
    known = {n: p.default for n, p in inspect.signature(CONSTRUCTORS[constructor]).parameters.items() if n != "key"}
    needed = {name for name, default in known.items() if default is inspect.Parameter.empty}
    if not needed <= set(arguments) <= set(known):
        raise ValueError(f"{constructor} takes {', '.join(known)}, not {', '.join(arguments)}")
    return CONSTRUCTORS[constructor](**arguments, key=key)


def _variational(
    name: str, shape: Shape, latent_size: int, mean_layer: eqx.nn.Identity | None, key: Key[Array, ""]
) -> Autoencoder:
    check_key(key)
    key, bottleneck_key = jax.random.split(key)
    bottleneck = Variational(latent_size, mean_layer=mean_layer, key=bottleneck_key)
    return _assemble(name, shape, latent_size, bottleneck, key)


def _assemble(
    name: str,
    shape: Shape,
    latent_size: int,
    bottleneck: Bottleneck,
    key: Key[Array, ""],
    *others: tuple[str, Any],
) -> Autoencoder:
    """`others`: names and values of the constructor's further arguments, for the recipe."""
    check_key(key)
    check_shape(shape)
    check_at_least(1, "latent_size", latent_size)
    encoder_key, decoder_key = jax.random.split(key)
    shape = cast(Shape, tuple(shape))  # a list, say, would not be hashable
    return Autoencoder(
        encoder=ConvEncoder(shape, latent_size, key=encoder_key),
        bottleneck=bottleneck,
        decoder=ConvDecoder(shape, latent_size, key=decoder_key),
        shape=shape,
        recipe=Recipe(name, (("shape", shape), ("latent_size", latent_size), *others)),
    )


def _recipe(rank: int, centre: bool) -> list[tuple[str, Any]]:
    """What a recipe says beyond shape and latent size; it is as short as ever for the papers' models."""
    return [("rank", rank), *([("centre", True)] if centre else [])]


def _check_rank(rank: int, latent_size: int, key: Key[Array, ""]) -> None:
    check_key(key)
    for name, value in (("rank", rank), ("latent_size", latent_size)):
        check_whole(name, value)
    if not 1 <= rank <= latent_size:
        raise ValueError(f"rank = {rank} and latent_size = {latent_size}: the rank lies between 1 and the latent size")
