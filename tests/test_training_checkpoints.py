"""A run that is cut off anywhere ends as if it had not been."""

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax
import pytest
from support import linear_nets

from vrrae_lab import (
    AdaptiveRank,
    Autoencoder,
    Checkpoints,
    History,
    ValidationBeta,
    array_file,
    checkpoints,
    fit,
    losses,
    models,
)
from vrrae_lab import train as loop
from vrrae_lab.train import Callback
from vrrae_lab.validation_beta import BetaEvent

KEY = jax.random.key(3)
X = np.random.default_rng(0).random((40, 8, 8, 1)).astype(np.float32)
OPTIMIZER = optax.adabelief(1e-3)


def adaptive() -> tuple[Autoencoder, losses.Loss, Callback | None]:
    callback = AdaptiveRank(every=5, patience=1, tolerance=0.5)
    return models.adaptive_vrrae((8, 8, 1), latent_size=12, rank=4, key=KEY), losses.Variational(0.1), callback


def matching() -> tuple[Autoencoder, losses.Loss, Callback | None]:
    loss = losses.AggregateMatching(1.0, 0.6, 8)
    return models.avae((8, 8, 1), latent_size=3, key=KEY), loss, ValidationBeta(X[:5], every=5)


def plain() -> tuple[Autoencoder, losses.Loss, Callback | None]:
    return models.vrrae((8, 8, 1), latent_size=12, rank=3, key=KEY), losses.Variational(0.1), None


def train(
    made: tuple[Autoencoder, losses.Loss, Callback | None] | None = None,
    folder: Path | None = None,
    *,
    x: np.ndarray = X,
    num_steps: int = 24,
    batch_size: int = 16,
    key: jax.Array = KEY,
    optimizer: optax.GradientTransformation = OPTIMIZER,
) -> tuple[Autoencoder, History]:
    model, loss, callback = made or plain()
    return fit(
        model,
        x,
        loss=loss,
        optimizer=optimizer,
        batch_size=batch_size,
        num_steps=num_steps,
        key=key,
        callback=callback,
        checkpoints=None if folder is None else Checkpoints(folder, every=4, keep=2),
        progress=False,
    )


def assert_same(first: tuple[Autoencoder, History], second: tuple[Autoencoder, History]) -> None:
    """Bit for bit, in the model and in every term of the loss."""
    for left, right in zip(
        *(jax.tree.leaves(eqx.filter(run[0], eqx.is_array)) for run in (first, second)), strict=True
    ):
        np.testing.assert_array_equal(left, right)
    assert first[1].terms.keys() == second[1].terms.keys()
    for name, values in first[1].terms.items():
        np.testing.assert_array_equal(values, second[1].terms[name])


@pytest.fixture(autouse=True)
def report_after_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_REPORTS", 0.0)


@pytest.mark.parametrize("make", [plain, adaptive, matching])
@pytest.mark.parametrize("cut", [1, 10, 13])
def test_run_taken_up_again_ends_with_the_same_bits(make: Callable[[], Any], cut: int, tmp_path: Path) -> None:
    """Also where the callback was due at the cut, and with what it remembers."""
    whole, parts = make(), make()
    expected = train(whole)
    train(parts, tmp_path, num_steps=cut)
    again = make()
    found = train(again, tmp_path)
    assert_same(expected, found)
    if whole[2] is not None:
        assert again[2].state() == whole[2].state()
    assert found[1].stopped == "finished" and found[1].seconds > 0


def test_finished_run_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = train(folder=tmp_path)
    monkeypatch.setattr(loop.Run, "advance", None)
    assert_same(expected, train(folder=tmp_path))


@pytest.mark.parametrize("by", ["SIGINT", "raise"])
def test_interrupted_run_leaves_a_checkpoint_of_its_last_step(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error is no reason to save; then the last regular checkpoint is what there is."""
    advance = loop.Run.advance

    def interrupted(run: Any, batches: Any) -> float | None:
        if run.step == 10:
            if by == "raise":
                raise OSError("the disk of the images is gone")
            os.kill(os.getpid(), signal.SIGINT)
        return advance(run, batches)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Run, "advance", interrupted)
        if by == "raise":
            with pytest.raises(OSError, match="gone"):
                train(folder=tmp_path)
        else:
            assert train(folder=tmp_path)[1].stopped == "interrupted"
    newest = Checkpoints(tmp_path).files()[-1]
    assert newest.name == f"step-{8 if by == 'raise' else 11:09d}.ckpt"
    assert_same(train(), train(folder=tmp_path))


def test_only_the_newest_are_kept_and_leftovers_removed(tmp_path: Path) -> None:
    tmp_path.joinpath(".step-000000004.ckpt.x1.tmp").write_bytes(b"half of one")
    train(folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000020.ckpt", "step-000000024.ckpt"]


@pytest.mark.parametrize("damage", ["cut", "empty", "bit"])
def test_damaged_newest_checkpoint_costs_a_warning_and_some_steps(damage: str, tmp_path: Path) -> None:
    train(folder=tmp_path, num_steps=18)
    newest = Checkpoints(tmp_path).files()[-1]
    content = bytearray(newest.read_bytes())
    content[-1000] ^= 1
    newest.write_bytes({"cut": bytes(content[: len(content) // 2]), "empty": b"", "bit": bytes(content)}[damage])
    with pytest.warns(UserWarning, match=f"{newest.name}.*going back to the checkpoint before it"):
        found = train(folder=tmp_path)
    assert_same(train(), found)


def test_folder_of_nothing_but_damaged_checkpoints_is_refused(tmp_path: Path) -> None:
    train(folder=tmp_path, num_steps=8)
    for path in Checkpoints(tmp_path).files():
        path.write_bytes(b"no checkpoint")
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="no checkpoint in .* can be read: remove"):
        train(folder=tmp_path)
    assert len(Checkpoints(tmp_path).files()) == 2


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "loss": ({"made": (plain()[0], losses.Variational(0.2), None)}, r"loss: .*0\.1.* there, .*0\.2.* now"),
    "kind of loss": ({"made": (plain()[0], losses.PaperVariational(0.1), None)}, "PaperVariational"),
    "weights": ({"made": (models.vrrae((8, 8, 1), 12, 3, key=jax.random.key(4)), plain()[1], None)}, "initial weights"),
    "model": ({"made": (models.vrrae((8, 8, 1), 12, 4, key=KEY), plain()[1], None)}, "model: "),
    "callback": ({"made": (*plain()[:2], ValidationBeta(X, 7))}, "callback: None there, ValidationBeta every 7 steps"),
    "batch": ({"batch_size": 8}, "batch_size: 16 there, 8 now"),
    "key": ({"key": jax.random.key(9)}, r"key: \[0, 3\] there, \[0, 9\] now"),
    "images": ({"x": X + np.float32(1e-6)}, "images: "),
    "number of images": ({"x": X[:-1]}, "images: .*40.* there, .*39"),
    "optimizer": ({"optimizer": optax.adabelief(2e-3)}, "optimizer: "),
    "kind of optimizer": ({"optimizer": optax.sgd(1e-3)}, "optimizer: "),
}


def weighed(weight: float) -> losses.Loss:
    """A function whose closure holds a number."""

    def loss(model: Autoencoder, batch: jax.Array, *, key: jax.Array) -> Any:
        value, terms = losses.Variational(0.1)(model, batch, key=key)
        return weight * value, terms

    return loss


def edited(weight: float) -> Autoencoder:
    """A model whose encoder has one class name and two contents."""

    class Encoder(eqx.Module):
        linear: eqx.nn.Linear

        def __call__(self, x: jax.Array) -> jax.Array:
            return weight * jax.vmap(self.linear)(x.reshape(len(x), -1))

    with linear_nets():
        model = models.vrrae((8, 8, 1), latent_size=12, rank=3, key=KEY)
    return Autoencoder(Encoder(model.encoder.linear), model.bottleneck, model.decoder, model.shape)


def hyperparameters(rate: float) -> optax.GradientTransformation:
    return optax.inject_hyperparams(optax.sgd)(learning_rate=rate)


class Weighed(eqx.Module):
    weight: float

    def __call__(self, model: Autoencoder, batch: jax.Array, *, key: jax.Array) -> Any:
        return weighed(self.weight)(model, batch, key=key)


def test_what_computes_something_else_is_refused_whatever_it_is_called(tmp_path: Path) -> None:
    """What an edited cell leaves: the same names, other numbers. And what computes the same goes on."""
    vrrae, kl, one = edited(1.0), losses.Variational(0.1), np.float32(np.arange(40) == 17)[:, None, None, None]
    cases: dict[str, tuple[Callable[[float], dict[str, Any]], str]] = {
        "closure": (lambda w: {"made": (vrrae, weighed(w), None)}, "loss and model: "),
        "partial": (lambda w: {"made": (vrrae, functools.partial(weighed(w)), None)}, "loss and model: "),
        "float": (lambda w: {"made": (vrrae, Weighed(w), None)}, r"loss: {'.weight': 1.0} there, {'.weight': 2.0} now"),
        "encoder": (lambda w: {"made": (edited(w), kl, None)}, "loss and model: "),
        "rate": (lambda w: {"made": (vrrae, kl, None), "optimizer": hyperparameters(w / 1e3)}, "optimizer: "),
        "image": (
            lambda w: {"made": (vrrae, kl, None), "x": X + w * one},
            "images",
        ),
        "rule": (
            lambda w: {"made": (*matching()[:2], ValidationBeta(X[:5], 5, rule=lambda n: w))},
            "what the callback does: ",
        ),
    }
    for name, (call, message) in cases.items():
        expected = train(folder=tmp_path / name, num_steps=4, **call(1.0))
        assert_same(train(folder=tmp_path / name, num_steps=4, **call(1.0)), expected)
        with pytest.raises(ValueError, match=f"holds a run of other settings .*{message}"):
            train(folder=tmp_path / name, num_steps=4, **call(2.0))


def test_a_run_of_an_older_version_is_refused_in_one_sentence(tmp_path: Path) -> None:
    array_file.write(tmp_path / "step-000000004.ckpt", np.zeros(3), {"format": "vrrae_lab training checkpoint 1"})
    with pytest.raises(ValueError, match="holds an unfinished run of an older version of vrrae_lab, which this one"):
        train(folder=tmp_path)


def test_a_callback_may_remember_more_than_a_header_holds(tmp_path: Path) -> None:
    def made() -> tuple[Autoencoder, losses.Loss, Callback | None]:
        callback = ValidationBeta(X[:5], 5)
        callback.log += [BetaEvent(1, 0.5)] * 100_000
        return edited(1.0), losses.AggregateMatching(1.0, 0.6, 8), callback

    with linear_nets():
        avae = models.avae((8, 8, 1), latent_size=3, key=KEY)
    train((avae, *made()[1:]), tmp_path, num_steps=4)
    again = made()
    train((avae, *again[1:]), tmp_path, num_steps=5)
    assert len(again[2].log) == 100_000


@pytest.mark.parametrize("other", OTHERS)
def test_other_settings_are_refused_and_named(other: str, tmp_path: Path) -> None:
    train(folder=tmp_path, num_steps=4)
    changed, message = OTHERS[other]
    before = [path.read_bytes() for path in Checkpoints(tmp_path).files()]
    with pytest.raises(ValueError, match=f"holds a run of other settings .*{message}"):
        train(**{"folder": tmp_path, **changed})
    assert [path.read_bytes() for path in Checkpoints(tmp_path).files()] == before


def test_other_versions_are_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digests are of programs of JAX, which another version may write otherwise."""
    train(folder=tmp_path, num_steps=4)
    monkeypatch.setattr("vrrae_lab.environment.version", lambda name: "99" if name == "jax" else "1")
    monkeypatch.setattr(checkpoints, "digest", lambda *_: "another")
    with pytest.warns(UserWarning, match="jax: .* there, 99 now.*may differ in rounding"):
        train(folder=tmp_path, num_steps=5)


def settings() -> str:
    model, loss, callback = adaptive()
    run = loop.Run(model, loss, OPTIMIZER, KEY, callback, None)
    programs = run.programs(jax.ShapeDtypeStruct((16, 8, 8, 1), np.float32))
    return str(checkpoints.settings_of(model, X, loss, programs, 16, KEY, callback))


def test_settings_do_not_depend_on_the_process() -> None:
    """No address in memory, no order of a set: otherwise nothing could be taken up again."""
    command = [sys.executable, "-c", "import test_training_checkpoints as t; print(t.settings())"]
    first, second = (
        subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parent,
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
        ).stdout
        for seed in ("1", "2")
    )
    assert first == second and "AdaptiveRank" in first


TERMINATED = """
import os, signal, sys
from test_training_checkpoints import Checkpoints, Path, loop, train
loop.SECONDS_BETWEEN_REPORTS = 0.0
advance = loop.Run.advance
def terminated(run, batches):
    if run.step == 9:
        os.kill(os.getpid(), signal.SIGTERM)
    return advance(run, batches)
loop.Run.advance = terminated
train(folder=Path(sys.argv[1]))
print("still alive")
"""


def test_terminated_process_saves_first(tmp_path: Path) -> None:
    here = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", TERMINATED, tmp_path], capture_output=True, text=True, cwd=here)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, ""), done.stderr
    assert Checkpoints(tmp_path).files()[-1].name == "step-000000010.ckpt"
    assert_same(train(), train(folder=tmp_path))


def test_diverged_run_keeps_the_checkpoints_from_before(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="training stopped"):
        _, history = train(folder=tmp_path, optimizer=optax.sgd(1e25))
    assert history.stopped == "diverged"
    assert all(int(path.stem[5:]) < history.num_steps for path in Checkpoints(tmp_path).files())


def test_fewer_steps_than_were_made_are_refused(tmp_path: Path) -> None:
    train(folder=tmp_path, num_steps=8)
    with pytest.raises(ValueError, match="num_steps = 7, but the run in .* has made 8: ask for as many or more"):
        train(folder=tmp_path, num_steps=7)


def test_callback_that_cannot_be_resumed_is_refused(tmp_path: Path) -> None:
    class Looks:
        every = 3

        def __call__(self, step: int, model: Any, loss: Any, terms: Any) -> tuple[Any, Any]:
            return model, loss

    model, loss, _ = plain()
    with pytest.raises(ValueError, match="a Looks cannot be taken up again .* state and restore"):
        train((model, loss, Looks()), tmp_path)


@pytest.mark.parametrize("bad", [{"every": 0}, {"keep": 0}])
def test_bad_numbers_are_refused(bad: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="= 0: use 1 or more"):
        Checkpoints(tmp_path, **bad)
