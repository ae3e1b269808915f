"""The map of collapse at the level of traits: it shows what the record says."""

import copy

import numpy as np
import pytest

import vrrae_lab as vl
from vrrae_lab.experiments import of_model, shipped_record


@pytest.fixture(scope="module")
def record():
    return shipped_record("collapse_map_16")


def test_every_run_of_the_record_is_there(record):
    grid = vl.widgets.collapse_map()._grid
    assert grid["models"][:2] == ["VAE", "VRRAE"] and grid["betas"] == record["data"]["betas"]
    assert grid["rates"] == record["settings"]["learning_rates"] and len(grid["runs"]) == len(record["results"])
    assert grid["thresholds"] == [2 * eigenvalue for eigenvalue in record["data"]["pixel_eigenvalues"]]
    name = "VRRAE, 0.3 of the threshold, rate 0.001"
    found = [
        run
        for run in grid["runs"]
        if (run["model"], run["beta"], run["rate"]) == ("VRRAE", record["data"]["betas"][3], 0.001)
    ]
    assert [run["seed"] for run in found] == record["seeds"]
    assert [run["awake"] for run in found] == of_model(record, name, "active_units")
    assert [run["error"] for run in found] == of_model(record, name, "test_error")
    assert [run["kl"] for run in found] == [sum(kl) for kl in of_model(record, name, "kl_per_coefficient")]


def test_it_opens_where_the_models_differ_most(record):
    widget = vl.widgets.collapse_map(record)

    def share(model, relative, rate):
        units = of_model(record, f"{model}, {relative:g} of the threshold, rate {rate:g}", "active_units")
        return np.mean([not all(awake) for awake in units])

    settings = record["settings"]
    gaps = {
        (beta, rate): abs(share("VAE", relative, rate) - share("VRRAE", relative, rate))
        for relative, beta in zip(settings["relative_betas"], record["data"]["betas"], strict=True)
        for rate in settings["learning_rates"]
    }
    assert gaps[widget.beta, widget.learning_rate] == max(gaps.values()) > 0.5


def test_a_cell_is_opened_by_its_numbers(record):
    widget = vl.widgets.collapse_map()
    widget.beta, widget.learning_rate = 64.6, 3e-4
    assert (widget.beta, widget.learning_rate) == (record["data"]["betas"][4], 3e-4)
    with pytest.raises(ValueError, match=r"beta = 50.0: the record has 0.0923, .*, 129"):
        widget.beta = 50.0


def test_a_third_model_and_a_diverged_run(record):
    changed = copy.deepcopy(record)
    more = [dict(result) for result in changed["results"] if result["model"].startswith("VRRAE")]
    for result in more:
        result["model"] = result["model"].replace("VRRAE", "VRRAE, centred")
    more[0]["metrics"] = {}
    changed["results"] += more
    grid = vl.widgets.collapse_map(changed)._grid
    assert grid["models"][-1] == "VRRAE, centred" and len(grid["runs"]) == len(changed["results"])
    assert [run["awake"] for run in grid["runs"][-len(more) :]][0] is None


@pytest.mark.parametrize(
    ("bad", "remedy"),
    [
        ({}, "no record of trained models"),
        ({"experiment": "zoo", "results": []}, "record is one of 'zoo': give one of collapse_map"),
        ({"experiment": "collapse_map", "results": []}, "that has runs"),
    ],
)
def test_other_records_are_refused(bad, remedy):
    with pytest.raises(ValueError, match=remedy):
        vl.widgets.collapse_map(bad)
