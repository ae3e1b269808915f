"""Every check accepts a right answer and names what is wrong with each of the usual wrong ones."""

import numpy as np
import pytest

from vrrae_lab.exercises import check_active_units


def test_active_units_accepts_the_right_answer(capsys):
    check_active_units(lambda means: means.var(axis=0) > 0.01)
    assert "Right" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda means: means.var() > 0.01, "one boolean per coefficient"),
        (lambda means: means.var(axis=1) > 0.01, "axis 0"),
        (lambda means: means.var(axis=0), "not booleans"),
        (lambda means: (means**2).mean(axis=0) > 0.01, "how it varies"),
        (lambda means: np.abs(means).max(axis=0) > 0.01, "how it varies"),
        (lambda means: means.std(axis=0) > 0.01, "not the deviation"),
        (lambda means: means.var(axis=0) > 0.1, "that coefficient is active"),
        (lambda means: means.var(axis=0) < 0, "is active"),
    ],
)
def test_active_units_says_what_is_wrong(answer, hint):
    with pytest.raises(AssertionError, match=hint):
        check_active_units(answer)
