"""A widget that is drawn by the page: Python keeps its state as numbers, `page/` has everything that is seen."""

import base64
import html
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import numpy as np
import traitlets
from IPython.core.getipython import get_ipython

from vrrae_lab import environment
from vrrae_lab.data.dataset import Dataset

BUNDLE = Path(__file__).with_name("lab.js")
MOST_CLASSES = 10  # as many as there are colours
NOT_THE_PAGE = ("_esm", "_css", "_model_", "_view_", "_anywidget_", "_dom_classes", "tabbable", "tooltip", "layout")


@cache
def bundle() -> str:
    """The page's code, one ES module.

    Raises:
        RuntimeError: if it has not been built, in a clone in which it is being changed.
    """
    if not BUNDLE.exists():
        raise RuntimeError(f"{BUNDLE} is missing: run `make page`, which needs Node 20 or newer")
    return BUNDLE.read_text(encoding="utf-8")


def element(state: Mapping[str, Any]) -> str:
    """A widget without a kernel, as HTML for a `document`.

    Args:
        state: the values of its traits.
    """
    ours = {name: value for name, value in state.items() if not name.startswith(NOT_THE_PAGE)}
    text = json.dumps(ours, allow_nan=False, default=_as_text).replace("<", "\\u003c")
    return f'<div><script type="application/json" class="vrrae-lab-state">{text}</script></div>'


def _as_text(value: bytes | memoryview) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}


def document(title: str, elements: Sequence[str]) -> str:
    """A page of one file that shows widgets with neither kernel nor network.

    Args:
        title: of the page, plain text.
        elements: of `element`.
    """
    script = bundle().replace("</script", "<\\/script")
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n"
        "<style>:root{color-scheme:light dark}body{margin:12px auto;max-width:1360px;padding:0 12px}</style>\n"
        f'{"".join(elements)}\n<script type="module">{script}</script>\n</html>\n'
    )


class Card(anywidget.AnyWidget):
    """What all widgets have in common. One widget model each; a cell that is run again closes those it had made.

    Traits whose names begin with an underscore belong to the page alone; the others are read and set by users, and
    what is moved in the page is what they read.

    Attributes:
        message: a line shown in the card: what went wrong and what to do.
    """

    # by cell: the execution that made its widgets, and these
    _made: ClassVar[dict[str, tuple[Any, list["Card"]]]] = {}

    _esm = ""  # the bundle, put in by __init__: importing the package reads no file
    layout = traitlets.Any(None, allow_none=True)  # a layout would be a second widget model
    _widget = traitlets.Unicode().tag(sync=True)
    _source = traitlets.Unicode().tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)

    def __init__(self, widget: str, source: str, **traits: Any) -> None:
        """Made by the functions of `vrrae_lab.widgets`.

        Args:
            widget: its name in the page.
            source: on which model, data and seed; saved with every picture and table, the version added.
            **traits: the first values.
        """
        version = environment.versions(["vrrae_lab"])["vrrae_lab"]
        super().__init__(_widget=widget, _source=f"{source} · vrrae_lab {version}", _esm=bundle(), **traits)
        self._close_of_earlier_runs()

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self._source}"

    def html(self) -> str:
        """This widget as it is now, for a `document`."""
        return element(self.get_state())

    def guarded(self, action: Callable[..., None]) -> Callable[..., None]:
        """`action`, its exceptions shown in the card: a notebook would swallow them."""

        def run(*arguments: Any) -> None:
            try:
                self.message = ""
                action(*arguments)
            except Exception as error:
                self.message = str(error)

        return run

    def _close_of_earlier_runs(self) -> None:
        shell = get_ipython()
        request: dict[str, Any] = getattr(shell, "get_parent", dict)() if shell else {}
        if not request:
            return
        cell = request.get("metadata", {}).get("cellId") or request.get("content", {}).get("code", "")
        run, widgets = self._made.get(cell, (None, []))
        this_run = request.get("header", {}).get("msg_id")
        if run != this_run:
            for widget in widgets:
                widget.close()
            widgets = []
        self._made[cell] = (this_run, [*widgets, self])


def as_bytes(numbers: Any, dtype: type[np.generic] = np.float32) -> bytes:
    """Numbers as the page reads them: in one row, little-endian."""
    return np.ascontiguousarray(numbers, np.dtype(dtype).newbyteorder("<")).tobytes()


def look(data: Dataset) -> dict[str, Any]:
    """How the page shows images: ink on paper, colour, or a map of values."""
    kind = "photo" if data.shape[2] == 3 else "map" if data.name.startswith("bumps") else "ink"
    return {"picture": kind, "limits": list(data.value_range)}
