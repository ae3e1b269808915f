"""The line in which a widget says what went wrong: a notebook would swallow the exception."""

import html
import threading
from collections.abc import Callable
from typing import Any

import ipywidgets

ALARM = "#D55E00"


class ErrorLine(ipywidgets.HTML):
    """Empty while all is well."""

    def __init__(self, **options: Any) -> None:
        """Options of `ipywidgets.HTML`, such as the layout."""
        super().__init__(**options)
        self._acting = threading.RLock()

    def watch(self, action: Callable[..., None]) -> Callable[..., None]:
        """The same action, but for its exceptions, which appear here instead; success clears the line.

        One action at a time: JupyterLab's messages come in two threads, and the older of two pictures must not win.
        """

        def watched(*arguments: Any) -> None:
            with self._acting:
                try:
                    action(*arguments)
                    self.value = ""
                except Exception as error:  # whatever it is, the person at the widget must see it
                    self.show(error)

        return watched

    def show(self, error: Exception) -> None:
        """Say what went wrong."""
        words = html.escape(f"{type(error).__name__}: {error}")
        self.value = f"<b role='alert' style='color:{ALARM}'>{words}</b>"
