"""The widget of batch sizes and ranks at the level of traits, against singular values worked out here."""

import jax
import numpy as np
import pytest
import traitlets

import vrrae_lab as vl

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def widget():
    return vl.widgets.batch_truncation(20, rank=6, batch_size=9, key=KEY)


def test_shares_are_those_of_the_singular_values(widget):
    noise = np.asarray(jax.random.normal(KEY, (1024, 20)), float)
    for batch_size in (1, 9, 12, 96, 1024):
        energy = np.zeros(20)
        found = np.linalg.svd(noise[:batch_size], compute_uv=False) ** 2
        energy[: len(found)] = found
        shares = [energy[rank:].sum() / energy.sum() for rank in range(21)]
        np.testing.assert_allclose(widget.dropped[batch_size], shares, atol=1e-12)


def test_the_page_is_given_the_same_shares(widget):
    sent = np.frombuffer(widget._dropped, "<f4").reshape(len(widget._sizes), 21)
    np.testing.assert_allclose(sent, list(widget.dropped.values()), atol=1e-7)
    assert widget._sizes == list(widget.dropped) == sorted(widget._sizes)


def test_a_batch_no_larger_than_the_rank_loses_nothing(widget):
    assert widget.dropped[6][6] < 1e-12 < widget.dropped[8][6]


def test_a_batch_size_is_one_that_was_decomposed(widget):
    for wanted, nearest in ((9, 9), (100, 96), (1000, 1024), (1, 1)):
        widget.batch_size = wanted
        assert widget.batch_size == nearest


@pytest.mark.parametrize(("name", "value"), [("rank", 0), ("rank", 21), ("batch_size", 0), ("batch_size", 1025)])
def test_values_out_of_range_are_refused_and_the_old_ones_stay(widget, name, value):
    before = getattr(widget, name)
    with pytest.raises(traitlets.TraitError, match=f"{name} = {value}: use 1 to"):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


@pytest.mark.parametrize(
    ("latent_size", "rank", "batch_size", "message"),
    [
        (0, 1, 1, "latent_size = 0: use 1 or more"),
        (5, 0, 1, "rank = 0: use 1 or more"),
        (5, 1, 0, "batch_size = 0: use 1 or more"),
        (5, 6, 1, "use a rank up to the latent size"),
        (5, 5, 1025, "a batch size up to 1024"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(latent_size, rank, batch_size, message):
    with pytest.raises(ValueError, match=message):
        vl.widgets.batch_truncation(latent_size, rank=rank, batch_size=batch_size, key=KEY)
