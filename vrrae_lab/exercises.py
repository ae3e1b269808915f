"""The notebooks' exercises: each `check_*` tries a reader's answer and says what is wrong with it.

A check returns nothing when the answer is right, after printing so; otherwise it raises an `AssertionError` whose
message is a hint.
"""

from collections.abc import Callable

import numpy as np


def check_active_units(answer: Callable[[np.ndarray], np.ndarray]) -> None:
    """Notebook 03: which coefficients are active (Burda, Grosse & Salakhutdinov, arXiv 1509.00519, section 5)?

    Args:
        answer: maps posterior means (batch, rank) to one boolean per coefficient: variance over the batch > 0.01.

    Raises:
        AssertionError: with a hint, if the answer is wrong.
    """
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], size=(400, 1))
    # columns of standard deviation 1, 0.15, 0.05, and a constant 3
    means = np.hstack([signs, 0.15 * signs, 0.05 * signs, np.full_like(signs, 3.0)])
    found = np.asarray(answer(means))
    assert found.shape == (4,), (
        f"one boolean per coefficient is wanted, shape (4,), but the answer has shape {found.shape}: "
        "take the variance over the batch, axis 0"
    )
    assert found.dtype == bool, f"the answer holds {found.dtype}, not booleans: compare with the threshold using >"
    assert not found[3], (
        "a coefficient that is 3 for every image tells the decoder nothing, yet it was called active: "
        "look at how it varies, not at how large it is"
    )
    assert not found[2], (
        "a standard deviation of 0.05 is a variance of 0.0025, below 0.01: compare the variance, not the deviation"
    )
    assert found[1], "a standard deviation of 0.15 is a variance of 0.0225, above 0.01: that coefficient is active"
    assert found[0], "a coefficient that is ±1 was called collapsed"
    print("Right: the first two are active, the last two have collapsed.")
