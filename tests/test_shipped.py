"""What comes with the package: a trained model that loads and does what its record says, and the records."""

from pathlib import Path

import pytest

import vrrae_lab as vl
from vrrae_lab.experiments import shipped_record

PACKAGE = Path(vl.__file__).parent
EXPERIMENTS = [path.stem for path in sorted((PACKAGE / "records").glob("*.json")) if path.stem != "bumps_vrrae"]


def test_the_shipped_model_has_the_errors_of_its_record():
    model, notes = vl.checkpoint.load(vl.checkpoint.shipped("bumps_vrrae"))
    record = shipped_record("bumps_vrrae")
    assert notes == record
    train = vl.data.bumps(image_size=record["settings"]["image_size"])
    error = vl.metrics.relative_error(train.x, model.reconstruct(train.x))
    assert error == pytest.approx(record["train_error"], rel=1e-3)
    assert vl.metrics.kl_per_coefficient(model.encode(train.x)) == pytest.approx(record["kl_per_coefficient"], rel=1e-3)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_record_says_how_it_was_made(name):
    record = shipped_record(name)
    assert {"settings", "seeds", "versions", "device", "command", "results", "duration_seconds"} <= record.keys()
    assert {(r["model"], r["seed"]) for r in record["results"]} == {
        (model, seed) for model in ("AE", "VAE", "RRAE", "VRRAE") for seed in record["seeds"]
    }


def test_unknown_names_list_the_known():
    with pytest.raises(ValueError, match="bumps_vrrae"):
        vl.checkpoint.shipped("no_such_model")
    with pytest.raises(ValueError, match="bumps_2000_steps"):
        shipped_record("no_such_record")


def test_shipped_models_stay_small():
    size = sum(path.stat().st_size for path in (PACKAGE / "shipped").glob("*.ckpt"))
    assert 0 < size <= 15_000_000
