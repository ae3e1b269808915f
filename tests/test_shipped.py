"""What comes with the package: trained models that load and do what their records say."""

from pathlib import Path

import pytest

import vrrae_lab as vl
from vrrae_lab.experiments import of_model, shipped_record

PACKAGE = Path(vl.__file__).parent


def test_the_shipped_model_has_the_error_of_its_record():
    model, notes = vl.checkpoint.load(vl.checkpoint.shipped("bumps_vrrae"))
    record = shipped_record("bumps_2000_steps")
    train = vl.data.bumps(image_size=record["settings"]["image_size"])
    error = vl.metrics.relative_error(train.x, model.reconstruct(train.x))
    place = record["seeds"].index(notes["seed"])
    assert error == pytest.approx(of_model(record, "VRRAE", "train_error")[place], rel=1e-3)
    assert notes["settings"] == record["settings"]


@pytest.mark.parametrize("name", sorted(path.stem for path in (PACKAGE / "records").glob("*.json")))
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
