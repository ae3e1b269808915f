"""Claims on the papers' tables and on the cost of an SVD: the verdicts stand, and fall with what they rest on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import shared_data

from vrrae_lab import data as sources
from vrrae_lab import linalg, metrics, models, papers
from vrrae_lab.derivations import cost, tables

CLAIMS = {claim.number: claim for part in (cost, tables) for claim in part.CLAIMS}
Patch = pytest.MonkeyPatch


@pytest.mark.parametrize("number", CLAIMS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_verdict_stands(number: int, seed: int) -> None:
    evidence = CLAIMS[number].check(jax.random.key(seed))
    assert evidence.supports_verdict, [finding for finding in evidence.findings if not finding.holds]


def agree(row: int) -> Callable[[Patch], None]:
    """Print the same number twice."""

    def change(patch: Patch) -> None:
        rows = list(papers.DISAGREEMENTS)
        rows[row] = rows[row]._replace(second=rows[row].first)
        patch.setattr(papers, "DISAGREEMENTS", tuple(rows))

    return change


def agree_but_for_rounding(patch: Patch) -> None:
    first, *others = papers.DISAGREEMENTS
    pair = first._replace(first=papers.Printed("5.9"), second=papers.Printed("5.86"))
    patch.setattr(papers, "DISAGREEMENTS", (pair, *others))


def swap(patch: Patch) -> None:
    """What should be no larger is no larger."""
    first, *others = (pair for pair in papers.DISAGREEMENTS if pair.relation == "≤")
    patch.setattr(papers, "DISAGREEMENTS", (first._replace(first=first.second, second=first.first), *others))


def a_variational_row(patch: Patch) -> None:
    patch.setitem(papers.SETTINGS, "cifar10", papers.SETTINGS["cifar10"]._replace(vrrae_beta=1e-6))


def floors_of(**floors: float) -> Callable[[Patch], None]:
    def change(patch: Patch) -> None:
        patch.setattr(tables, "FLOORS", {data: own._replace(**floors) for data, own in tables.FLOORS.items()})

    return change


def gram_of_the_latent_side(patch: Patch) -> None:
    """The Gram matrix of size L, however large L is."""

    def by_gram(latents: Any) -> Any:
        squares, vectors = jnp.linalg.eigh(latents.T @ latents)
        singular_values = jnp.sqrt(squares[::-1])
        return (latents @ vectors[:, ::-1]) / singular_values[None, :], singular_values, vectors[:, ::-1]

    patch.setattr(linalg.svd, "_by_gram", by_gram)


def without_products(patch: Patch) -> None:
    """XLA counts the LAPACK call as nothing, so that the SVD by LAPACK seems to be nearly free."""
    patch.setattr(linalg.svd, "_by_gram", linalg.svd._by_svd)


def product_of_outputs(patch: Patch) -> None:
    def product(self: cost.Arithmetic, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        self.operations += a.shape[0] * b.shape[1]
        return a @ b

    patch.setattr(cost.Arithmetic, "product", product)


def nothing_counted_for_updates(patch: Patch) -> None:
    def product(self: cost.Arithmetic, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        self.operations += a.shape[0] if a.shape[1] > 1 else 0
        return a @ b

    patch.setattr(cost.Arithmetic, "product", product)
    patch.setattr(cost.Arithmetic, "difference", lambda self, a, b: a - b)


def half_a_reflection(patch: Patch) -> None:
    scaled = cost.Arithmetic.scaled
    patch.setattr(cost.Arithmetic, "scaled", lambda self, factor, a: scaled(self, factor / 2, a))


def decomposed_again(patch: Patch) -> None:
    """What the forward pass has found is not kept: the pass backward decomposes once more."""
    right = linalg.truncated_svd

    def altered(latents: Any, rank: int, **options: Any) -> Any:
        return jax.checkpoint(lambda y: right(y, rank, **options))(latents)

    patch.setattr(linalg, "truncated_svd", altered)


def times(change: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[[Patch], None]:
    """Other times of VAE and VRRAE in Table A.4-1."""

    def apply(patch: Patch) -> None:
        vae, vrrae = change(papers.TABLE_A_4_1["VAE"], papers.TABLE_A_4_1["VRRAE"])
        patch.setattr(papers, "TABLE_A_4_1", {"VAE": vae, "VRRAE": vrrae})

    return apply


def epochs(data: str, number: int) -> papers.Setting:
    return papers.SETTINGS[data]._replace(num_epochs=number)


def as_wide(patch: Patch) -> None:
    patch.setattr(models, "vae", lambda shape, rank, *, key: models.vrrae(shape, 200, rank, key=key))


MUTATIONS: list[tuple[int, str, Callable[[Patch], None]]] = [
    *((28, f"{pair.data}, {pair.about}: no difference", agree(i)) for i, pair in enumerate(papers.DISAGREEMENTS)),
    (28, "figures that rounding explains", agree_but_for_rounding),
    (28, "figures in the other order", swap),
    (28, "a variational CIFAR-10 row", a_variational_row),
    (28, "mean images as bad as the worst model", floors_of(mean_image=94.0)),
    (28, "principal components hardly better", floors_of(principal_components=17.5)),
    (29, "the larger Gram matrix", gram_of_the_latent_side),
    (29, "no product at all", without_products),
    (29, "products counted by their results", product_of_outputs),
    (29, "updates of the matrix left out", nothing_counted_for_updates),
    (29, "half a reflection", half_a_reflection),
    (29, "columns in another order", times(lambda vae, vrrae: (vae[::-1], vrrae[::-1]))),
    (29, "MNIST for 21 epochs", lambda p: p.setitem(papers.SETTINGS, "mnist", epochs("mnist", 21))),
    (38, "a second factorisation", decomposed_again),
    (38, "times of VAE and VRRAE exchanged", times(lambda vae, vrrae: (vrrae, vae))),
    (38, "linear maps as wide in both", as_wide),
]


@pytest.mark.parametrize(("number", "change"), [m[::2] for m in MUTATIONS], ids=[f"{m[0]}, {m[1]}" for m in MUTATIONS])
def test_verdict_falls_with_what_it_rests_on(
    number: int, change: Callable[[Patch], None], monkeypatch: Patch, unchecked: None
) -> None:
    change(monkeypatch)
    assert not CLAIMS[number].check(jax.random.key(0)).supports_verdict


# ---- parts


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore:cifar10:UserWarning")  # that it is a slice
def test_floors_are_those_of_the_images(tmp_path: Path) -> None:
    """All of MNIST; of CIFAR-10 a part of the training images, whose principal components are a bit worse."""
    for name, count, tolerance in (("mnist", 60_000, 0.01), ("cifar10", 4000, 0.2)):
        folders = {"data_dir": tmp_path, "manual_dir": shared_data() / name}
        train = sources.load(name, "train", count, **folders).x
        test = sources.load(name, "test", 10_000 if name == "mnist" else 1000, **folders).x
        floors, rank = tables.FLOORS[name], papers.SETTINGS[name].rank
        found = metrics.linear_test_error(train, test, rank)
        assert found == pytest.approx(floors.principal_components, abs=tolerance)
        mean = np.broadcast_to(train.mean(axis=0), test.shape)
        assert metrics.relative_error(test, mean) == pytest.approx(floors.mean_image, abs=tolerance)


def test_reflections_are_counted_as_textbooks_do() -> None:
    """4 m n² - 4 n³ / 3 for the bidiagonal form of an m × n matrix (Golub & Van Loan), but for lower orders."""
    for short, long in ((32, 512), (64, 64)):
        expected = 4 * long * short**2 - 4 * short**3 / 3
        for shape in ((short, long), (long, short)):
            assert cost.reflection_operations(*shape) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("shape", [(5, 5), (7, 4), (4, 7), (6, 1), (1, 6)])
def test_bidiagonal_form_is_bidiagonal_with_the_same_singular_values(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(1).normal(size=shape)
    form = cost.bidiagonal(matrix, cost.Arithmetic())
    np.testing.assert_array_equal(form, np.triu(np.tril(form, 1)))
    found = np.linalg.svd(form, compute_uv=False)
    np.testing.assert_allclose(found, np.linalg.svd(matrix, compute_uv=False), rtol=1e-12)


def test_bidiagonal_form_of_zeros_is_zero() -> None:
    np.testing.assert_array_equal(cost.bidiagonal(np.zeros((4, 3)), cost.Arithmetic()), np.zeros((3, 3)))
