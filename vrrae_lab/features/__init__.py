"""Feature spaces in which the Fréchet distance and the kernel distance between images are taken, and the scores.

Every score carries the name of its space and the accuracy of the network behind it. Two spaces are there: of a small
classifier trained on the data set's labels, and of Inception-v3 (optional extra `inception`), as it is or fine-tuned.
"""

from vrrae_lab.features.classifier import (
    Classifier,
    Skill,
    kept_classifier,
    load_classifier,
    save_classifier,
    train_classifier,
)
from vrrae_lab.features.inception import Inception, WeightsUnavailableError, imagenet_inception, tuned_inception
from vrrae_lab.features.labels import Targets, accuracy, targets
from vrrae_lab.features.scores import feature_scores, frechet_title, scores_of_features
from vrrae_lab.features.space import FeatureSpace

__all__ = [
    "Classifier",
    "FeatureSpace",
    "Inception",
    "Skill",
    "Targets",
    "WeightsUnavailableError",
    "accuracy",
    "feature_scores",
    "frechet_title",
    "imagenet_inception",
    "kept_classifier",
    "load_classifier",
    "save_classifier",
    "scores_of_features",
    "targets",
    "train_classifier",
    "tuned_inception",
]
