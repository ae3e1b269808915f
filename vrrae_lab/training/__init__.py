"""Training: `fit`, and what goes with it: callbacks, checkpoints, the order of the data."""

from vrrae_lab.training.callback import Callback, ResumableCallback
from vrrae_lab.training.checkpoints import Checkpoints
from vrrae_lab.training.loop import fit, one_blas_thread, steps_in_epochs
from vrrae_lab.training.run import History

__all__ = ["Callback", "Checkpoints", "History", "ResumableCallback", "fit", "one_blas_thread", "steps_in_epochs"]
