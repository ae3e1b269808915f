"""Timing that is fair between the ways it compares, and the tables it ends in."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vrrae_lab.experiments.record import markdown_table
from vrrae_lab.experiments.timing import interleaved_medians

Row = dict[str, Any]


class Absent:
    """Stands in for a peer that is not installed: shown as such in the table, never left out in silence."""

    def __init__(self, package: str) -> None:
        self.package = package


def interleaved(ways: Mapping[str, Callable[[], Any] | Absent], seconds: float, rounds: int = 40) -> Row:
    """Median milliseconds of each way; they take turns, so that a busy moment of the machine hits all of them.

    Args:
        ways: name to what is timed, or `Absent`. The first call of each is not counted: it compiles.
        seconds: no round begins after this time but the first.
        rounds: the most turns each way has.
    """
    present = {name: way for name, way in ways.items() if not isinstance(way, Absent)}
    medians = interleaved_medians(present, seconds=seconds, rounds=rounds)
    return {
        name: f"{way.package} is absent" if isinstance(way, Absent) else medians[name] for name, way in ways.items()
    }


def ratio(row: Row, numerator: str, denominator: str) -> float | str:
    """Of two times of a row, or a dash where one is absent."""
    if isinstance(row[numerator], str) or isinstance(row[denominator], str):
        return "–"
    return row[numerator] / row[denominator]


def row_of_a_process(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Row:
    """The row that `python -m MODULE ARGUMENTS` prints, last and as JSON: for what needs a process of its own.

    Args:
        module: what to run, out of `benchmarks`.
        arguments: of its command line.
        environment: variables beside those of this process.

    Raises:
        RuntimeError: with the end of its complaint, if it fails.
    """
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    own = os.environ | (environment or {})
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-200:])
    return json.loads(done.stdout.splitlines()[-1])


def table(rows: Sequence[Row]) -> str:
    """As Markdown; numbers with three digits that count."""
    head = list(dict.fromkeys(name for row in rows for name in row))
    return markdown_table(head, [[_cell(row.get(name, "–")) for name in head] for row in rows])


def _cell(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
