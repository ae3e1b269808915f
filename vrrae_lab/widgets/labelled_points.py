"""Images as points: which of many have one, and what colour their labels give it."""

from html import escape

import numpy as np
from jaxtyping import Int, Shaped, UInt8

from vrrae_lab import figures
from vrrae_lab.data.dataset import Dataset

MOST_POINTS = 2000
CLASS_COLOURS = (*figures.PALETTE, "#F0E442")  # all eight of Okabe and Ito


def shown(count: int) -> Int[np.ndarray, " shown"]:
    """The numbers of the images that have a point: of so many, at most 2000, evenly spread."""
    return np.linspace(0, count - 1, min(count, MOST_POINTS)).astype(int)


def label_vector(data: Dataset, numbers: np.ndarray) -> Shaped[np.ndarray, " count"] | None:
    """A class or a number for each of the images, if that is what the labels are."""
    if data.labels is None or data.labels.shape != (len(data),) or data.labels.dtype.kind not in "biufUS":
        return None
    return data.labels[numbers]


def colours(labels: Shaped[np.ndarray, " count"] | None, count: int) -> tuple[UInt8[np.ndarray, "{count} 3"], str]:
    """The colour of each point, and what the colours mean, as HTML; classes are integers, truth values or words."""
    if labels is None:
        return np.tile(_rgb(figures.PALETTE[0]), (count, 1)), "one colour, as there is no class or number for each"
    classes, index = np.unique(labels, return_inverse=True)
    if labels.dtype.kind != "f" and len(classes) <= len(CLASS_COLOURS):
        chips = (
            f"<span style='color:{c}'>⬤</span> {escape(str(name))}"
            for name, c in zip(classes, CLASS_COLOURS, strict=False)
        )
        return np.stack([_rgb(colour) for colour in CLASS_COLOURS])[index], "label " + ", ".join(chips)
    values = np.asarray(index if labels.dtype.kind in "US" else labels, float)
    if not np.isfinite(values).all():
        return np.tile(_rgb(figures.PALETTE[0]), (count, 1)), "one colour, as some labels are NaN or infinite"
    low, high = (f"{end:.4g}" if labels.dtype.kind == "f" else escape(str(end)) for end in classes[[0, -1]])
    return figures.to_pixels(values[:, None, None, None])[:, 0, 0], f"label from {low} (dark blue) to {high} (yellow)"


def _rgb(colour: str) -> UInt8[np.ndarray, "3"]:
    return np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)
