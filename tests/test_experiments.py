"""The experiments on tiny settings: what is recorded, what is said of it, and going on with half-done runs."""

import dataclasses
import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import plotly.graph_objects as go
import pytest
from support import TINY_BUMPS, quick_experiments

from vrrae_lab import checkpoint, data, environment, explore, metrics, models
from vrrae_lab import train as loop
from vrrae_lab.experiments import EXPERIMENTS, Bumps, Mnist, comparison, record, short_run
from vrrae_lab.experiments.plan import CENTRED
from vrrae_lab.train import fit

MODELS = ("AE", "VAE", "RRAE", "VRRAE", CENTRED)
TINY = TINY_BUMPS


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    with quick_experiments():
        yield


@dataclasses.dataclass(frozen=True)
class Finished:
    """An experiment that was run, its folder and its record."""

    folder: Path
    record: dict[str, Any]

    def copy(self, to: Path) -> Path:
        return Path(shutil.copytree(self.folder, to / "copy"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("finished") / "bumps"
    return Finished(folder, TINY.run(folder, progress=False))


class CountedFit:
    """In place of `fit`: counts its calls, and may act in place of one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.change: Callable[[int, Any], Any] = lambda call, result: result
        monkeypatch.setattr(comparison, "fit", self)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        return self.change(self.calls, fit(*arguments, **options))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> CountedFit:
    return CountedFit(monkeypatch)


def by_run(record: dict[str, Any]) -> dict[tuple[str, int], dict[str, Any]]:
    return {(result["model"], result["seed"]): result for result in record["results"]}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- what is recorded


def test_record_says_what_was_run(finished: Finished) -> None:
    found = finished.record
    assert found == json.loads((finished.folder / "record.json").read_text())
    assert found["experiment"] == "bumps"
    assert found["settings"] == {
        "image_size": 16,
        "num_steps": 3,
        "batch_size": 16,
        "learning_rate": 1e-3,
        "beta": 1e-3,
        "latent_size": 8,
        "rank": 2,
        "num_test": 100,
        "num_generated": 100,
        "num_components": 3,
    }
    assert found["seeds"] == [0, 1]
    assert set(found["data"]["reductions"]) == {
        "image_size 16 instead of 64",
        "num_steps 3 instead of 1280",
        "batch_size 16 instead of 64",
        "learning_rate 0.001 instead of 0.0001",
        "latent_size 8 instead of 200",
        "num_test 100 instead of 1000",
        "num_generated 100 instead of 1000",
        "num_components 3 instead of 10",
    }
    assert found["data"]["train"] == data.bumps(image_size=16).provenance
    assert {"python", "vrrae_lab", "jax", "equinox", "optax", "numpy"} <= found["versions"].keys()
    assert found["versions"]["jax"] == jax.__version__
    assert found["device"]["platform"] == jax.devices()[0].platform and found["device"]["cpu_cores"] >= 1
    assert found["command"] == " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    assert found["commit"] == environment.commit() and {r["commit"] for r in found["results"]} == {found["commit"]}
    assert found["duration_seconds"] == pytest.approx(sum(r["seconds"] for r in found["results"]), abs=0.1)
    assert found["duration_seconds"] > 0


def test_record_holds_every_model_and_seed(finished: Finished) -> None:
    results = by_run(finished.record)
    assert results.keys() == {(model, seed) for model in MODELS for seed in (0, 1)}
    assert len(finished.record["results"]) == 10
    for (model, seed), result in results.items():
        assert result["stopped"] == "finished" and result["seconds"] >= 0
        sizes = {"latent_size": 8, "rank": 2} if "RR" in model else {"latent_size": 2}
        constructor = model.removesuffix(", centred").lower()
        untrained = models.build(constructor, {"shape": (16, 16, 1)} | sizes, key=jax.random.key(seed))
        assert result["parameters"] == models.num_parameters(untrained)
        assert result["convergence"]["steps"] == [1, 2, 3]
        assert len(result["convergence"]["curves"]["loss"]) == 3
        assert ("kl" in result["convergence"]["curves"]) == ("V" in model)


def test_floors_are_recorded(finished: Finished) -> None:
    train = data.bumps(image_size=16)
    test = data.bumps_test(100, 16, key=jax.random.key(20250509))
    assert finished.record["floors"] == {
        "nearest training image": pytest.approx(metrics.nearest_image_error(test.x, train.x)),
        "linear, rank 2": pytest.approx(metrics.linear_error(train.x, 2)),
        "linear, rank 16": pytest.approx(metrics.linear_error(train.x, 16)),
    }


@pytest.mark.parametrize("name", MODELS)
def test_metrics_are_those_of_the_saved_model(name: str, finished: Finished) -> None:
    model = comparison.load_models(finished.record, finished.folder, 1)[name]
    found = by_run(finished.record)[name, 1]["metrics"]
    train, diagonal = data.bumps(image_size=16), data.bumps_diagonal(image_size=16)
    test = data.bumps_test(100, 16, key=jax.random.key(20250509))
    for part, dataset in (("train", train), ("test", test), ("diagonal", diagonal)):
        wanted = metrics.relative_error(dataset.x, model.reconstruct(dataset.x))
        assert found[f"{part}_error"] == pytest.approx(wanted, rel=1e-4)

    posterior = model.encode(train.x)
    assert found["variance_of_means"] == pytest.approx(np.asarray(posterior.mean).var(axis=0), rel=1e-3)
    assert found["active_units"] == [variance > 0.01 for variance in found["variance_of_means"]]
    kl = metrics.kl_per_coefficient(posterior)
    assert found["kl_per_coefficient"] == (kl if kl is None else pytest.approx(kl, rel=1e-3))
    assert (kl is None) == (name in ("AE", "RRAE"))
    share, monotonicity = metrics.straightness(model.encode(diagonal.x).mean)
    assert found["diagonal_share_on_a_line"] == pytest.approx(share, rel=1e-3)
    assert found["diagonal_monotonicity"] == pytest.approx(monotonicity, rel=1e-3)

    key = jax.random.split(jax.random.key(1), 3)[2]
    generated = explore.generate(model, train.x, 100, num_components=3, key=key)
    assert found["generation_error"] == pytest.approx(metrics.bump_fit_error(generated, train), rel=1e-3)


def test_seeds_differ(finished: Finished) -> None:
    results = by_run(finished.record)
    for model in MODELS:
        assert results[model, 0]["metrics"]["test_error"] != results[model, 1]["metrics"]["test_error"]


def test_checkpoints_say_where_they_come_from(finished: Finished) -> None:
    model, notes = checkpoint.load(finished.folder / "runs" / "vrrae-seed1.ckpt")
    assert models.is_frozen(model)
    assert notes == {"experiment": "bumps", "model": "VRRAE", "seed": 1, "settings": finished.record["settings"]}


@pytest.mark.parametrize("progress", [False, True])
def test_progress_is_told_on_request_only(
    progress: bool, finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished.copy(tmp_path)
    (folder / "runs" / "vrrae-seed1.json").unlink()
    TINY.run(folder, progress=progress)
    told = capsys.readouterr().out
    assert ("training VRRAE, seed 1, 3 steps" in told) == progress
    assert (f"VRRAE, seed 0: found in {folder / 'runs'}" in told) == progress
    assert progress or told == ""


# ---- what is said of it


def test_table_shows_means_and_deviations(finished: Finished) -> None:
    lines = TINY.table(finished.record).splitlines()
    cells = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in lines[:7]}
    head, results = cells["model"], by_run(finished.record)
    assert [*cells][2:] == list(MODELS)
    for name in MODELS:
        row = dict(zip(head, cells[name], strict=True))
        pair = [results[name, seed]["metrics"] for seed in (0, 1)]
        for column in ("train", "test", "diagonal", "generation"):
            values = [m[f"{column}_error"] for m in pair]
            assert row[f"{column} %"] == f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"
        line = [m["diagonal_share_on_a_line"] for m in pair]
        assert row["line"] == f"{statistics.mean(line):.3f} ± {statistics.stdev(line):.3f}"
        assert row["parameters"].replace(",", "") == str(results[name, 0]["parameters"])
        assert row["active"].endswith("of 2")
        if "V" in name:
            kl = [sum(m["kl_per_coefficient"]) for m in pair]
            assert row["KL (nats)"] == f"{statistics.mean(kl):.1f} ± {statistics.stdev(kl):.1f}"
        else:
            assert row["KL (nats)"] == "–"


def test_table_says_floors_seeds_and_reductions(finished: Finished) -> None:
    table = TINY.table(finished.record)
    for name, value in finished.record["floors"].items():
        assert f"floor: {name} {value:.1f} %" in table
    assert "seeds 0 to 1; VAE: " in table
    assert "\nreduced: image_size 16 instead of 64, " in table
    unreduced = finished.record | {"data": finished.record["data"] | {"reductions": []}}
    assert "reduced" not in TINY.table(unreduced)


SPOTLESS = "5" * 40


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, None),
        ({"commit": None}, "without a commit"),
        ({"commit": f"{SPOTLESS}+"}, "from a tree with changes"),
        ({"versions": {"vrrae_lab": "0.0.1"}}, "by version 0.0.1, this is "),
        ({"results": [{"commit": SPOTLESS, "device": d} for d in ("1 × cpu", "1 × gpu")]}, "on several devices"),
    ],
)
def test_doubts_of_a_record_are_told_in_one_line(
    change: dict[str, Any], wanted: str | None, finished: Finished
) -> None:
    results = [result | {"commit": change.get("commit", SPOTLESS)} for result in finished.record["results"]]
    traced = finished.record | {"commit": SPOTLESS, "results": results}
    if "results" in change:
        change = {"results": [old | new for old, new in zip(results, 5 * change["results"], strict=True)]}
    found = record.origin_lines(traced | change)
    assert found == TINY.table(traced | change).splitlines()[-1:] if wanted else found == []
    assert wanted is None or found[0].startswith(f"this record was made {wanted}")


def test_record_names_every_commit_its_runs_were_made_from(finished: Finished, tmp_path: Path) -> None:
    folder = finished.copy(tmp_path)
    path = folder / "runs" / "ae-seed0.json"
    run = json.loads(path.read_text())
    run["result"]["commit"] = SPOTLESS
    path.write_text(json.dumps(run))
    again = TINY.run(folder, progress=False)
    assert again["commit"] == f"{SPOTLESS}, {finished.record['commit'] or 'unknown'}"


def test_commit_is_that_of_the_clone_and_tells_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    monkeypatch.setattr(environment, "__file__", str(tmp_path / "vrrae_lab" / "environment.py"))
    find = environment.commit.__wrapped__
    assert find() is None
    git("init", "-q")
    assert find() is None
    for name in ("environment.py", "records/bumps.json"):
        (tmp_path / "vrrae_lab" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "vrrae_lab" / name).write_text("1")
    git("add", ".")
    git("-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "first")
    assert find() == git("rev-parse", "HEAD")
    (tmp_path / "vrrae_lab" / "records" / "bumps.json").write_text("2")
    assert find() == git("rev-parse", "HEAD")
    (tmp_path / "vrrae_lab" / "environment.py").write_text("2")
    assert find() == git("rev-parse", "HEAD") + "+"


def diverged(result: dict[str, Any]) -> dict[str, Any]:
    return result | {"stopped": "diverged", "metrics": {}, "convergence": {"steps": [1], "curves": {"loss": [None]}}}


def changed(finished: Finished, change: Callable[[dict[str, Any]], dict[str, Any]], *runs: tuple[str, int]) -> Any:
    results = [change(r) if (r["model"], r["seed"]) in runs else r for r in finished.record["results"]]
    return finished.record | {"results": results}


def with_active(*active: bool) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda result: result | {"metrics": result["metrics"] | {"active_units": list(active)}}


def test_table_reports_collapse_and_divergence(finished: Finished) -> None:
    every = [(model, seed) for model in ("VAE", "VRRAE") for seed in (0, 1)]
    healthy = changed(finished, with_active(True, True), *every)
    assert "VAE: 0 of 2 with a collapsed coefficient; VRRAE: 0 of 2 with a collapsed coefficient\n" in TINY.table(
        healthy
    )
    sick = changed(Finished(finished.folder, healthy), with_active(True, False), ("VAE", 1))
    sick = changed(Finished(finished.folder, sick), diverged, ("VRRAE", 0))
    table = TINY.table(sick)
    assert "VAE: 1 of 2 with a collapsed coefficient (seed 1); " in table
    assert "VRRAE: 0 of 2 with a collapsed coefficient, 1 diverged" in table
    assert "1.5 ± 0.7 of 2" in table


def test_table_of_a_model_that_always_diverged(finished: Finished) -> None:
    gone = changed(finished, diverged, ("VRRAE", 0), ("VRRAE", 1))
    row = next(line for line in TINY.table(gone).splitlines() if line.startswith("| VRRAE"))
    assert row.count("–") == 7
    assert "2 diverged" in TINY.table(gone)


def test_figures_are_drawn_from_the_checkpoints(finished: Finished) -> None:
    drawn = TINY.figures(finished.record, finished.folder)
    assert list(drawn) == ["latent_plane", "samples", "errors", "training"]
    assert all(isinstance(figure, go.Figure) for figure in drawn.values())

    planes = drawn["latent_plane"].data
    vrrae, _ = checkpoint.load(finished.folder / "runs" / "vrrae-seed0.ckpt")
    assert [trace.mode for trace in planes] == ["markers", "lines"] * 5
    images = explore.coefficients(vrrae, data.bumps(image_size=16).x)
    diagonal = explore.coefficients(vrrae, data.bumps_diagonal(image_size=16).x)
    for trace, points in ((planes[6], images), (planes[7], diagonal)):
        np.testing.assert_allclose(np.stack([trace.x, trace.y], axis=1), points, atol=1e-5)

    assert list(drawn["samples"].layout.yaxis.ticktext) == list(MODELS)
    means, points = drawn["errors"].data
    assert list(means.x) == list(MODELS) and len(points.y) == 10
    assert drawn["errors"].layout.shapes[0].y0 == finished.record["floors"]["nearest training image"]
    assert [trace.name for trace in drawn["training"].data] == list(MODELS)
    wanted = by_run(finished.record)["VAE", 0]["convergence"]["curves"]["loss"]
    np.testing.assert_allclose(drawn["training"].data[1].y, wanted)
    assert list(drawn["training"].data[1].x) == [1, 2, 3]


def test_figures_leave_out_what_diverged(finished: Finished) -> None:
    without_ae = changed(finished, diverged, ("AE", 0), ("AE", 1))
    drawn = TINY.figures(without_ae, finished.folder)
    assert list(drawn["samples"].layout.yaxis.ticktext) == list(MODELS[1:])
    assert len(drawn["latent_plane"].data) == 8
    assert list(drawn["errors"].data[0].x) == list(MODELS[1:])
    assert all(list(trace.x) == [1, 2, 3] for trace in drawn["training"].data)


def test_figures_of_nothing_are_refused(finished: Finished) -> None:
    nothing = changed(finished, diverged, *((model, 0) for model in MODELS))
    with pytest.raises(ValueError, match="every model of seed 0 diverged.*smaller learning rate"):
        TINY.figures(nothing, finished.folder)


# ---- going on


def test_second_run_trains_nothing(finished: Finished, tmp_path: Path, counted: CountedFit) -> None:
    folder = finished.copy(tmp_path)
    before = files(folder / "runs")
    again = TINY.run(folder, progress=False)
    assert counted.calls == 0
    assert again["results"] == finished.record["results"]
    assert files(folder / "runs") == before


def test_small_files_of_runs_suffice_without_checkpoints(
    finished: Finished, tmp_path: Path, counted: CountedFit
) -> None:
    folder = finished.copy(tmp_path)
    for path in (folder / "runs").glob("*.ckpt"):
        path.unlink()
    again = TINY.run(folder, progress=False)
    assert counted.calls == 0 and again["results"] == finished.record["results"]
    with pytest.raises(FileNotFoundError, match="no trained model of seed 0 is kept in"):
        TINY.figures(again, folder)
    shutil.copy(finished.folder / "runs" / "vrrae-seed0.ckpt", folder / "runs")
    assert list(TINY.figures(again, folder)["samples"].layout.yaxis.ticktext) == ["VRRAE"]


def test_missing_run_is_made_again_to_the_bit(finished: Finished, tmp_path: Path, counted: CountedFit) -> None:
    folder = finished.copy(tmp_path)
    (folder / "runs" / "vrrae-seed0.json").unlink()
    again = TINY.run(folder, progress=False)
    assert counted.calls == 1
    for new, old in zip(again["results"], finished.record["results"], strict=True):
        assert [new[fact] for fact in ("model", "seed", "metrics", "convergence")] == [
            old[fact] for fact in ("model", "seed", "metrics", "convergence")
        ]
    for path in (folder / "runs").glob("*.ckpt"):
        assert path.read_bytes() == (finished.folder / "runs" / path.name).read_bytes()


def test_seeds_can_be_added(finished: Finished, tmp_path: Path, counted: CountedFit) -> None:
    folder = finished.copy(tmp_path)
    more = dataclasses.replace(TINY, num_seeds=3).run(folder, progress=False)
    assert counted.calls == 5
    assert more["seeds"] == [0, 1, 2] and len(more["results"]) == 15
    old = by_run(finished.record)
    assert {run: result for run, result in by_run(more).items() if run[1] < 2} == old


def test_other_seeds_can_be_asked_for(finished: Finished, tmp_path: Path, counted: CountedFit) -> None:
    only = dataclasses.replace(TINY, seed=1, num_seeds=1).run(finished.copy(tmp_path), progress=False)
    assert counted.calls == 0
    assert only["seeds"] == [1] and by_run(only).keys() == {(model, 1) for model in MODELS}


def test_runs_of_other_settings_are_not_mixed(finished: Finished, tmp_path: Path, counted: CountedFit) -> None:
    folder = finished.copy(tmp_path)
    before = files(folder)
    other = dataclasses.replace(TINY, num_steps=4, beta=0.5)
    with pytest.raises(ValueError) as error:
        other.run(folder, progress=False)
    for part in (str(folder), "beta: 0.001 there, 0.5 now", "num_steps: 3 there, 4 now", "--out"):
        assert part in str(error.value)
    assert "rank" not in str(error.value)
    assert counted.calls == 0
    assert files(folder) == before


@pytest.mark.parametrize("left", ["record.json", "runs/rrae-seed1.json", "runs/ae-seed0.unfinished/settings.json"])
def test_any_trace_of_other_settings_is_enough(
    left: str, finished: Finished, tmp_path: Path, counted: CountedFit
) -> None:
    traces = {"experiment": "bumps", "settings": finished.record["settings"], "result": {}}
    (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / left).write_text(json.dumps(traces))
    before = files(tmp_path)
    others = dataclasses.replace(TINY, num_seeds=1, beta=0.5), "beta: 0.001 there, 0.5 now"
    for experiment, difference in (others, (TINY, None)):
        if difference is None:
            traces["experiment"] = "zoo"
            (tmp_path / left).write_text(json.dumps(traces))
            before, difference = files(tmp_path), "experiment: zoo there, bumps now"
        with pytest.raises(ValueError, match=difference):
            experiment.run(tmp_path, progress=False)
        assert counted.calls == 0 and files(tmp_path) == before


CORRUPTED = ["", "{", "[]", "7", '{"settings": {}}', '{"settings": 3, "result": {}}', '{"result": {}}', "\x00\xff"]


@pytest.mark.parametrize("text", CORRUPTED)
def test_damaged_record_of_a_run_is_named(text: str, finished: Finished, tmp_path: Path) -> None:
    path = finished.copy(tmp_path) / "runs" / "rrae-seed1.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="rrae-seed1.json is not the record of a run .*: remove it") as error:
        TINY.run(path.parents[1], progress=False)
    assert str(path) in str(error.value)


def test_interruption_keeps_finished_runs(finished: Finished, tmp_path: Path, counted: CountedFit) -> None:
    def interrupt_the_third(call: int, result: Any) -> Any:
        model, history = result
        return model, dataclasses.replace(history, stopped="interrupted") if call == 3 else history

    counted.change = interrupt_the_third
    with pytest.raises(KeyboardInterrupt):
        TINY.run(tmp_path, progress=False)
    assert len(list((tmp_path / "runs").glob("*.json"))) == len(list((tmp_path / "runs").glob("*.ckpt"))) == 2
    assert not (tmp_path / "record.json").exists()

    counted.calls, counted.change = 10, lambda call, result: result
    record = TINY.run(tmp_path, progress=False)
    assert counted.calls == 10 + 8
    for run, result in by_run(record).items():
        assert result["metrics"] == by_run(finished.record)[run]["metrics"]


def test_run_cut_off_in_the_middle_goes_on_from_there(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third of the runs is killed after its second step; nothing that was trained is trained again."""
    monkeypatch.setattr(comparison, "LEAST_BETWEEN_CHECKPOINTS", 1)
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_REPORTS", 0.0)
    advance, steps = loop.Run.advance, []

    def counted(run: Any, batches: Any) -> float | None:
        steps.append(run.step)
        if len(steps) == 2 * TINY.num_steps + 3:
            raise SystemExit("killed")
        return advance(run, batches)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Run, "advance", counted)
        with pytest.raises(SystemExit, match="killed"):
            TINY.run(tmp_path, progress=False)
        [unfinished] = (tmp_path / "runs").glob("*.unfinished")
        assert {path.suffix for path in unfinished.iterdir()} == {".ckpt", ".json"}
        steps.clear()
        patch.setattr(loop.Run, "advance", lambda run, batches: steps.append(run.step) or advance(run, batches))
        record = TINY.run(tmp_path, progress=False)
    assert steps[0] == 2 and len(steps) == 8 * TINY.num_steps - 2
    assert not list((tmp_path / "runs").glob("*.unfinished"))
    for run, result in by_run(record).items():
        assert result["metrics"] == by_run(finished.record)[run]["metrics"]


def test_diverged_run_is_recorded_and_not_evaluated(tmp_path: Path, counted: CountedFit) -> None:
    def diverge_the_second(call: int, result: Any) -> Any:
        model, history = result
        if call != 2:
            return model, history
        terms = {name: np.array([values[0], np.nan]) for name, values in history.terms.items()}
        return model, dataclasses.replace(history, terms=terms, stopped="diverged")

    counted.change = diverge_the_second
    one = dataclasses.replace(TINY, num_seeds=1)
    record = one.run(tmp_path, progress=False)
    sick = [result for result in record["results"] if result["stopped"] != "finished"]
    assert [(result["model"], result["stopped"], result["metrics"]) for result in sick] == [("VAE", "diverged", {})]
    assert sick[0]["convergence"]["final_loss"] is None
    assert sick[0]["convergence"]["fall_in_last_tenth_percent"] is None
    assert sick[0]["convergence"]["curves"]["loss"][1] is None
    assert "1 diverged" in one.table(record)
    assert comparison.of_model(record, "VAE", "test_error") == []
    assert set(comparison.load_models(record, tmp_path, 0)) == {*MODELS} - {"VAE"}
    one.run(tmp_path, progress=False)
    assert counted.calls == 5  # it is not tried again


def test_convergence_is_thinned_out_and_measured_at_the_end() -> None:
    losses = np.concatenate([np.full(800, 9.0), np.full(100, 4.0), np.full(100, 3.0)])
    history = comparison.History({"loss": losses}, "finished", 1.0, 1.0)
    found = comparison._convergence(history)
    assert len(found["steps"]) == len(found["curves"]["loss"]) == 128
    assert (found["steps"][0], found["steps"][-1]) == (1, 1000)
    assert found["curves"]["loss"][0] == 9 and found["curves"]["loss"][-1] == 3
    assert found["final_loss"] == pytest.approx(3) and found["fall_in_last_tenth_percent"] == pytest.approx(25)


# ---- settings


def test_defaults_are_the_papers_settings() -> None:
    bumps = Bumps()
    assert (bumps.image_size, bumps.num_steps, bumps.batch_size, bumps.learning_rate) == (64, 1280, 64, 1e-4)
    assert (bumps.beta, bumps.latent_size, bumps.rank, bumps.num_seeds) == (1e-3, 200, 2, 5)
    assert record.reductions(bumps) == []


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_reduced_settings_say_so(name: str) -> None:
    kind = EXPERIMENTS[name]
    for reduced in (kind.fast(), kind.tiny()):
        assert isinstance(reduced, kind) and record.reductions(reduced)
    assert "rank" not in " ".join(record.reductions(kind.fast()))
    assert kind.description


def test_short_run_is_tiny_where_tests_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VRRAE_LAB_FAST", "1")
    assert short_run(Bumps) == Bumps.tiny()
    for value in ("", "0"):
        monkeypatch.setenv("VRRAE_LAB_FAST", value)
        assert short_run(Bumps) == Bumps.fast()
    monkeypatch.delenv("VRRAE_LAB_FAST")
    assert short_run(Mnist) == Mnist.fast()


def test_settings_leave_out_seeds_and_places() -> None:
    assert record.settings_of(Mnist(seed=4, data_dir="a")) == record.settings_of(Mnist(num_seeds=9, manual_dir="b"))
    assert {"num_seeds", "seed", "data_dir", "manual_dir"}.isdisjoint(record.settings_of(Mnist()))


def test_environment_is_ready_for_json() -> None:
    found = record.environment()
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("values", "digits", "wanted"),
    [
        ([1.0, 3.0], 1, "2.0 ± 1.4"),
        ([1.0, None, 3.0], 2, "2.00 ± 1.41"),
        ([2.25], 1, "2.2"),
        ([None, 2.0], 1, "2.0"),
        ([None, None], 1, "–"),
        ([], 1, "–"),
        ([2, 2, 1], 1, "1.7 ± 0.6"),
    ],
)
def test_mean_and_deviation_as_text(values: list[float | None], digits: int, wanted: str) -> None:
    assert record.mean_std(values, digits) == wanted


def test_markdown_table_lines_up() -> None:
    assert record.markdown_table(["model", "%"], [["AE", "10.5"], ["a longer one", "–"]]).splitlines() == [
        "| model        |    % |",
        "| ------------ | ---: |",
        "| AE           | 10.5 |",
        "| a longer one |    – |",
    ]
