"""Train the models and make the records that ship with the package (`make shipped`), resuming where it was stopped.

Everything that a notebook, the README or a note quotes comes from these records. A name as argument makes only that
one; those of the papers' full settings take hours and are made only when named. The runs themselves stay in `runs/`,
which is not committed.
"""

import argparse
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import jax.random as jr
import numpy as np
import optax
from PIL import Image

import vrrae_lab as vl
from vrrae_lab.data.images import MNIST_SHEET
from vrrae_lab.experiments import (
    EXPERIMENTS,
    Ablations,
    Avae,
    BandwidthTable,
    BatchSize,
    BetaSweep,
    Bumps,
    CelebA,
    Cifar10,
    CollapseMap,
    Cost,
    Mnist,
    Study,
    Zoo,
)
from vrrae_lab.experiments.record import environment
from vrrae_lab.files import atomic_file, write_json, write_text
from vrrae_lab.models import build

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "vrrae_lab"


@dataclass(frozen=True)
class Shipped:
    """A small model that notebooks open on; AdaBelief, 2000 steps, batches of 64.

    Attributes:
        data: bumps, of 32×32 pixels, or digits.
        constructor: of the model.
        sizes: its arguments but the shape.
        beta: of `losses.Variational`; None for the squared error alone.
    """

    data: str
    constructor: str
    sizes: dict[str, int]
    beta: float | None


MODELS = {
    # the README's example, on smaller images and with β = 2, beside a VAE of as many coefficients
    "bumps_vrrae": Shipped("bumps", "vrrae", {"latent_size": 200, "rank": 2}, 2.0),
    "bumps_vae": Shipped("bumps", "vae", {"latent_size": 2}, 2.0),
    # β of the experiment `avae`
    "digits_vrrae": Shipped("digits", "vrrae", {"latent_size": 64, "rank": 8}, 0.03),
    "digits_rrae": Shipped("digits", "rrae", {"latent_size": 64, "rank": 8}, None),
    "digits_vae": Shipped("digits", "vae", {"latent_size": 8}, 0.03),
}
RUNS = {
    "bumps_fast": Bumps.fast(),
    # the steps and the learning rate of the authors' scripts, on the small images
    "bumps_2000_steps": replace(Bumps(), image_size=32, num_steps=2000, learning_rate=1e-3, num_seeds=1),
    "ablations_fast": Ablations.fast(),
    "ablations_digits_fast": replace(Ablations.fast(), data="digits"),
    "zoo_fast": Zoo.fast(),
    "zoo_digits_fast": replace(Zoo.fast(), data="digits"),
    "batch_size_fast": BatchSize.fast(),
    "beta_sweep_fast": BetaSweep.fast(),
    "collapse_map_fast": CollapseMap.fast(),
    "cost_fast": Cost.fast(),
    "avae_fast": Avae.fast(),
    "bandwidth_table": BandwidthTable(),
}
FULL_RUNS = {
    "bumps": Bumps(),
    "bumps_authors": replace(Bumps(), num_steps=2000, learning_rate=1e-3, num_seeds=2),
    "mnist": Mnist(),
    "mnist_fast": Mnist.fast(),
    "cifar10": Cifar10(),
    "cifar10_fast": Cifar10.fast(),
    "celeba": CelebA(),
    "celeba_fast": CelebA.fast(),
    "ablations_digits": replace(Ablations(), data="digits"),
    "zoo_digits": replace(Zoo(), data="digits", num_seeds=3),
    "avae": replace(Avae(), num_seeds=3),
    "avae_mnist_fast": replace(Avae.fast(), data="mnist"),
    # small bumps, but five seeds and twice the steps of the fast setting
    "collapse_map_16": replace(
        CollapseMap.fast(), num_seeds=5, num_steps=600, relative_betas=(1e-3, 0.03, 0.1, 0.3, 0.7, 1.4)
    ),
}


def ship_run(name: str, manual_dir: str | None) -> None:
    """Make a record of an experiment."""
    experiment = (RUNS | FULL_RUNS)[name]
    if isinstance(experiment, Study):
        experiment = replace(experiment, manual_dir=manual_dir)
    kind = next(known for known, cls in EXPERIMENTS.items() if cls is type(experiment))
    out = ROOT / "runs" / "shipped" / name / kind
    record = experiment.run(out)
    print(f"\n{name}\n{experiment.table(record)}\n")
    shutil.copyfile(out / "record.json", PACKAGE / "records" / f"{name}.json")


def ship_model(name: str) -> None:
    """Train a model that comes with the package: it and its record."""
    own = MODELS[name]
    if own.data == "bumps":
        train, test = vl.data.bumps(image_size=32), vl.data.bumps_test(image_size=32, key=jr.key(0))
    else:
        train, test = vl.data.digits("train"), vl.data.digits("test")
    model = build(own.constructor, {"shape": train.shape, **own.sizes}, key=jr.key(1))
    loss = vl.losses.Reconstruction() if own.beta is None else vl.losses.Variational(beta=own.beta)
    optimizer = optax.adabelief(1e-3)
    model, history = vl.fit(
        model, train.x, loss=loss, optimizer=optimizer, batch_size=64, num_steps=2000, key=jr.key(2)
    )
    if history.stopped == "interrupted":  # nothing half-trained is shipped
        raise KeyboardInterrupt
    model = vl.freeze_basis(model, train.x)
    settings = {"data": own.data, "image_size": train.shape[0], "constructor": own.constructor, **own.sizes}
    settings |= {"loss": type(loss).__name__, "beta": own.beta, "num_steps": 2000, "optimizer": "adabelief"}
    record = {
        "settings": settings | {"learning_rate": 1e-3, "batch_size": 64, "keys": [1, 2]},
        "train_error": vl.metrics.relative_error(train.x, model.reconstruct(train.x)),
        "test_error": vl.metrics.relative_error(test.x, model.reconstruct(test.x)),
        "kl_per_coefficient": vl.metrics.kl_per_coefficient(model.encode(train.x)),
        **(_along_the_diagonal(model) if own.data == "bumps" else {}),
        "duration_seconds": round(history.seconds + history.compile_seconds, 1),
        **environment(),
    }
    vl.checkpoint.save(PACKAGE / "shipped" / f"{name}.ckpt", model, record)
    write_json(PACKAGE / "records" / f"{name}.json", record)
    print(record)


def ship_mnist_sample(manual_dir: str | None) -> None:
    """Put the first 2,000 training images of MNIST into one picture, and their classes into a text."""
    sample = vl.data.load("mnist", "train", n=2000, dtype=np.uint8, manual_dir=manual_dir)
    sheet = np.asarray(sample.x).reshape(40, 50, 28, 28).swapaxes(1, 2).reshape(40 * 28, 50 * 28)
    with atomic_file(MNIST_SHEET / "images.png") as file:
        Image.fromarray(sheet).save(file, "PNG", optimize=True)
    write_text(MNIST_SHEET / "labels.txt", "".join(map(str, sample.labels)) + "\n")
    print(sample.origin)


def _along_the_diagonal(model: vl.Autoencoder) -> dict[str, float]:
    share, monotonicity = vl.metrics.straightness(
        vl.explore.coefficients(model, vl.data.bumps_diagonal(image_size=32).x)
    )
    return {"diagonal_share_on_a_line": share, "diagonal_monotonicity": monotonicity}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tools/ship.py", description="Make the shipped records and models.")
    always = (*MODELS, *RUNS)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join(always)} (all), mnist_2000 (images), {', '.join(FULL_RUNS)} (hours)",
    )
    parser.add_argument("--manual-dir", metavar="DIR", help="folder with data files you downloaded yourself")
    arguments = parser.parse_args()
    chosen = arguments.names or always
    known = (*always, "mnist_2000", *FULL_RUNS)
    if unknown := [name for name in chosen if name not in known]:
        sys.exit(f"nothing named {', '.join(unknown)} is shipped; there are: {', '.join(known)}")
    try:
        for chosen_name in chosen:
            if chosen_name in MODELS:
                ship_model(chosen_name)
            elif chosen_name == "mnist_2000":
                ship_mnist_sample(arguments.manual_dir)
            else:
                ship_run(chosen_name, arguments.manual_dir)
    except KeyboardInterrupt:
        print(f"\ninterrupted: {chosen_name} is not shipped, what was before it is", file=sys.stderr)
        sys.exit(130)
