"""The bump images: what they show, how they are scaled, and that each test set is what its name says."""

import json
import math
from dataclasses import replace

import jax
import numpy as np
import pytest

from vrrae_lab import data
from vrrae_lab.data import Dataset, bumps
from vrrae_lab.data.synthetic import bump_images


def naive_bumps(centres: np.ndarray, size: int, spread: float = 0.2) -> np.ndarray:
    images = np.zeros((len(centres), size, size))
    for n, (x0, y0) in enumerate(centres):
        for row in range(size):
            for column in range(size):
                u, v = -1 + 2 * column / (size - 1), -1 + 2 * row / (size - 1)
                images[n, row, column] = math.exp(-((u - x0) ** 2 + (v - y0) ** 2) / (2 * spread**2))
    return images


def raw(dataset: Dataset) -> np.ndarray:
    return dataset.x[..., 0] * dataset.scale + dataset.offset


def every_set(size: int) -> list[Dataset]:
    return [
        data.bumps(16, size),
        data.bumps_test(5, size, key=jax.random.key(0)),
        data.bumps_diagonal(4, size),
    ]


@pytest.mark.parametrize("size", [8, 11])
def test_pixels_follow_the_formula(size: int) -> None:
    for dataset in every_set(size):
        assert dataset.labels is not None
        np.testing.assert_allclose(raw(dataset), naive_bumps(dataset.labels, size), atol=1e-6)


def test_spread_can_be_chosen() -> None:
    centres = np.array([[0.3, -0.6]])
    np.testing.assert_allclose(bump_images(centres, 9, 0.35), naive_bumps(centres, 9, 0.35), atol=1e-12)


def test_sets_are_float32_images_with_a_centre_each() -> None:
    for dataset, count in zip(every_set(8), (16, 5, 4), strict=True):
        assert dataset.x.dtype == np.float32
        assert dataset.x.shape == (count, 8, 8, 1)
        assert dataset.shape == (8, 8, 1)
        assert len(dataset) == count
        assert dataset.labels is not None and dataset.labels.shape == (count, 2)
        assert json.loads(json.dumps(dataset.provenance)) == dataset.provenance


def test_default_sizes_are_the_papers() -> None:
    assert data.bumps().x.shape == (100, 64, 64, 1)
    assert data.bumps_test(key=jax.random.key(0)).x.shape == (1000, 64, 64, 1)
    assert data.bumps_diagonal().x.shape == (100, 64, 64, 1)


def test_training_centres_are_a_square_grid() -> None:
    axis = [-0.5 + i / 9 for i in range(10)]
    wanted = sorted((x0, y0) for x0 in axis for y0 in axis)
    found = sorted(map(tuple, data.bumps(image_size=8).labels))  # type: ignore[arg-type]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_training_set_is_standardised_by_two_scalars() -> None:
    train = data.bumps(image_size=16)
    assert abs(train.x.mean()) < 1e-5
    assert abs(train.x.std() - 1) < 1e-5
    assert isinstance(train.offset, float) and isinstance(train.scale, float)
    images = naive_bumps(train.labels, 16)  # type: ignore[arg-type]
    assert train.offset == pytest.approx(images.mean())
    assert train.scale == pytest.approx(images.std())


@pytest.mark.parametrize("size", [8, 16])
def test_test_sets_are_scaled_by_the_training_set_of_their_size(size: int) -> None:
    train = data.bumps(image_size=size)
    for test in (data.bumps_test(7, size, key=jax.random.key(3)), data.bumps_diagonal(7, size)):
        assert (test.offset, test.scale) == (train.offset, train.scale)


def test_same_bump_is_the_same_array_in_the_test_set() -> None:
    train, diagonal = data.bumps(image_size=16), data.bumps_diagonal(10, 16)
    # the 10×10 grid meets the diagonal in every eleventh image
    np.testing.assert_array_equal(train.labels[::11], diagonal.labels)  # type: ignore[index]
    np.testing.assert_array_equal(train.x[::11], diagonal.x)


def test_test_centres_are_independent_and_spread_over_the_square() -> None:
    labels = data.bumps_test(2000, 8, key=jax.random.key(1)).labels
    assert labels is not None
    assert abs(np.corrcoef(labels.T)[0, 1]) < 0.08
    for coordinate in labels.T:
        assert -0.5 <= coordinate.min() < -0.49 and 0.49 < coordinate.max() <= 0.5
        assert coordinate.std() == pytest.approx(1 / math.sqrt(12), rel=0.05)
        assert abs(coordinate.mean()) < 0.03


def test_diagonal_set_moves_along_the_diagonal_in_order() -> None:
    diagonal = data.bumps_diagonal(21, 16)
    assert diagonal.labels is not None
    np.testing.assert_array_equal(diagonal.labels[:, 0], diagonal.labels[:, 1])
    np.testing.assert_allclose(diagonal.labels[:, 0], np.linspace(-0.5, 0.5, 21), atol=1e-12)
    # a bump on x0 = y0 is its own mirror image
    np.testing.assert_array_equal(diagonal.x, diagonal.x.transpose(0, 2, 1, 3))


def test_training_set_is_not_on_the_diagonal() -> None:
    train = data.bumps(16, 16)
    assert not np.array_equal(train.x, train.x.transpose(0, 2, 1, 3))


def test_same_key_gives_the_same_bits() -> None:
    first, again, other = (data.bumps_test(20, 8, key=jax.random.key(seed)) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert not np.array_equal(first.x, other.x)


@pytest.mark.parametrize(("count", "remedy"), [(99, "81 or 100"), (101, "100 or 121"), (2, "4 or 9"), (0, "4 or 9")])
def test_number_of_training_bumps_must_be_square(count: int, remedy: str) -> None:
    with pytest.raises(ValueError, match=f"num_images = {count} .*use {remedy}"):
        data.bumps(count, 8)


@pytest.mark.parametrize("count", [1, -4])
def test_fewer_than_four_training_bumps_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"num_images = {count} is not a square number of 4 or more"):
        data.bumps(count, 8)


@pytest.mark.parametrize("size", [7, 0, -64])
def test_too_small_images_are_refused(size: int) -> None:
    for make in (
        lambda: data.bumps(16, size),
        lambda: data.bumps_test(3, size, key=jax.random.key(0)),
        lambda: data.bumps_diagonal(3, size),
    ):
        with pytest.raises(ValueError, match=f"image_size = {size}: .*use 8 or more"):
            make()


def test_empty_test_sets_are_refused() -> None:
    with pytest.raises(ValueError, match="num_images = 0: .*at least 1"):
        data.bumps_test(0, 8, key=jax.random.key(0))
    with pytest.raises(ValueError, match="num_images = 1: .*at least 2"):
        data.bumps_diagonal(1, 8)


def test_take_gives_the_first_images_and_keeps_the_facts() -> None:
    train = data.bumps(16, 8)
    first = train.take(3)
    np.testing.assert_array_equal(first.x, train.x[:3])
    np.testing.assert_array_equal(first.labels, train.labels[:3])  # type: ignore[index]
    facts = ("name", "offset", "scale", "provenance", "shape")
    assert all(getattr(first, fact) == getattr(train, fact) for fact in facts)
    assert len(train) == 16


def test_origin_says_what_was_found_and_names_the_files() -> None:
    images = bumps(16, image_size=8)
    assert images.origin == "bumps: 16 images (8, 8, 1), found: computed"
    files = {"name": "a.gz", "sha256": "0123456789abcdef", "url": "https://x/a.gz"}, {"name": "b", "sha256": "ff" * 32}
    found = replace(images, provenance={"found": "manual_dir", "files": files})
    assert found.origin.splitlines()[1:] == ["  a.gz  0123456789ab  https://x/a.gz", "  b  ffffffffffff"]
    assert "nobody said where" in replace(images, provenance={}).origin


def test_take_works_without_labels() -> None:
    assert Dataset("plain", np.zeros((4, 8, 8, 1), np.float32)).take(2).labels is None


@pytest.mark.parametrize("n", [0, -1, 17])
def test_take_refuses_what_is_not_there(n: int) -> None:
    with pytest.raises(ValueError, match=f"n = {n}, but bumps has 16 images: ask for 1 to 16"):
        data.bumps(16, 8).take(n)


def test_take_all() -> None:
    assert len(data.bumps(16, 8).take(16)) == 16
