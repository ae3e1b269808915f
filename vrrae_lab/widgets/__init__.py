"""Interactive explorers for notebooks; each function returns a widget and displays nothing by itself."""

from vrrae_lab.widgets.explorer import Explorer, explore

__all__ = ["Explorer", "explore"]
