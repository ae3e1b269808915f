"""Which training images form the batch of a step, and where they are taken from."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int, Key

from vrrae_lab.models import Images
from vrrae_lab.sharding import split_rows


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
            epoch_key = jax.random.fold_in(self._key, epoch)
            self._permutation = np.asarray(jax.random.permutation(epoch_key, self._num_samples), np.int32)
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
