"""Training: batches in a fresh order each epoch, no waiting for the device between steps, interruptible, resumable.

An epoch is ⌊N/B⌋ batches of a fresh permutation, the remainder dropped, as in the papers' code. The order of the data
and the noise are functions of the key and the number of the step alone, so a run can be cut anywhere and continued.

Steps are separate calls of one compiled function and not a `lax.scan` over them: so each can be interrupted and
reported, and its state is updated in place. Between reports nothing waits for a step's result, and the next batches
travel to the device while it works.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import jax
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Key
from threadpoolctl import threadpool_limits

from vrrae_lab.checks import check_at_least, check_key, check_kind, check_positive, check_whole
from vrrae_lab.interrupts import Interrupt, deferred_interrupt
from vrrae_lab.losses import Loss
from vrrae_lab.models import Autoencoder, Images, check_images
from vrrae_lab.models.autoencoder import check_model
from vrrae_lab.sharding import batch_mesh, check_mesh, local
from vrrae_lab.training.batches import DataOrder, TrainingImages
from vrrae_lab.training.callback import Callback, ResumableCallback
from vrrae_lab.training.checkpoints import Checkpoints, settings_of
from vrrae_lab.training.run import History, Run, Stopped

SECONDS_BETWEEN_REPORTS = 0.5


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
    checkpoints: Checkpoints | None = None,
    mesh: Mesh | None = None,
    progress: bool = True,
) -> tuple[Autoencoder, History]:
    """Train a model; Ctrl-C (or "interrupt kernel") returns what has been learned so far.

    With `checkpoints`, a run that was interrupted, killed or cut off goes on where its newest checkpoint is when the
    same call is made again, and ends with the same numbers; so does one that is asked for more steps.

    Args:
        model: the model to start from; it is not changed.
        x: training images, batch first, channels last: floats, or uint8, which are taken as fractions of 255 and
            travel to the device as they are.
        loss: see `vrrae_lab.losses`.
        optimizer: any optax transformation.
        batch_size: images per step.
        num_steps: updates to make, from the start.
        key: the randomness of the data order and of the noise; the same key gives the same model.
        callback: called now and then with the model and the loss, which it may change, such as `AdaptiveRank`.
        checkpoints: where the state of the run is kept; None for nowhere.
        mesh: devices to spread each batch over; None for one device. The truncated SVD is that of the whole batch. With
            several processes (`jax.distributed`), all call this with the same arguments, each reads only the images its
            devices get, and the first one writes the checkpoints, which all of them must be able to read.
        progress: whether to show a progress bar.

    Returns:
        The trained model and its history.

    Raises:
        ValueError: if the images are not finite or do not fit the model, the batch is larger than the data or smaller
            than the model's rank or not to be split evenly over the mesh, a number is below 1, the callback cannot be
            resumed, or the checkpoints are of a run of other settings or of more steps, or all damaged.
    """
    check_key(key)
    check_kind("loss", loss, Callable, "give one of vrrae_lab.losses")
    check_kind("optimizer", optimizer, optax.GradientTransformation, "give one of optax, such as optax.adam(1e-3)")
    check_kind("checkpoints", checkpoints, Checkpoints | None, "give vrrae_lab.Checkpoints(folder), or None")
    check_mesh(mesh)
    x = _checked(model, x, batch_size, num_steps)
    every = num_steps if callback is None else _checked_interval(callback, checkpoints)
    mesh = None if mesh is None else _checked_mesh(mesh, batch_size)
    order_key, noise_key = jax.random.split(key)
    run = Run(model, loss, optimizer, noise_key, callback, mesh)
    saver = None
    if checkpoints is not None:
        saver = _Saver(checkpoints, settings_of(model, x, loss, optimizer, batch_size, key, callback))
        saver.take_up(run, num_steps)
    order, images = DataOrder(order_key, len(x), batch_size), TrainingImages(x, mesh)

    count: int = 1
    stopped: Stopped = "finished"
    with (
        one_blas_thread(),
        _progress_bar(run.step, num_steps, progress) as bar,
        deferred_interrupt(terminate=saver is not None) as interrupt,
    ):
        while run.step < num_steps and stopped == "finished":
            stop_at = min(run.step + count, num_steps, *_next_stops(run.step, every, saver))
            pace = run.advance(images.batch(order.batch(s)) for s in range(run.step, stop_at))
            count = 1 if pace is None else max(1, min(2 * count, int(SECONDS_BETWEEN_REPORTS / pace)))
            bar.update(run.step - bar.n)
            bar.set_postfix({name: f"{values[-1]:.4g}" for name, values in run.chunks[-1].items()}, refresh=False)
            stopped = _reason_to_stop(run, interrupt)
            if stopped == "diverged":
                break
            run.call_back(num_steps)  # before a stop too: a run taken up again finds the callback's change made
            if saver is not None:
                saver.save(run, at_once=stopped == "interrupted" or run.step == num_steps)
    return local(run.state[0], mesh), History(run.terms(), stopped, run.seconds, run.compile_seconds)


class _Saver:
    """Checkpoints of one run."""

    def __init__(self, checkpoints: Checkpoints, settings: dict[str, Any]) -> None:
        self.every, self._checkpoints, self._settings = checkpoints.every, checkpoints, settings

    def take_up(self, run: Run, num_steps: int) -> None:
        """Bring the run to where the newest checkpoint was written, if there is one."""
        run.resume(self._checkpoints.newest(self._settings))
        if run.step > num_steps:
            raise ValueError(
                f"num_steps = {num_steps}, but the run in {self._checkpoints.folder} has made {run.step}: ask for as "
                "many or more, or choose another folder"
            )
        run.call_back(num_steps)

    def save(self, run: Run, *, at_once: bool) -> None:
        """Write the run's state if it is time or must be now."""
        if at_once or run.step % self.every == 0:
            arrays = run.arrays()  # of all processes, as the first one cannot know whether the others are done
            if jax.process_index() == 0:
                self._checkpoints.save(run.step, arrays, self._settings, run.notes())


def _next_stops(step: int, every: int, saver: _Saver | None) -> Iterator[int]:
    """Where the queue of steps must be empty next: for the callback and for a checkpoint."""
    for interval in (every, *([] if saver is None else [saver.every])):
        yield step + interval - step % interval


def one_blas_thread() -> AbstractContextManager[None]:
    """Let BLAS and LAPACK use one thread.

    On a CPU jax calls SciPy's LAPACK, whose threads spin for a while after each SVD and take the cores from XLA's own.
    """
    import scipy.linalg.cython_lapack  # noqa: F401  jax loads it at the first SVD, too late to be limited

    return threadpool_limits(limits=1, user_api="blas")


def _reason_to_stop(run: Run, interrupt: Interrupt) -> Stopped:
    losses = run.chunks[-1]["loss"]
    if not np.isfinite(losses).all():
        warnings.warn(
            f"the loss became {losses[~np.isfinite(losses)][0]} by step {run.step}: training stopped; "
            "try a smaller learning rate",
            stacklevel=3,
        )
        return "diverged"
    return "interrupted" if interrupt.requested else "finished"


def _checked_interval(callback: Callback, checkpoints: Checkpoints | None) -> int:
    check_kind("callback", callback, Callback, "give a callable with an attribute every, such as AdaptiveRank()")
    check_whole("callback.every", callback.every)
    if callback.every < 1:
        raise ValueError(f"callback.every = {callback.every}: use 1 step or more")
    if checkpoints is not None and not isinstance(callback, ResumableCallback):
        raise ValueError(
            f"a {type(callback).__name__} cannot be taken up again from a checkpoint: give it the methods state and "
            "restore of a ResumableCallback, or train without checkpoints"
        )
    return callback.every


def _checked_mesh(mesh: Mesh, batch_size: int) -> Mesh:
    if batch_size % mesh.size:
        raise ValueError(
            f"batch_size = {batch_size} cannot be split evenly over the mesh's {mesh.size} devices: use a multiple of "
            f"{mesh.size}"
        )
    return batch_mesh(mesh)


def _checked(model: Autoencoder, x: Images, batch_size: int, num_steps: int) -> Images:
    check_model(model)
    check_images(x, model.shape)
    check_at_least(1, "batch_size", batch_size)
    check_at_least(1, "num_steps", num_steps)
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
    bad = np.flatnonzero(~np.isfinite(np.asarray(x)).all(axis=(1, 2, 3)))
    if len(bad):
        raise ValueError(
            f"{len(bad)} of {len(x)} images contain NaN or infinity, the first at index {bad[0]}: remove or mend them"
        )
    return x


@contextmanager
def _progress_bar(step: int, num_steps: int, progress: bool) -> Iterator[Any]:
    from tqdm.auto import tqdm

    with tqdm(initial=step, total=num_steps, disable=not progress, unit="step", leave=False) as bar:
        yield bar


def steps_in_epochs(num_epochs: float, num_samples: int, batch_size: int) -> int:
    """How many updates `num_epochs` epochs of ⌊N/B⌋ batches are, at least 1.

    Raises:
        ValueError: if a number is below 1, or that of epochs not positive and finite.
    """
    check_positive("num_epochs", num_epochs)
    check_at_least(1, "num_samples", num_samples)
    check_at_least(1, "batch_size", batch_size)
    return max(1, math.floor(num_epochs * (num_samples // batch_size)))
