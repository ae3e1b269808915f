"""A run at some step: its state, one update of it, and what a checkpoint holds."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Key, PyTree

from vrrae_lab.array_file import ArrayFile
from vrrae_lab.losses import Loss
from vrrae_lab.models import Autoencoder, as_floats
from vrrae_lab.sharding import local, on_mesh, replicate, whole
from vrrae_lab.training.callback import Callback, ResumableCallback

Stopped = Literal["finished", "interrupted", "diverged"]


@dataclass(frozen=True, repr=False)
class History:
    """What happened in a training run.

    Attributes:
        terms: each term of the loss at every step, "loss" being their weighted total.
        stopped: why the run ended; "diverged" when the loss was no longer finite.
        seconds: wall time of all steps but the first, and but the first after each time the run was taken up again.
        compile_seconds: wall time of those, nearly all of it compilation unless the step was compiled before.
    """

    terms: dict[str, Float[np.ndarray, " steps"]]
    stopped: Stopped
    seconds: float
    compile_seconds: float

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
        model = _copy(model)
        self.state: PyTree = replicate((model, optimizer.init(eqx.filter(model, eqx.is_inexact_array))), mesh)
        self._fixed = replicate(_Fixed(loss, noise_key, optimizer), mesh)
        self._compiled = False

    def advance(self, batches: Iterator[Array]) -> float | None:
        """Make a step with each batch, and wait for the last; the seconds each took, unless one was compiled."""
        started, pending = time.perf_counter(), []
        for batch in batches:
            with on_mesh(self._mesh):
                self.state, terms = _step((self._fixed, batch, np.asarray(self.step, np.int32)), self.state)
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
        self._fixed = replicate(self._fixed._replace(loss=loss, optimizer=optimizer), self._mesh)

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
        model, loss = self._callback(self.step, model, loss, self.terms(every))
        self.state = (replicate(_copy(model), self._mesh), self.state[1])
        self._fixed = self._fixed._replace(loss=replicate(loss, self._mesh))

    def arrays(self) -> PyTree:
        """What a checkpoint holds besides `notes`."""
        own = local((self.state, self._fixed.loss), self._mesh)
        return eqx.filter(own, eqx.is_array), self.terms()

    def notes(self) -> dict[str, Any]:
        """What is no array: JSON-ready."""
        return {
            "terms": list(self.chunks[0]),
            "seconds": self.seconds,
            "compile_seconds": self.compile_seconds,
            "called": self._called,
            "callback": self._callback.state() if isinstance(self._callback, ResumableCallback) else None,
        }

    def resume(self, file: ArrayFile | None) -> None:
        """Go back to where a checkpoint was written.

        Raises:
            ValueError: if it is not of such a run.
        """
        if file is None:
            return
        if missing := [name for name in ("terms", "called", "seconds", "compile_seconds") if name not in file.header]:
            raise ValueError(f"the checkpoint does not fit this version of vrrae_lab: it has no {', '.join(missing)}")
        notes, step = file.header, file.header["step"]
        arrays, rest = eqx.partition((self.state, self._fixed.loss), eqx.is_array)
        like = local(arrays, self._mesh), {name: np.zeros(step, np.float32) for name in notes["terms"]}
        found, terms = file.arrays(like)
        self.state, loss = replicate(eqx.combine(found, rest), self._mesh)
        self._fixed = self._fixed._replace(loss=loss)
        self.step, self.chunks, self._called = step, [terms], notes["called"]
        self.seconds, self.compile_seconds = notes["seconds"], notes["compile_seconds"]
        if isinstance(self._callback, ResumableCallback):
            self._callback.restore(notes["callback"])


def _copy(model: Autoencoder) -> Autoencoder:
    """With arrays of its own: each step takes over the buffers of the state, and others may keep theirs."""
    return jax.tree.map(lambda leaf: jnp.array(leaf) if eqx.is_array(leaf) else leaf, model)


class _Fixed(NamedTuple):
    """What a step reads and does not change."""

    loss: Loss
    noise_key: Key[Array, ""]
    optimizer: optax.GradientTransformation


@eqx.filter_jit(donate="all-except-first")
def _step(
    fixed_and_batch: tuple[_Fixed, Array, Int[Array, ""] | Int[np.ndarray, ""]], state: PyTree
) -> tuple[PyTree, dict[str, Float[Array, ""]]]:
    """One update on a batch. The state's buffers are donated, so it is updated in place."""
    (loss, noise_key, optimizer), batch, step = fixed_and_batch
    model, opt_state = state

    @eqx.filter_value_and_grad(has_aux=True)
    def value_and_grad(model: Autoencoder) -> tuple[Array, dict[str, Array]]:
        return loss(model, as_floats(batch), key=jax.random.fold_in(noise_key, step))

    (value, terms), gradient = value_and_grad(model)
    updates, opt_state = optimizer.update(gradient, opt_state, eqx.filter(model, eqx.is_inexact_array))
    return whole((eqx.apply_updates(model, updates), opt_state)), {"loss": value} | terms
