"""The engine of the experiments: several models, each trained from several seeds, evaluated, recorded, resumable.

Each (model, seed) leaves a checkpoint and a small JSON file as soon as it is finished. Running the same command again
finds the latter and trains only what is missing, from where a run was cut off; a folder that holds runs of other
settings is refused. Where there are several devices, batches are spread over all of them.
"""

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Key

from vrrae_lab import checkpoint
from vrrae_lab.checkpoints import Checkpoints
from vrrae_lab.checks import check_kind
from vrrae_lab.environment import commit, device
from vrrae_lab.experiments.optimizer import adabelief
from vrrae_lab.experiments.plan import Candidate, Plan, slug
from vrrae_lab.experiments.record import Record, commits_of, environment
from vrrae_lab.files import differences, write_json
from vrrae_lab.models import Autoencoder, build, freeze_basis, num_parameters
from vrrae_lab.train import Callback, History, ResumableCallback, fit

CURVE_POINTS = 128
LEAST_BETWEEN_CHECKPOINTS = 100  # steps
SETTINGS = "settings.json"  # beside the checkpoints of an unfinished run


def check_folder(plan: Plan, out: Path) -> None:
    """Refuse a folder with anything of other settings, before something is written; `run` does so too.

    Raises:
        ValueError: naming the settings that differ, or the file that is no record.
    """
    runs = out / "runs"
    for path in (out / "record.json", *sorted(runs.glob("*.json")), *sorted(runs.glob(f"*.unfinished/{SETTINGS}"))):
        if path.exists():
            _checked(path, plan)


def run(plan: Plan, seeds: range, out: Path, *, progress: bool = True) -> dict[str, Any]:
    """Train and evaluate every model from every seed, and write `out`/record.json.

    The seeds run one after another: on a CPU, training them side by side in one vmapped step costs more a seed (see
    `benchmarks/seeds.py`).

    Args:
        plan: what to compare.
        seeds: whole numbers; a seed decides initial weights, data order and noise.
        out: folder of this experiment's results.
        progress: whether to print a line and show a bar per run.

    Returns:
        The record, as written.

    Raises:
        ValueError: if `out` holds runs of other settings.
        KeyboardInterrupt: if interrupted; finished runs stay in `out` and are used next time.
    """
    check_folder(plan, out)
    results = []
    for seed in seeds:  # the outer loop, so that a run cut short has compared all models from the first seeds
        for name, candidate in plan.candidates.items():
            stem = _stem(out, name, seed)
            result = _finished_run(stem, plan)
            if result is None:
                if progress:
                    print(f"training {name}, seed {seed}, {plan.num_steps} steps", flush=True)
                result = _train_and_evaluate(name, candidate, seed, plan, stem, progress)
            elif progress:
                print(f"{name}, seed {seed}: found in {stem.parent}", flush=True)
            results.append(result)
    record = {
        "experiment": plan.name,
        "settings": dict(plan.settings),
        "seeds": list(seeds),
        "floors": dict(plan.floors),
        "data": dict(plan.data),
        "duration_seconds": round(sum(result["seconds"] for result in results), 1),
        **environment(),
        "results": results,
    }
    commits = commits_of(record)
    record["commit"] = commits[0] if len(commits) == 1 else ", ".join(known or "unknown" for known in commits)
    write_json(out / "record.json", record)
    return Record(record)


def _stem(out: Path, name: str, seed: int) -> Path:
    """The path of a run's files, without their endings."""
    return out / "runs" / f"{slug(name)}-seed{seed}"


def _finished_run(stem: Path, plan: Plan) -> dict[str, Any] | None:
    """The result of a run, whose checkpoint need not be there; None if it was not finished."""
    path = stem.with_suffix(".json")
    return _checked(path, plan)["result"] if path.exists() else None


def _checked(path: Path, plan: Plan) -> dict[str, Any]:
    """What a file says of runs, unless they are of another experiment or other settings."""
    try:
        found = dict(json.loads(path.read_text()))
        settings = dict(found["settings"])
        if path.parent.name == "runs":
            dict(found["result"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not the record of a run ({error}): remove it, and the run is made again"
        ) from error
    settings = {"experiment": found.get("experiment", plan.name)} | settings
    # tuples become lists, as in the file
    wanted = {"experiment": plan.name} | json.loads(json.dumps(dict(plan.settings)))
    if other := differences(settings, wanted):
        raise ValueError(
            f"{path.parent} holds runs of other settings ({other}): "
            "choose another folder with --out, or remove that one"
        )
    return found


def _train_and_evaluate(
    name: str, candidate: Candidate, seed: int, plan: Plan, stem: Path, progress: bool
) -> dict[str, Any]:
    started, unfinished = time.perf_counter(), stem.with_suffix(".unfinished")
    model_key, fit_key, evaluation_key = jax.random.split(jax.random.key(seed), 3)
    mesh = _all_devices(candidate.batch_size or plan.batch_size)
    model = build(candidate.constructor, dict(candidate.arguments), key=model_key)
    callback = None if candidate.callback is None else candidate.callback()
    model, history = _train(model, candidate, callback, plan, unfinished, mesh, progress, key=fit_key)
    metrics: dict[str, Any] = {}
    if history.stopped == "finished":
        model = freeze_basis(model, plan.x_train, mesh=mesh)
        metrics = plan.evaluate(model, evaluation_key)
    result = {
        "model": name,
        "seed": seed,
        "parameters": num_parameters(model),
        "stopped": history.stopped,
        "metrics": metrics,
        "convergence": _convergence(history),
        "compile_seconds": round(history.compile_seconds, 2),
        "step_milliseconds": round(1000 * history.seconds / max(1, history.num_steps - 1), 2),
        "seconds": round(time.perf_counter() - started, 1),
        "commit": commit(),
        "device": "{devices} × {kind}".format(**device()),
    }
    if isinstance(callback, ResumableCallback):
        result["callback"] = callback.state()
    if plan.checkpoints:
        notes = {"experiment": plan.name, "model": name, "seed": seed, "settings": dict(plan.settings)}
        checkpoint.save(stem.with_suffix(".ckpt"), model, notes)
    write_json(stem.with_suffix(".json"), _identity(plan) | {"result": result})
    shutil.rmtree(unfinished, ignore_errors=True)
    return result


def _train(
    model: Autoencoder,
    candidate: Candidate,
    callback: Callback | None,
    plan: Plan,
    folder: Path,
    mesh: Mesh | None,
    progress: bool,
    *,
    key: Key[Array, ""],
) -> tuple[Autoencoder, History]:
    """All the steps, from where the checkpoints in `folder` leave off; an interruption goes on to the caller."""
    every = max(LEAST_BETWEEN_CHECKPOINTS, plan.num_steps // 20)
    if every < plan.num_steps:
        write_json(folder / SETTINGS, _identity(plan))
    model, history = fit(
        model,
        plan.x_train,
        loss=candidate.loss,
        optimizer=adabelief(candidate.learning_rate or plan.learning_rate),
        batch_size=candidate.batch_size or plan.batch_size,
        num_steps=plan.num_steps,
        key=key,
        callback=callback,
        checkpoints=Checkpoints(folder, every=every, keep=2) if every < plan.num_steps else None,
        mesh=mesh,
        progress=progress,
    )
    if history.stopped == "interrupted":
        raise KeyboardInterrupt
    return model, history


def _identity(plan: Plan) -> dict[str, Any]:
    """What tells runs that belong together from others."""
    return {"experiment": plan.name, "settings": dict(plan.settings)}


def _all_devices(batch_size: int) -> Mesh | None:
    """All devices if there are several and a batch can be split over them."""
    devices = jax.devices()
    return None if len(devices) == 1 or batch_size % len(devices) else Mesh(np.array(devices), ("batch",))


def _convergence(history: History) -> dict[str, Any]:
    """The loss curve, thinned out, and how much the loss still fell in the last tenth of the steps."""
    steps = np.unique(np.linspace(0, history.num_steps - 1, CURVE_POINTS).astype(int))
    tenth = max(1, history.num_steps // 10)
    losses = history.terms["loss"].astype(float)
    before, after = losses[-2 * tenth : -tenth], losses[-tenth:]
    fall = 100 * (1 - after.mean() / before.mean()) if len(before) and np.isfinite(losses).all() else None
    curves = {
        name: [float(f"{value:.5g}") if np.isfinite(value) else None for value in values[steps].astype(float)]
        for name, values in history.terms.items()
    }
    return {
        "final_loss": float(after.mean()) if np.isfinite(after).all() else None,
        "fall_in_last_tenth_percent": fall,
        "steps": (steps + 1).tolist(),
        "curves": curves,
    }


def model_names(record: Mapping[str, Any]) -> list[str]:
    """The models of a record, each once, in the order of the comparison.

    Raises:
        TypeError: if it is no record.
        ValueError: likewise.
    """
    check_kind("record", record, Mapping, "give what run or shipped_record returns")
    if "results" not in record:
        raise ValueError(f"this is no record of trained models: it has {', '.join(map(str, record))}, and no results")
    results = record["results"]
    if not isinstance(results, list) or not all(map(_is_a_result, results)):
        raise ValueError("this is no record of trained models: a result of it names no model, no seed or no metrics")
    return list(dict.fromkeys(result["model"] for result in results))


def _is_a_result(result: Any) -> bool:
    kinds = {"model": str, "seed": int, "metrics": Mapping}
    return isinstance(result, Mapping) and all(isinstance(result.get(name), kind) for name, kind in kinds.items())


def runs_of(record: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The results of one model in every seed, also of runs that diverged, whose metrics are empty.

    Raises:
        ValueError: if the record has models, but not that one.
    """
    names = model_names(record)
    if names and name not in names:
        raise ValueError(f"the record has no model {name!r}: there are {', '.join(names)}")
    return [result for result in record["results"] if result["model"] == name]


def of_model(record: Mapping[str, Any], name: str, metric: str) -> list[Any]:
    """A metric of one model in every seed that finished.

    Args:
        record: as returned by `run`.
        name: of the model.
        metric: a key of the metrics.

    Raises:
        ValueError: if the record has models, but not that one, or not that metric.
    """
    runs = [run for run in runs_of(record, name) if run["metrics"]]
    known = list(dict.fromkeys(key for run in runs for key in run["metrics"]))
    if known and metric not in known:
        raise ValueError(f"{name} has no metric {metric!r}: there are {', '.join(known)}")
    return [run["metrics"][metric] for run in runs]


def collapsed_shares(record: Mapping[str, Any], name: str) -> dict[int, float]:
    """The share of coefficients that are not active in a model, by seed, for every seed that finished."""
    finished = [run for run in runs_of(record, name) if run["metrics"]]
    return {run["seed"]: 1 - float(np.mean(run["metrics"]["active_units"])) for run in finished}


def load_models(record: Mapping[str, Any], out: Path, seed: int) -> dict[str, Autoencoder]:
    """The trained models of one seed, by name, from the checkpoints in `out`; without those diverged or not kept.

    Raises:
        FileNotFoundError: if no checkpoint is there.
        ValueError: if all models of this seed diverged.
    """
    finished = [r["model"] for r in record["results"] if r["seed"] == seed and r["metrics"]]
    if not finished:
        raise ValueError(f"every model of seed {seed} diverged, so there is none to draw: try a smaller learning rate")
    paths = {name: _stem(out, name, seed).with_suffix(".ckpt") for name in finished}
    kept = {name: path for name, path in paths.items() if path.exists()}
    if not kept:
        raise FileNotFoundError(f"no trained model of seed {seed} is kept in {out / 'runs'}: there is none to draw")
    return {name: checkpoint.load(path)[0] for name, path in kept.items()}
