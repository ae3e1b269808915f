"""Errors of reconstruction and their floors, against naive references and answers known beforehand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.decomposition import PCA

from vrrae_lab import data, metrics

RNG = np.random.default_rng(0)


# ---- relative errors and floors


def test_relative_error_of_known_cases() -> None:
    x = np.array([[3.0, 0.0], [0.0, 4.0]])
    assert metrics.relative_error(x, x) == 0
    assert metrics.relative_error(x, np.zeros_like(x)) == pytest.approx(100)
    assert metrics.relative_error(x, np.array([[3.0, 1.0], [0.0, 4.0]])) == pytest.approx(20)
    assert metrics.relative_error(x, 1.25 * x) == pytest.approx(25)


def test_relative_error_is_over_the_whole_set_and_any_shape() -> None:
    x, x_hat = RNG.normal(size=(2, 5, 4, 4, 2))
    wanted = 100 * np.sqrt(((x - x_hat) ** 2).sum() / (x**2).sum())
    assert metrics.relative_error(x, x_hat) == pytest.approx(wanted)
    assert metrics.relative_error(jnp.asarray(x), jnp.asarray(x_hat)) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.usefixtures("unchecked")
def test_relative_error_refuses_unequal_shapes() -> None:
    with pytest.raises(ValueError, match=r"x has shape \(2, 3\) and x_hat \(2, 1\)"):
        metrics.relative_error(np.ones((2, 3)), np.ones((2, 1)))


def test_relative_error_refuses_zeros() -> None:
    with pytest.raises(ValueError, match="x is all zero"):
        metrics.relative_error(np.zeros((2, 3)), np.ones((2, 3)))


def test_nearest_image_error_agrees_with_a_naive_search() -> None:
    x, x_train = RNG.normal(size=(7, 3, 3, 2)), RNG.normal(size=(12, 3, 3, 2))
    nearest = []
    for image in x:
        distances = [((image - candidate) ** 2).sum() for candidate in x_train]
        nearest.append(x_train[int(np.argmin(distances))])
    wanted = 100 * np.sqrt(((x - np.stack(nearest)) ** 2).sum() / (x**2).sum())
    assert metrics.nearest_image_error(x, x_train) == pytest.approx(wanted)
    assert metrics.nearest_image_error(x_train[:5], x_train) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("block_size", [1, 5, 7, 12, 100])
def test_nearest_image_error_is_the_same_in_blocks(block_size: int) -> None:
    """Also where the last block is smaller, and where the nearest image is in the first or the last block."""
    x_train = RNG.normal(size=(12, 3, 3, 2))
    x = x_train[[0, 4, 5, 9, 10, 11, 11]] + 0.1 * RNG.normal(size=(7, 3, 3, 2))
    wanted = 100 * np.linalg.norm(x - x_train[[0, 4, 5, 9, 10, 11, 11]]) / np.linalg.norm(x)
    assert metrics.nearest_image_error(x, x_train, block_size=block_size) == pytest.approx(wanted, rel=1e-12)


def test_linear_error_agrees_with_a_truncated_reconstruction() -> None:
    x = RNG.normal(size=(6, 4, 4, 1)) + 1
    u, s, vt = np.linalg.svd(x.reshape(6, -1), full_matrices=False)
    for rank in (1, 3, 5):
        x_hat = (u[:, :rank] * s[:rank]) @ vt[:rank]
        wanted = 100 * np.linalg.norm(x_hat - x.reshape(6, -1)) / np.linalg.norm(x)
        assert metrics.linear_error(x, rank) == pytest.approx(wanted)
    for rank in (6, 100):
        assert metrics.linear_error(x, rank) == 0


@pytest.mark.parametrize("count", [10, 200])  # fewer and more images than pixels
def test_linear_test_error_is_that_of_principal_components(count: int) -> None:
    train, test = (RNG.normal(size=(n, 4, 4, 1)) * np.arange(1, 5)[:, None, None] + 3 for n in (count, 7))
    pca = PCA(3).fit(train.reshape(count, -1))
    flat = test.reshape(7, -1)
    wanted = 100 * np.linalg.norm(pca.inverse_transform(pca.transform(flat)) - flat) / np.linalg.norm(flat)
    assert metrics.linear_test_error(train, test, 3) == pytest.approx(wanted)
    assert metrics.linear_test_error(train, train[:5], 16) == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("rank", [0, -1])
def test_linear_error_refuses_a_rank_below_one(rank: int) -> None:
    with pytest.raises(ValueError, match=f"rank = {rank}: use 1 or more"):
        metrics.linear_error(np.ones((3, 4)), rank)


def test_floors_of_the_bumps_are_those_measured_before() -> None:
    train = data.bumps()
    for rank, wanted in ((2, 78), (4, 57), (8, 34), (16, 13), (32, 2)):
        assert metrics.linear_error(train.x, rank) == pytest.approx(wanted, abs=1)
    test = data.bumps_test(300, key=jax.random.key(0))
    assert metrics.nearest_image_error(test.x, train.x) == pytest.approx(16.8, abs=1)


def test_linear_error_is_that_of_the_svd_to_some_millionths_of_a_percent() -> None:
    """More images than pixels and fewer. Right to rounding are the squares, as shares of their sum, not their roots."""
    for count in (40, 400):
        x = RNG.normal(size=(count, 5)) @ RNG.normal(size=(5, 100)) + 1e-3 * RNG.normal(size=(count, 100))
        squares = np.linalg.svd(x, compute_uv=False) ** 2
        for rank in (2, 5, 30):
            share = squares[rank:].sum() / squares.sum()
            assert (metrics.linear_error(x, rank) / 100) ** 2 == pytest.approx(share, rel=0, abs=rounding_of_share(x))
        assert metrics.linear_error(x, 100) == 0
    of_rank_5 = RNG.normal(size=(400, 5)) @ RNG.normal(size=(5, 100))
    assert 0 <= (metrics.linear_error(of_rank_5, 5) / 100) ** 2 < rounding_of_share(of_rank_5)


def rounding_of_share(x: np.ndarray) -> float:
    """A sum of n products, and a Gram matrix's eigenvalue, carry a few times n rounding errors of the largest one."""
    return sum(x.shape) * float(np.finfo(float).eps)


# ---- what is refused

IMAGES = np.ones((3, 2, 2, 1))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_floors_refuse_images_that_are_not_finite(value: float) -> None:
    bad = np.where(np.arange(IMAGES.size).reshape(IMAGES.shape) == 2, value, IMAGES)
    for call in (
        lambda: metrics.nearest_image_error(bad, IMAGES),
        lambda: metrics.linear_test_error(IMAGES, bad, 1),
    ):
        with pytest.raises(ValueError, match="^x(_test)? contains NaN or infinity: remove those images"):
            call()
    for call in (
        lambda: metrics.nearest_image_error(IMAGES, bad),
        lambda: metrics.linear_error(bad, 1),
        lambda: metrics.linear_test_error(bad, IMAGES, 1),
    ):
        with pytest.raises(ValueError, match="^x_train contains NaN or infinity: remove those images"):
            call()


def test_floors_refuse_images_of_another_shape() -> None:
    """Even where they have as many pixels."""
    other = np.ones((4, 4, 1, 1))
    with pytest.raises(ValueError, match=r"of x have shape \(2, 2, 1\), those of x_train \(4, 1, 1\): give"):
        metrics.nearest_image_error(IMAGES, other)
    with pytest.raises(ValueError, match=r"of x_test have shape \(2, 2, 1\), those of x_train \(4, 1, 1\): give"):
        metrics.linear_test_error(other, IMAGES, 1)


def test_floors_refuse_no_images_and_black_ones() -> None:
    none, black = IMAGES[:0], 0 * IMAGES
    for call in (
        lambda: metrics.nearest_image_error(none, IMAGES),
        lambda: metrics.nearest_image_error(IMAGES, none),
        lambda: metrics.linear_error(none, 1),
        lambda: metrics.linear_test_error(none, IMAGES, 1),
        lambda: metrics.linear_test_error(IMAGES, none, 1),
    ):
        with pytest.raises(ValueError, match=r"has shape \(0, 2, 2, 1\): give one image or more"):
            call()
    for call in (
        lambda: metrics.nearest_image_error(black, IMAGES),
        lambda: metrics.linear_error(black, 1),
        lambda: metrics.linear_test_error(IMAGES, black, 1),
    ):
        with pytest.raises(ValueError, match="is all zero: a relative error has no meaning"):
            call()


def test_linear_test_error_refuses_a_rank_below_one() -> None:
    with pytest.raises(ValueError, match="rank = 0: use 1 or more"):
        metrics.linear_test_error(IMAGES, IMAGES, 0)


def test_nearest_image_error_refuses_empty_blocks() -> None:
    with pytest.raises(ValueError, match="block_size = 0: use 1 or more"):
        metrics.nearest_image_error(IMAGES, IMAGES, block_size=0)
