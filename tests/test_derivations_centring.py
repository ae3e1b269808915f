"""Claims 39 and 40: their verdicts stand, and mistakes in what they rest on do not pass."""

import jax
import pytest
from derivations import (
    failing,
    kl_without_half,
    kl_without_its_constant,
    kl_without_the_mean,
    svd_after_centring,
    svd_in_a_turned_frame,
    svd_without_the_first_direction,
)

from vrrae_lab.bottlenecks import BatchBasis, bases
from vrrae_lab.derivations import centring

pytestmark = pytest.mark.usefixtures("quick_compilation")

CLAIMS = {claim.number: claim for claim in centring.CLAIMS}


def half_the_mean(patch):
    mean = bases._mean
    patch.setattr(bases, "_mean", lambda latents: mean(latents) / 2)


def mean_not_put_back(patch):
    patch.setattr(BatchBasis, "offset_of", lambda self, latents: None)


MUTATIONS = [
    (39, "uncentred SVD that is centred", svd_after_centring),
    (39, "kept frame turned", svd_in_a_turned_frame),
    (39, "first direction left out", svd_without_the_first_direction),
    (39, "half the mean taken off", half_the_mean),
    (39, "no mean taken off or put back", mean_not_put_back),
    (40, "uncentred SVD that is centred", svd_after_centring),
    (40, "KL divergence without its constant", kl_without_its_constant),
    (40, "half the mean taken off", half_the_mean),
    (40, "KL divergence without its half", kl_without_half),
    (40, "KL divergence without the mean's square", kl_without_the_mean),
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
