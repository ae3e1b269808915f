"""The widget of singular values and β at the level of traits: the linear law, and a record that was made up here."""

import copy
import math

import numpy as np
import pytest
import traitlets

import vrrae_lab as vl

MOMENTS = np.random.default_rng(0).uniform(0, 2, (3, 4, 2, 2)).round(3)  # β, steps, kinds, coefficients
BETAS, STEPS = [0.1, 1.0, 10.0], [2, 4, 8, 20]
RECORD = {
    "experiment": "beta_training",
    "settings": {"betas": BETAS, "num_steps": 20, "num_train": 100, "data": "bumps", "image_size": 16},
    "data": {"eigenvalues": [3.0, 0.5]},
    "results": [
        {
            "model": f"VRRAE, beta {beta:g}",
            "seed": 0,
            "metrics": {"moments": found[-1].tolist()},
            "callback": {"steps": STEPS[:-1], "moments": found[:-1].tolist()},
        }
        for beta, found in zip(BETAS, MOMENTS, strict=True)
    ],
}


def test_coefficients_of_a_linear_model_go_one_by_one_the_smallest_first():
    widget = vl.widgets.spectrum([4.0, 1.0, 2.0, 0.5])  # gone at β = 8, 2, 4, 1
    for beta, lost in ((0.9, []), (1.2, [3]), (3.0, [1, 3]), (7.0, [1, 2, 3]), (9.0, [0, 1, 2, 3])):
        widget.beta = beta
        signal, noise = widget.moments
        assert np.flatnonzero(signal == 0).tolist() == lost
        np.testing.assert_allclose(signal + noise, 1)
        np.testing.assert_allclose(noise, np.minimum(beta / np.array([8, 2, 4, 1]), 1))


def test_beta_stays_on_the_axis():
    widget = vl.widgets.spectrum([4.0, 0.5])
    least, most = widget._betas
    assert least < 1 < 8 < most
    for value, kept in ((1e-9, least), (1e9, most), (2.0, 2.0)):
        widget.beta = value
        assert widget.beta == kept


def test_the_moments_of_a_record_are_those_of_the_nearest_beta_and_step():
    widget = vl.widgets.spectrum(RECORD)
    assert (widget.beta, widget.step, widget.eigenvalues) == (1.0, 20, [3.0, 0.5])
    for beta, b in ((0.2, 0), (0.9, 1), (50, 2)):
        for step, n in ((1, 0), (5, 1), (9, 2), (1000, 3)):
            widget.beta, widget.step = beta, step
            assert (widget.beta, widget.step) == (BETAS[b], STEPS[n])
            np.testing.assert_array_equal(widget.moments, MOMENTS[b, n])
    sent = np.frombuffer(widget._moments, "<f4").reshape(MOMENTS.shape)
    np.testing.assert_allclose(sent, MOMENTS, rtol=1e-6)


def test_a_run_that_diverged_is_left_out():
    record = copy.deepcopy(RECORD)
    record["results"][1]["metrics"] = {}
    widget = vl.widgets.spectrum(record)
    assert widget._betas == [0.1, 10.0]
    widget.beta, widget.step = 10, 4
    np.testing.assert_array_equal(widget.moments, MOMENTS[2, 1])


@pytest.mark.parametrize("beta", [0.0, -1.0, math.nan, math.inf])
def test_a_beta_that_is_none_is_refused(beta):
    widget = vl.widgets.spectrum([1.0])
    with pytest.raises(traitlets.TraitError, match="use a finite number above 0"):
        widget.beta = beta


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("eigenvalues", [[], [1.0, 0.0], [-1.0], [math.nan], [math.inf], [[1.0]]])
def test_bad_eigenvalues_are_refused(eigenvalues):
    with pytest.raises(ValueError, match="each finite and above 0, or a record"):
        vl.widgets.spectrum(eigenvalues)


def test_a_record_of_another_kind_is_refused():
    other = vl.experiments.shipped_record("beta_sweep_fast")
    with pytest.raises(ValueError, match="give one of experiments.BetaTraining"):
        vl.widgets.spectrum(other)
