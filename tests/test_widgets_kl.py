"""The KL widget: its values, and what it refuses. What it draws is tested in the browser."""

import pytest

from vrrae_lab.widgets.kl import kl


def test_what_is_asked_for_is_what_the_widget_holds_and_can_be_set():
    widget = kl(mean=-1, standard_deviation=0.5, means=[1, -2])
    assert (widget.mean, widget.standard_deviation, widget.means) == (-1.0, 0.5, [1.0, -2.0])
    widget.mean = 2.0
    assert widget.get_state("mean") == {"mean": 2.0}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"mean": 4}, "mean = 4: use −3 to 3"),
        ({"standard_deviation": 0.01}, "standard_deviation = 0.01: use 0.05 to 2.5"),
        ({"standard_deviation": 0}, "standard_deviation"),
        ({"means": []}, "give 1 to 16 numbers"),
        ({"means": [0.0] * 17}, "give 1 to 16 numbers"),
        ({"means": [float("nan")]}, "give 1 to 16 numbers"),
    ],
)
def test_what_does_not_fit_the_axes_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        kl(**arguments)
