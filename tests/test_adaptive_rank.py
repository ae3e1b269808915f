"""The adaptive rank algorithm: its decisions on losses made up for the purpose, and the rank it finds in training."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support import linear_nets

from vrrae_lab import AdaptiveRank, Autoencoder, History, checkpoint, fit, freeze_basis, losses, models
from vrrae_lab import train as loop
from vrrae_lab.adaptive_rank import RankEvent, with_rank
from vrrae_lab.bottlenecks import FixedBasis

pytestmark = pytest.mark.usefixtures("quick_compilation")

LARGEST, TRUE_RANK = 6, 3


@pytest.fixture(scope="module")
def model() -> Autoencoder:
    with linear_nets():
        return models.adaptive_rrae((8, 8, 1), 8, LARGEST, key=jax.random.key(0))


def images(rank: int = TRUE_RANK, noise: float = 0.05) -> np.ndarray:
    """64 images from a space of that many dimensions, with a little noise in all directions."""
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(64, rank)))[0]
    x = 3 * rng.normal(size=(64, rank)) @ directions.T + noise * rng.normal(size=(64, 64))
    return x.reshape(64, 8, 8, 1).astype(np.float32)


def decisions(callback: AdaptiveRank, model: Autoencoder, level: Any, looks: int) -> Autoencoder:
    """Show the callback a loss that depends on the rank and the number of the look."""
    for look in range(looks):
        rank = int(model.bottleneck.basis.active)
        loss = np.full(callback.every, level(rank, look), np.float32)
        model, _ = callback((look + 1) * callback.every, model, LOSS, {"loss": loss})
    return model


def events(callback: AdaptiveRank) -> list[tuple[str, int]]:
    return [(event.event, event.rank) for event in callback.log]


# ---- its decisions


def test_nothing_changes_while_the_loss_falls(model: Autoencoder) -> None:
    callback = AdaptiveRank(10, patience=2)
    changed = decisions(callback, model, lambda rank, look: 0.9**look, 20)
    assert changed is model and callback.log == [] and not callback.settled


def test_falls_at_the_plateau_and_steps_back_up_after_going_too_low(model: Autoencoder) -> None:
    callback = AdaptiveRank(10, patience=3, tolerance=0.02)
    changed = decisions(callback, model, lambda rank, look: 1.0 if rank >= 4 else 2.0, 20)
    assert int(changed.bottleneck.basis.active) == 4 and callback.settled
    # looks 1 to 4: one to compare with, three without improvement; 5 and 6: still at the plateau;
    # 7 to 10 at rank 3: one to compare with, three without improvement; 11: back at the plateau
    assert callback.log == [
        RankEvent(40, "plateau", 6, 1.0),
        RankEvent(40, "fell", 5, 1.0),
        RankEvent(50, "fell", 4, 1.0),
        RankEvent(60, "fell", 3, 1.0),
        RankEvent(100, "rose", 4, 2.0),
        RankEvent(110, "settled", 4, 1.0),
    ]


def test_steps_up_again_where_one_step_is_not_enough(model: Autoencoder) -> None:
    """The loss holds at rank 2 at first, and later needs 5."""
    callback = AdaptiveRank(10, patience=2)
    changed = decisions(callback, model, lambda rank, look: 1.0 if rank >= (2 if look < 7 else 5) else 2.0, 40)
    assert int(changed.bottleneck.basis.active) == 5 and callback.settled
    found = events(callback)
    assert found[-4:] == [("rose", 3), ("rose", 4), ("rose", 5), ("settled", 5)]


def test_waits_as_long_as_the_loss_improves_after_a_fall(model: Autoencoder) -> None:
    callback = AdaptiveRank(10, patience=2)
    slow = [1.0, 1.0, 1.0, 5.0, 4.0, 3.0, 2.5, 2.0, 1.5, 1.01]
    decisions(callback, model, lambda rank, look: slow[look], len(slow))
    assert events(callback) == [("plateau", 6), ("fell", 5), ("fell", 4)]
    impatient = AdaptiveRank(10, patience=2)
    stuck = [1.0, 1.0, 1.0, 5.0, 4.99, 4.98]
    decisions(impatient, model, lambda rank, look: stuck[look], len(stuck))
    assert events(impatient) == [("plateau", 6), ("fell", 5), ("rose", 6)]


def test_settles_at_the_ends_of_the_range(model: Autoencoder) -> None:
    lowest, highest = AdaptiveRank(10, patience=1), AdaptiveRank(10, patience=1)
    assert int(decisions(lowest, model, lambda rank, look: 1.0, 20).bottleneck.basis.active) == 1
    assert int(decisions(highest, model, lambda rank, look: 1.0 + look, 20).bottleneck.basis.active) == LARGEST
    assert events(lowest)[-1] == ("settled", 1) and events(highest)[-1] == ("settled", LARGEST)


def test_good_enough_counts_as_the_plateau(model: Autoencoder) -> None:
    """A loss that would fall towards zero for ever, were the rank not to fall."""
    callback = AdaptiveRank(10, patience=3, good_enough=0.1)
    changed = decisions(callback, model, lambda rank, look: 0.5**look if rank >= 3 else 0.5, 30)
    assert int(changed.bottleneck.basis.active) == 3 and callback.settled
    assert callback.log[0] == RankEvent(50, "plateau", 6, 0.0625)


def test_level_is_the_mean_of_the_losses(model: Autoencoder) -> None:
    callback = AdaptiveRank(4, patience=1, good_enough=10.0)
    callback(4, model, LOSS, {"loss": np.array([1, 2, 3, 6], np.float32)})
    assert callback.log[0].level == 3.0


# ---- in training


def train(model: Autoencoder, callback: AdaptiveRank | None, **changes: Any) -> tuple[Autoencoder, History]:
    settings = {"loss": LOSS, "optimizer": ADAM, "batch_size": 64, "num_steps": 500}
    return fit(model, images(), key=jax.random.key(1), callback=callback, progress=False, **(settings | changes))


LOSS = losses.Reconstruction()
ADAM = optax.adam(1e-2)


@pytest.fixture(scope="module")
def adapted(model: Autoencoder) -> tuple[Autoencoder, AdaptiveRank]:
    callback = AdaptiveRank(25, patience=3, tolerance=0.05)
    return train(model, callback)[0], callback


def test_finds_the_rank_of_the_data_from_a_larger_start(adapted: tuple[Autoencoder, AdaptiveRank]) -> None:
    trained, callback = adapted
    assert int(trained.bottleneck.basis.active) == TRUE_RANK and callback.settled
    ranks = [event.rank for event in callback.log]
    assert ranks[0] == LARGEST and min(ranks) == TRUE_RANK - 1  # it went too low, and came back
    assert all(event.step % 25 == 0 for event in callback.log)


@pytest.mark.parametrize("centre", [False, True])
def test_variational_model_finds_it_too(centre: bool) -> None:
    with linear_nets():
        model = models.adaptive_vrrae((8, 8, 1), 8, LARGEST, centre=centre, key=jax.random.key(0))
    callback = AdaptiveRank(25, patience=3, good_enough=1.5)  # rank 2 leaves more than 6
    trained, _ = train(model, callback, loss=losses.Variational(0.05), num_steps=700)
    assert int(trained.bottleneck.basis.active) == TRUE_RANK and callback.settled
    assert callback.log[-2].event == "rose"


def test_frozen_model_has_the_rank_that_was_reached(adapted: tuple[Autoencoder, AdaptiveRank], tmp_path: Path) -> None:
    trained, _ = adapted
    x = images()
    frozen = freeze_basis(trained, x)
    basis = frozen.bottleneck.basis
    assert isinstance(basis, FixedBasis) and basis.matrix.shape == (8, TRUE_RANK)
    assert frozen.recipe == ("rrae", (("shape", (8, 8, 1)), ("latent_size", 8), ("rank", TRUE_RANK)))
    expected = trained(jnp.asarray(x), key=jax.random.key(0)).x_hat
    np.testing.assert_allclose(frozen.reconstruct(x), expected, atol=1e-3)
    with linear_nets():
        for path, kept in ((tmp_path / "adapted.ckpt", trained), (tmp_path / "frozen.ckpt", frozen)):
            checkpoint.save(path, kept)
            loaded, _ = checkpoint.load(path)
            assert jax.tree.structure(loaded) == jax.tree.structure(kept)
            for found, wanted in zip(jax.tree.leaves(loaded), jax.tree.leaves(kept), strict=True):
                np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("name", ["adaptive_vrrae", "rrae_vae"])
def test_frozen_variational_model_is_the_same_function(name: str, centre: bool) -> None:
    with linear_nets():
        sizes = {"shape": (8, 8, 1), "latent_size": 8, "rank": 4, "centre": centre}
        model = models.build(name, sizes, key=jax.random.key(0))
    model = with_rank(model, 2) if name == "adaptive_vrrae" else model
    rank, x = (2 if name == "adaptive_vrrae" else 4), images()
    frozen = freeze_basis(model, x)
    expected, found = model.encode(x), frozen.encode(x)
    np.testing.assert_allclose(found.mean, expected.mean[:, :rank], atol=1e-4)
    np.testing.assert_allclose(found.log_variance, expected.log_variance[:, :rank], atol=1e-4)
    assert frozen.bottleneck.basis.centre == centre


@pytest.mark.parametrize("seconds_between_reports", [0.0, 1e9])
def test_result_does_not_depend_on_how_often_fit_reports(
    seconds_between_reports: float,
    model: Autoencoder,
    adapted: tuple[Autoencoder, AdaptiveRank],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_REPORTS", seconds_between_reports)
    callback = AdaptiveRank(25, patience=3, tolerance=0.05)
    again, _ = train(model, callback)
    assert callback.log == adapted[1].log
    assert all(map(np.array_equal, jax.tree.leaves(again), jax.tree.leaves(adapted[0])))


class Counted(eqx.Module):
    """The reconstruction; says when it is traced."""

    traces: "Traces" = eqx.field(static=True)

    def __call__(self, model: Autoencoder, batch: jax.Array, *, key: jax.Array) -> tuple[jax.Array, dict[str, Any]]:
        self.traces.count += 1
        return losses.Reconstruction()(model, batch, key=key)


class Traces:
    count = 0


def test_a_step_is_compiled_once_for_all_ranks(model: Autoencoder) -> None:
    traces, callback = Traces(), AdaptiveRank(2, patience=1, good_enough=1e9)
    train(model, callback, loss=Counted(traces), num_steps=16)
    assert {event.rank for event in callback.log} == {1, 2, 3, 4, 5, 6}
    assert traces.count == 1


# ---- refused


@pytest.mark.parametrize("name", ["rrae", "vae"])
def test_model_of_fixed_rank_is_refused(name: str) -> None:
    sizes = {"shape": (8, 8, 1), "latent_size": 4} | ({"rank": 2} if name == "rrae" else {})
    with linear_nets():
        model = models.build(name, sizes, key=jax.random.key(0))
    with pytest.raises(ValueError, match="rank of this model is fixed: use models.adaptive_rrae"):
        AdaptiveRank()(50, model, LOSS, {"loss": np.ones(50)})
    with pytest.raises(ValueError, match="rank of this model is fixed: use models.adaptive_rrae"):
        with_rank(model, 2)


@pytest.mark.parametrize("rank", [0, LARGEST + 1])
def test_rank_out_of_range_is_refused(rank: int, model: Autoencoder) -> None:
    with pytest.raises(ValueError, match=f"rank = {rank}: use 1 to 6"):
        with_rank(model, rank)


def test_second_run_with_the_same_object_is_refused(model: Autoencoder) -> None:
    callback = AdaptiveRank(10)
    callback(10, model, LOSS, {"loss": np.ones(10)})
    with pytest.raises(ValueError, match="step 10 after step 10: make a new AdaptiveRank"):
        callback(10, model, LOSS, {"loss": np.ones(10)})


BAD = {"every": 0, "patience": 0, "tolerance": 0.0, "good_enough": -1.0}


@pytest.mark.parametrize("name", BAD)
def test_bad_settings_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} = {BAD[name]}: use"):
        AdaptiveRank(**{name: BAD[name]})
