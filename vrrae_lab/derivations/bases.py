"""Claims on the basis of many batches, which takes the place of the batch SVD at inference: 16 and 32."""

import numpy as np
from jaxtyping import Array, Key

from vrrae_lab import linalg
from vrrae_lab.derivations.claim import Claim, Evidence, Verdict, float64
from vrrae_lab.derivations.samples import (
    Decomposition,
    above,
    below,
    decompose,
    leftover,
    orthonormal,
    random_latents,
    relative,
    rounding,
)
from vrrae_lab.randomness import generator

BATCH, LATENT_SIZE, RANK = 16, 12, 4
VISIBLE = 1e-3  # as in `spectrum`: what rounding does not explain


# -------------------------------------------------------------------------- 16 and 32: the basis of many batches


def _stacked_basis(batches: list[np.ndarray], rank: int) -> Decomposition:
    """SVD of the stacked bases of the batches, all of one weight; `coefficients` are of no use."""
    return decompose(np.concatenate([decompose(batch, rank).basis.T for batch in batches]), rank)


def check_stacked_bases(key: Key[Array, ""]) -> Evidence:
    rng = generator(key)
    # Batches of one span, each with a spectrum and a mean of its own.
    span = orthonormal(rng, LATENT_SIZE, RANK)
    batches = [random_latents(rng, BATCH, RANK) @ span.T for _ in range(3)]
    latents = np.concatenate(batches)
    with float64():
        stacked, reverse = _stacked_basis(batches, RANK), _stacked_basis(batches[::-1], RANK)
        exact, singular_values, _ = decompose(latents, RANK)
        frozen, frozen_values = linalg.gram_basis(batches, RANK)
        frozen_reverse, _ = linalg.gram_basis(batches[::-1], RANK)
    small = rounding(latents, RANK)
    span_small = max(rounding(batch @ span, RANK) for batch in batches)
    energies = np.sum((latents @ stacked.basis) ** 2, axis=0) / singular_values**2
    # A rotation that rounding chooses is as good as random: it mixes k directions by far more than VISIBLE.
    return Evidence(
        (
            below("stacked: spread of singular values", np.ptp(stacked.singular_values), span_small),
            below("stacked: angle to the span", linalg.subspace_angle(stacked.basis, span), span_small),
            above("stacked: largest |U_stackᵀ U − I|", _frame_difference(stacked.basis, exact), VISIBLE),
            above("stacked: likewise, batches in reverse", _frame_difference(stacked.basis, reverse.basis), VISIBLE),
            above("stacked: largest |energy of a direction / σ_j² − 1|", np.max(np.abs(energies - 1)), VISIBLE),
            below("Gram: largest |U_gramᵀ U − I|", _frame_difference(frozen, exact), small),
            below("Gram: likewise, batches in reverse", _frame_difference(frozen, frozen_reverse), small),
            below("Gram: singular values, relative", relative(frozen_values, singular_values), small),
        )
    )


def _frame_difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.max(np.abs(a.T @ b - np.eye(a.shape[1]))))


def check_one_pass(key: Key[Array, ""]) -> Evidence:
    rng = generator(key)
    latents = random_latents(rng, 4 * BATCH, LATENT_SIZE)
    cuts = np.sort(rng.choice(np.arange(1, len(latents)), size=5, replace=False))
    ways = {
        "one batch": [latents],
        "one sample at a time": np.split(latents, len(latents)),
        "six batches of any sizes": np.split(latents, cuts),
        "shuffled": np.split(rng.permutation(latents), cuts),
    }
    with float64():
        exact, singular_values, coefficients = decompose(latents, RANK)
        bases = {name: linalg.gram_basis(batches, RANK) for name, batches in ways.items()}
        mean_of_bases = np.mean([decompose(batch, RANK).basis for batch in np.split(latents, 4)], axis=0)
    averaged = np.linalg.qr(mean_of_bases)[0]
    small = rounding(latents, RANK)
    findings = [
        finding
        for name, (basis, values) in bases.items()
        for finding in (
            below(f"{name}: basis against one SVD, relative", relative(basis, exact), small),
            below(f"{name}: singular values, relative", relative(values, singular_values), small),
        )
    ]
    least = leftover(latents, exact)
    findings.append(above("mean of four batch bases: angle", linalg.subspace_angle(averaged, exact), VISIBLE))
    findings.append(above("mean of four batch bases: excess", leftover(latents, averaged) / least - 1, VISIBLE))
    return Evidence(tuple(findings))


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=16,
        name="Basis of stacked batch bases",
        source="VRRAE, the basis for inference; the papers' public code",
        statement=(
            r"The SVD of the stacked bases $[U_k^{(1)} \dots U_k^{(n)}]$ of the batches (columns, as in the paper) is "
            r"the basis of all latents."
        ),
        verdict=Verdict.CONDITIONAL,
        explanation=(
            "Stacked bases have forgotten the singular values. Where the batches share a span, all singular values of "
            "the stack are equal: the span is right, but the frame in it is chosen by rounding and changes with the "
            "order of the batches. The Gram matrix of the latents keeps order and frame."
        ),
        check=check_stacked_bases,
    ),
    Claim(
        number=32,
        name="One basis in one pass",
        source="this package, in place of stacked batch bases",
        statement=(
            r"The eigenvectors of $\sum_b Y_b^T Y_b$ are the right singular vectors of all latents stacked, whatever "
            r"the batches; the mean of the batches' own bases is not."
        ),
        verdict=Verdict.TRUE,
        explanation=(
            "The sum of the Gram matrices is the Gram matrix of the stack. It is accumulated in float64, where squares "
            "cost nothing that float32 latents carry. Bases of batches differ by rotations that averaging does not "
            "undo."
        ),
        check=check_one_pass,
    ),
)
