"""The line in which a widget says what went wrong: a notebook would swallow the exception."""

import html
from collections.abc import Callable
from typing import Any

import ipywidgets

from vrrae_lab.widgets.slider_picture import ALARM


class ErrorLine(ipywidgets.HTML):
    """Empty while all is well."""

    def watch(self, action: Callable[..., None]) -> Callable[..., None]:
        """The same action, but for its exceptions, which appear here instead; success clears the line."""

        def watched(*arguments: Any) -> None:
            try:
                action(*arguments)
                self.value = ""
            except Exception as error:  # whatever it is, the person at the widget must see it
                words = html.escape(f"{type(error).__name__}: {error}")
                self.value = f"<b role='alert' style='color:{ALARM}'>{words}</b>"

        return watched
