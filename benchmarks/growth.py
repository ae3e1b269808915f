"""How the cost of a VRRAE step grows with batch size, latent size and image size; PyTorch beside it."""

import numpy as np

from benchmarks import peers
from benchmarks.measure import Row, interleaved, ratio

# image size, batch size, latent size; the rank is 16
VARIED = {
    "batch size": [(28, batch, 100) for batch in (16, 64, 256, 1024)],
    "latent size": [(28, 64, latent_size) for latent_size in (64, 256, 1024)],
    "image size": [(size, 16, 100) for size in (28, 64, 96, 160)],
}
RANK = 16


def rows(fast: bool) -> list[Row]:
    """Milliseconds a step, and microseconds an image."""
    table = []
    for name, settings in ({"batch size": [(16, 16, 20)]} if fast else VARIED).items():
        for size, batch, latent_size in settings:
            x = np.random.default_rng(0).random((batch, size, size, 1), np.float32)
            candidate = peers.candidates((size, size, 1), latent_size, RANK)["VRRAE"]
            ways = {"ours": peers.our_step(candidate, x), "PyTorch": peers.torch_step(candidate, x)}
            times = interleaved(ways, 0.1 if fast else 8)
            table.append(
                {"varied": name, "pixels": f"{size}×{size}", "batch": batch, "L": latent_size}
                | times
                | {"ours, µs an image": 1000 * times["ours"] / batch, "ours / PyTorch": ratio(times, "ours", "PyTorch")}
            )
    return table
