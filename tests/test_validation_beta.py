"""The β of AVAE follows the error on validation images."""

import jax
import numpy as np
import optax
import pytest
from support import linear_nets

from vrrae_lab import ValidationBeta, fit, losses, models
from vrrae_lab.validation_beta import mean_error_norm, root_mean_square_error

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4, 4, 1)).astype(np.float32)
VALIDATION = RNG.normal(size=(20, 4, 4, 1)).astype(np.float32)
LOSS = losses.AggregateMatching(5.0, 0.5, 20)


@pytest.fixture(scope="module")
def model():
    with linear_nets():
        return models.avae((4, 4, 1), 3, key=jax.random.key(0))


def errors(model):
    x_hat = np.asarray(model.reconstruct(VALIDATION), float)
    return np.linalg.norm((x_hat - VALIDATION).reshape(20, -1), axis=1)


@pytest.mark.parametrize(
    ("rule", "naive"),
    [(mean_error_norm, lambda e: e.mean()), (root_mean_square_error, lambda e: np.sqrt((e**2).mean()))],
)
def test_beta_is_the_rule_of_the_validation_error(rule, naive, model):
    callback = ValidationBeta(VALIDATION, 10, rule=rule)
    same, loss = callback(10, model, LOSS, {})
    assert same is model and loss.num_centres == 20
    assert float(loss.beta) == pytest.approx(naive(errors(model)), rel=1e-5)
    assert callback.log == [(10, pytest.approx(float(loss.beta)))]


def test_rules_differ_where_errors_do():
    norms = np.array([1.0, 3.0])
    assert mean_error_norm(norms) == 2.0
    assert root_mean_square_error(norms) == pytest.approx(np.sqrt(5))


def test_beta_has_an_upper_bound(model):
    _, loss = ValidationBeta(VALIDATION, 10, largest=0.25)(10, model, LOSS, {})
    assert float(loss.beta) == 0.25


def test_images_of_bytes_are_taken_as_fractions(model):
    pixels = RNG.integers(0, 256, size=(20, 4, 4, 1), dtype=np.uint8)
    found = ValidationBeta(pixels, 10).error_norms(model)
    wanted = ValidationBeta(pixels.astype(np.float32) / 255, 10).error_norms(model)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_training_uses_the_beta_that_was_set(model):
    callback = ValidationBeta(VALIDATION, 4)
    _, history = fit(
        model,
        X,
        loss=LOSS,
        optimizer=optax.adam(1e-2),
        batch_size=30,
        num_steps=12,
        key=jax.random.key(1),
        callback=callback,
        progress=False,
    )
    terms = history.terms
    used = (terms["loss"] - terms["reconstruction"]) / terms["aggregate_kl"]
    first, second = (event.beta for event in callback.log)
    np.testing.assert_allclose(used, [5.0] * 4 + [first] * 4 + [second] * 4, rtol=2e-3)
    assert second < first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": VALIDATION[:0]}, "no validation images"),
        ({"every": 0}, "every = 0: use 1 or more"),
        ({"largest": 0.0}, "largest = 0.0: use a positive weight"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ValidationBeta(**({"x": VALIDATION, "every": 4} | arguments))


def test_other_losses_and_images_are_refused(model):
    with pytest.raises(ValueError, match=r"loss is a Reconstruction: .*AggregateMatching"):
        ValidationBeta(VALIDATION, 4)(4, model, losses.Reconstruction(), {})
    with pytest.raises(ValueError, match="images have shape"):
        ValidationBeta(np.zeros((2, 5, 5, 1), np.float32), 4)(4, model, LOSS, {})
