"""Arrays in, plotly `Figure` out. Nothing is displayed by side effect, and nothing of this package is imported.

One colour a model everywhere, by its name; ten classes have ten colours; values go through one perceptual map. Paper is
clear and ink reads on white and on black.
"""

from vrrae_lab.figures.charts import bars, latent_plane, lines, seed_strip, sweep_lines
from vrrae_lab.figures.pictures import image_grid
from vrrae_lab.figures.style import INK, MODELS, PALETTE

__all__ = [
    "INK",
    "MODELS",
    "PALETTE",
    "bars",
    "image_grid",
    "latent_plane",
    "lines",
    "seed_strip",
    "sweep_lines",
]
