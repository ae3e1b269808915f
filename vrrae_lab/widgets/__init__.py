"""Interactive explorers for notebooks; each function returns a widget and displays nothing by itself."""

from vrrae_lab.widgets.batch_truncation import BatchTruncation, batch_truncation
from vrrae_lab.widgets.collapse_map import collapse_map
from vrrae_lab.widgets.density import bandwidth_surface, density
from vrrae_lab.widgets.explorer import Explorer, explore
from vrrae_lab.widgets.export import export_html
from vrrae_lab.widgets.kl import KL, kl
from vrrae_lab.widgets.playground import Diverged, Playground, playground
from vrrae_lab.widgets.race import Race, Recording, race
from vrrae_lab.widgets.spectrum import Spectrum, spectrum
from vrrae_lab.widgets.truncated_svd import TruncatedSVD, truncated_svd

__all__ = [
    "BatchTruncation",
    "Diverged",
    "Explorer",
    "KL",
    "Playground",
    "Race",
    "Recording",
    "Spectrum",
    "TruncatedSVD",
    "bandwidth_surface",
    "batch_truncation",
    "collapse_map",
    "density",
    "explore",
    "export_html",
    "kl",
    "playground",
    "race",
    "spectrum",
    "truncated_svd",
]
