"""Two models in training, frame by frame: what is kept of each, recordings of a race, and the card that plays them."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Shaped

from vrrae_lab.checks import check_kind, check_path
from vrrae_lab.files import UNREADABLE, atomic_file
from vrrae_lab.widgets.card import Card, as_bytes

FORMAT = "vrrae_lab race 1"
SHIPPED = Path(__file__).parent.parent / "shipped"


def frame_type(header: dict[str, Any]) -> np.dtype[np.void]:
    """One frame in bytes, little-endian. Numbers of both models stand one after the other."""
    rank, watched, shown = header["rank"], header["watched"], header["shown"]
    return np.dtype(
        [
            ("step", "<f4"),
            ("preset", "<f4"),  # its place in the list, from 1; 0 for none
            ("settings", "<f4", (2, 4)),  # β, learning rate, rank, noise
            ("scores", "<f4", (2, 4)),  # error in %, KL in nats; what training had: squared error, KL
            ("kept", "<f4", 2),  # directions that are not cut off
            ("awake", "u1", (2, rank)),
            ("kl", "<f2", (2, rank)),  # NaN for a deterministic model, as is the deviation
            ("deviation", "<f2", (2, rank)),
            ("spectrum", "<f2", (2, header["directions"])),  # NaN where a model has fewer
            ("mean", "<f2", (2, watched, rank)),
            ("pixels", "u1", (2, shown, *header["shape"])),
        ]
    )


@dataclass(frozen=True, eq=False)
class Recording:
    """A race as it was. Nothing is trained to show it: see `race`.

    Attributes:
        header: on which models, data, seed and versions; JSON-ready.
        frames: one after the other, as `frame_type` lays them out.
        images: those that were decoded, as bytes of 0 to 255.
        labels: a number for each image that was watched.
    """

    header: dict[str, Any]
    frames: Shaped[np.ndarray, " frames"]
    images: Shaped[np.ndarray, "shown height width channels"]
    labels: Shaped[np.ndarray, " watched"]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to one compressed file, atomically and without pickle.

        Args:
            path: the file to create or replace.
        """
        check_path("path", path)
        header = np.frombuffer(json.dumps(self.header | {"format": FORMAT}, allow_nan=False).encode(), np.uint8)
        arrays: dict[str, Any] = {"header": header, "images": self.images, "labels": self.labels}
        arrays |= {f"frame_{name}": self.frames[name] for name in self.frames.dtype.names or ()}
        with atomic_file(path) as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Recording":
        """Read what `save` has written; nothing in it is executed.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is no recording, or damaged.
        """
        check_path("path", path)
        try:
            # NumPy leaves a file that it has opened open where it is damaged
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
                header = json.loads(arrays["header"].tobytes())
                if header["format"] != FORMAT:
                    raise ValueError(f"its format is {header['format']!r}")
                frames = np.zeros(len(arrays["frame_step"]), frame_type(header))
                for name in frames.dtype.names or ():
                    frames[name] = arrays[f"frame_{name}"]
                images = arrays["images"].reshape(header["shown"], *header["shape"])
                return cls(header, frames, images, arrays["labels"].reshape(header["watched"]))
        except UNREADABLE as error:
            raise ValueError(f"{path} is no recording of a race, or damaged ({error}): record it again") from error


class Race(Card):
    """What `race` returns.

    Attributes:
        frame: which of the kept frames is shown, from 0; −1 is the newest.
    """

    frame = traitlets.Int(-1).tag(sync=True)
    _race = traitlets.Dict().tag(sync=True)
    _images = traitlets.Bytes().tag(sync=True)
    _labels = traitlets.Bytes().tag(sync=True)
    _frames = traitlets.Bytes().tag(sync=True)  # of a replay; those of a training go as messages

    def __init__(self, recording: Recording, **traits: Any) -> None:
        """Made by `race`."""
        header = recording.header
        super().__init__(
            "playground",
            header["source"],
            _race=described(header),
            _images=as_bytes(recording.images, np.uint8),
            _labels=as_bytes(recording.labels),
            _frames=recording.frames.tobytes(),
            **traits,
        )


def described(header: dict[str, Any]) -> dict[str, Any]:
    """A header, and where the page finds each number of a frame: place in bytes, type, how many of each model."""
    kind = frame_type(header)
    fields = {
        name: [offset, part.base.str.lstrip("<|"), int(np.prod(part.shape)) // (2 if part.shape else 1) or 1]
        for name, (part, offset, *_) in (kind.fields or {}).items()
    }
    return header | {"fields": fields, "bytes": kind.itemsize}


def race(recording: Recording | str | os.PathLike[str]) -> Race:
    """Play a recorded race of two models; nothing is trained.

    Args:
        recording: what `playground.record()` gave, a file that it was saved to, or the name of one that comes with the
            package: "mnist_awake" or "mnist_collapse".

    Raises:
        FileNotFoundError: if there is no such file, and none of this name comes with the package.
        ValueError: if the file is no recording.

    Example:
        >>> vl.widgets.race("mnist_collapse")
    """
    check_kind("recording", recording, Recording | str | os.PathLike, "give a Recording or the path of one")
    if not isinstance(recording, Recording):
        check_path("recording", recording)
        known = {file.name.partition(".")[0]: file for file in SHIPPED.glob("*.race.npz")}
        path = known.get(os.fspath(recording), Path(recording))
        if not path.exists():
            names = ", ".join(sorted(known))
            raise FileNotFoundError(f"recording = {os.fspath(recording)!r}: no such file; the package has {names}")
        recording = Recording.load(path)
    return Race(recording)
