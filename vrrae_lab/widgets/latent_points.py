"""The posterior means of a data set in planes of two coefficients, and what a model decodes there, as pictures."""

from dataclasses import dataclass, replace
from html import escape
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Key, UInt8

from vrrae_lab import density, explore, figures
from vrrae_lab.checks import check_key
from vrrae_lab.data.dataset import Dataset, check_data
from vrrae_lab.gaussian import DiagonalGaussian
from vrrae_lab.models import Autoencoder, check_frozen, check_images
from vrrae_lab.widgets.encoded import decode_plane, encoded
from vrrae_lab.widgets.labelled_points import colours, label_vector, shown
from vrrae_lab.widgets.latent_drawing import Drawing, Extent, Pixels

Pictures = UInt8[np.ndarray, "count height width 3"]

NUM_SAMPLES = 200
NUM_COMPONENTS = 10  # of the mixture
PER_SIDE = 10  # of the grid: as many images as are decoded at a time elsewhere
CELL = 96  # about the height of one of them, before it is fitted into the picture
NUM_STEPS = 11  # of a strip
PRIOR, MIXTURE, KERNELS = "prior", "Gaussian mixture", "kernel density"


@dataclass(frozen=True)
class Scene:
    """What the plane is to show, the marker apart.

    Attributes:
        across: the coefficient along the lower edge.
        up: the one along the left edge.
        base: number of the point whose other coefficients are decoded; None for their means.
        grid: whether decoded images lie behind the points.
        samples: names of what is drawn over them.
        ends: letter to the number of the point that bears it.
    """

    across: int
    up: int
    base: int | None = None
    grid: bool = False
    samples: tuple[str, ...] = ()
    ends: tuple[tuple[str, int], ...] = ()


class Look(NamedTuple):
    """How samples are drawn, and what to call them."""

    shape: str
    words: str


SAMPLES = {
    PRIOR: Look("crosses", "crosses: samples of the prior N(0, I)"),
    MIXTURE: Look("squares", "squares: samples of a Gaussian mixture fitted to the points"),
    KERNELS: Look("triangles", "triangles: samples of a kernel density on the points, AVAE's reference bandwidth"),
}


class Plane(NamedTuple):
    """A scene as a picture, the part of the plane it shows, and where the points lie in it."""

    pixels: Pixels
    extent: Extent
    points: Float[np.ndarray, "count 2"]

    def nearest(self, position: tuple[float, float]) -> int:
        """The number of the point that is nearest in the picture."""
        places = self.extent.unit(np.concatenate([np.array([position]), self.points]))
        return int(((places[1:] - places[0]) ** 2).sum(axis=1).argmin())


class LatentPoints:
    """A model, the posterior means of its data, and pictures of both.

    Attributes:
        data: the images that have a point, as floats.
        numbers: which of the given ones they are.
        z: their posterior means.
        order: the coefficients by falling spread.
        sample_names: what can be drawn over the points.
        words: what the points and their colours are, as HTML.
    """

    def __init__(self, model: Autoencoder, data: Dataset, *, path: Dataset | None, key: Key[Array, ""]) -> None:
        """Args and Raises: see `latent_plane`."""
        check_frozen(model)
        check_key(key)
        check_data(data)
        if path is not None:
            check_data(path, "path")
            check_images(path.x, model.shape)
        self.numbers = shown(len(data))
        self.data = replace(data, x=data.x[self.numbers], labels=None).as_floats()
        posterior, self.z, self.middle, self.spread, order = encoded(model, self.data)
        if self.z.shape[1] < 2:
            raise ValueError("the model has 1 coefficient, and a plane needs two: use widgets.explore")
        self.order = order.tolist()
        self.sample_names = ([PRIOR] if isinstance(posterior, DiagonalGaussian) else []) + [MIXTURE, KERNELS]
        self._path = None if path is None else explore.coefficients(model, path.x)
        self._model, self._key = model, key
        self._samples: dict[str, np.ndarray] = {}
        self._limits = data.value_range
        self._labels = label_vector(data, self.numbers)
        self.colours, meaning = colours(self._labels, len(self.z))
        count = f"{len(self.z):,} images" if len(self.z) == len(data) else f"{len(self.z):,} of {len(data):,} images"
        thinned = "" if len(self.z) == len(data) else ", evenly spread over the set"
        self.words = f"discs: posterior means of {count} of {escape(data.name)}{thinned}; {meaning}"
        if path is not None:
            self.words += f"<br>orange line: the way of {escape(path.name)}, image by image"

    def plane(self, scene: Scene) -> Plane:
        """The scene as a picture; the plane reaches as far as anything in it."""
        axes = [scene.across, scene.up]
        points = np.asarray(self.z[:, axes], np.float32)
        path = None if self._path is None else np.asarray(self._path[:, axes], np.float32)
        samples = {SAMPLES[name].shape: np.asarray(self.samples(name)[:, axes], np.float32) for name in scene.samples}
        parts = [points, *samples.values()] if path is None else [points, path, *samples.values()]
        extent = Extent.around(np.concatenate(parts))
        ground = None
        if scene.grid:
            cells = self._decode_plane(scene, extent.cells(PER_SIDE))
            larger = max(1, CELL // cells.shape[1])
            cells = cells.repeat(larger, axis=1).repeat(larger, axis=2)
            cells[:, -1], cells[:, :, -1] = 255, 255  # a line within the cell, so that its middle stays in place
            ground = figures.tile(cells, PER_SIDE, gap=0)
        letters = {letter: points[i] for letter, i in scene.ends}
        drawing = Drawing(extent, points, self.colours, path, samples, letters, ground)
        return Plane(drawing.pixels(), extent, points)

    def samples(self, name: str) -> Float[np.ndarray, "count rank"]:
        """Samples of all coefficients: of the prior, or of a density fitted to the points; drawn once by the key."""
        if name not in self._samples:
            key = jax.random.fold_in(self._key, list(SAMPLES).index(name))
            self._samples[name] = np.asarray(self._draw(name, key))
        return self._samples[name]

    def _draw(self, name: str, key: Key[Array, ""]) -> Array | np.ndarray:
        if name == PRIOR:
            return jax.random.normal(key, (NUM_SAMPLES, self.z.shape[1]))
        if name == MIXTURE:
            components = min(NUM_COMPONENTS, len(self.z))
            return explore.sample_mixture(self.z, NUM_SAMPLES, num_components=components, key=key)
        return density.KernelDensity(self.z, density.avae_reference(self.z)).sample(NUM_SAMPLES, key=key)

    def start(self, scene: Scene) -> tuple[float, float]:
        """Where the marker is put: at the mean of the points, or at the point whose coefficients are decoded."""
        base = self._base(scene)
        return float(base[scene.across]), float(base[scene.up])

    def decoded(self, scene: Scene, position: tuple[float, float]) -> Pixels:
        """The image at a position."""
        return self._decode_plane(scene, np.array([position]))[0]

    def pair(self, number: int) -> Pixels:
        """The image of a point, and at its right the one decoded from all its coefficients."""
        x_hat = np.asarray(self._model.decode(self.z[[number]]))
        return figures.tile(self._pixels(np.concatenate([self.data.x[[number]], x_hat])), 2)

    def between(self, start: int, end: int) -> Pixels:
        """Images decoded on the straight line between all the coefficients of two points, ends included."""
        weights = np.linspace(0, 1, NUM_STEPS, dtype=self.z.dtype)[:, None]
        z = (1 - weights) * self.z[[start]] + weights * self.z[[end]]
        return figures.tile(self._pixels(self._model.decode(z)), NUM_STEPS)

    def along(self, scene: Scene, extent: Extent, trail: Float[np.ndarray, "places 2"]) -> Pixels:
        """Images decoded along a painted line, at equal distances in the picture."""
        lengths = np.linalg.norm(np.diff(extent.unit(trail), axis=0), axis=1)
        so_far = np.concatenate([[0.0], np.cumsum(lengths)])
        stops = np.linspace(0, so_far[-1], NUM_STEPS)
        places = np.stack([np.interp(stops, so_far, c) for c in trail.T], axis=1)
        return figures.tile(self._decode_plane(scene, places), NUM_STEPS)

    def describe(self, number: int) -> str:
        """Which of the given images a point is, in words."""
        label = "" if self._labels is None else f", label {self._labels[number]}"
        return f"image {self.numbers[number]}{label}"

    def _base(self, scene: Scene) -> Float[np.ndarray, " rank"]:
        """The coefficients that the two of the plane are set in."""
        return self.middle if scene.base is None else self.z[scene.base]

    def _decode_plane(self, scene: Scene, positions: Float[np.ndarray, "count 2"]) -> Pictures:
        return self._pixels(decode_plane(self._model, self._base(scene), [scene.across, scene.up], positions))

    def _pixels(self, images: Array | np.ndarray) -> Pictures:
        return figures.to_pixels(np.asarray(images), self._limits)
