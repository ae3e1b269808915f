"""The plane as an anywidget: the kernel sends it a picture, and it sends back where the pointer is.

`latent_plane` imports it when it is called, as anywidget takes a quarter of a second.
"""

from pathlib import Path

import anywidget
import traitlets

from vrrae_lab import figures
from vrrae_lab.widgets.latent_drawing import SIZE
from vrrae_lab.widgets.latent_points import Plane


class Canvas(anywidget.AnyWidget):
    """A canvas to point at, click, paint on, and move a marker on with the arrow keys.

    Attributes:
        pointer: where the marker is, in the plane.
        picked: number of the point that was clicked; -1 for none.
        hovered: number of the point under the mouse; -1 for none.
        trail: the line that was painted last, place by place.
    """

    _esm = Path(__file__).with_name("latent_plane.js")

    pointer = traitlets.Tuple(traitlets.Float(), traitlets.Float(), default_value=(0.0, 0.0)).tag(sync=True)
    picked = traitlets.Int(-1).tag(sync=True)
    hovered = traitlets.Int(-1).tag(sync=True)
    trail = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)
    points = traitlets.Bytes().tag(sync=True)
    extent = traitlets.List(traitlets.Float(), default_value=[0.0, 1.0, 0.0, 1.0]).tag(sync=True)
    size = traitlets.Int(SIZE).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)

    def show(self, plane: Plane, axes: tuple[str, str]) -> None:
        """Put another picture under the marker."""
        with self.hold_sync():
            self.picture = figures.png(plane.pixels)
            self.extent = list(plane.extent)
            self.points = plane.points.astype("<f4").tobytes()
            self.label = (
                f"plane of {axes[0]}, across, and {axes[1]}, up: the arrow keys move the marker, Enter picks the "
                "nearest point"
            )
