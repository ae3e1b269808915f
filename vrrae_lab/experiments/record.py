"""What every run leaves behind: one JSON file with settings, results, commit, versions, device and duration."""

import json
import os
import platform
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vrrae_lab.checks import check_at_least, check_kind, check_number, check_path
from vrrae_lab.environment import CHANGED, COMPUTING, commit, device, versions

COUNTS = ("num_steps", "image_size", "num_train", "num_test")  # also where the default is None
LINE_END = re.compile(r"(?<![|\n])\n(?![|\n])")  # of text that goes on in the next line
PACKAGES = (*COMPUTING, "numpy", "scikit-learn")


class Record(dict[str, Any]):
    """What a run has left, as read from JSON; a notebook shows its table.

    The runs as a table of pandas: `pandas.json_normalize(record["results"])`, a row for each.
    """

    # that of each study, by the name of its experiment
    tables: ClassVar[dict[str, Callable[[Mapping[str, Any]], str]]] = {}

    def __repr__(self) -> str:
        results = self.get("results", [])
        names = dict.fromkeys(run["model"] for run in results if "model" in run)
        about = f"{len(results)} runs of {', '.join(names)}" if names else f"{len(self)} entries"
        return f"Record of {self.get('experiment', 'a model')}: {about}"

    def _repr_markdown_(self) -> str:
        table = self.tables.get(self.get("experiment", ""))
        if table is None:
            return repr(self)
        lines = LINE_END.sub("  \n", table(self))  # of which Markdown would make one paragraph
        return f"{repr(self)}\n\n{lines}"


def shipped_record(name: str, *instead: str) -> Record:
    """A record that comes with the package (made by `make shipped`).

    Args:
        name: of the record.
        instead: names of others, of which the first that is there is taken where that one is not: a reduced run, say.

    Raises:
        ValueError: if there is none of these names.
    """
    known = _shipped_records()
    found = next((each for each in (name, *instead) if each in known), None)
    if found is None:
        names = " or ".join(map(repr, (name, *instead)))
        raise ValueError(f"no record {names} comes with the package: there are {', '.join(known)}")
    return Record(json.loads(known[found].read_text()))


def _shipped_records() -> dict[str, Path]:
    folder = Path(__file__).parent.parent / "records"
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def read_record(source: str | Path) -> Record:
    """The record in a file, or `record.json` in a folder that an experiment was run in, or a shipped one by its name.

    Raises:
        TypeError: if `source` is neither text nor a path.
        ValueError: if there is no such record, or the file is none.
    """
    check_path("source", source)
    path = Path(source) / "record.json" if Path(source).is_dir() else Path(source)
    if not path.exists() and str(source) in _shipped_records():
        return shipped_record(str(source))
    if not path.exists():
        raise ValueError(
            f"{source}: there is no record; `vrrae-lab run NAME` leaves one in runs/NAME, and these come with the "
            f"package: {', '.join(_shipped_records())}"
        )
    try:
        record = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:  # bad letters, and lists in lists without end, too
        raise ValueError(f"{path} is not a record: it is no JSON ({error})") from error
    if not isinstance(record, dict) or "experiment" not in record:
        raise ValueError(f"{path} is not the record of an experiment")
    return Record(record)


def settings_of(experiment: Any) -> dict[str, Any]:
    """The fields that decide each run of an experiment.

    Not which seeds are run, so that a folder may be given more of them later, nor where data lies on a disk: those
    fields are declared with `compare=False`.
    """
    return {f.name: getattr(experiment, f.name) for f in fields(experiment) if f.compare}


def check_settings(experiment: Any) -> None:
    """Refuse settings of an experiment that its runs would stumble over, before the first of them.

    Counts are 1 or more, the first seed and every weight 0 or more; a tuple has one number of its kind or more.

    Raises:
        TypeError: if a setting is of another kind than its default.
        ValueError: naming the setting and what it may be.
    """
    defaults = type(experiment)
    for field in fields(experiment):
        value, default = getattr(experiment, field.name), getattr(defaults, field.name)
        if value is None and default is None:
            continue
        many = isinstance(default, tuple)
        if many:
            check_kind(field.name, value, tuple, f"give a tuple, such as {default}")
            if not value:
                raise ValueError(f"{field.name} = (): give one or more")
        for part, like in zip(value, default[:1] * len(value), strict=True) if many else [(value, default)]:
            _check_setting(field.name, part, like)


def _check_setting(name: str, value: Any, default: Any) -> None:
    if isinstance(default, float):
        check_number(name, value)
        if not 0 <= value < np.inf:
            raise ValueError(f"{name} = {value}: use a finite number, 0 or more")
    elif isinstance(default, int) and not isinstance(default, bool) or name in COUNTS:
        check_at_least(0 if name == "seed" else 1, name, value)
    elif name in ("data_dir", "manual_dir"):
        check_path(name, value)


def reductions(experiment: Any) -> list[str]:
    """What an experiment's settings reduce or change against the paper's, as "name value instead of value"."""
    full = settings_of(type(experiment)())
    own = settings_of(experiment)
    return [f"{name} {own[name]} instead of {full[name]}" for name in own if own[name] != full[name]]


def environment() -> dict[str, Any]:
    """Commit, versions, device and command of this process."""
    return {
        "commit": commit(),
        "versions": {"python": platform.python_version()} | versions(PACKAGES),
        "device": device() | {"cpu_cores": os.cpu_count()},
        "command": " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]),
    }


def mean_std(values: Sequence[float | int | None], digits: int = 1) -> str:
    """ "mean ± sample standard deviation" of the values that exist, or a dash where none does."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    mean = f"{np.mean(known):.{digits}f}"
    return mean if len(known) == 1 else f"{mean} ± {np.std(known, ddof=1):.{digits}f}"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns also line up in a terminal; the first is flush left, the others right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]

    def line(cells: Sequence[str]) -> str:
        first, *rest = cells
        padded = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
        return f"| {' | '.join(padded)} |"

    return "\n".join([line(head), line(rule), *(line(row) for row in rows)])


def closing_lines(record: Mapping[str, Any], remark: str = "") -> list[str]:
    """What stands under every table: floors, seeds with a remark on them, and what was reduced."""
    seeds = record["seeds"]
    lines = [f"floor: {name} {value:.1f} %" for name, value in record["floors"].items()]
    lines.append(f"seeds {seeds[0]} to {seeds[-1]}" + (f"; {remark}" if remark else ""))
    lines += [f"images: {record['data']['images']}"] if "images" in record["data"] else []
    reduced = record["data"]["reductions"]
    return lines + ([f"reduced: {', '.join(reduced)}"] if reduced else []) + origin_lines(record)


def origin_lines(record: Mapping[str, Any]) -> list[str]:
    """One line on what keeps a record from being made again from a commit on one device; none if nothing does."""
    commits, here = commits_of(record), versions(("vrrae_lab",))["vrrae_lab"]
    version = record.get("versions", {}).get("vrrae_lab", "unknown")
    devices = list(dict.fromkeys(r["device"] for r in record.get("results", []) if "device" in r))
    doubts = [
        "without a commit" if not commits or None in commits else "",
        "from a tree with changes" if any(known and known.endswith(CHANGED) for known in commits) else "",
        f"by version {version}, this is {here}" if version != here else "",
        f"on several devices ({', '.join(devices)})" if len(devices) > 1 else "",
    ]
    found = ", ".join(filter(None, doubts))
    return [f"this record was made {found}"] if found else []


def commits_of(record: Mapping[str, Any]) -> list[str | None]:
    """The commits that a record's runs were made from, each once; None stands for an unknown one."""
    results = record.get("results", [])
    return list(dict.fromkeys(r.get("commit", record.get("commit")) for r in results)) or [record.get("commit")]
