"""The slider of β at the level of traits: who collapses, and when the next one does."""

import math

import numpy as np
import pytest

import vrrae_lab as vl


def at(widget, beta):
    widget.sliders[0].value = math.log10(beta)
    assert widget.message.value == ""
    return widget.caption.value


def test_coefficients_go_one_by_one_the_smallest_first():
    widget = vl.widgets.linear_collapse([4.0, 1.0, 2.0, 0.5])  # gone at β = 8, 2, 4, 1
    assert "collapsed: none; the next one goes at β = 1" in at(widget, 0.9)
    assert "collapsed: 4; the next one goes at β = 2" in at(widget, 1.2)
    assert "collapsed: 2, 4; the next one goes at β = 4" in at(widget, 3)
    assert "collapsed: 2, 3, 4; the next one goes at β = 8" in at(widget, 7)
    assert at(widget, 9).endswith("collapsed: 1, 2, 3, 4")


def test_the_picture_follows_and_reset_goes_back():
    widget = vl.widgets.linear_collapse(np.array([4.0, 0.5]))
    first = bytes(widget.image.value)
    at(widget, 0.8)
    second = bytes(widget.image.value)
    at(widget, 2.0)
    assert len({first, second, bytes(widget.image.value)}) == 3
    widget.reset()
    assert bytes(widget.image.value) == first


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("eigenvalues", [[], [1.0, 0.0], [-1.0], [math.nan], [math.inf], [[1.0]]])
def test_bad_eigenvalues_are_refused(eigenvalues):
    with pytest.raises(ValueError, match="each finite and above 0"):
        vl.widgets.linear_collapse(eigenvalues)
