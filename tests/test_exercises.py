"""Every check accepts a right answer and names what is wrong with each of the usual wrong ones."""

import re

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from vrrae_lab import exercises
from vrrae_lab.density import KernelDensity
from vrrae_lab.exercises import (
    check_active_units,
    check_aggregate_divergence,
    check_beta_per_sample,
    check_collapse_threshold,
    check_dropped_energy,
    check_effective_rank,
    check_gauge,
    check_leave_one_out,
    check_majority_accuracy,
    check_relative_error,
    check_smallest_rank,
    check_truncate,
    check_worst,
)

CHECKS = {name: check for name, check in vars(exercises).items() if name.startswith("check_") and name != "check_kind"}


def assert_hint(checked, hint):
    assert not checked.right and checked.words.startswith("Not yet: ")
    assert re.search(hint, checked.words), checked.words


@pytest.mark.parametrize("name", CHECKS)
def test_a_stub_is_not_filled_in_yet_and_stops_nothing(name):
    def stub(*arguments): ...

    for answer in (stub, lambda *arguments: ...):
        found = CHECKS[name](answer)
        assert not found.right and found.words.startswith("Not filled in yet")
        assert CHECKS[name](found.function).right  # ours


@pytest.mark.parametrize("name", CHECKS)
def test_an_answer_that_stops_is_told_why(name):
    assert_hint(
        CHECKS[name](lambda *arguments: 1 / 0), "your function stopped with ZeroDivisionError: division by zero"
    )


def test_a_right_answer_takes_the_place_of_ours():
    def answer(means):
        return means.var(axis=0) > 0.01

    assert check_active_units(answer).function is answer


def test_relative_error_accepts_the_right_answer():
    assert check_relative_error(lambda x, y: 100 * np.linalg.norm(y - x) / np.linalg.norm(x)).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda x, y: np.linalg.norm(y - x) / np.linalg.norm(x), "percent are wanted"),
        (lambda x, y: 100 * ((y - x) ** 2).sum() / (x**2).sum(), "take the root"),
        (lambda x, y: 100 * np.linalg.norm(y - x), "divide by the norm of the images"),
        (lambda x, y: 100 * np.abs(y - x).mean() / np.abs(x).mean(), "add up squares over all pixels"),
        (lambda x, y: 100 * np.linalg.norm(y - x, axis=(1, 2)) / np.linalg.norm(x, axis=(1, 2)), "one number"),
        (lambda x, y: 20.0, "a perfect reconstruction"),
    ],
)
def test_relative_error_says_what_is_wrong(answer, hint):
    assert_hint(check_relative_error(answer), hint)


def test_what_is_found_shows_itself():
    found = check_smallest_rank(lambda singular_values, share: 2)
    assert repr(found) == found.words and found.words in found._repr_html_().replace("&#x27;", "'")


def test_active_units_accepts_the_right_answer():
    assert check_active_units(lambda means: means.var(axis=0) > 0.01).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda means: means.var() > 0.01, "one boolean per coefficient"),
        (lambda means: means.var(axis=1) > 0.01, "axis 0"),
        (lambda means: means.var(axis=0), "not booleans"),
        (lambda means: (means**2).mean(axis=0) > 0.01, "how it varies"),
        (lambda means: np.abs(means).max(axis=0) > 0.01, "how it varies"),
        (lambda means: means.std(axis=0) > 0.01, "not the deviation"),
        (lambda means: means.var(axis=0) > 0.1, "that coefficient is active"),
        (lambda means: means.var(axis=0) < 0, "is active"),
    ],
)
def test_active_units_says_what_is_wrong(answer, hint):
    assert_hint(check_active_units(answer), hint)


def kept(singular_values, power=2):
    energy = np.cumsum(singular_values**power)
    return energy / energy[-1]


def test_smallest_rank_accepts_right_answers():
    assert check_smallest_rank(lambda singular_values, share: int(np.argmax(kept(singular_values) >= share)) + 1).right
    assert check_smallest_rank(lambda singular_values, share: np.searchsorted(kept(singular_values), share) + 1).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda singular_values, share: kept(singular_values), "whole number"),
        (lambda singular_values, share: int(np.sum(kept(singular_values) < share)), "one less than the rank"),
        (lambda singular_values, share: int(np.sum(kept(singular_values, 1) < share)) + 1, "0.64 of the energy"),
        (lambda singular_values, share: 1 if share < 0.6 else int(np.sum(kept(singular_values, 1) < share)) + 1, "σ²"),
        (lambda singular_values, share: int(np.sum(kept(singular_values) <= share)) + 1, "exactly 0.5"),
        (lambda singular_values, share: len(singular_values), "0.5 or more"),
        (lambda singular_values, share: min(2, int(np.sum(kept(singular_values) < share)) + 1), "needs rank 3"),
        (lambda singular_values, share: 1, "needs rank 2"),
    ],
)
def test_smallest_rank_says_what_is_wrong(answer, hint):
    assert_hint(check_smallest_rank(answer), hint)


def test_collapse_threshold_accepts_the_right_answer():
    assert check_collapse_threshold(lambda eigenvalues, beta: eigenvalues < beta / 2).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda eigenvalues, beta: (eigenvalues < beta / 2).any(), "one boolean per eigenvalue"),
        (lambda eigenvalues, beta: 1 - beta / (2 * eigenvalues), "holds float64"),
        (lambda eigenvalues, beta: eigenvalues > beta / 2, "sign"),
        (lambda eigenvalues, beta: eigenvalues < beta, "not with β"),
        (lambda eigenvalues, beta: eigenvalues < 0, "0.2 collapses"),
        (lambda eigenvalues, beta: eigenvalues < beta / 4, "not with less"),
        (lambda eigenvalues, beta: np.sqrt(eigenvalues) < beta / 2, "λ², not λ"),
        (lambda eigenvalues, beta: eigenvalues < 1, "β = 0"),
    ],
)
def test_collapse_threshold_says_what_is_wrong(answer, hint):
    assert_hint(check_collapse_threshold(answer), hint)


def test_gauge_accepts_the_right_answer():
    assert check_gauge(lambda mean, log_variance: (mean**2 + np.exp(log_variance)).mean(axis=0) - 1).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda mean, log_variance: (mean**2 + np.exp(log_variance)).mean() - 1, "average axis 0"),
        (lambda mean, log_variance: (mean**2 + np.exp(log_variance)).mean(axis=0), "subtract 1"),
        (lambda mean, log_variance: (mean**2 + log_variance).mean(axis=0) - 1, "0 is wanted"),
        (lambda mean, log_variance: mean.var(axis=0) + np.exp(log_variance).mean(axis=0) - 1, "mean square, not var"),
        (lambda mean, log_variance: (mean**2).mean(axis=0) + np.exp(log_variance.mean(axis=0)) - 1, "logarithms"),
        (lambda mean, log_variance: (mean**2 + np.exp(log_variance / 2)).mean(axis=0) - 1, "= 3.5, not"),
    ],
)
def test_gauge_says_what_is_wrong(answer, hint):
    assert_hint(check_gauge(answer), hint)


def shares(singular_values):
    kept = singular_values[singular_values > 0]
    return kept / kept.sum()


def entropy(p, logarithm=np.log):
    return -(p * logarithm(p)).sum()


def test_effective_rank_accepts_the_right_answer():
    assert check_effective_rank(lambda singular_values: np.exp(entropy(shares(singular_values)))).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda s: np.exp(-shares(s) * np.log(shares(s))), "sum over the shares"),
        (lambda s: entropy(shares(s)), "take its exponential"),
        (lambda s: np.exp(entropy(shares(s), np.log2)), "base 2"),
        (lambda s: float((s > 1).sum()) + 1, "four directions in use, not 5"),
        (lambda s: np.exp(entropy(s / s.sum())), "leave zeros out"),
        (lambda s: float(len(s)), "two directions in use, not 3"),
        (lambda s: 4.0 if len(s) == 4 else 2.0 if len(s) == 3 else float(s.sum()), "divide them by their sum"),
        (lambda s: np.exp(entropy(shares(s**2))), "not of σ²"),
        (lambda s: float((s > 0).sum()), "1.755, not 2"),
    ],
)
def test_effective_rank_says_what_is_wrong(answer, hint):
    assert_hint(check_effective_rank(answer), hint)


def exponents(points, h):
    """Of the kernels, with no kernel of a point on itself."""
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    return np.where(np.eye(len(points)), -np.inf, -squares / (2 * h**2))


def normaliser(points, h):
    return points.shape[1] / 2 * np.log(2 * np.pi * h**2)


def left_out(points, h):
    return logsumexp(exponents(points, h), axis=1) - np.log(len(points) - 1) - normaliser(points, h)


def kernels(points, h):
    return np.exp(exponents(points, h)).sum(axis=1)


def test_leave_one_out_accepts_right_answers():
    assert check_leave_one_out(left_out).right
    assert check_leave_one_out(lambda points, h: KernelDensity(points, h).leave_one_out()).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda points, h: left_out(points, h).mean(), "do not average"),
        (lambda points, h: np.log((kernels(points, h) + 1) / len(points)) - normaliser(points, h), "itself is still"),
        (lambda points, h: np.log((kernels(points, h) + 1) / 2) - normaliser(points, h), "itself is still"),
        (lambda points, h: left_out(points, h) + np.log((len(points) - 1) / len(points)), "divided by m = 3"),
        (lambda points, h: left_out(points, h) + np.log(len(points) - 1), "m - 1"),
        (lambda points, h: left_out(points, h) + normaliser(points, h), "is missing"),
        (lambda points, h: left_out(points, h) + normaliser(points, h) / 2, "power l"),
        (lambda points, h: np.exp(left_out(points, h)), "take their logarithm"),
        (lambda points, h: left_out(points, h / 2**0.5) - np.log(2), "by 2h², not by h²"),
        (lambda points, h: 0 * left_out(points, h), r"-3.1423 .*, not \[-0"),
        (lambda points, h: np.log(kernels(points, h) / 2) - normaliser(points, h), "log-sum-exp"),
        (lambda points, h: np.log(kernels(points, h) / 2 + 1e-12) - normaliser(points, h), "a floor"),
    ],
)
def test_leave_one_out_says_what_is_wrong(answer, hint):
    assert_hint(check_leave_one_out(answer), hint)


def log_prior(z, half=0.5, dimensions=None):
    return -half * (z**2).sum(axis=1) - (z.shape[1] if dimensions is None else dimensions) / 2 * np.log(2 * np.pi)


def log_kernels(z, centres, h):
    return np.asarray(KernelDensity(centres, h).log_density(z))


def test_aggregate_divergence_accepts_right_answers():
    assert check_aggregate_divergence(lambda z, c, h: (log_kernels(z, c, h) - log_prior(z)).mean()).right

    def by_hand(z, c, h):
        exponents = -((z[:, None] - c[None]) ** 2).sum(axis=-1) / (2 * h**2)
        log_q = logsumexp(exponents, axis=1) - np.log(len(c)) - z.shape[1] / 2 * np.log(2 * np.pi * h**2)
        return np.mean(log_q - norm.logpdf(z).sum(axis=1))

    assert check_aggregate_divergence(by_hand).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda z, c, h: log_kernels(z, c, h) - log_prior(z), "average the codes"),
        (lambda z, c, h: (log_prior(z) - log_kernels(z, c, h)).mean(), "that is log p − log q"),
        (lambda z, c, h: (log_kernels(z, c, h) - log_prior(z)).sum(), "take their mean"),
        (lambda z, c, h: log_kernels(z, c, h).mean(), "the prior is missing"),
        (lambda z, c, h: (log_kernels(z, c, h) + log_prior(z)).mean(), "you have added it"),
        (lambda z, c, h: (log_kernels(z, c, h) - log_prior(z, dimensions=0)).mean(), "normaliser too"),
        (lambda z, c, h: (log_kernels(z, c, h) - log_prior(z, dimensions=1)).mean(), "the power l"),
        (lambda z, c, h: (log_kernels(z, c, h) - log_prior(z, half=1)).mean(), "the half is missing"),
        (lambda z, c, h: (log_kernels(c, z, h) - log_prior(c)).mean(), "swapped"),
        (lambda z, c, h: (log_kernels(z, c, h**2) - log_prior(z)).mean(), "-0.987 nats, not"),
        (lambda z, c, h: (log_kernels(z, c, h) - log_prior(z, dimensions=2)).mean(), "in one it should be"),
    ],
)
def test_aggregate_divergence_says_what_is_wrong(answer, hint):
    assert_hint(check_aggregate_divergence(answer), hint)


def weight(beta, percent, squared_norm, batch_size):
    return beta * percent / 100 * batch_size * squared_norm / 50


def truncated(z, rank, spread=None, fill=None):
    order = np.argsort(-(z.std(axis=0) if spread is None else spread))
    cut = np.tile(z.mean(axis=0) if fill is None else fill, (len(z), 1))
    cut[:, order[:rank]] = z[:, order[:rank]]
    return cut


def in_place(z, rank):
    z[:, np.argsort(-z.std(axis=0))[rank:]] = z.mean(axis=0)[np.argsort(-z.std(axis=0))[rank:]]
    return z


def test_truncate_accepts_the_right_answer():
    assert check_truncate(truncated).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (in_place, "work on a copy"),
        (lambda z, rank: truncated(z, rank)[:, :rank], "one row for each image"),
        (lambda z, rank: truncated(z, rank, spread=np.abs(z).max(axis=0) * [2, 1, 1]), "smallest spread"),
        (lambda z, rank: truncated(z, rank, spread=np.arange(3)), "varies most"),
        (lambda z, rank: truncated(z, rank, fill=np.zeros(3)), "is 0 in your answer"),
        (lambda z, rank: truncated(z, rank, fill=z[0]), "means over the batch"),
        (lambda z, rank: truncated(z, 1), "with two kept"),
        (lambda z, rank: truncated(z, min(rank, 2)), "with all three kept"),
    ],
)
def test_truncate_says_what_is_wrong(answer, hint):
    assert_hint(check_truncate(answer), hint)


def test_beta_per_sample_accepts_the_right_answer():
    assert check_beta_per_sample(weight).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda b, e, n, size: np.full(3, weight(b, e, n, size)), "one number"),
        (lambda b, e, n, size: weight(b, 100 * e, n, size), "in percent"),
        (lambda b, e, n, size: weight(b, e, n, 1), "whole batch"),
        (lambda b, e, n, size: weight(b, e**2 / 100, n, size), "do not square"),
        (lambda b, e, n, size: weight(b, 100, n, size), "without the error"),
        (lambda b, e, n, size: b * e / 100 * np.sqrt(size * n) / 50, "no root"),
        (lambda b, e, n, size: weight(b, e, n, size) / 2, "factor of two"),
        (lambda b, e, n, size: 50 * weight(b, e, n, size), "= 4, not 200"),
        (lambda b, e, n, size: weight(2, e, n, size), "twice the weight"),
    ],
)
def test_beta_per_sample_says_what_is_wrong(answer, hint):
    assert_hint(check_beta_per_sample(answer), hint)


def dropped(latents, rank, power=2):
    energy = np.linalg.svd(latents, compute_uv=False) ** power
    return energy[rank:].sum() / energy.sum()


def test_dropped_energy_accepts_right_answers():
    assert check_dropped_energy(dropped).right
    assert check_dropped_energy(
        lambda y, rank: 1 - np.sort(np.linalg.eigvalsh(y @ y.T))[::-1][:rank].sum() / np.sum(y**2)
    ).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda latents, rank: np.linalg.svd(latents, compute_uv=False)[rank:], "one number"),
        (lambda latents, rank: 1 - dropped(latents, rank), "the rest"),
        (lambda latents, rank: dropped(latents, rank, 1), "the sum of σ²"),
        (lambda latents, rank: dropped(latents, rank) * np.sum(latents**2), "divide it"),
        (lambda latents, rank: dropped(latents, rank + 1), "number 0"),
        (lambda latents, rank: dropped(latents, rank - 1) / dropped(latents, rank - 1), "drop all"),
        (lambda latents, rank: 0.5, "5/21"),
        (lambda latents, rank: dropped(latents, 1), "1/21"),
        (lambda latents, rank: max(dropped(latents, rank), 1 / 21), "at most four"),
    ],
)
def test_dropped_energy_says_what_is_wrong(answer, hint):
    assert_hint(check_dropped_energy(answer), hint)


def majority(train, test):
    return 100 * np.mean(test == (train.mean(axis=0) > 0.5))


def test_majority_accuracy_accepts_the_right_answer():
    assert check_majority_accuracy(majority).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda train, test: 100 * np.mean(test == (train.mean(axis=0) > 0.5), axis=0), "one number"),
        (lambda train, test: majority(test, test), "not in the test"),
        (lambda train, test: 100 * np.mean(test == (train.mean() > 0.5)), "axis 0"),
        (lambda train, test: majority(train, test) / 100, "not a share"),
        (lambda train, test: majority(train, train), "of the test images"),
        (lambda train, test: 100 * np.mean((test == (train.mean(axis=0) > 0.5)).all(axis=1)), "one by one"),
        (lambda train, test: 50.0, "41.7 %, not 50 %"),
    ],
)
def test_majority_accuracy_says_what_is_wrong(answer, hint):
    assert_hint(check_majority_accuracy(answer), hint)


def each(x, x_hat, power=2):
    off, own = ((np.abs(images) ** power).sum(axis=(1, 2, 3)) for images in (x_hat - x, x))
    return off / own


def test_worst_accepts_right_answers():
    assert check_worst(lambda x, x_hat, count: np.argsort(-each(x, x_hat))[:count]).right
    assert check_worst(lambda x, x_hat, count: sorted(range(len(x)), key=lambda i: -each(x, x_hat)[i])[:count]).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda x, x_hat, count: np.argmax(each(x, x_hat)), "one, 1"),
        (lambda x, x_hat, count: -np.sort(-each(x, x_hat))[:count], "whole numbers"),
        (lambda x, x_hat, count: np.argsort(-each(x, x_hat)), r"\[:count\]"),
        (lambda x, x_hat, count: np.argsort(each(x, x_hat))[:count], "falling"),
        (lambda x, x_hat, count: np.argsort(-((x_hat - x) ** 2).sum(axis=(1, 2, 3)))[:count], "divide by the norm"),
        (lambda x, x_hat, count: np.argsort(-each(x, x_hat, 1))[:count], r"not \[1 0\]"),
        (lambda x, x_hat, count: np.argsort(-each(x, x_hat))[:count][::-1], "comes first"),
        (lambda x, x_hat, count: [1, 2, 3][:count], "comes third"),
    ],
)
def test_worst_says_what_is_wrong(answer, hint):
    assert_hint(check_worst(answer), hint)
