"""The truncated SVD: its values, its derivative where it has one, and finiteness where it has none."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vrrae_lab import linalg
from vrrae_lab.linalg import GramBasis, TruncatedSVD, energy_overlap, gram_basis, subspace_angle, truncated_svd

RANK = 3
SHAPES = {"tall": (9, 5), "wide": (5, 9), "square": (6, 6), "full rank": (7, 3), "full rank, wide": (3, 7)}
SEPARATED = (4.0, 2.5, 1.3, 0.7, 0.4, 0.2)
FLOATS = ["float32", "float64"]
METHODS = ["svd", "gram"]


# ---------------------------------------------------------------------------------------------- naive references


def naive_svd(latents, rank):
    """NumPy's SVD, cut off: (basis, singular values, coefficients), largest entry of each basis column positive."""
    _, singular_values, right = np.linalg.svd(latents, full_matrices=False)
    basis = right[:rank].T
    basis = basis * np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(rank)])
    return basis, singular_values[:rank], latents @ basis


def naive_gradient(latents, rank, basis_cotangent, singular_cotangent, coefficient_cotangent, within_block=True):
    """The closed form with samples as columns, as in the papers: all of U, and explicit loops over pairs."""
    y, batch = latents.T, len(latents)
    alpha_bar = coefficient_cotangent.T
    basis, singular_values, coefficients = naive_svd(latents, rank)
    u, sigma, _ = np.linalg.svd(y, full_matrices=True)
    eigenvalues = np.zeros(len(u))
    eigenvalues[: len(sigma)] = sigma**2
    u[:, :rank] = basis
    alpha = coefficients.T
    u_tilde = basis_cotangent + y @ alpha_bar.T
    projected = u.T @ u_tilde
    x, s = np.zeros((len(u), rank)), np.zeros((rank, rank))
    for i in range(rank):
        for j in range(rank, len(u)):
            x[:, i] += u[:, j] * projected[j, i] / (eigenvalues[i] - eigenvalues[j])
        for j in range(rank):
            if within_block and j != i:
                s[j, i] = (projected[j, i] - projected[i, j]) / (eigenvalues[i] - eigenvalues[j])
    gradient = basis @ (alpha_bar + s @ alpha + x.T @ y) + x @ alpha
    right = alpha / singular_values[:, None]
    gradient += basis @ np.diag(singular_cotangent) @ right
    assert gradient.shape == (len(u), batch)
    return gradient.T


def naive_low_rank_gradient(latents, rank, cotangent):
    """Gradient of <cotangent, best rank-k approximation>, pair by pair in the coordinates of the singular vectors."""
    u, sigma, vt = np.linalg.svd(latents.T, full_matrices=False)
    g = cotangent.T
    n, mapped = u.T @ g @ vt.T, np.zeros((len(sigma), len(sigma)))
    mapped[:rank, :rank] = n[:rank, :rank]
    for i in range(rank):
        for j in range(rank, len(sigma)):
            gap = sigma[i] ** 2 - sigma[j] ** 2
            mapped[i, j] = (sigma[i] ** 2 * n[i, j] + sigma[i] * sigma[j] * n[j, i]) / gap
            mapped[j, i] = (sigma[i] ** 2 * n[j, i] + sigma[i] * sigma[j] * n[i, j]) / gap
    inside = u @ mapped @ vt
    u_k, v_k = u[:, :rank], vt[:rank].T
    outside_u = (np.eye(len(u)) - u @ u.T) @ g @ v_k @ v_k.T
    outside_v = u_k @ u_k.T @ g @ (np.eye(vt.shape[1]) - vt.T @ vt)
    return (inside + outside_u + outside_v).T


def finite_differences(function, at, step=1e-6):
    """Central differences of a scalar function, entry by entry."""
    gradient = np.zeros_like(at)
    for index in np.ndindex(*at.shape):
        change = np.zeros_like(at)
        change[index] = step
        gradient[index] = (function(at + change) - function(at - change)) / (2 * step)
    return gradient


# ----------------------------------------------------------------------------------------------- matrices to try


def with_spectrum(shape, spectrum, seed=0):
    """A float64 matrix with random singular vectors and these singular values."""
    rng = np.random.default_rng(seed)
    size = min(shape)
    left = np.linalg.qr(rng.normal(size=(shape[0], size)))[0]
    right = np.linalg.qr(rng.normal(size=(shape[1], size)))[0]
    return left @ np.diag(np.resize(spectrum, size)) @ right.T


def exactly_tied(shape, spectrum):
    """Signed rows and columns of a rectangular diagonal: LAPACK returns these singular values without any rounding."""
    matrix = np.zeros(shape)
    size = min(shape)
    matrix[np.arange(size)[::-1], (np.arange(size) + 1) % shape[1]] = np.array(spectrum[:size]) * (-1) ** np.arange(
        size
    )
    return matrix


def cotangents(shape, rank, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(shape[1], rank)), rng.normal(size=rank), rng.normal(size=(shape[0], rank))


def apply(rank, within_block, latents, method="svd"):
    return tuple(truncated_svd(latents, rank, within_block=within_block, method=method))


jitted = jax.jit(apply, static_argnums=(0, 1), static_argnames="method")


@partial(jax.jit, static_argnums=(0, 1), static_argnames="method")
def pullback(rank, within_block, latents, cotangent, method="svd"):
    """Gradient of <cotangent, truncated SVD>."""
    return jax.vjp(partial(apply, rank, within_block, method=method), latents)[1](cotangent)[0]


def low_rank(latents, rank, method="svd"):
    svd = truncated_svd(latents, rank, within_block=False, method=method)
    return svd.coefficients @ svd.basis.T


@partial(jax.jit, static_argnums=0, static_argnames="method")
def low_rank_pullback(rank, latents, cotangent, method="svd"):
    """Gradient of <cotangent, low-rank product>."""
    return jax.vjp(partial(low_rank, rank=rank, method=method), latents)[1](cotangent)[0]


def relative(found, expected):
    return np.linalg.norm(np.asarray(found, np.float64) - expected) / np.linalg.norm(expected)


# -------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype, tolerance", [("float32", 5e-6), ("float64", 1e-13)])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_values_are_those_of_numpy(x64, shape, dtype, tolerance, method):
    latents = with_spectrum(shape, SEPARATED)
    found = jitted(RANK, True, latents.astype(dtype), method=method)
    for name, part, expected in zip(TruncatedSVD._fields, found, naive_svd(latents, RANK), strict=True):
        assert part.dtype == dtype
        assert relative(part, expected) < tolerance, name


@pytest.mark.parametrize("method", METHODS)
def test_coefficients_have_the_stated_relations(x64, method):
    latents = with_spectrum((9, 5), SEPARATED)
    basis, singular_values, coefficients = jitted(RANK, True, latents, method=method)
    np.testing.assert_allclose(coefficients, latents @ basis, atol=1e-13)
    np.testing.assert_allclose(np.linalg.norm(coefficients, axis=0), singular_values, rtol=1e-13)
    np.testing.assert_allclose(basis.T @ basis, np.eye(RANK), atol=1e-14)
    np.testing.assert_allclose(coefficients.T @ coefficients, np.diag(singular_values**2), atol=1e-13)
    # Eckart and Young: what is left over is the dropped part of the spectrum
    assert np.sum((latents - coefficients @ basis.T) ** 2) == pytest.approx(0.7**2 + 0.4**2)


def test_full_rank_gives_the_latents_back(x64):
    latents, weights = with_spectrum((9, 5), SEPARATED), with_spectrum((9, 5), SEPARATED, seed=7)
    np.testing.assert_allclose(jax.jit(low_rank, static_argnums=1)(latents, 5), latents, atol=1e-14)
    np.testing.assert_allclose(low_rank_pullback(5, latents, weights), weights, atol=1e-12)


def test_signs_do_not_depend_on_those_of_the_decomposition(monkeypatch):
    latents = jnp.asarray(with_spectrum((9, 5), SEPARATED), jnp.float32)
    expected = truncated_svd(latents, RANK)
    assert np.all(np.asarray(expected.basis)[np.abs(expected.basis).argmax(axis=0), np.arange(RANK)] > 0)
    svd = jnp.linalg.svd

    def flipped(matrix, full_matrices):
        left, singular_values, right = svd(matrix, full_matrices=full_matrices)
        signs = jnp.where(jnp.arange(len(singular_values)) % 2, 1, -1)
        return left * signs[None], singular_values, right * signs[:, None]

    monkeypatch.setattr(jnp.linalg, "svd", flipped)
    np.testing.assert_array_equal(truncated_svd(latents, RANK).basis, expected.basis)
    np.testing.assert_array_equal(truncated_svd(latents, RANK).coefficients, expected.coefficients)


def test_vmap_and_jit_agree_with_one_matrix_at_a_time():
    stack = np.stack([with_spectrum((6, 4), SEPARATED, seed) for seed in range(3)]).astype(np.float32)
    found = jax.jit(jax.vmap(partial(apply, RANK, True)))(stack)
    for i, latents in enumerate(stack):
        for part, expected in zip(found, naive_svd(latents.astype(np.float64), RANK), strict=True):
            assert relative(part[i], expected) < 5e-6


@pytest.mark.parametrize("shape, rank", [((9, 5), 0), ((9, 5), -1), ((9, 5), 6), ((2, 5), 3)])
def test_rank_that_does_not_fit_is_refused(shape, rank):
    with pytest.raises(ValueError, match=rf"rank = {rank} .*batch {shape[0]}.* from 1 to {min(shape)}.*freeze_basis"):
        truncated_svd(jnp.ones(shape), rank)


# ------------------------------------------------------------------------------- derivatives where the map has one


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_gradient_is_the_closed_form_and_that_of_finite_differences(x64, shape, method):
    latents, weights = with_spectrum(shape, SEPARATED), cotangents(shape, RANK)

    def weighted_sum(latents):
        return sum(np.vdot(w, part) for w, part in zip(weights, naive_svd(latents, RANK), strict=True))

    closed_form = naive_gradient(latents, RANK, *weights)
    assert relative(finite_differences(weighted_sum, latents), closed_form) < 1e-7
    assert relative(pullback(RANK, True, latents, weights, method=method), closed_form) < 1e-12


@pytest.mark.parametrize("part", range(3), ids=["basis", "singular values", "coefficients"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(9, 5), (5, 9)], ids=["tall", "wide"])
def test_gradient_of_each_output_by_itself(x64, shape, part, method):
    latents = with_spectrum(shape, SEPARATED)
    weights = tuple(w if i == part else np.zeros_like(w) for i, w in enumerate(cotangents(shape, RANK)))
    expected = naive_gradient(latents, RANK, *weights)
    assert relative(pullback(RANK, True, latents, weights, method=method), expected) < 1e-12
    low_precision = jax.tree.map(jnp.float32, (latents, weights))
    assert relative(pullback(RANK, True, *low_precision, method=method), expected) < 2e-5


@pytest.mark.parametrize("within_block", [True, False])
def test_forward_mode_is_the_transpose_of_reverse_mode(x64, within_block):
    shape = (5, 9)
    latents, weights = with_spectrum(shape, SEPARATED), cotangents(shape, RANK)
    direction = with_spectrum(shape, SEPARATED, seed=5)
    pushforward = jax.jit(lambda at, along: jax.jvp(partial(apply, RANK, within_block), (at,), (along,))[1])
    tangents = pushforward(latents, direction)
    forward = sum(np.vdot(w, t) for w, t in zip(weights, tangents, strict=True))
    assert forward == pytest.approx(np.vdot(pullback(RANK, within_block, latents, weights), direction), rel=1e-12)


def test_without_the_block_the_pairs_inside_it_are_left_out_and_no_others(x64):
    shape = (9, 5)
    latents, weights = with_spectrum(shape, SEPARATED), cotangents(shape, RANK)
    expected = naive_gradient(latents, RANK, *weights, within_block=False)
    assert relative(expected, naive_gradient(latents, RANK, *weights)) > 0.01
    assert relative(pullback(RANK, False, latents, weights), expected) < 1e-12


def test_half_the_sum_of_squared_singular_values_has_the_low_rank_latents_as_gradient(x64):
    latents = with_spectrum((9, 5), SEPARATED)
    basis, singular_values, coefficients = naive_svd(latents, RANK)
    weights = np.zeros_like(basis), singular_values, np.zeros_like(coefficients)
    np.testing.assert_allclose(pullback(RANK, True, latents, weights), coefficients @ basis.T, atol=1e-13)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_gradient_of_the_low_rank_product(x64, shape, method):
    latents, weights = with_spectrum(shape, SEPARATED), with_spectrum(shape, SEPARATED, seed=7)
    expected = naive_low_rank_gradient(latents, RANK, weights)

    def weighted_sum(latents):
        basis, _, coefficients = naive_svd(latents, RANK)
        return np.vdot(weights, coefficients @ basis.T)

    assert relative(finite_differences(weighted_sum, latents), expected) < 1e-7
    assert relative(low_rank_pullback(RANK, latents, weights, method=method), expected) < 1e-12


TIED = (2.0, 2.0, 2.0, 0.5, 0.5, 0.25)


@pytest.mark.parametrize("rank", [1, 3])
def test_a_direction_is_never_paired_with_itself(x64, monkeypatch, rank):
    """Were its own gap of zero off by one rounding, its inverse would be of the order of 1 / rounding."""
    latents = jnp.asarray(with_spectrum((9, 5), (4, 2.5, 2, 1, 0.5)))

    def value(latents):
        svd = truncated_svd(latents, rank, method="svd")
        return jnp.sum(jnp.sin(svd.basis)) + jnp.sum(jnp.sin(svd.coefficients))

    expected, inverse_gap = jax.grad(value)(latents), linalg.svd._damped_inverse_gap
    monkeypatch.setattr(
        linalg.svd,
        "_damped_inverse_gap",
        lambda kept, other: inverse_gap(kept, other) + 1e13 * (abs(kept - other) < 1e-15),
    )
    np.testing.assert_allclose(jax.grad(value)(latents), expected, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [exactly_tied, with_spectrum], ids=["exact tie", "tie up to rounding"])
@pytest.mark.parametrize("shape", [(9, 5), (5, 9)], ids=["tall", "wide"])
def test_gradient_of_the_low_rank_product_is_exact_where_kept_singular_values_coincide(x64, shape, make, method):
    latents, weights = make(shape, TIED), with_spectrum(shape, SEPARATED, seed=7)
    expected = naive_low_rank_gradient(latents, RANK, weights)
    assert relative(low_rank_pullback(RANK, latents, weights, method=method), expected) < 1e-12
    low_precision = jax.tree.map(jnp.float32, (latents, weights))
    assert relative(low_rank_pullback(RANK, *low_precision, method=method), expected) < 5e-6


@pytest.mark.parametrize("spectrum", [TIED, (4, 2, 1, 0, 0, 0)], ids=["kept tie", "dropped tie"])
def test_differentiating_the_svd_itself_fails_at_a_tie(spectrum):
    """That these cases are hard is what the custom rule is for."""

    def product(latents):
        left, singular_values, right = jnp.linalg.svd(latents, full_matrices=False)
        return jnp.sum((left[:, :RANK] * singular_values[None, :RANK]) @ right[:RANK] * weights)

    weights = jnp.asarray(with_spectrum((9, 5), SEPARATED, seed=7), jnp.float32)
    latents = jnp.asarray(exactly_tied((9, 5), spectrum), jnp.float32)
    assert np.isnan(jax.grad(product)(latents)).any()
    assert np.isfinite(low_rank_pullback(RANK, latents, weights)).all()


def test_duplicate_samples_beyond_the_rank_do_no_harm(x64):
    shape = (9, 5)
    latents = np.repeat(with_spectrum((3, 5), SEPARATED), 3, axis=0)
    weights = cotangents(shape, RANK)
    expected = naive_gradient(latents, RANK, *weights)
    assert relative(pullback(RANK, True, latents, weights), expected) < 1e-12
    assert relative(pullback(RANK, True, *jax.tree.map(jnp.float32, (latents, weights))), expected) < 1e-4


@pytest.mark.parametrize(
    "dtype, spectrum, tolerance",
    [
        ("float64", (2, 1, 1 - 1e-7, 0.3, 0.2), 1e-6),  # a near tie kept
        ("float64", (3, 2, 1, 1 - 1e-7, 0.2), 1e-6),  # a near tie across the cut
        ("float32", (2, 1, 1 - 1e-3, 0.3, 0.2), 1e-3),
        ("float32", (3, 2, 1, 1 - 1e-3, 0.2), 1e-3),
        ("float32", (1, 0.1, 1e-3, 5e-4, 2e-4), 2e-3),  # kept singular values far below the first
    ],
)
def test_near_ties_that_the_precision_resolves_are_not_smoothed_away(x64, dtype, spectrum, tolerance):
    shape = (9, 5)
    latents = exactly_tied(shape, spectrum).astype(dtype)  # the input itself must not carry a rounding of the gap
    weights = cotangents(shape, RANK)
    expected = naive_gradient(latents.astype(np.float64), RANK, *weights)
    found = pullback(RANK, True, latents, jax.tree.map(lambda array: jnp.asarray(array, dtype), weights))
    assert relative(found, expected) < tolerance


# ------------------------------------------------------------------------------------ finite where it has none

HARD = {
    "tie across the cut": (3, 2, 1, 1, 0.5),
    "near tie across the cut": (3, 2, 1, 1 - 1e-7, 0.5),
    "kept tie": (2, 2, 2, 0.5, 0.1),
    "kept near tie": (2, 2 - 2e-7, 1, 0.5, 0.1),
    "all tied": (1, 1, 1, 1, 1),
    "rank below k": (2, 1, 0, 0, 0),
    "nearly rank below k": (2, 1, 1e-7, 1e-7, 0),
    "all samples equal": (3, 0, 0, 0, 0),
    "zero": (0, 0, 0, 0, 0),
}


def assert_gradient_is_bounded(latents, seed=0, method="svd"):
    """Value and gradient are finite, the latter at most as large as rounding of the gaps allows."""
    weights = cotangents(latents.shape, RANK, seed)
    weights = jax.tree.map(lambda array: jnp.asarray(array, latents.dtype), weights)
    largest = np.linalg.norm(latents.astype(np.float64), 2)
    eps = np.finfo(latents.dtype).eps
    size = [np.linalg.norm(w) for w in weights]
    bound = 100 / eps * (size[0] / (largest or 1) + size[1] + size[2])
    assert all(np.isfinite(part).all() for part in jitted(RANK, True, latents, method=method))
    for within_block in (True, False):
        gradient = np.asarray(pullback(RANK, within_block, latents, weights, method=method), np.float64)
        assert np.isfinite(gradient).all() and np.linalg.norm(gradient) <= bound


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("scale", [1, 1e-20, 1e18])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("spectrum", HARD.values(), ids=HARD)
def test_hard_cases_stay_finite(x64, spectrum, scale, dtype, method):
    for make in (with_spectrum, exactly_tied):
        for shape in ((9, 5), (5, 9)):
            assert_gradient_is_bounded((scale * make(shape, spectrum)).astype(dtype), method=method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_equal_samples_stay_finite(x64, dtype, method):
    """As they are, with the rounding a product of singular vectors would not have."""
    sample = np.random.default_rng(3).normal(size=9)
    assert_gradient_is_bounded(np.tile(sample, (5, 1)).astype(dtype), method=method)
    assert_gradient_is_bounded(np.full((9, 5), 0.1).astype(dtype), method=method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(9, 5), (5, 9)], ids=["tall", "wide"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_latents_that_are_not_finite_give_nan_and_not_an_endless_iteration(bad, shape, method):
    """LAPACK's divide and conquer goes round for ever on an infinite entry, deaf to Ctrl-C."""
    latents = jnp.ones(shape).at[1, 2].set(bad)
    value, gradient = jax.value_and_grad(lambda y: jnp.sum(truncated_svd(y, 2, method=method).coefficients))(latents)
    assert np.isnan(value) and np.isnan(gradient).all()


@pytest.mark.parametrize("method", METHODS)
def test_scale_of_the_latents_does_not_matter(method):
    shape = (9, 5)
    latents, weights = with_spectrum(shape, SEPARATED), cotangents(shape, RANK)
    expected = naive_gradient(latents, RANK, *weights)
    for scale in (1e-20, 1e18):
        scaled = (weights[0] * scale, weights[1], weights[2])  # the basis alone does not grow with the latents
        found = pullback(RANK, True, *jax.tree.map(jnp.float32, (scale * latents, scaled)), method=method)
        assert relative(found, expected) < 2e-5


SINGULAR_VALUES = [0, 1e-30, 1e-12, 1e-7, 1e-3, 0.5, 1 - 1e-7, 1, 1, 1 + 1e-7, 1 + 1e-5, 1.01, 7]


@pytest.mark.parametrize("shape", [(9, 5), (5, 9)], ids=["tall", "wide"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_no_nan_nor_infinity_in_ten_thousand_matrices(x64, dtype, method, shape):
    """1,500 matrices for each of these eight cases, of the worst spectra there are, at scales from tiny to huge."""
    count, rng = 1500, np.random.default_rng([shape[0], FLOATS.index(dtype), METHODS.index(method)])
    spectra = -np.sort(-rng.choice(SINGULAR_VALUES, (count, 5)), axis=1) * rng.choice([1e-20, 1, 1e18], (count, 1))
    frames = [np.linalg.qr(rng.normal(size=(count, side, 5)))[0] for side in shape]
    stack = np.einsum("nik,nk,njk->nij", frames[0], spectra, frames[1]).astype(dtype)
    stack[::5] = stack[::5, :1]  # every fifth has equal samples
    weights = [rng.normal(size=(count, *w.shape)).astype(dtype) for w in cotangents(shape, RANK)]

    @jax.jit
    @jax.vmap
    def value_and_gradients(latents, *weights):
        parts, pull = jax.vjp(partial(apply, RANK, True, method=method), latents)
        _, pull_outside = jax.vjp(partial(apply, RANK, False, method=method), latents)
        return parts, pull(weights), pull_outside(weights)

    for part in jax.tree.leaves(value_and_gradients(stack, *weights)):
        assert part.dtype == dtype and len(part) == count
        bad = np.flatnonzero(~np.isfinite(part).reshape(count, -1).all(axis=1))
        assert not len(bad), f"matrix {bad[0]} with singular values {spectra[bad[0]]}"


# float32 against float64: tolerances of basis, singular values and gradient of all outputs, by method. What the table
# says: both are exact to rounding where the kept singular values are of one size; the Gram matrix loses small ones.
ACCURACY = {
    "smooth": ((4, 2.5, 1.3, 0.7, 0.4), {"svd": (3e-6, 1e-6, 3e-6), "gram": (3e-6, 1e-6, 3e-6)}),
    "fast decay": ((1, 1e-1, 1e-2, 1e-3, 1e-4), {"svd": (3e-6, 2e-6, 2e-5), "gram": (5e-4, 2e-6, 2e-3)}),
    "very fast decay": ((1, 1e-2, 1e-3, 3e-4, 1e-4), {"svd": (5e-5, 2e-5, 5e-4), "gram": (0.05, 1e-3, 0.1)}),
    "tiny": ((4e-20, 2.5e-20, 1.3e-20, 7e-21, 4e-21), {"svd": (3e-6, 1e-6, 3e-6), "gram": (3e-6, 1e-6, 3e-6)}),
    "huge": ((4e18, 2.5e18, 1.3e18, 7e17, 4e17), {"svd": (3e-6, 1e-6, 3e-6), "gram": (3e-6, 1e-6, 3e-6)}),
}


@pytest.mark.parametrize("shape", [(64, 20), (20, 64)], ids=["tall", "wide"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", ACCURACY)
def test_accuracy_in_float32(x64, case, method, shape):
    spectrum, tolerances = ACCURACY[case]
    latents = with_spectrum(shape, [*spectrum, *np.geomspace(spectrum[-1] / 2, spectrum[-1] / 50, 15)])
    latents = latents.astype("float32")
    exact = latents.astype("float64")
    weights = cotangents(shape, RANK)
    weights = (weights[0] * np.linalg.norm(exact), weights[1], weights[2])  # so that every part of the gradient counts
    basis, singular_values, _ = jitted(RANK, True, latents, method=method)
    expected_basis, expected_values, _ = naive_svd(exact, RANK)
    gradient = pullback(RANK, True, latents, jax.tree.map(jnp.float32, weights), method=method)
    errors = (
        relative(basis, expected_basis),
        np.max(np.abs(singular_values / expected_values - 1)),
        relative(gradient, naive_gradient(exact, RANK, *weights)),
    )
    assert all(error < tolerance for error, tolerance in zip(errors, tolerances[method], strict=True)), errors
    if case == "very fast decay" and method == "gram":  # where the docstring says not to use it
        by_svd, *_ = jitted(RANK, True, latents, method="svd")
        assert errors[0] > 5 * relative(by_svd, expected_basis), (errors[0], relative(by_svd, expected_basis))


@pytest.mark.parametrize("shape", [(9, 5), (5, 9)], ids=["tall", "wide"])
def test_a_vanishing_direction_has_a_unit_vector_by_the_svd_and_maybe_none_by_the_gram_matrix(shape):
    latents = jnp.asarray(with_spectrum(shape, (2, 1, 0, 0, 0)), jnp.float32)
    norms = {method: np.linalg.norm(jitted(RANK, True, latents, method=method)[0], axis=0) for method in METHODS}
    np.testing.assert_allclose(norms["svd"], 1, atol=1e-6)
    np.testing.assert_allclose(norms["gram"][:2], 1, atol=1e-6)
    basis, singular_values, _ = jitted(RANK, True, latents, method="gram")
    assert np.all(np.diff(singular_values) <= 0)
    inner = np.asarray(basis.T @ basis)
    np.testing.assert_allclose(inner, np.diag(np.round(np.diag(inner))), atol=1e-5)  # a unit vector or none
    exactly = jitted(RANK, True, jnp.zeros(shape), method="gram")[0]
    assert np.all(np.isin(np.linalg.norm(exactly, axis=0), [0, 1]))


def test_the_gram_matrix_is_used_on_tpus_and_the_svd_elsewhere():
    def calls(platform, method):
        """How often each operation and library function is called."""
        gradient = jax.jit(jax.grad(lambda y: jnp.sum(truncated_svd(y, RANK, method=method).coefficients ** 3)))
        text = gradient.trace(jnp.ones((9, 5))).lower(lowering_platforms=(platform,)).as_text()
        return {
            name: text.count(name) for name in ("gesdd", "syevd", "stablehlo.dot_general", "stablehlo.while", "Eigh")
        }

    programs = {
        (platform, method): calls(platform, method) for platform in ("cpu", "tpu") for method in ("auto", *METHODS)
    }
    assert programs["cpu", "auto"] == programs["cpu", "svd"] != programs["cpu", "gram"]
    assert programs["tpu", "auto"] == programs["tpu", "gram"] != programs["tpu", "svd"]


@pytest.mark.usefixtures("unchecked")
def test_unknown_method_is_refused():
    with pytest.raises(ValueError, match="method = 'qr': choose one of auto, svd, gram"):
        truncated_svd(jnp.ones((4, 4)), 2, method="qr")


# ------------------------------------------------------------------------------------- bases of many batches


@settings(max_examples=30)
@given(st.lists(st.integers(1, 11), max_size=4).map(sorted), st.integers(1, 6))
def test_gram_basis_is_that_of_all_latents_whatever_the_batches(cuts, rank):
    latents = with_spectrum((12, 6), SEPARATED)
    batches = [batch for batch in np.split(latents, cuts) if len(batch)]
    basis, singular_values = gram_basis(batches, rank)
    expected_basis, expected_values, _ = naive_svd(latents, rank)
    assert subspace_angle(basis, expected_basis) < 1e-7
    np.testing.assert_allclose(basis, expected_basis, atol=1e-11)
    np.testing.assert_allclose(singular_values, expected_values, rtol=1e-11)


def test_gram_basis_keeps_the_order_where_batches_share_a_span():
    """Stacking the bases of the batches would lose both order and frame here."""
    latents = with_spectrum((4, 4), SEPARATED)
    basis, singular_values = gram_basis([latents, 2 * latents, latents], 4)
    np.testing.assert_allclose(basis, naive_svd(latents, 4)[0], atol=1e-12)
    np.testing.assert_allclose(singular_values, np.sqrt(6) * np.array(SEPARATED[:4]), rtol=1e-12)


def test_gram_basis_of_float32_latents_is_summed_in_float64():
    latents = jnp.asarray(with_spectrum((12, 5), (1, 0.1, 1e-3, 5e-4, 2e-4)), jnp.float32)
    basis, singular_values = gram_basis([latents[:7], latents[7:]], 4)
    expected_basis, expected_values, _ = naive_svd(np.asarray(latents, np.float64), 4)
    np.testing.assert_allclose(basis, expected_basis, atol=1e-8)
    np.testing.assert_allclose(singular_values, expected_values, rtol=1e-8)


def test_centred_gram_basis_is_that_of_two_passes_where_the_mean_is_nearly_all():
    """99.9 % of the squares."""
    rng = np.random.default_rng(0)
    rest = rng.normal(size=(200, 6)) * np.linspace(3, 0.3, 6)
    rest -= rest.mean(axis=0)
    mean = rng.normal(size=6)
    mean *= np.sqrt(999 * (rest**2).sum() / 200) / np.linalg.norm(mean)
    latents = (rest + mean).astype(np.float32)
    gram = GramBasis.of(np.split(latents, [50, 120]))
    basis, singular_values = gram.basis(3, centre=True)
    exact = latents.astype(float) - latents.astype(float).mean(axis=0)
    _, expected, right = np.linalg.svd(exact)
    assert subspace_angle(basis, right[:3].T) < 1e-9
    np.testing.assert_allclose(singular_values, expected[:3], rtol=1e-9)
    np.testing.assert_allclose(gram.mean, latents.astype(float).mean(axis=0), rtol=1e-12)
    assert subspace_angle(gram.basis(1)[0], mean[:, None]) < 0.05  # without centring the mean comes first


@pytest.mark.parametrize("scale", [0.0, 1e-8, 1.0, 1e6])
def test_gram_basis_of_latents_that_lack_the_rank_is_orthonormal(scale):
    """Rounding makes some of the eigenvalues that should vanish negative."""
    latents = scale * np.outer(np.linspace(1, 2, 7), np.random.default_rng(0).normal(size=6))
    basis, singular_values = gram_basis([latents], 6)
    np.testing.assert_allclose(basis.T @ basis, np.eye(6), atol=1e-13)
    assert singular_values[0] == pytest.approx(np.linalg.norm(latents))
    assert np.all(singular_values[1:] <= 1e-6 * singular_values[0])


@pytest.mark.parametrize("rank", [0, 4, 7])
def test_gram_basis_of_too_high_a_rank_is_refused(rank):
    gram = GramBasis(6)
    gram.add(np.eye(6)[:3])
    with pytest.raises(ValueError, match=rf"rank = {rank}, but 3 latents of size 6 have 3 singular directions"):
        gram.basis(rank)
    for _ in range(3):
        gram.add(np.eye(6)[:3])
    with pytest.raises(ValueError, match="12 latents of size 6 have 6 singular directions"):
        gram.basis(7)


@pytest.mark.parametrize("bad", [[np.nan, 1], [np.inf, 0], [np.inf, -np.inf]], ids=str)
def test_gram_basis_of_latents_that_are_not_finite_is_refused(bad):
    latents = np.ones((4, 3))
    latents[2, :2] = bad
    with pytest.raises(ValueError, match="NaN or infinity: the model has diverged or its input is not finite"):
        gram_basis([np.ones((2, 3)), latents], 2)


def test_gram_basis_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no batches"):
        gram_basis([], 1)


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 2])
def test_subspace_angle_of_known_planes(angle):
    a = np.eye(4)[:, :2]
    b = np.stack([np.eye(4)[0], [0, np.cos(angle), np.sin(angle), 0]], axis=1)
    turned = b @ np.array([[0.6, -0.8], [0.8, 0.6]])  # another frame of the same plane
    assert subspace_angle(a, turned) == pytest.approx(angle, abs=1e-7)
    assert subspace_angle(jnp.asarray(turned), jnp.asarray(a)) == pytest.approx(angle, abs=1e-6)


def test_energy_overlap_counts_each_direction_by_its_energy():
    """Two kept directions of energy 9 and 1, of which another basis shares one, or the latter at an angle."""
    latents = np.zeros((5, 4))
    latents[0, 0], latents[1, 1], latents[2, 2] = 3, 1, 0.5
    e = np.eye(4)
    for basis, wanted in ((e[:, [0, 2]], 0.9), (e[:, [2, 1]], 0.1), (e[:, [0, 1]], 1), (e[:, [2, 3]], 0)):
        assert energy_overlap(latents, basis) == pytest.approx(wanted, abs=1e-15)
    tilted = np.stack([e[0], np.cos(0.3) * e[1] + np.sin(0.3) * e[3]], axis=1)
    turned = tilted @ np.array([[0.6, -0.8], [0.8, 0.6]])  # another frame of the same plane
    for basis in (tilted, jnp.asarray(turned)):
        assert energy_overlap(jnp.asarray(latents), basis) == pytest.approx(0.9 + 0.1 * np.cos(0.3) ** 2, rel=1e-6)


def test_energy_overlap_is_not_decided_by_a_dead_direction():
    latents = with_spectrum((12, 5), (2, 1, 1e-9, 0, 0))
    basis = np.array(naive_svd(latents, 3)[0])
    basis[:, 2] = naive_svd(latents, 5)[0][:, 4]
    assert subspace_angle(naive_svd(latents, 3)[0], basis) == pytest.approx(np.pi / 2)
    assert energy_overlap(latents, basis) == pytest.approx(1, abs=1e-12)


def test_energy_overlap_of_black_latents_is_refused():
    with pytest.raises(ValueError, match="the latents are all zero: they have no directions"):
        energy_overlap(np.zeros((4, 3)), np.eye(3)[:, :2])


def test_second_derivative_is_right_where_singular_values_differ(x64):
    """Against differences of the gradient."""
    latents, towards = with_spectrum((5, 9), (2, 1.5, 1.1, 0.7, 0.4)), np.random.default_rng(1).normal(size=(5, 9))

    def loss(latents):
        svd = truncated_svd(latents, RANK, within_block=False)
        return jnp.sum(jnp.tanh(svd.coefficients @ svd.basis.T) ** 2)

    @jax.jit
    def derivatives(latents):
        return jax.jvp(jax.grad(loss), (latents,), (jnp.asarray(towards),))

    _, found = derivatives(latents)
    ahead, behind = (derivatives(latents + step * towards)[0] for step in (1e-5, -1e-5))
    expected = (ahead - behind) / 2e-5
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
