"""Two records side by side: what was set otherwise, and by how much the results differ, with an interval."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vrrae_lab.experiments.comparison import model_names, runs_of
from vrrae_lab.experiments.record import markdown_table, mean_std

CONFIDENCE = 0.95
SUMMARIES = {"active_units": "active units", "kl_per_coefficient": "KL divergence, nats"}
KINDS: dict[str, type] = {"settings": dict, "versions": dict, "device": dict, "data": dict, "seeds": list}
Record = Mapping[str, Any]
BySeed = dict[int, float]
REMARK = (
    "Intervals: Student's for the mean difference of runs of one seed where both have the same seeds, else Welch's, as "
    "if all runs were independent. A dash: fewer than two runs finished, or nothing varies. Even where nothing "
    "differs, about one interval in twenty leaves out 0."
)


def compare_records(first: Record, second: Record) -> str:
    """The results of two records of trained models, A and B, as Markdown.

    One row per model and metric that is a number in both: mean ± sample standard deviation over the seeds, the
    difference of the means, and an interval for it. Where runs of the same seeds finished in both, these are pairs, and
    the interval is Student's; otherwise it is Welch's (1947), which lets the variances differ but takes the runs for
    independent. Active units are counted, KL divergences summed over the coefficients. Other metrics that are lists,
    such as singular values, only count where it is said how many runs are the same to the last bit.

    Args:
        first: as returned by `run` of an experiment, `shipped_record` or `read_record`; A.
        second: likewise; B.

    Raises:
        TypeError: if one is no record.
        ValueError: likewise, or if the two have no model in common.
    """
    names = [model_names(record) for record in (first, second)]
    records = [_as_written(record) for record in (first, second)]
    common = [name for name in names[0] if name in names[1]]
    if not common:
        raise ValueError(
            f"the records have no model in common: A has {', '.join(names[0])}; B has {', '.join(names[1])}"
        )
    lines = [f"{letter}: {_origin(record)}" for letter, record in zip("AB", records, strict=True)]
    lines += [_settings(*records), *_missing(names)]
    rows = [row for name in common for row in _rows(name, *(_numbers(record, name) for record in records))]
    head = ["model", "metric", "A", "B", "B − A", f"{CONFIDENCE:.0%} interval"]
    return "\n".join([*lines, "", markdown_table(head, rows), "", _same_runs(records, common), REMARK])


def _as_written(record: Record) -> dict[str, Any]:
    """As it would come from its file, where tuples are lists; and of the right kinds."""
    written = json.loads(json.dumps(dict(record)))
    for name, kind in KINDS.items():
        if not isinstance(written.setdefault(name, kind()), kind):
            raise ValueError(f"this is no record of an experiment: its {name} are {written[name]!r:.40}")
    return written


def _origin(record: Record) -> str:
    seeds = record["seeds"] or ["unknown"]
    of = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    where = f"jax {record['versions'].get('jax', 'unknown')} on {record['device'].get('kind', 'an unknown device')}"
    reduced = record["data"].get("reductions")
    words = f"{record.get('experiment', 'unnamed')}, {of}; {where}"
    return words + (f"; reduced: {', '.join(map(str, reduced))}" if reduced else "")


def _settings(first: Record, second: Record) -> str:
    a, b = first["settings"], second["settings"]
    other = [name for name in dict.fromkeys([*a, *b]) if a.get(name) != b.get(name)]
    words = [f"{name} {a.get(name, 'absent')} and {b.get(name, 'absent')}" for name in other]
    return f"settings of A and B that differ: {'; '.join(words)}" if other else "the settings are the same"


def _missing(names: Sequence[Sequence[str]]) -> list[str]:
    only = [[name for name in own if name not in other] for own, other in (names, names[::-1])]
    return [f"only in {letter}: {', '.join(found)}" for letter, found in zip("AB", only, strict=True) if found]


def _numbers(record: Record, name: str) -> dict[str, BySeed]:
    """By metric, the number of each seed that has one."""
    found: dict[str, BySeed] = {}
    for run in runs_of(record, name):
        for metric, value in _flat(run["metrics"]):
            if isinstance(value, int | float):
                found.setdefault(metric, {})[run["seed"]] = float(value)
    return found


def _flat(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The metrics with those that are made of several by themselves, and sums in place of some lists."""
    for metric, value in metrics.items():
        if isinstance(value, Mapping):
            yield from ((f"{metric}, {part}", number) for part, number in _flat(value))
        elif metric in SUMMARIES and isinstance(value, list) and all(isinstance(v, int | float) for v in value):
            yield SUMMARIES[metric], sum(value)
        else:
            yield metric, value


def _rows(name: str, first: dict[str, BySeed], second: dict[str, BySeed]) -> list[list[str]]:
    rows = []
    for metric in (metric for metric in first if metric in second):
        a, b = first[metric], second[metric]
        means = [mean_std(list(values.values()), 3) for values in (a, b)]
        difference = np.mean(list(b.values())) - np.mean(list(a.values()))
        rows.append([name, metric, *means, f"{difference:+.3f}", _interval(a, b)])
    return rows


def _interval(first: BySeed, second: BySeed) -> str:
    """For the difference of the means; a dash where there is none to be had."""
    from scipy import stats  # half a second, which the rest of the command line need not wait for

    paired = set(first) == set(second)
    a = list(first.values())
    b = [second[seed] for seed in first] if paired else list(second.values())
    varies = np.ptp(np.subtract(b, a)) > 0 if paired else np.ptp(a) > 0 or np.ptp(b) > 0
    if min(len(a), len(b)) < 2 or not varies:
        return "–"
    with warnings.catch_warnings():  # where one of the two is always the same, which is precise enough
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.ttest_rel(b, a) if paired else stats.ttest_ind(b, a, equal_var=False)
        interval = found.confidence_interval(CONFIDENCE)
    return f"{interval.low:+.3f} to {interval.high:+.3f}"


def _same_runs(records: Sequence[Record], common: list[str]) -> str:
    """How many runs have the same metrics in both records, in words; a run that diverged has none."""
    first, second = (
        {(name, run["seed"]): run["metrics"] for name in common for run in runs_of(record, name) if run["metrics"]}
        for record in records
    )
    both = [run for run in first if run in second]
    same = sum(first[run] == second[run] for run in both)
    return (
        f"Finished runs of the same model and seed: {len(both)}, of which {same} agree in every metric to the last bit."
    )
