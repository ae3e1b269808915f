"""What each model costs (VRRAE paper, Appendix A.4): time of a gradient, operations of the SVD, whole training.

The paper counts O(min(L²B, LB²)) for the SVD of L×B latents, forward and backward. Here the operations of
`linalg.truncated_svd` are counted, and the times of all models taken in turns on the machine at hand.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import plotly.graph_objects as go
from jaxtyping import Array, Key

from vrrae_lab import figures, metrics, papers
from vrrae_lab.data import Dataset
from vrrae_lab.derivations.operations import Operations, count_operations
from vrrae_lab.experiments import comparison, evaluation
from vrrae_lab.experiments.plan import Candidate, Plan
from vrrae_lab.experiments.record import environment, markdown_table, mean_std
from vrrae_lab.experiments.study import Study, closing, parameters_cell
from vrrae_lab.experiments.subjects import Extent
from vrrae_lab.experiments.timing import interleaved_medians
from vrrae_lab.experiments.zoo import Zoo
from vrrae_lab.files import write_json
from vrrae_lab.linalg import Method, truncated_svd
from vrrae_lab.models import Autoencoder, as_floats, build, in_batches

# L, B and k of the papers' experiments
SIZES = {papers.TITLES[name]: (own.latent_size, own.batch_size, own.rank) for name, own in papers.SETTINGS.items()}
METHODS: tuple[Method, ...] = ("svd", "gram")


@dataclass(frozen=True)
class Cost(Study):
    """Times and operations; the models are those of the zoo.

    Attributes:
        rounds: the most turns that each model is timed for.
        seconds: time after which no further round of turns begins.
        svd_sizes: at which of the papers' sizes the SVD is measured: keys of `SIZES`.
    """

    name: ClassVar[str] = "cost"
    description: ClassVar[str] = "time of every model and operations of the SVD layer, against the paper's formula"
    checkpoints: ClassVar[bool] = False
    scored: ClassVar[bool] = False

    rounds: int = 40
    seconds: float = 300.0
    svd_sizes: tuple[str, ...] = tuple(SIZES)

    @classmethod
    def fast(cls) -> "Cost":
        """A reduced setting: at most three minutes on two idle CPU cores."""
        return cls(extent=Extent.FAST, num_seeds=1, num_steps=30, rounds=15, seconds=20.0)

    @classmethod
    def tiny(cls) -> "Cost":
        """Seconds; for tests. Its results mean nothing."""
        return replace(cls.fast(), extent=Extent.TINY, num_steps=None, rounds=2, svd_sizes=("bumps",))

    def candidates(self, train: Dataset) -> dict[str, Candidate]:
        """The models of the zoo."""
        return Zoo(data=self.data, extent=self.extent, num_steps=self.num_steps).candidates(train)

    def evaluate(self, model: Autoencoder, train: Dataset, test: Dataset, key: Key[Array, ""]) -> dict[str, Any]:
        """The test error alone: what the training time was spent for."""
        test = evaluation.bounded(test)
        return {"test_error": metrics.relative_error(test.x, in_batches(model.reconstruct, test.x))}

    def run(self, out: Path, *, progress: bool = True) -> dict[str, Any]:
        """Train what is missing in `out`, take times unless they are there, and write `out`/record.json.

        Raises:
            DataUnavailableError: if the images are neither on this machine nor to be downloaded.
            ValueError: if `out` holds runs of other settings.
        """
        plan = self.plan()
        record = comparison.run(plan, self.seeds, out, progress=progress)
        path = out / "times.json"
        wanted = json.loads(json.dumps({"settings": self.settings(), **environment()["device"]}))
        times = json.loads(path.read_text()) if path.exists() else {}
        if {key: times.get(key) for key in wanted} != wanted:
            if progress:
                print("timing gradients of all models and the SVD in turns", flush=True)
            times = wanted | {"gradients": self._gradients(plan), "svd": self._svd()}
            write_json(path, times)
        record |= {"gradient_milliseconds": times["gradients"], "svd": times["svd"]}
        write_json(out / "record.json", record)
        return record

    def _gradients(self, plan: Plan) -> dict[str, float]:
        """Median milliseconds of the value and gradient of each model's loss on one batch."""
        batch = as_floats(jnp.asarray(plan.x_train[: plan.batch_size]))
        key = jax.random.key(0)
        ways: dict[str, Callable[[], Any]] = {}
        for name, candidate in plan.candidates.items():
            model = build(candidate.constructor, dict(candidate.arguments), key=key)
            ways[name] = _Gradient(model, candidate, batch, key)
        return interleaved_medians(ways, seconds=self.seconds, rounds=self.rounds)

    def _svd(self) -> list[dict[str, Any]]:
        """Operations of the SVD at the papers' sizes, and milliseconds of forward and of forward and backward."""
        rows = []
        for title in self.svd_sizes:
            latent_size, batch, rank = SIZES[title]
            latents = jax.random.normal(jax.random.key(0), (batch, latent_size))
            ways: dict[str, Callable[[], Any]] = {}
            for method in METHODS:
                ways |= {f"{method}, forward": _Svd(latents, rank, method, False)}
                ways |= {f"{method}, forward and backward": _Svd(latents, rank, method, True)}
            times = interleaved_medians(ways, seconds=self.seconds / 10, rounds=self.rounds)
            for method in METHODS:
                forward, backward = svd_operations(latent_size, batch, rank, method)
                rows.append(
                    {
                        "data": title,
                        "latent_size": latent_size,
                        "batch_size": batch,
                        "rank": rank,
                        "method": method,
                        "forward": forward._asdict(),
                        "backward": backward._asdict(),
                        "formula": formula(latent_size, batch),
                        "forward_milliseconds": times[f"{method}, forward"],
                        "both_milliseconds": times[f"{method}, forward and backward"],
                    }
                )
        return rows

    @staticmethod
    def table(record: Mapping[str, Any]) -> str:
        """One row per model, then one per size and method of the SVD, as Markdown."""
        device = record["device"]
        lines = [
            _models_table(record),
            "",
            _svd_table(record),
            "",
            f"times on {device['kind']} ({device['platform']}), {device['cpu_cores']} CPU cores; gradients: medians of "
            "models taking turns, on one batch; SVD operations against min(L²B, LB²)",
            *closing(record),
        ]
        return "\n".join(lines)

    def figures(self, record: Mapping[str, Any], out: Path) -> dict[str, go.Figure]:
        """Time of a gradient by model, and of the SVD by size."""
        times = record["gradient_milliseconds"]
        ratios = {name: [value / times["AE"]] for name, value in times.items()}
        return {
            "gradients": figures.seed_strip(
                ratios, title="Time of a gradient", quantity="times that of the AE", floors={"AE": 1.0}
            )
        }


class _Gradient:
    """Value and gradient of a candidate's loss, to be called again and again."""

    def __init__(self, model: Autoencoder, candidate: Candidate, batch: Array, key: Array) -> None:
        self._arguments = (model, candidate.loss, batch, key)

    def __call__(self) -> Any:
        return _value_and_gradient(*self._arguments)


@eqx.filter_jit
def _value_and_gradient(model: Autoencoder, loss: Any, batch: Array, key: Array) -> Any:
    return eqx.filter_value_and_grad(lambda m: loss(m, batch, key=key)[0])(model)


class _Svd:
    """The truncated SVD of some latents, with or without its gradient."""

    def __init__(self, latents: Array, rank: int, method: Method, backward: bool) -> None:
        self._latents = latents
        forward = _kept(rank, method)
        self._call = jax.jit(jax.grad(lambda y: sum(jnp.sum(part**3) for part in forward(y))) if backward else forward)

    def __call__(self) -> Any:
        return self._call(self._latents)


def _kept(rank: int, method: Method) -> Any:
    """What the models use of the SVD: basis and coefficients."""

    def kept(latents: Array) -> tuple[Array, Array]:
        found = truncated_svd(latents, rank, method=method)
        return found.basis, found.coefficients

    return kept


def svd_operations(latent_size: int, batch_size: int, rank: int, method: Method) -> tuple[Operations, Operations]:
    """Operations of the truncated SVD of a batch of latents: forward, and of the pass backward from both results."""
    latents = jax.ShapeDtypeStruct((batch_size, latent_size), jnp.float32)
    forward = _kept(rank, method)

    def both(y: Array, cotangents: tuple[Array, Array]) -> Any:
        results, pull_back = jax.vjp(forward, y)
        return results, pull_back(cotangents)

    first = count_operations(forward, latents)
    total = count_operations(both, latents, jax.eval_shape(forward, latents))
    return first, Operations(*(a - b for a, b in zip(total, first, strict=True)))


def formula(latent_size: int, batch_size: int) -> int:
    """min(L²B, LB²)."""
    return min(latent_size**2 * batch_size, latent_size * batch_size**2)


def _models_table(record: Mapping[str, Any]) -> str:
    times = record["gradient_milliseconds"]
    head = ["model", "parameters", "gradient ms", "× AE", "compile s", "step ms", "training s", "test %"]
    rows = []
    for name in comparison.model_names(record):
        own = comparison.runs_of(record, name)
        steps = record["settings"]["num_steps"]
        total = [r["compile_seconds"] + r["step_milliseconds"] * (steps - 1) / 1000 for r in own]
        rows.append(
            [
                name,
                parameters_cell(record, name),
                f"{times[name]:.3g}",
                f"{times[name] / times['AE']:.2f}",
                mean_std([r["compile_seconds"] for r in own]),
                mean_std([r["step_milliseconds"] for r in own]),
                mean_std(total),
                mean_std(comparison.of_model(record, name, "test_error")),
            ]
        )
    return markdown_table(head, rows)


def _svd_table(record: Mapping[str, Any]) -> str:
    head = [
        "SVD",
        "L×B, k",
        "method",
        "formula",
        "forward",
        "× formula",
        "backward",
        "× formula",
        "ms",
        "with backward",
    ]
    rows = []
    for row in record["svd"]:
        forward, backward = (sum(row[part].values()) for part in ("forward", "backward"))
        rows.append(
            [
                row["data"],
                f"{row['latent_size']}×{row['batch_size']}, {row['rank']}",
                row["method"],
                *(f"{row['formula']:.2e}", f"{forward:.2e}", f"{forward / row['formula']:.2f}"),
                *(f"{backward:.2e}", f"{backward / row['formula']:.2f}"),
                *(f"{row['forward_milliseconds']:.3g}", f"{row['both_milliseconds']:.3g}"),
            ]
        )
    return markdown_table(head, rows)
