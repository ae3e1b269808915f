"""What a classifier is to tell of an image, from the labels of a data set: its class, or which attributes it has."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from vrrae_lab.checks import check_array, check_kind
from vrrae_lab.data.dataset import Dataset

ClassTargets = Int[np.ndarray, " batch"]
AttributeTargets = Float[np.ndarray, "batch attributes"]


class Targets(NamedTuple):
    """The right answers on training and test images.

    Attributes:
        train: a class from 0 on for each image, or 0 or 1 for each image and attribute.
        test: likewise.
        num_outputs: how many numbers a classifier answers with: one per class or per attribute.
    """

    train: ClassTargets | AttributeTargets
    test: ClassTargets | AttributeTargets
    num_outputs: int

    @property
    def attributes(self) -> bool:
        """Whether each image may have several labels."""
        return self.train.ndim == 2

    @property
    def baseline(self) -> float:
        """The accuracy, in percent, of giving all test images the most frequent training label (each attribute's)."""
        if self.attributes:
            logits = np.mean(self.train, axis=0) - 0.5
        else:
            logits = np.bincount(self.train, minlength=self.num_outputs)
        return accuracy(np.tile(np.asarray(logits, float), (len(self.test), 1)), self.test)


def accuracy(logits: Float[np.ndarray, "batch outputs"], targets: ClassTargets | AttributeTargets) -> float:
    """How many answers are right, in percent: the largest logit is the class; a positive one tells an attribute.

    Raises:
        ValueError: if there are no images, or the shapes do not fit.
    """
    check_array("logits", logits)
    check_array("targets", targets)
    if logits.ndim != 2 or len(logits) == 0 or targets.shape not in (logits.shape[:1], logits.shape):
        raise ValueError(
            f"logits of shape {logits.shape} and targets of {targets.shape}: give a row of logits per image"
        )
    right = logits.argmax(axis=1) == targets if targets.ndim == 1 else (logits > 0) == (targets > 0.5)
    return float(100 * np.mean(right))


def targets(train: Dataset, test: Dataset) -> Targets:
    """The labels of two data sets as answers for a classifier.

    Raises:
        ValueError: if images or labels are missing, do not fit each other, or contain NaN; if there are labels of
            neither kind, only one class, or in the test set a class that the training set has not.
    """
    for what, dataset in (("train", train), ("test", test)):
        check_kind(what, dataset, Dataset, "give a Dataset with labels, such as vrrae_lab.data.digits()")
        _check_images(dataset)
    if train.shape != test.shape:
        raise ValueError(f"{train.name} has images of shape {train.shape} and {test.name} of {test.shape}: use one")
    labels, others = _labels(train), _labels(test)
    if labels.shape[1:] != others.shape[1:]:
        raise ValueError(
            f"the labels of {train.name} have shape {labels.shape} and those of {test.name} {others.shape}: "
            "give both the same kind"
        )
    if labels.ndim == 2:
        if (labels == labels[0]).all():
            raise ValueError(f"all images of {train.name} have the same attributes: there is nothing to tell apart")
        return Targets(labels.astype(np.float32), others.astype(np.float32), labels.shape[1])
    classes, numbers = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"all images of {train.name} are of class {classes[0]}: there is nothing to tell apart")
    unknown = np.setdiff1d(others, classes)
    if len(unknown):
        raise ValueError(f"{test.name} has images of class {unknown[0]}, {train.name} has none: train with more images")
    return Targets(numbers.astype(np.int32), np.searchsorted(classes, others).astype(np.int32), len(classes))


def _labels(dataset: Dataset) -> Shaped[np.ndarray, "batch ..."]:
    labels = dataset.labels
    if labels is None:
        raise ValueError(f"{dataset.name} has no labels: a classifier can be trained only on images with labels")
    labels = np.asarray(labels)
    classes = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    if not classes and not (labels.ndim == 2 and labels.shape[1] > 0 and np.isin(labels, (0, 1)).all()):
        raise ValueError(
            f"the labels of {dataset.name} have shape {labels.shape} and type {labels.dtype}: a classifier needs whole "
            "numbers, one class per image, or zeros and ones, one per image and attribute"
        )
    return labels


def _check_images(dataset: Dataset) -> None:
    if len(dataset) == 0:
        raise ValueError(f"{dataset.name} has no images: give one or more")
    # uint8 is finite by itself, and too large a set to be looked through
    if dataset.x.dtype != np.uint8 and not np.isfinite(dataset.x).all():
        raise ValueError(f"{dataset.name} contains NaN or infinity: remove or mend those images")
