"""Claims 2, 4, 5, 6 and 14: their verdicts stand, and mistakes in what they rest on do not pass."""

import jax
import numpy as np
import pytest
from derivations import (
    failing,
    kl_without_half,
    kl_without_its_constant,
    kl_without_the_mean,
    noise_of_squared_size,
    sampling_without_noise,
    svd_after_centring,
    svd_in_a_turned_frame,
    svd_in_rising_order,
    svd_of_unit_columns,
    svd_with_a_basis_too_long,
)

from vrrae_lab import bottlenecks, gaussian
from vrrae_lab.derivations import Evidence, Finding, collapse, kl, measures

pytestmark = pytest.mark.usefixtures("quick_compilation")

CLAIMS = {claim.number: claim for claim in kl.CLAIMS + collapse.CLAIMS}


def eq_7_without_the_square(patch):
    original = gaussian.kl_from_singular_values
    patch.setattr(gaussian, "kl_from_singular_values", lambda s, log_variance: original(s**0.5, log_variance))


def mean_layer_without_bias(patch):
    encode = bottlenecks.Variational.encode

    def centred(self, latents):
        posterior = encode(self, latents)
        mean = posterior.mean - self.mean_layer.bias[None, :]
        return gaussian.DiagonalGaussian(mean, posterior.log_variance)

    patch.setattr(bottlenecks.Variational, "encode", centred)


MUTATIONS = [
    (2, "KL divergence without its half", kl_without_half),
    (2, "KL divergence without the mean's square", kl_without_the_mean),
    (2, "Eq. 7 with sigma instead of its square", eq_7_without_the_square),
    (2, "basis longer than 1", svd_with_a_basis_too_long),
    (4, "coefficients of norm 1", svd_of_unit_columns),
    (4, "latents centred before the SVD", svd_after_centring),
    (5, "KL divergence without its constant", kl_without_its_constant),
    (5, "KL divergence without the mean's square", kl_without_the_mean),
    (5, "coefficients of norm 1", svd_of_unit_columns),
    (6, "kept frame turned", svd_in_a_turned_frame),
    (6, "coefficients of norm 1", svd_of_unit_columns),
    (6, "latents centred before the SVD", svd_after_centring),
    (6, "a VAE's mean without bias", mean_layer_without_bias),
    (14, "noise left out", sampling_without_noise),
    (14, "noise of size s² instead of s", noise_of_squared_size),
    (14, "singular values in rising order", svd_in_rising_order),
]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("number", CLAIMS)
def test_evidence_supports_the_verdict(number, seed):
    evidence = CLAIMS[number].check(jax.random.key(seed))
    assert evidence.supports_verdict, failing(evidence)


@pytest.mark.parametrize("number, mistake, make", MUTATIONS, ids=[f"{m[0]}: {m[1]}" for m in MUTATIONS])
def test_a_mistake_is_found(number, mistake, make, monkeypatch):
    make(monkeypatch)
    assert not CLAIMS[number].check(jax.random.key(0)).supports_verdict, f"claim {number} holds with {mistake}"


def test_every_claim_has_a_mistake_that_it_finds():
    assert {number for number, _, _ in MUTATIONS} == set(CLAIMS)


def test_figures_of_evidence_become_numbers_of_python():
    evidence = measures.evidence(Finding("a figure", np.float64(1), "<", 2.0))
    assert isinstance(evidence, Evidence) and type(evidence.findings[0].value) is float


def test_terms_left_counts_what_does_not_cancel():
    import sympy

    x, y = sympy.symbols("x y")
    assert measures.terms_left(sympy.sin(x) ** 2 + sympy.cos(x) ** 2 - 1) == 0
    assert measures.terms_left((x + y) ** 2 - x**2) == 2


def test_standard_errors_are_those_of_the_worst_column_and_none_of_draws_that_do_not_vary():
    draws = np.random.default_rng(0).normal(size=(50, 2)) + np.array([3.0, 100.0])
    seven_away = draws.mean(axis=0) - np.array([7 * draws[:, 0].std() / 50**0.5, 0])
    assert measures.standard_errors(draws, seven_away) == pytest.approx(7)
    for noise in (0.0, 1e-15):  # which of them rounding leaves of equal draws depends on the processor
        draws[:, 0] = 1.0 + noise * (np.arange(50) % 2)
        assert not measures.standard_errors(draws, 100.0) < np.inf
