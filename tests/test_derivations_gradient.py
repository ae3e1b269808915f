"""Claims on derivatives, ties and signs: the evidence supports the verdict, and no longer does once altered."""

import jax
import jax.numpy as jnp
import pytest

from vrrae_lab import bottlenecks, gaussian, linalg
from vrrae_lab.derivations import frames, gradient, ties

pytestmark = pytest.mark.usefixtures("quick_compilation")

CHECKED = {claim.number: claim for claim in (*gradient.CLAIMS, *ties.CLAIMS, *frames.CLAIMS)}


# ------------------------------------------------------------------------------------------------------ mutations

TRUNCATED, INVERSE_GAP = linalg.truncated_svd, linalg.svd._damped_inverse_gap


def inverse_gap(alter):
    """A mutation of how gaps enter the library's derivative, given what should have come and the two values."""

    def apply(monkeypatch):
        monkeypatch.setattr(
            linalg.svd, "_damped_inverse_gap", lambda kept, other: alter(INVERSE_GAP(kept, other), kept, other)
        )

    return apply


def without_block(monkeypatch):
    """The pairs inside the kept block left out everywhere."""

    def altered(latents, rank, *, within_block=True, method="auto"):
        return TRUNCATED(latents, rank, within_block=False, method=method)

    monkeypatch.setattr(linalg, "truncated_svd", altered)
    monkeypatch.setattr(bottlenecks.bases, "truncated_svd", altered)


def with_block(monkeypatch):
    """The pairs inside the kept block put in everywhere."""

    def altered(latents, rank, *, within_block=True, method="auto"):
        return TRUNCATED(latents, rank, within_block=True, method=method)

    monkeypatch.setattr(linalg, "truncated_svd", altered)
    monkeypatch.setattr(bottlenecks.bases, "truncated_svd", altered)


def without_sign_convention(monkeypatch):
    """The signs of numpy or of eigh, whichever they are."""

    def altered(latents, rank, *, within_block=True, method="auto"):
        if method == "gram":
            basis = jnp.linalg.eigh(latents.T @ latents)[1][:, ::-1][:, :rank]
        else:
            basis = jnp.linalg.svd(latents, full_matrices=False)[2][:rank].T
        coefficients = latents @ basis
        return linalg.TruncatedSVD(basis, jnp.linalg.norm(coefficients, axis=0), coefficients)

    monkeypatch.setattr(linalg, "truncated_svd", altered)


def convention_without_jumps(monkeypatch):
    """Signs by the sum of squares, signed: no rule at all where every number is positive."""

    def altered(latents, rank, *, within_block=True, method="auto"):
        svd = TRUNCATED(latents, rank, within_block=within_block, method=method)
        sign = jnp.where(jnp.sum(svd.basis, axis=0, keepdims=True) < 0, -1, 1)
        return svd._replace(basis=svd.basis * sign, coefficients=svd.coefficients * sign)

    monkeypatch.setattr(linalg, "truncated_svd", altered)


def even_posterior(monkeypatch):
    """A log variance that is linear in the magnitudes of the coefficients."""

    def posterior(self, coefficients):
        return gaussian.DiagonalGaussian(coefficients, jax.vmap(self.log_variance_layer)(jnp.abs(coefficients)))

    monkeypatch.setattr(bottlenecks.VariationalLowRank, "posterior", posterior)


def constant_posterior(monkeypatch):
    def posterior(self, coefficients):
        return gaussian.DiagonalGaussian(coefficients, jnp.zeros_like(coefficients))

    monkeypatch.setattr(bottlenecks.VariationalLowRank, "posterior", posterior)


def kl_of_mean_alone(monkeypatch):
    """A KL that has lost the variance, and with it the kept pairs."""
    monkeypatch.setattr(gaussian.DiagonalGaussian, "kl", lambda self: 0.5 * self.mean**2)


def helper(module, name, alter):
    """A mutation of a helper of the check, given what it should have returned and what it was given."""

    def apply(monkeypatch):
        right = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given: alter(right(*given), *given))

    return apply


def cut_off_of(value):
    return lambda monkeypatch: monkeypatch.setattr(ties, "CUT_OFF", value)


def smoothed_gaps(monkeypatch):
    """Gaps damped at a tenth: this would be stable, and wrong."""
    monkeypatch.setattr(ties, "inverse_or_zero", lambda numbers: numbers / (numbers**2 + 0.01))


def nothing_left_out(monkeypatch):
    """A pair that is exactly equal gets what the limit is, for the product, of a gap that goes to zero."""

    def right(latents, g):
        return ties.closed_form_of_product(latents.astype(float), ties.RANK, g)

    monkeypatch.setattr(ties, "_of_product", right)


def missing_outside(monkeypatch):
    """The standard derivative without the part outside the thin factors."""
    right = ties.authors_gradient

    def altered(svd, *given):
        full = right(svd, *given)
        return svd.left @ svd.left.T @ full @ svd.basis @ svd.basis.T

    monkeypatch.setattr(ties, "authors_gradient", altered)


def spectrum_without_tie(monkeypatch):
    monkeypatch.setattr(ties, "tied", lambda gap: (2.0, 1.5, 1.1, 0.8, 0.5, 0.3))


def heavy_damping(found, kept, other):
    gap = (kept - other) * (kept + other)
    return gap / (gap**2 + 1e-4)


# Those of the check's own numpy come first: they can use what is compiled already.
OF_THE_CHECK = [
    (10, "closed form: S of the wrong sign", helper(gradient, "within_block", lambda found, *given: -found)),
    (10, "closed form: no X", helper(gradient, "across_the_cut", lambda found, *given: 0 * found)),
    (10, "closed form: X twice", helper(gradient, "across_the_cut", lambda found, *given: 2 * found)),
    (
        10,
        "product pair by pair: a thousandth more",
        helper(gradient, "closed_form_of_product", lambda g, *_: 1.001 * g),
    ),
    (11, "no tie", spectrum_without_tie),
    (12, "a cut-off that float32 feels", cut_off_of(1e-4)),
    (12, "gaps damped at a tenth", smoothed_gaps),
    (12, "the product's own gradient at a tie", nothing_left_out),
    (12, "standard derivative without its outside", missing_outside),
    (12, "no tie", spectrum_without_tie),
]
OF_THE_LIBRARY = [
    (10, "pairs enter with the wrong sign", inverse_gap(lambda found, kept, other: -found)),
    (10, "gaps of values, not of squares", inverse_gap(lambda found, kept, other: found * (kept + other))),
    (10, "gaps damped at a hundredth", inverse_gap(heavy_damping)),
    (10, "kept block left out", without_block),
    (11, "kept block left out", without_block),
    (11, "kept block put in where RRAE has none", with_block),
    (11, "gaps damped at a hundredth", inverse_gap(heavy_damping)),
    (11, "log variance without slope", constant_posterior),
    (12, "kept block put in", with_block),
    (13, "log variance even in the coefficients", even_posterior),
    (13, "log variance without slope", constant_posterior),
    (13, "no sign convention", without_sign_convention),
    (13, "another sign convention, continuous here", convention_without_jumps),
    (33, "kept block left out", without_block),
    (33, "kept block put in", with_block),
    (33, "KL of the mean alone", kl_of_mean_alone),
]
MUTATIONS = [*OF_THE_CHECK, *OF_THE_LIBRARY]


@pytest.fixture
def retraced(number, name):
    """A compiled program does not see what was patched after it was traced, nor that the patch is gone."""
    of_the_library = (number, name) in [mutation[:2] for mutation in OF_THE_LIBRARY]
    if of_the_library:
        jax.clear_caches()
    yield
    if of_the_library:
        jax.clear_caches()


# ---------------------------------------------------------------------------------------------------------- tests


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("number", CHECKED)
def test_evidence_supports_the_verdict(number, seed):
    evidence = CHECKED[number].check(jax.random.key(seed))
    assert evidence.supports_verdict, [finding for finding in evidence.findings if not finding.holds]


@pytest.mark.parametrize("number, name, mutate", MUTATIONS, ids=[f"{number}: {name}" for number, name, _ in MUTATIONS])
def test_evidence_fails_once_its_ground_is_altered(number, name, mutate, monkeypatch, retraced):
    mutate(monkeypatch)
    assert not CHECKED[number].check(jax.random.key(0)).supports_verdict


def test_every_claim_has_a_mutation():
    assert {number for number, _, _ in MUTATIONS} == set(CHECKED)
