"""Claims 26 and 27: the evidence supports the verdicts, and does not where what it depends on is wrong."""

import jax
import numpy as np
import pytest

from vrrae_lab import density
from vrrae_lab.density import KernelDensity
from vrrae_lab.derivations import CLAIMS, yardsticks
from vrrae_lab.derivations.yardsticks import biased_kernel_distance, samples

BY_NUMBER = {claim.number: claim for claim in yardsticks.CLAIMS}


class KeepsOwnKernel(KernelDensity):
    def leave_one_out(self):
        return self.log_density(self.points)


def means_only(x, y):
    return float(np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2))


def without_root(x, y):
    return float(np.sum((np.cov(x.T) - np.cov(y.T)) ** 2))


def of_different_distributions(*arguments, key):
    return [(x, 1.2 * y) for x, y in samples(*arguments, key=key)]


MUTATIONS = [
    (26, "no floor", lambda p: p.setattr(yardsticks, "floor", lambda latent_size, bandwidth: 1e-300)),
    (26, "the level of another quantile", lambda p: p.setattr(yardsticks, "LEVEL", 0.999)),
    (26, "a point's own kernel kept", lambda p: p.setattr(density, "KernelDensity", KeepsOwnKernel)),
    (26, "bandwidth not corrected", lambda p: p.setattr(density, "corrected_bandwidth", lambda h: h)),
    (27, "means only", lambda p: p.setattr(yardsticks, "frechet_distance", means_only)),
    (27, "covariances compared without their roots", lambda p: p.setattr(yardsticks, "frechet_distance", without_root)),
    (27, "KID with bias", lambda p: p.setattr(yardsticks, "kernel_distance", biased_kernel_distance)),
    (27, "two distributions", lambda p: p.setattr(yardsticks, "samples", of_different_distributions)),
]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("number", sorted(BY_NUMBER))
def test_evidence_supports_the_verdict(number, seed):
    evidence = BY_NUMBER[number].check(jax.random.key(seed))
    assert [finding for finding in evidence.findings if not finding.holds] == []
    assert evidence.supports_verdict


@pytest.mark.parametrize(("number", "name", "apply"), MUTATIONS, ids=[f"{n}: {name}" for n, name, _ in MUTATIONS])
def test_evidence_notices(number, name, apply, monkeypatch):
    apply(monkeypatch)
    assert not BY_NUMBER[number].check(jax.random.key(0)).supports_verdict


def test_every_claim_is_listed_and_has_a_mutation():
    assert set(BY_NUMBER) == {number for number, _, _ in MUTATIONS} == {26, 27}
    assert set(BY_NUMBER.values()) <= set(CLAIMS)
