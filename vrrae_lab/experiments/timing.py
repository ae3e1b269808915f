"""Timing that is fair between the ways it compares."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax

from vrrae_lab.train import one_blas_thread


def interleaved_medians(ways: Mapping[str, Callable[[], Any]], *, seconds: float, rounds: int = 40) -> dict[str, float]:
    """Median milliseconds of each way; they take turns, so that a busy moment of the machine hits all of them.

    Args:
        ways: name to what is timed. The first call of each is not counted: it compiles.
        seconds: no round begins after this time but the first.
        rounds: the most turns each way has.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    with one_blas_thread():  # as `fit` does
        for way in ways.values():
            _wait(way())
        started = time.perf_counter()
        for round_number in range(rounds):
            if round_number > 0 and time.perf_counter() - started > seconds:
                break
            for name, way in ways.items():
                before = time.perf_counter()
                _wait(way())
                times[name].append(1000 * (time.perf_counter() - before))
    return {name: statistics.median(taken) for name, taken in times.items()}


def _wait(result: Any) -> None:
    jax.block_until_ready(jax.tree.leaves(eqx.filter(result, eqx.is_array)))
