"""The SVD layer under the finger: what a cut keeps, and what a gradient does when two singular values meet."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import traitlets
from jaxtyping import Array, Float, Key

from vrrae_lab import linalg
from vrrae_lab.checks import check_key
from vrrae_lab.data.dataset import Dataset, check_data
from vrrae_lab.derivations.claim import float64
from vrrae_lab.widgets.card import Card, as_bytes, look

GAPS = np.append(10.0 ** (-np.arange(4, 81) / 10), 0)  # of σ₁ = 1; the last is the tie
LOSSES = ("VRRAE", "RRAE")
RULES = ("exact", "automatic", "kept pairs left out")
MOST_PUSH = 0.01
REACH = 2.0  # of a latent that is dragged
KEPT = 3  # of 8 singular values, the first two of which meet
MOST_IMAGES, MOST_DIRECTIONS = 8, 128
ANGLE, SPREAD = 0.45, 1.1  # of what is cut first


class TruncatedSVD(Card):
    r"""What `truncated_svd` returns.

    Attributes:
        latents: the points that are cut to rank 1, each from −2 to 2 in both directions.
        gap: $(\sigma_1 - \sigma_2) / \sigma_1$ of the two that meet, 0 to 0.4; taken to the nearest of `gaps`.
        push: how much of the batch is added to it in a random direction, −.01 to .01.
        rank: to which the images are cut, where there are any.
    """

    latents = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    gap = traitlets.Float().tag(sync=True)
    push = traitlets.Float().tag(sync=True)
    rank = traitlets.Int().tag(sync=True)
    _gaps = traitlets.Bytes().tag(sync=True)
    _norms = traitlets.Bytes().tag(sync=True)
    _batch = traitlets.Bytes().tag(sync=True)
    _images = traitlets.Dict().tag(sync=True)
    _pixels = traitlets.Bytes().tag(sync=True)

    def __init__(self, data: Dataset | None, key: Key[Array, ""]) -> None:
        """Made by `truncated_svd`."""
        of_gradients, of_latents, of_batch = jax.random.split(key, 3)
        with float64():
            self._norms_by_gap = np.asarray(_norms(of_gradients, jnp.asarray(GAPS)))
        images, pixels = ({}, b"") if data is None else _images(data)
        batch, push = np.asarray(jax.random.normal(of_batch, (2, 24, 2)), float)
        batch = np.linalg.qr(batch)[0]
        super().__init__(
            "truncated_svd",
            "SVD of a batch" if data is None else f"SVD of {data.name}",
            latents=_latents(of_latents),
            gap=GAPS[20],
            rank=min(8, images.get("directions", 1)),
            _gaps=as_bytes(GAPS, np.float64),
            _norms=as_bytes(self._norms_by_gap),
            _batch=as_bytes([batch, push * np.sqrt(2) / np.linalg.norm(push)]),
            _images=images,
            _pixels=pixels,
        )

    @property
    def gaps(self) -> Float[np.ndarray, " gaps"]:
        """The gaps at which gradients were taken, the widest first; the last is 0."""
        return GAPS

    @property
    def norms(self) -> dict[str, dict[str, Float[np.ndarray, " gaps"]]]:
        """Of the gradient at each of `gaps`, by loss and by rule."""
        return {
            loss: dict(zip(RULES, of_loss, strict=True))
            for loss, of_loss in zip(LOSSES, self._norms_by_gap, strict=True)
        }

    @traitlets.validate("gap")
    def _nearest_gap(self, proposal: Any) -> float:
        gap = proposal["value"]
        if not 0 <= gap <= 0.4:
            raise traitlets.TraitError(f"gap = {gap}: use 0 to 0.4, where the two stay the largest")
        least = GAPS[-2] / 2
        return float(GAPS[np.abs(np.log(np.maximum(GAPS, least)) - np.log(max(gap, least))).argmin()])

    @traitlets.validate("push")
    def _small_push(self, proposal: Any) -> float:
        return _within("push", proposal["value"], -MOST_PUSH, MOST_PUSH)

    @traitlets.validate("rank")
    def _known_rank(self, proposal: Any) -> int:
        return _within("rank", proposal["value"], 1, self._images.get("directions", 1))

    @traitlets.validate("latents")
    def _near_latents(self, proposal: Any) -> list[list[float]]:
        latents = proposal["value"]
        if len(latents) < 2 or any(len(point) != 2 or not max(map(abs, point)) <= REACH for point in latents):
            raise traitlets.TraitError(
                f"latents = {latents}: give two points (x, y) or more, from −{REACH:g} to {REACH:g}"
            )
        return latents


def truncated_svd(data: Dataset | None = None, *, key: Key[Array, ""]) -> TruncatedSVD:
    r"""What cutting a batch of latents to rank 1 keeps, and what its gradient does when two singular values meet.

    The gradients are those of $\lVert (\alpha + \epsilon)\, U_k^T - W \rVert^2$ (VRRAE: noise for each coefficient) and
    of $\lVert \alpha\, U_k^T - W \rVert^2$ (RRAE) at a batch of 12 latents of size 8 and rank 3, by three rules: the
    exact one of `linalg.truncated_svd`, automatic differentiation of a full SVD, and the exact one without the pairs
    inside the kept block. They are taken in float64.

    Args:
        data: if given, its images, flattened, are the rows of a matrix that is cut too.
        key: draws the latents, the push, weights and noise.

    Example:
        >>> widget = vl.widgets.truncated_svd(vl.data.bumps(image_size=32), key=jax.random.key(0))
        >>> widget.gap = 1e-6
        >>> widget.norms["VRRAE"]["exact"]  # at each of widget.gaps
    """
    check_key(key)
    if data is not None:
        check_data(data)
    return TruncatedSVD(data, key)


def _within(name: str, value: Any, least: Any, most: Any) -> Any:
    if not least <= value <= most:
        raise traitlets.TraitError(f"{name} = {value}: use {least} to {most}")
    return value


def _latents(key: Key[Array, ""]) -> list[list[float]]:
    """A narrow cloud of 12, not along the axes."""
    cloud = np.asarray(jax.random.normal(key, (12, 2)), float)
    cloud = SPREAD * np.linalg.qr(cloud)[0] * np.sqrt(len(cloud)) * [1, 0.4]
    turn = np.array([[np.cos(ANGLE), np.sin(ANGLE)], [-np.sin(ANGLE), np.cos(ANGLE)]])
    return np.clip(cloud @ turn, -REACH, REACH).round(3).tolist()


def _automatic(latents: Array) -> tuple[Array, Array]:
    left, values, right = jnp.linalg.svd(latents, full_matrices=False)
    return right[:KEPT].T, left[:, :KEPT] * values[None, :KEPT]


def _exact(latents: Array, within_block: bool = True) -> tuple[Array, Array]:
    svd = linalg.truncated_svd(latents, KEPT, within_block=within_block)
    return svd.basis, svd.coefficients


_by_rule = (_exact, _automatic, partial(_exact, within_block=False))


@jax.jit
def _norms(key: Key[Array, ""], gaps: Float[Array, " gaps"]) -> Float[Array, "losses rules gaps"]:
    """Norms of the gradients, in the frame of the batch's own singular vectors, where the tie is exact."""
    of_weights, of_noise = jax.random.split(key)
    weights = jax.random.normal(of_weights, (12, 8))
    noise = 0.3 * jax.random.normal(of_noise, (12, KEPT))

    def norms(noise: Array, gap: Array) -> Array:
        values = jnp.array([1, 1 - gap, 0.5, 0.25, 0.2, 0.15, 0.1, 0.05])

        def loss(latents: Array, rule: Any) -> Array:
            basis, coefficients = rule(latents)
            return jnp.sum(((coefficients + noise) @ basis.T - weights) ** 2)

        latents = jnp.eye(12, 8) * values[None]
        return jnp.stack([jnp.linalg.norm(jax.grad(loss)(latents, rule)) for rule in _by_rule])

    by_gap = jax.vmap(norms, (None, 0), out_axes=1)
    return jax.vmap(by_gap, (0, None))(jnp.stack([noise, 0 * noise]), gaps)


def _images(data: Dataset) -> tuple[dict[str, Any], bytes]:
    """What the page needs to cut some images of a set to any rank: facts; images, coefficients, basis, values."""
    data = data.as_floats()
    rows = data.x.reshape(len(data), -1)
    shown = np.unique(np.linspace(0, len(rows) - 1, MOST_IMAGES).astype(int))
    directions = min(*rows.shape, MOST_DIRECTIONS)
    svd = linalg.truncated_svd(jnp.asarray(rows), directions)
    facts = {
        "name": data.name,
        "count": len(shown),
        "directions": directions,
        "most": min(rows.shape),
        "shape": list(data.shape),
        "energy": float((rows.astype(float) ** 2).sum()),
        "look": look(data),
    }
    parts = rows[shown], svd.coefficients[shown], svd.basis.T, svd.singular_values
    return facts, b"".join(as_bytes(part) for part in parts)
