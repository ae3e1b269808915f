"""Train the models and make the records that ship with the package (`make shipped`), resuming where it was stopped.

Everything that a notebook, the README or a note quotes comes from these records. A name as argument makes only that
one; those of the papers' full settings take hours and are made only when named (`make runs` makes them in the
background). The runs themselves stay in `runs/`, which is not committed. A record carries the commit it was made from,
so nothing is made from a tree with changes.
"""

import argparse
import itertools
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import optax
from PIL import Image

import vrrae_lab as vl
from vrrae_lab import density
from vrrae_lab.data.images import MNIST_SHEET
from vrrae_lab.derivations.report import as_json
from vrrae_lab.environment import CHANGED, commit
from vrrae_lab.experiments import (
    Ablations,
    Avae,
    BandwidthTable,
    BatchSize,
    BetaSweep,
    BetaTraining,
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
from vrrae_lab.widgets.presets import PRESETS

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "vrrae_lab"


@dataclass(frozen=True)
class Shipped:
    """A small model that notebooks open on, trained with AdaBelief from keys 1 (weights) and 2 (order and noise).

    Attributes:
        data: bumps, of 32×32 pixels, digits or mnist.
        constructor: of the model.
        sizes: its arguments but the shape.
        beta: of `losses.Variational`; None for the squared error alone.
        num_steps: updates.
        batch_size: images per step.
        learning_rate: at the first step.
        cosine: whether it falls to 0 along half a cosine, or stays.
        why: this β and no other.
    """

    data: str
    constructor: str
    sizes: dict[str, int]
    beta: float | None
    num_steps: int = 2000
    batch_size: int = 64
    learning_rate: float = 1e-3
    cosine: bool = False
    why: str | None = None

    def optimizer(self) -> optax.GradientTransformation:
        """AdaBelief with the learning rate of each step."""
        rate = self.learning_rate
        return optax.adabelief(optax.cosine_decay_schedule(rate, self.num_steps) if self.cosine else rate)

    def settings(self) -> dict[str, object]:
        """What decides the training, JSON-ready."""
        return {
            **{"constructor": self.constructor, **self.sizes, "num_steps": self.num_steps, "optimizer": "adabelief"},
            **{"loss": "Reconstruction" if self.beta is None else "Variational", "beta": self.beta},
            **({"why_this_beta": self.why} if self.why else {}),
            **{"learning_rate": self.learning_rate, "batch_size": self.batch_size, "keys": [1, 2]},
            **({"schedule": "cosine, to 0 at the last step"} if self.cosine else {}),
            "saved_as": "float16",
        }


MNIST: dict[str, Any] = {
    "learning_rate": 3e-3,
    "cosine": True,
    "why": "With β = 1 samples of the prior look like digits from both models, and some coefficients are out. After "
    "500 steps, 9 of the VRRAE's 16 coefficients hold more than 0.1 nats, and 12 of the VAE's; with β = 0.5 there are "
    "13 of the VRRAE's, with β = 2 none, as all have collapsed, and 6 of the VAE's.",
}
MODELS = {
    # the README's example, on smaller images and with β = 2, beside a VAE of as many coefficients
    "bumps_vrrae": Shipped("bumps", "vrrae", {"latent_size": 200, "rank": 2}, 2.0),
    "bumps_vae": Shipped("bumps", "vae", {"latent_size": 2}, 2.0),
    # β of the experiment `avae`
    "digits_vrrae": Shipped("digits", "vrrae", {"latent_size": 64, "rank": 8}, 0.03),
    "digits_rrae": Shipped("digits", "rrae", {"latent_size": 64, "rank": 8}, None),
    "digits_vae": Shipped("digits", "vae", {"latent_size": 8}, 0.03),
    # the paper's sizes; `tools/ship.py mnist_vrrae mnist_vae --beta 2 --steps 500` is one of the trials
    "mnist_vrrae": Shipped("mnist", "vrrae", {"latent_size": 100, "rank": 16}, 1.0, 5000, **MNIST),
    "mnist_vae": Shipped("mnist", "vae", {"latent_size": 16}, 1.0, 5000, **MNIST),
}


@dataclass(frozen=True)
class Matched(Shipped):
    """A model of digits trained with `losses.AggregateMatching`: AVAE's, or AVAE's loss on a VRRAE that is shipped.

    Attributes:
        start: the shipped model it goes on from; None for weights of its own.
        num_centres: images of a batch that are not decoded.
        longer: steps until which the training is looked at; the shipped model is that after `num_steps`.
    """

    start: str | None = None
    num_centres: int = 1024
    longer: int = 0

    def bandwidth(self) -> float:
        """Of the kernels, on codes that are to add up to the prior."""
        return density.corrected_bandwidth(density.exact_avae_bandwidth(8, self.num_centres))

    def settings(self) -> dict[str, object]:
        """What decides the training, JSON-ready."""
        matching = {"loss": "AggregateMatching", "num_centres": self.num_centres, "bandwidth": self.bandwidth()}
        return super().settings() | matching | ({"start": self.start} if self.start else {})


MATCHED = {
    "digits_avae": Matched("digits", "avae", {"latent_size": 8}, 0.3, 600, 1024 + 128, longer=3000),
    "digits_vrrae_avae": Matched(
        "digits", "vrrae", {"latent_size": 64, "rank": 8}, 0.3, 600, 1024 + 128, start="digits_vrrae"
    ),
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
    "beta_training_fast": BetaTraining.fast(),
    "collapse_map_fast": CollapseMap.fast(),
    "cost_fast": Cost.fast(),
    "avae_fast": Avae.fast(),
    "bandwidth_table": BandwidthTable(),
}
FULL_RUNS = {
    "bumps": Bumps(),
    "bumps_authors": replace(Bumps(), num_steps=2000, learning_rate=1e-3, num_seeds=2),
    # as many steps as the authors' script computes: 7680 · 100 / 64
    "bumps_authors_12000": replace(Bumps(), num_steps=12_000, learning_rate=1e-3, num_seeds=3),
    "batch_size": BatchSize(),
    "mnist": replace(Mnist(), num_seeds=5),
    # of the 10,000 test images 1,000 are at hand
    "cifar10": replace(Cifar10(), num_test=1000, num_seeds=5),
    "ablations_mnist": replace(Ablations(), data="mnist", num_seeds=3),
    "ablations_cifar10": replace(Ablations(), data="cifar10", num_test=1000),
    # the papers' values
    "beta_sweep_mnist": replace(BetaSweep(), data="mnist", betas=(0.0, 1e-6, 1e-4, 1e-3, 1e-2), num_seeds=2),
    "beta_sweep_cifar10": replace(BetaSweep(), data="cifar10", betas=(0.0, 1e-5, 1e-4), num_test=1000, num_seeds=3),
    "zoo_mnist": replace(Zoo(), data="mnist", num_seeds=2),
    "avae_mnist": replace(Avae(), data="mnist", num_seeds=3),
    # the paper's 64×64 pixels at three points
    "collapse_map_64": replace(CollapseMap(), relative_betas=(1e-3, 0.1, 0.7), learning_rates=(1e-4,), num_seeds=6),
    # 10,000 photographs at half size are at hand
    "celeba_64": replace(CelebA(), image_size=64, num_train=9000, num_test=1000, num_steps=1000),
    "mnist_fast": Mnist.fast(),
    "cifar10_fast": Cifar10.fast(),
    "celeba_fast": CelebA.fast(),
    "ablations_digits": replace(Ablations(), data="digits"),
    "zoo_digits": replace(Zoo(), data="digits", num_seeds=3),
    "avae": replace(Avae(), num_seeds=3),
    "avae_mnist_fast": replace(Avae.fast(), data="mnist"),
    # small bumps, but six seeds and twice the steps of the fast setting
    "collapse_map_16": replace(
        CollapseMap.fast(), num_seeds=6, num_steps=600, relative_betas=(1e-3, 0.03, 0.1, 0.3, 0.7, 1.4)
    ),
}
# recorded races of a VAE beside a VRRAE on all of MNIST, by the presets of the playground whose settings they have
RACES = {"mnist_awake": "stay awake", "mnist_collapse": "make the VAE collapse"}
FRAMES = [0, 1, 2, 4, 6, 8, 10, *range(15, 60, 5), *range(60, 150, 15), *range(150, 300, 25), *range(300, 1201, 50)]


def ship_run(name: str, runs: Path, manual_dir: str | None) -> None:
    """Make a record of an experiment, whose runs are in a folder of its name in `runs`, as far as they are made."""
    experiment = (RUNS | FULL_RUNS)[name]
    if isinstance(experiment, Study):
        experiment = replace(experiment, manual_dir=manual_dir)
    out = runs / name
    record = experiment.run(out)
    print(f"\n{name}\n{experiment.table(record)}\n")
    shutil.copyfile(out / "record.json", PACKAGE / "records" / f"{name}.json")


def ship_model(name: str, manual_dir: str | None) -> None:
    """Train a model that comes with the package: it and its record."""
    make_model(
        name, MODELS[name], PACKAGE / "shipped" / f"{name}.ckpt", PACKAGE / "records" / f"{name}.json", manual_dir
    )


def try_model(name: str, own: Shipped, manual_dir: str | None) -> None:
    """Train it with another β or another number of steps, into `runs/trials`, with samples from the prior as a PNG."""
    path = ROOT / "runs" / "trials" / f"{name}-beta-{own.beta:g}-{own.num_steps}-steps.ckpt"
    model = make_model(name, own, path, path.with_suffix(".json"), manual_dir)
    prior = jr.normal(jr.key(3), (64, own.sizes.get("rank", own.sizes["latent_size"])))
    x = np.asarray(model.decode(prior))[..., 0].reshape(8, 8, *model.shape[:2])
    sheet = x.swapaxes(1, 2).reshape(8 * model.shape[0], 8 * model.shape[1])
    Image.fromarray((255 * np.clip(1 - sheet, 0, 1)).astype(np.uint8)).save(path.with_suffix(".png"))


def make_model(name: str, own: Shipped, path: Path, record_path: Path, manual_dir: str | None) -> vl.Autoencoder:
    """Train a model, going on where it was stopped, and write it and its record."""
    train, test, seen = images(own.data, manual_dir)
    model = build(own.constructor, {"shape": train.shape, **own.sizes}, key=jr.key(1))
    model, history = vl.fit(
        model,
        train.x,
        loss=vl.losses.Reconstruction() if own.beta is None else vl.losses.Variational(beta=own.beta),
        optimizer=own.optimizer(),
        batch_size=own.batch_size,
        num_steps=own.num_steps,
        key=jr.key(2),
        checkpoints=vl.Checkpoints(ROOT / "runs" / "models" / f"{name}-beta-{own.beta}-{own.num_steps}"),
    )
    if history.stopped == "interrupted":  # nothing half-trained is shipped
        raise KeyboardInterrupt
    model = jax.tree.map(as_saved, vl.freeze_basis(model, train.x))
    about = _along_the_diagonal(model) if own.data == "bumps" else {}
    save_model(path, record_path, model, own, (seen, test), about, history.seconds + history.compile_seconds)
    return model


def save_model(
    path: Path,
    record_path: Path,
    model: vl.Autoencoder,
    own: Shipped,
    data: tuple[vl.data.Dataset, vl.data.Dataset],
    about: dict[str, Any],
    seconds: float,
) -> None:
    """Write a trained model, its numbers as its file has them, and its record: `data` are what it is measured on."""
    seen, test = data
    posterior = model.encode(seen.x)
    record = {
        "settings": {"data": own.data, "image_size": seen.shape[0], **own.settings()},
        "measured_on": seen.name,
        "train_error": vl.metrics.relative_error(seen.x, model.reconstruct(seen.x)),
        "test_error": vl.metrics.relative_error(test.x, model.reconstruct(test.x)),
        "kl_per_coefficient": vl.metrics.kl_per_coefficient(posterior),
        "active_units": int(vl.metrics.active_units(posterior.mean).sum()),
        **about,
        "duration_seconds": round(seconds, 1),
        **environment(),
    }
    vl.checkpoint.save(path, model, record, half_precision=True)
    write_json(record_path, record)
    print(record)


class Norms:
    """A callback that looks at how far the codes lie from 0, and at the error on test images."""

    every = 100

    def __init__(self, x: np.ndarray, test: np.ndarray) -> None:
        """Args: x: images to encode. test: others to reconstruct."""
        self.x, self.test = x, test
        self.seen: dict[str, list[float]] = {"step": [], "median": [], "largest": [], "test_error": []}

    def __call__(
        self, step: int, model: vl.Autoencoder, loss: Any, terms: dict[str, np.ndarray]
    ) -> tuple[vl.Autoencoder, Any]:
        """Look; nothing is changed."""
        norms = np.linalg.norm(model.encode(self.x).mean, axis=1)
        error = vl.metrics.relative_error(self.test, model.reconstruct(self.test))
        for name, value in zip(self.seen, (step, np.median(norms), norms.max(), error), strict=True):
            self.seen[name].append(round(float(value), 3))
        return model, loss

    def state(self) -> dict[str, Any]:
        """What was seen."""
        return self.seen

    def restore(self, state: dict[str, Any]) -> None:
        """Remember what `state` has returned."""
        self.seen = state


def ship_matched(name: str) -> None:
    """Train a model with AVAE's loss: it and its record."""
    own = MATCHED[name]
    train, test, seen = images(own.data, None)
    loss = vl.losses.AggregateMatching(own.beta, own.bandwidth(), own.num_centres)
    optimizer, looks = own.optimizer(), Norms(train.x, test.x)
    if own.start is None:
        model = build(own.constructor, {"shape": train.shape, **own.sizes}, key=jr.key(1))
    else:
        model, _ = vl.checkpoint.load(vl.checkpoint.shipped(own.start))
        before, notes = model, vl.experiments.shipped_record(own.start)["settings"]
        model, fixed = with_posteriors_of_width(model, own.bandwidth())
        optimizer = optax.chain(optimizer, optax.masked(optax.set_to_zero(), fixed))

    def fit(number: str, model: vl.Autoencoder, num_steps: int, **settings: Any) -> tuple[vl.Autoencoder, float]:
        kept = vl.Checkpoints(ROOT / "runs" / "models" / f"{name}-{number}")
        model, history = vl.fit(model, train.x, num_steps=num_steps, key=jr.key(2), checkpoints=kept, **settings)
        if history.stopped == "interrupted":
            raise KeyboardInterrupt
        return model, history.seconds + history.compile_seconds

    ours = {"loss": loss, "optimizer": optimizer, "batch_size": own.batch_size, "callback": looks}
    made, seconds = fit("ours", model, own.num_steps, **ours)
    made, about = jax.tree.map(as_saved, made), {}
    if own.longer:
        fit("ours", model, own.longer, **ours)
        about["while_training"] = looks.seen
    if own.start is not None:
        kl = {"loss": vl.losses.Variational(notes["beta"]), "batch_size": notes["batch_size"]}
        control, _ = fit("control", before, own.num_steps, optimizer=own.optimizer(), **kl)
        about["as_long_with_the_kl_divergence"] = {
            "second_moments": np.square(control.encode(train.x).mean).mean(axis=0).round(4).tolist(),
            "test_error": vl.metrics.relative_error(test.x, control.reconstruct(test.x)),
        }
    paths = PACKAGE / "shipped" / f"{name}.ckpt", PACKAGE / "records" / f"{name}.json"
    save_model(*paths, made, own, (seen, test), about, seconds)


def with_posteriors_of_width(model: vl.Autoencoder, width: float) -> tuple[vl.Autoencoder, vl.Autoencoder]:
    """A frozen VRRAE all of whose posteriors have one standard deviation, and which of its leaves are to stay so."""

    def layer(model: Any) -> tuple[Any, Any]:
        return model.bottleneck.log_variance_layer.weight, model.bottleneck.log_variance_layer.bias

    weight, bias = layer(model)
    held = eqx.tree_at(layer, model, (np.zeros_like(weight), np.full_like(bias, 2 * np.log(width))))
    nothing = jax.tree.map(lambda _: False, eqx.filter(held, eqx.is_inexact_array))
    return held, eqx.tree_at(layer, nothing, (True, True))


def ship_claims() -> None:
    """Check every claim with seed 0, and record what came out."""
    outcomes = []
    for claim in vl.derivations.CLAIMS:
        outcomes.append(vl.derivations.check(claim, key=jr.key(0)))
        print(outcomes[-1], flush=True)
        jax.clear_caches()  # no check needs what was compiled for another: together that is a gigabyte
    record = {
        "experiment": "claims",
        "settings": {"seed": 0},
        "duration_seconds": round(sum(outcome.seconds for outcome in outcomes), 1),
        **environment(),
        "results": [as_json(outcome) for outcome in outcomes],
    }
    write_json(PACKAGE / "records" / "claims.json", record)


def images(data: str, manual_dir: str | None) -> tuple[vl.data.Dataset, vl.data.Dataset, vl.data.Dataset]:
    """To train on, to test on, and those of the former that come with the package, on which a record can be checked."""
    if data == "bumps":
        train, test = vl.data.bumps(image_size=32), vl.data.bumps_test(image_size=32, key=jr.key(0))
    elif data == "digits":
        train, test = vl.data.digits("train"), vl.data.digits("test")
    else:
        train = vl.data.load(data, "train", dtype=np.uint8, manual_dir=manual_dir)
        return train, vl.data.load(data, "test", manual_dir=manual_dir), vl.data.mnist_sample()
    return train, test, train


def as_saved(leaf: jax.Array) -> jax.Array:
    """The numbers of an array as its file has them."""
    return leaf.astype(np.float16).astype(leaf.dtype)


def ship_race(name: str, manual_dir: str | None) -> None:
    """Record a race: its header says how it was made."""
    for split in ("test", "train"):  # into the cache, where the playground finds them
        found = vl.data.load("mnist", split, dtype=np.uint8, manual_dir=manual_dir)
    playground = vl.widgets.playground("mnist", key=jr.key(0))
    if f"{len(found):,} images" not in playground.record().header["data"]:
        sys.exit("the playground does not find MNIST: let the cache of decoded images be written")
    playground.preset = RACES[name]
    started = time.perf_counter()
    for before, step in itertools.pairwise(FRAMES):
        playground.step(step - before)  # in smaller steps, the frames of which are left out below
    made = {"keys": [0], "steps": FRAMES[-1], "duration_seconds": round(time.perf_counter() - started, 1)}
    words = PRESETS["mnist"][RACES[name]].words
    recording = playground.record()
    frames = recording.frames[
        np.isin(recording.frames["step"], FRAMES)
    ]  # rounded to what can be seen, for a small file
    frames["mean"] = np.round(frames["mean"].astype(float) * 32) / 32
    frames["pixels"] = np.minimum(255, np.round(frames["pixels"] / 8) * 8)
    header = recording.header | {"words": words, "record": made | environment()}
    recording = replace(recording, header=header, frames=frames)
    path = PACKAGE / "shipped" / f"{name}.race.npz"
    recording.save(path)
    last = recording.frames[-1]
    print(f"{path.name}: {path.stat().st_size:,} bytes, {len(recording.frames)} frames", last["awake"].sum(axis=1))
    print(last["scores"][:, :2], made)


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
    always = (*MODELS, *MATCHED, *RUNS)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join(always)} (all), mnist_2000 (images), claims and {', '.join(RACES)} (minutes), "
        f"{', '.join(FULL_RUNS)} (hours)",
    )
    parser.add_argument(
        "--runs", type=Path, default=ROOT / "runs" / "shipped", metavar="DIR", help="where runs are kept"
    )
    parser.add_argument("--manual-dir", metavar="DIR", help="folder with data files you downloaded yourself")
    parser.add_argument("--beta", type=float, help="a trial of models with another β, into runs/trials")
    parser.add_argument("--steps", type=int, help="likewise with another number of steps")
    arguments = parser.parse_args()
    trial = {"beta": arguments.beta, "num_steps": arguments.steps}
    trial = {setting: value for setting, value in trial.items() if value is not None}
    chosen = arguments.names or always
    known = tuple(MODELS) if trial else (*always, "claims", "mnist_2000", *RACES, *FULL_RUNS)
    if unknown := [name for name in chosen if name not in known]:
        sys.exit(f"nothing named {', '.join(unknown)} is shipped; there are: {', '.join(known)}")
    code = commit()
    if code is None or code.endswith(CHANGED):
        sys.exit("a record names the commit it was made from: commit your changes first, in a clone of the repository")
    try:
        for chosen_name in chosen:
            if trial:
                try_model(chosen_name, replace(MODELS[chosen_name], **trial), arguments.manual_dir)
            elif chosen_name in MODELS:
                ship_model(chosen_name, arguments.manual_dir)
            elif chosen_name in MATCHED:
                ship_matched(chosen_name)
            elif chosen_name in RACES:
                ship_race(chosen_name, arguments.manual_dir)
            elif chosen_name == "claims":
                ship_claims()
            elif chosen_name == "mnist_2000":
                ship_mnist_sample(arguments.manual_dir)
            else:
                ship_run(chosen_name, arguments.runs, arguments.manual_dir)
    except KeyboardInterrupt:
        print(f"\ninterrupted: {chosen_name} is not shipped, what was before it is", file=sys.stderr)
        sys.exit(130)
