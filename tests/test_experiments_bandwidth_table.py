"""The table of bandwidths: what is recorded, when an entry agrees, and going on with a half-made table."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from vrrae_lab import density
from vrrae_lab.density import AvaeBandwidth, corrected_bandwidth, exact_avae_bandwidth
from vrrae_lab.experiments import EXPERIMENTS, BandwidthTable, bandwidth_table
from vrrae_lab.experiments.bandwidth_table import compare
from vrrae_lab.papers import BANDWIDTHS

TINY = BandwidthTable.tiny()
pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("finished")
    return folder, TINY.run(folder, progress=False)


def test_record_says_what_was_made(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, record = finished
    assert record == json.loads((folder / "record.json").read_text())
    assert record["experiment"] == "bandwidth_table" and EXPERIMENTS["bandwidth_table"] is BandwidthTable
    assert [(r["latent_size"], r["num_centres"]) for r in record["results"]] == [(10, 500), (40, 500)]
    assert record["settings"]["num_queries"] == 200 and (record["seeds"], record["num_trials"]) == ([0], 3)
    assert any(text.startswith("num_centres (500,) instead of (500, 1000") for text in record["data"]["reductions"])
    assert {"versions", "device", "command", "duration_seconds", "processor_seconds"} <= record.keys()
    for result in record["results"]:
        trials = result["simulated"]["trials"]
        found = AvaeBandwidth(tuple(trials))
        assert len(set(trials)) == 3
        assert result["simulated"]["bandwidth"] == found.estimate
        assert result["simulated"]["standard_error"] == found.standard_error
        assert result["exact"]["bandwidth"] == exact_avae_bandwidth(result["latent_size"], 500)
        assert abs(found.estimate - result["exact"]["bandwidth"]) < 0.05
    grid = record["grid"]
    for size, row in zip(grid["latent_sizes"], grid["bandwidths"], strict=True):
        assert row == [exact_avae_bandwidth(size, m) for m in grid["num_centres"]]


def test_published_entries_stand_beside_ours(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, record = finished
    table = BandwidthTable.table(record)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| ")]
    assert [row[:2] for row in rows[2:]] == [["10, 500", "0.74"], ["40, 500", ">1"]]
    assert [row[4] for row in rows[2:]] == ["0.60", "0.72"]
    assert [row[3] for row in rows[2:]] == ["0.743", "1.027"]
    assert [row[-1] for row in rows[2:]] == [("yes" if r["agrees"] else "NO") for r in record["results"]]
    assert "seed 0, 3 trials per entry" in table and "reduced: " in table
    (figure,) = TINY.figures(record, folder).values()
    assert [list(trace.y) for trace in figure.data] == record["grid"]["bandwidths"]


def twice(bandwidth: float) -> AvaeBandwidth:
    return AvaeBandwidth((bandwidth, bandwidth))


def test_an_entry_agrees_within_the_tolerance() -> None:
    assert BANDWIDTHS[10, 500] == (0.74, 0.60)
    near, far = 0.754, 0.756
    assert corrected_bandwidth(far) == pytest.approx(0.60, abs=0.015)  # so that the bandwidth alone decides
    assert compare(10, 500, twice(near), near)["agrees"] is True
    assert compare(10, 500, twice(far), near)["agrees"] is False
    assert compare(10, 500, twice(near), far)["agrees"] is False


def test_above_one_is_an_inequality() -> None:
    assert BANDWIDTHS[40, 1000] == (None, 0.71)
    assert compare(40, 1000, twice(0.99), 1.003)["agrees"] is True  # within the tolerance of the simulation
    assert compare(40, 1000, twice(0.98), 1.003)["agrees"] is False
    assert compare(40, 1000, twice(1.003), 0.999)["agrees"] is False
    assert compare(40, 1000, twice(1.003), 1.1)["agrees"] is False  # the corrected one is off


def test_half_made_table_is_gone_on_with(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, record = finished
    calls = []
    simulate = density.avae_bandwidth

    def interrupted_second(*arguments: Any, **options: Any) -> AvaeBandwidth:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return simulate(*arguments, **options)

    monkeypatch.setattr(density, "avae_bandwidth", interrupted_second)
    with pytest.raises(KeyboardInterrupt):
        TINY.run(tmp_path, progress=False)
    again = TINY.run(tmp_path, progress=False)
    assert calls == [(10, 500), (40, 500), (40, 500)]
    assert [r["simulated"] for r in again["results"]] == [r["simulated"] for r in record["results"]]
    with pytest.raises(ValueError, match="entries of other settings"):
        dataclasses.replace(TINY, seed=1).run(tmp_path, progress=False)


def test_one_trial_is_refused() -> None:
    with pytest.raises(ValueError, match="num_seeds = 1: an error bar needs 2 or more trials"):
        BandwidthTable(num_seeds=1)


def test_reduced_settings_are_parts_of_the_full_ones() -> None:
    full = BandwidthTable()
    for reduced in (BandwidthTable.fast(), TINY):
        assert set(reduced.latent_sizes) <= set(full.latent_sizes) and set(reduced.num_centres) <= set(full.num_centres)
    assert bandwidth_table.TOLERANCE == 0.015
