"""Claims on spectra and bases: the evidence supports the verdict, and no longer does once its ground is altered."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vrrae_lab import bottlenecks, derivations, gaussian, linalg
from vrrae_lab.derivations import bases, spectrum

pytestmark = pytest.mark.usefixtures("quick_compilation")

CHECKED = {claim.number: claim for claim in (*spectrum.CLAIMS, *bases.CLAIMS)}


# ------------------------------------------------------------------------------------------------------ mutations

TRUNCATED, GRAM, KL = linalg.truncated_svd, linalg.gram_basis, gaussian.DiagonalGaussian.kl


def truncation(alter):
    """A mutation of `truncated_svd`: what becomes of all the directions, given the rank."""

    def apply(monkeypatch):
        def altered(latents, rank, **options):
            whole = TRUNCATED(latents, min(latents.shape), **options)
            return alter(whole, rank)

        monkeypatch.setattr(linalg, "truncated_svd", altered)

    return apply


def first(svd, rank):
    return linalg.TruncatedSVD(svd.basis[:, :rank], svd.singular_values[:rank], svd.coefficients[:, :rank])


def off_by_one(svd, rank):
    return linalg.TruncatedSVD(
        svd.basis[:, 1 : rank + 1], svd.singular_values[1 : rank + 1], svd.coefficients[:, 1 : rank + 1]
    )


def ascending(svd, rank):
    return first(linalg.TruncatedSVD(svd.basis[:, ::-1], svd.singular_values[::-1], svd.coefficients[:, ::-1]), rank)


def sheared(svd, rank):
    """A basis of the same span that is not orthonormal."""
    shear = jnp.eye(rank) + 0.1 * jnp.eye(rank, k=1)
    kept = first(svd, rank)
    return kept._replace(basis=kept.basis @ shear, coefficients=kept.coefficients @ shear)


def rotated(svd, rank):
    """Orthonormal coordinates in the same span, as of a stack that has lost the order."""
    rotation = jnp.asarray(np.linalg.qr(np.arange(rank * rank).reshape(rank, rank) ** 2.0 % 7)[0])
    kept = first(svd, rank)
    return kept._replace(basis=kept.basis @ rotation, coefficients=kept.coefficients @ rotation)


def doubled_values(svd, rank):
    kept = first(svd, rank)
    return kept._replace(singular_values=2 * kept.singular_values)


def without_scale(svd, rank):
    kept = first(svd, rank)
    return kept._replace(coefficients=kept.coefficients / kept.singular_values[None, :])


def centring(monkeypatch):
    def altered(latents, rank, **options):
        return TRUNCATED(latents - jnp.mean(latents, axis=0, keepdims=True), rank, **options)

    monkeypatch.setattr(linalg, "truncated_svd", altered)


def decomposing_at_inference(monkeypatch):
    def project(self, latents):
        svd = TRUNCATED(latents, self.rank)
        return svd.basis, svd.coefficients

    monkeypatch.setattr(bottlenecks.FixedBasis, "project", project)


def kl_by(factor, sign=1):
    def apply(monkeypatch):
        def kl(self):
            return factor * (self.mean**2 + sign * (jnp.expm1(self.log_variance) - self.log_variance))

        monkeypatch.setattr(gaussian.DiagonalGaussian, "kl", kl)

    return apply


def kl_of_first_powers(monkeypatch):
    def altered(singular_values, log_variance):
        return 0.5 * (jnp.sum(singular_values) + jnp.sum(jnp.expm1(log_variance) - log_variance))

    monkeypatch.setattr(gaussian, "kl_from_singular_values", altered)


def straight_through(monkeypatch):
    """A basis that no gradient passes."""

    def altered(latents, rank, **options):
        svd = TRUNCATED(latents, rank, **options)
        basis = jax.lax.stop_gradient(svd.basis)
        return svd._replace(basis=basis, coefficients=latents @ basis + 0.1 * latents[:, :rank])

    monkeypatch.setattr(linalg, "truncated_svd", altered)


def leaking_gradient(monkeypatch):
    """A derivative of the kept singular values that has something of a dropped one."""
    with_derivative = linalg.svd._with_derivative

    def altered(rank, within_block, method, latents, tangent):
        primals, (d_basis, d_values, d_coefficients) = with_derivative(rank, within_block, method, latents, tangent)
        left, _, basis = linalg.svd._decompose(latents, method)
        return primals, (d_basis, d_values + 0.01 * left[:, rank] @ tangent @ basis[:, rank], d_coefficients)

    monkeypatch.setattr(linalg.svd, "_with_derivative", altered)


def stacking(monkeypatch):
    """The basis of the data set by stacked batch bases."""

    def altered(batches, rank):
        batches = [np.asarray(batch) for batch in batches]
        rows = [np.linalg.svd(batch, full_matrices=False)[2][:rank] for batch in batches]
        _, singular_values, right = np.linalg.svd(np.concatenate(rows), full_matrices=False)
        return right[:rank].T, singular_values[:rank]

    monkeypatch.setattr(linalg, "gram_basis", altered)


def weighted_stack(monkeypatch):
    """Batch bases that keep their singular values: the stack then knows what the Gram matrix knows."""

    def altered(batches, rank):
        found = [bases.decompose(batch, rank) for batch in batches]
        return bases.decompose(np.concatenate([(svd.basis * svd.singular_values).T for svd in found]), rank)

    monkeypatch.setattr(bases, "_stacked_basis", altered)


def gram_ascending(monkeypatch):
    def altered(batches, rank):
        basis, values = GRAM(batches, rank)
        return basis[:, ::-1], values[::-1]

    monkeypatch.setattr(linalg, "gram_basis", altered)


def gram_of(alter_batch):
    def apply(monkeypatch):
        add = linalg.GramBasis.add
        monkeypatch.setattr(linalg.GramBasis, "add", lambda self, latents: add(self, alter_batch(latents)))

    return apply


def gram_of_last(monkeypatch):
    def altered(batches, rank):
        return GRAM([np.concatenate([np.zeros_like(np.asarray(batch)), batch]) for batch in list(batches)[-1:]], 1)

    def padded(batches, rank):
        basis, values = altered(batches, rank)
        return np.repeat(basis, rank, axis=1), np.repeat(values, rank)

    monkeypatch.setattr(linalg, "gram_basis", padded)


def another_size(name, **changes):
    def apply(monkeypatch):
        monkeypatch.setitem(spectrum.SIZES, name, spectrum.SIZES[name]._replace(**changes))

    return apply


def limit_with_shares_swapped(monkeypatch):
    limit = spectrum.marchenko_pastur_share
    monkeypatch.setattr(spectrum, "marchenko_pastur_share", lambda size, rank: 1 - limit(size, rank))


MUTATIONS = [
    (1, "truncation off by one", truncation(off_by_one)),
    (1, "spectrum in ascending order", truncation(ascending)),
    (1, "basis not orthonormal", truncation(sheared)),
    (1, "coefficients without singular values", truncation(without_scale)),
    (1, "fixed basis that decomposes what it is given", decomposing_at_inference),
    (1, "Gram basis of batches, stacked", stacking),
    (3, "truncation off by one", truncation(off_by_one)),
    (3, "KL of singular values without their square", kl_of_first_powers),
    (3, "KL without its half", kl_by(1.0)),
    (3, "no gradient through the basis, another coefficient", straight_through),
    (3, "a dropped singular value in the gradient", leaking_gradient),
    (15, "latents centred before the SVD", centring),
    (15, "basis not orthonormal", truncation(sheared)),
    (15, "spectrum in ascending order", truncation(ascending)),
    (16, "stack weighted by singular values", weighted_stack),
    (16, "Gram basis by stacked bases", stacking),
    (16, "Gram basis in ascending order", gram_ascending),
    (32, "Gram basis by stacked bases", stacking),
    (32, "each batch scaled to unit norm", gram_of(lambda latents: latents / np.linalg.norm(latents))),
    (32, "each batch centred", gram_of(lambda latents: latents - np.mean(latents, axis=0))),
    (32, "only the last batch", gram_of_last),
    (19, "truncation off by one", truncation(off_by_one)),
    (19, "CIFAR-10 at the rank of MNIST", another_size("CIFAR-10", rank=16)),
    (19, "CIFAR-10 in batches of 128", another_size("CIFAR-10", batch=128)),
    (19, "limit of the kept share", limit_with_shares_swapped),
    (19, "fixed basis that decomposes what it is given", decomposing_at_inference),
]


# ---------------------------------------------------------------------------------------------------------- tests


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("number", CHECKED)
def test_evidence_supports_the_verdict(number, seed):
    evidence = CHECKED[number].check(jax.random.key(seed))
    assert evidence.supports_verdict, [finding for finding in evidence.findings if not finding.holds]


@pytest.mark.parametrize("number, name, mutate", MUTATIONS, ids=[f"{number}: {name}" for number, name, _ in MUTATIONS])
def test_evidence_fails_once_its_ground_is_altered(number, name, mutate, monkeypatch):
    mutate(monkeypatch)
    assert not CHECKED[number].check(jax.random.key(0)).supports_verdict


def test_every_claim_is_listed_once_and_has_a_mutation():
    assert {number for number, _, _ in MUTATIONS} == set(CHECKED)
    numbers = [claim.number for claim in derivations.CLAIMS]
    assert numbers == sorted(set(numbers))
    assert set(CHECKED) <= set(numbers)


@pytest.mark.parametrize("shape, rank", [((400, 800), 100), ((800, 200), 30), ((300, 300), 150)])
def test_limit_is_that_of_large_random_matrices(shape, rank):
    squares = np.linalg.svd(np.random.default_rng(0).normal(size=shape), compute_uv=False) ** 2
    expected = squares[rank:].sum() / squares.sum()
    assert spectrum.marchenko_pastur_share(spectrum.Size(*shape, rank), rank) == pytest.approx(expected, abs=0.005)
