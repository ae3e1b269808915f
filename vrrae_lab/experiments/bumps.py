"""The Gaussian-bump experiment of the VRRAE paper (Table 1, Figures 2 and 3), with seeds, floors and diagnostics."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
import plotly.graph_objects as go

from vrrae_lab import data, explore, figures, metrics
from vrrae_lab.experiments import comparison, evaluation
from vrrae_lab.experiments.plan import Plan, four_models
from vrrae_lab.experiments.record import (
    check_settings,
    closing_lines,
    markdown_table,
    mean_std,
    reductions,
    settings_of,
)
from vrrae_lab.experiments.study import active_cell, kl_cell, parameters_cell
from vrrae_lab.experiments.subjects import TEST_KEY
from vrrae_lab.models import Autoencoder, in_batches


@dataclass(frozen=True)
class Bumps:
    """Four models on 100 bumps; the defaults are the paper's setting.

    The losses are the paper's (`losses.PaperReconstruction`, `losses.PaperVariational`), hence the scale of `beta`.

    Attributes:
        image_size: pixels per side.
        num_steps: updates; one epoch is one step, as 100 images hold one batch of 64.
        batch_size: images per step.
        learning_rate: of AdaBelief, constant.
        beta: weight of the summed KL divergence.
        latent_size: L of RRAE and VRRAE.
        rank: k of RRAE and VRRAE, and the latent size of AE and VAE.
        num_test: test images with independent coordinates.
        num_generated: images for the random-generation error.
        num_components: Gaussians in the mixture that generates.
        num_seeds: runs per model.
        seed: the first seed.
    """

    description: ClassVar[str] = "AE, VAE, RRAE and VRRAE on 100 Gaussian bumps: errors, generation, collapse"

    image_size: int = 64
    num_steps: int = 1280
    batch_size: int = 64
    learning_rate: float = 1e-4
    beta: float = 1e-3
    latent_size: int = 200
    rank: int = 2
    num_test: int = 1000
    num_generated: int = 1000
    num_components: int = 10
    num_seeds: int = field(default=5, compare=False)
    seed: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        check_settings(self)

    @classmethod
    def fast(cls) -> "Bumps":
        """A reduced setting: two minutes on two CPU cores."""
        return cls(image_size=32, num_steps=120, learning_rate=1e-3, num_test=400, num_generated=400, num_seeds=2)

    @classmethod
    def tiny(cls) -> "Bumps":
        """Seconds; for tests. Its results mean nothing."""
        return replace(cls.fast(), image_size=16, num_steps=8, latent_size=16, num_test=50, num_generated=50)

    def run(self, out: Path, *, progress: bool = True) -> dict[str, Any]:
        """Train what is missing in `out`, evaluate, and write `out`/record.json; see `comparison.run`."""
        seeds = range(self.seed, self.seed + self.num_seeds)
        return comparison.run(self._plan(), seeds, out, progress=progress)

    def _plan(self) -> Plan:
        train = data.bumps(image_size=self.image_size)
        test = data.bumps_test(self.num_test, self.image_size, key=jax.random.key(TEST_KEY))
        diagonal = data.bumps_diagonal(image_size=self.image_size)

        def evaluate(model: Autoencoder, key: jax.Array) -> dict[str, Any]:
            return self._evaluate(model, train, test, diagonal, key)

        return Plan(
            name="bumps",
            settings=settings_of(self),
            candidates=four_models(train.shape, self.latent_size, self.rank, self.beta, self.beta),
            x_train=train.x,
            evaluate=evaluate,
            floors={
                "nearest training image": metrics.nearest_image_error(test.x, train.x),
                f"linear, rank {self.rank}": metrics.linear_error(train.x, self.rank),
                f"linear, rank {8 * self.rank}": metrics.linear_error(train.x, 8 * self.rank),
            },
            data={"train": train.provenance, "test": test.provenance, "reductions": reductions(self)},
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            num_steps=self.num_steps,
        )

    def _evaluate(
        self, model: Autoencoder, train: data.Dataset, test: data.Dataset, diagonal: data.Dataset, key: jax.Array
    ) -> dict[str, Any]:
        generated = explore.generate(model, train.x, self.num_generated, num_components=self.num_components, key=key)
        path = explore.coefficients(model, diagonal.x)
        moving = np.ptp(path, axis=0).max() > 0
        share, monotonicity = metrics.straightness(path) if moving else (None, None)
        return evaluation.evaluate(model, train, test) | {
            "diagonal_error": metrics.relative_error(diagonal.x, in_batches(model.reconstruct, diagonal.x)),
            "generation_error": metrics.bump_fit_error(generated, train),
            "diagonal_share_on_a_line": share,
            "diagonal_monotonicity": monotonicity,
        }

    @staticmethod
    def table(record: Mapping[str, Any]) -> str:
        """Table 1 with diagnostics, as Markdown: mean ± standard deviation over the seeds."""
        head = ["model", "parameters", "train %", "test %", "diagonal %", "generation %", "active", "KL (nats)", "line"]
        rows = []
        for name in comparison.model_names(record):
            error = {
                column: mean_std(comparison.of_model(record, name, f"{column}_error"))
                for column in ("train", "test", "diagonal", "generation")
            }
            line = mean_std(comparison.of_model(record, name, "diagonal_share_on_a_line"), 3)
            cells = [*error.values(), active_cell(record, name), kl_cell(record, name), line]
            rows.append([name, parameters_cell(record, name), *cells])
        return "\n".join([markdown_table(head, rows), "", *closing_lines(record, _collapse_report(record))])

    def figures(self, record: Mapping[str, Any], out: Path) -> dict[str, go.Figure]:
        """The figures of the paper from the checkpoints in `out`, by file name without ending."""
        seed = record["seeds"][0]
        train = data.bumps(image_size=self.image_size)
        diagonal = data.bumps_diagonal(image_size=self.image_size)
        models = comparison.load_models(record, out, seed)
        planes = {name: explore.coefficients(model, train.x)[:, :2] for name, model in models.items()}
        paths = {name: explore.coefficients(model, diagonal.x)[:, :2] for name, model in models.items()}
        key = jax.random.key(seed)
        samples = [
            explore.generate(model, train.x, 10, num_components=self.num_components, key=key)
            for model in models.values()
        ]
        limits = train.value_range
        errors = {name: comparison.of_model(record, name, "test_error") for name in comparison.model_names(record)}
        convergence = {r["model"]: r["convergence"] for r in record["results"] if r["seed"] == seed}
        curves = {name: np.asarray(convergence[name]["curves"]["loss"], float) for name in models}
        steps = convergence[next(iter(models))]["steps"]  # the same for all that finished
        title = f"seed {seed}"
        return {
            "latent_plane": figures.latent_plane(planes, paths=paths, title=f"Coefficients of the bumps, {title}"),
            "samples": figures.image_grid(
                np.concatenate(samples), 10, title=f"Generated, {title}", row_names=list(models), limits=limits
            ),
            "errors": figures.seed_strip(
                errors,
                title="Test error by seed",
                floors={"nearest training image": record["floors"]["nearest training image"]},
            ),
            "training": figures.lines(
                curves, steps, title=f"Training, {title}", x_name="step", quantity="loss", log_y=True
            ),
        }


def _collapse_report(record: Mapping[str, Any]) -> str:
    """Which seeds of the variational models have a collapsed coefficient, in words."""
    parts = []
    for name in ("VAE", "VRRAE"):
        count, shares = len(comparison.runs_of(record, name)), comparison.collapsed_shares(record, name)
        collapsed = [seed for seed, share in shares.items() if share > 0]
        part = f"{name}: {len(collapsed)} of {count} with a collapsed coefficient"
        part += f" (seed {', '.join(map(str, collapsed))})" if collapsed else ""
        parts.append(part + (f", {count - len(shares)} diverged" if count > len(shares) else ""))
    return "; ".join(parts)
