"""Images a second and peak memory of training on each image set, in the papers' setting; a fresh process for each."""

import argparse
import json
from typing import Any

from benchmarks.measure import Row, row_of_a_process
from benchmarks.peak_memory import peak_memory

MODELS = ("AE", "VRRAE")
SECONDS = 20.0  # of the steps that are timed


def rows(fast: bool) -> list[Row]:
    """`fit` on random uint8 images, as many as four batches: what a process needs, and what it needs of the device.

    The device's memory is that of an accelerator; on a CPU the process's is all there is. In bfloat16 where there is an
    accelerator.
    """
    import jax

    from vrrae_lab.experiments.subjects import Extent

    extent = Extent.TINY if fast else Extent.FULL
    names = ("mnist",) if fast else ("mnist", "cifar10", "celeba")
    precisions = ("float32",) if jax.default_backend() == "cpu" else ("float32", "bfloat16")
    return [_row(name, model, precision, extent) for name in names for model in MODELS for precision in precisions]


def _row(name: str, model: str, precision: str, extent: str) -> Row:
    try:
        return row_of_a_process("benchmarks.throughput", name, model, precision, extent)
    except RuntimeError as error:  # one setting may need more memory than there is
        return {"setting": name, "model": model, "networks in": precision, "batch": str(error)}


def measured(name: str, model_name: str, precision: str, extent: str) -> Row:
    """Train a few steps to learn the pace, then as many as fill the time."""
    import jax
    import numpy as np

    from vrrae_lab import fit, mixed_precision
    from vrrae_lab.experiments.optimizer import adabelief
    from vrrae_lab.experiments.plan import four_models
    from vrrae_lab.experiments.subjects import Extent, subject
    from vrrae_lab.models import build

    own = subject(name, Extent(extent))
    candidate = four_models(own.shape, own.latent_size, own.rank, own.vae_beta, own.vrrae_beta)[model_name]
    model: Any = build(candidate.constructor, dict(candidate.arguments), key=jax.random.key(0))
    if precision == "bfloat16":
        model = mixed_precision(model)
    x = np.random.default_rng(0).integers(0, 256, (4 * own.batch_size, *own.shape), dtype=np.uint8)
    settings: dict[str, Any] = {"loss": candidate.loss, "optimizer": adabelief(own.learning_rate)}
    settings |= {"batch_size": own.batch_size, "key": jax.random.key(0), "progress": False}
    _, history = fit(model, x, num_steps=3, **settings)
    num_steps = 1 + int(np.clip(SECONDS * 2 / history.seconds, 4, 400)) if extent == "full" else 4
    _, history = fit(model, x, num_steps=num_steps, **settings)
    seconds = history.seconds / (history.num_steps - 1)
    device = jax.local_devices()[0].memory_stats() or {}
    return {
        "setting": f"{name}, {own.image_size}×{own.image_size}×{own.channels}",
        "model": model_name,
        "networks in": precision,
        "batch": own.batch_size,
        "steps timed": history.num_steps - 1,
        "milliseconds a step": 1000 * seconds,
        "images a second": own.batch_size / seconds,
        "MiB of the process": peak_memory(),
        "MiB of the device": device["peak_bytes_in_use"] / 2**20 if "peak_bytes_in_use" in device else "–",
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description="One row, as JSON.")
    for argument in ("name", "model", "precision", "extent"):
        parser.add_argument(argument)
    print(json.dumps(measured(*vars(parser.parse_args()).values())))
