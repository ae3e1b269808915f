"""What comes with the package: a trained model that loads and does what its record says, and the records."""

import itertools
from pathlib import Path

import jax
import numpy as np
import pytest

import vrrae_lab as vl
from vrrae_lab.experiments import BandwidthTable, shipped_record
from vrrae_lab.experiments.bandwidth_table import compare
from vrrae_lab.experiments.comparison import model_names
from vrrae_lab.papers import BANDWIDTHS

PACKAGE = Path(vl.__file__).parent
RECORDS = {path.stem for path in (PACKAGE / "records").glob("*.json")}
MODELS = sorted(path.stem for path in (PACKAGE / "shipped").glob("*.ckpt"))
EXPERIMENTS = sorted(RECORDS - {*MODELS, "bandwidth_table", "claims"})
MOST_BYTES = 12_000_000  # of all shipped models, which every installation downloads

# Whatever machine this is, without a network: of MNIST the images in the package, which are of the training set.
IMAGES = {"bumps": lambda: vl.data.bumps(image_size=32), "digits": vl.data.digits, "mnist": vl.data.mnist_sample}


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_model_has_the_errors_of_its_record(name):
    model, notes = vl.checkpoint.load(vl.checkpoint.shipped(name))
    record = shipped_record(name)
    assert notes == record
    settings = record["settings"]
    train = IMAGES[settings["data"]]()
    assert train.name == record["measured_on"] and train.shape[0] == settings["image_size"]
    error = vl.metrics.relative_error(train.x, model.reconstruct(train.x))
    assert error == pytest.approx(record["train_error"], rel=1e-3)
    kl, posterior = record["kl_per_coefficient"], model.encode(train.x)
    assert vl.metrics.kl_per_coefficient(posterior) == (None if kl is None else pytest.approx(kl, rel=1e-3))
    assert vl.metrics.active_units(posterior.mean).sum() == record["active_units"]


@pytest.mark.parametrize("name", MODELS)
def test_a_models_record_says_how_it_was_made(name):
    record = shipped_record(name)
    assert {"settings", "test_error", "versions", "device", "command", "duration_seconds"} <= record.keys()
    settings = record["settings"]
    wanted = {"constructor", "loss", "beta", "num_steps", "batch_size", "optimizer", "learning_rate", "keys"}
    assert wanted <= settings.keys() and settings["saved_as"] == "float16"


def test_models_of_bumps_digits_and_mnist_are_shipped_and_small():
    assert MODELS == [
        "bumps_vae",
        "bumps_vrrae",
        "digits_avae",
        "digits_rrae",
        "digits_vae",
        "digits_vrrae",
        "digits_vrrae_avae",
        "mnist_vae",
        "mnist_vrrae",
    ]
    assert sum(path.stat().st_size for path in (PACKAGE / "shipped").iterdir()) < MOST_BYTES


@pytest.mark.parametrize("name, vae, vrrae", [("mnist_awake", 16, 16), ("mnist_collapse", 6, 14)])
def test_a_recorded_race_says_how_it_was_made_and_ends_as_its_name_promises(name, vae, vrrae):
    recording = vl.widgets.Recording.load(PACKAGE / "shipped" / f"{name}.race.npz")
    assert {"keys", "steps", "commit", "versions", "device", "command"} <= recording.header["record"].keys()
    assert recording.header["names"] == ["VAE", "VRRAE"] and "60,000 images" in recording.header["data"]
    last = recording.frames[-1]
    assert last["step"] == recording.header["record"]["steps"]
    assert last["awake"].sum(axis=1).tolist() == [vae, vrrae]
    error, divergence = last["scores"][:, :2].T
    assert (error < 65).all() and (divergence > 1).all()
    np.testing.assert_allclose(divergence, last["kl"].astype(float).sum(axis=1), rtol=2e-3)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_record_says_how_it_was_made(name):
    record = shipped_record(name)
    assert {"settings", "seeds", "versions", "device", "command", "results", "duration_seconds"} <= record.keys()
    names = model_names(record)
    if record["experiment"] in ("bumps", "mnist", "cifar10", "celeba"):
        assert names[:4] == ["AE", "VAE", "RRAE", "VRRAE"]
    made = [(r["model"], r["seed"]) for r in record["results"]]
    assert len(names) > 1 and sorted(made) == sorted(itertools.product(names, record["seeds"]))


def test_the_table_of_bandwidths_is_the_full_one_and_agrees():
    record, full = shipped_record("bandwidth_table"), BandwidthTable()
    assert {"seeds", "versions", "device", "command", "duration_seconds"} <= record.keys()
    assert record["data"]["reductions"] == []
    assert {(r["latent_size"], r["num_centres"]) for r in record["results"]} == BANDWIDTHS.keys()
    for result in record["results"]:
        size, count = result["latent_size"], result["num_centres"]
        simulated = vl.density.AvaeBandwidth(tuple(result["simulated"]["trials"]))
        assert compare(size, count, simulated, result["exact"]["bandwidth"]).items() <= result.items()
        assert result["agrees"]
    grid = record["grid"]
    assert np.shape(grid["bandwidths"]) == (len(full.grid_latent_sizes), len(full.grid_num_centres))
    for i, j in ((0, 0), (6, 3), (-1, -1)):
        exact = vl.density.exact_avae_bandwidth(grid["latent_sizes"][i], grid["num_centres"][j])
        assert grid["bandwidths"][i][j] == pytest.approx(exact, rel=1e-6)


def test_the_outcomes_of_all_claims_are_shipped_and_are_those_of_the_checks():
    record, outcomes = shipped_record("claims"), vl.derivations.shipped_outcomes()
    assert {"settings", "commit", "versions", "device", "command", "duration_seconds"} <= record.keys()
    assert list(outcomes) == [claim.number for claim in vl.derivations.CLAIMS]
    for entry, outcome in zip(record["results"], outcomes.values(), strict=True):
        claim = outcome.claim
        assert (entry["name"], entry["verdict"]) == (claim.name, claim.verdict)
        assert outcome.supported and outcome.findings and all(finding.holds for finding in outcome.findings)
    assert record["commit"][:7] in outcomes.origin and "seed 0" in outcomes.origin
    for number in (1, 4):  # algebra on random latents: as the same seed gives it, but for rounding
        again = outcomes.check(number, key=jax.random.key(0), progress=False)
        assert [f.quantity for f in again.findings] == [f.quantity for f in outcomes[number].findings]
        assert again.supported


def test_unknown_names_list_the_known():
    with pytest.raises(ValueError, match="bumps_vrrae"):
        vl.checkpoint.shipped("no_such_model")
    with pytest.raises(ValueError, match="bumps_2000_steps"):
        shipped_record("no_such_record")


def test_a_record_that_is_not_there_yet_is_stood_in_for():
    assert shipped_record("of the future", "mnist_fast", "mnist") == shipped_record("mnist_fast")
    assert shipped_record("mnist", "mnist_fast") == shipped_record("mnist")
    with pytest.raises(ValueError, match="no record 'x' or 'y' comes with the package: there are ablations"):
        shipped_record("x", "y")
