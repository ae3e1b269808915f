"""The four models on MNIST (VRRAE paper, Table 2): reconstruction, collapse diagnostics, samples, interpolations."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
import plotly.graph_objects as go

from vrrae_lab import data, explore, figures, metrics
from vrrae_lab.experiments import comparison, evaluation
from vrrae_lab.experiments.record import closing_lines, markdown_table, mean_std, reductions, settings_of
from vrrae_lab.models import Autoencoder
from vrrae_lab.training import steps_in_epochs


@dataclass(frozen=True)
class Mnist:
    """Four models on MNIST; the defaults are the paper's setting (Table A.3-3).

    The losses are the paper's; the two values of β are those by which its tables agree with each other.

    Attributes:
        num_train: training images, from the start of the set.
        num_test: test images, likewise.
        num_epochs: passes over the training images.
        batch_size: images per step.
        learning_rate: of AdaBelief, constant.
        vae_beta: weight of the summed KL divergence of the VAE.
        vrrae_beta: likewise of the VRRAE.
        latent_size: L of RRAE and VRRAE.
        rank: k of RRAE and VRRAE, and the latent size of AE and VAE.
        num_seeds: runs per model.
        seed: the first seed.
        data_dir: see `vrrae_lab.data.load`.
        manual_dir: see `vrrae_lab.data.load`.
    """

    description: ClassVar[str] = "AE, VAE, RRAE and VRRAE on MNIST: reconstruction, collapse, samples"

    num_train: int = 60_000
    num_test: int = 10_000
    num_epochs: float = 20.0
    batch_size: int = 576
    learning_rate: float = 1e-3
    vae_beta: float = 1e-3
    vrrae_beta: float = 1e-6
    latent_size: int = 100
    rank: int = 16
    num_seeds: int = field(default=1, compare=False)
    seed: int = field(default=0, compare=False)
    data_dir: str | None = field(default=None, compare=False)
    manual_dir: str | None = field(default=None, compare=False)

    @classmethod
    def fast(cls) -> "Mnist":
        """A reduced setting: a few minutes on two CPU cores, on 2,000 real training images."""
        return cls(num_train=2000, num_test=500, num_epochs=5.0, batch_size=64)

    @classmethod
    def tiny(cls) -> "Mnist":
        """Seconds; for tests. Its results mean nothing."""
        return replace(cls.fast(), num_train=128, num_test=50, num_epochs=1.0, latent_size=24)

    def run(self, out: Path, *, progress: bool = True) -> dict[str, Any]:
        """Train what is missing in `out`, evaluate, and write `out`/record.json; see `comparison.run`.

        Raises:
            DataUnavailableError: if MNIST is neither on this machine nor to be downloaded.
        """
        seeds = range(self.seed, self.seed + self.num_seeds)
        return comparison.run(self._plan(), seeds, out, progress=progress)

    def _images(self) -> tuple[data.Dataset, data.Dataset]:
        train = data.load("mnist", "train", self.num_train, data_dir=self.data_dir, manual_dir=self.manual_dir)
        test = data.load("mnist", "test", self.num_test, data_dir=self.data_dir, manual_dir=self.manual_dir)
        return train, test

    def _plan(self) -> comparison.Plan:
        train, test = self._images()

        def evaluate(model: Autoencoder, key: jax.Array) -> dict[str, Any]:
            return evaluation.evaluate(model, train, test)

        candidates = comparison.four_models(train.shape, self.latent_size, self.rank, self.vae_beta, self.vrrae_beta)
        return comparison.Plan(
            name="mnist",
            settings=settings_of(self),
            candidates=candidates,
            x_train=train.x,
            evaluate=evaluate,
            floors={
                "nearest training image": metrics.nearest_image_error(test.x, train.x),
                f"linear, rank {self.rank} (on training images)": metrics.linear_error(train.x, self.rank),
            },
            data={"train": train.provenance, "test": test.provenance, "reductions": reductions(self)},
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            num_steps=steps_in_epochs(self.num_epochs, self.num_train, self.batch_size),
        )

    @staticmethod
    def table(record: Mapping[str, Any]) -> str:
        """Reconstruction errors with diagnostics, as Markdown: mean ± standard deviation over the seeds."""
        rank = record["settings"]["rank"]
        head = ["model", "parameters", "train %", "test %", "active", "KL (nats)"]
        rows = []
        for name in comparison.model_names(record):
            own = next(r for r in record["results"] if r["model"] == name)
            kl = [None if v is None else sum(v) for v in comparison.of_model(record, name, "kl_per_coefficient")]
            active = [sum(v) for v in comparison.of_model(record, name, "active_units")]
            errors = [mean_std(comparison.of_model(record, name, f"{part}_error")) for part in ("train", "test")]
            rows.append([name, f"{own['parameters']:,}", *errors, f"{mean_std(active)} of {rank}", mean_std(kl)])
        return "\n".join([markdown_table(head, rows), "", *closing_lines(record)])

    def figures(self, record: Mapping[str, Any], out: Path) -> dict[str, go.Figure]:
        """Samples, and interpolations between test images, from the checkpoints in `out`, by file name."""
        seed = record["seeds"][0]
        train, test = self._images()
        models = comparison.load_models(record, out, seed)
        key = jax.random.key(seed)
        samples = [explore.generate(model, train.x, 12, key=key) for model in models.values()]
        paths = [explore.interpolate(model, test.x[:1], test.x[1:2], 12)[0] for model in models.values()]
        return {
            "samples": figures.image_grid(
                np.concatenate(samples), 12, title=f"Generated, seed {seed}", row_names=list(models), limits=(0.0, 1.0)
            ),
            "interpolations": figures.image_grid(
                np.concatenate(paths),
                12,
                title=f"Between two test images, seed {seed}",
                row_names=list(models),
                limits=(0.0, 1.0),
            ),
        }
