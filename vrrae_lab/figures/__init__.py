"""Arrays in, plotly `Figure` out. Nothing is displayed by side effect, and nothing of this package is imported.

Colours come from the Okabe–Ito palette and the cividis map, which colour-blind readers can tell apart.
"""

from vrrae_lab.figures.charts import bars, heat_maps, latent_plane, lines, seed_strip, sweep_lines, training_curves
from vrrae_lab.figures.pictures import image_grid, png, tile, to_pixels
from vrrae_lab.figures.style import PALETTE

__all__ = [
    "PALETTE",
    "bars",
    "heat_maps",
    "image_grid",
    "latent_plane",
    "lines",
    "png",
    "seed_strip",
    "sweep_lines",
    "tile",
    "to_pixels",
    "training_curves",
]
