"""Settings of the playground worth seeing, each with what to look for.

What they promise is that of a VAE beside a VRRAE of at most 8 directions; the tests see to it that it happens.
"""

from typing import NamedTuple

from vrrae_lab.widgets.live_training import Settings


class Scenario(NamedTuple):
    """Where to put the sliders, and what happens then.

    Attributes:
        words: what to look for, in one sentence.
        steps: after so many updates it has happened.
        settings: of the sliders.
    """

    words: str
    steps: int
    settings: Settings


BALANCED = (
    "Both models use all their coefficients, and their error falls below half of what the mean image alone would leave."
)
COLLAPSE = "The VAE lets some of its coefficients collapse; the VRRAE keeps more of them active."
TOO_LARGE = "Both models collapse: no coefficient stays active, and every image is decoded to the same one."
NEAR_TIE = (
    "Watch the spectrum: neighbouring singular values of the VRRAE come within 3 % of each other on the way, where a "
    "plain gradient of the SVD would divide by their gap, and the error goes on falling."
)
SMALL_RANK = (
    "With two directions the VRRAE's error stays well above the VAE's; move the rank up while it trains, and it falls."
)


def _scenarios(balanced: float, collapse: float, too_large: float, steps: int) -> dict[str, Scenario]:
    """Three values of β, and how long the VAE takes to collapse."""
    return {
        "balanced": Scenario(BALANCED, 600, Settings(balanced, 1e-3, 8, 1.0)),
        "make the VAE collapse": Scenario(COLLAPSE, steps, Settings(collapse, 3e-3, 8, 1.0)),
        "β too large": Scenario(TOO_LARGE, 300, Settings(too_large, 3e-3, 8, 1.0)),
        "near-tied singular values": Scenario(NEAR_TIE, 300, Settings(balanced, 3e-3, 8, 1.0)),
        "rank too small": Scenario(SMALL_RANK, 600, Settings(balanced, 3e-3, 2, 1.0)),
    }


SCENARIOS = {"digits": _scenarios(0.03, 0.1, 10.0, 900), "bumps": _scenarios(1.0, 5.0, 100.0, 600)}
