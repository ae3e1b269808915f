"""AVAE's table of bandwidths (Saha, Joshi & Whitaker, arXiv 2311.07693), by simulation and without chance."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import jax
import plotly.graph_objects as go

from vrrae_lab import density, figures, papers
from vrrae_lab.experiments.record import (
    Record,
    check_settings,
    environment,
    markdown_table,
    origin_lines,
    reductions,
    settings_of,
)
from vrrae_lab.files import write_json

TOLERANCE = 0.015

GRID_LATENT_SIZES = (1, 2, 3, 4, 5, 7, 10, 14, 20, 30, 40, 50, 70, 100, 140, 200)
GRID_NUM_CENTRES = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)


@dataclass(frozen=True)
class BandwidthTable:
    """All 30 entries, and a finer table of exact values, which `density.tabulated_bandwidth` reads.

    Attributes:
        latent_sizes: of the entries, out of the published ones.
        num_centres: likewise.
        num_queries: samples that stand for the expectation in a trial.
        grid_latent_sizes: of the finer table.
        grid_num_centres: likewise.
        num_seeds: trials per entry, 2 or more.
        seed: of the trials' keys.
    """

    description: ClassVar[str] = "AVAE's table of bandwidths beside simulated and exact ones"

    latent_sizes: tuple[int, ...] = tuple(dict.fromkeys(size for size, _ in papers.BANDWIDTHS))
    num_centres: tuple[int, ...] = papers.BANDWIDTH_CENTRES
    num_queries: int = 1000
    grid_latent_sizes: tuple[int, ...] = GRID_LATENT_SIZES
    grid_num_centres: tuple[int, ...] = GRID_NUM_CENTRES
    num_seeds: int = field(default=3, compare=False)
    seed: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.num_seeds < 2:
            raise ValueError(f"num_seeds = {self.num_seeds}: an error bar needs 2 or more trials")

    @classmethod
    def fast(cls) -> "BandwidthTable":
        """A reduced setting: some seconds."""
        return cls(
            num_centres=(500, 1000), grid_latent_sizes=(2, 10, 40, 100), grid_num_centres=(100, 500, 2000, 10_000)
        )

    @classmethod
    def tiny(cls) -> "BandwidthTable":
        """Seconds; for tests."""
        return replace(cls.fast(), latent_sizes=(10, 40), num_centres=(500,), num_queries=200)

    def run(self, out: Path, *, progress: bool = True) -> dict[str, Any]:
        """Make the entries that are missing in `out`, and write `out`/record.json.

        Raises:
            ValueError: if `out` holds entries of other settings.
        """
        results = [self._entry(size, m, out, progress) for size in self.latent_sizes for m in self.num_centres]
        started = _Clock()
        bandwidths = [
            [density.exact_avae_bandwidth(size, m) for m in self.grid_num_centres] for size in self.grid_latent_sizes
        ]
        grid_times = started.times()
        record = {
            "experiment": "bandwidth_table",
            "settings": json.loads(json.dumps(settings_of(self))),
            "seeds": [self.seed],
            "num_trials": self.num_seeds,
            "tolerance": TOLERANCE,
            "data": {"reductions": reductions(self)},
            "duration_seconds": round(sum(part["seconds"] for part in [*results, grid_times]), 1),
            "processor_seconds": round(sum(part["processor_seconds"] for part in [*results, grid_times]), 1),
            **environment(),
            "results": results,
            "grid": {
                "latent_sizes": list(self.grid_latent_sizes),
                "num_centres": list(self.grid_num_centres),
                "bandwidths": bandwidths,
            },
        }
        write_json(out / "record.json", record)
        return Record(record)

    def _entry(self, latent_size: int, num_centres: int, out: Path, progress: bool) -> dict[str, Any]:
        """One entry, from `out` if it is there."""
        path = out / "entries" / f"l{latent_size}-m{num_centres}.json"
        decisive = {"num_queries": self.num_queries, "num_trials": self.num_seeds, "seed": self.seed}
        if path.exists():
            found = json.loads(path.read_text())
            if found["settings"] != decisive:
                raise ValueError(
                    f"{path.parent} holds entries of other settings ({found['settings']} there, {decisive} now): "
                    "choose another folder with --out, or remove that one"
                )
            return found["result"]
        started = _Clock()
        # a key that depends on the entry, so that entries are independent of each other and of which are made
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(self.seed), latent_size), num_centres)
        simulated = density.avae_bandwidth(
            latent_size, num_centres, key=key, num_trials=self.num_seeds, num_queries=self.num_queries
        )
        result = compare(latent_size, num_centres, simulated, density.exact_avae_bandwidth(latent_size, num_centres))
        result |= started.times()
        write_json(path, {"settings": decisive, "result": result})
        if progress:
            print(f"l = {latent_size}, m = {num_centres}: {simulated.estimate:.3f}", flush=True)
        return result

    @staticmethod
    def table(record: Mapping[str, Any]) -> str:
        """One row per entry, as Markdown."""
        head = ["l, m", "h: published", "simulated", "exact", "corrected: published", "simulated", "exact", "agrees"]
        rows = []
        for result in record["results"]:
            simulated, exact, published = result["simulated"], result["exact"], result["published"]
            rows.append(
                [
                    f"{result['latent_size']}, {result['num_centres']:,}",
                    ">1" if published["bandwidth"] is None else f"{published['bandwidth']:.2f}",
                    f"{simulated['bandwidth']:.3f} ± {simulated['standard_error']:.3f}",
                    f"{exact['bandwidth']:.3f}",
                    f"{published['corrected']:.2f}",
                    f"{simulated['corrected']:.3f}",
                    f"{exact['corrected']:.3f}",
                    {True: "yes", False: "NO"}[result["agrees"]],
                ]
            )
        agreeing = sum(result["agrees"] for result in record["results"])
        lines = [
            f"{agreeing} of {len(rows)} published entries agree with both of ours to ±{record['tolerance']}, or as "
            "inequalities",
            f"seed {record['seeds'][0]}, {record['num_trials']} trials per entry; ± is their standard error",
        ]
        reduced = record["data"]["reductions"]
        return "\n".join(
            [
                markdown_table(head, rows),
                "",
                *lines,
                *([f"reduced: {', '.join(reduced)}"] * bool(reduced)),
                *origin_lines(record),
            ]
        )

    def figures(self, record: Mapping[str, Any], out: Path) -> dict[str, go.Figure]:
        """The finer table as curves."""
        grid = record["grid"]
        curves = {f"l = {size}": list(row) for size, row in zip(grid["latent_sizes"], grid["bandwidths"], strict=True)}
        return {
            "bandwidths": figures.sweep_lines(
                curves,
                x=grid["num_centres"],
                title="AVAE's bandwidth, before the correction",
                axis_names=("number of centres", "bandwidth"),
            )
        }


class _Clock:
    """Started when made; says how long ago that was, and how long this process has computed since."""

    def __init__(self) -> None:
        self.started = time.perf_counter(), time.process_time()

    def times(self) -> dict[str, float]:
        now = time.perf_counter(), time.process_time()
        seconds, processor_seconds = (new - old for new, old in zip(now, self.started, strict=True))
        return {"seconds": seconds, "processor_seconds": processor_seconds}


def compare(latent_size: int, num_centres: int, simulated: density.AvaeBandwidth, exact: float) -> dict[str, Any]:
    """An entry beside the published one.

    It agrees if both of ours do: corrected bandwidths within the tolerance, and bandwidths too where a number is
    printed. Where ">1" is printed the exact one is above 1, and the simulated one above 1 but for the tolerance.
    """
    bandwidth, corrected = papers.BANDWIDTHS[latent_size, num_centres]
    exact_corrected = density.corrected_bandwidth(exact)
    agrees = all(abs(ours - corrected) <= TOLERANCE for ours in (simulated.corrected, exact_corrected))
    if bandwidth is None:
        agrees &= exact > 1 and simulated.estimate > 1 - TOLERANCE
    else:
        agrees &= all(abs(ours - bandwidth) <= TOLERANCE for ours in (simulated.estimate, exact))
    return {
        "latent_size": latent_size,
        "num_centres": num_centres,
        "simulated": {
            "bandwidth": simulated.estimate,
            "standard_error": simulated.standard_error,
            "trials": list(simulated.trials),
            "corrected": simulated.corrected,
            "alpha": simulated.alpha,
        },
        "exact": {"bandwidth": exact, "corrected": exact_corrected},
        "published": {"bandwidth": bandwidth, "corrected": corrected},
        "agrees": bool(agrees),
    }
