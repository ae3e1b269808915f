"""Feature spaces: the classifier of a data set's labels, and what is scored in its features."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vrrae_lab import data, features, metrics
from vrrae_lab.data import Dataset
from vrrae_lab.features import classifier as classifiers
from vrrae_lab.features import labels as answers


@pytest.fixture(scope="module", autouse=True)
def _quick(quick_compilation: None) -> None:
    pass


def few_digits() -> tuple[Dataset, Dataset]:
    return data.digits(n=300), data.digits("test", 200)


def train_digits(**changes: Any) -> features.Classifier:
    settings: dict[str, Any] = {"num_steps": 150, "learning_rate": 5e-3, "num_features": 16, "key": jax.random.key(0)}
    return features.train_classifier(*few_digits(), **(settings | changes))


@pytest.fixture(scope="module")
def trained() -> features.Classifier:
    return train_digits()


def stripes(count: int, seed: int = 0) -> Dataset:
    """Images whose three attributes are: a bright upper half, a bright left half, a bright middle."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, (count, 3))
    x = random.uniform(0, 0.1, (count, 8, 8, 1))
    x[:, :4] += 0.3 * labels[:, 0, None, None, None]
    x[:, :, :4] += 0.3 * labels[:, 1, None, None, None]
    x[:, 3:5, 3:5] += 0.3 * labels[:, 2, None, None, None]
    return Dataset("stripes", x.astype(np.float32), labels)


# ---- the classifier


def test_classifier_learns_classes_and_knows_how_well(trained: features.Classifier) -> None:
    _, test = few_digits()
    logits = trained.logits(test.x)
    right = np.mean([row.argmax() == label for row, label in zip(logits, test.labels, strict=True)])
    assert trained.accuracy == pytest.approx(100 * right) and trained.accuracy > 70
    assert trained.skill is not None and trained.skill.baseline < 20
    assert (trained.name, trained.skill.num_images) == ("a classifier of digits_train", 300)


def test_classifier_learns_attributes_and_compares_them_with_the_most_frequent_answer() -> None:
    train, test = stripes(200), stripes(100, 1)
    test = dataclasses.replace(test, labels=np.concatenate([np.ones((100, 1), int), test.labels[:, 1:]], axis=1))
    found = features.train_classifier(
        train, test, num_steps=150, learning_rate=1e-2, num_features=8, key=jax.random.key(0)
    )
    predicted = found.logits(test.x)[:, 1:] > 0
    assert np.mean(predicted == test.labels[:, 1:]) > 0.9
    frequent = train.labels.mean(axis=0) > 0.5
    assert found.skill is not None
    assert found.skill.baseline == pytest.approx(100 * np.mean(test.labels == frequent))


def test_features_are_the_last_hidden_layer(trained: features.Classifier) -> None:
    x = few_digits()[1].x[:7]
    hidden = np.asarray(jax.nn.relu(trained.encoder(jnp.asarray(x))))
    found = trained(x)
    assert found.shape == (7, 16) and found.min() == 0 < found.max()
    np.testing.assert_allclose(found, hidden, atol=1e-5)
    logits = hidden @ np.asarray(trained.head.weight).T + np.asarray(trained.head.bias)
    np.testing.assert_allclose(trained.logits(x), logits, atol=1e-4)


def test_bytes_are_fractions_of_255(trained: features.Classifier) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1)).astype(np.uint8)
    np.testing.assert_allclose(trained(pixels), trained(pixels.astype(np.float32) / 255), atol=1e-6)


def test_the_same_key_gives_the_same_classifier() -> None:
    one, same, other = (train_digits(num_steps=3, key=jax.random.key(seed)) for seed in (1, 1, 2))
    assert eqx.tree_equal(one, same)
    assert not eqx.tree_equal(one.head, other.head)


def test_first_step_follows_the_gradient_of_the_cross_entropy() -> None:
    """Adam's first update has the learning rate's size and the gradient's sign, but for the weight decay."""
    train, test = few_digits()
    rate = 1e-3
    found = train_digits(num_steps=1, batch_size=300, learning_rate=rate)
    before = classifiers._untrained(train.shape, 16, 10, key=jax.random.split(jax.random.key(0))[0])

    def naive(head: eqx.nn.Linear) -> jax.Array:
        logits = jax.vmap(head)(jax.nn.relu(before.encoder(jnp.asarray(train.x))))
        chosen = jnp.asarray(np.eye(10, dtype=np.float32)[train.labels])
        return -jnp.mean(jnp.sum(chosen * jnp.log(jax.nn.softmax(logits)), axis=1))

    gradient = np.asarray(eqx.filter_grad(naive)(before.head).bias)
    step = np.asarray(found.head.bias) - np.asarray(before.head.bias)
    assert np.abs(gradient).min() > 1e-4
    np.testing.assert_allclose(step, -rate * np.sign(gradient), rtol=0.02)


def test_scale_of_the_features_is_fixed_and_the_answers_are_not_changed() -> None:
    train, _ = few_digits()
    for rate in (1e-3, 1e-2):
        found = train_digits(num_steps=20, learning_rate=rate)
        assert np.mean(found(train.x) ** 2) == pytest.approx(1, rel=1e-4)
    raw = classifiers._untrained(train.shape, 16, 10, key=jax.random.key(0))
    np.testing.assert_allclose(classifiers._scaled(raw, train).logits(train.x), raw.logits(train.x), atol=1e-5)
    dead = eqx.tree_at(lambda m: m.encoder.linear.bias, raw, jnp.full(16, -1e3))
    with pytest.raises(ValueError, match="all features of the classifier are zero"):
        classifiers._scaled(dead, train)


def with_labels(labels: Any) -> Dataset:
    return dataclasses.replace(data.digits(n=6), labels=None if labels is None else np.asarray(labels))


GOOD = [0, 1, 2, 0, 1, 2]
UNFIT: dict[str, tuple[Dataset, Dataset, str]] = {
    "no labels": (with_labels(None), with_labels(GOOD), "digits_train has no labels"),
    "no labels to test": (with_labels(GOOD), with_labels(None), "has no labels"),
    "one class": (with_labels([3] * 6), with_labels([3] * 6), "all images of digits_train are of class 3"),
    "equal attributes": (with_labels([[0, 1]] * 6), with_labels([[0, 1]] * 6), "the same attributes"),
    "fractions": (with_labels([0.5] * 6), with_labels(GOOD), "float64: a classifier needs whole numbers"),
    "NaN labels": (with_labels([[np.nan, 1]] * 6), with_labels([[0, 1]] * 6), "zeros and ones"),
    "centres": (with_labels([[0.1, 0.2]] * 6), with_labels([[0, 1]] * 6), "zeros and ones"),
    "no attributes": (with_labels(np.zeros((6, 0), int)), with_labels(GOOD), "zeros and ones"),
    "two kinds": (with_labels(GOOD), with_labels([[0, 1]] * 6), "the same kind"),
    "other attributes": (with_labels(np.eye(6, dtype=int)), with_labels([[0, 1]] * 6), "the same kind"),
    "unknown class": (with_labels(GOOD), with_labels([0, 1, 2, 0, 1, 7]), "has images of class 7, digits_train has"),
    "other shape": (
        with_labels(GOOD),
        dataclasses.replace(with_labels(GOOD), x=np.zeros((6, 9, 8, 1), np.float32)),
        r"shape \(8, 8, 1\) and digits_train of \(9, 8, 1\)",
    ),
    "NaN images": (
        dataclasses.replace(with_labels(GOOD), x=np.full((6, 8, 8, 1), np.nan, np.float32)),
        with_labels(GOOD),
        "contains NaN or infinity",
    ),
    "no images": (
        Dataset("nothing", np.zeros((0, 8, 8, 1), np.float32), np.zeros(0, int)),
        with_labels(GOOD),
        "has no images",
    ),
}


@pytest.mark.parametrize("case", UNFIT)
def test_unfit_data_is_refused(case: str) -> None:
    train, test, complaint = UNFIT[case]
    with pytest.raises(ValueError, match=complaint):
        features.targets(train, test)
    with pytest.raises(ValueError, match=complaint):
        features.train_classifier(train, test, num_steps=1, key=jax.random.key(0))


@pytest.mark.usefixtures("unchecked")
def test_too_few_labels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"labels has shape \(5,\), but there are 6 images"):
        features.targets(with_labels(GOOD[:5]), with_labels(GOOD))


@pytest.mark.parametrize("name", ["num_steps", "batch_size", "num_features"])
def test_numbers_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} = 0"):
        train_digits(**{name: 0})


def test_divergence_is_told() -> None:
    with pytest.raises(ValueError, match="loss of the classifier became .*smaller learning_rate"):
        train_digits(num_steps=4, learning_rate=1e30)


def test_images_of_another_shape_are_refused(trained: features.Classifier) -> None:
    with pytest.raises(ValueError, match=r"takes \(batch, 8, 8, 1\)"):
        trained(np.zeros((2, 9, 9, 1), np.float32))


def test_classes_need_not_be_numbered_from_zero() -> None:
    found = features.targets(with_labels([7, 9, 9, 9, 7, 12]), with_labels([12, 9, 7, 7, 9, 9]))
    assert found.train.tolist() == [0, 1, 1, 1, 0, 2] and found.test.tolist() == [2, 1, 0, 0, 1, 1]
    assert found.num_outputs == 3 and found.baseline == pytest.approx(50) and not found.attributes


def test_accuracy_counts_classes_and_attributes() -> None:
    logits = np.array([[1.0, 2.0], [3.0, -1.0], [-2.0, -1.0]])
    assert answers.accuracy(logits, np.array([1, 0, 0], np.int32)) == pytest.approx(200 / 3)
    wanted = np.array([[1, 1], [1, 0], [0, 1]], np.float32)
    assert answers.accuracy(logits, wanted) == pytest.approx(100 * 5 / 6)


# ---- its file


def test_classifier_comes_back_bit_for_bit(trained: features.Classifier, tmp_path: Path) -> None:
    features.save_classifier(tmp_path / "a.eqx", trained, {"why": "a test"})
    found, notes = features.load_classifier(tmp_path / "a.eqx")
    assert eqx.tree_equal(found, trained) and notes == {"why": "a test"}
    assert found.skill == trained.skill
    np.testing.assert_array_equal(found(few_digits()[1].x), trained(few_digits()[1].x))
    assert [path.name for path in tmp_path.iterdir()] == ["a.eqx"]


def test_file_is_a_line_of_json_before_the_arrays(trained: features.Classifier, tmp_path: Path) -> None:
    features.save_classifier(tmp_path / "a.eqx", trained)
    line = (tmp_path / "a.eqx").read_bytes().split(b"\n")[0]
    assert json.loads(line)["sizes"] == {"shape": [8, 8, 1], "num_features": 16, "num_outputs": 10}


def test_damaged_or_foreign_file_is_refused(trained: features.Classifier, tmp_path: Path) -> None:
    path = tmp_path / "a.eqx"
    features.save_classifier(path, trained)
    content = path.read_bytes()
    start = content.index(b"\n") + 1
    damaged = {
        "flipped": content[: start + 500] + bytes([content[start + 500] ^ 1]) + content[start + 501 :],
        "cut": content[:-9],
        "longer": content + b"x",
    }
    for broken in damaged.values():
        path.write_bytes(broken)
        with pytest.raises(ValueError, match="a.eqx is damaged"):
            features.load_classifier(path)
    for foreign in (b"", b"\x80\x04K\x01.", b'{"format": "vrrae_lab checkpoint 1", "bytes": 0, "sha256": ""}\n'):
        path.write_bytes(foreign)
        with pytest.raises(ValueError, match="a.eqx is not a classifier of this package"):
            features.load_classifier(path)
    header, arrays = json.loads(content[:start]), content[start:]
    header["sizes"]["num_features"] += 1
    header["sha256"] = hashlib.sha256(arrays).hexdigest()  # as an older version would have written it
    path.write_bytes(json.dumps(header).encode() + b"\n" + arrays)
    with pytest.raises(ValueError, match="a.eqx does not fit this version"):
        features.load_classifier(path)
    with pytest.raises(FileNotFoundError):
        features.load_classifier(tmp_path / "nowhere.eqx")


def test_untrained_classifier_is_not_kept(tmp_path: Path) -> None:
    raw = classifiers._untrained((8, 8, 1), 4, 3, key=jax.random.key(0))
    assert raw.accuracy is None and raw.name == "a classifier"
    with pytest.raises(ValueError, match="was not trained"):
        features.save_classifier(tmp_path / "a.eqx", raw)


def test_kept_classifier_is_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = few_digits()

    def kept(num_steps: int = 2, images: Dataset = train, key: int = 0) -> features.Classifier:
        path = tmp_path / "out" / "classifier.eqx"
        return features.kept_classifier(path, images, test, num_steps=num_steps, key=jax.random.key(key))

    first = kept()
    with monkeypatch.context() as patch:
        patch.setattr(classifiers, "train_classifier", None)
        assert eqx.tree_equal(kept(), first)
        with pytest.raises(ValueError, match="num_steps: 2 there, 3 now.*remove it"):
            kept(num_steps=3)
        with pytest.raises(ValueError, match="train: .* there, .* now"):
            kept(images=data.digits(n=299))
        with pytest.raises(ValueError, match="train: .* there, .* now"):
            kept(images=dataclasses.replace(train, labels=train.labels[::-1].copy()))
        with pytest.raises(ValueError, match="key: "):
            kept(key=1)
    (tmp_path / "out" / "classifier.eqx").unlink()
    assert eqx.tree_equal(kept(), first)


# ---- scores


class Pixels:
    """A feature space that needs no training: the pixels."""

    name = "pixels"
    accuracy = 12.5

    def __call__(self, images: Any) -> np.ndarray:
        return np.asarray(images, float).reshape(len(images), -1)


def normal(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.normal(size=(count, 2, 2, 1)) + shift).astype(np.float32)


def test_scores_are_those_of_the_metrics_and_ready_for_json() -> None:
    real, generated = normal(60, 0), normal(30, 1, 0.5)
    found = features.feature_scores(real, generated, Pixels(), key=jax.random.key(0))
    assert json.loads(json.dumps(found)) == found
    assert (found["features"], found["accuracy"], found["n"]) == ("pixels", 12.5, 30)
    # all generated images are used; of the real ones a half, whose distance is one of many like it
    halves = [normal(60, 0)[np.random.default_rng(seed).permutation(60)[:30]].reshape(30, -1) for seed in range(40)]
    distances = [metrics.frechet_distance(half, generated.reshape(30, -1)) for half in halves]
    assert min(distances) * 0.7 < found["frechet_distance"] < max(distances) * 1.4
    mean, deviation = found["frechet_floor"]
    floors = metrics.same_distribution_floor(
        metrics.frechet_distance, real.reshape(60, -1), (30, 30), num_repeats=200, key=jax.random.key(9)
    )
    assert mean == pytest.approx(floors.mean, abs=1.5 * floors.standard_deviation) and 0 < deviation < mean
    assert found["kernel_distance_error"] > 0


def test_shift_is_known_exactly_for_large_sets() -> None:
    """Two Gaussians of one covariance whose means are (1/2, …) apart, in 4 dimensions: the squared distance is 1."""
    found = features.feature_scores(normal(8000, 0), normal(4000, 1, 0.5), Pixels(), key=jax.random.key(0))
    assert found["n"] == 4000
    assert found["frechet_distance"] - found["frechet_floor"][0] == pytest.approx(1, abs=0.1)


def test_order_is_right_and_one_distribution_lies_at_the_floor(trained: features.Classifier) -> None:
    x = data.digits().x
    real, other = x[:1000], x[1000:1090]
    noise = np.random.default_rng(0).uniform(size=other.shape).astype(np.float32)
    scores = [
        features.feature_scores(real, images, trained, key=jax.random.key(1))
        for images in (other, 0.7 * other + 0.3 * noise, noise)
    ]
    for name in ("frechet_distance", "kernel_distance"):
        alike, noisy, far = (score[name] for score in scores)
        assert 1.5 * max(alike, 0) < noisy < far
    mean, deviation = scores[0]["frechet_floor"]
    assert scores[0]["frechet_distance"] < 3 * mean < scores[2]["frechet_distance"] and deviation > 0


def test_key_decides_what_is_drawn_and_identical_sets_score_least() -> None:
    real, generated = normal(80, 0), normal(60, 1)
    one, same, other = (
        features.feature_scores(real, generated, Pixels(), key=jax.random.key(seed)) for seed in (0, 0, 1)
    )
    assert one == same and one["frechet_distance"] != other["frechet_distance"]
    copies = np.tile(normal(1, 5), (20, 1, 1, 1))
    found = features.feature_scores(copies, copies, Pixels(), key=jax.random.key(0))
    assert found["frechet_distance"] == pytest.approx(0, abs=1e-9)
    assert found["frechet_floor"] == pytest.approx([0, 0], abs=1e-9)
    assert found["kernel_distance"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("num_real", "num_generated"), [(7, 20), (20, 3), (0, 0)])
def test_too_few_images_are_refused(num_real: int, num_generated: int) -> None:
    with pytest.raises(ValueError, match=f"{num_real} real and {num_generated} generated images are too few"):
        features.scores_of_features(
            np.zeros((num_real, 3)), np.zeros((num_generated, 3)), Pixels(), key=jax.random.key(0)
        )


def test_fewest_images_are_enough() -> None:
    found = features.feature_scores(normal(8, 0), normal(4, 1), Pixels(), key=jax.random.key(0))
    assert found["n"] == 4 and np.isfinite(found["kernel_distance_error"])


def test_features_that_are_not_finite_are_refused() -> None:
    broken = normal(10, 0)
    broken[3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        features.feature_scores(normal(20, 1), broken, Pixels(), key=jax.random.key(0))


def test_distance_in_the_features_of_a_classifier_is_not_called_fid(trained: features.Classifier) -> None:
    title = features.frechet_title(trained.name, 97.04)
    assert title == "Fréchet distance, features of a classifier of digits_train (accuracy 97.0 %)"
    assert features.frechet_title("pixels", None) == "Fréchet distance, features of pixels"
