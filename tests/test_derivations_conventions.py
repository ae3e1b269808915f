"""Claims on losses and divergences: the verdicts stand, and would not if what they rest on were wrong."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vrrae_lab import gaussian, losses
from vrrae_lab.derivations import conventions, information
from vrrae_lab.derivations.conventions import weight_of_second

pytestmark = pytest.mark.usefixtures("quick_compilation")

CLAIMS = {claim.number: claim for part in (conventions, information) for claim in part.CLAIMS}
Patch = pytest.MonkeyPatch


@pytest.mark.parametrize("number", CLAIMS)
@pytest.mark.parametrize("seed", [0, 1])
def test_verdict_stands(number: int, seed: int) -> None:
    evidence = CLAIMS[number].check(jax.random.key(seed))
    assert evidence.supports_verdict, [finding for finding in evidence.findings if not finding.holds]
    assert not jax.config.read("jax_enable_x64")


# ---- what the checks depend on, made wrong


def kl(patch: Patch, formula: Callable[[gaussian.DiagonalGaussian], Any]) -> None:
    patch.setattr(gaussian.DiagonalGaussian, "kl", formula)


def density(patch: Patch, change: Callable[[Any], Any]) -> None:
    right = gaussian.DiagonalGaussian.log_density
    patch.setattr(gaussian.DiagonalGaussian, "log_density", lambda self, z: change(right(self, z)))


def right_kl(q: gaussian.DiagonalGaussian) -> Any:
    return 0.5 * (q.mean**2 + jnp.exp(q.log_variance) - 1 - q.log_variance)


def loss(patch: Patch, kind: type, combine: Callable[..., Any]) -> None:
    """Let this loss have the value and the KL term that `combine` makes of itself, squares, KL per sample, batch."""

    def call(self: Any, model: Any, batch: Any, *, key: Any) -> Any:
        squares, posterior = model.squared_error(batch, key=key)
        value, kl = combine(self, squares, right_kl(posterior), batch)
        return value, {"reconstruction": squares, "kl": kl}

    patch.setattr(kind, "__call__", call)


def norm(patch: Patch, formula: Callable[[Any, Any], Any]) -> None:
    patch.setattr(losses.PaperReconstruction, "error", lambda self, squares, x: formula(squares, x))


def papers(scale: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def combine(self: Any, squares: Any, kl: Any, batch: Any) -> Any:
        total = scale(kl, batch)
        return 100 * jnp.sqrt(squares) / jnp.linalg.norm(batch.ravel()) + self.beta * total, total

    return combine


def summed(self: Any, squares: Any, kl: Any, batch: Any) -> Any:
    return squares / len(batch) + self.beta * jnp.sum(kl), jnp.sum(kl)


def mean_kl(kl: Any, batch: Any) -> Any:
    return jnp.mean(kl)


MUTATIONS: list[tuple[int, str, Callable[[Patch], None]]] = [
    (17, "relative norm squared", lambda p: norm(p, lambda s, x: 100 * s / jnp.sum(x**2))),
    (17, "relative norm as a fraction", lambda p: norm(p, lambda s, x: jnp.sqrt(s) / jnp.linalg.norm(x.ravel()))),
    (17, "papers' KL averaged over the batch", lambda p: loss(p, losses.PaperVariational, papers(mean_kl))),
    (17, "log density without its half", lambda p: density(p, lambda d: 2 * d)),
    (18, "papers' KL averaged", lambda p: loss(p, losses.PaperVariational, papers(mean_kl))),
    (18, "our KL summed", lambda p: loss(p, losses.Variational, summed)),
    (24, "KL without its half", lambda p: kl(p, lambda q: 2 * right_kl(q))),
    (24, "KL averaged over coefficients", lambda p: kl(p, lambda q: right_kl(q) / q.mean.shape[1])),
    (24, "log s in place of log s²", lambda p: kl(p, lambda q: right_kl(q) + 0.25 * q.log_variance)),
    (24, "density without its constant", lambda p: density(p, lambda d: d + gaussian.LOG_2_PI)),
    (25, "KL with log10", lambda p: kl(p, lambda q: right_kl(q) / np.log(10))),
    (25, "log density with log10", lambda p: density(p, lambda d: d / np.log(10))),
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


# ---- parts


def test_weight_of_second_reads_weights_and_says_what_they_leave() -> None:
    first, second = np.array([1.0, 0.0, 0.0]), np.array([1.0, 1.0, 0.0])
    weight, rest = weight_of_second(2 * first + 6 * second, first, second)
    assert weight == pytest.approx(3) and rest == pytest.approx(0, abs=1e-14)
    weight, rest = weight_of_second(np.array([3.0, 0.0, 4.0]), first, second)
    assert weight == pytest.approx(0, abs=1e-14) and rest == pytest.approx(0.8)
