"""Timing for benchmarks: ways of doing the same work take turns, and ratios of medians are what counts."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax

from vrrae_lab.experiments.record import markdown_table

Cell = str | float | int | None


@dataclass(frozen=True)
class Table:
    """One table of results: rows of named cells; None is shown as a dash."""

    title: str
    rows: Sequence[Mapping[str, Cell]]
    notes: Sequence[str] = field(default_factory=tuple)

    def text(self) -> str:
        """Title, Markdown table and notes."""
        head = list(self.rows[0])
        cells = [[_shown(row.get(name)) for name in head] for row in self.rows]
        return "\n".join(
            [f"## {self.title}", "", markdown_table(head, cells), *([""] if self.notes else []), *self.notes]
        )


def _shown(cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:.3g}" if abs(cell) < 100 else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def interleaved(
    ways: Mapping[str, Callable[[], Any]], *, rounds: int = 9, budget_seconds: float = 60
) -> dict[str, float]:
    """Median milliseconds of each way.

    The ways take turns, so that a busy moment of the machine hits all of them; the first round, which compiles, does
    not count. Rounds end early when `budget_seconds` are used up, but never before three of them.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        finish(way())
    started = time.perf_counter()
    for number in range(rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            finish(way())
            times[name].append(1000 * (time.perf_counter() - begun))
        if number >= 2 and time.perf_counter() - started > budget_seconds:
            break
    return {name: statistics.median(values) for name, values in times.items()}


def finish(result: Any) -> None:
    """Wait until the arrays of a result are computed."""
    jax.block_until_ready(jax.tree.leaves(eqx.filter(result, eqx.is_array)))
