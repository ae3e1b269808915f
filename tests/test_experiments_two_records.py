"""Two records held against each other."""

import copy
import json

import numpy as np
import pytest

from vrrae_lab.experiments import compare_records, read_record, shipped_record
from vrrae_lab.files import write_json


def record(values, *, name="a", seed=0, **settings):
    """A record of one model with one metric, a value for each seed."""
    results = [
        {"model": name, "seed": seed + i, "metrics": {} if value is None else {"error": value, "curve": [value, 1.0]}}
        for i, value in enumerate(values)
    ]
    return {"experiment": "made", "settings": settings, "seeds": [seed, seed + len(values) - 1], "results": results}


def cells(text):
    """The rows of a table, as lists of words."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| a")]


def test_the_interval_is_welchs():
    """Against the formula written out; the two have other variances and other counts."""
    a, b = [1.0, 2.0, 4.0, 3.5], [6.0, 6.5, 5.0]
    ((_, metric, first, second, difference, interval),) = cells(compare_records(record(a), record(b, seed=7)))
    assert (metric, first, second) == ("error", "2.625 ± 1.377", "5.833 ± 0.764")
    assert float(difference) == pytest.approx(np.mean(b) - np.mean(a), abs=5e-4)
    shares = [np.var(x, ddof=1) / len(x) for x in (a, b)]
    freedom = sum(shares) ** 2 / (shares[0] ** 2 / 3 + shares[1] ** 2 / 2)
    assert 4 < freedom < 5
    draws = np.random.default_rng(0).standard_t(freedom, 400_000)
    half = np.quantile(np.abs(draws), 0.95) * np.sqrt(sum(shares))
    low, high = (float(part) for part in interval.split(" to "))
    assert low == pytest.approx(np.mean(b) - np.mean(a) - half, abs=0.02)
    assert high == pytest.approx(np.mean(b) - np.mean(a) + half, abs=0.02)


def test_runs_of_the_same_seeds_are_pairs():
    """A shift that is much smaller than what a seed decides is seen, whatever the order of the runs."""
    a, b = record([1.0, 5.0, 9.0]), record([1.2, 5.1, 9.3])
    b["results"] = b["results"][::-1]
    ((*_, difference, interval),) = cells(compare_records(a, b))
    differences = np.array([0.2, 0.1, 0.3])
    half = 4.3027 * np.std(differences, ddof=1) / np.sqrt(3)  # Student's quantile of two degrees of freedom
    low, high = (float(part) for part in interval.split(" to "))
    assert float(difference) == 0.2
    assert (low, high) == (pytest.approx(0.2 - half, abs=1e-3), pytest.approx(0.2 + half, abs=1e-3))


@pytest.mark.parametrize(
    ("a", "b", "interval"),
    [([1.0], [2.0, 3.0], "–"), ([1.0, 1.0], [1.0, 1.0], "–"), ([1.0, 2.0, None], [3.0, None], "–")],
    ids=["one seed", "no spread", "diverged"],
)
def test_no_interval_is_made_up(a, b, interval):
    ((*_, found),) = cells(compare_records(record(a), record(b)))
    assert found == interval


def test_runs_are_the_same_to_the_last_bit_or_not():
    first = record([1.0, 2.0, 3.0])
    assert "3, of which 3 agree" in compare_records(first, copy.deepcopy(first))
    second = copy.deepcopy(first)
    second["results"][1]["metrics"]["curve"][0] = np.nextafter(2.0, 3.0)  # which no row of the table has
    assert "3, of which 2 agree" in compare_records(first, second)
    assert "2, of which 0 agree" in compare_records(first, record([2.5, 3.5], seed=1))
    diverged = record([1.0, None])
    assert "1, of which 1 agree" in compare_records(diverged, diverged)


def test_a_record_from_memory_is_that_of_its_file():
    first, second = record([1.0], betas=(0.1, 1.0)), record([1.0], betas=[0.1, 1.0])
    first["results"][0]["metrics"]["curve"] = (1.0, 1.0)
    text = compare_records(first, second)
    assert "the settings are the same" in text and "1, of which 1 agree" in text


def test_metrics_made_of_several_have_a_row_each():
    first = record([1.0, 2.0])
    for run in first["results"]:
        run["metrics"]["generation"] = {"frechet_distance": 3.0 + run["seed"], "floor": [1.0]}
    assert [row[1:3] for row in cells(compare_records(first, first))] == [
        ["error", "1.500 ± 0.707"],
        ["generation, frechet_distance", "3.500 ± 0.707"],
    ]


def test_what_is_set_otherwise_or_missing_is_said():
    first, second = record([1.0], steps=5, size=32), record([1.0], steps=9, size=32, extra=None)
    first["results"] += record([1.0], name="b")["results"]
    first["data"] = {"reductions": ["steps 5 instead of 9"]}
    text = compare_records(first, second)
    assert "A: made, seeds 0 to 0" in text and "reduced: steps 5 instead of 9" in text.splitlines()[0]
    assert "differ: steps 5 and 9\n" in text and "only in A: b\n" in text and "only in B" not in text
    assert "the settings are the same" in compare_records(second, second)
    with pytest.raises(ValueError, match="no model in common: A has a, b; B has c"):
        compare_records(first, record([1.0], name="c"))


def test_shipped_records_with_units_and_divergences_are_summed_up():
    text = compare_records(shipped_record("bumps"), shipped_record("bumps_authors"))
    (active,) = [line for line in text.splitlines() if "| VRRAE" in line and "active units" in line]
    assert "2.000 ± 0.000" in active
    runs = [r["metrics"] for r in shipped_record("bumps")["results"] if r["model"] == "VAE"]
    mean = np.mean([sum(metrics["kl_per_coefficient"]) for metrics in runs])
    (divergence,) = [line for line in text.splitlines() if "| VAE" in line and "KL divergence" in line]
    assert f"{mean:.3f} ±" in divergence
    assert len([line for line in text.splitlines() if line.startswith("| AE") and "test_error" in line]) == 1


def test_a_record_is_read_from_its_folder_its_file_or_by_name(tmp_path, monkeypatch):
    path = tmp_path / "bumps" / "record.json"
    write_json(path, record([1.0, 2.0]))
    assert read_record(tmp_path / "bumps") == read_record(str(path)) == record([1.0, 2.0])
    assert read_record("bumps") == shipped_record("bumps")
    monkeypatch.chdir(tmp_path)
    assert read_record("bumps") == record([1.0, 2.0])  # what lies here comes first


@pytest.mark.parametrize(
    "change",
    [
        {"results": None},
        {"results": 3},
        {"results": [{"model": "a", "seed": 0, "metrics": None}]},
        {"results": [{"model": ["a"], "seed": 0, "metrics": {}}]},
        {"results": [{"model": "a", "seed": [0], "metrics": {}}]},
        *({name: value} for name in ("settings", "versions", "device", "data", "seeds") for value in (None, 3, "x")),
    ],
    ids=str,
)
def test_parts_of_another_kind_are_refused(change):
    with pytest.raises(ValueError, match="this is no record"):
        compare_records(record([1.0]), record([1.0]) | change)


def test_units_that_are_no_numbers_are_left_out():
    odd = record([1.0])
    odd["results"][0]["metrics"]["active_units"] = "x"
    assert len(cells(compare_records(odd, odd))) == 1


@pytest.mark.parametrize("content", ["[" * 100_000, "[]", "3", "{}", json.dumps({"results": []}), "{", "\xff"])
def test_what_is_no_record_is_refused(tmp_path, content):
    path = tmp_path / "record.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match="is no(t)? (a|the) record"):
        read_record(path)
