"""Features of Inception-v3 (optional extra `inception`): with its ImageNet weights, or fine-tuned on labels.

The VRRAE paper takes its Fréchet distances in an Inception-v3 fine-tuned on the labels of each data set (appendix A.7).
How long and how fast it is tuned here is our choice. Network and weights are torchvision's, a port of those of Szegedy
et al., *Rethinking the Inception Architecture for Computer Vision*, arXiv 1512.00567. FID is mostly computed with
another port, so distances in these features differ from published ones also without fine-tuning.
"""

import os
from types import ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from vrrae_lab.data.dataset import Dataset
from vrrae_lab.features.labels import Targets, accuracy, targets
from vrrae_lab.models import Images
from vrrae_lab.train import DataOrder

SIDE = 299  # pixels, which the network was made for
BATCH = 32
AUXILIARY_WEIGHT = 0.4  # of the loss of the second head, as in the network's own training
# of ImageNet's channels, by which torchvision's networks expect images to be scaled
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class WeightsUnavailableError(OSError):
    """The weights are neither on this machine nor to be downloaded."""


class Inception(NamedTuple):
    """An Inception-v3 as a feature space of 2048 dimensions: the last layer but one, averaged over the image.

    Attributes:
        network: torchvision's, without its last layer.
        name: see `FeatureSpace`.
        accuracy: see `FeatureSpace`.
    """

    network: Any
    name: str
    accuracy: float | None

    def __call__(self, images: Images) -> Float[np.ndarray, "batch dimension"]:
        """The features of images of any size, in [0, 1] or uint8, grey or in colour.

        Raises:
            ValueError: if the images have neither 1 nor 3 channels, or there are none.
        """
        return _evaluated(self.network, images)


def imagenet_inception(*, progress: bool = False) -> Inception:
    """Inception-v3 with the weights trained on ImageNet.

    Args:
        progress: whether to show the progress of a download.

    Raises:
        ModuleNotFoundError: if the extra `inception` is not installed.
        WeightsUnavailableError: if the weights cannot be had.
    """
    network = _pretrained(progress)
    import torch

    network.fc = torch.nn.Identity()
    return Inception(network.eval(), "Inception-v3 with ImageNet weights", None)


def tuned_inception(
    train: Dataset,
    test: Dataset,
    *,
    num_steps: int,
    batch_size: int = 32,
    learning_rate: float = 1e-4,
    key: Key[Array, ""],
    progress: bool = False,
) -> Inception:
    """Inception-v3 fine-tuned on the labels of a data set, all its layers, with its accuracy on test images.

    Adam is used. Labels are classes, or attributes as zeros and ones; see `train_classifier`.

    Args:
        train: images to train on, in [0, 1] or uint8.
        test: images to measure the accuracy on.
        num_steps: updates to make.
        batch_size: images per step, 2 or more.
        learning_rate: constant.
        key: the last layers' initial weights, and the order of the data.
        progress: whether to show a progress bar.

    Raises:
        ModuleNotFoundError: if the extra `inception` is not installed.
        ValueError: if the data sets are not fit for it (see `labels.targets`), or a number is too small.
        WeightsUnavailableError: if the weights cannot be had.
    """
    if num_steps < 1 or not 2 <= batch_size <= len(train):
        # the batch normalisation of a batch of one has no variance
        raise ValueError(f"num_steps = {num_steps}, batch_size = {batch_size}: use 1 or more, and 2 to {len(train)}")
    answers = targets(train, test)
    network = _pretrained(progress)
    import torch

    order_key, torch_key = jax.random.split(key)
    with torch.random.fork_rng():  # neither takes from nor changes the caller's randomness
        torch.manual_seed(int(jax.random.randint(torch_key, (), 0, 2**31 - 1)))
        network.fc = torch.nn.Linear(network.fc.in_features, answers.num_outputs)
        network.AuxLogits.fc = torch.nn.Linear(network.AuxLogits.fc.in_features, answers.num_outputs)
        _tune(network, train, answers, num_steps, DataOrder(order_key, len(train), batch_size), learning_rate, progress)
    network.eval()
    found = accuracy(_evaluated(network, test.x), answers.test)
    network.fc = torch.nn.Identity()
    return Inception(network, f"an Inception-v3 tuned on {train.name}", found)


def _tune(
    network: Any,
    train: Dataset,
    answers: Targets,
    num_steps: int,
    order: DataOrder,
    learning_rate: float,
    progress: bool,
) -> None:
    import torch
    from tqdm.auto import tqdm

    classes, attributes = torch.nn.CrossEntropyLoss(), torch.nn.BCEWithLogitsLoss()
    loss_of = attributes if answers.attributes else classes
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    network.train()
    for step in tqdm(range(num_steps), disable=not progress, unit="step", leave=False, desc="Inception"):
        rows = order.batch(step)
        wanted = torch.as_tensor(answers.train[rows])
        wanted = wanted if answers.attributes else wanted.long()
        out = network(_prepared(train.x[rows]))
        loss = loss_of(out.logits, wanted) + AUXILIARY_WEIGHT * loss_of(out.aux_logits, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if not torch.isfinite(loss):
        raise ValueError(f"the loss of the network became {float(loss.detach())}: use a smaller learning_rate")


def _evaluated(network: Any, images: Images) -> Float[np.ndarray, "batch outputs"]:
    """What the network answers, `BATCH` images at a time."""
    import torch

    if images.ndim != 4 or images.shape[3] not in (1, 3) or len(images) == 0:
        raise ValueError(
            f"the images have shape {images.shape}: give one or more, as (batch, height, width, channels) with 1 or 3 "
            "channels"
        )
    with torch.no_grad():
        parts = [network(_prepared(images[start : start + BATCH])) for start in range(0, len(images), BATCH)]
    return torch.cat(parts).numpy()


def _prepared(images: Images) -> Any:
    """Images as the network takes them: a tensor, channels first, three of them, 299 pixels a side, scaled."""
    import torch

    x = np.array(images)
    x = x.astype(np.float32) / 255 if x.dtype == np.uint8 else x.astype(np.float32)
    tensor = torch.from_numpy(x).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
    size, mode = (SIDE, SIDE), "bilinear"
    tensor = torch.nn.functional.interpolate(tensor, size=size, mode=mode, align_corners=False, antialias=True)
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (MEAN, STD))
    return (tensor - mean) / std


def _pretrained(progress: bool) -> Any:
    """torchvision's network with its ImageNet weights, from its cache or downloaded."""
    models = _torchvision_models()
    import torch

    weights = models.Inception_V3_Weights.IMAGENET1K_V1
    try:
        return models.inception_v3(weights=weights, progress=progress)
    except (OSError, RuntimeError) as error:  # no network, or a file with another checksum
        folder = os.path.join(torch.hub.get_dir(), "checkpoints")
        raise WeightsUnavailableError(
            f"the weights of Inception-v3 cannot be had: {error}. Download {weights.url} on a machine with a network, "
            f"put it as {os.path.basename(weights.url)} into {folder}, and try again"
        ) from error


def _torchvision_models() -> ModuleType:
    try:
        from torchvision import models
    except ImportError as error:
        raise ModuleNotFoundError(
            f"Inception features need torchvision ({error}): pip install 'vrrae_lab[inception]'"
        ) from error
    return models
