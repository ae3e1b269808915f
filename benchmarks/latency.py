"""What a slider waits for: decoding coefficients on the shipped model, and the picture made of them."""

import io

import numpy as np
from PIL import Image

from benchmarks.measure import Row, interleaved
from vrrae_lab import checkpoint


def rows(fast: bool) -> list[Row]:
    """Milliseconds from coefficients in Python to pixels in Python; compiled before."""
    model, _ = checkpoint.load(checkpoint.shipped("bumps_vrrae"))
    table = []
    for count in (1, 25):
        z = np.random.default_rng(0).normal(size=(count, 2)).astype(np.float32)

        def decode(z: np.ndarray = z) -> np.ndarray:
            return np.asarray(model.decode(z))

        def decode_to_png(z: np.ndarray = z) -> bytes:
            row = np.concatenate(list(decode(z)[..., 0]), axis=1)
            low, high = row.min(), row.max()
            pixels = (255 * (row - low) / (high - low)).astype(np.uint8)
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "png")
            return file.getvalue()

        times = interleaved({"decode": decode, "decode + PNG": decode_to_png}, 0.1 if fast else 3, rounds=200)
        table.append({"images": str(count)} | times)
    return table
