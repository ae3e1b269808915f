"""The fit of bumps against a general minimiser, and the straightness of paths of known shape."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from vrrae_lab import data, metrics
from vrrae_lab.data.synthetic import bump_images

RNG = np.random.default_rng(0)


# ---- the fit of bumps

TRAINING = data.bumps(image_size=16)


def scaled(raw: np.ndarray) -> np.ndarray:
    return ((raw - TRAINING.offset) / TRAINING.scale)[..., None]


def fitted_by_scipy(raw: np.ndarray) -> np.ndarray:
    """The nearest bump of height 1 and spread 0.2 to one image, by a general minimiser from many starts."""

    def distance(centre: np.ndarray) -> float:
        return float(((bump_images(centre[None], 16)[0] - raw) ** 2).sum())

    starts = [(a, b) for a in np.linspace(-0.8, 0.8, 5) for b in np.linspace(-0.8, 0.8, 5)]
    best = sorted(starts, key=lambda start: distance(np.array(start)))[:3]
    solutions = [minimize(distance, start, bounds=[(-1, 1)] * 2, tol=1e-14) for start in best]
    return bump_images(min(solutions, key=lambda s: s.fun).x[None], 16)[0]


def test_bumps_anywhere_fit_themselves() -> None:
    centres = np.array([[0.123456, -0.654321], [-0.5, 0.5], [0.0313, 0.4777], [0.9999, -0.98], [0.0, 0.0]])
    assert metrics.bump_fit_error(scaled(bump_images(centres, 16)), TRAINING) < 1e-3
    test = data.bumps_test(30, 16, key=jax.random.key(1))
    assert metrics.bump_fit_error(test.x, TRAINING) < 1e-3


def test_bump_of_the_wrong_height_has_the_error_one_can_work_out() -> None:
    raw = bump_images(np.array([[0.1234, -0.3071]]), 16)
    found = metrics.bump_fit_error(scaled(0.7 * raw), TRAINING)
    # a lower bump at the same place is nearest to the bump itself, and the two differ by 0.3 of it
    wanted = 100 * np.linalg.norm(0.3 * raw / TRAINING.scale) / np.linalg.norm(scaled(raw))
    assert found == pytest.approx(wanted, rel=1e-4)


def test_fit_agrees_with_a_general_minimiser() -> None:
    centres = np.array([[0.21, -0.37], [-0.44, 0.08], [0.33, 0.29]])
    raw = np.concatenate(
        [
            bump_images(centres[:1], 16, spread=0.3),
            bump_images(centres[1:2], 16, spread=0.12),
            1.4 * bump_images(centres[2:], 16) + 0.1 * bump_images(centres[:1], 16),
        ]
    )
    fitted = np.stack([fitted_by_scipy(image) for image in raw])
    wanted = 100 * np.linalg.norm(scaled(raw) - scaled(fitted)) / np.linalg.norm(scaled(fitted))
    assert metrics.bump_fit_error(scaled(raw), TRAINING) == pytest.approx(wanted, rel=1e-4)


def test_the_higher_of_two_bumps_is_fitted() -> None:
    """Though the lower one lies on a coarse grid and the higher one between its points."""
    centres = np.array([[0.31, 0.31], [-0.6, -0.6]])
    higher, lower = bump_images(centres, 16)
    image, fitted = scaled((higher + 0.95 * lower)[None]), scaled(higher[None])
    wanted = 100 * np.linalg.norm(image - fitted) / np.linalg.norm(fitted)
    assert metrics.bump_fit_error(image, TRAINING) == pytest.approx(wanted, rel=1e-2)


def test_images_that_are_no_bumps_have_a_large_error() -> None:
    noise = RNG.normal(size=(20, 16, 16, 1))
    assert metrics.bump_fit_error(noise, TRAINING) > 90
    assert metrics.bump_fit_error(scaled(np.zeros((3, 16, 16))), TRAINING) > 30
    two = bump_images(np.array([[-0.4, 0.4]]), 16) + bump_images(np.array([[0.4, -0.4]]), 16)
    assert metrics.bump_fit_error(scaled(two), TRAINING) > 80


@pytest.mark.parametrize("shape", [(2, 16, 16), (2, 16, 12, 1), (2, 16, 16, 3), (16, 16)])
def test_bump_fit_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"bumps are \(batch, size, size, 1\)"):
        metrics.bump_fit_error(np.ones(shape), TRAINING)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bump_fit_refuses_images_that_are_not_finite(value: float) -> None:
    x = TRAINING.x[:3].copy()
    x[1, 2, 3] = value
    with pytest.raises(ValueError, match="NaN or infinity.*diverged"):
        metrics.bump_fit_error(x, TRAINING)


# ---- straightness


def test_straight_line() -> None:
    line = np.linspace(0, 1, 11)[:, None] * np.array([3.0, -1.0, 0.5]) + np.array([5.0, 5.0, 5.0])
    for path in (line, line[::-1], jnp.asarray(line)):
        assert metrics.straightness(path) == pytest.approx((1, 1))


def test_uneven_steps_on_a_line_are_still_straight() -> None:
    path = np.array([0.0, 0.1, 0.7, 0.75, 3.0])[:, None] * np.array([1.0, 2.0])
    assert metrics.straightness(path) == pytest.approx((1, 1))


def test_circle_is_as_wide_as_long() -> None:
    angle = 2 * np.pi * (np.arange(40) + 0.3) / 40
    share, monotonicity = metrics.straightness(np.stack([np.cos(angle), np.sin(angle)], axis=1))
    assert share == pytest.approx(0.5)
    assert monotonicity == pytest.approx(0.5, abs=0.03)


def test_back_and_forth_is_straight_but_turns() -> None:
    path = np.array([0.0, 1.0, 2.0, 3.0, 2.0])[:, None] * np.array([1.0, -2.0])
    assert metrics.straightness(path) == pytest.approx((1, 3 / 4))
    assert metrics.straightness(-path) == pytest.approx((1, 3 / 4))


def test_share_is_that_of_the_variance() -> None:
    path = np.array([[-2.0, 1.0], [-2.0, -1.0], [2.0, 1.0], [2.0, -1.0]])
    assert metrics.straightness(path)[0] == pytest.approx(4 / 5)


def test_straightness_refuses_what_has_no_direction() -> None:
    with pytest.raises(ValueError, match="2 points: straightness needs 3 or more"):
        metrics.straightness(np.eye(2))
    with pytest.raises(ValueError, match="all points of the path coincide"):
        metrics.straightness(np.ones((4, 2)))


@pytest.mark.usefixtures("unchecked")
def test_straightness_refuses_what_is_no_path() -> None:
    with pytest.raises(ValueError, match="path contains NaN or infinity"):
        metrics.straightness(np.array([[0.0], [np.nan], [1.0]]))
    with pytest.raises(ValueError, match=r"path has shape \(4,\): give one sample per row"):
        metrics.straightness(np.arange(4.0))
