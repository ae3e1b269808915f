"""What a data set is here: images, labels, and the scaling that was applied."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, Shaped, UInt8

from vrrae_lab import display
from vrrae_lab.checks import check_key, check_kind, check_number, check_positive, check_whole
from vrrae_lab.randomness import generator

NUM_SHOWN = 16  # of the images, where a notebook shows the set


def check_data(data: "Dataset", name: str = "data") -> None:
    """Refuse what is no data set.

    Raises:
        TypeError: naming it and the remedy.
    """
    check_kind(name, data, Dataset, "give a Dataset, such as vrrae_lab.data.digits()")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Images with the facts needed to use them honestly; what is no array of images is refused.

    The stored images are scaled; `raw = x * scale + offset` gives back the units of the source.

    Attributes:
        name: the data set and split, for titles and records.
        x: images, batch first, channels last: float32, or the uint8 of the source (offset 0, scale 1), which may be
            memory-mapped and which `fit` takes as fractions of 255.
        labels: what is known of each image (a class, a bump's centre, attributes), or None.
        offset: scalar subtracted from the raw images.
        scale: scalar by which they were then divided.
        provenance: where the images came from, as JSON-ready values.
    """

    name: str
    x: Float[np.ndarray, "batch height width channels"] | UInt8[np.ndarray, "batch height width channels"]
    labels: Shaped[np.ndarray, "batch ..."] | None = None
    offset: float = 0.0
    scale: float = 1.0
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_kind("name", self.name, str, "give the data set and split as text")
        check_kind("x", self.x, np.ndarray, "give images as a NumPy array")
        if self.x.ndim != 4 or 0 in self.x.shape[1:]:
            raise ValueError(f"x has shape {self.x.shape}: images are (batch, height, width, channels)")
        if self.x.dtype != np.uint8 and self.x.dtype.kind != "f":
            raise ValueError(f"x is {self.x.dtype}: give float32, or the uint8 of the source")
        if self.labels is not None:
            check_kind("labels", self.labels, np.ndarray, "give one label per image as a NumPy array, or None")
            if self.labels.shape[:1] != self.x.shape[:1]:
                raise ValueError(
                    f"labels has shape {self.labels.shape}, but there are {len(self.x):,} images: give one each"
                )
        check_number("offset", self.offset)
        check_positive("scale", self.scale)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of one image."""
        height, width, channels = self.x.shape[1:]
        return height, width, channels

    @property
    def value_range(self) -> tuple[float, float]:
        """The darkest and the brightest value of the images as floats, which for bytes are those they can have."""
        return (0.0, 1.0) if self.x.dtype == np.uint8 else (float(self.x.min()), float(self.x.max()))

    @property
    def classes(self) -> tuple[list[str], Int[np.ndarray, " batch"]] | None:
        """The names of the classes and the place of each image's among them; None where the labels are something else,
        such as places or several attributes, or there are none.
        """
        if self.labels is None or self.labels.ndim != 1 or self.labels.dtype.kind not in "biuUS":
            return None
        names, places = np.unique(self.labels, return_inverse=True)
        return [str(name) for name in names], places

    @property
    def label_numbers(self) -> Float[np.ndarray, " batch"]:
        """A number for each image, to colour it by: its class, the first of its labels, or the place of its text among
        all in alphabetical order; 0 where there are none.
        """
        if self.labels is None:
            return np.zeros(len(self))
        first = self.labels.reshape(len(self), -1)[:, 0]
        return (
            np.unique(first, return_inverse=True)[1].astype(float) if first.dtype.kind in "US" else first.astype(float)
        )

    @property
    def origin(self) -> str:
        """Where the images come from, in lines to be read: what was found, its files, the start of their checksums."""
        place = self.provenance.get("found", self.provenance.get("source", "nobody said where"))
        files = self.provenance.get("files", [])
        lines = ["  ".join([file["name"], file["sha256"][:12], file.get("url", "")]).rstrip() for file in files]
        return "\n  ".join([f"{self.name}: {len(self):,} images {self.shape}, found: {place}", *lines])

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"{self.name}: {self._facts()}"

    def _repr_html_(self) -> str:
        some = self.take(min(len(self), NUM_SHOWN)).as_floats().x
        drawn = len(some) and self.shape[2] in (1, 3) and np.isfinite(some).all()
        return display.card(self.name, self._facts(), display.thumbnails(some, self.value_range) if drawn else "")

    def _facts(self) -> str:
        facts = [f"{display.plural(len(self), 'image')} of {display.shape_of(self.shape)}"]
        if self.classes:
            facts.append(display.plural(len(self.classes[0]), "class", "es"))
        elif self.labels is not None:
            facts.append(f"labels {display.shape_of(self.labels)}")
        if self.x.dtype == np.uint8:
            facts.append("bytes, of which fit takes fractions of 255")
        elif len(self):
            facts.append("values {:.3g} to {:.3g}".format(*self.value_range))
        return " · ".join(facts)

    def take(self, n: int) -> "Dataset":
        """The first `n` images.

        Raises:
            ValueError: if there are fewer than `n`, or `n` is below 1.
        """
        check_whole("n", n)
        if not 1 <= n <= len(self):
            raise ValueError(f"n = {n}, but {self.name} has {len(self)} images: ask for 1 to {len(self)}")
        return replace(self, x=self.x[:n], labels=None if self.labels is None else self.labels[:n])

    def split(self, num_test: int, *, key: Key[Array, ""]) -> tuple["Dataset", "Dataset"]:
        """Divide the images at random: pictures of a folder come class by class, so its last ones are no fair test.

        Args:
            num_test: how many to keep aside.
            key: decides which.

        Returns:
            The images to train on and those kept aside, each in the order they had.

        Raises:
            ValueError: if that leaves none to train on, or `num_test` is below 1.

        Example:
            >>> train, test = vl.data.digits().split(300, key=jax.random.key(0))
        """
        check_key(key)
        check_whole("num_test", num_test)
        if not 1 <= num_test < len(self):
            raise ValueError(f"num_test = {num_test}, but {self.name} has {len(self)} images: use 1 to {len(self) - 1}")
        aside = np.isin(np.arange(len(self)), generator(key).permutation(len(self))[:num_test])
        return self._of(~aside, self.name), self._of(aside, f"{self.name}, kept aside")

    def _of(self, chosen: Bool[np.ndarray, " batch"], name: str) -> "Dataset":
        return replace(self, name=name, x=self.x[chosen], labels=None if self.labels is None else self.labels[chosen])

    def as_floats(self) -> "Dataset":
        """The same images as float32: bytes become fractions of 255, in [0, 1]; floats stay as they are."""
        if self.x.dtype != np.uint8:
            return self
        return replace(self, x=np.divide(self.x, np.float32(255), dtype=np.float32), offset=0.0, scale=255.0)
