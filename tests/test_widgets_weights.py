"""Models as the page runs them: the page's own engine, in Node, computes what the library does."""

import base64
import inspect
import json
import os
import shutil
import subprocess
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import LinearDecoder, LinearEncoder

import vrrae_lab as vl
from vrrae_lab.bottlenecks import Draw, FixedBasis, Identity, LowRank
from vrrae_lab.gaussian import PointMass
from vrrae_lab.models import CONSTRUCTORS, Autoencoder, build, freeze_basis, mixed_precision
from vrrae_lab.widgets.dense import DenseDecoder, DenseEncoder
from vrrae_lab.widgets.weights import PageCannotRun, page_model

pytestmark = pytest.mark.usefixtures("quick_compilation")
PAGE = Path(vl.__file__).parent / "widgets" / "page"
SHAPE = (12, 21, 1)  # neither square nor multiples of 16


def some_images(count, shape):
    return np.random.default_rng(0).random((count, *shape), np.float32)


def family_member(constructor, key, shape=SHAPE, latent_size=11, rank=3, **centre):
    """A frozen model of weights as large as those of a trained one: fresh ones make images of nearly one colour."""
    sizes = {"shape": shape, "latent_size": latent_size, "rank": rank, "num_matrices": 2}
    names = inspect.signature(CONSTRUCTORS[constructor]).parameters
    model = build(constructor, {name: sizes[name] for name in names if name in sizes} | centre, key=key)
    model = Autoencoder(model.encoder, model.bottleneck, model.decoder, model.shape)  # alike ones are compiled once
    return freeze_basis(jax.tree.map(_larger, model), some_images(16, shape))


def _larger(leaf):
    return 3 * leaf if eqx.is_inexact_array(leaf) else leaf


def dense(bottleneck, key):
    keys = jax.random.split(key)
    nets = DenseEncoder(SHAPE, 9, key=keys[0]), DenseDecoder(SHAPE, 9, key=keys[1])
    return freeze_basis(Autoencoder(nets[0], bottleneck, nets[1], SHAPE), some_images(16, SHAPE))


def in_float16(model):
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float16).astype(leaf.dtype), model)


def write_case(path, model, x, **options):
    """A model for the page, with what the library makes of two images."""
    spec, weights = page_model(model, name=path.stem, **options)
    if options:
        model = in_float16(model)
    posterior = model.encode(x)
    deviation = getattr(posterior, "standard_deviation", None)
    decoded = model.decode(posterior.mean)
    samples = [
        {
            "x": np.ravel(x[i]).tolist(),
            "mean": posterior.mean[i].tolist(),
            "deviation": None if deviation is None else deviation[i].tolist(),
            "decoded": np.ravel(decoded[i]).tolist(),
        }
        for i in range(len(x))
    ]
    case = {"spec": spec, "weights": base64.b64encode(weights).decode(), "samples": samples}
    path.write_text(json.dumps(case))


def page_tools():
    """Skips where the page cannot be tested; fails there if VRRAE_LAB_REQUIRE contains "page"."""
    if shutil.which("node") and (PAGE / "node_modules").is_dir():
        return
    reason = "the page's tools are not here: they need Node and `make page`"
    if "page" in os.environ.get("VRRAE_LAB_REQUIRE", "").split(","):
        pytest.fail(reason)
    pytest.skip(reason)


def test_the_page_computes_what_the_library_does(tmp_path, getkey):
    page_tools()
    key = getkey()
    models = {name: family_member(name, key) for name in CONSTRUCTORS}
    models["bumps 64×64"] = family_member("vrrae", key, (64, 64, 1), latent_size=200, rank=4)
    models["MNIST"] = family_member("vrrae", key, (28, 28, 1), latent_size=100, rank=16)
    models["CIFAR-10"] = family_member("vae", key, (32, 32, 3), latent_size=40)
    models["the smallest images"] = family_member("rrae", key, (4, 5, 2), latent_size=1, rank=1)
    for name in ("rrae", "vrrae"):
        models[f"{name}, centred"] = family_member(name, key, centre=True)
        assert (
            np.abs(models[f"{name}, centred"].bottleneck.basis.offset).max() > 0.1
        )  # it is not too small to be missed
    models["dense"], models["dense RRAE"] = dense(Identity(), key), dense(LowRank.of_rank(2), key)
    images = {name: some_images(2, model.shape) for name, model in models.items()}
    for name, data in {"digits_vrrae": vl.data.digits(), "bumps_vae": vl.data.bumps(image_size=32)}.items():
        models[name], _ = vl.checkpoint.load(vl.checkpoint.shipped(name))
        images[name] = data.x[:2]
    for name, model in models.items():
        write_case(tmp_path / f"{name}.json", model, images[name])
    write_case(tmp_path / "halves.json", models["digits_vrrae"], images["digits_vrrae"], precision="float16")

    command = ["npx", "vitest", "run", "library", "--reporter=json"]
    environment = os.environ | {"VRRAE_LAB_MODELS": str(tmp_path)}
    done = subprocess.run(command, cwd=PAGE, env=environment, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["success"], done.stdout
    assert report["numPassedTests"] == 3 * (len(models) + 1)  # by three kernels


def test_half_precision_takes_half_the_bytes(getkey):
    model = family_member("vrrae", getkey())
    _, weights = page_model(model, name="VRRAE")
    spec, halves = page_model(model, name="VRRAE", precision="float16")
    assert 2 * len(halves) == len(weights) and json.loads(json.dumps(spec)) == spec


def test_a_model_in_mixed_precision_has_the_weights_of_its_model(getkey):
    model = family_member("vae", getkey())
    assert page_model(mixed_precision(model), name="VAE") == page_model(model, name="VAE")


def hand_made_net(key):
    return Autoencoder(LinearEncoder(SHAPE, 4, key=key), Identity(), LinearDecoder(SHAPE, 4, key=key), SHAPE)


def other_activation(key):
    return eqx.tree_at(lambda m: m.decoder.net.activation, dense(Identity(), key), jax.nn.gelu)


class Scale(eqx.Module):
    """A bottleneck made by hand."""

    factor: jax.Array

    def __call__(self, latents, *, key):
        return Draw(self.encode(latents), self.decode(latents))

    def encode(self, latents):
        return PointMass(self.factor * latents)

    def decode(self, z):
        return z


def hand_made_bottleneck(key):
    model = family_member("ae", key)
    return Autoencoder(model.encoder, Scale(jnp.ones(())), model.decoder, SHAPE)


@pytest.mark.parametrize(
    "make, what", [(hand_made_net, "LinearEncoder"), (other_activation, "gelu"), (hand_made_bottleneck, "Scale")]
)
def test_what_the_page_has_no_layer_for_is_named(getkey, make, what):
    with pytest.raises(PageCannotRun, match=f"no layer for {what}, .* decode it in Python"):
        page_model(make(getkey()), name="AE")


class Moved(FixedBasis):
    """A basis with a number that no layer takes."""

    middle: jax.Array | None = None


def test_a_model_with_an_array_that_is_left_over_is_refused(getkey):
    model = family_member("rrae", getkey())
    moved = Moved(model.bottleneck.basis.matrix, middle=jnp.zeros(11))
    model = eqx.tree_at(lambda m: m.bottleneck.basis, model, moved)
    with pytest.raises(PageCannotRun, match="what bottleneck.basis.middle of the RRAE does"):
        page_model(model, name="RRAE")


def test_a_model_that_is_not_frozen_is_refused(getkey):
    model = build("vrrae", {"shape": SHAPE, "latent_size": 4, "rank": 2}, key=getkey())
    with pytest.raises(ValueError, match=r"the VRRAE takes its basis from each batch.*freeze_basis\(model"):
        page_model(model, name="VRRAE")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_named(getkey, value):
    model = family_member("vae", getkey())
    model = eqx.tree_at(lambda m: m.decoder.convolutions[2].bias, model, replace_fn=lambda b: b.at[1].set(value))
    with pytest.raises(ValueError, match=r"^decoder.convolutions\[2\].bias of the VAE contains NaN or infinity"):
        page_model(model, name="VAE")


def test_a_weight_too_large_for_half_precision_is_named(getkey):
    model = eqx.tree_at(lambda m: m.encoder.linear.bias, family_member("ae", getkey()), jnp.full(11, 7e4))
    page_model(model, name="AE")
    with pytest.raises(ValueError, match="encoder.linear.bias of the AE contains 7e\\+04.* use precision='float32'"):
        page_model(model, name="AE", precision="float16")


def test_another_precision_is_refused(getkey, unchecked):
    with pytest.raises(ValueError, match="precision = 'float8': use 'float32' or 'float16'"):
        page_model(family_member("ae", getkey()), name="AE", precision="float8")
