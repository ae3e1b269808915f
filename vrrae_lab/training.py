"""Training: batches in a fresh order each epoch, no waiting for the device between steps, interruptible.

An epoch is ⌊N/B⌋ batches of a fresh permutation, the remainder dropped, as in the papers' code. The order of the data
and the noise are functions of the key and the number of the step alone, so a run can be cut anywhere and continued.

Steps are separate calls of one compiled function and not a `lax.scan` over them: so each can be interrupted and
reported, and its state is updated in place. Between reports nothing waits for a step's result.
"""

import math
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key, PyTree
from threadpoolctl import threadpool_limits

from vrrae_lab.batches import DataOrder, TrainingImages
from vrrae_lab.losses import Loss
from vrrae_lab.models import Autoencoder, Images, as_floats, check_images

SECONDS_BETWEEN_REPORTS = 0.5


@dataclass(frozen=True)
class History:
    """What happened in a training run.

    Attributes:
        terms: each term of the loss at every step, "loss" being their weighted total.
        stopped: why the run ended; "diverged" when the loss was no longer finite.
        seconds: wall time of all steps but the first.
        compile_seconds: wall time of the first step, nearly all of it compilation unless it was compiled before.
    """

    terms: dict[str, Float[np.ndarray, " steps"]]
    stopped: Literal["finished", "interrupted", "diverged"]
    seconds: float
    compile_seconds: float

    @property
    def num_steps(self) -> int:
        """How many updates were made."""
        return len(self.terms["loss"])


@runtime_checkable
class Callback(Protocol):
    """Looks at a run from time to time, and may change its model and the numbers in its loss.

    Attributes:
        every: steps between two calls. There is none after the last step, when nothing is left to train a change.
    """

    every: int

    def __call__(
        self, step: int, model: Autoencoder, loss: Loss, terms: dict[str, Float[np.ndarray, " steps"]]
    ) -> tuple[Autoencoder, Loss]:
        """What to go on with, of the same structure: the model and loss given, or those with other numbers in them.

        Args:
            step: updates made so far.
            model: after them; it may be kept.
            loss: that was minimised.
            terms: as in `History`, at the steps since the last call.
        """
        ...


def fit(
    model: Autoencoder,
    x: Images,
    *,
    loss: Loss,
    optimizer: optax.GradientTransformation,
    batch_size: int,
    num_steps: int,
    key: Key[Array, ""],
    callback: Callback | None = None,
    progress: bool = True,
) -> tuple[Autoencoder, History]:
    """Train a model; Ctrl-C (or "interrupt kernel") returns what has been learned so far.

    Args:
        model: the model to start from; it is not changed.
        x: training images, batch first, channels last: floats, or uint8, which are taken as fractions of 255.
        loss: see `vrrae_lab.losses`.
        optimizer: any optax transformation.
        batch_size: images per step.
        num_steps: updates to make.
        key: the randomness of the data order and of the noise; the same key gives the same model.
        callback: called now and then with the model and the loss, which it may change, such as `AdaptiveRank`.
        progress: whether to show a progress bar.

    Returns:
        The trained model and its history.

    Raises:
        ValueError: if the images are not finite or do not fit the model, the batch is larger than the data or smaller
            than the model's rank, or a number is below 1.
    """
    x = _checked(model, x, batch_size, num_steps)
    every = num_steps if callback is None else _checked_interval(callback)
    order_key, noise_key = jax.random.split(key)
    order = DataOrder(order_key, len(x), batch_size)
    images = TrainingImages(x)
    fixed = _Fixed(loss, noise_key, optimizer)
    model = _copy(model)
    state: PyTree = (model, optimizer.init(eqx.filter(model, eqx.is_inexact_array)))

    compile_seconds, started = 0.0, time.perf_counter()
    chunks: list[dict[str, np.ndarray]] = []
    stopped: Literal["finished", "interrupted", "diverged"] = "finished"
    step, count = 0, 1
    with one_blas_thread(), _progress_bar(num_steps, progress) as bar, _deferred_interrupt() as interrupt:
        while step < num_steps and stopped == "finished":
            called, pending = time.perf_counter(), []
            next_call = step + every - step % every
            for s in range(step, min(step + count, num_steps, next_call)):
                state, terms = _step((fixed, images.batch(order.batch(s)), jnp.int32(s)), state)
                pending.append(terms)
            # the device has worked through the queue while Python filled it: one synchronisation for all its steps
            chunks.append({name: np.array([terms[name] for terms in pending]) for name in pending[0]})
            step += len(pending)
            pace = (time.perf_counter() - called) / len(pending)
            if step == 1:
                compile_seconds = time.perf_counter() - started
            else:
                count = max(1, min(2 * count, int(SECONDS_BETWEEN_REPORTS / pace)))
            bar.update(len(pending))
            bar.set_postfix({name: f"{values[-1]:.4g}" for name, values in chunks[-1].items()}, refresh=False)
            stopped = _reason_to_stop(chunks[-1]["loss"], step, interrupt)
            if callback is not None and step == next_call < num_steps and stopped == "finished":
                model, loss = callback(step, state[0], fixed.loss, _last(chunks, every))
                state, fixed = (_copy(model), state[1]), fixed._replace(loss=loss)
    seconds = time.perf_counter() - started - compile_seconds
    return state[0], History(_last(chunks, step), stopped, seconds, compile_seconds)


def _copy(model: Autoencoder) -> Autoencoder:
    """With arrays of its own: each step takes over the buffers of the state, and others may keep theirs."""
    return jax.tree.map(lambda leaf: jnp.array(leaf) if eqx.is_array(leaf) else leaf, model)


def _last(chunks: list[dict[str, np.ndarray]], num_steps: int) -> dict[str, Float[np.ndarray, " steps"]]:
    """The terms of the last steps."""
    first, found = len(chunks), 0
    while found < num_steps:
        first -= 1
        found += len(chunks[first]["loss"])
    return {name: np.concatenate([chunk[name] for chunk in chunks[first:]])[-num_steps:] for name in chunks[0]}


def one_blas_thread() -> AbstractContextManager[None]:
    """Let BLAS and LAPACK use one thread.

    On a CPU jax calls SciPy's LAPACK, whose threads spin for a while after each SVD and take the cores from XLA's own.
    """
    import scipy.linalg.cython_lapack  # noqa: F401  jax loads it at the first SVD, too late to be limited

    return threadpool_limits(limits=1, user_api="blas")


def _reason_to_stop(
    losses: Float[np.ndarray, " steps"], step: int, interrupt: "_Interrupt"
) -> Literal["finished", "interrupted", "diverged"]:
    if not np.isfinite(losses).all():
        warnings.warn(
            f"the loss became {losses[~np.isfinite(losses)][0]} by step {step}: training stopped; "
            "try a smaller learning rate",
            stacklevel=3,
        )
        return "diverged"
    return "interrupted" if interrupt.requested else "finished"


def _checked_interval(callback: Callback) -> int:
    if callback.every < 1:
        raise ValueError(f"callback.every = {callback.every}: use 1 step or more")
    return callback.every


def _checked(model: Autoencoder, x: Images, batch_size: int, num_steps: int) -> Images:
    check_images(x, model.shape)
    for name, value in (("batch_size", batch_size), ("num_steps", num_steps)):
        if value < 1:
            raise ValueError(f"{name} = {value}: use 1 or more")
    if batch_size > len(x):
        raise ValueError(f"batch_size = {batch_size}, but there are only {len(x)} images: use at most {len(x)}")
    rank = getattr(getattr(model.bottleneck, "basis", None), "rank", 1)
    if batch_size < rank:
        raise ValueError(
            f"batch_size = {batch_size} is smaller than the model's rank {rank}: a batch of that size has fewer "
            f"singular directions; use a batch_size of {rank} or more, or a smaller rank"
        )
    if x.dtype == np.uint8:
        return x
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f"the images are {x.dtype}: scale them and convert them with x.astype('float32')")
    bad = np.flatnonzero(~np.isfinite(np.asarray(x)).all(axis=(1, 2, 3)))
    if len(bad):
        raise ValueError(
            f"{len(bad)} of {len(x)} images contain NaN or infinity, the first at index {bad[0]}: remove or mend them"
        )
    return x


class _Fixed(NamedTuple):
    """What a step reads and does not change."""

    loss: Loss
    noise_key: Key[Array, ""]
    optimizer: optax.GradientTransformation


@eqx.filter_jit(donate="all-except-first")
def _step(
    fixed_and_batch: tuple[_Fixed, Array, Int[Array, ""]], state: PyTree
) -> tuple[PyTree, dict[str, Float[Array, ""]]]:
    """One update on a batch. The state's buffers are donated, so it is updated in place."""
    (loss, noise_key, optimizer), batch, step = fixed_and_batch
    model, opt_state = state

    @eqx.filter_value_and_grad(has_aux=True)
    def value_and_grad(model: Autoencoder) -> tuple[Array, dict[str, Array]]:
        return loss(model, as_floats(batch), key=jax.random.fold_in(noise_key, step))

    (value, terms), gradient = value_and_grad(model)
    updates, opt_state = optimizer.update(gradient, opt_state, eqx.filter(model, eqx.is_inexact_array))
    return (eqx.apply_updates(model, updates), opt_state), {"loss": value} | terms


@contextmanager
def _progress_bar(num_steps: int, progress: bool) -> Iterator[Any]:
    from tqdm.auto import tqdm

    with tqdm(total=num_steps, disable=not progress, unit="step", leave=False) as bar:
        yield bar


class _Interrupt:
    requested = False


@contextmanager
def _deferred_interrupt() -> Iterator[_Interrupt]:
    """Turn the first SIGINT into a request, so that it never cuts a step in two; a second one raises at once."""
    interrupt = _Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt  # Python lets only the main thread handle signals
        return

    def request(number: int, frame: FrameType | None) -> None:
        if interrupt.requested:
            raise KeyboardInterrupt
        interrupt.requested = True

    previous = signal.signal(signal.SIGINT, request)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, previous)


def steps_in_epochs(num_epochs: float, num_samples: int, batch_size: int) -> int:
    """How many updates `num_epochs` epochs of ⌊N/B⌋ batches are, at least 1."""
    return max(1, math.floor(num_epochs * (num_samples // batch_size)))
