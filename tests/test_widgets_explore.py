"""The lab at the level of traits: what the page is sent, what it asks, and what is read and set here."""

import equinox as eqx
import jax
import numpy as np
import pytest
from support import LinearDecoder, linear_nets

import vrrae_lab as vl
from vrrae_lab.widgets.explorer import black_and_white

SIZE, RANK = 16, 3


@pytest.fixture(scope="module")
def bumps():
    return vl.data.bumps(25, image_size=SIZE)


@pytest.fixture(scope="module")
def model(bumps):
    return vl.freeze_basis(vl.vrrae(bumps.shape, latent_size=6, rank=RANK, key=jax.random.key(0)), bumps.x)


@pytest.fixture(scope="module")
def by_hand(bumps):
    """The page has no layer for its decoder."""
    decoder = LinearDecoder(bumps.shape, 4, key=jax.random.key(1))
    return eqx.tree_at(lambda m: m.decoder, vl.ae(bumps.shape, latent_size=4, key=jax.random.key(0)), decoder)


def numbers(content, columns):
    return np.frombuffer(content, "<f4").reshape(-1, columns)


def test_it_opens_on_an_image_and_decodes_its_posterior_mean(model, bumps):
    lab = vl.widgets.explore(model, bumps)
    mean = np.asarray(model.encode(bumps.x).mean)
    assert lab.image == 0 and lab.rank == RANK
    np.testing.assert_allclose(lab.z, mean[0], atol=1e-6)
    np.testing.assert_allclose(lab.decoded, model.decode(mean[:1])[0], atol=1e-5)


def test_what_the_page_is_sent_is_what_the_model_finds(model, bumps):
    (sent,) = vl.widgets.explore(model, bumps)._parts
    posterior = model.encode(bumps.x)
    np.testing.assert_allclose(numbers(sent["means"], RANK), posterior.mean, atol=1e-6)
    np.testing.assert_allclose(numbers(sent["deviations"], RANK), posterior.standard_deviation, rtol=1e-5)
    assert sent["order"] == np.argsort(-np.asarray(posterior.mean).std(axis=0)).tolist()
    assert (sent["name"], sent["family"], sent["svd"], sent["latentSize"]) == ("VRRAE", "vrrae", True, 6)
    assert sent["spec"]["rank"] == RANK and len(sent["weights"]) > 0


def test_images_are_sent_within_half_a_shade(model, bumps):
    sent = vl.widgets.explore(model, bumps)._data
    low, high = sent["look"]["limits"]
    images = low + np.frombuffer(sent["images"], "<u2") / 65_535 * (high - low)
    np.testing.assert_allclose(images, bumps.x.ravel(), atol=(high - low) / 131_000)
    assert sent["look"]["picture"] == "map" and sent["labels"] is None


def test_digits_are_ink_with_classes():
    digits = vl.data.digits("train").take(30)
    model, _ = vl.checkpoint.load(vl.checkpoint.shipped("digits_rrae"))
    lab = vl.widgets.explore(model, digits)
    assert lab._data["look"]["picture"] == "ink"
    assert lab._data["classes"] == list("0123456789")
    assert np.frombuffer(lab._data["labels"], "<i4").tolist() == digits.labels.tolist()
    assert lab._parts[0]["deviations"] is None and lab._parts[0]["kl"] is None


def test_a_picked_image_sets_the_coefficients_of_both_models(model, bumps):
    other = vl.vae(bumps.shape, latent_size=2, key=jax.random.key(2))
    lab = vl.widgets.explore(model, bumps, other=other)
    lab.image = 7
    np.testing.assert_allclose(lab.z, model.encode(bumps.x[7:8]).mean[0], atol=1e-6)
    np.testing.assert_allclose(lab.other_z, other.encode(bumps.x[7:8]).mean[0], atol=1e-6)
    np.testing.assert_allclose(lab.other_decoded, other.reconstruct(bumps.x[7:8])[0], atol=1e-5)


def test_what_the_page_moves_is_read_and_not_overwritten(model, bumps):
    """An image and what became of it since arrive together."""
    lab = vl.widgets.explore(model, bumps)
    lab.set_state({"image": 7, "z": [0.5, -0.25, 1.0]})
    assert (lab.image, lab.z) == (7, [0.5, -0.25, 1.0])


def test_beyond_the_rank_coefficients_are_at_their_mean(model, bumps):
    lab = vl.widgets.explore(model, bumps)
    lab.z = np.array([3.0, -2.0, 1.0])
    lab.rank = 1
    means = np.asarray(model.encode(bumps.x).mean)
    z, widest = means.mean(axis=0), np.argmax(means.std(axis=0))
    z[widest] = lab.z[widest]
    np.testing.assert_allclose(lab.decoded, model.decode(z[None])[0], atol=1e-5)


def test_what_cannot_be_is_refused(model, bumps):
    lab = vl.widgets.explore(model, bumps)
    for name, value, says in [
        ("z", [1.0, 2.0], "give 3 finite numbers"),
        ("z", [np.nan] * 3, "give 3 finite numbers"),
        ("other_z", [1.0], "give 0 finite numbers"),
        ("rank", 4, "use 1 to 3"),
        ("rank", 0, "use 1 to 3"),
        ("image", 25, "use 0 to 24"),
    ]:
        before = getattr(lab, name)
        with pytest.raises(ValueError, match=says):
            setattr(lab, name, value)
        assert getattr(lab, name) == before
    with pytest.raises(ValueError, match="no second model"):
        _ = lab.other_decoded


def test_densities_are_fitted_when_they_are_asked_for(model, bumps):
    lab = vl.widgets.explore(model, bumps)
    assert lab._samples == []
    lab.mode = "mixture"
    (fitted,) = lab._samples
    samples, means = numbers(fitted["mixture"], RANK), np.asarray(model.encode(bumps.x).mean)
    np.testing.assert_allclose(samples.mean(axis=0), means.mean(axis=0), atol=means.std())
    np.testing.assert_allclose(fitted["bandwidth"], vl.density.silverman(means), rtol=1e-5)


def test_the_kernel_computes_what_the_page_cannot(by_hand, bumps, monkeypatch):
    lab = vl.widgets.explore(by_hand, bumps)
    assert lab._parts[0]["spec"] is None and "LinearDecoder" in lab.cannot_run[0]
    sent = []
    monkeypatch.setattr(type(lab), "send", lambda self, content, buffers=None: sent.append((content, buffers)))
    x, z = bumps.x[3], np.arange(4, dtype=np.float32)
    lab._handle_custom_msg({"model": 0, "do": "decode", "id": "0 decode"}, [memoryview(z.tobytes())])
    lab._handle_custom_msg({"model": 0, "do": "encode", "id": "0 encode"}, [memoryview(x.tobytes())])
    (decoded, images), (encoded, posterior) = sent
    assert (decoded, encoded) == ({"id": "0 decode"}, {"id": "0 encode"})
    np.testing.assert_allclose(numbers(images[0], SIZE * SIZE)[0], by_hand.decode(z[None])[0].ravel(), atol=1e-6)
    np.testing.assert_allclose(numbers(posterior[0], 4), by_hand.encode(x[None]).mean, atol=1e-6)
    lab._handle_custom_msg({"model": 0, "do": "decode", "id": "0 decode"}, [memoryview(z[:3].tobytes())])
    assert "(3,)" in lab.message


def test_many_images_are_thinned_evenly(bumps):
    with linear_nets():
        model = vl.ae((4, 4, 1), latent_size=2, key=jax.random.key(0))
    x = np.linspace(0, 1, 5001, dtype=np.float32)[:, None, None, None] * np.ones((1, 4, 4, 1), np.float32)
    lab = vl.widgets.explore(model, vl.data.Dataset("many", x, np.arange(5001) % 3))
    np.testing.assert_allclose(lab.data.x[:, 0, 0, 0], np.linspace(0, 1, 2000), atol=2e-4)
    assert lab._data["total"] == 5001 and len(lab.data.labels) == 2000


def test_bad_models_are_refused_with_a_remedy(model, bumps):
    unfrozen = vl.vrrae(bumps.shape, latent_size=6, rank=RANK, key=jax.random.key(0))
    for arguments in [{"model": unfrozen}, {"model": model, "other": unfrozen}]:
        with pytest.raises(ValueError, match="freeze_basis"):
            vl.widgets.explore(data=bumps, **arguments)
    with pytest.raises(ValueError, match="shape"):
        vl.widgets.explore(model, vl.data.bumps(25, image_size=12))
    diverged = eqx.tree_at(lambda m: m.bottleneck.basis.matrix, model, replace_fn=lambda matrix: matrix * np.nan)
    with pytest.raises(ValueError, match="diverged"):
        vl.widgets.explore(diverged, bumps)


@pytest.mark.parametrize(
    ("offset", "scale", "low", "high", "expected"),
    [
        (0.0, 1.0, 0.0, 1.0, (0.0, 1.0)),
        (0.0, 16.0, 0.0, 1.0, (0.0, 1.0)),  # digits: sixteenths
        (0.5, 0.25, -2.0, 2.0, (-2.0, 2.0)),
        (3.0, 2.0, -1.0, 5.0, (-1.0, 5.0)),  # no pictures: their extremes
    ],
)
def test_black_and_white_have_their_places_in_the_scaling(offset, scale, low, high, expected):
    x = np.linspace(low, high, 16, dtype=np.float32).reshape(1, 4, 4, 1)
    assert black_and_white(vl.data.Dataset("some", x, None, offset, scale)) == pytest.approx(expected)
