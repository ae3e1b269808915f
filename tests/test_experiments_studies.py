"""The experiments on a data set by name, each run once in its tiny setting, and what only one of them does."""

import dataclasses
import functools
import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import plotly.graph_objects as go
import pytest
from scipy.spatial.distance import pdist
from support import linear_nets, quick_experiments

from vrrae_lab import data, density, gaussian, linalg, losses, metrics, models
from vrrae_lab.experiments import (
    Ablations,
    Avae,
    BatchSize,
    BetaSweep,
    BetaTraining,
    CollapseMap,
    Cost,
    Study,
    Zoo,
    ablations,
    avae,
    batch_size,
    collapse_map,
    comparison,
    cost,
    evaluation,
)
from vrrae_lab.experiments.comparison import of_model
from vrrae_lab.experiments.optimizer import adabelief
from vrrae_lab.experiments.plan import Candidate, Plan
from vrrae_lab.experiments.study import active_cell
from vrrae_lab.experiments.subjects import Extent
from vrrae_lab.models import build

STUDIES: dict[str, Study] = {
    kind.name: dataclasses.replace(kind.tiny(), data="bumps", num_seeds=1)
    for kind in (Ablations, Zoo, BatchSize, BetaSweep, CollapseMap, Cost, Avae)
}


@pytest.fixture(scope="module", autouse=True)
def _quick(quick_compilation: None) -> Iterator[None]:
    with quick_experiments():
        yield


@dataclasses.dataclass(frozen=True)
class Finished:
    """An experiment that was run, its folder, its record, its figures, and the options of `fit` by model."""

    study: Study
    folder: Path
    record: dict[str, Any]
    options: dict[str, dict[str, Any]]

    @functools.cached_property
    def figures(self) -> dict[str, go.Figure]:
        return self.study.figures(self.record, self.folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Name of an experiment to the finished one; each is run when first asked for."""

    @functools.cache
    def run(name: str) -> Finished:
        study, folder = STUDIES[name], tmp_path_factory.mktemp("finished") / name
        options: list[dict[str, Any]] = []
        fit = comparison.fit

        def watched(*arguments: Any, **given: Any) -> Any:
            options.append(given)
            return fit(*arguments, **given)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(comparison, "fit", watched)
            record = study.run(folder, progress=False)
        return Finished(study, folder, record, dict(zip(comparison.model_names(record), options, strict=True)))

    return run


def cells_of(row: str) -> list[str]:
    return [cell.strip() for cell in row.split("|")[1:-1]]


def metric(record: dict[str, Any], name: str, key: str) -> Any:
    (value,) = of_model(record, name, key)
    return value


# ---- what all have in common


@pytest.mark.parametrize("name", STUDIES)
def test_record_holds_every_model_with_its_floors_and_settings(name: str, finished: Any) -> None:
    run: Finished = finished(name)
    study, record = run.study, run.record
    assert record == json.loads((run.folder / "record.json").read_text())
    train, test = study.images()
    assert record["experiment"] == name and record["seeds"] == [0]
    assert comparison.model_names(record) == list(study.candidates(train))
    assert record["settings"]["num_steps"] == 4 and record["settings"]["extent"] == "tiny"
    mean = train.x.mean(axis=0)
    assert record["floors"] == {
        "constant grey": pytest.approx(metrics.relative_error(test.x, np.full_like(test.x, mean.mean())), rel=1e-4),
        "mean training image": pytest.approx(metrics.relative_error(test.x, 0 * test.x + mean), rel=1e-4),
        "nearest training image": pytest.approx(metrics.nearest_image_error(test.x, train.x)),
        "PCA of rank 2 on the training images": pytest.approx(metrics.linear_test_error(train.x, test.x, 2)),
    }
    assert "image_size 16 instead of 64" in record["data"]["reductions"]
    assert record["versions"]["jax"] == jax.__version__ and record["device"]["cpu_cores"] >= 1
    for result in record["results"]:
        assert result["stopped"] == "finished" and result["parameters"] > 1000
        assert len(result["convergence"]["curves"]["loss"]) == 4
        assert 0 < result["metrics"]["test_error"] < 1000


@pytest.mark.parametrize("name", STUDIES)
def test_table_names_every_model_and_floor(name: str, finished: Any) -> None:
    run: Finished = finished(name)
    table = run.study.table(run.record)
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    for model in comparison.model_names(run.record):
        shown = model.split(",")[0] if name == "collapse_map" else model
        row = next(cells for cells in map(cells_of, rows) if cells[0] == shown)
        if name != "collapse_map":
            assert f"{metric(run.record, model, 'test_error'):.1f}" in row
    for floor, value in run.record["floors"].items():
        assert f"floor: {floor} {value:.1f} %" in table
    assert "\nseeds 0 to 0" in table and "\nreduced: num_steps 4 instead of 1280" in table


def test_active_coefficients_are_counted_with_the_rank_each_seed_ended_with() -> None:
    def cell(*seeds: list[bool]) -> str:
        results = [{"model": "A", "seed": i, "metrics": {"active_units": units}} for i, units in enumerate(seeds)]
        return active_cell({"results": results}, "A")

    assert cell([True, False], [True, True]) == "1.5 ± 0.7 of 2"
    assert cell([True, False, True], [True] * 5) == "3.5 ± 2.1 of 3 to 5"
    assert cell() == "–"


@pytest.mark.parametrize("name", STUDIES)
def test_figures_are_drawn_from_the_record(name: str, finished: Any) -> None:
    run: Finished = finished(name)
    assert run.figures and all(isinstance(figure, go.Figure) and figure.data for figure in run.figures.values())


@pytest.mark.parametrize("name", STUDIES)
def test_second_run_trains_nothing(name: str, finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run: Finished = finished(name)
    folder = shutil.copytree(run.folder, tmp_path / "copy")
    monkeypatch.setattr(comparison, "fit", None)
    monkeypatch.setattr(cost, "interleaved_medians", None)
    assert run.study.run(folder, progress=False)["results"] == run.record["results"]
    other = dataclasses.replace(run.study, num_steps=5)
    with pytest.raises(ValueError, match="num_steps: 4 there, 5 now"):
        other.run(folder, progress=False)


@pytest.mark.parametrize("name", STUDIES)
def test_checkpoints_are_written_only_where_figures_read_them(name: str, finished: Any) -> None:
    run: Finished = finished(name)
    kept = {path.suffix for path in (run.folder / "runs").iterdir()}
    assert kept == ({".json", ".ckpt"} if name in ("ablations", "zoo", "avae") else {".json"})


@pytest.mark.parametrize("kind", [type(study) for study in STUDIES.values()])
def test_settings_of_other_data_are_compared_with_the_full_ones_of_that_data(kind: type[Study]) -> None:
    assert kind().reductions() == dataclasses.replace(kind(), data="digits").reductions() == []
    digits = dataclasses.replace(kind.fast(), data="digits").reductions()
    assert not any("image_size" in reduction for reduction in digits)
    assert any(reduction.startswith("num_steps") for reduction in digits)
    assert kind.fast().extent == Extent.FAST and kind.description


def test_digits_can_be_trained_on(tmp_path: Path) -> None:
    tiny = dataclasses.replace(CollapseMap.tiny(), data="digits", num_seeds=1, relative_betas=(0.5,))
    found = tiny.run(tmp_path, progress=False)
    assert found["data"]["train"]["name"] == "digits" and found["settings"]["image_size"] == 8


def test_missing_run_alone_is_made_again(finished: Any, tmp_path: Path) -> None:
    run: Finished = finished("collapse_map")
    folder = shutil.copytree(run.folder, tmp_path / "copy")
    missing = sorted((folder / "runs").iterdir())[1]
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    missing.unlink()
    again = run.study.run(folder, progress=False)
    changed = [path for path, written in before.items() if path.stat().st_mtime_ns != written]
    assert changed == [missing]
    old = {result["model"]: result["metrics"] for result in run.record["results"]}
    assert {result["model"]: result["metrics"] for result in again["results"]} == old


def test_run_that_diverged_is_told_and_left_out(finished: Any) -> None:
    run: Finished = finished("beta_sweep")
    sick = run.record["results"][0] | {"stopped": "diverged", "metrics": {}}
    sick["convergence"] = sick["convergence"] | {"fall_in_last_tenth_percent": None}
    record = run.record | {"results": [sick, *run.record["results"][1:]]}
    table = run.study.table(record)
    assert "VAE, beta 0: 1 diverged" in table
    assert next(line for line in table.splitlines() if "VAE, beta 0 " in line).count("–") == 5
    drawn = run.study.figures(record, run.folder)
    assert np.isnan(drawn["errors"].data[0].y).tolist() == [True, False]


# ---- β


def test_sweep_draws_singular_values_and_spreads_against_beta(finished: Any) -> None:
    run: Finished = finished("beta_sweep")
    drawn = run.figures
    assert run.study.betas[0] == 0
    losses_by_model = {name: options["loss"] for name, options in run.options.items()}
    assert {name: float(loss.beta) for name, loss in losses_by_model.items()} == {
        f"{model}, beta {beta:g}": pytest.approx(beta) for beta in (0.0, 0.01) for model in BetaSweep.models
    }
    lines = {trace.name: trace for trace in drawn["singular_values"].data}
    assert list(lines) == [f"{model}, {j}" for model in BetaSweep.models for j in (1, 2)]
    wanted = [metric(run.record, f"VRRAE, beta {beta}", "singular_values")[1] for beta in ("0", "0.01")]
    np.testing.assert_allclose(lines["VRRAE, 2"].y, wanted)
    spread = drawn["spread_of_means"].data[0]
    variances = metric(run.record, "VAE, beta 0.01", "variance_of_means")
    assert spread.name == "VAE, 1" and spread.y[1] == pytest.approx(max(variances) ** 0.5)
    assert list(drawn["errors"].layout.xaxis.ticktext) == ["0", "0.01"]


def test_training_with_beta_is_looked_at_now_and_then_and_at_its_end(tmp_path: Path) -> None:
    study = dataclasses.replace(BetaTraining.tiny(), num_seeds=1, betas=(0.1,))
    record = study.run(tmp_path, progress=False)
    (result,) = record["results"]
    assert result["model"] == "VRRAE, beta 0.1" and result["callback"]["steps"] == [2]
    ((squares, variances),) = result["callback"]["moments"]
    assert np.shape((squares, variances)) == (2, 6) and min(squares + variances) > 0
    last, noise = result["metrics"]["moments"]
    np.testing.assert_allclose(last, np.square(result["metrics"]["singular_values"]), rtol=1e-3)
    np.testing.assert_allclose(noise, result["metrics"]["mean_of_variances"], rtol=1e-3)
    assert last != squares
    train, _ = study.images()
    assert record["data"]["eigenvalues"] == evaluation.pixel_eigenvalues(train.x, 6)


def test_moments_are_kept_at_steps_that_grow() -> None:
    train, _ = BetaTraining.tiny().images()
    candidate = BetaTraining.tiny().candidates(train)["VRRAE, beta 100"]
    assert candidate.callback is not None and float(candidate.loss.beta) == 100
    callback = candidate.callback()
    model = build(candidate.constructor, dict(candidate.arguments), key=jax.random.key(0))
    for step in range(2, 41, 2):
        assert callback(step, model, candidate.loss, {}) == (model, candidate.loss)
    again = candidate.callback()
    again.restore(callback.state())
    assert again.state() == callback.state()
    assert callback.state()["steps"] == [2, 4, 6, 8, 10, 12, 16, 20, 24, 30, 36]


# ---- batch size


def test_every_candidate_has_its_batch_size_and_both_losses(finished: Any) -> None:
    run: Finished = finished("batch_size")
    for size in (8, 16):
        for model in ("VAE", "VRRAE"):
            paper, ours = (run.options[f"{model}, {title}, batch {size}"] for title in batch_size.LOSSES)
            assert paper["batch_size"] == ours["batch_size"] == size
            assert isinstance(paper["loss"], losses.PaperVariational) and isinstance(ours["loss"], losses.Variational)
            assert float(paper["loss"].beta) == pytest.approx(1e-3)
            assert float(ours["loss"].beta) == pytest.approx(run.record["data"]["our_beta"][model])
    assert f"{run.record['data']['our_beta']['VAE']:.3g} in ours" in run.study.table(run.record)


def test_matching_beta_makes_the_gradients_of_both_losses_parallel() -> None:
    x = jnp.asarray(data.digits(n=12).x)
    model = models.vae(x.shape[1:], 2, key=jax.random.key(0))
    key = jax.random.key(1)
    squares, _ = model.squared_error(x, key=key)
    error = 100 * float(jnp.sqrt(squares) / jnp.linalg.norm(x.ravel()))
    ours = batch_size.matching_beta(np.asarray(x), 0.3, 12, error)

    def gradient(loss: losses.Loss) -> np.ndarray:
        found = jax.grad(lambda arrays: loss(unflatten(arrays), x, key=key)[0])(arrays)
        return np.concatenate([np.ravel(leaf) for leaf in found])

    arrays, structure = jax.tree.flatten(model)
    unflatten = functools.partial(jax.tree.unflatten, structure)
    paper = gradient(losses.PaperVariational(0.3))
    for beta, parallel in ((ours, True), (2 * ours, False)):
        per_sample = gradient(losses.Variational(beta))
        cosine = paper @ per_sample / np.linalg.norm(paper) / np.linalg.norm(per_sample)
        assert (cosine > 1 - 1e-5) == parallel


# ---- collapse


def test_thresholds_are_twice_the_eigenvalues_and_drawn_there(finished: Any) -> None:
    run: Finished = finished("collapse_map")
    train = data.bumps(image_size=16)
    flat = train.x.reshape(100, -1).astype(float)
    wanted = 2 * np.linalg.eigvalsh(np.cov(flat.T, bias=True))[::-1][:2]
    np.testing.assert_allclose(collapse_map.thresholds(run.record), wanted, rtol=1e-5)
    np.testing.assert_allclose(run.record["data"]["betas"], np.array([1e-3, 1.4]) * wanted[0], rtol=1e-5)
    used = {float(options["loss"].beta) for options in run.options.values()}
    assert sorted(used) == pytest.approx(run.record["data"]["betas"], rel=1e-5)

    assert list(run.figures) == ["collapsed", "errors"]
    name = "VRRAE, 1.4 of the threshold, rate 0.01"
    lost, error = 1 - np.mean(metric(run.record, name, "active_units")), metric(run.record, name, "test_error")
    for figure, value in zip(run.figures.values(), (lost, error), strict=True):
        place = np.log(1 / 1e-3) / np.log(1.4 / 1e-3)  # of the threshold between the two values of β
        assert [shape.x0 for shape in figure.layout.shapes] == pytest.approx([place] * 2, rel=1e-4)
        curves = {trace.name: trace.y for trace in figure.data}
        assert list(curves) == [f"{model}, rate {rate}" for model in collapse_map.MODELS for rate in ("0.001", "0.01")]
        assert curves["VRRAE, rate 0.01"][1] == pytest.approx(value)


def test_candidates_differ_in_their_rates(finished: Any) -> None:
    run: Finished = finished("collapse_map")
    moved = {
        rate: metric(run.record, f"VAE, 0.001 of the threshold, rate {rate}", "test_error")
        for rate in ("0.001", "0.01")
    }
    assert moved["0.001"] != moved["0.01"]


def test_lost_below_counts_runs_left_of_the_threshold_by_seed() -> None:
    betas, rates, lost = (0.1, 0.5, 1.4), (1e-3, 1e-2), {("VAE", 0.1, 1e-3, 1), ("VRRAE", 0.1, 1e-2, 1)}
    lost |= {("VRRAE", 0.5, 1e-3, 0), ("VRRAE", 0.5, 1e-2, 0)} | {
        (m, 1.4, r, 0) for m in ("VAE", "VRRAE") for r in rates
    }
    results = [
        {"model": f"{m}, {b:g} of the threshold, rate {r:g}", "seed": seed, "metrics": {"active_units": units}}
        for m, b, r, seed in itertools.product(("VAE", "VRRAE"), betas, rates, (0, 1))
        for units in [[True, (m, b, r, seed) not in lost]]
    ]
    record = {
        "settings": {"relative_betas": betas, "learning_rates": rates},
        "data": {"betas": [4 * b for b in betas], "pixel_eigenvalues": [2.0, 1.9]},
        "seeds": [0, 1],
        "results": results,
    }
    assert collapse_map.lost_below(record) == {"VAE": [0, 1], "VRRAE": [2, 1]}


def test_verdict_counts_runs_on_both_sides_of_the_threshold(finished: Any) -> None:
    run: Finished = finished("collapse_map")

    def with_units(result: dict[str, Any]) -> dict[str, Any]:
        lost = "VAE, 1.4" in result["model"] and not result["model"].startswith("VR")
        return result | {"metrics": result["metrics"] | {"active_units": [True, not lost]}}

    record = run.record | {"results": [with_units(result) for result in run.record["results"]]}
    table = run.study.table(record)
    assert "VAE, a coefficient lost: 0 of 2 runs below them, 2 of 2 runs above them; VRRAE, a" in table
    assert "VRRAE, a coefficient lost: 0 of 2 runs below them, 0 of 2 runs above them" in table
    row = next(line for line in table.splitlines() if line.startswith("| VAE") and " 1.4 " in line)
    assert row.count("0.50, ") == 2


def test_linear_models_collapse_where_the_formula_says(tmp_path: Path) -> None:
    """Both of them, wholly beyond the threshold and not at all far below it."""
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 16)))[0][:2]
    scores = np.random.default_rng(1).normal(size=(64, 2)) * [2.0, 1.5]
    x = (scores @ axes + 0.5).reshape(64, 4, 4, 1).astype(np.float32)
    train = data.Dataset("two directions", x)
    largest, second = evaluation.pixel_eigenvalues(x, 2)
    narrow: dict[str, Any] = {"shape": (4, 4, 1), "latent_size": 2}
    candidates = {
        f"{model} {side}": Candidate(model, narrow | more, losses.Variational(beta))
        for model, more in (("vae", {}), ("vrrae", {"latent_size": 4, "rank": 2}))
        for side, beta in (("below", 0.1 * 2 * second), ("above", 3 * 2 * largest))
    }
    plan = Plan(
        name="linear",
        settings={},
        candidates=candidates,
        x_train=x,
        evaluate=lambda model, key: evaluation.evaluate(model, train, train),
        floors={},
        data={},
        batch_size=64,
        learning_rate=0.02,
        num_steps=400,
        checkpoints=False,
    )
    with linear_nets(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "adabelief", adabelief)
        found = comparison.run(plan, range(1), tmp_path, progress=False)
    shares = {name: comparison.collapsed_shares(found, name)[0] for name in candidates}
    assert shares == {name: 1.0 if "above" in name else 0.0 for name in candidates}


# ---- ablations and the zoo


def test_ablations_are_those_of_the_paper(finished: Any) -> None:
    run: Finished = finished("ablations")
    made = {name: candidate.constructor for name, candidate in run.study.candidates(data.bumps()).items()}
    assert made == {
        "RRAE+VAE": "rrae_vae",
        "VAE (f = I)": "vae_identity",
        "VRRAE (beta = 0)": "vrrae",
        "VRRAE": "vrrae",
    }
    assert float(run.options["VRRAE (beta = 0)"]["loss"].beta) == 0 < float(run.options["VRRAE"]["loss"].beta)
    shared = {name: metric(run.record, name, "batch_basis_overlap") for name in made}
    assert shared.pop("VAE (f = I)") is None
    assert all(0 < share < 100 for share in shared.values())
    table = run.study.table(run.record)
    assert f"{shared['VRRAE']:.1f} |" in table and "batch basis shared %" in table and "degrees" not in table
    assert list(run.figures["samples"].layout.yaxis.ticktext) == [name.replace("beta", "β") for name in made]


def test_batch_basis_overlap_is_the_mean_over_batches_and_all_for_the_whole_set() -> None:
    x = data.digits(n=40).x
    model = models.freeze_basis(models.rrae(x.shape[1:], 5, 2, key=jax.random.key(0)), x)
    latents = np.asarray(model.encoder(jnp.asarray(x)))
    wanted = [linalg.energy_overlap(part, model.bottleneck.basis.matrix) for part in (latents[:16], latents[16:32])]
    assert ablations.batch_basis_overlap(model, x, 16) == pytest.approx(100 * np.mean(wanted), rel=1e-5)
    assert ablations.batch_basis_overlap(model, x, 40) == pytest.approx(100, abs=1e-4)
    dark = eqx.tree_at(lambda m: m.encoder, model, lambda x: jnp.zeros((len(x), 5)))
    assert ablations.batch_basis_overlap(dark, x, 16) is None


def test_zoo_has_every_model_and_adapts_one_rank(finished: Any) -> None:
    run: Finished = finished("zoo")
    candidates = run.study.candidates(data.bumps())
    used = {candidate.constructor for candidate in candidates.values()}
    assert set(models.CONSTRUCTORS) - used == {"adaptive_vrrae", "avae"}  # the second has an experiment of its own
    stacks = [c.arguments["num_matrices"] for c in candidates.values() if c.constructor == "irmae"]
    assert stacks == [2, 4]
    assert [name for name, options in run.options.items() if options["callback"]] == ["adaptive RRAE"]
    for name, candidate in candidates.items():
        convention = getattr(candidate.loss, "reconstruction", candidate.loss)
        assert isinstance(convention, losses.PaperReconstruction | losses.PaperVariational), name
    assert "generation %" in run.study.table(run.record)
    assert [trace.name for trace in run.figures["singular_values"].data] == list(candidates)


# ---- aggregate posteriors


def test_avae_shares_one_beta_and_decodes_as_many_images_as_the_others(finished: Any) -> None:
    run: Finished = finished("avae")
    found = {name: options["loss"] for name, options in run.options.items()}
    assert float(found["VAE"].beta) == float(found["VRRAE"].beta) == pytest.approx(run.study.beta)
    correlation = found["beta-TCVAE"]
    assert float(correlation.alpha) == float(correlation.gamma) == pytest.approx(run.study.beta)
    assert float(correlation.beta) == pytest.approx(6 * run.study.beta) and correlation.estimator.num_images == 90
    matching = found["AVAE"]
    assert run.options["AVAE"]["batch_size"] - matching.num_centres == run.options["VAE"]["batch_size"] == 16
    assert matching.num_centres == 45 == run.record["data"]["num_centres"]
    h = density.exact_avae_bandwidth(2, 45)
    assert float(matching.bandwidth) == pytest.approx(h / np.sqrt(1 + h**2))


def test_avae_sets_its_beta_by_images_that_no_model_is_trained_on(finished: Any) -> None:
    run: Finished = finished("avae")
    train, _ = run.study.images()
    kept_aside = run.study.kept_aside()
    np.testing.assert_array_equal(np.concatenate([train.x, kept_aside]), data.bumps(image_size=16).x)
    assert len(kept_aside) == 10
    callback = run.options["AVAE"]["callback"]
    assert callback.every == 90 // 16  # the steps in which the others see every image once
    model = comparison.load_models(run.record, run.folder, 0)["AVAE"]
    norms = [np.linalg.norm(np.asarray(model.reconstruct(x[None]))[0] - x) for x in kept_aside]
    _, loss = callback(0, model, run.options["AVAE"]["loss"], {})
    assert float(loss.beta) == pytest.approx(np.mean(norms), rel=1e-4)
    assert f"beta of AVAE at the end: {np.mean(norms):.3f}" in run.study.table(run.record)
    assert [name for name, options in run.options.items() if options["callback"]] == ["AVAE"]


def test_avae_table_ends_with_what_the_prior_and_training_images_score(finished: Any) -> None:
    run: Finished = finished("avae")
    rows = [cells for cells in map(cells_of, run.study.table(run.record).splitlines()) if cells]
    head = next(i for i, cells in enumerate(rows) if "energy distance" in cells)
    found = {cells[0]: dict(zip(rows[head], cells, strict=True)) for cells in rows[head + 2 :]}
    assert list(found) == [*comparison.model_names(run.record), avae.YARDSTICK]
    for name in ("VAE", "AVAE"):
        assert found[name]["energy distance"] == f"{metric(run.record, name, 'energy_distance'):.3f}"
        assert found[name]["recall"] == f"{metric(run.record, name, 'improved_precision_recall')[1]:.2f}"
        assert 0.005 <= float(found[name]["p"]) <= 1
    train, test = run.study.images()
    x, y = (images.x[:90].reshape(90, -1) for images in (test, train))
    assert found[avae.YARDSTICK]["pixel Fréchet"] == f"{metrics.frechet_distance(x, y):.2f}"
    assert found[avae.YARDSTICK]["precision"] == f"{metrics.improved_precision_recall(x, y).precision:.2f}"
    normal = np.random.default_rng(0).normal(size=(20, 2, 90, 2))
    floors = [metrics.energy_distance(x, y) for x, y in normal]
    assert abs(float(found[avae.YARDSTICK]["energy distance"]) - np.mean(floors)) < 3 * np.std(floors)


def test_avae_table_tells_precision_from_recall() -> None:
    cells = avae._cells({"improved_precision_recall": [[0.25, 0.75]], "prd": [[0.1, 0.9]], "energy_distance": [0.5]})
    assert dict(zip(avae.SCORES, cells, strict=True)) == {
        "energy distance": "0.500",
        "p": "–",
        "entropy (nats)": "–",
        "pixel Fréchet": "–",
        "precision": "0.25",
        "recall": "0.75",
        "PRD F1/8": "0.10",
        "PRD F8": "0.90",
    }


def test_kernels_on_shrunk_samples_of_the_prior_are_the_prior() -> None:
    key, h = jax.random.key(0), 0.6
    prior = np.asarray(jax.random.normal(key, (20_000, 2)))
    codes = avae.to_codes(prior, gaussian.PointMass(jnp.zeros((1, 2))), h)
    np.testing.assert_allclose(codes, 0.8 * prior, rtol=1e-6)
    z = avae.aggregate_samples(gaussian.PointMass(jnp.asarray(codes)), h, key=jax.random.key(1))
    np.testing.assert_allclose(np.cov(z.T), np.eye(2), atol=0.04)

    means, log_variances = jnp.asarray([[1.0, -2.0]] * 20_000), jnp.log(jnp.asarray([[0.25, 4.0]] * 20_000))
    posterior = gaussian.DiagonalGaussian(means, log_variances)
    z = avae.aggregate_samples(posterior, h, key=key)
    np.testing.assert_allclose(z.mean(axis=0), [1, -2], atol=0.05)
    np.testing.assert_allclose(z.std(axis=0), [0.5, 2], rtol=0.03)
    assert avae.to_codes(prior, posterior, h) is prior


def test_scores_of_the_same_images_are_perfect() -> None:
    x = data.digits(n=60).x
    found = avae.scores_of_images(x, x[::-1], key=jax.random.key(0))
    assert found["pixel_frechet_distance"] == pytest.approx(0, abs=1e-9)
    assert found["prd"] == pytest.approx([1, 1]) and found["improved_precision_recall"] == [1, 1]


def test_plane_keeps_distances_where_it_can_and_more_of_them_than_projection() -> None:
    random = np.random.default_rng(0)
    flat = random.normal(size=(30, 2)) @ np.linalg.qr(random.normal(size=(5, 5)))[0][:2] + 1
    np.testing.assert_allclose(pdist(avae.to_plane(flat)), pdist(flat), rtol=1e-6)
    z = random.normal(size=(60, 8))
    projected = (z - z.mean(axis=0)) @ np.linalg.svd(z - z.mean(axis=0))[2][:2].T
    stress, of_projection = (np.sum((pdist(plane) - pdist(z)) ** 2) for plane in (avae.to_plane(z), projected))
    assert stress < 0.5 * of_projection


def test_planes_of_all_models_have_one_scale(finished: Any) -> None:
    run: Finished = finished("avae")
    figure = run.figures["mmds"]
    assert [title.text for title in figure.layout.annotations] == ["VAE", "β-TCVAE", "AVAE", "VRRAE", "N(0, I)"]
    ranges = {getattr(figure.layout, f"{axis}axis{n}").range for axis in "xy" for n in ("", 2, 3, 4, 5)}
    ((low, high),) = ranges
    points = [trace for trace in figure.data if trace.mode == "markers"]
    assert low < min(min(*trace.x, *trace.y) for trace in points)
    assert high > max(max(*trace.x, *trace.y) for trace in points)
    assert [isinstance(trace.marker.color, str) for trace in points] == [False] * 4 + [True]
    assert list(run.figures["samples"].layout.yaxis.ticktext) == ["VAE", "β-TCVAE", "AVAE", "VRRAE"]


def test_fast_digits_of_avae_take_more_steps_unless_told() -> None:
    fast = Avae.fast()
    assert fast.data == "digits" and fast.settings()["num_steps"] == 900
    assert dataclasses.replace(fast, num_steps=7).settings()["num_steps"] == 7
    assert dataclasses.replace(fast, data="mnist").settings()["num_steps"] == 124
    assert Avae().settings()["num_steps"] == 2200 and Avae.tiny().settings()["num_steps"] == 4


# ---- cost


def test_cost_compares_times_with_the_first_model_and_operations_with_the_formula(finished: Any) -> None:
    run: Finished = finished("cost")
    times = run.record["gradient_milliseconds"]
    assert list(times) == comparison.model_names(run.record) and min(times.values()) > 0
    table = run.study.table(run.record)
    row = next(cells for cells in map(cells_of, table.splitlines()) if cells[:1] == ["VRRAE"])
    assert f"{times['VRRAE'] / times['AE']:.2f}" in row
    svd, gram = run.record["svd"]
    assert (svd["method"], gram["method"], svd["formula"]) == ("svd", "gram", 200 * 64**2)
    assert svd["backward"] == gram["backward"] and svd["forward"] != gram["forward"]
    forward = sum(svd["forward"].values())
    row = next(cells for cells in map(cells_of, table.splitlines()) if cells[1:3] == ["200×64, 2", "svd"])
    assert row[4:6] == [f"{forward:.2e}", f"{forward / svd['formula']:.2f}"]


def test_times_of_another_device_are_taken_again(finished: Any, tmp_path: Path) -> None:
    run: Finished = finished("cost")
    folder = shutil.copytree(run.folder, tmp_path / "copy")
    times = json.loads((folder / "times.json").read_text())
    (folder / "times.json").write_text(json.dumps(times | {"kind": "abacus", "gradients": {}}))
    again = run.study.run(folder, progress=False)
    assert again["gradient_milliseconds"].keys() == run.record["gradient_milliseconds"].keys()


@pytest.mark.parametrize("method", cost.METHODS)
def test_svd_forward_costs_what_the_formula_says_and_backward_less(method: linalg.Method) -> None:
    small, large = (cost.svd_operations(size, 2 * size, 2, method) for size in (128, 256))
    assert large[0].total / small[0].total == pytest.approx(8, rel=0.1)  # both sides doubled: L²B
    # with a fixed rank the pass backward has only products of thin matrices
    assert large[1].total / small[1].total == pytest.approx(4, rel=0.1)
    assert large[1].factorisations == 0


def test_formula_takes_the_shorter_side_twice() -> None:
    assert cost.formula(200, 64) == 200 * 64**2 and cost.formula(100, 576) == 100**2 * 576
