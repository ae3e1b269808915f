"""Two records side by side: what was set otherwise, and by how much the results differ, with an interval."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vrrae_lab.experiments.comparison import model_names, runs_of
from vrrae_lab.experiments.record import markdown_table, mean_std

CONFIDENCE = 0.95
SUMMARIES = {"active_units": "active units", "kl_per_coefficient": "KL divergence, nats"}
Record = Mapping[str, Any]


def compare_records(first: Record, second: Record) -> str:
    """The results of two records of trained models, A and B, as Markdown.

    One row per model and metric that both have: mean ± sample standard deviation over the seeds, the difference of the
    means, and Welch's interval for it (Welch 1947), which asks of neither that the variances agree nor that the seeds
    do. Of metrics that are a number for each coefficient, active units are counted and KL divergences summed; the
    others only count where it is said how many runs are the same to the last bit.

    Args:
        first: as returned by `run` of an experiment, `shipped_record` or `read_record`; A.
        second: likewise; B.

    Raises:
        TypeError: if one is no record.
        ValueError: likewise, or if the two have no model in common.
    """
    records = {"A": first, "B": second}
    names = [model_names(record) for record in records.values()]
    common = [name for name in names[0] if name in names[1]]
    if not common:
        raise ValueError(
            f"the records have no model in common: A has {', '.join(names[0])}; B has {', '.join(names[1])}"
        )
    lines = [f"{letter}: {_origin(record)}" for letter, record in records.items()]
    lines += [_settings(first, second), *_missing(names)]
    rows = [row for name in common for row in _rows(name, *(_numbers(record, name) for record in records.values()))]
    head = ["model", "metric", "A", "B", "B − A", f"{CONFIDENCE:.0%} interval"]
    remark = (
        "The interval is Welch's, for the difference of the means over seeds; a dash where fewer than two runs of "
        "either finished. Of twenty such intervals one misses on average."
    )
    return "\n".join([*lines, "", markdown_table(head, rows), "", _same_runs(first, second, common), remark])


def _origin(record: Record) -> str:
    seeds, device = record.get("seeds") or ["unknown"], record.get("device", {})
    of = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    jax = record.get("versions", {}).get("jax", "unknown")
    words = f"{record.get('experiment', 'unnamed')}, {of}; jax {jax} on {device.get('kind', 'an unknown device')}"
    reduced = record.get("data", {}).get("reductions")
    return words + (f"; reduced: {', '.join(reduced)}" if reduced else "")


def _settings(first: Record, second: Record) -> str:
    a, b = (dict(record.get("settings", {})) for record in (first, second))
    other = [name for name in dict.fromkeys([*a, *b]) if a.get(name) != b.get(name)]
    words = [f"{name} {a.get(name, 'absent')} and {b.get(name, 'absent')}" for name in other]
    return f"settings of A and B that differ: {'; '.join(words)}" if other else "the settings are the same"


def _missing(names: Sequence[Sequence[str]]) -> list[str]:
    only = [[name for name in own if name not in other] for own, other in (names, names[::-1])]
    return [f"only in {letter}: {', '.join(found)}" for letter, found in zip("AB", only, strict=True) if found]


def _numbers(record: Record, name: str) -> dict[str, list[float]]:
    """By metric, the numbers of all seeds that have one."""
    found: dict[str, list[float]] = {}
    for run in runs_of(record, name):
        for metric, value in run["metrics"].items():
            if metric in SUMMARIES and value is not None:
                metric, value = SUMMARIES[metric], float(np.sum(value))
            if isinstance(value, int | float):
                found.setdefault(metric, []).append(float(value))
    return found


def _rows(name: str, first: dict[str, list[float]], second: dict[str, list[float]]) -> list[list[str]]:
    metrics = [metric for metric in first if metric in second]
    return [
        [
            name,
            metric,
            mean_std(first[metric], 3),
            mean_std(second[metric], 3),
            *_difference(first[metric], second[metric]),
        ]
        for metric in metrics
    ]


def _difference(first: list[float], second: list[float]) -> tuple[str, str]:
    """Of the means, and its interval."""
    from scipy import stats  # half a second, which the rest of the command line need not wait for

    difference = f"{np.mean(second) - np.mean(first):+.3f}"
    if min(len(first), len(second)) < 2 or np.ptp(first) == np.ptp(second) == 0:
        return difference, "–"
    with warnings.catch_warnings():  # where one of the two is always the same, which is precise enough
        warnings.simplefilter("ignore", RuntimeWarning)
        interval = stats.ttest_ind(second, first, equal_var=False).confidence_interval(CONFIDENCE)
    return difference, f"{interval.low:+.3f} to {interval.high:+.3f}"


def _same_runs(first: Record, second: Record, common: list[str]) -> str:
    """How many runs have the same metrics in both records, in words."""
    metrics = [
        {(name, run["seed"]): run["metrics"] for name in common for run in runs_of(record, name)}
        for record in (first, second)
    ]
    both = [run for run in metrics[0] if run in metrics[1]]
    same = sum(metrics[0][run] == metrics[1][run] for run in both)
    return f"Runs of the same model and seed: {len(both)}, of which {same} agree in every metric to the last bit."
