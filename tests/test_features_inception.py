"""Inception features, with a small network of the same interface in place of torchvision's, which need not be there."""

import collections
import sys
import types
import urllib.error
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from vrrae_lab import data, features
from vrrae_lab.features import inception

torch = pytest.importorskip("torch")

Outputs = collections.namedtuple("Outputs", ["logits", "aux_logits"])


class SmallInception(torch.nn.Module):
    """What is used of torchvision's `Inception3`: two heads in training, one otherwise, 299 pixels a side."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = torch.nn.AdaptiveAvgPool2d((4, 4))
        self.body = torch.nn.Linear(48, 24)
        self.fc = torch.nn.Linear(24, 1000)
        self.AuxLogits = torch.nn.Module()
        self.AuxLogits.fc = torch.nn.Linear(48, 1000)
        self.seen: list[Any] = []

    def forward(self, x: Any) -> Any:
        self.seen.append(x)
        assert x.shape[1:] == (3, 299, 299)
        pooled = self.pool(x).flatten(1)
        logits = self.fc(torch.relu(self.body(pooled)))
        return Outputs(logits, self.AuxLogits.fc(pooled)) if self.training else logits


WEIGHTS = types.SimpleNamespace(url="https://somewhere/models/inception_v3_google-0cc3c7bd.pth")


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module `torchvision` whose `models.inception_v3` makes `SmallInception`."""
    package, models = types.ModuleType("torchvision"), types.ModuleType("torchvision.models")

    def inception_v3(*, weights: Any = None, progress: bool = True) -> Any:
        assert weights is WEIGHTS
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return SmallInception()

    models.Inception_V3_Weights = types.SimpleNamespace(IMAGENET1K_V1=WEIGHTS)  # type: ignore[attr-defined]
    models.inception_v3 = inception_v3  # type: ignore[attr-defined]
    package.models = models  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    return models


def tuned(key: int = 0, num_steps: int = 30) -> inception.Inception:
    train, test = data.digits(n=64), data.digits("test", 40)
    return features.tuned_inception(
        train, test, num_steps=num_steps, batch_size=16, learning_rate=0.01, key=jax.random.key(key)
    )


@pytest.mark.usefixtures("torchvision")
def test_features_are_the_last_layer_but_one_of_scaled_images() -> None:
    space = features.imagenet_inception()
    assert (space.name, space.accuracy) == ("Inception-v3 with ImageNet weights", None)
    x = np.random.default_rng(0).uniform(size=(40, 8, 8, 3)).astype(np.float32)
    found = space(x)
    assert found.shape == (40, 24) and found.dtype == np.float32
    pictures = torch.cat(space.network.seen)
    assert len(pictures) == 40 and len(space.network.seen[0]) == 32
    network = space.network
    with torch.no_grad():
        wanted = torch.relu(network.body(network.pool(pictures).flatten(1))).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    # enlarging keeps the mean of each channel, but for the border
    unscaled = pictures.numpy() * np.array(inception.STD)[:, None, None] + np.array(inception.MEAN)[:, None, None]
    np.testing.assert_allclose(unscaled.mean(axis=(2, 3)), x.mean(axis=(1, 2)), atol=0.05)
    assert unscaled.min() >= -1e-5 and unscaled.max() <= 1 + 1e-5


@pytest.mark.usefixtures("torchvision")
def test_grey_images_are_repeated_and_bytes_are_fractions_of_255() -> None:
    space = features.imagenet_inception()
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1)).astype(np.uint8)
    found = space(pixels)
    np.testing.assert_allclose(found, space(pixels.astype(np.float32) / 255), atol=1e-5)
    np.testing.assert_allclose(found, space(np.repeat(pixels, 3, axis=3)), atol=1e-5)
    np.testing.assert_allclose(found, space(jax.numpy.asarray(pixels)), atol=1e-5)


@pytest.mark.usefixtures("torchvision")
def test_tuning_learns_the_classes_and_gives_features() -> None:
    space = tuned()
    assert space.name == "an Inception-v3 tuned on digits_train"
    untuned = tuned(num_steps=1)
    assert space.accuracy is not None and untuned.accuracy is not None
    assert space.accuracy > 60 > untuned.accuracy
    assert space(data.digits("test", 5).x).shape == (5, 24)
    assert not space.network.training


@pytest.mark.usefixtures("torchvision")
def test_tuning_learns_attributes() -> None:
    train, test = data.digits(n=64), data.digits("test", 40)
    few = []
    for digits in (train, test):
        ink = np.stack([digits.x[:, :4].mean(axis=(1, 2, 3)), digits.x[:, :, :4].mean(axis=(1, 2, 3))], axis=1)
        few.append(data.Dataset(digits.name, digits.x, (ink > np.median(ink, axis=0)).astype(int)))
    space = features.tuned_inception(*few, num_steps=30, batch_size=16, learning_rate=0.01, key=jax.random.key(0))
    assert space.accuracy is not None and space.accuracy > 75
    assert space.network.AuxLogits.fc.out_features == 2


@pytest.mark.usefixtures("torchvision")
def test_tuning_depends_on_its_key_alone_and_leaves_the_callers_randomness() -> None:
    x = data.digits("test", 5).x
    torch.manual_seed(5)
    one = tuned(num_steps=2)
    drawn = torch.rand(1)
    torch.manual_seed(6)
    same, other = tuned(num_steps=2), tuned(1, num_steps=2)
    np.testing.assert_array_equal(one(x), same(x))
    assert not np.allclose(one(x), other(x))
    torch.manual_seed(5)
    assert torch.rand(1) == drawn


@pytest.mark.usefixtures("torchvision")
@pytest.mark.parametrize("shape", [(2, 8, 8, 2), (0, 8, 8, 1)])
def test_images_it_cannot_take_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="1 or 3 channels"):
        features.imagenet_inception()(np.zeros(shape, np.float32))


@pytest.mark.usefixtures("torchvision")
def test_bad_settings_and_labels_are_refused() -> None:
    digits = data.digits(n=8)

    def tune(train: data.Dataset, **changes: Any) -> Any:
        settings: dict[str, Any] = {"num_steps": 1, "batch_size": 4, "key": jax.random.key(0)}
        return features.tuned_inception(train, digits, **(settings | changes))

    for changes in ({"num_steps": 0}, {"batch_size": 1}, {"batch_size": 9}):
        with pytest.raises(ValueError, match="use 1 or more, and 2 to 8"):
            tune(digits, **changes)
    with pytest.raises(ValueError, match="has no labels"):
        tune(data.Dataset("bare", digits.x))
    with pytest.raises(ValueError, match="smaller learning_rate"):
        tune(digits, num_steps=3, learning_rate=1e30)


FAILURES: dict[str, Callable[[], Exception]] = {
    "no network": lambda: urllib.error.URLError("Name or service not known"),
    "damaged download": lambda: RuntimeError('invalid hash value (expected "0cc3c7bd")'),
}


@pytest.mark.parametrize("case", FAILURES)
def test_weights_that_cannot_be_had_are_named_with_the_remedy(
    case: str, torchvision: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**options: Any) -> Any:
        raise FAILURES[case]()

    monkeypatch.setattr(torchvision, "inception_v3", fail)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: "/hub")
    with pytest.raises(features.WeightsUnavailableError) as error:
        features.imagenet_inception()
    for fact in (str(FAILURES[case]()), WEIGHTS.url, "as inception_v3_google-0cc3c7bd.pth into /hub/checkpoints"):
        assert fact in str(error.value)


def test_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ModuleNotFoundError, match=r"need torchvision .*pip install 'vrrae_lab\[inception\]'"):
        features.imagenet_inception()


def test_network_of_torchvision_has_what_is_used_of_it() -> None:
    """Only where it is installed; the weights are drawn at random, not downloaded."""
    models = pytest.importorskip("torchvision").models
    network = models.inception_v3(weights=None, init_weights=False, aux_logits=True).eval()
    assert (network.fc.in_features, network.AuxLogits.fc.in_features) == (2048, 768)
    assert models.Inception_V3_Weights.IMAGENET1K_V1.url.endswith(".pth")
    network.fc = torch.nn.Identity()
    space = inception.Inception(network, "a test", None)
    assert space(data.digits(n=2).x).shape == (2, 2048)
