"""The example of the README runs as it is written; only its sizes and steps are made small from outside."""

import os
import re
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pytest

import vrrae_lab as vl
from vrrae_lab.experiments import EXPERIMENTS, of_model, shipped_record
from vrrae_lab.gaussian import DiagonalGaussian

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = README.parent / "docs" / "results.md"


def example() -> str:
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    assert blocks, f"{README} has no ```python block: the usage example is missing"
    return blocks[0]


def smaller(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, **settings: Any) -> list[dict[str, Any]]:
    """Let `owner.name` be called with these settings in place of its own; the keyword arguments of its calls."""
    function, calls = getattr(owner, name), []

    def call(*arguments: Any, **options: Any) -> Any:
        calls.append(options)
        return function(*arguments, **(options | settings))

    monkeypatch.setattr(owner, name, call)
    return calls


def test_readme_example_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fits = smaller(monkeypatch, vl, "fit", num_steps=3, batch_size=8, progress=False)
    smaller(monkeypatch, vl.data, "bumps", num_images=16, image_size=16)
    smaller(monkeypatch, vl.data, "bumps_test", num_images=16, image_size=16)
    smaller(monkeypatch, vl.explore, "generate", num_components=2)

    explorers, explore = [], vl.widgets.explore
    monkeypatch.setattr(vl.widgets, "explore", lambda *given: explorers.append(explore(*given)))

    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(example(), str(README), "exec"), names)

    posterior, x_new, model, history = (names[name] for name in ("posterior", "x_new", "model", "history"))
    assert isinstance(posterior, DiagonalGaussian)
    assert posterior.mean.shape == posterior.log_variance.shape == (16, 2)
    assert x_new.shape == (16, 16, 16, 1) and np.isfinite(x_new).all()
    assert vl.models.is_frozen(model)
    assert history.stopped == "finished" and history.num_steps == 3
    assert fits[0]["num_steps"] == 500 and fits[0]["batch_size"] == 64
    assert isinstance(explorers[0], ipywidgets.Widget)


def test_every_public_name_is_there() -> None:
    for name in vl.__all__:
        assert getattr(vl, name) is not None
    assert set(vl.__all__) <= set(dir(vl))
    assert vl.__version__


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'vrrae_lab' has no attribute 'vrae'"):
        vl.vrae  # noqa: B018


@pytest.mark.parametrize(
    "name", ["bumps", "bumps_authors", "mnist", "ablations_digits", "zoo_digits", "collapse_map_16", "avae"]
)
def test_the_tables_of_the_results_are_those_of_the_records(name: str) -> None:
    record = shipped_record(name)
    results = RESULTS.read_text()
    table = EXPERIMENTS[record["experiment"]].table(record).split("\n\n")[0]
    assert table in results and f"(../vrrae_lab/records/{name}.json)" in results
    floor = record["floors"]["nearest training image"]
    assert f"nearest training image is {floor:.1f} %" in results


def test_the_error_of_the_shipped_model_is_that_of_its_record() -> None:
    assert f"{shipped_record('bumps_vrrae')['test_error']:.1f} % on the test set" in RESULTS.read_text()


def test_what_is_said_of_the_bumps_is_what_the_records_show() -> None:
    def mean(record: dict[str, Any], name: str, metric: str) -> float:
        return float(np.mean(of_model(record, name, metric)))

    paper, authors = shipped_record("bumps"), shipped_record("bumps_authors")
    assert (paper["seeds"], authors["seeds"]) == ([0, 1, 2, 3, 4], [0, 1])
    for record in (paper, authors):
        error = {name: mean(record, name, "test_error") for name in ("AE", "VAE", "RRAE", "VRRAE")}
        assert 2 * error["VRRAE"] < min(error["AE"], error["RRAE"])
        lines = {name: mean(record, name, "diagonal_share_on_a_line") for name in error}
        assert max(lines, key=lines.__getitem__) == "AE"
        assert all(np.all(of_model(record, name, "active_units")) for name in ("VAE", "VRRAE"))
        size = {r["model"]: r["parameters"] for r in record["results"]}
        assert 7.5 < size["VRRAE"] / size["VAE"] < 8.5
    difference = mean(paper, "VAE", "test_error") - mean(paper, "VRRAE", "test_error")
    assert abs(difference) < np.std(of_model(paper, "VRRAE", "test_error"), ddof=1)
    assert mean(authors, "VRRAE", "test_error") < mean(authors, "VAE", "test_error")
    falls = [r["convergence"]["fall_in_last_tenth_percent"] for r in paper["results"] if r["model"] in ("VAE", "VRRAE")]
    rising = [fall for fall in falls if fall < 0]
    assert len(rising) == 1 and 5 < min(fall for fall in falls if fall > 0) and max(falls) < 14


def test_what_is_said_of_mnist_is_what_the_record_shows() -> None:
    record, on_a_cpu = shipped_record("mnist"), shipped_record("mnist_cpu")
    readme, results = (" ".join(page.read_text().split()) for page in (README, RESULTS))
    assert (record["seeds"], record["data"]["reductions"]) == ([0], [])
    assert record["device"]["kind"] == "NVIDIA H200" and on_a_cpu["device"]["platform"] == "cpu"
    names = ("AE", "VAE", "RRAE", "VRRAE")
    error, train, active, kl, there, kl_there = (
        {name: of_model(of, name, metric)[0] for name in names}
        for of, metric in (
            *((record, m) for m in ("test_error", "train_error", "active_units", "kl_per_coefficient")),
            *((on_a_cpu, m) for m in ("test_error", "kl_per_coefficient")),
        )
    )
    assert f"test errors {', '.join(f'{name} {value:.1f}' for name, value in error.items())} %" in readme
    nearest, linear = record["floors"].values()
    assert max(error.values()) < 0.7 * nearest and f"a linear map of rank 16 leaves {linear:.1f} %" in results
    assert all(abs(error[name] - train[name]) < 0.6 for name in error)
    *others, worst = sorted(error.values())
    assert others[-1] - others[0] < 0.3 and worst == error["VAE"] and round(worst - others[-1]) == 6
    apart = {name: abs(there[name] - error[name]) for name in names}
    assert max(apart[name] for name in names[:3]) < 0.2 and f"{there['VRRAE']:.1f} % for the VRRAE" in readme
    assert 0.45 < sum(kl_there["VRRAE"]) / sum(kl["VRRAE"]) < 0.55
    assert sum(active["VAE"]) == 15 and sum(active["VRRAE"]) == 16
    assert sorted(kl["VAE"])[2] < 0.02 < 0.1 < sorted(kl["VAE"])[3]
    assert record["settings"]["vae_beta"] == pytest.approx(1000 * record["settings"]["vrrae_beta"])
    assert f"{sum(kl['VRRAE']):.0f} nats for 16 coefficients where the VAE pays {sum(kl['VAE']):.0f}" in results


def test_what_is_said_of_the_scores_of_mnist_is_what_the_record_shows() -> None:
    record, results = shipped_record("mnist"), " ".join(RESULTS.read_text().split())
    rows = []
    for name in ("AE", "VAE", "RRAE", "VRRAE"):
        scores = [of_model(record, name, kind)[0] for kind in ("interpolation", "generation")]
        rows.append([*(s["frechet_distance"] for s in scores), *(s["kernel_distance"] for s in scores)])
        cells = [f"{s['frechet_distance']:.2f}" for s in scores]
        cells += [f"{s['kernel_distance']:.3f} ± {s['kernel_distance_error']:.3f}" for s in scores]
        assert " | ".join([f"| {name}", *cells]) in results
        assert {s["n"] for s in scores} == {1250} and f"accuracy {scores[0]['accuracy']:.1f} %" in results
        for score in scores:
            assert "{:.2f} ± {:.2f}".format(*score["frechet_floor"]) in results
    assert np.argmin(rows, axis=0).tolist() == [2] * 4


def test_what_is_said_of_the_ablations_is_what_the_record_shows() -> None:
    record = shipped_record("ablations_digits")
    names = ("RRAE+VAE", "VAE (f = I)", "VRRAE (beta = 0)", "VRRAE")
    error, angle = (
        {name: np.array(of_model(record, name, metric)) for name in names}
        for metric in ("test_error", "batch_basis_angle")
    )
    assert record["seeds"] == [0, 1, 2, 3, 4] and record["settings"]["num_steps"] == 2200
    assert min(names, key=lambda name: error[name].mean()) == "VAE (f = I)"
    assert min(names, key=lambda name: error[name].std()) == "VAE (f = I)"
    lost = {name: [not all(units) for units in of_model(record, name, "active_units")] for name in names}
    assert [sum(lost[name]) for name in names] == [4, 0, 0, 0]
    assert angle["RRAE+VAE"].min() > max(angle["VRRAE"].max(), angle["VRRAE (beta = 0)"].max())
    assert abs(error["VRRAE"].mean() - error["VRRAE (beta = 0)"].mean()) < error["VRRAE"].std()
    for name in ("VRRAE", "VRRAE (beta = 0)"):
        *good, bad = sorted(error[name])
        assert bad > 35 and max(good) < 28


def test_what_is_said_of_the_zoo_is_what_the_record_shows() -> None:
    record = shipped_record("zoo_digits")
    assert record["seeds"] == [0, 1, 2]
    error = {name: np.mean(of_model(record, name, "test_error")) for name in {r["model"] for r in record["results"]}}
    short = [error[name] for name in ("AE", "RRAE", "VRRAE", "VAE (f = I)")]
    assert max(error[name] for name in ("Long AE", "Sparse AE", "Contractive AE", "adaptive RRAE")) < min(short)
    assert max(short) - min(short) < 1.5 and error["VAE"] > max(short) + 2
    assert [len(units) for units in of_model(record, "adaptive RRAE", "active_units")] == [32, 32, 32]


def test_what_is_said_of_the_aggregate_posteriors_is_what_the_record_shows() -> None:
    record = shipped_record("avae")
    assert EXPERIMENTS["avae"].table(record).split("\n\n")[1] in RESULTS.read_text()
    assert (len(record["seeds"]), record["settings"]["num_steps"], record["settings"]["beta"]) == (3, 2200, 0.03)
    names = ("VAE", "beta-TCVAE", "AVAE", "VRRAE")

    def ordered(metric: str, place: int | None = None) -> list[str]:
        means = {n: np.mean(np.array(of_model(record, n, metric), float), axis=0) for n in names}
        return sorted(names, key=lambda n: float(means[n] if place is None else means[n][place]))

    assert ordered("energy_distance")[-1] == "VRRAE" and max(of_model(record, "VRRAE", "p_value")) < 0.01
    assert (ordered("test_error")[0], ordered("test_error")[-1]) == ("VRRAE", "beta-TCVAE")
    assert np.all(of_model(record, "AVAE", "active_units"))
    precision, recall = (ordered("improved_precision_recall", place) for place in (0, 1))
    assert precision[0] == "AVAE" == recall[-1]
    active = {n: np.mean([sum(units) for units in of_model(record, n, "active_units")]) for n in names}
    assert min(active, key=active.__getitem__) == "beta-TCVAE"


def test_what_is_said_of_collapse_is_what_the_record_shows() -> None:
    record = shipped_record("collapse_map_16")
    settings = record["settings"]
    assert record["seeds"] == [0, 1, 2, 3, 4] and settings["num_steps"] == 600

    def lost(model: str, inside: Callable[[float], bool]) -> np.ndarray:
        points = [(b, rate) for b in settings["relative_betas"] if inside(b) for rate in settings["learning_rates"]]
        names = [f"{model}, {b:g} of the threshold, rate {rate:g}" for b, rate in points]
        return np.array([not all(units) for name in names for units in of_model(record, name, "active_units")])

    below = {model: lost(model, lambda b: b < 1) for model in ("VAE", "VRRAE")}
    assert all(lost(model, lambda b: b > 1).all() for model in below)
    assert below["VRRAE"].sum() > 2 * below["VAE"].sum()


def test_the_verdicts_of_the_docs_are_those_of_the_claims() -> None:
    counts = Counter(claim.verdict for claim in vl.derivations.CLAIMS)
    for verdict in vl.derivations.Verdict:
        assert f"| {verdict} | {counts[verdict]} |" in (ROOT / "docs" / "claims.md").read_text()


def test_binder_installs_this_repository_with_its_constraints() -> None:
    folder = ROOT / "binder"
    lines = (folder / "requirements.txt").read_text().split("\n")
    (constraints,) = (line.split()[1] for line in lines if line.startswith("-c"))
    assert (folder / constraints).resolve() == ROOT / "constraints.txt"
    assert "-e .[lab,data]" in lines
    assert (folder / "runtime.txt").read_text().strip() == "python-3.11"  # without it jax is refused
    script = folder / "postBuild"
    assert os.access(script, os.X_OK) and "set -e" in script.read_text()
    for notebook in re.findall(r"\S+\.ipynb", script.read_text()):
        assert (ROOT / notebook).exists()
