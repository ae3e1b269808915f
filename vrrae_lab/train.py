"""Training: batches in a fresh order each epoch, no waiting for the device between steps, interruptible, resumable.

An epoch is ⌊N/B⌋ batches of a fresh permutation, the remainder dropped, as in the papers' code. The order of the data
and the noise are functions of the key and the number of the step alone, so a run can be cut anywhere and continued.

Steps are separate calls of one compiled function and not a `lax.scan` over them: so each can be interrupted and
reported, and its state is updated in place. Between reports nothing waits for a step's result, and the next batches
travel to the device while it works.
"""

import json
import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.extend.core import ClosedJaxpr
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Key, PyTree
from threadpoolctl import threadpool_limits

from vrrae_lab.array_file import ArrayFile
from vrrae_lab.checkpoints import Checkpoints, settings_of
from vrrae_lab.checks import check_at_least, check_key, check_kind, check_positive, check_whole
from vrrae_lab.compilation import Compiled, at_once, compiled, signature
from vrrae_lab.interrupts import Interrupt, deferred_interrupt
from vrrae_lab.losses import Loss
from vrrae_lab.models import Autoencoder, Images, as_floats, check_images, trainable
from vrrae_lab.models.autoencoder import check_model
from vrrae_lab.sharding import batch_mesh, check_mesh, local, on_mesh, replicate, split_rows, whole

__all__ = ["Callback", "History", "ResumableCallback", "fit", "one_blas_thread", "steps_in_epochs"]

SECONDS_BETWEEN_REPORTS = 0.5

Stopped = Literal["finished", "interrupted", "diverged"]


# ---- what may look at a run, and what comes of it


@runtime_checkable
class Callback(Protocol):
    """Looks at a run from time to time, and may change its model and the numbers in its loss.

    A run with checkpoints needs one that can be taken up again too, a `ResumableCallback`.

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


@runtime_checkable
class ResumableCallback(Callback, Protocol):
    """A callback that can say what it remembers, and be told it again."""

    def state(self) -> dict[str, Any]:
        """What it remembers of a run, JSON-ready."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Remember what `state` has returned."""
        ...


@dataclass(frozen=True, repr=False)
class History:
    """What happened in a training run.

    Attributes:
        terms: each term of the loss at every step, "loss" being their weighted total.
        stopped: why the run ended; "diverged" when the loss was no longer finite.
        seconds: wall time of all steps but the first, and but the first after each time the run was taken up again.
        compile_seconds: wall time of those, nearly all of it compilation unless the step was compiled before.
        optimizer_state: at the end; some optimizers keep other weights to evaluate in it, as optax's
            `contrib.schedule_free_eval_params` tells.
    """

    terms: dict[str, Float[np.ndarray, " steps"]]
    stopped: Stopped
    seconds: float
    compile_seconds: float
    optimizer_state: PyTree = None

    @property
    def num_steps(self) -> int:
        """How many updates were made."""
        return len(self.terms["loss"])

    def __repr__(self) -> str:
        """One line: the terms are as long as the run."""
        last = "".join(f", {name} {values[-1]:.4g}" for name, values in self.terms.items() if len(values))
        return f"History({self.stopped} at step {self.num_steps}{last}; {self.compile_seconds + self.seconds:.1f} s)"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Its curves."""
        if not self.num_steps:
            return {"text/plain": repr(self)}
        from vrrae_lab import figures

        steps = np.arange(1, self.num_steps + 1)
        title = f"{self.stopped} at step {self.num_steps:,}, after {self.compile_seconds + self.seconds:.0f} s"
        figure = figures.lines(self.terms, steps, title=title, x_name="step", quantity="loss", log_y=True)
        return figure._repr_mimebundle_(**options) | {"text/plain": repr(self)}


# ---- a run


class _Fixed(NamedTuple):
    """What a step reads and does not change."""

    loss: Loss
    noise_key: Key[Array, ""]
    optimizer: optax.GradientTransformation


class Run:
    """A run at some step: all that a checkpoint holds, and how to get on.

    Attributes:
        step: updates made so far.
        state: model and optimiser; each step takes over its buffers.
        chunks: the terms of the loss at all steps, in pieces.
        seconds: see `History`.
        compile_seconds: likewise.
    """

    def __init__(
        self,
        model: Autoencoder,
        loss: Loss,
        optimizer: optax.GradientTransformation,
        noise_key: Key[Array, ""],
        callback: Callback | None,
        mesh: Mesh | None,
    ) -> None:
        self.step = 0
        self.chunks: list[dict[str, np.ndarray]] = []
        self.seconds = self.compile_seconds = 0.0
        self._mesh, self._callback, self._called = mesh, callback, 0
        self.state: PyTree = replicate(at_once(_start, (model, optimizer)), mesh)
        self._fixed = replicate(_Fixed(loss, noise_key, optimizer), mesh)
        self._update: Compiled | None = None
        self._compiled = False

    def advance(self, batches: Iterator[Array]) -> float | None:
        """Make a step with each batch, and wait for the last; the seconds each took, unless one was compiled."""
        started, pending = time.perf_counter(), []
        for batch in batches:
            with on_mesh(self._mesh):
                given = self._fixed, batch, np.asarray(self.step, np.int32)
                if self._update is None:
                    self._update = compiled(_step, given, self.state)
                self.state, terms = self._update(given, self.state)
            pending.append(terms)
            self.step += 1
        # the device has worked through the queue while Python filled it: one synchronisation for all its steps
        self.chunks.append({name: np.array([terms[name] for terms in pending]) for name in pending[0]})
        seconds = time.perf_counter() - started
        if not self._compiled:
            self._compiled = True
            self.compile_seconds += seconds
            return None
        self.seconds += seconds
        return seconds / len(pending)

    def exchange(self, loss: Loss, optimizer: optax.GradientTransformation) -> None:
        """Go on with other numbers in the loss and in the optimiser, their structure being that of those before."""
        fixed = replicate(_Fixed(_loss_like(loss, self._fixed.loss), self._fixed.noise_key, optimizer), self._mesh)
        self._go_on_with(fixed, self.state)

    def _go_on_with(self, fixed: _Fixed, state: PyTree) -> None:
        """A step is compiled anew only where more than numbers has changed."""
        if signature((fixed, state)) != signature((self._fixed, self.state)):
            self._update = None
        self._fixed, self.state = fixed, state

    def terms(self, last: int | None = None) -> dict[str, Float[np.ndarray, " steps"]]:
        """The terms of the last steps, or of all."""
        count = self.step if last is None else last
        first, found = len(self.chunks), 0
        while found < count:
            first -= 1
            found += len(self.chunks[first]["loss"])
        chunks = self.chunks[first:]
        return {name: np.concatenate([chunk[name] for chunk in chunks])[-count:] for name in self.chunks[0]}

    def call_back(self, num_steps: int) -> None:
        """If it is time, let the callback look at the last steps, and go on with what it gives."""
        every = 0 if self._callback is None else self._callback.every
        # not twice at one step: a run of which more steps are asked has ended where the callback may still be due
        if self._callback is None or self.step % every or self.step in (self._called, num_steps):
            return
        self._called = self.step
        model, loss = local((self.state[0], self._fixed.loss), self._mesh)
        model, changed = self._callback(self.step, model, loss, self.terms(every))
        model, loss = replicate((at_once(_copy, model), _loss_like(changed, loss)), self._mesh)
        self._go_on_with(self._fixed._replace(loss=loss), (model, self.state[1]))

    def programs(self, batch: jax.ShapeDtypeStruct) -> dict[str, ClosedJaxpr]:
        """What decides a step: value and gradient of the loss, and what the optimizer makes of them."""
        (loss, key, optimizer), model = local((self._fixed, self.state[0]), self._mesh)
        arrays, rest = eqx.partition((loss, model, key), eqx.is_array)

        def gradient(arrays: PyTree, batch: Array) -> PyTree:
            loss, model, key = eqx.combine(arrays, rest)
            return _gradient(loss, model, batch, key, jnp.zeros((), jnp.int32))

        def updates(weights: PyTree) -> PyTree:
            state = optimizer.init(weights)
            return state, _updates(optimizer, weights, state, weights, jnp.zeros((), jnp.result_type(float)))

        return {
            "loss and model": jax.make_jaxpr(gradient)(arrays, batch),
            "optimizer": jax.make_jaxpr(updates)(trainable(model)[0]),
        }

    def arrays(self) -> PyTree:
        """What a checkpoint holds besides `notes`."""
        own = local((self.state, self._fixed.loss), self._mesh)
        return eqx.filter(own, eqx.is_array), self.terms(), np.frombuffer(self._remembered(), np.uint8)

    def _remembered(self) -> bytes:
        """What the callback remembers; it may grow with the run, so it is no note."""
        state = self._callback.state() if isinstance(self._callback, ResumableCallback) else None
        return json.dumps(state, allow_nan=False).encode()

    def notes(self) -> dict[str, Any]:
        """What is no array: JSON-ready."""
        return {
            "terms": list(self.chunks[0]),
            "seconds": self.seconds,
            "compile_seconds": self.compile_seconds,
            "called": self._called,
            "callback_bytes": len(self._remembered()),
        }

    def resume(self, file: ArrayFile | None) -> None:
        """Go back to where a checkpoint was written.

        Raises:
            ValueError: if it is not of such a run.
        """
        if file is None:
            return
        notes, step = file.header, file.header["step"]
        needed = ("terms", "called", "seconds", "compile_seconds", "callback_bytes")
        if missing := [name for name in needed if name not in notes]:
            raise ValueError(f"the checkpoint does not fit this version of vrrae_lab: it has no {', '.join(missing)}")
        arrays, rest = eqx.partition((self.state, self._fixed.loss), eqx.is_array)
        terms = {name: np.zeros(step, jnp.result_type(float)) for name in notes["terms"]}
        like = local(arrays, self._mesh), terms, np.zeros(notes["callback_bytes"], np.uint8)
        found, terms, remembered = file.arrays(like)
        self.state, loss = replicate(eqx.combine(found, rest), self._mesh)
        self._fixed = self._fixed._replace(loss=loss)
        self.step, self.chunks, self._called = step, [terms], notes["called"]
        self.seconds, self.compile_seconds = notes["seconds"], notes["compile_seconds"]
        if isinstance(self._callback, ResumableCallback):
            self._callback.restore(json.loads(remembered.tobytes()))


def _numbers(loss: Loss, model: Autoencoder, batch: jax.ShapeDtypeStruct, key: Key[Array, ""]) -> Loss:
    """The loss with its Python floats as arrays, so that another β is the same program and a checkpoint holds it.

    One that must know them while it is traced keeps them: then each is a program of its own.
    """
    numbers = jax.tree.map(lambda leaf: _number("", leaf) if isinstance(leaf, float) else leaf, loss)
    try:
        if signature(numbers) != signature(loss):
            eqx.filter_eval_shape(_gradient, numbers, model, batch, key, jnp.zeros((), jnp.int32))
    except jax.errors.ConcretizationTypeError:
        return loss
    return numbers


def _loss_like(loss: Loss, like: Loss) -> Loss:
    """A loss given in place of another, its numbers of the types of those.

    Raises:
        ValueError: if there is more that differs.
    """
    try:
        return jax.tree.map(lambda leaf, old: jnp.asarray(leaf, old.dtype) if eqx.is_array(old) else leaf, loss, like)
    except ValueError as error:
        raise ValueError(f"a run goes on with other numbers in its loss, not with another loss: {error}") from error


def _copy(tree: PyTree) -> PyTree:
    """With arrays of its own, none of them twice: each step takes over the buffers of the state."""
    return jax.tree.map(lambda leaf: _as(jnp.copy(leaf), leaf) if eqx.is_array(leaf) else leaf, tree)


def _as(leaf: Array, like: Array) -> Array:
    """Of the type of another, a type that no further number changes."""
    is_key = jax.dtypes.issubdtype(like.dtype, jax.dtypes.extended)
    return leaf if is_key else lax.convert_element_type(leaf, like.dtype)


def _start(given: tuple[Autoencoder, optax.GradientTransformation]) -> PyTree:
    """The state before the first step."""
    model, optimizer = given
    return _copy((model, optimizer.init(trainable(model)[0])))


def _step(given: tuple[_Fixed, Array, Int[Array, ""]], state: PyTree) -> tuple[PyTree, dict[str, Float[Array, ""]]]:
    """One update on a batch."""
    (loss, noise_key, optimizer), batch, step = given
    model, optimizer_state = state
    (value, terms), gradient = _gradient(loss, model, batch, noise_key, step)
    updates, optimizer_state = _updates(optimizer, gradient, optimizer_state, trainable(model)[0], value)
    new = eqx.apply_updates(model, updates), optimizer_state
    new = jax.tree.map(lambda leaf, old: _as(leaf, old) if eqx.is_array(leaf) else leaf, new, state)
    return whole(new), {"loss": _number("loss", value)} | terms


@eqx.filter_jit  # traced once for all optimizers
def _gradient(
    loss: Loss, model: Autoencoder, batch: Array, noise_key: Key[Array, ""], step: Int[Array, ""]
) -> tuple[tuple[Array, dict[str, Array]], PyTree]:
    """Value, terms, and the gradient by what is trained."""
    weights, rest = trainable(model)

    @partial(jax.value_and_grad, has_aux=True)
    def value_and_gradient(weights: PyTree) -> tuple[Array, dict[str, Array]]:
        found = loss(eqx.combine(weights, rest), as_floats(batch), key=jax.random.fold_in(noise_key, step))
        value, terms = found if isinstance(found, tuple) else (found, {})
        return value, {name: _number(name, term) for name, term in terms.items()}

    return value_and_gradient(weights)


def _number(name: str, term: Any) -> Float[Array, ""]:
    """A term of a loss, which may be a count or a truth value, as a number of the history's type.

    Raises:
        ValueError: if it is not one number.
    """
    if jnp.shape(term) != ():
        raise ValueError(f"the term {name!r} of the loss has shape {jnp.shape(term)}: give one number")
    return jnp.asarray(term, jnp.result_type(float))


def _updates(
    optimizer: optax.GradientTransformation, gradient: PyTree, state: PyTree, weights: PyTree, value: Array
) -> tuple[PyTree, PyTree]:
    """Those of an optimizer, which may ask for the value of the loss."""
    return optax.with_extra_args_support(optimizer).update(gradient, state, weights, value=value)


# ---- the order of the data


class DataOrder:
    """Which images form the batch of a step: epochs of ⌊N/B⌋ batches, each from a fresh permutation."""

    def __init__(self, key: Key[Array, ""], num_samples: int, batch_size: int) -> None:
        # on the host, where a permutation does not wait for the steps that an accelerator still has to make
        self._key = jax.device_put(key, jax.local_devices(backend="cpu")[0])
        self._num_samples, self._batch_size = num_samples, batch_size
        self._steps_per_epoch = num_samples // batch_size
        self._epoch = -1
        self._permutation = np.zeros(0, np.int32)

    def batch(self, step: int) -> Int[np.ndarray, " batch_size"]:
        """Indices of the images of step `step`."""
        epoch, place = divmod(step, self._steps_per_epoch)
        if epoch != self._epoch:
            self._permutation = np.asarray(_permutation(self._key, epoch, self._num_samples), np.int32)
            self._epoch = epoch
        return self._permutation[place * self._batch_size : (place + 1) * self._batch_size]


class TrainingImages:
    """The training images, where their batches are taken from fastest.

    On an accelerator they are copied to it once, as they are (uint8 stay uint8), if they fill at most a quarter of its
    memory. Otherwise, and on a CPU, where a copy would gain nothing, each batch is taken from the array in memory; on a
    mesh always, each process taking the rows that its devices hold.
    """

    def __init__(self, x: Images, mesh: Mesh | None = None) -> None:
        self._mesh = mesh
        device = jax.local_devices()[0]
        memory = 0 if mesh else (device.memory_stats() or {}).get("bytes_limit", 0)
        self._x = jax.device_put(x) if x.nbytes <= memory / 4 else np.asarray(x)

    def batch(self, indices: Int[np.ndarray, " batch_size"]) -> Array:
        """Those images, on the device or spread over the mesh."""
        return jnp.asarray(self._x[indices]) if self._mesh is None else split_rows(self._x, indices, self._mesh)


@partial(jax.jit, static_argnums=2)
def _permutation(key: Key[Array, ""], epoch: int | Int[Array, ""], count: int) -> Int[Array, " count"]:
    return jax.random.permutation(jax.random.fold_in(key, epoch), count)


# ---- the loop


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
    batch = jax.ShapeDtypeStruct((batch_size, *model.shape), jax.dtypes.canonicalize_dtype(x.dtype))
    run = Run(model, _numbers(loss, model, batch, noise_key), optimizer, noise_key, callback, mesh)
    saver = None
    if checkpoints is not None:
        settings = settings_of(model, x, loss, run.programs(batch), batch_size, key, callback)
        saver = _Saver(checkpoints, settings)
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
    model, optimizer_state = local(run.state, mesh)
    return model, History(run.terms(), stopped, run.seconds, run.compile_seconds, optimizer_state)


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
