"""Training: the order of the data, the update itself, interruption, divergence, and input that is refused."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib
from support import compilations, linear_nets
from threadpoolctl import threadpool_info, threadpool_limits

from vrrae_lab import Autoencoder, Checkpoints, History, compilation, data, fit, interrupts, losses, models
from vrrae_lab import train as loop
from vrrae_lab.train import steps_in_epochs

X = data.bumps(25, 8).x
KEY = jax.random.key(7)
LOSS = losses.Variational(0.5)
OPTIMIZER = optax.sgd(1e-3, momentum=0.9)  # it has a state, and compiles faster than its adaptive relatives


@pytest.fixture(scope="module")
def start() -> Autoencoder:
    with linear_nets():
        return models.vae((8, 8, 1), 3, key=jax.random.key(0))


@pytest.fixture(scope="module")
def low_rank() -> Autoencoder:
    with linear_nets():
        return models.vrrae((8, 8, 1), 5, 2, key=jax.random.key(0))


def train(model: Autoencoder, x: Any = X, **changes: Any) -> tuple[Autoencoder, History]:
    settings = {"loss": LOSS, "optimizer": OPTIMIZER, "batch_size": 8, "num_steps": 7, "key": KEY, "progress": False}
    return fit(model, x, **(settings | changes))


def assert_same_model(a: Autoencoder, b: Autoencoder) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for left, right in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(left, right)


def same_model(a: Autoencoder, b: Autoencoder) -> bool:
    return all(map(np.array_equal, jax.tree.leaves(a), jax.tree.leaves(b)))


# ---- what is learned


def test_same_key_gives_the_same_bits(start: Autoencoder) -> None:
    first, history = train(start)
    again, history_again = train(start)
    assert_same_model(first, again)
    for name, values in history.terms.items():
        np.testing.assert_array_equal(values, history_again.terms[name])


def test_other_key_gives_another_model(start: Autoencoder) -> None:
    first, history = train(start)
    other, other_history = train(start, key=jax.random.key(8))
    assert not same_model(first, other)
    assert not np.array_equal(history.terms["loss"], other_history.terms["loss"])


@pytest.mark.parametrize("memory", [None, {"bytes_limit": 10**9}, {"bytes_limit": 100}], ids=["none", "much", "little"])
def test_bytes_are_fractions_of_255_wherever_they_lie(monkeypatch, low_rank: Autoencoder, memory: Any) -> None:
    """In memory, and on a device that has room for them or has not; they stay bytes until a step."""
    pixels = np.random.default_rng(0).integers(0, 256, X.shape, np.uint8)
    expected, history = train(low_rank, pixels.astype(np.float32) / 255)
    own, device = jax.local_devices, SimpleNamespace(memory_stats=lambda: memory)
    monkeypatch.setattr(jax, "local_devices", lambda **asked: own(**asked) if asked else [device])
    kept = loop.TrainingImages(pixels)._x
    assert isinstance(kept, jax.Array if memory and memory["bytes_limit"] > 1000 else np.ndarray)
    assert kept.dtype == np.uint8
    found, own_history = train(low_rank, pixels)
    for name, values in history.terms.items():
        np.testing.assert_allclose(own_history.terms[name], values, rtol=1e-4)
    ours, theirs = (
        models.freeze_basis(m, pixels).encode(x).mean
        for m, x in ((found, pixels), (expected, pixels / np.float32(255)))
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_loss_falls(start: Autoencoder) -> None:
    _, history = train(start, num_steps=300)
    assert history.terms["loss"][-10:].mean() < 0.5 * history.terms["loss"][:10].mean()


def test_history_has_every_term_at_every_step(start: Autoencoder) -> None:
    _, history = train(start, num_steps=11)
    assert set(history.terms) == {"loss", "reconstruction", "kl"}
    assert all(values.shape == (11,) for values in history.terms.values())
    np.testing.assert_allclose(
        history.terms["loss"], history.terms["reconstruction"] + 0.5 * history.terms["kl"], rtol=1e-6
    )
    assert history.stopped == "finished" and history.num_steps == 11


def test_seconds_of_the_first_step_and_of_the_others_add_up(start: Autoencoder) -> None:
    called = time.perf_counter()
    _, history = train(start, optimizer=optax.sgd(1.7e-3))  # a rate of its own, so that the step is compiled anew
    elapsed = time.perf_counter() - called
    assert history.seconds > 0 and history.compile_seconds > history.seconds
    assert history.seconds + history.compile_seconds < elapsed


def test_a_step_updates_the_state_in_place(start: Autoencoder) -> None:
    """The old weights' memory is taken over by the new ones."""
    run = loop.Run(start, LOSS, OPTIMIZER, KEY, None, None)
    before = jax.tree.leaves(eqx.filter(run.state, eqx.is_array))
    run.advance(iter([jnp.asarray(X[:8])]))
    assert all(leaf.is_deleted() for leaf in before)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(eqx.filter((run.state, start), eqx.is_array)))


def test_given_model_is_left_as_it_was(start: Autoencoder) -> None:
    before = jax.tree.map(np.array, start)
    trained, _ = train(start)
    assert_same_model(jax.tree.map(np.asarray, start), before)
    assert not same_model(trained, start)
    assert start(jnp.asarray(X), key=KEY).x_hat.shape == X.shape  # its buffers were not given away


def test_training_can_go_on_from_a_trained_model(start: Autoencoder) -> None:
    once, _ = train(start)
    twice, _ = train(once)
    assert not same_model(once, twice)


def test_agrees_with_a_plain_loop(start: Autoencoder) -> None:
    @eqx.filter_jit
    @eqx.filter_value_and_grad
    def value_and_grad(model: Autoencoder, batch: jax.Array, key: jax.Array) -> jax.Array:
        posterior = model.bottleneck.encode(model.encoder(batch))
        x_hat = model(batch, key=key).x_hat
        kl = 0.5 * (posterior.mean**2 + posterior.standard_deviation**2 - 1 - posterior.log_variance)
        return (jnp.sum((x_hat - batch) ** 2) + 0.5 * jnp.sum(kl)) / 8

    order_key, noise_key = jax.random.split(KEY)
    model, optimizer_state = start, OPTIMIZER.init(eqx.filter(start, eqx.is_inexact_array))
    losses = []
    for step in range(7):
        epoch, place = divmod(step, 25 // 8)
        permutation = np.asarray(jax.random.permutation(jax.random.fold_in(order_key, epoch), 25))
        batch = jnp.asarray(X[permutation[8 * place : 8 * place + 8]])
        loss, gradient = value_and_grad(model, batch, jax.random.fold_in(noise_key, step))
        updates, optimizer_state = OPTIMIZER.update(gradient, optimizer_state)
        model = eqx.apply_updates(model, updates)
        losses.append(float(loss))

    trained, history = train(start)
    np.testing.assert_allclose(history.terms["loss"], losses, rtol=1e-5)
    for left, right in zip(jax.tree.leaves(trained), jax.tree.leaves(model), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)


def test_optimizer_sees_the_parameters(start: Autoencoder) -> None:
    decay_alone = optax.chain(optax.scale(0.0), optax.add_decayed_weights(-0.1))
    trained, _ = train(start, optimizer=decay_alone, num_steps=1)
    for left, right in zip(jax.tree.leaves(trained), jax.tree.leaves(start), strict=True):
        np.testing.assert_allclose(left, 0.9 * right, rtol=1e-5)


def test_trains_through_the_svd(low_rank: Autoencoder) -> None:
    trained, history = train(low_rank, num_steps=100)
    assert history.terms["loss"][-5:].mean() < 0.8 * history.terms["loss"][:5].mean()
    assert not models.is_frozen(trained)


# ---- the order of the data


class Ids(eqx.Module):
    """A loss that reports which images are in its batch, by the value of their first pixel."""

    count: int = eqx.field(static=True)

    def __call__(self, model: Autoencoder, batch: jax.Array, *, key: jax.Array) -> tuple[jax.Array, dict[str, Any]]:
        value = 1e-3 * jnp.mean(model(batch, key=key).x_hat ** 2)
        return value, {str(i): batch[i, 0, 0, 0] for i in range(self.count)}


@pytest.fixture(scope="module")
def visited(start: Autoencoder) -> np.ndarray:
    """Number of the image at each step and place of the batch; 11 images, batches of 3, 4 epochs."""
    x = np.zeros((11, 8, 8, 1), np.float32) + np.arange(11, dtype=np.float32)[:, None, None, None]
    _, history = train(start, x, loss=Ids(3), batch_size=3, num_steps=12)
    return np.stack([history.terms[str(i)] for i in range(3)], axis=1).astype(int)


def test_each_epoch_visits_distinct_images_and_drops_the_remainder(visited: np.ndarray) -> None:
    for epoch in visited.reshape(4, 9):
        assert len(set(epoch)) == 9
        assert set(epoch) <= set(range(11))


def test_each_epoch_has_its_own_order(visited: np.ndarray) -> None:
    epochs = [tuple(epoch) for epoch in visited.reshape(4, 9)]
    assert len(set(epochs)) == 4
    assert len({frozenset(epoch) for epoch in epochs}) > 1  # nor are the same images dropped each time
    assert all(list(epoch) != sorted(epoch) for epoch in epochs)


def test_batch_of_all_images_has_each_once(start: Autoencoder) -> None:
    x = np.zeros((3, 8, 8, 1), np.float32) + np.arange(3, dtype=np.float32)[:, None, None, None]
    _, history = train(start, x, loss=Ids(3), batch_size=3, num_steps=4)
    for step in range(4):
        assert sorted(history.terms[str(i)][step] for i in range(3)) == [0, 1, 2]


def test_steps_in_epochs() -> None:
    assert steps_in_epochs(20.0, 100, 64) == 20
    assert steps_in_epochs(20.0, 60_000, 576) == 2080
    assert steps_in_epochs(2.5, 10, 4) == 5
    assert steps_in_epochs(0.01, 100, 10) == 1


# ---- how it runs


@pytest.mark.parametrize("seconds_between_reports", [0.0, 1e9])
def test_result_does_not_depend_on_how_often_it_reports(
    seconds_between_reports: float, start: Autoencoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, wanted_history = train(start, num_steps=23)
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_REPORTS", seconds_between_reports)
    found, history = train(start, num_steps=23)
    assert_same_model(found, wanted)
    np.testing.assert_array_equal(history.terms["loss"], wanted_history.terms["loss"])


def test_float64_images_and_jax_arrays_are_taken(start: Autoencoder) -> None:
    wanted, _ = train(start)
    for x in (X.astype(np.float64), jnp.asarray(X)):
        assert_same_model(train(start, x)[0], wanted)


def test_progress_bar_is_shown_on_request_only(start: Autoencoder, capsys: pytest.CaptureFixture[str]) -> None:
    train(start, progress=False)
    shown = capsys.readouterr()
    assert shown.out == shown.err == ""
    train(start, progress=True)
    shown = capsys.readouterr()
    assert shown.out == "" and "0/7" in shown.err


class Watching(eqx.Module):
    """The usual loss; it looks about while it is traced."""

    look: Callable[[], None] = eqx.field(static=True)

    def __call__(self, model: Autoencoder, batch: jax.Array, *, key: jax.Array) -> tuple[jax.Array, losses.Terms]:
        self.look()
        return LOSS(model, batch, key=key)


def test_blas_has_one_thread_while_training_and_its_own_number_again_afterwards(start: Autoencoder) -> None:
    def blas_threads() -> list[int]:
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    seen: list[list[int]] = []
    with loop.one_blas_thread():
        pass  # it loads SciPy's BLAS, which counts too
    with threadpool_limits(2, user_api="blas"):  # whatever an earlier test has left
        before = blas_threads()
        train(start, num_steps=1, loss=Watching(lambda: seen.append(blas_threads())))
        assert blas_threads() == before
    assert seen and all(set(threads) == {1} for threads in seen)


def test_trains_in_another_thread(start: Autoencoder) -> None:
    results = []
    thread = threading.Thread(target=lambda: results.append(train(start)))
    thread.start()
    thread.join()
    assert results[0][1].stopped == "finished"
    assert_same_model(results[0][0], train(start)[0])


# ---- a callback


class Recorder:
    """Adds 1 to a bias at every call; keeps what it has been given."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.calls: list[tuple[int, Autoencoder, dict[str, np.ndarray]]] = []

    def __call__(
        self, step: int, model: Autoencoder, loss: losses.Loss, terms: dict[str, np.ndarray]
    ) -> tuple[Autoencoder, losses.Loss]:
        self.calls.append((step, model, terms))
        return eqx.tree_at(lambda m: m.decoder.linear.bias, model, replace_fn=lambda bias: bias + 1), loss


@pytest.mark.parametrize("seconds_between_reports", [0.0, 1e9])
def test_callback_is_called_at_its_steps_with_the_terms_since(
    seconds_between_reports: float, start: Autoencoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_REPORTS", seconds_between_reports)
    recorder = Recorder(5)
    _, history = train(start, num_steps=20, callback=recorder)
    assert [step for step, _, _ in recorder.calls] == [5, 10, 15]  # not at 20, when nothing is left to train
    assert history.num_steps == 20
    for step, _, terms in recorder.calls:
        assert set(terms) == set(history.terms)
        for name, values in terms.items():
            np.testing.assert_array_equal(values, history.terms[name][step - 5 : step])


def test_training_goes_on_with_what_the_callback_returns(start: Autoencoder) -> None:
    recorder = Recorder(3)
    found, _ = train(start, optimizer=optax.sgd(0.0), callback=recorder)  # steps 3 and 6 of 7
    np.testing.assert_allclose(found.decoder.linear.bias, start.decoder.linear.bias + 2, rtol=1e-6)
    np.testing.assert_array_equal(found.encoder.linear.weight, start.encoder.linear.weight)


def test_training_goes_on_with_the_loss_the_callback_returns(start: Autoencoder) -> None:
    class Doubles(Recorder):
        def __call__(
            self, step: int, model: Autoencoder, loss: losses.Loss, terms: dict[str, np.ndarray]
        ) -> tuple[Autoencoder, losses.Loss]:
            assert isinstance(loss, losses.Variational)
            return model, losses.Variational(2 * loss.beta)

    train(start, num_steps=6, loss=losses.Variational(0.3), callback=Doubles(2))
    with compilations() as programs:
        _, history = train(start, num_steps=6, loss=losses.Variational(0.5), callback=Doubles(2))
    assert programs == []  # another β is the same program
    terms = history.terms
    beta = (terms["loss"] - terms["reconstruction"]) / terms["kl"]
    np.testing.assert_allclose(beta, [0.5, 0.5, 1, 1, 2, 2], rtol=1e-3)


def test_callback_may_keep_the_models_it_sees_and_returns(start: Autoencoder) -> None:
    recorder = Recorder(3)
    train(start, callback=recorder)
    expected, _ = train(start, num_steps=3)
    assert_same_model(recorder.calls[0][1], expected)
    assert np.isfinite(recorder.calls[1][1].decoder.linear.bias).all()


def test_callback_that_changes_nothing_changes_nothing(start: Autoencoder) -> None:
    class Onlooker(Recorder):
        def __call__(
            self, step: int, model: Autoencoder, loss: losses.Loss, terms: dict[str, np.ndarray]
        ) -> tuple[Autoencoder, losses.Loss]:
            self.calls.append((step, model, terms))
            return model, loss

    onlooker = Onlooker(2)
    found, history = train(start, num_steps=23, callback=onlooker)
    wanted, wanted_history = train(start, num_steps=23)
    assert len(onlooker.calls) == 11
    assert_same_model(found, wanted)
    np.testing.assert_array_equal(history.terms["loss"], wanted_history.terms["loss"])


def test_callback_is_not_called_once_the_run_is_over(start: Autoencoder) -> None:
    recorder = Recorder(1)
    with pytest.warns(UserWarning, match="the loss became"):
        _, history = train(start, X * np.float32(1e30), num_steps=30, callback=recorder)
    assert len(recorder.calls) == history.num_steps - 1


@pytest.mark.parametrize("every", [0, -3])
def test_callback_without_an_interval_is_refused(every: int, start: Autoencoder) -> None:
    with pytest.raises(ValueError, match=f"callback.every = {every}: use 1 step or more"):
        train(start, callback=Recorder(every))


# ---- equal calls, and what optimizers and losses give


class Scaled(eqx.Module):
    """The usual loss times a number that is a Python float."""

    factor: float

    def __call__(self, model: Autoencoder, batch: jax.Array, *, key: jax.Array) -> tuple[jax.Array, dict[str, Any]]:
        value, _ = LOSS(model, batch, key=key)
        return self.factor * value, {"factor": self.factor, "images": len(batch), "falls": value > 0}


def test_an_equal_call_compiles_nothing_however_its_objects_were_made(start: Autoencoder) -> None:
    def call(rate: float) -> Autoencoder:
        class Own(Scaled):
            """A class of its own at each call, as where a cell is run again."""

        return train(start, optimizer=optax.chain(optax.sgd(rate)), loss=Own(0.5), num_steps=2)[0]

    first = call(1e-3)
    with compilations() as programs:
        assert_same_model(call(1e-3), first)
    assert programs == []
    with compilations() as programs:
        assert not same_model(call(2e-3), first)
    assert programs == ["program"]  # only the step holds the rate: the counter counts


def test_twenty_optimizers_leave_no_more_programs_than_a_few(start: Autoencoder) -> None:
    for rate in range(1, compilation.MOST_PROGRAMS + 3):
        train(start, optimizer=optax.sgd(1e-3 * rate), num_steps=1)
    assert len(compilation._programs) == compilation.MOST_PROGRAMS


def test_a_python_float_annealed_by_a_callback_is_one_program(start: Autoencoder) -> None:
    class Anneals(Recorder):
        def __call__(self, step: int, model: Autoencoder, loss: Any, terms: Any) -> tuple[Autoencoder, losses.Loss]:
            return model, Scaled(float(loss.factor) / 2)

    train(start, loss=Scaled(0.9), num_steps=6, callback=Anneals(2))
    with compilations() as programs:
        _, history = train(start, loss=Scaled(1.0), num_steps=6, callback=Anneals(2))
    assert programs == []
    np.testing.assert_array_equal(history.terms["factor"], [1, 1, 0.5, 0.5, 0.25, 0.25])


def test_counts_and_truth_values_are_numbers_of_the_history(start: Autoencoder) -> None:
    _, history = train(start, loss=Scaled(1.0), num_steps=2)
    for name, value in {"images": 8, "falls": 1, "factor": 1}.items():
        np.testing.assert_array_equal(history.terms[name], np.float32([value, value]), strict=True)


def test_a_loss_may_give_one_number_and_look_at_its_own(start: Autoencoder) -> None:
    class Plain(Scaled):
        def __call__(self, model: Autoencoder, batch: jax.Array, *, key: jax.Array) -> Any:
            return LOSS(model, batch, key=key)[0] if self.factor > 0 else None

    assert set(train(start, loss=Plain(1.0), num_steps=2)[1].terms) == {"loss"}


def test_a_term_that_is_no_number_is_refused(start: Autoencoder) -> None:
    def loss(model: Autoencoder, batch: jax.Array, *, key: jax.Array) -> Any:
        return LOSS(model, batch, key=key)[0], {"each": batch[:, 0, 0, 0]}

    with pytest.raises(ValueError, match=r"the term 'each' of the loss has shape \(8,\): give one number"):
        train(start, loss=loss)


@pytest.mark.parametrize("decay", [optax.adamw(1e-2, weight_decay=0.1), optax.noisy_sgd(1e-2, key=KEY)])
def test_a_frozen_basis_stays_as_it_is(decay: optax.GradientTransformation, low_rank: Autoencoder) -> None:
    frozen = models.freeze_basis(low_rank, X)
    trained, _ = train(frozen, optimizer=decay, num_steps=3)
    np.testing.assert_array_equal(trained.bottleneck.basis.matrix, frozen.bottleneck.basis.matrix)
    assert not np.array_equal(trained.encoder.linear.weight, frozen.encoder.linear.weight)


OPTIMIZERS: dict[str, optax.GradientTransformation] = {
    "its state is the weights": contrib.prodigy(),
    "its state is the weights twice": contrib.cocob(),
    "it asks for the loss": optax.chain(optax.sgd(1e-3), contrib.reduce_on_plateau()),
    "it draws": optax.noisy_sgd(1e-3, key=KEY),
    "it gathers": optax.MultiSteps(optax.sgd(1e-3), 2).gradient_transformation(),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_optimizers_train_and_are_taken_up_again(kind: str, start: Autoencoder, tmp_path: Path) -> None:
    whole, _ = train(start, optimizer=OPTIMIZERS[kind])
    train(start, optimizer=OPTIMIZERS[kind], checkpoints=Checkpoints(tmp_path), num_steps=3)
    parts, _ = train(start, optimizer=OPTIMIZERS[kind], checkpoints=Checkpoints(tmp_path))
    assert_same_model(whole, parts)
    assert not same_model(whole, start)


def test_weights_to_evaluate_are_in_the_state_of_the_optimizer(start: Autoencoder) -> None:
    model, history = train(start, optimizer=contrib.schedule_free_sgd(1e-3))
    weights, rest = models.trainable(model)
    evaluated = eqx.combine(contrib.schedule_free_eval_params(history.optimizer_state, weights), rest)
    assert not same_model(evaluated, model)
    assert np.isfinite(evaluated.reconstruct(X)).all()


# ---- interruption


class InterruptedAt(eqx.Module):
    """The usual loss; its n-th evaluation sends SIGINT to this process."""

    evaluated: Callable[[], None] = eqx.field(static=True)

    def __call__(self, model: Autoencoder, batch: jax.Array, *, key: jax.Array) -> tuple[jax.Array, dict[str, Any]]:
        jax.debug.callback(self.evaluated)
        return LOSS(model, batch, key=key)


def interrupt_at(step: int) -> InterruptedAt:
    count = SimpleNamespace(value=0)

    def evaluated() -> None:
        count.value += 1
        if count.value == step:
            os.kill(os.getpid(), signal.SIGINT)

    return InterruptedAt(evaluated)


@pytest.fixture
def own_handler() -> Iterator[Callable[..., None]]:
    """A handler of SIGINT by which a test sees whether it was put back, and never called."""

    def handler(*arguments: object) -> None:
        raise AssertionError("the interrupt reached the handler of the caller")

    previous = signal.signal(signal.SIGINT, handler)
    yield handler
    signal.signal(signal.SIGINT, previous)


@pytest.mark.parametrize("step", [1, 5])
def test_interrupt_returns_what_was_learned_so_far(
    step: int, start: Autoencoder, own_handler: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_REPORTS", 0.0)  # it looks after every step
    partial, history = train(start, loss=interrupt_at(step), num_steps=3000)
    assert history.stopped == "interrupted"
    assert step <= history.num_steps <= step + 2
    assert all(len(values) == history.num_steps for values in history.terms.values())
    assert signal.getsignal(signal.SIGINT) is own_handler
    wanted, _ = train(start, num_steps=history.num_steps)
    for left, right in zip(jax.tree.leaves(partial), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)


def test_handler_is_put_back_after_a_run(start: Autoencoder, own_handler: Callable[..., None]) -> None:
    train(start, num_steps=1)
    assert signal.getsignal(signal.SIGINT) is own_handler
    with pytest.raises(ValueError, match="KL divergence"), linear_nets():
        train(models.ae((8, 8, 1), 2, key=KEY))  # a failure within the first step
    assert signal.getsignal(signal.SIGINT) is own_handler


def test_second_interrupt_is_not_deferred(own_handler: Callable[..., None]) -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.deferred_interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert interrupt.requested
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is own_handler


# ---- divergence


def test_divergence_stops_with_a_warning(start: Autoencoder) -> None:
    with pytest.warns(UserWarning, match="the loss became (inf|nan) by step .*smaller learning rate"):
        _, history = train(start, X * np.float32(1e30), num_steps=3000)
    assert history.stopped == "diverged"
    assert history.num_steps < 1000
    assert not np.isfinite(history.terms["loss"][-1])


def test_too_large_learning_rate_is_noticed(start: Autoencoder) -> None:
    with pytest.warns(UserWarning, match="the loss became (inf|nan)"):
        _, history = train(start, optimizer=optax.sgd(1e4), num_steps=3000)
    assert history.stopped == "diverged"
    assert np.isfinite(history.terms["loss"][0])


# ---- refused input

BAD_SETTINGS = {
    "no steps": ({"num_steps": 0}, "num_steps = 0: use 1 or more"),
    "fewer than no steps": ({"num_steps": -5}, "num_steps = -5: use 1 or more"),
    "empty batches": ({"batch_size": 0}, "batch_size = 0: use 1 or more"),
    "more than there are": ({"batch_size": 26}, "batch_size = 26, but there are only 25 images: use at most 25"),
    "fewer than the rank": ({"batch_size": 1}, "batch_size = 1 is smaller than the model's rank 2.*use a batch_size"),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_bad_settings_are_refused(case: str, low_rank: Autoencoder) -> None:
    changes, complaint = BAD_SETTINGS[case]
    with pytest.raises(ValueError, match=complaint):
        train(low_rank, **changes)


BAD_IMAGES = {
    "no channel axis": (X[..., 0], r"shape \(25, 8, 8\).*takes \(batch, 8, 8, 1\).*add missing axes"),
    "one image": (X[0], r"shape \(8, 8, 1\).*add missing axes"),
    "other size": (X[:, 1:], r"shape \(25, 7, 8, 1\), but this model takes \(batch, 8, 8, 1\)"),
    "other channels": (X.repeat(3, axis=3), r"shape \(25, 8, 8, 3\)"),
    "integers": ((100 * X).astype(np.int32), r"images are int32: .*astype\('float32'\)"),
    "none": (X[:0], r"there are no samples: the images have shape \(0, 8, 8, 1\)"),
}


@pytest.mark.parametrize("case", BAD_IMAGES)
@pytest.mark.usefixtures("unchecked")
def test_bad_images_are_refused(case: str, start: Autoencoder) -> None:
    x, complaint = BAD_IMAGES[case]
    with pytest.raises(ValueError, match=complaint):
        train(start, x)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_images_that_are_not_finite_are_counted_and_located(value: float, start: Autoencoder) -> None:
    x = X.copy()
    x[[3, 9, 9, 24], [0, 7, 2, 5], 1, 0] = value
    with pytest.raises(ValueError, match="3 of 25 images contain NaN or infinity, the first at index 3: remove or"):
        train(start, x)


def test_refused_input_leaves_the_model_usable(start: Autoencoder) -> None:
    with pytest.raises(ValueError):
        train(start, num_steps=0)
    assert train(start, num_steps=1)[1].stopped == "finished"
