"""Claims on shortcuts of the reference code: the verdicts stand, and would not if what they rest on were wrong."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vrrae_lab import data, losses, nets
from vrrae_lab.derivations import shortcuts

pytestmark = pytest.mark.usefixtures("quick_compilation")

CLAIMS = {claim.number: claim for claim in shortcuts.CLAIMS}
Patch = pytest.MonkeyPatch


@pytest.mark.parametrize("number", CLAIMS)
@pytest.mark.parametrize("seed", [0, 1])
def test_verdict_stands(number: int, seed: int) -> None:
    evidence = CLAIMS[number].check(jax.random.key(seed))
    assert evidence.supports_verdict, [finding for finding in evidence.findings if not finding.holds]
    assert not jax.config.read("jax_enable_x64")


# ---- what the checks depend on, made wrong


def norm(patch: Patch, formula: Callable[[Any, Any], Any]) -> None:
    patch.setattr(losses.PaperReconstruction, "error", lambda self, squares, x: formula(squares, x))


def diagonal_test_set(patch: Patch) -> None:
    patch.setattr(data, "bumps_test", lambda count, size, *, key: data.bumps_diagonal(count, size))


def independent_diagonal(patch: Patch) -> None:
    test = data.bumps_test
    patch.setattr(data, "bumps_diagonal", lambda count, size: test(count, size, key=jax.random.key(5)))


def half_the_square(patch: Patch) -> None:
    test = data.bumps_test

    def half(count: int, size: int, *, key: Any) -> Any:
        right = test(count, size, key=key)
        object.__setattr__(right, "labels", np.abs(right.labels))
        return right

    patch.setattr(data, "bumps_test", half)


def sigmoid_encoder(patch: Patch) -> None:
    right = nets.ConvEncoder.__call__
    patch.setattr(nets.ConvEncoder, "__call__", lambda self, x: jax.nn.sigmoid(right(self, x)))


def shortcut(patch: Patch, derivative: Callable[[Any], Any]) -> None:
    def penalty(latents: Any, weight: Any) -> float:
        return float(np.mean(np.asarray(derivative(latents)) ** 2 @ np.sum(np.asarray(weight) ** 2, axis=1)))

    patch.setattr(shortcuts, "_shortcut", penalty)


MUTATIONS: list[tuple[int, str, Callable[[Patch], None]]] = [
    (34, "smoothed root", lambda p: norm(p, lambda s, x: 100 * jnp.sqrt(s + 1e-6) / jnp.linalg.norm(x.ravel()))),
    (34, "plain root", lambda p: norm(p, lambda s, x: 100 * jnp.sqrt(s) / jnp.linalg.norm(x.ravel()))),
    (34, "squared", lambda p: norm(p, lambda s, x: 100 * s / jnp.sum(x**2))),
    (35, "test set on the diagonal", diagonal_test_set),
    (35, "test set in a quarter of the square", half_the_square),
    (35, "diagonal set with independent coordinates", independent_diagonal),
    (36, "latents through a sigmoid", sigmoid_encoder),
    (36, "derivative of tanh", lambda p: shortcut(p, lambda h: 1 - h**2)),
]


@pytest.mark.parametrize(("number", "change"), [m[::2] for m in MUTATIONS], ids=[f"{m[0]}, {m[1]}" for m in MUTATIONS])
def test_verdict_falls_with_what_it_rests_on(
    number: int, change: Callable[[Patch], None], monkeypatch: Patch, unchecked: None
) -> None:
    change(monkeypatch)
    assert not CLAIMS[number].check(jax.random.key(0)).supports_verdict


def test_every_claim_has_two_mutations() -> None:
    counts = [[number for number, *_ in MUTATIONS].count(number) for number in CLAIMS]
    assert min(counts) >= 2
