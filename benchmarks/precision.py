"""Encoder and decoder in bfloat16 against float32: time of a step, and the error of a model trained so."""

import jax
import numpy as np
import optax

from benchmarks import peers
from benchmarks.measure import Row, interleaved
from vrrae_lab import fit, freeze_basis, metrics, mixed_precision
from vrrae_lab.data import Dataset, bumps, bumps_test, digits
from vrrae_lab.losses import Loss
from vrrae_lab.models import Autoencoder, build


def rows(fast: bool) -> list[Row]:
    """Milliseconds a step, their ratio, and test errors in percent, mean over three seeds with their deviation.

    The loss is the paper's with β = 1e-3, the learning rate 1e-3, the batch 64; 1000 steps. Errors are those of the
    trained model in the precision it was trained in.
    """
    sizes = ("digits, 8×8", 64, 8), ("bumps, 32×32", 200, 2)
    return [_row(setting, latent_size, rank, fast) for setting, latent_size, rank in sizes[: 1 if fast else None]]


def _row(setting: str, latent_size: int, rank: int, fast: bool) -> Row:
    train, test = _images(setting)
    candidate = peers.candidates(train.shape, latent_size, rank)["VRRAE"]
    ways = {"float32": lambda model: model, "bfloat16": mixed_precision}
    steps = {name: peers.our_step(candidate, train.x[:64], change) for name, change in ways.items()}
    times = interleaved(steps, 0.1 if fast else 20)
    row: Row = {"setting": setting} | times | {"bfloat16 / float32": times["bfloat16"] / times["float32"]}
    for name, change in ways.items():
        errors = []
        for seed in range(1 if fast else 3):
            model = build("vrrae", dict(candidate.arguments), key=jax.random.key(seed))
            errors.append(_error(change(model), candidate.loss, train, test, 2 if fast else 1000, seed))
        deviation = np.std(errors, ddof=1) if len(errors) > 1 else 0.0
        row[f"error, {name}"] = f"{np.mean(errors):.2f} ± {deviation:.2f}"
    return row


def _images(setting: str) -> tuple[Dataset, Dataset]:
    if setting.startswith("bumps"):
        return bumps(image_size=32), bumps_test(image_size=32, key=jax.random.key(0))
    return digits("train"), digits("test")


def _error(model: Autoencoder, loss: Loss, train: Dataset, test: Dataset, num_steps: int, seed: int) -> float:
    model, _ = fit(
        model,
        train.x,
        loss=loss,
        optimizer=optax.adabelief(1e-3),
        batch_size=64,
        num_steps=num_steps,
        key=jax.random.key(seed),
        progress=False,
    )
    return metrics.relative_error(test.x, np.asarray(freeze_basis(model, train.x).reconstruct(test.x)))
