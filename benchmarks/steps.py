"""One whole training step of the four models, against plain Equinox, the authors' RRAEs and PyTorch."""

import numpy as np

from benchmarks import peers
from benchmarks.measure import Row, interleaved, ratio, table

# name: image size, batch size, latent size, rank
SETTINGS = {"bumps": (64, 64, 200, 2), "MNIST": (28, 64, 100, 16), "MNIST, paper's batch": (28, 576, 100, 16)}
FAST_SETTINGS = {"tiny": (16, 8, 20, 2)}


def rows(fast: bool) -> list[Row]:
    """Milliseconds a step; the last columns are ratios of ours."""
    measured = []
    for setting, (size, batch, latent_size, rank) in (FAST_SETTINGS if fast else SETTINGS).items():
        x = np.random.default_rng(0).random((batch, size, size, 1), np.float32)
        for name, candidate in peers.candidates((size, size, 1), latent_size, rank, fast).items():
            ways = {
                "ours": peers.our_step(candidate, x),
                "Equinox": peers.equinox_step(candidate, x),
                "RRAEs": peers.rraes_step(candidate, x),
                "PyTorch": peers.torch_step(candidate, x),
            }
            times = interleaved({name: ways[name] for name in ("ours", "PyTorch")}, 0.1 if fast else 10)
            # the other two take seconds, so they have few turns, and ours takes part for a ratio of its own
            slow = interleaved({name: ways[name] for name in ("ours", "Equinox", "RRAEs")}, 0.1 if fast else 10)
            measured.append(
                {"setting": f"{setting}, batch {batch}", "model": name}
                | times
                | {name: slow[name] for name in ("Equinox", "RRAEs")}
                | {
                    "ours / PyTorch": ratio(times, "ours", "PyTorch"),
                    "Equinox / ours": ratio(slow, "Equinox", "ours"),
                    "RRAEs / ours": ratio(slow, "RRAEs", "ours"),
                }
            )
    return measured


def summary(rows: list[Row]) -> str:
    """The VRRAE's rows as docs/speed.md shows them: our time, and how many times as long each peer takes."""
    chosen = [row for row in rows if row["model"] == "VRRAE"]
    return table(
        [
            {"setting": row["setting"], "ours": f"{row['ours']:.0f} ms"}
            | {"PyTorch": f"{1 / row['ours / PyTorch']:.2f} ×"}
            | {name: f"{row[f'{name} / ours']:.0f} ×" for name in ("RRAEs", "Equinox")}
            for row in chosen
        ]
    )
