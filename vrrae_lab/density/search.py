"""The search for the bandwidth of the highest score."""

import math
from collections.abc import Callable

from vrrae_lab.checks import check_kind, check_number


def best_bandwidth(score: Callable[[float], float], *, low: float = 0.02, high: float = 3.0) -> float:
    """The bandwidth of the highest score, such as a mean log density, to a relative error of about 1e-4.

    Args:
        score: of a bandwidth; with one maximum between `low` and `high`, or else one of its maxima is found.
        low: the smallest bandwidth tried.
        high: the largest.

    Raises:
        ValueError: if the two bounds are not positive, finite and in order.
    """
    check_kind("score", score, Callable, "give a function of a bandwidth")
    check_number("low", low)
    check_number("high", high)
    if not 0 < low < high < math.inf:
        raise ValueError(f"low = {low}, high = {high}: the search needs 0 < low < high, both finite")
    from scipy.optimize import minimize_scalar

    bounds = (math.log(low), math.log(high))
    result = minimize_scalar(lambda t: -score(math.exp(t)), bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return math.exp(result.x)
