"""Settings of the playground worth seeing, each with what to look for."""

from typing import NamedTuple

from vrrae_lab.widgets.live_training import Settings


class Scenario(NamedTuple):
    """Where to put the sliders, and what happens then within `steps` updates.

    Attributes:
        words: one sentence on what to look for.
        settings: of the sliders.
        steps: after so many updates what the words say has happened.
    """

    words: str
    settings: Settings
    steps: int


SCENARIOS: dict[str, dict[str, Scenario]] = {"digits": {}, "bumps": {}}
