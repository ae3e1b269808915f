"""What all widgets have in common; the KL widget stands for them."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from support import widget_models

from vrrae_lab.widgets import card
from vrrae_lab.widgets.kl import kl


def test_a_widget_is_one_widget_model_and_close_leaves_none():
    before = len(widget_models())
    widget = kl()
    assert len(widget_models()) == before + 1
    widget.close()
    assert len(widget_models()) == before


@pytest.fixture
def run_cell(monkeypatch):
    """Run a function as the cell `name` of a notebook."""
    runs = iter(range(100))

    def run(name, function):
        request = {"metadata": {"cellId": name}, "header": {"msg_id": next(runs)}}
        monkeypatch.setattr(card, "get_ipython", lambda: SimpleNamespace(get_parent=lambda: request))
        return function()

    return run


def test_a_cell_that_is_run_again_closes_the_widgets_it_had_made(run_cell):
    before = len(widget_models())
    first = run_cell("a", lambda: [kl(), kl()])
    other = run_cell("b", kl)
    assert len(widget_models()) == before + 3
    again = run_cell("a", kl)
    assert all(widget.comm is None for widget in first)
    assert other.comm is not None and again.comm is not None
    assert len(widget_models()) == before + 2
    other.close()
    again.close()


def test_an_exception_is_shown_in_the_card_until_the_next_attempt():
    widget = kl()
    values = iter([ZeroDivisionError("nothing is divided by 0"), None])

    def action():
        if error := next(values):
            raise error

    guarded = widget.guarded(action)
    guarded()
    assert widget.message == "nothing is divided by 0"
    guarded()
    assert widget.message == ""


def test_a_widget_shows_itself_in_a_line_without_an_address():
    assert re.fullmatch(r"KL: KL of a Gaussian · vrrae_lab [\d.]+", repr(kl()))


def test_an_element_holds_the_state_and_nothing_that_ends_it_early():
    state = {
        "_widget": "kl",
        "message": "</script><b>",
        "_esm": "code",
        "_model_name": "x",
        "_parts": [{"weights": b"\0\1"}],
    }
    text = card.element(state)
    content = re.fullmatch(r"<div><script [^>]*>([^<]*)</script></div>", text)
    assert json.loads(content[1]) == {
        "_widget": "kl",
        "message": "</script><b>",
        "_parts": [{"weights": {"base64": "AAE="}}],
    }


def test_a_document_asks_for_nothing_from_elsewhere():
    page = card.document("A <title>", [kl().html()])
    assert "<title>A &lt;title&gt;</title>" in page
    assert page.count("</script>") == 2
    assert not re.search(r"<(script|link|img|iframe)[^>]*(src|href)=", page)


def test_bytes_are_little_endian_rows():
    assert card.as_bytes(np.array([[1, 2], [3, 4]]).T, np.int16) == bytes([1, 0, 3, 0, 2, 0, 4, 0])
