"""A latent space to take hold of: one model or two, their coefficients, and what they decode, all in one card."""

from typing import Any

import jax
import numpy as np
import traitlets
from jaxtyping import Float

from vrrae_lab import density, metrics
from vrrae_lab import explore as latent
from vrrae_lab.bottlenecks import LowRank, VariationalLowRank
from vrrae_lab.checks import as_numbers
from vrrae_lab.data.dataset import Dataset, check_data
from vrrae_lab.gaussian import DiagonalGaussian
from vrrae_lab.models import Autoencoder, check_frozen, in_batches
from vrrae_lab.widgets.card import MOST_CLASSES, Card, as_bytes, look
from vrrae_lab.widgets.weights import FAMILIES, PageCannotRun, Precision, page_model

MOST_IMAGES = 2000
MOST_BYTES = 2_000_000  # of thumbnails
NUM_SAMPLES, NUM_COMPONENTS = 480, 10
MODES = ("posterior", "prior", "mixture", "kernel density")

Image = Float[np.ndarray, "height width channels"]


class Explorer(Card):
    """What `explore` returns: what is moved in the page is read here, and what is set here shows there.

    Attributes:
        z: the first model's coefficients, in its own order and units.
        other_z: the second model's; empty where there is none.
        rank: how many of the first model's coefficients are decoded, by falling spread; the others are held at their
            mean.
        other_rank: likewise for the second.
        image: number of the image that was picked, in `data`; −1 for none, as after a drawing.
        mode: where coefficients come from: "posterior", those of an image; "prior", "mixture" or "kernel density",
            samples of $\\mathcal{N}(0, I)$ or of a density fitted to the posterior means.
        data: the images to pick from, as floats; at most 2,000, evenly spread over those given.
        models: the one model, or both.
        cannot_run: for each of them, why the page has to ask the kernel for what it decodes; empty where it need not.
    """

    z = traitlets.Any().tag(sync=True)
    other_z = traitlets.Any().tag(sync=True)
    rank = traitlets.Int().tag(sync=True)
    other_rank = traitlets.Int().tag(sync=True)
    image = traitlets.Int(-1).tag(sync=True)
    mode = traitlets.Enum(MODES, MODES[0]).tag(sync=True)
    _data = traitlets.Dict().tag(sync=True)
    _parts: Any = traitlets.List().tag(sync=True)
    _samples: Any = traitlets.List().tag(sync=True)  # of each model, from when they are first asked for

    def __init__(self, models: list[Autoencoder], data: Dataset, *, precision: Precision = "float32") -> None:
        """Made by `explore`, and by `export_html` with weights of another precision.

        Raises:
            ValueError: if a model is not frozen or has diverged, or the images do not fit it.
        """
        self.models, self.data = models, _shown(data)
        self._encoded = [_Encoded(model, self.data) for model in models]
        first, *others = self._encoded
        described = [each.for_page(precision) for each in self._encoded]
        names = " and ".join(each["name"] for each in described)
        self.cannot_run = [each.problem for each in self._encoded]
        super().__init__(
            "explore",
            f"{names} · {data.name}",
            z=first.means[0].tolist(),
            other_z=others[0].means[0].tolist() if others else [],
            rank=len(first.order),
            other_rank=len(others[0].order) if others else 0,
            image=0,
            _data=_for_page(self.data, len(data)),
            _parts=described,
        )
        self.on_msg(lambda _, content, buffers: self.guarded(self._answer)(content, buffers))

    @property
    def decoded(self) -> Image:
        """What the first model draws now."""
        return self._decode(0, self.z, self.rank)

    @property
    def other_decoded(self) -> Image:
        """What the second model draws now.

        Raises:
            ValueError: if there is none.
        """
        if len(self.models) < 2:
            raise ValueError("there is no second model: give one as other=")
        return self._decode(1, self.other_z, self.other_rank)

    def fit_samples(self) -> None:
        """Fit the densities that samples are drawn from, unless that has been done; the page asks for it."""
        if not self._samples:
            self._samples = [each.samples() for each in self._encoded]

    def _decode(self, number: int, z: list[float], rank: int) -> Image:
        encoded = self._encoded[number]
        kept = encoded.middle.copy()
        kept[encoded.order[:rank]] = np.asarray(z, np.float32)[encoded.order[:rank]]
        return np.asarray(self.models[number].decode(kept[None]))[0]

    @traitlets.validate("z", "other_z")
    def _check_z(self, proposal: Any) -> list[float]:
        name = proposal["trait"].name
        values = as_numbers(name, proposal["value"])
        number = int(name == "other_z")
        size = len(self._encoded[number].order) if number < len(self._encoded) else 0
        if values.shape != (size,) or not np.isfinite(values).all():
            raise ValueError(f"{name} = {proposal['value']}: give {size} finite numbers, one for each coefficient")
        return values.tolist()

    @traitlets.validate("rank", "other_rank")
    def _check_rank(self, proposal: Any) -> int:
        number, value = int(proposal["trait"].name == "other_rank"), proposal["value"]
        size = len(self._encoded[number].order) if number < len(self._encoded) else 0
        if not min(1, size) <= value <= size:
            raise ValueError(f"{proposal['trait'].name} = {value}: use 1 to {size}, the model's coefficients")
        return value

    @traitlets.validate("image")
    def _check_image(self, proposal: Any) -> int:
        if not -1 <= proposal["value"] < len(self.data):
            raise ValueError(f"image = {proposal['value']}: use 0 to {len(self.data) - 1}, or -1 for none")
        return proposal["value"]

    @traitlets.observe("image")
    def _encode_image(self, change: Any) -> None:
        # what the page picks it encodes itself, and may have moved since
        if change.new >= 0 and "image" not in self._property_lock:
            self.z = self._encoded[0].means[change.new]
            if len(self.models) > 1:
                self.other_z = self._encoded[1].means[change.new]

    @traitlets.observe("mode")
    def _fit_for_mode(self, change: Any) -> None:
        if change.new in MODES[2:]:
            self.guarded(self.fit_samples)()

    def _answer(self, content: dict[str, Any], buffers: list[memoryview]) -> None:
        """Compute for a page that cannot run a model by itself."""
        model, values = self.models[content["model"]], np.frombuffer(buffers[0], "<f4")
        if content["do"] == "decode":
            found = [model.decode(values[None])]
        else:
            posterior = model.encode(values.reshape(1, *model.shape))
            found = [posterior.mean, *_deviations(posterior)]
        self.send({"id": content["id"]}, [as_bytes(np.asarray(each)) for each in found])


class _Encoded:
    """A model's coefficients over a data set."""

    def __init__(self, model: Autoencoder, data: Dataset) -> None:
        check_frozen(model)
        self.problem = ""  # why the page cannot run it
        self.model, posterior = model, in_batches(model.encode, data.x)
        self.means: Float[np.ndarray, "count rank"] = np.asarray(posterior.mean, np.float32)
        if not np.isfinite(self.means).all():
            raise ValueError(
                f"the coefficients of {data.name} contain NaN or infinity: the model has diverged, or the images "
                "contain them"
            )
        self.deviations = _deviations(posterior)
        self.kl = metrics.kl_per_coefficient(posterior)
        self.middle, self.spread = self.means.mean(axis=0), self.means.std(axis=0)
        self.order = np.argsort(-self.spread, kind="stable")

    def for_page(self, precision: Precision) -> dict[str, Any]:
        """All that the page needs of it."""
        name = self.model.name
        try:
            spec, weights = page_model(self.model, name=name, precision=precision)
        except PageCannotRun as error:  # the page will ask this side
            spec, weights, self.problem = None, b"", str(error)
            self.model.decode(self.model.encode(np.zeros((1, *self.model.shape), np.float32)).mean)  # compiled once
        return {
            "name": name,
            "family": FAMILIES.get(type(self.model.bottleneck), "ae"),
            "rank": len(self.order),
            "latentSize": getattr(self.model.encoder, "latent_size", 0),
            "svd": isinstance(self.model.bottleneck, LowRank | VariationalLowRank),
            "spec": spec,
            "weights": weights,
            "means": as_bytes(self.means),
            "deviations": as_bytes(self.deviations[0]) if self.deviations else None,
            "middle": self.middle.tolist(),
            "spread": self.spread.tolist(),
            "order": self.order.tolist(),
            "kl": self.kl,
        }

    def samples(self) -> dict[str, Any]:
        """Samples of a mixture fitted to the means, and the bandwidth of kernels on them."""
        components = min(NUM_COMPONENTS, len(self.means))
        z = latent.sample_mixture(self.means, NUM_SAMPLES, num_components=components, key=jax.random.key(0))
        return {"mixture": as_bytes(z), "bandwidth": float(density.silverman(self.means))}


def _deviations(posterior: Any) -> list[Float[np.ndarray, "count rank"]]:
    """The posteriors' standard deviations; none of point masses."""
    return [np.asarray(posterior.standard_deviation)] if isinstance(posterior, DiagonalGaussian) else []


def _shown(data: Dataset) -> Dataset:
    """At most 2,000 images and 2 MB of thumbnails, evenly spread over the set, as floats."""
    count = max(1, min(len(data), MOST_IMAGES, MOST_BYTES // data.x[0].size))
    numbers = np.linspace(0, len(data) - 1, count).astype(int)
    labels = None if data.labels is None else data.labels[numbers]
    return Dataset(data.name, data.x[numbers], labels, data.offset, data.scale).as_floats()


def _for_page(data: Dataset, total: int) -> dict[str, Any]:
    """The images in as many shades as there is room for, their classes, and how they are to be seen."""
    low, high = data.value_range
    shades = np.uint16 if 2 * data.x.size <= MOST_BYTES else np.uint8
    unit = (data.x - low) / ((high - low) or 1.0)
    black, white = black_and_white(data)
    names, places = data.classes or ([], None)
    few = 0 < len(names) <= MOST_CLASSES
    return {
        "name": data.name,
        "total": total,
        "shape": list(data.shape),
        "images": as_bytes(np.round(unit * np.iinfo(shades).max), shades),
        "labels": as_bytes(places, np.int32) if few else None,
        "classes": names if few else [],
        "look": look(data),
        "black": black,
        "white": white,
    }


def black_and_white(data: Dataset) -> tuple[float, float]:
    """The values that black and white have in data of this scaling.

    In the units of the source black is 0, and white is 1 or, in data that were divided by their largest value, that
    value. Where the images do not lie between the two, black and white are their extremes.
    """
    low, high = data.value_range
    raw_low, raw_high = low * data.scale + data.offset, high * data.scale + data.offset
    slack = 1e-5 * data.scale  # for the rounding of float32
    for white in (1.0, data.scale):
        if raw_low >= -slack and raw_high <= white + slack:
            return -data.offset / data.scale, (white - data.offset) / data.scale
    return low, high


def explore(model: Autoencoder, data: Dataset, *, other: Autoencoder | None = None) -> Explorer:
    r"""One linked lab over a model's coefficients, or over two models on the same image.

    Drag a coefficient in the shape of its distribution, a place on the map of two of them, or the cut in the spectrum,
    and the decoded image follows. Pick an image, draw one or drop a file: it is encoded, to its posterior mean. Sample
    the prior, a Gaussian mixture or a kernel density; walk from one image to another. All this is computed in the page,
    so it goes on without a kernel; a model that the page cannot run is asked here.

    Args:
        model: a frozen model.
        data: images to pick from, and to take means, spreads and the range of colours from.
        other: a second frozen model, beside the first; both get the same images.

    Raises:
        ValueError: if a model is not frozen, has diverged or takes other images.

    Example:
        >>> lab = vl.widgets.explore(model, vl.data.digits())
        >>> lab.image, lab.rank = 12, 3  # the twelfth image from its three widest coefficients
        >>> lab.z, lab.decoded.shape
    """
    check_data(data)
    return Explorer([model] if other is None else [model, other], data)
