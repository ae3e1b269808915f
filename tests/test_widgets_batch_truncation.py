"""The sliders of rank and batch size at the level of traits, against singular values worked out here."""

import jax
import numpy as np
import pytest

import vrrae_lab as vl

KEY = jax.random.key(0)


def test_shares_are_those_of_the_singular_values():
    widget = vl.widgets.batch_truncation(20, rank=6, batch_size=8, key=KEY)
    noise = np.asarray(jax.random.normal(KEY, (1024, 20)), float)
    for rank, batch_size in ((6, 8), (3, 8), (3, 100)):
        widget.sliders[0].value, widget.sliders[1].value = rank, batch_size
        energy = np.linalg.svd(noise[:batch_size], compute_uv=False) ** 2
        share = 100 * energy[rank:].sum() / energy.sum()
        assert widget.message.value == ""
        assert widget.caption.value == (
            f"rank {rank} of 20: the SVD of each batch of {batch_size} drops {share:.1f} %<br>"
            f"one basis for all drops {100 - 5 * rank:.1f} %"
        )


def test_a_batch_no_larger_than_the_rank_loses_nothing():
    widget = vl.widgets.batch_truncation(20, rank=8, batch_size=8, key=KEY)
    assert "batch of 8 drops 0.0 %" in widget.caption.value
    widget.sliders[0].value, widget.sliders[1].value = 20, 1
    assert "batch of 1 drops 0.0 %<br>one basis for all drops 0.0 %" in widget.caption.value


def test_the_picture_follows_and_reset_goes_back():
    widget = vl.widgets.batch_truncation(20, rank=6, batch_size=8, key=KEY)
    pictures = [bytes(widget.image.value)]
    widget.sliders[0].value = 12
    pictures.append(bytes(widget.image.value))
    widget.sliders[1].value = 500
    pictures.append(bytes(widget.image.value))
    assert len(set(pictures)) == 3
    widget.reset()
    assert bytes(widget.image.value) == pictures[0]


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
