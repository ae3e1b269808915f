"""What is seen of models in training: functions that turn numbers into one picture each, a PNG, or into words."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Shaped

from vrrae_lab import figures, metrics
from vrrae_lab.widgets.live_training import Look
from vrrae_lab.widgets.raster import Axis, Sheet, decades, round_up

WIDE, NARROW, HEIGHT = 530, 200, 180
SHOWN = 10  # images in a row of reconstructions
MOST_POINTS = 300  # of a curve
MOST_DIRECTIONS = 16  # of a spectrum
CUT = "#999999"
LEAST, MOST = 1e-3, 1e4  # what the logarithmic axes can show
COLOURS = figures.PALETTE[:2]


class Curves:
    """The terms of the losses at the steps where they were noted.

    Attributes:
        steps: updates made by then.
        terms: of each model, by name of the term.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """`names`: of the models."""
        self.steps: list[int] = []
        self.terms: dict[str, dict[str, list[float]]] = {name: {} for name in names}

    def note(self, step: int, terms: Mapping[str, Mapping[str, float]]) -> None:
        """Add the terms of all models at a step."""
        self.steps.append(step)
        for name, values in terms.items():
            for term, value in values.items():
                self.terms[name].setdefault(term, []).append(value)

    def png(self) -> bytes:
        """Reconstruction error and KL divergence, a panel each, a line for each model."""
        x = Axis(0, max([10, *self.steps]), "step")
        chosen = np.unique(np.linspace(0, max(0, len(self.steps) - 1), MOST_POINTS).astype(int))[: len(self.steps)]
        parts = [
            {name: np.array(terms.get(term, []))[chosen] for name, terms in self.terms.items() if term in terms}
            for term in ("reconstruction", "kl")
        ]
        axes = [(x, _decades(list(part.values()))) for part in parts]
        sheet = Sheet(WIDE, HEIGHT, ["squared error per image", "KL divergence per image (nats)"], axes)
        for panel, part in zip(sheet.panels, parts, strict=True):
            for name, colour in zip(self.terms, COLOURS, strict=True):
                if name in part:
                    panel.line(np.array(self.steps)[chosen], part[name], colour)
            panel.legend(list(self.terms), COLOURS)
        return sheet.png()


def spectra(looks: Mapping[str, Look]) -> bytes:
    """The singular values of the models, the largest first; those cut off in grey."""
    values = {name: look.spectrum[:MOST_DIRECTIONS] for name, look in looks.items()}
    axes = Axis(0, max(len(part) for part in values.values()) + 1, "number"), _decades(list(values.values()))
    sheet = Sheet(NARROW, HEIGHT, ["singular values / sqrt(n)"], [axes])
    (panel,) = sheet.panels
    for (name, part), colour in zip(values.items(), COLOURS, strict=True):
        numbers, kept = range(1, len(part) + 1), int(looks[name].kept)
        panel.line(numbers[:kept], part[:kept], colour)
        panel.dots(numbers, part, [colour if number <= kept else CUT for number in numbers])
    panel.legend(list(looks), COLOURS)
    return sheet.png()


def planes(looks: Mapping[str, Look], labels: Float[np.ndarray, " batch"]) -> bytes:
    """The two coefficients of each model that spread most over the images, as points coloured by label."""
    colours = [tuple(colour) for colour in figures.to_pixels(labels.reshape(-1, 1, 1, 1))[:, 0, 0].tolist()]
    points = {name: _widest_two(look.mean) for name, look in looks.items()}
    axes = [_square(plane, numbers) for plane, numbers in points.values()]
    sheet = Sheet(WIDE - NARROW, HEIGHT, [f"{name}, latent plane" for name in looks], axes)
    for panel, (plane, _) in zip(sheet.panels, points.values(), strict=True):
        panel.dots(plane[:, 0], plane[:, 1], colours, radius=2)
    return sheet.png()


def meters(looks: Mapping[str, Look]) -> bytes:
    """The KL divergence of each coefficient; a filled bar is an active one, an outline one that has collapsed."""
    parts = {name: look.kl for name, look in looks.items() if look.kl is not None}
    highest = round_up(max([0.5, *(float(part.max()) for part in parts.values())]))
    titles = [f"{name}: {active(look).sum()} of {look.mean.shape[1]} active; KL (nats)" for name, look in looks.items()]
    axes = [(Axis(0, look.mean.shape[1] + 1, "coefficient"), Axis(0, highest)) for look in looks.values()]
    sheet = Sheet(WIDE, HEIGHT, titles, axes)
    for panel, (name, look), colour in zip(sheet.panels, looks.items(), COLOURS, strict=True):
        panel.bars(parts.get(name, np.zeros(look.mean.shape[1])), active(look), colour)
    return sheet.png()


def reconstructions(x: Float[np.ndarray, "shown height width channels"], looks: Mapping[str, Look]) -> bytes:
    """Rows: the images, then what each model makes of them."""
    limits = (float(x.min()), float(x.max()))
    rows = np.concatenate([x, *(look.x_hat for look in looks.values())])
    return figures.png(figures.tile(figures.to_pixels(rows, limits), len(x)), max(1, 36 // x.shape[1]))


def in_words(x: Float[np.ndarray, "shown height width channels"], looks: Mapping[str, Look]) -> str:
    """The numbers behind the pictures as HTML, a line for each model; the error is that of the reconstructions."""
    lines = []
    for name, look in looks.items():
        error = ((look.x_hat - x) ** 2).sum(axis=(1, 2, 3)).mean()
        kl = "" if look.kl is None else f", KL {look.kl.sum():.3g} nats"
        count = f"{active(look).sum()} of {look.mean.shape[1]} coefficients active"
        lines.append(f"{name}: {count}{kl}, error of the images below {error:.3g}")
    return "<br>".join(lines)


def active(look: Look) -> Bool[np.ndarray, " rank"]:
    """Which coefficients are used; see `metrics.active_units`."""
    return metrics.active_units(look.mean)


def _widest_two(mean: Float[np.ndarray, "batch rank"]) -> tuple[Float[np.ndarray, "batch two"], list[int]]:
    """Those columns and their numbers; zeros in place of a second one that there is not."""
    numbers = np.sort(np.argsort(-mean.var(axis=0), kind="stable")[:2])
    plane = np.zeros((len(mean), 2))
    plane[:, : len(numbers)] = mean[:, numbers]
    return plane, [int(number) + 1 for number in numbers]


def _square(plane: Shaped[np.ndarray, "batch two"], numbers: Sequence[int]) -> tuple[Axis, Axis]:
    limit = round_up(max(0.1, float(np.abs(plane).max())), (1, 1.5, 2, 3, 4, 5, 6, 8, 10))
    return Axis(-limit, limit, "coefficient " + " and ".join(str(number) for number in numbers)), Axis(-limit, limit)


def _decades(parts: Sequence[np.ndarray]) -> Axis:
    return Axis(*decades(np.concatenate([*parts, np.zeros(0)]), LEAST, MOST), logarithmic=True)
