"""The four models on published image sets, in tiny settings and mostly on synthetic images of the same shapes."""

import dataclasses
import functools
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import plotly.graph_objects as go
import pytest
from support import quick_experiments, shared_data, synthetic_images

from vrrae_lab import data, explore, features, metrics, models, papers
from vrrae_lab.data import DataUnavailableError
from vrrae_lab.experiments import (
    EXPERIMENTS,
    Ablations,
    Avae,
    BatchSize,
    BetaSweep,
    CelebA,
    Cifar10,
    CollapseMap,
    Cost,
    ImageSet,
    Mnist,
    Study,
    Zoo,
    ablations,
    avae,
    comparison,
    cost,
    evaluation,
    scores,
    shipped_record,
    subjects,
)
from vrrae_lab.experiments.comparison import of_model
from vrrae_lab.features import classifier as classifiers

MODELS = ["AE", "VAE", "RRAE", "VRRAE", "VRRAE, centred"]
KINDS: dict[str, type[ImageSet]] = {"mnist": Mnist, "cifar10": Cifar10, "celeba": CelebA}
SHAPES = {"mnist": (28, 28, 1), "cifar10": (32, 32, 3), "celeba": (32, 32, 3)}


@pytest.fixture(scope="module", autouse=True)
def _quick(quick_compilation: None) -> Iterator[None]:
    with quick_experiments():
        yield


@pytest.fixture
def synthetic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "load", synthetic_images)


@dataclasses.dataclass(frozen=True)
class Finished:
    """An experiment that was run, its folder and its record."""

    study: ImageSet
    folder: Path
    record: dict[str, Any]

    @property
    def classifier(self) -> features.Classifier:
        return features.load_classifier(self.folder / "classifier.eqx")[0]

    def metrics(self, model: str) -> dict[str, Any]:
        (found,) = [r["metrics"] for r in self.record["results"] if r["model"] == model]
        return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Name of an experiment to the finished one; each is run when first asked for."""

    @functools.cache
    def run(name: str) -> Finished:
        study, folder = KINDS[name].tiny(), tmp_path_factory.mktemp("finished") / name
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(data, "load", synthetic_images)
            return Finished(study, folder, study.run(folder, progress=False))

    return run


def rows_of(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| ")]


# ---- what is recorded


@pytest.mark.parametrize("name", KINDS)
def test_record_holds_errors_and_scores_of_every_model(name: str, finished: Any) -> None:
    run: Finished = finished(name)
    record = run.record
    assert record == json.loads((run.folder / "record.json").read_text())
    assert record["experiment"] == name and comparison.model_names(record) == MODELS
    assert record["settings"]["num_train"] == 100 and "num_steps 4 instead of" in str(record["data"]["reductions"])
    about = dict(record["data"]["classifier"])
    source = {"celeba": "celeb_a"}.get(name, name)
    skill = run.classifier.skill._asdict()
    assert about.pop("scored_against") == "training images"
    assert about == {"name": f"a classifier of {source}_train", "steps": 4, **skill}
    for model in MODELS:
        found = run.metrics(model)
        for kind in ("interpolation", "generation"):
            assert found[kind]["n"] == 20 and found[kind]["frechet_distance"] > 0
            assert (found[kind]["features"], found[kind]["accuracy"]) == (about["name"], about["accuracy"])
    assert run.classifier.encoder.shape == SHAPES[name]


@pytest.mark.usefixtures("synthetic")
def test_scores_are_those_of_the_saved_model_in_the_saved_classifier(finished: Any) -> None:
    run: Finished = finished("cifar10")
    (train, test), classifier = run.study.images(), run.classifier
    model = comparison.load_models(run.record, run.folder, 0)["VRRAE"]
    found = run.metrics("VRRAE")
    rest = np.asarray(model.reconstruct(test.x)) - test.x
    assert found["test_squared_error"] == pytest.approx((rest**2).sum(axis=(1, 2, 3)).mean(), rel=1e-4)

    keys = jax.random.split(jax.random.split(jax.random.key(0), 3)[2], 4)
    starts, ends = scores.pairs(100, 4, key=keys[0])
    paths = explore.interpolate(model, test.x[starts], test.x[ends], 7)
    made = explore.generate(model, train.x, 20, num_components=5, key=keys[1])
    for kind, images, key in (("interpolation", paths[:, 1:6], keys[2]), ("generation", made, keys[3])):
        images = np.clip(images, 0, 1).reshape(-1, 32, 32, 3)
        assert len(images) == 20
        wanted = features.feature_scores(train.x, images, classifier, key=key)
        for score, value in wanted.items():
            known = value if isinstance(value, str) else pytest.approx(value, rel=1e-3)
            assert found[kind][score] == known, score


def test_pairs_are_of_different_images_and_reach_all() -> None:
    starts, ends = scores.pairs(5, 200, key=jax.random.key(0))
    assert (starts != ends).all() and set(starts) == set(ends) == set(range(5))
    assert len(set(zip(starts.tolist(), ends.tolist(), strict=True))) == 20


@pytest.mark.parametrize(("count", "rank", "components"), [(100, 2, 5), (100, 6, 1), (8, 2, 1), (300, 2, 10)])
def test_mixture_has_components_that_the_images_suffice_for(
    count: int, rank: int, components: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def generate(model: Any, x: np.ndarray, num_images: int, *, num_components: int, key: Any) -> np.ndarray:
        asked.append((len(x), num_images, num_components))
        return np.full((num_images, 2, 2, 1), [[[[-1.0]]]]) + np.linspace(0, 3, num_images)[:, None, None, None]

    monkeypatch.setattr(explore, "generate", generate)
    x = np.zeros((count, 2, 2, 1), np.float32)
    model = models.ae((4, 4, 1), 2, key=jax.random.key(0))
    images = scores.generated(model, x, 3, rank, key=jax.random.key(0))
    assert asked == [(count, 3, components)]
    assert [image.max() for image in images] == [0, 0.5, 1]


# ---- going on


@pytest.mark.usefixtures("synthetic")
def test_second_run_trains_nothing(finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run: Finished = finished("celeba")
    folder = shutil.copytree(run.folder, tmp_path / "copy")
    monkeypatch.setattr(comparison, "fit", None)
    monkeypatch.setattr(classifiers, "train_classifier", None)
    assert run.study.run(folder, progress=False) == run.record | {
        "command": comparison.environment()["command"],
    }
    with pytest.raises(ValueError, match="num_generated: 20 there, 21 now"):
        dataclasses.replace(run.study, num_generated=21).run(folder, progress=False)
    shutil.rmtree(folder / "runs")
    (folder / "record.json").unlink()
    with pytest.raises(ValueError, match="classifier.eqx holds a classifier of other settings .num_steps: 4 there"):
        dataclasses.replace(run.study, classifier_steps=5).run(folder, progress=False)


@pytest.mark.usefixtures("synthetic")
def test_runs_of_other_settings_are_refused_before_a_classifier_is_trained(finished: Any, tmp_path: Path) -> None:
    run: Finished = finished("mnist")
    shutil.copytree(run.folder / "runs", tmp_path / "runs")
    with pytest.raises(ValueError, match="holds runs of other settings"):
        dataclasses.replace(run.study, num_pairs=run.study.num_pairs + 1).run(tmp_path, progress=False)
    assert not (tmp_path / "classifier.eqx").exists()


@pytest.mark.usefixtures("synthetic")
def test_classifier_is_the_same_for_all_seeds_and_missing_runs_are_made_again(finished: Any, tmp_path: Path) -> None:
    run: Finished = finished("mnist")
    folder = shutil.copytree(run.folder, tmp_path / "copy")
    (folder / "runs" / "vae-seed0.json").unlink()
    (folder / "classifier.eqx").unlink()
    again = dataclasses.replace(run.study, num_seeds=2).run(folder, progress=False)
    assert eqx.tree_equal(features.load_classifier(folder / "classifier.eqx")[0], run.classifier)
    assert [r["metrics"] for r in again["results"] if r["seed"] == 0] == [r["metrics"] for r in run.record["results"]]
    assert again["data"]["classifier"] == run.record["data"]["classifier"]
    cells = next(cells for cells in rows_of(run.study.table(again)) if cells[:2] == ["interpolations", "VAE"])
    distances = [score["frechet_distance"] for score in of_model(again, "VAE", "interpolation")]
    assert cells[2] == f"{np.mean(distances):.2f} ± {np.std(distances, ddof=1):.2f}"


@pytest.mark.usefixtures("without_data_or_network")
def test_without_data_it_says_so_at_once(tmp_path: Path) -> None:
    without = dataclasses.replace(Mnist.fast(), data_dir=str(tmp_path / "data"))
    started = time.monotonic()
    with pytest.raises(DataUnavailableError, match="no network in this test(.|\n)*Remedies"):
        without.run(tmp_path / "out", progress=False)
    assert time.monotonic() - started < 5
    assert not (tmp_path / "out").exists()


# ---- what is said of it


@pytest.mark.parametrize("name", KINDS)
def test_table_names_the_features_the_floors_and_what_the_paper_prints(name: str, finished: Any) -> None:
    run: Finished = finished(name)
    table = run.study.table(run.record)
    rows = rows_of(table)
    heads = [i for i, cells in enumerate(rows) if "model" in cells]
    blocks = [
        [dict(zip(rows[start], cells, strict=True)) for cells in rows[start + 1 : end] if "---" not in cells[0]]
        for start, end in zip(heads, [*heads[1:], len(rows)], strict=True)
    ]
    about, errors, scored = blocks
    assert [row["model"] for row in about] == [row["model"] for row in errors] == MODELS and len(scored) == 10
    accuracy = run.record["data"]["classifier"]["accuracy"]
    title = f"Fréchet, features of our classifier (accuracy {accuracy:.1f} %)"
    for row in errors:
        found = run.metrics(row["model"])
        assert row["test error, %"] == f"{found['test_error']:.1f}"
        assert row["squared error per image"] == f"{found['test_squared_error']:.2f}"
    for row in scored:
        kind = "generation" if row["of"] == "generated images" else "interpolation"
        score = run.metrics(row["model"])[kind]
        assert row[title] == f"{score['frechet_distance']:.2f}"
        assert row["floor"] == "{:.2f} ± {:.2f}".format(*score["frechet_floor"])
        assert row["kernel distance"] == f"{score['kernel_distance']:.3f}"
        assert row["standard error"] == f"{score['kernel_distance_error']:.3f}"
        others = [run.metrics(model)[kind]["frechet_distance"] for model in MODELS]
        assert int(row["place"]) == 1 + sum(other < score["frechet_distance"] for other in others)
    data_name = run.record["data"]["train"]["name"]
    space = f"Fréchet distance, features of a classifier of {data_name}_train (accuracy {accuracy:.1f} %)"
    assert f"{space}, between 20 images and as many training images" in table
    assert "FID" not in table.replace("published FID", "")
    assert "compare the order of the models, never the numbers" in table
    assert f"right for {run.record['data']['classifier']['baseline']:.1f} %" in table
    assert "\nreduced: " in table and "floor: nearest training image" in table
    for row in errors:
        own = papers.TABLE_2[name].get(row["model"])
        assert row["published"] == ("–" if own is None else str(own.reconstruction))
    for kind, of in scores.KINDS.items():
        printed = {model: getattr(own, kind) for model, own in papers.TABLE_2[name].items()}
        for row in (row for row in scored if row["of"] == of):
            if (own := printed.get(row["model"])) is None:
                assert row["published FID"] == row["its place"] == "–"
                continue
            assert row["published FID"] == str(own)
            assert int(row["its place"]) == 1 + sum(other < own for other in printed.values())


@pytest.mark.parametrize("name", KINDS)
def test_every_disagreement_of_the_paper_stands_under_its_table(name: str, finished: Any) -> None:
    shown = KINDS[name].table(finished(name).record)
    lines = papers.disagreements(name)
    assert lines and all(f"the paper disagrees with itself (claim 28): {line}" in shown for line in lines)


def test_record_without_scores_is_shown_without_their_table() -> None:
    record = shipped_record("mnist_cpu")
    table = Mnist.table(record)
    assert "this record is older than the scores" in table
    assert "Fréchet" not in table
    (error,) = of_model(record, "RRAE", "test_error")
    assert next(cells for cells in rows_of(table)[6:] if cells[0] == "RRAE")[1:] == [f"{error:.1f}", "27.90", "–"]


def test_record_of_scores_against_test_images_says_so() -> None:
    assert "and as many test images; its floor" in Mnist.table(shipped_record("mnist"))


def test_table_tells_who_diverged(finished: Any) -> None:
    run: Finished = finished("mnist")
    sick = run.record["results"][1] | {"stopped": "diverged", "metrics": {}}
    record = run.record | {"results": [run.record["results"][0], sick, *run.record["results"][2:]]}
    table = run.study.table(record)
    assert "VAE: 1 diverged" in table
    assert next(cells for cells in rows_of(table)[6:] if cells[0] == "VAE")[1] == "–"
    assert next(cells for cells in rows_of(table) if cells[:2] == ["generated images", "VAE"])[2:6] == ["–"] * 4


@pytest.mark.usefixtures("synthetic")
def test_figures_have_a_row_for_each_model(finished: Any) -> None:
    run: Finished = finished("cifar10")
    drawn = run.study.figures(run.record, run.folder)
    assert list(drawn) == ["errors", "samples", "singular_values", "interpolations"]
    assert all(isinstance(figure, go.Figure) and figure.data for figure in drawn.values())
    assert list(drawn["samples"].layout.yaxis.ticktext) == MODELS
    rows = [f"{name}, {pair}" for pair in (1, 2, 3) for name in MODELS]
    assert list(drawn["interpolations"].layout.yaxis.ticktext) == rows


# ---- settings


def test_full_settings_are_the_papers_and_reduced_ones_say_so() -> None:
    for name, kind in KINDS.items():
        assert EXPERIMENTS[name] is kind and kind.name == name and kind().reductions() == []
        assert (kind().num_generated, kind().num_pairs * papers.POINTS_BETWEEN) == (1250, 1250)
        fast = kind.fast()
        assert fast.reductions() and fast.num_generated == 1250 and fast.settings()["data"] == name
        assert (fast.settings()["num_steps"], kind.tiny().settings()["num_steps"]) == (600, 4)
    assert "classifier_steps 400 instead of 3000" in CelebA.fast().reductions()
    assert "image_size 32 instead of 160" in CelebA.fast().reductions()


@pytest.mark.usefixtures("synthetic")
def test_a_record_says_what_the_images_were() -> None:
    def said(study: Study) -> str:
        train, test = study.images()
        return study.plan_of(train, test).data["images"]

    small = dataclasses.replace(Cifar10.tiny(), num_train=30, num_test=20)
    assert said(small) == "30 of 50,000 training images; 20 of 10,000 test images"
    assert (small.settings()["num_train"], small.settings()["num_test"]) == (30, 20)
    assert "num_test 20 instead of 10000" in small.reductions()
    assert said(CelebA.tiny()) == "100 of 162,770 training images; 100 others of the training split to test with"
    with pytest.raises(ValueError, match="num_test = 0"):
        dataclasses.replace(small, num_test=0)


@pytest.mark.usefixtures("synthetic")
def test_reduced_celeba_is_tested_with_training_images_kept_aside() -> None:
    whole = synthetic_images("celeb_a", "train", 500, 32)
    train, test = CelebA.fast().images()
    np.testing.assert_array_equal(np.concatenate([train.x, test.x]), whole.x)
    np.testing.assert_array_equal(np.concatenate([train.labels, test.labels]), whole.labels)
    assert (len(train), len(test), test.name) == (400, 100, "celeb_a_train_kept_aside")
    assert test.provenance["kept_aside"] == "images 401 on of the training split"
    note = "test images kept aside from the training split"
    assert note in CelebA.fast().reductions() and note not in CelebA().reductions() + Cifar10.fast().reductions()
    assert not subjects.subject("celeba").test_from_training


def test_losses_have_the_two_betas_of_the_set() -> None:
    for name, kind in KINDS.items():
        own = subjects.subject(name)
        candidates = kind().candidates(data.digits(n=2))
        assert [float(candidates[m].loss.beta) for m in ("VAE", "VRRAE")] == pytest.approx(
            [own.vae_beta, own.vrrae_beta]
        )
        assert candidates["VRRAE"].arguments == {"shape": own.shape, "latent_size": own.latent_size, "rank": own.rank}


def test_other_data_is_refused() -> None:
    with pytest.raises(ValueError, match="data = 'digits': mnist is of one data set"):
        dataclasses.replace(Mnist.fast(), data="digits")


# ---- large sets


@pytest.mark.usefixtures("synthetic", "unchecked")
def test_large_sets_stay_bytes_and_are_evaluated_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 40 * 32 * 32 * 3
    monkeypatch.setattr(subjects, "MOST_FLOATS", most)
    monkeypatch.setattr(evaluation, "MOST_FLOATS", most)
    tiny = Cifar10.tiny()
    train, test = tiny.images()
    assert train.x.dtype == test.x.dtype == np.uint8
    record = tiny.run(tmp_path, progress=False)
    assert list(record["floors"])[2:] == ["nearest of 40 training images", "PCA of rank 2 on the training images"]
    x, y = (images.x[:40].astype(np.float32) / 255 for images in (train, test))
    assert record["floors"]["nearest of 40 training images"] == pytest.approx(metrics.nearest_image_error(y, x))
    for name, model in comparison.load_models(record, tmp_path, 0).items():
        (error,) = of_model(record, name, "test_error")
        assert error == pytest.approx(metrics.relative_error(y, model.reconstruct(y)), rel=1e-3)
    assert tiny.figures(record, tmp_path).keys() == {"errors", "samples", "singular_values", "interpolations"}


@pytest.mark.parametrize("kind", [Mnist, CelebA])  # CelebA's fast setting holds out its test images
def test_network_is_used_only_if_it_may(kind: type[ImageSet], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def load(*arguments: Any, download: bool, **options: Any) -> Any:
        asked.append(download)
        return synthetic_images(*arguments, **options)

    monkeypatch.setattr(data, "load", load)
    for download in (True, False):
        asked.clear()
        dataclasses.replace(kind.tiny(), download=download).images()
        assert asked and set(asked) == {download}
    offline = dataclasses.replace(kind.tiny(), download=False)
    assert offline.settings() == kind.tiny().settings() and not set(offline.reductions()) - set(
        kind.tiny().reductions()
    )


@pytest.mark.usefixtures("synthetic")
def test_other_sets_are_floats_and_used_whole() -> None:
    images, _ = Cifar10.tiny().images()
    assert images.x.dtype == np.float32 and evaluation.bounded(images) is images


@pytest.mark.usefixtures("unchecked")
def test_part_of_a_large_set_is_as_the_floats_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    large, floats = (synthetic_images("cifar10", n=9, size=32, dtype=kind) for kind in (np.uint8, np.float32))
    monkeypatch.setattr(evaluation, "MOST_FLOATS", 5 * 32 * 32 * 3 + 1)
    part = evaluation.bounded(large)
    np.testing.assert_array_equal(part.x, floats.x[:5])
    assert part.x.dtype == np.float32 and (part.scale, len(part.labels)) == (255, 5)
    assert large.value_range == (0, 1)
    assert floats.value_range == (floats.x.min(), floats.x.max())


# ---- the other studies on these images


@pytest.mark.usefixtures("synthetic")
@pytest.mark.parametrize("kind", (Ablations, BetaSweep, Avae, Zoo), ids=lambda kind: kind.name)
def test_other_studies_take_colour_images_with_many_labels(
    kind: type[Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(avae, "MOST_SAMPLES", 30)
    every = Zoo.candidates
    rare = ("beta-TCVAE", "adaptive RRAE", "Contractive AE")  # the others are in other studies
    monkeypatch.setattr(Zoo, "candidates", lambda self, train: {name: every(self, train)[name] for name in rare})
    study = dataclasses.replace(kind.tiny(), data="celeba", num_seeds=1)
    record = study.run(tmp_path, progress=False)
    assert record["settings"]["image_size"] == 32 and record["data"]["train"]["name"] == "celeb_a"
    assert record["settings"]["num_generated"] == 20 and record["data"]["classifier"]["steps"] == 4
    assert all(r["metrics"][kind]["n"] == 20 for r in record["results"] for kind in scores.KINDS)
    assert "Fréchet, features of our classifier (accuracy " in study.table(record)
    printed = {Ablations: "17.50", BetaSweep: "14.65", Zoo: "55.32"}.get(kind, "–")
    assert f" {printed} |" in study.table(record)
    assert all(result["stopped"] == "finished" for result in record["results"])
    assert study.table(record) and all(figure.data for figure in study.figures(record, tmp_path).values())
    assert kind().reductions() == dataclasses.replace(kind(), data="celeba").reductions() == []


@pytest.mark.usefixtures("unchecked")
def test_other_studies_measure_bytes_as_the_floats_they_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    large, floats = (synthetic_images("cifar10", n=60, size=32, dtype=kind) for kind in (np.uint8, np.float32))
    for kind in (BatchSize, CollapseMap):
        study = dataclasses.replace(kind.tiny(), data="cifar10")
        assert json.dumps(study.facts(large)) == json.dumps(study.facts(floats))
        betas = [[float(c.loss.beta) for c in study.candidates(images).values()] for images in (large, floats)]
        assert betas[0] == betas[1]
    model = models.freeze_basis(models.rrae(floats.shape, 5, 2, key=jax.random.key(0)), floats.x)
    shared = [ablations.batch_basis_overlap(model, images.x, 16) for images in (large, floats)]
    assert shared[0] == pytest.approx(shared[1], rel=1e-3)
    errors = [Cost.tiny().evaluate(model, images, images, jax.random.key(0)) for images in (large, floats)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-4)
    np.testing.assert_array_equal(avae.compared(large, large.take(50)), floats.x[:50])
    monkeypatch.setattr(data, "load", functools.partial(synthetic_images, dtype=np.uint8))
    kept = dataclasses.replace(Avae.tiny(), data="cifar10").kept_aside()
    np.testing.assert_array_equal(kept, synthetic_images("cifar10", n=100, size=32).x[90:])


# ---- real images


@pytest.mark.real_data
def test_mnist_on_real_images(tmp_path: Path) -> None:
    tiny = dataclasses.replace(
        Mnist.tiny(), data_dir=str(tmp_path / "data"), manual_dir=str(shared_data() / "mnist"), num_steps=9
    )
    found = tiny.run(tmp_path / "mnist", progress=False)
    train, test = (data.load("mnist", split, 100, data_dir=tmp_path / "data") for split in ("train", "test"))
    assert found["experiment"] == "mnist" and found["data"]["train"]["found"] == "manual_dir"
    assert "num_train 100 instead of 60000" in found["data"]["reductions"]
    assert dict(list(found["floors"].items())[2:]) == {
        "nearest training image": pytest.approx(metrics.nearest_image_error(test.x, train.x)),
        "PCA of rank 2 on the training images": pytest.approx(metrics.linear_test_error(train.x, test.x, 2)),
    }
    for name, model in comparison.load_models(found, tmp_path / "mnist", 0).items():
        for part, dataset in (("train", train), ("test", test)):
            (error,) = of_model(found, name, f"{part}_error")
            assert error == pytest.approx(metrics.relative_error(dataset.x, model.reconstruct(dataset.x)), rel=1e-3)
    assert cost.SIZES["MNIST"][0] == Mnist().subject.latent_size
