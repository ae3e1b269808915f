"""Claims 20 to 23: the evidence supports the verdicts, and does not where what it depends on is wrong."""

import jax
import pytest
from jax import lax

from vrrae_lab import density
from vrrae_lab.density import AvaeBandwidth, KernelDensity, avae_bandwidth
from vrrae_lab.derivations import CLAIMS, aggregate, bandwidths

BY_NUMBER = {claim.number: claim for claim in aggregate.CLAIMS + bandwidths.CLAIMS}


# What the checks meet below instead of `KernelDensity`. Its methods are compiled once for each class and shape, so
# that no compiled program of the right class hides a wrong one.


class VarianceForDeviation(KernelDensity):
    def __init__(self, points, bandwidth):
        super().__init__(points, bandwidth**2)


class WithoutLog(KernelDensity):
    def log_density(self, z):
        return jax.numpy.exp(super().log_density(z))


class WithoutNormalisation(KernelDensity):
    def log_density(self, z):
        return super().log_density(z) + z.shape[1] * jax.numpy.log(self.bandwidth)


class KeepsOwnKernel(KernelDensity):
    def leave_one_out(self):
        return self.log_density(self.points)


class DropsOwnKernel(KernelDensity):
    def log_density(self, z):
        return self.leave_one_out() if z is self.points else super().log_density(z)


class LeavesHalfOut(KernelDensity):
    def leave_one_out(self):
        half = len(self.points) // 2
        return KernelDensity(self.points[:half], self.bandwidth).leave_one_out()


def kernels(wrong):
    return lambda patch: patch.setattr(density, "KernelDensity", wrong)


def selector(change):
    """A selector whose bandwidths are changed."""

    def wrong(*arguments, **options):
        return AvaeBandwidth(tuple(change(h) for h in avae_bandwidth(*arguments, **options).trials))

    return lambda patch: patch.setattr(density, "avae_bandwidth", wrong)


MUTATIONS = [
    (20, "no root in the correction", lambda p: p.setattr(density, "corrected_bandwidth", lambda h: h / (1 + h**2))),
    (20, "no correction", lambda p: p.setattr(density, "corrected_bandwidth", lambda h: h)),
    (20, "variance in place of the standard deviation", kernels(VarianceForDeviation)),
    (20, "Gaussians that do not convolve", lambda p: p.setattr(aggregate, "log_gaussian", lambda z, v: -abs(z) / v)),
    (21, "centres that should be held are free", lambda p: p.setattr(aggregate, "held", lambda centres: centres)),
    (21, "centres that should be free are held", lambda p: p.setattr(aggregate, "_free", lax.stop_gradient)),
    (21, "variance in place of the standard deviation", kernels(VarianceForDeviation)),
    (21, "no logarithm", kernels(WithoutLog)),
    (22, "no logarithm", kernels(WithoutLog)),
    (22, "variance in place of the standard deviation", kernels(VarianceForDeviation)),
    (22, "kernels of different weight by bandwidth", kernels(WithoutNormalisation)),
    (22, "selected bandwidth already corrected", selector(density.corrected_bandwidth)),
    (23, "selected bandwidth already corrected", selector(density.corrected_bandwidth)),
    (23, "leave-one-out keeps a point's own kernel", kernels(KeepsOwnKernel)),
    (23, "the kept kernel is not there", kernels(DropsOwnKernel)),
    (23, "leave-one-out on half the sample", kernels(LeavesHalfOut)),
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
    assert set(BY_NUMBER) == {number for number, _, _ in MUTATIONS} == {20, 21, 22, 23}
    assert set(BY_NUMBER.values()) <= set(CLAIMS)
