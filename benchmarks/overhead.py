"""What the SVD adds to a step: VRRAE against RRAE and against a VAE whose linear maps have the same widths."""

import numpy as np

from benchmarks import peers
from benchmarks.measure import Row, interleaved, ratio
from benchmarks.steps import FAST_SETTINGS, SETTINGS
from vrrae_lab.experiments.plan import Candidate
from vrrae_lab.losses import PaperVariational


def rows(fast: bool) -> list[Row]:
    """Milliseconds a step of ours, and the ratios."""
    table = []
    for setting, (size, batch, latent_size, rank) in (FAST_SETTINGS if fast else SETTINGS).items():
        shape = (size, size, 1)
        x = np.random.default_rng(0).random((batch, *shape), np.float32)
        four = peers.candidates(shape, latent_size, rank)
        wide = Candidate("vae", {"shape": shape, "latent_size": latent_size}, PaperVariational(peers.BETA))
        ways = {"VRRAE": four["VRRAE"], "RRAE": four["RRAE"], "VAE of the same widths": wide}
        steps = {name: peers.our_step(candidate, x) for name, candidate in ways.items()}
        times = interleaved(steps, 0.1 if fast else 20)
        ratios = {f"VRRAE / {name}": ratio(times, "VRRAE", name) for name in list(ways)[1:]}
        table.append({"setting": f"{setting}, batch {batch}"} | times | ratios)
    return table
