"""What all figures have in common: the Okabe–Ito colours, which colour-blind readers can tell apart, and margins."""

import plotly.graph_objects as go

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
PATH_COLOUR = "#D55E00"


def styled(figure: go.Figure, title: str, width: int, height: int, margin_left: int = 60) -> go.Figure:
    """The figure with the lab's look."""
    margin = {"l": margin_left, "r": 20, "t": 50 if title else 30, "b": 50 if margin_left == 60 else 10}
    return figure.update_layout(
        template="plotly_white", title=title, width=width, height=height, margin=margin, font_size=13
    )
