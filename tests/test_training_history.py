"""The history of a run as it is printed."""

import numpy as np

from vrrae_lab.train import History


def test_a_history_is_printed_in_one_line() -> None:
    terms = {"loss": np.linspace(9, 1.5, 4000), "kl": np.full(4000, 0.25)}
    assert repr(History(terms, "finished", 3.25, 1.0)) == "History(finished at step 4000, loss 1.5, kl 0.25; 4.2 s)"


def test_a_history_without_steps_is_printed_too() -> None:
    assert repr(History({"loss": np.zeros(0)}, "interrupted", 0.0, 0.0)) == "History(interrupted at step 0; 0.0 s)"
