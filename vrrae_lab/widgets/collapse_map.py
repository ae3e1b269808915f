"""Where VAE and VRRAE collapse, from a recorded experiment: a grid to be read, and the runs behind each cell."""

import re
from collections.abc import Mapping
from typing import Any

import traitlets

from vrrae_lab.checks import check_number
from vrrae_lab.widgets.card import Card

RECORD = "collapse_map_16"
NAME = re.compile(r"(.+), (\S+) of the threshold, rate (\S+)")


class CollapseMap(Card):
    """What `collapse_map` returns.

    Attributes:
        beta: of the cell whose runs are shown, per sample, in nats.
        learning_rate: of that cell.
    """

    beta = traitlets.Float().tag(sync=True)
    learning_rate = traitlets.Float().tag(sync=True)
    _grid = traitlets.Dict().tag(sync=True)

    def __init__(self, grid: dict[str, Any], source: str) -> None:
        """Made by `collapse_map`."""
        beta, rate = grid["start"]
        super().__init__("collapse_map", source, _grid=grid, beta=beta, learning_rate=rate)

    @traitlets.validate("beta", "learning_rate")
    def _check(self, proposal: Any) -> float:
        """One of the grid's; a β to three digits is enough."""
        name, value = proposal["trait"].name, proposal["value"]
        check_number(name, value)
        known = self._grid["betas" if name == "beta" else "rates"]
        nearest: float = min(known, key=lambda one: abs(one - value))
        if abs(nearest - value) > 0.01 * nearest:
            raise ValueError(f"{name} = {value}: the record has {', '.join(f'{one:.3g}' for one in known)}")
        return nearest


def collapse_map(record: Mapping[str, Any] | None = None) -> CollapseMap:
    r"""β × learning rate × model: in which share of the runs a coefficient was lost, and the runs behind each cell.

    The line is the β = $2\lambda_1^2$ beyond which every *linear* VAE or VRRAE collapses. Beyond it collapse is what
    the loss wants, below it the optimiser's doing; see `vrrae_lab.experiments.CollapseMap`.

    Args:
        record: of that experiment, as `run` or `shipped_record` return it; by default the shipped one.

    Raises:
        TypeError: if it is no record.
        ValueError: if it is one of another experiment, or has no runs.

    Example:
        >>> widget = vl.widgets.collapse_map()
        >>> widget.beta = 27.7
    """
    from vrrae_lab.experiments import shipped_record
    from vrrae_lab.experiments.collapse_map import thresholds
    from vrrae_lab.experiments.comparison import model_names

    record = shipped_record(RECORD) if record is None else record
    names = {name: found for name in model_names(record) if (found := NAME.fullmatch(name))}
    if record.get("experiment") != "collapse_map" or not names:
        raise ValueError(f"record is one of {record.get('experiment')!r}: give one of collapse_map that has runs")
    settings, seeds = record["settings"], record["seeds"]
    betas = dict(zip(settings["relative_betas"], record["data"]["betas"], strict=True))
    runs = []
    for result in record["results"]:
        model, relative, rate = names[result["model"]].groups()
        found = result["metrics"]
        run = {"model": model, "beta": betas[float(relative)], "rate": float(rate), "seed": result["seed"]}
        error, kl = found.get("test_error", 0.0), sum(found.get("kl_per_coefficient", [0.0]))
        runs.append(run | {"awake": found.get("active_units"), "error": error, "kl": kl})
    rates = sorted({run["rate"] for run in runs})
    size, steps = settings["image_size"], settings["num_steps"]
    about = f"{settings['data']}, {size} × {size} pixels · rank {settings['rank']} · {steps} steps · {len(seeds)} seeds"
    grid = {
        "models": list(dict.fromkeys(run["model"] for run in runs)),
        "betas": list(betas.values()),
        "rates": rates,
        "thresholds": thresholds(record),
        "about": about,
        "start": max(((b, r) for b in betas.values() for r in rates), key=lambda at: _difference(runs, *at)),
        "runs": runs,
    }
    return CollapseMap(grid, f"{' and '.join(grid['models'])} · {about.replace(' · ', ', ')}")


def _difference(runs: list[dict[str, Any]], beta: float, rate: float) -> float:
    """By how much the shares of runs with a lost coefficient differ between models."""
    lost: dict[str, list[bool]] = {}
    for run in runs:
        if (run["beta"], run["rate"]) == (beta, rate) and run["awake"] is not None:
            lost.setdefault(run["model"], []).append(not all(run["awake"]))
    shares = [sum(found) / len(found) for found in lost.values()]
    return max(shares, default=0.0) - min(shares, default=0.0)
