"""Shortcuts in the papers' reference code and losses, and where they end (claims 34 to 36)."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from vrrae_lab import data, losses, nets
from vrrae_lab.bottlenecks import Identity
from vrrae_lab.data import synthetic
from vrrae_lab.derivations.claim import Claim, Evidence, Finding, Verdict, float64
from vrrae_lab.models import Autoencoder

SHAPE = (3, 4, 1)


class _Offset(eqx.Module):
    """A decoder that gives back what was encoded, plus an error of our choice."""

    offset: Float[Array, "batch features"]

    def __call__(self, latents: Array) -> Array:
        return (latents + self.offset).reshape(len(latents), *SHAPE)


def _flat(x: Array) -> Array:
    return x.reshape(len(x), -1)


def _perfect_reconstruction(key: Key[Array, ""]) -> Evidence:
    data_key, offset_key = jax.random.split(key)
    with float64():
        x = jax.random.normal(data_key, (5, *SHAPE))
        norm_x = float(jnp.linalg.norm(x.ravel()))
        direction = jax.random.normal(offset_key, _flat(x).shape)
        direction = direction * norm_x / jnp.linalg.norm(direction)

        def gradients_of(loss: losses.Loss) -> Callable[[float], np.ndarray]:
            def value(offset: Array) -> Array:
                return loss(Autoencoder(_flat, Identity(), _Offset(offset), SHAPE), x, key=offset_key)[0]

            gradient = jax.jit(jax.grad(value))
            return lambda distance: np.asarray(gradient(distance * direction)).ravel()

        of_norm, of_square = gradients_of(losses.PaperReconstruction()), gradients_of(losses.Reconstruction())
        distances = (1.0, 1e-3, 1e-6)
        lengths = [np.linalg.norm(of_norm(t)) * norm_x / 100 for t in distances]
        before, after, there = of_norm(-1e-6), of_norm(1e-6), of_norm(0.0)
        squared = [np.linalg.norm(of_square(t)) / t for t in distances]
        plain = jax.grad(lambda error: 100 * jnp.linalg.norm(error) / norm_x)(jnp.zeros(x.size))
    cosine = before @ after / (np.linalg.norm(before) * np.linalg.norm(after))
    # an error of 1e-6 is a difference of numbers right to 1e-16, so right to 1e-10 itself
    return Evidence(
        (
            Finding("‖gradient‖ ‖X‖ / 100 at 100 %, 0.1 % and 1e-4 % error, from 1", _off(lengths, 1.0), "<", 1e-8),
            Finding("cosine of the gradients on the two sides of zero error", float(cosine), "<", -1 + 1e-8),
            Finding("squared error: ‖gradient‖ / error over the same, change", _off(squared, squared[0]), "<", 1e-8),
            Finding(
                "share of NaN in the gradient of the plain formula at zero", float(np.isnan(plain).mean()), ">", 0.5
            ),
            Finding("largest entry of PaperReconstruction's gradient there", float(np.abs(there).max()), "<", 1e-12),
        )
    )


def _off(values: Sequence[np.floating], expected: np.floating | float) -> float:
    return float(max(abs(value / expected - 1) for value in values))


def _same_key(key: Key[Array, ""]) -> Evidence:
    reused_key, test_key = jax.random.split(key)
    count = 2000
    limit = synthetic.CENTRE_LIMIT
    x0, y0 = (np.asarray(jax.random.uniform(reused_key, (count,), minval=-limit, maxval=limit)) for _ in range(2))
    reused = np.stack([x0, y0], axis=1)
    images = synthetic.bump_images(reused.astype(float), 8)
    ours = data.bumps_test(count, 8, key=test_key)
    diagonal = data.bumps_diagonal(count, 8)
    centres, on_diagonal = np.asarray(ours.labels), np.asarray(diagonal.labels)
    mirrored = np.abs(images - images.swapaxes(1, 2)).max()
    error_bar = count**-0.5  # of a correlation that is zero
    return Evidence(
        (
            Finding("one key for both: correlation of x0 and y0, from 1", abs(_correlation(reused) - 1), "<", 1e-6),
            Finding("the same: image beside its transpose, largest difference", float(mirrored), "<", 1e-12),
            Finding("the same: cells, of 10 x 10, that hold a centre", _cells(reused, limit), "<", 10.5),
            Finding("bumps_diagonal: correlation of x0 and y0, from 1", abs(_correlation(on_diagonal) - 1), "<", 1e-6),
            Finding("bumps_test: size of the correlation", abs(_correlation(centres)), "<", 5 * error_bar),
            # 2000 centres miss a given cell with probability 0.99^2000 = 2e-9
            Finding("bumps_test: cells, of 10 x 10, that hold a centre", _cells(centres, limit), ">", 99.5),
        )
    )


def _correlation(centres: np.ndarray) -> float:
    return float(np.corrcoef(centres.T)[0, 1])


def _cells(centres: np.ndarray, limit: float) -> int:
    cells = np.clip(np.floor((centres + limit) / (2 * limit) * 10), 0, 9).astype(int)
    return len(np.unique(cells, axis=0))


def _shortcut(latents: Array, weight: Array) -> float:
    """What a sigmoid of one linear map would have: its derivative is h (1 - h)."""
    h, rows = np.asarray(latents), np.asarray(weight)
    return float(np.mean((h * (1 - h)) ** 2 @ np.sum(rows**2, axis=1)))


def _contractive(key: Key[Array, ""]) -> Evidence:
    data_key, weight_key, hidden_key, net_key = jax.random.split(key, 4)
    shape = (4, 4, 1)

    @eqx.filter_jit
    def contraction(encode: Callable[[Array], Array], x: Array) -> Array:
        """The penalty by automatic differentiation of each sample's latents."""
        jacobians = jax.vmap(jax.jacrev(lambda one: encode(one[None])[0]))(x)
        return jnp.sum(jacobians**2) / len(x)

    with float64():
        x = jax.random.normal(data_key, (64, *shape))
        weight = jax.random.normal(weight_key, (3, 16))
        hidden = jax.random.normal(hidden_key, (16, 16))

        def sigmoid(x: Array) -> Array:
            return jax.nn.sigmoid(_flat(x) @ weight.T)

        def deep(x: Array) -> Array:
            return jax.nn.sigmoid(jnp.tanh(_flat(x) @ hidden.T / 4) @ weight.T)

        net = nets.ConvEncoder(shape, 3, key=net_key)
        moved = eqx.tree_at(lambda m: m.linear.bias, net, jnp.asarray(net.linear.bias) + 10)
        of_sigmoid = _shortcut(sigmoid(x), weight) / float(contraction(sigmoid, x))
        of_deep = _shortcut(deep(x), weight) / float(contraction(deep, x))
        true_change = float(contraction(moved, x) / contraction(net, x))
        latents = eqx.filter_jit(lambda net, x: net(x))
        shortcuts = [_shortcut(latents(n, x), n.linear.weight) for n in (moved, net)]
    return Evidence(
        (
            Finding("sigmoid of one linear map: shortcut / Jacobian, from 1", abs(of_sigmoid - 1), "<", 1e-10),
            # tanh shrinks and hidden weights mix: no reason to be 1, and a percent is far above rounding
            Finding("sigmoid after a hidden layer: shortcut / Jacobian, from 1", abs(of_deep - 1), ">", 0.01),
            Finding("ConvEncoder, 10 added to its bias: change of the Jacobian", abs(true_change - 1), "<", 1e-10),
            # latents within 1 of zero: h (1 - h) is 2 at most, and (h + 10)(h + 9) is 72 at least, squared 1296 times
            Finding("the same: factor on the shortcut", shortcuts[0] / shortcuts[1], ">", 100.0),
        )
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=34,
        name="The relative norm has a kink at a perfect reconstruction",
        source="loss of the VRRAE reference code",
        statement=r"The loss $100\,\|\hat X-X\|_F/\|X\|_F$ is differentiable in $\hat X$.",
        verdict=Verdict.CONDITIONAL,
        explanation="It is wherever the error is not zero, and there its gradient has the length 100/‖X‖ however "
        "small the error: it turns round at zero instead of vanishing, so that steps of a constant size do not "
        "settle. At zero the plain formula differentiates to NaN; the losses here take the subgradient 0.",
        check=_perfect_reconstruction,
    ),
    Claim(
        number=35,
        name="The reference test bumps cover the square",
        source="VRRAE, section 4, and the data of its reference code",
        statement=r"The centres $(x_0,y_0)$ of the test bumps are spread over the square $[-0.5,0.5]^2$.",
        verdict=Verdict.FALSE,
        explanation="The reference code draws $x_0$ and $y_0$ with the same random key, and the same key gives the "
        "same numbers: every centre lies on the diagonal and every image equals its transpose. Here that set has "
        "a name of its own, bumps_diagonal, beside bumps_test with independent coordinates.",
        check=_same_key,
    ),
    Claim(
        number=36,
        name="The contractive penalty from the latents alone",
        source="contractive autoencoders (Rifai et al. 2011), as a baseline of the papers",
        statement=r"$\|\partial h/\partial x\|_F^2=\sum_j\big(h_j(1-h_j)\big)^2\,\|w_j\|^2$, $w_j$ the rows of the "
        r"last weight matrix.",
        verdict=Verdict.CONDITIONAL,
        explanation="It is the derivative of a sigmoid of one linear map, and exact there. After a hidden layer it "
        "leaves that layer out, and for linear latents it is no derivative at all: adding a constant to them "
        "changes no Jacobian but multiplies the shortcut. The true Jacobian costs one reverse pass per latent, or"
        " a random projection.",
        check=_contractive,
    ),
)
