"""The widget of the truncated SVD at the level of traits: its gradients, its state, and what the page is given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import traitlets

import vrrae_lab as vl

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def widget():
    return vl.widgets.truncated_svd(key=KEY)


@pytest.mark.usefixtures("x64")
def test_norms_are_those_of_the_gradient_by_differences():
    """Of both losses at a gap of .1, worked out here from their definition."""
    widget = vl.widgets.truncated_svd(key=KEY)
    norms, place = widget.norms, 6
    assert widget.gaps[place] == pytest.approx(0.1)
    of_weights, of_noise = jax.random.split(jax.random.split(KEY, 3)[0])
    weights, noise = jax.random.normal(of_weights, (12, 8)), 0.3 * jax.random.normal(of_noise, (12, 3))
    batch = np.eye(12, 8) * [1, 0.9, 0.5, 0.25, 0.2, 0.15, 0.1, 0.05]

    def loss(latents, noise):
        _, vectors = jnp.linalg.eigh(latents.T @ latents)
        basis = vectors[:, ::-1][:, :3]
        basis = basis * jnp.sign(jnp.take_along_axis(basis, jnp.abs(basis).argmax(0)[None], 0))
        return jnp.sum(((latents @ basis + noise) @ basis.T - weights) ** 2)

    h = 1e-6
    steps = h * np.eye(96).reshape(96, 12, 8)
    for name, draw in (("VRRAE", noise), ("RRAE", 0 * noise)):
        ahead, behind = (jax.vmap(loss, (0, None))(batch + sign * steps, draw) for sign in (1, -1))
        slope = float(jnp.linalg.norm((ahead - behind) / (2 * h)))
        for rule in ("exact", "automatic"):
            assert norms[name][rule][place] == pytest.approx(slope, rel=1e-5)
    assert norms["VRRAE"]["kept pairs left out"][place] < 0.9 * norms["VRRAE"]["exact"][place]


def test_only_a_vrrae_notices_a_tie_and_only_plain_autodiff_fails_at_it(widget):
    gaps, norms = widget.gaps, widget.norms
    near = slice(list(gaps).index(1e-3), -1)
    np.testing.assert_allclose(
        norms["VRRAE"]["exact"][near] * gaps[near], norms["VRRAE"]["exact"][-2] * 1e-8, rtol=0.01
    )
    for loss, rule in (("VRRAE", "kept pairs left out"), ("RRAE", "exact"), ("RRAE", "kept pairs left out")):
        assert np.ptp(np.log(norms[loss][rule][near])) < 0.05
    assert gaps[-1] == 0
    for rules in norms.values():
        assert np.isnan(rules.pop("automatic")[-1])
        assert all(np.isfinite(values).all() for values in rules.values())


def test_a_gap_is_one_at_which_gradients_were_taken(widget):
    for value, nearest in ((1e-6, 1e-6), (0.4, 10**-0.4), (1.1e-3, 1e-3), (0, 0), (1e-12, 0)):
        widget.gap = value
        assert widget.gap == pytest.approx(nearest, rel=1e-12) and widget.gap in widget.gaps
    given = np.frombuffer(widget._gaps, "<f8")
    assert widget.gap in given and (given == widget.gaps).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gap", 0.5),
        ("gap", np.nan),
        ("push", 0.02),
        ("rank", 2),
        ("latents", [[0.0, 0.0]]),
        ("latents", [[0, 3], [1, 1]]),
    ],
)
def test_values_out_of_range_are_refused_and_the_old_ones_stay(widget, name, value):
    before = getattr(widget, name)
    with pytest.raises(traitlets.TraitError, match=name):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def test_the_page_is_given_the_best_approximation_of_each_rank():
    bumps = vl.data.bumps(16, image_size=16)
    widget = vl.widgets.truncated_svd(bumps, key=KEY)
    facts, numbers = widget._images, np.frombuffer(widget._pixels, "<f4")
    count, directions, size = facts["count"], facts["directions"], 256
    assert (count, directions, facts["shape"], facts["look"]["picture"]) == (8, 16, [16, 16, 1], "map")
    shown, coefficients, basis, values = np.split(
        numbers, np.cumsum([count * size, count * directions, directions * size])
    )
    matrix = bumps.x.reshape(16, -1).astype(float)
    left, singular, right = np.linalg.svd(matrix, full_matrices=False)
    chosen = np.linspace(0, 15, 8).astype(int)
    np.testing.assert_array_equal(shown.reshape(count, size), bumps.x.reshape(16, -1)[chosen])
    np.testing.assert_allclose(values, singular, rtol=1e-3, atol=1e-4)
    assert facts["energy"] == pytest.approx((singular**2).sum())
    cut = coefficients.reshape(count, -1)[:, :5] @ basis.reshape(directions, -1)[:5]
    np.testing.assert_allclose(cut, ((left[:, :5] * singular[:5]) @ right[:5])[chosen], atol=1e-3)
    widget.rank = 16
    with pytest.raises(traitlets.TraitError, match="rank = 17: use 1 to 16"):
        widget.rank = 17
