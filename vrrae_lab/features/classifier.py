"""A small convolutional classifier of a data set's labels, whose last hidden layer is a feature space.

The VRRAE paper (appendix A.7) scores images by the features of an Inception-v3 that was fine-tuned on the labels of the
data set (see `inception`). This one is trained from nothing in a minute on a CPU. Distances in its features compare
models with each other; they are not FID, and not comparable with published ones.
"""

import hashlib
import os
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key, PyTree

from vrrae_lab import array_file
from vrrae_lab.checks import check_at_least, check_key, check_kind, check_path, check_positive
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.features.labels import Targets, accuracy, targets
from vrrae_lab.files import UNREADABLE, differences
from vrrae_lab.models import Images, as_floats, check_images, in_batches
from vrrae_lab.nets import ConvEncoder, Shape
from vrrae_lab.train import DataOrder, TrainingImages

FORMAT = "vrrae_lab classifier 1"
MOST_FOR_THE_SCALE = 2000  # training images


class Skill(NamedTuple):
    """What a classifier was trained on, and how well it does.

    Attributes:
        data: the name of the training set.
        num_images: how many training images there were.
        accuracy: on test images, in percent; of attributes the mean.
        baseline: that of always giving the most frequent training label, for comparison.
    """

    data: str
    num_images: int
    accuracy: float
    baseline: float


class Classifier(eqx.Module):
    """A trained classifier; called on images it gives their features.

    Attributes:
        encoder: images to the last hidden layer, before its ReLU.
        head: features to one logit per class or attribute.
        skill: what it was trained on, and how well it does; None before training.
    """

    encoder: ConvEncoder
    head: eqx.nn.Linear
    skill: Skill | None = eqx.field(static=True, default=None)

    @property
    def name(self) -> str:
        """See `FeatureSpace`."""
        return "a classifier" if self.skill is None else f"a classifier of {self.skill.data}"

    @property
    def accuracy(self) -> float | None:
        """See `FeatureSpace`."""
        return None if self.skill is None else self.skill.accuracy

    def __call__(self, images: Images) -> Float[np.ndarray, "batch dimension"]:
        """The features of the images: the last hidden layer, after its ReLU, of mean square 1 on training images.

        Raises:
            ValueError: if the images do not have the shape of those it was trained on.
        """
        check_images(images, self.encoder.shape)
        return in_batches(partial(_features, self.encoder), images)

    def logits(self, images: Images) -> Float[np.ndarray, "batch outputs"]:
        """The answers to the images: the largest is the class, or each positive one an attribute.

        Raises:
            ValueError: as for the features.
        """
        return self(images) @ np.asarray(self.head.weight).T + np.asarray(self.head.bias)


@eqx.filter_jit
def _features(encoder: ConvEncoder, x: Array) -> Array:
    return jax.nn.relu(encoder(as_floats(x)))


def _untrained(shape: Shape, num_features: int, num_outputs: int, *, key: Key[Array, ""]) -> Classifier:
    keys = jax.random.split(key)
    encoder = ConvEncoder(shape, num_features, key=keys[0])
    return Classifier(encoder, eqx.nn.Linear(num_features, num_outputs, key=keys[1]))


def train_classifier(
    train: Dataset,
    test: Dataset,
    *,
    num_steps: int,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    num_features: int = 128,
    key: Key[Array, ""],
    progress: bool = False,
) -> Classifier:
    """Train a classifier on the labels of a data set, and measure its accuracy on test images.

    The labels are classes, told apart by a softmax, or, as a matrix of zeros and ones, attributes with a sigmoid each.
    AdamW is used, with a learning rate that falls to zero along a cosine.

    Args:
        train: images to train on; uint8 ones are taken as fractions of 255.
        test: images to measure the accuracy on.
        num_steps: updates to make.
        batch_size: images per step, or all of them if they are fewer.
        learning_rate: at the first step.
        num_features: length of the feature vector.
        key: initial weights and order of the data; the same key gives the same classifier.
        progress: whether to show a progress bar.

    Raises:
        ValueError: if the data sets are not fit for it (see `labels.targets`), a number is below 1, or the loss is no
            longer finite.
    """
    for what, value in (("num_steps", num_steps), ("batch_size", batch_size), ("num_features", num_features)):
        check_at_least(1, what, value)
    check_positive("learning_rate", learning_rate)
    check_key(key)
    answers = targets(train, test)
    model_key, order_key = jax.random.split(key)
    model = _untrained(train.shape, num_features, answers.num_outputs, key=model_key)
    optimizer = optax.adamw(optax.cosine_decay_schedule(learning_rate, num_steps), weight_decay=1e-4)
    model = _fitted(model, train, answers, optimizer, num_steps, min(batch_size, len(train)), order_key, progress)
    model = _scaled(model, train)
    skill = Skill(train.name, len(train), accuracy(model.logits(test.x), answers.test), answers.baseline)
    return Classifier(model.encoder, model.head, skill)


def _fitted(
    model: Classifier,
    train: Dataset,
    answers: Targets,
    optimizer: optax.GradientTransformation,
    num_steps: int,
    batch_size: int,
    key: Key[Array, ""],
    progress: bool,
) -> Classifier:
    from tqdm.auto import tqdm

    order, images = DataOrder(key, len(train), batch_size), TrainingImages(train.x)
    state: PyTree = (model, optimizer.init(eqx.filter(model, eqx.is_inexact_array)))
    loss = jnp.zeros(())
    for step in tqdm(range(num_steps), disable=not progress, unit="step", leave=False, desc="classifier"):
        rows = order.batch(step)
        state, loss = _step((optimizer, images.batch(rows), jnp.asarray(answers.train[rows])), state)
    if not np.isfinite(loss):
        raise ValueError(f"the loss of the classifier became {loss}: use a smaller learning_rate")
    return state[0]


def _scaled(model: Classifier, train: Dataset) -> Classifier:
    """The same answers, from features whose mean square over training images is 1.

    So a kernel distance, whose kernel has a scale of its own, and a Fréchet distance do not depend on how large the
    training happened to make the features. A ReLU lets a positive factor through: it moves from one layer to the next.
    """
    scale = float(np.sqrt(np.mean(model(train.x[:MOST_FOR_THE_SCALE]) ** 2, dtype=float)))
    if scale == 0:
        raise ValueError("all features of the classifier are zero: use a smaller learning_rate or another key")

    def layers(m: Any) -> tuple[Any, Any, Any]:
        linear = m.encoder.linear
        return linear.weight, linear.bias, m.head.weight

    weight, bias, head = layers(model)
    return eqx.tree_at(layers, model, (weight / scale, bias / scale, head * scale))


@eqx.filter_jit(donate="all-except-first")
def _step(fixed: tuple[optax.GradientTransformation, Array, Array], state: PyTree) -> tuple[PyTree, Float[Array, ""]]:
    """One update on a batch of images and answers."""
    optimizer, x, answers = fixed
    model, opt_state = state

    @eqx.filter_value_and_grad
    def value_and_gradient(model: Classifier) -> Array:
        logits = jax.vmap(model.head)(jax.nn.relu(model.encoder(as_floats(x))))
        if answers.ndim == 1:
            return optax.softmax_cross_entropy_with_integer_labels(logits, answers).mean()
        return optax.sigmoid_binary_cross_entropy(logits, answers).mean()

    value, gradient = value_and_gradient(model)
    parameters = eqx.filter(model, eqx.is_inexact_array)
    updates, opt_state = optimizer.update(gradient, opt_state, parameters)
    return (eqx.apply_updates(model, updates), opt_state), value


def save_classifier(path: str | os.PathLike[str], model: Classifier, notes: dict[str, Any] | None = None) -> None:
    """Write a trained classifier, atomically; see `load_classifier`.

    Args:
        path: the file to create or replace.
        model: as returned by `train_classifier`.
        notes: JSON-ready values to keep with it.

    Raises:
        ValueError: if the classifier was not trained, or the notes are too long or contain NaN or infinity.
    """
    check_path("path", path)
    check_kind("model", model, Classifier, "give what train_classifier returns")
    check_kind("notes", notes, dict | None, "give a dictionary of JSON-ready values, or None")
    if model.skill is None:
        raise ValueError("this classifier was not trained: there is nothing to keep")
    sizes = {
        "shape": list(model.encoder.shape),
        "num_features": model.encoder.latent_size,
        "num_outputs": model.head.out_features,
    }
    header = {"format": FORMAT, "sizes": sizes, "skill": model.skill._asdict(), "notes": notes or {}}
    array_file.write(path, model, header)


def load_classifier(path: str | os.PathLike[str]) -> tuple[Classifier, dict[str, Any]]:
    """Read a classifier written by `save_classifier`.

    Returns:
        The classifier and its notes.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is none of a classifier, is damaged, or does not fit this version of the package.
    """
    check_path("path", path)
    file = array_file.ArrayFile(path, "a classifier", FORMAT)
    try:
        sizes = dict(file.header["sizes"])
        make = partial(_untrained, tuple(sizes["shape"]), sizes["num_features"], sizes["num_outputs"])
        like = eqx.filter_eval_shape(make, key=jax.random.key(0))
        skill, notes = Skill(**file.header["skill"]), file.header["notes"]
    except UNREADABLE as error:
        raise ValueError(f"{path} does not fit this version of vrrae_lab: {error}") from error
    read = file.arrays(like)
    return Classifier(read.encoder, read.head, skill), notes


def kept_classifier(
    path: str | os.PathLike[str],
    train: Dataset,
    test: Dataset,
    *,
    num_steps: int,
    key: Key[Array, ""],
    progress: bool = False,
) -> Classifier:
    """The classifier in a file; where there is none, it is trained and kept there.

    Args:
        path: the file.
        train: see `train_classifier`.
        test: likewise.
        num_steps: likewise.
        key: likewise.
        progress: likewise.

    Raises:
        ValueError: if the file is damaged, or holds a classifier of other images or settings.
    """
    check_path("path", path)
    check_key(key)
    targets(train, test)  # refuses bad ones
    notes = {
        "num_steps": num_steps,
        "key": np.asarray(jax.random.key_data(key)).tolist(),
        "train": [train.name, len(train), *train.shape, _checksum(train)],
        "test": [test.name, len(test), *test.shape, _checksum(test)],
    }
    if not Path(path).exists():
        model = train_classifier(train, test, num_steps=num_steps, key=key, progress=progress)
        save_classifier(path, model, notes)
        return model
    model, found = load_classifier(path)
    if other := differences(found, notes):
        raise ValueError(f"{path} holds a classifier of other settings ({other}): remove it")
    return model


def _checksum(dataset: Dataset) -> str:
    return hashlib.sha256(np.ascontiguousarray(dataset.labels).tobytes()).hexdigest()[:16]
