"""AdaBelief with its learning rate as a number of the compiled step, so that a grid of rates compiles it once."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

_BELIEF = optax.scale_by_belief()  # made once: a compiled step is found again by the identity of its functions


def adabelief(learning_rate: float) -> optax.GradientTransformation:
    """The same updates as `optax.adabelief(learning_rate)`.

    There the rate is a constant inside a function, so that every rate, even every call with the same one, compiles the
    training step anew. Here it is an array that the step is given.

    Args:
        learning_rate: constant over the run.

    Raises:
        ValueError: if the rate is not above 0.
    """
    if not learning_rate > 0:
        raise ValueError(f"learning_rate = {learning_rate}: use a number above 0")
    return optax.GradientTransformation(_BELIEF.init, jax.tree_util.Partial(_update, jnp.asarray(learning_rate)))


def _update(learning_rate: Array, gradient: Any, state: Any, parameters: Any = None) -> tuple[Any, Any]:
    directions, state = _BELIEF.update(gradient, state, parameters)
    return jax.tree.map(lambda d: -learning_rate.astype(d.dtype) * d, directions), state
