"""The notebooks' exercises: each `check_*` tries a reader's answer and says what is wrong with it.

A check never raises for a wrong answer, so that a notebook runs to its end while an exercise is open.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from vrrae_lab import display
from vrrae_lab.checks import check_kind
from vrrae_lab.density import KernelDensity
from vrrae_lab.gaussian import LOG_2_PI
from vrrae_lab.metrics import effective_rank, relative_error


@dataclass(frozen=True, repr=False)
class Checked:
    """What a check found.

    Attributes:
        right: whether the answer is.
        words: why, or what to look at next.
        function: the answer if it is right, and a solution of ours until then, so that what builds on it can be seen.
    """

    right: bool
    words: str
    function: Callable[..., Any]

    def __repr__(self) -> str:
        return self.words

    def _repr_html_(self) -> str:
        return display.card("✓" if self.right else "○", self.words)


class _NotFilledIn(Exception):
    """The answer is still the stub."""


def _exercise(ours: Callable[..., Any]) -> Callable[[Callable[[Callable[..., Any]], str]], Any]:
    """A check whose assertions are hints becomes one that returns what it found; `ours` is a solution."""

    def made(check: Callable[[Callable[..., Any]], str]) -> Callable[[Callable[..., Any]], Checked]:
        @functools.wraps(check)
        def checked(answer: Callable[..., Any]) -> Checked:
            check_kind("answer", answer, Callable, "give the function itself, without calling it")
            try:
                return Checked(True, check(answer), answer)
            except _NotFilledIn:
                words = "Not filled in yet: put your answer in the place of the three dots."
            except AssertionError as hint:
                words = f"Not yet: {hint}."
            except Exception as error:  # of the answer: whatever it is, the reader should see it in a line
                words = f"Not yet: your function stopped with {type(error).__name__}: {error}."
            return Checked(False, words, ours)

        return checked

    return made


def _asked(answer: Callable[..., Any], *arguments: Any) -> Any:
    """What the answer gives, which must be something."""
    found = answer(*arguments)
    if found is None or found is ...:
        raise _NotFilledIn
    return found


def _smallest_rank(singular_values: np.ndarray, share: float) -> int:
    energy = np.cumsum(singular_values**2) / np.sum(singular_values**2)
    return int(np.sum(energy < share)) + 1


def _truncate(z: np.ndarray, rank: int) -> np.ndarray:
    kept = np.argsort(np.argsort(-z.std(axis=0))) < rank
    return np.where(kept, z, z.mean(axis=0))


def _dropped_energy(latents: np.ndarray, rank: int) -> float:
    energy = np.linalg.svd(latents, compute_uv=False) ** 2
    return float(energy[rank:].sum() / energy.sum())


def _divergence(z: np.ndarray, centres: np.ndarray, bandwidth: float) -> float:
    log_prior = -0.5 * np.sum(z**2 + LOG_2_PI, axis=1)
    return float(np.mean(KernelDensity(centres, bandwidth).log_density(jnp.asarray(z)) - log_prior))


def _error_of_each(x: np.ndarray, x_hat: np.ndarray) -> np.ndarray:
    off, own = (np.linalg.norm(images.reshape(len(x), -1), axis=1) for images in (x_hat - x, x))
    return off / own


@_exercise(relative_error)
def check_relative_error(answer: Callable[[np.ndarray, np.ndarray], float]) -> str:
    r"""Notebook 00: $100 \lVert \hat X - X \rVert / \lVert X \rVert$, the error of a batch in percent.

    Args:
        answer: maps images and their reconstructions, both (batch, height, width, channels), to a number.
    """
    x = np.zeros((2, 2, 1, 1))
    x[:, :, 0, 0] = [[3.0, 0.0], [0.0, 4.0]]  # of norm 5
    x_hat = x.copy()
    x_hat[1, 0] = 1.0  # off by 1 in one pixel
    found = _asked(answer, x, x_hat)
    assert np.ndim(found) == 0, f"one number is wanted for the batch, but the answer has shape {np.shape(found)}"
    assert abs(found - 0.2) > 1e-6, "that is a share: percent are wanted, 100 times as much"
    assert abs(found - 4) > 1e-6, "that is a ratio of squares: take the root of both sums, or of their ratio"
    assert abs(found - 100) > 1e-6, "divide by the norm of the images; is that 1 in your answer, or the error itself?"
    assert abs(found - 20) < 1e-6, (
        f"images of norm 5 that are missed by a norm of 1 have an error of 20 %, not {found:.4g}: "
        "add up squares over all pixels of all images, then take the root"
    )
    assert abs(_asked(answer, x, x)) < 1e-9, "a perfect reconstruction has the error 0"
    return "Right: it is what `vl.metrics.relative_error` computes, and every table of this course quotes."


@_exercise(lambda means: means.var(axis=0) > 0.01)
def check_active_units(answer: Callable[[np.ndarray], np.ndarray]) -> str:
    """Notebook 03: which coefficients are active (Burda, Grosse & Salakhutdinov, arXiv 1509.00519, section 5)?

    Args:
        answer: maps posterior means (batch, rank) to one boolean per coefficient: variance over the batch > 0.01.
    """
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], size=(400, 1))
    # columns of standard deviation 1, 0.15, 0.05, and a constant 3
    means = np.hstack([signs, 0.15 * signs, 0.05 * signs, np.full_like(signs, 3.0)])
    found = np.asarray(_asked(answer, means))
    assert found.shape == (4,), (
        f"one boolean per coefficient is wanted, shape (4,), but the answer has shape {found.shape}: "
        "take the variance over the batch, axis 0"
    )
    assert found.dtype == bool, f"the answer holds {found.dtype}, not booleans: compare with the threshold using >"
    assert not found[3], (
        "a coefficient that is 3 for every image tells the decoder nothing, yet it was called active: "
        "look at how it varies, not at how large it is"
    )
    assert not found[2], (
        "a standard deviation of 0.05 is a variance of 0.0025, below 0.01: compare the variance, not the deviation"
    )
    assert found[1], "a standard deviation of 0.15 is a variance of 0.0225, above 0.01: that coefficient is active"
    assert found[0], "a coefficient that is ±1 was called collapsed"
    return "Right: the first two are active, the last two have collapsed."


@_exercise(_smallest_rank)
def check_smallest_rank(answer: Callable[[np.ndarray, float], int]) -> str:
    """Notebook 01: the smallest rank whose truncation keeps a given share of the energy.

    Args:
        answer: maps singular values in decreasing order and a share, above 0 and at most 1, to a rank.
    """
    # squares 16, 4, 4, 1 of 25: the shares kept are 0.64, 0.8, 0.96, 1
    singular_values = np.array([4.0, 2.0, 2.0, 1.0])
    found = _asked(answer, singular_values, 0.5)
    assert isinstance(found, int | np.integer), f"a rank is a whole number, but the answer is {found!r}: use int(...)"
    assert found != 0, "rank 0 keeps nothing: the count of partial sums that are too small is one less than the rank"
    assert found == 1, f"rank 1 keeps 0.64 of the energy, which is 0.5 or more, but the answer is {found}"
    found = _asked(answer, singular_values, 0.7)
    assert found != 3, "that is right for sums of σ; the energy is the sum of σ²"
    assert found == 2, f"rank 2 keeps 0.8 of the energy and rank 1 only 0.64, so 0.7 needs rank 2, not {found}"
    found = _asked(answer, singular_values, 0.9)
    assert found == 3, f"rank 3 keeps 0.96 of the energy and rank 2 only 0.8, so 0.9 needs rank 3, not {found}"
    exact = np.array([1.0, 1.0])
    found = _asked(answer, exact, 0.5)
    assert found == 1, f"with σ = (1, 1), rank 1 keeps exactly 0.5, and at least 0.5 was asked for, but you say {found}"
    return "Right: the smallest rank that keeps the share."


@_exercise(lambda eigenvalues, beta: eigenvalues < beta / 2)
def check_collapse_threshold(answer: Callable[[np.ndarray, float], np.ndarray]) -> str:
    """Notebook 02: which coefficients of a linear VRRAE collapse (claim 7: those with λ² < β/2)?

    Args:
        answer: maps eigenvalues λ² of XᵀX/N and a β, in the library's convention, to one boolean per eigenvalue.
    """
    eigenvalues = np.array([4.0, 1.5, 0.8, 0.2])
    found = np.asarray(_asked(answer, eigenvalues, 2.0))
    assert found.shape == (4,) and found.dtype == bool, (
        f"one boolean per eigenvalue is wanted, but the answer has shape {found.shape} and holds {found.dtype}"
    )
    assert not found[0], "λ² = 4 survives β = 2 (1 - β/(2λ²) is 0.75), but was called collapsed: is your sign right?"
    assert not found[1], (
        "λ² = 1.5 survives β = 2, as 1 - β/(2λ²) is positive, but was called collapsed: compare with β/2, not with β"
    )
    assert found[3], "λ² = 0.2 collapses at β = 2, as 1 - β/(2λ²) is negative, but was called active"
    assert found[2], (
        "λ² = 0.8 collapses at β = 2, as 1 - β/(2λ²) is negative, but was called active: compare with β/2, "
        "not with less"
    )
    assert not np.asarray(_asked(answer, eigenvalues, 6.0))[0], (
        "λ² = 4 survives β = 6, as 1 - β/(2λ²) is positive, but was called collapsed: the eigenvalue is λ², not λ"
    )
    assert not np.asarray(_asked(answer, eigenvalues, 0.0)).any(), "without a KL term, β = 0, nothing collapses"
    return "Right: the first two stay active, the last two collapse."


@_exercise(lambda mean, log_variance: (mean**2).mean(axis=0) + np.exp(log_variance).mean(axis=0) - 1)
def check_gauge(answer: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> str:
    """Notebook 04: how far each coefficient is from mean square plus mean variance = 1 (claim 8).

    Args:
        answer: maps posterior means and log variances, both (batch, rank), to one number per coefficient.
    """
    mean = np.array([[0.0, 2.0, 0.0], [0.0, 2.0, 1.0]])
    log_variance = np.log([[1.0, 0.5, 0.25], [1.0, 0.5, 0.75]])
    # by coefficient: 0 + 1 - 1, 4 + 0.5 - 1, 0.5 + 0.5 - 1
    found = np.asarray(_asked(answer, mean, log_variance))
    assert found.shape == (3,), f"one number per coefficient is wanted, but the shape is {found.shape}: average axis 0"
    assert abs(found[0] - 1) > 1e-9, "a coefficient equal to its prior keeps the law, distance 0, but got 1: subtract 1"
    assert abs(found[0]) < 1e-9, f"a coefficient equal to its prior keeps the law: 0 is wanted, not {found[0]:.3g}"
    assert abs(found[1] + 0.5) > 1e-9, "a constant mean of 2 counts with its square, 4: use the mean square, not var"
    assert abs(found[1] - 3.5) < 1e-9, f"mean 2 and variance 0.5 give 4 + 0.5 - 1 = 3.5, not {found[1]:.3g}"
    assert abs(found[2]) < 1e-9, (
        f"means 0 and 1 with variances 0.25 and 0.75 give 0.5 + 0.5 - 1 = 0, not {found[2]:.3g}: average the "
        "variances, not their logarithms"
    )
    return "Right: zero for the prior, and for what has its mean square and mean variance."


@_exercise(_truncate)
def check_truncate(answer: Callable[[np.ndarray, int], np.ndarray]) -> str:
    """Notebook 05: the coefficients of largest spread as they are, all others at their mean.

    Args:
        answer: maps coefficients (batch, rank) and how many to keep to coefficients of the same shape.
    """
    z = np.array([[5.0, 0.0, 1.0], [5.5, 8.0, 3.0], [6.0, -2.0, 5.0]])  # spreads 0.4, 4.3, 1.6; means 5.5, 2, 3
    given = z.copy()
    found = np.asarray(_asked(answer, z, 1))
    assert np.array_equal(z, given), "the coefficients that were given have changed: work on a copy, z.copy()"
    assert found.shape == (3, 3), f"one row for each image is wanted, shape (3, 3), but the answer has {found.shape}"
    assert not np.allclose(found[:, 0], z[:, 0]), (
        "column 0 has the largest values and the smallest spread: what is 5.5 for every image tells nothing"
    )
    assert np.allclose(found[:, 1], z[:, 1]), "column 1 varies most, so with one kept it stays as it is"
    assert not np.allclose(found[:, [0, 2]], 0), (
        "what is left out is 0 in your answer: the decoder has learned the mean, and would be given something else"
    )
    assert np.allclose(found[:, [0, 2]], [5.5, 3.0]), "columns 0 and 2 should be their means over the batch, axis 0"
    assert np.allclose(_asked(answer, z, 2)[:, 1:], z[:, 1:]), "with two kept, columns 1 and 2 stay as they are"
    assert np.allclose(_asked(answer, z, 3), z), "with all three kept, nothing changes"
    return "Right: that is what the slider “rank” does."


@_exercise(lambda beta, percent, squared_norm, batch_size: beta * percent / 100 * batch_size * squared_norm / 50)
def check_beta_per_sample(answer: Callable[[float, float, float, int], float]) -> str:
    """Notebook 08: what a β of the papers' loss is in the loss per sample and in nats (claim 17).

    Args:
        answer: maps β, a relative error in percent, the mean of an image's squared norm and a batch size to the weight
            that the KL divergence has beside the squared error of an image.
    """
    beta, percent, squared_norm, batch_size = 2.0, 25.0, 10.0, 40
    # ‖X‖² = 400 and ‖X̂ - X‖ = ‖X‖ / 4, so the weight is 2 · 100 / 50
    found = _asked(answer, beta, percent, squared_norm, batch_size)
    assert np.ndim(found) == 0, f"one number is wanted, but the answer has shape {np.shape(found)}"
    assert abs(found - 400) > 1e-6, "the error is given in percent: divide it by 100"
    assert abs(found - 0.1) > 1e-6, "‖X‖² is that of the whole batch: batch_size times that of one image"
    assert abs(found - 1) > 1e-6, "‖X̂ - X‖ is the error times ‖X‖, not times its square: do not square the error"
    assert abs(found - 16) > 1e-6, "that is without the error: ‖X̂ - X‖ is a quarter of ‖X‖ here"
    assert abs(found - 0.2) > 1e-6, "‖X̂ - X‖ · ‖X‖ has the dimension of ‖X‖², which is given: take no root of it"
    assert abs(found - 2) > 1e-6, "divide by 50, not by 100: the gradient of a square has a factor of two"
    assert abs(found - 4) < 1e-6, (
        f"β = 2, 25 % error and 40 images of squared norm 10 give 2 · (0.25 · 400) / 50 = 4, not {found:.4g}"
    )
    assert abs(_asked(answer, 2 * beta, percent, squared_norm, batch_size) - 8) < 1e-6, (
        "twice the β is twice the weight"
    )
    return "Right: the weight grows with the batch, and shrinks as the model learns."


@_exercise(_dropped_energy)
def check_dropped_energy(answer: Callable[[np.ndarray, int], float]) -> str:
    """Notebook 09: the share of the energy of a batch of latents that a truncated SVD drops.

    Args:
        answer: maps latents (batch, latent_size) and a rank to a number from 0 to 1.
    """
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))
    latents = np.zeros((4, 5))
    latents[:3] = np.array([4.0, 2.0, 1.0])[:, None] * rotation[:3]
    # squares 16, 4, 1 of 21
    found = _asked(answer, latents, 1)
    assert np.ndim(found) == 0, f"one number is wanted, but the answer has shape {np.shape(found)}: sum what is dropped"
    assert abs(found - 16 / 21) > 1e-6, "that is the share that is kept: the dropped one is the rest"
    assert abs(found - 3 / 7) > 1e-6, "that is right for sums of σ; the energy is the sum of σ²"
    assert abs(found - 5) > 1e-6, "that is the energy that is dropped: divide it by all of it"
    assert abs(found - 1 / 21) > 1e-6, "rank 1 keeps one direction, but you keep two: the first is number 0"
    assert found != 1, "rank 1 keeps the largest direction, but you drop all: slice from rank on"
    assert abs(found - 5 / 21) < 1e-6, f"σ = (4, 2, 1) and rank 1 drop 5/21 = {5 / 21:.3f}, not {found:.3g}"
    found = _asked(answer, latents, 2)
    assert abs(found - 1 / 21) < 1e-6, f"σ = (4, 2, 1) and rank 2 drop 1/21 = {1 / 21:.3f}, not {found:.3g}"
    assert abs(_asked(answer, latents, 4)) < 1e-6, "four images have at most four directions, so rank 4 drops nothing"
    return "Right: what is left of the energy after the first directions."


@_exercise(lambda train, test: 100 * np.mean(test == (train.mean(axis=0) > 0.5)))
def check_majority_accuracy(answer: Callable[[np.ndarray, np.ndarray], float]) -> str:
    """Notebook 10: how many labels are right, in percent, if each attribute is always given its most frequent value.

    Args:
        answer: maps labels of training images and of test images, both (images, attributes) of 0 and 1, to a number
            from 0 to 100.
    """
    train = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]])
    test = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 1, 1]])
    # always (1, 0, 0): right for 1, 1 and 3 of 4 test images
    found = _asked(answer, train, test)
    assert np.ndim(found) == 0, f"one number is wanted, but the answer has shape {np.shape(found)}: average all labels"
    assert abs(found - 100 * 9 / 12) > 1e-6, "the most frequent value is that in the training labels, not in the test"
    assert abs(found - 100 * 7 / 12) > 1e-6, (
        "you give every attribute the same value, but each has its own most frequent one: average the columns, axis 0"
    )
    assert abs(found - 5 / 12) > 1e-6, "percent are wanted, not a share"
    assert abs(found - 100 * 10 / 12) > 1e-6, "the labels that count are those of the test images"
    assert abs(found) > 1e-6, "all three attributes are right at once for no image here; count the labels one by one"
    assert abs(found - 100 * 5 / 12) < 1e-6, (
        f"always (1, 0, 0) is right for 5 of the 12 test labels, 41.7 %, not {found:.3g} %"
    )
    return "Right: what no classifier should fall below."


@_exercise(effective_rank)
def check_effective_rank(answer: Callable[[np.ndarray], float]) -> str:
    """Notebook 11: how many directions are in use (Roy & Vetterli, *The effective rank*, EUSIPCO 2007)?

    Args:
        answer: maps singular values, of which some may be 0, to the exponential of the entropy of their shares.
    """
    with np.errstate(all="ignore"):  # of a wrong answer, which the hints below name
        equal, zeros = _asked(answer, np.full(4, 3.0)), _asked(answer, np.array([2.0, 2.0, 0.0]))
        unequal, scaled = (_asked(answer, scale * np.array([3.0, 1.0])) for scale in (1.0, 10.0))
    assert np.ndim(equal) == 0, f"one number is wanted, but the answer has shape {np.shape(equal)}: sum over the shares"
    assert abs(equal - np.log(4)) > 1e-6, "four equal values gave log 4, their entropy: take its exponential"
    assert abs(equal - np.e**2) > 1e-6, "four equal values gave e²: the logarithm has base 2, the exponential base e"
    assert abs(equal - 4) < 1e-6, f"four equal singular values are four directions in use, not {equal:.3g}"
    assert not np.isnan(zeros), (
        "a singular value of 0 gave NaN: leave zeros out, their share adds nothing to an entropy"
    )
    assert abs(zeros - 2) < 1e-6, f"two equal values and a zero are two directions in use, not {zeros:.3g}"
    assert abs(scaled - unequal) < 1e-6, "ten times the singular values changed the answer: divide them by their sum"
    wanted, of_squares = (effective_rank(np.array(values)) for values in ((3.0, 1.0), (9.0, 1.0)))
    assert abs(unequal - of_squares) > 1e-6, "the shares are those of σ, not of σ²"
    assert abs(unequal - wanted) < 1e-6, (
        f"σ = (3, 1) has shares 3/4 and 1/4 and effective rank 1.755, not {unequal:.4g}"
    )
    return "Right: as many as there are equal directions, and fewer where one is larger."


@_exercise(lambda x, x_hat, count: np.argsort(-_error_of_each(x, x_hat), kind="stable")[:count])
def check_worst(answer: Callable[[np.ndarray, np.ndarray, int], np.ndarray]) -> str:
    """Notebook 12: which images does a model reconstruct worst?

    Args:
        answer: maps images and their reconstructions, both (batch, height, width, channels), and a count to the numbers
            of that many images, by falling relative error.
    """
    x, off = np.zeros((4, 2, 2, 1)), np.zeros((4, 2, 2, 1))
    x[:, 0, 0, 0] = [10, 1, 4, 5]
    off[0, :, :, 0] = 1  # of norm 2
    off[1:3, 1, 1, 0] = [0.5, 1]
    # relative errors 0.2, 0.5, 0.25, 0; of the errors alone the first is the largest
    found = np.asarray(_asked(answer, x, x + off, 2))
    assert found.ndim, f"two numbers are wanted, but the answer is one, {found}: keep a number for each image, axis 0"
    assert found.dtype.kind in "iu", f"whole numbers are wanted, but the answer has {found.dtype}: use np.argsort"
    assert found.shape == (2,), f"count = 2, but the answer has shape {found.shape}: cut it with [:count]"
    assert 3 not in found, "image 3 is reconstructed perfectly, yet you name it: sort by falling error"
    assert set(found) != {0, 2}, "these have the largest errors, but 1 is the largest for its norm: divide by the norm"
    assert set(found) == {1, 2}, f"the relative errors are 0.2, 0.5, 0.25 and 0, so 1 and 2 are wanted, not {found}"
    assert found.tolist() == [1, 2], "the right two, but the worst, 1, comes first"
    assert np.asarray(_asked(answer, x, x + off, 3)).tolist() == [1, 2, 0], "with count = 3, image 0 comes third"
    return "Right: the worst first, each measured against its own norm."


@_exercise(lambda points, bandwidth: KernelDensity(points, bandwidth).leave_one_out())
def check_leave_one_out(answer: Callable[[np.ndarray, float], np.ndarray]) -> str:
    """Notebook 06: the log density of each point under Gaussian kernels on all others.

    Args:
        answer: maps points (m, l) and a bandwidth to m numbers in nats.
    """
    points, bandwidth = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]), 0.5
    normaliser = np.log(2 * np.pi * bandwidth**2)  # of two dimensions
    wanted, wrong_answers = _left_out(points, bandwidth)
    with np.errstate(all="ignore"):  # of a wrong answer, which the hints below name
        found = np.asarray(_asked(answer, points, bandwidth))
        far = np.asarray(_asked(answer, 100 * points, bandwidth))
    assert found.shape == (3,), (
        f"one log density per point is wanted, shape (3,), but the answer has shape {found.shape}: "
        "sum over the other points, and do not average"
    )
    for hint, wrongs in wrong_answers.items():
        assert not any(np.allclose(found, wrong) for wrong in wrongs), hint
    assert np.allclose(found, wanted), f"the three log densities are {wanted.round(4)}, not {found.round(4)}"
    assert np.isfinite(far).all(), (
        "for points far apart every kernel underflows to 0 and its logarithm is -inf: take the logarithm of the sum "
        "by log-sum-exp"
    )
    # the nearest of the others decides, all else is less by e^-10000 or more
    least = np.array([1.0, 1.0, 4.0]) * 1e4 / (2 * bandwidth**2)
    assert np.allclose(far, -least - np.log(2) - normaliser), (
        f"for points far apart the first log density is {-least[0] - np.log(2) - normaliser:.1f}, not {far[0]:.1f}: "
        "is there a floor in the logarithm?"
    )
    return "Right: each point is judged by the others alone, however far they are."


def _left_out(points: np.ndarray, bandwidth: float) -> tuple[np.ndarray, dict[str, tuple[np.ndarray, ...]]]:
    """Log densities of three points in two dimensions under the others' kernels, and by hint what is often found."""
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    kernels = np.exp(-squares / (2 * bandwidth**2))
    normaliser = np.log(2 * np.pi * bandwidth**2)
    all_three, others = np.log(kernels.sum(axis=1)), np.log(kernels.sum(axis=1) - 1)
    wanted = others - np.log(2) - normaliser
    return wanted, {
        "the kernel of the point itself is still in the sum: leave it out": (
            all_three - np.log(2) - normaliser,
            all_three - np.log(3) - normaliser,
        ),
        "the others are m - 1 = 2 points, and you divided by m = 3": (others - np.log(3) - normaliser,),
        "divide by the number of the other points, m - 1": (others - normaliser,),
        "a kernel has the normaliser (2πh²)^(-l/2), which is missing": (others - np.log(2), others - np.log(3), others),
        "the normaliser is that of one dimension: raise it to the power l": (wanted + normaliser / 2,),
        "those are densities: take their logarithm": (np.exp(wanted),),
        "the exponent is minus the squared distance by 2h², not by h²": (
            np.log((kernels**2).sum(axis=1) - 1) - np.log(2) - normaliser,
        ),
    }


@_exercise(_divergence)
def check_aggregate_divergence(answer: Callable[[np.ndarray, np.ndarray, float], float]) -> str:
    """Notebook 07: AVAE's estimate of the KL divergence of the aggregate posterior from the prior.

    Args:
        answer: maps codes (batch, l), the codes on which the kernels are (m, l), and their bandwidth to one number, in
            nats.
    """
    z, centres, bandwidth = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[1.0, 1.0], [0.0, 0.5], [-1.0, 0.0]]), 0.5
    log_q = np.asarray(KernelDensity(centres, bandwidth).log_density(jnp.asarray(z)), np.float64)
    squares, normaliser = (z**2).sum(axis=1), np.log(2 * np.pi)  # that of a Gaussian in two dimensions
    each = log_q + squares / 2 + normaliser
    wanted = each.mean()
    swapped = np.asarray(KernelDensity(z, bandwidth).log_density(jnp.asarray(centres)), np.float64)
    found = _asked(answer, z, centres, bandwidth)
    assert np.ndim(found) == 0, f"one number is wanted, but the answer has shape {np.shape(found)}: average the codes"
    for hint, wrong in {
        "that is log p − log q: the divergence of q from p averages log q − log p": -wanted,
        "that is the sum over the codes: take their mean": each.sum(),
        "that is the mean of log q: the prior is missing": log_q.mean(),
        "subtract the log density of the prior, which is negative; you have added it": (2 * log_q - each).mean(),
        "the prior has a normaliser too, (2π)^(-l/2), which is missing": wanted - normaliser,
        "the normaliser of the prior is that of one dimension: raise it to the power l": wanted - normaliser / 2,
        "the exponent of the prior is minus half the squared norm: the half is missing": wanted + (squares / 2).mean(),
        "the kernels are on the centres and the density is wanted at z: you have swapped the two": (
            swapped + 0.5 * (centres**2).sum(axis=1) + normaliser
        ).mean(),
    }.items():
        assert abs(found - wrong) > 1e-3, hint
    assert abs(found - wanted) < 1e-3, f"the two codes here have a mean of {wanted:.3f} nats, not {found:.4g}"
    single = _asked(answer, z[:, :1], centres[:, :1], bandwidth)
    right = _divergence(z[:, :1], centres[:, :1], bandwidth)
    assert abs(single - right) < 1e-3, (
        f"right in two dimensions, but in one it should be {right:.3f} and not {single:.4g}: l is the number of columns"
    )
    return "Right: it is the second term of the loss, `vl.losses.AggregateMatching`."
