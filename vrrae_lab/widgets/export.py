"""A widget as one HTML file that needs neither a kernel nor a network: for a teacher's page, or a phone."""

import os
from pathlib import Path

from vrrae_lab.checks import check_kind, check_path
from vrrae_lab.data.dataset import Dataset, check_data
from vrrae_lab.files import write_text
from vrrae_lab.models import Autoencoder
from vrrae_lab.widgets.card import Card, document
from vrrae_lab.widgets.explorer import Explorer
from vrrae_lab.widgets.weights import PageCannotRun


def export_html(
    what: Autoencoder | tuple[Autoencoder, Autoencoder] | Card,
    data: Dataset | None,
    path: str | os.PathLike[str],
    *,
    title: str = "",
) -> Path:
    """Write a page with the lab that `explore` returns, over the whole model: every coefficient can be moved, drawings
    and files are encoded, samples are drawn. It asks nothing of any other machine.

    Args:
        what: a frozen model, or two to be seen on the same images, or any widget of this package, which is written as
            it is now.
        data: images to pick from, as for `explore`; None for a widget, which has its own.
        path: the file to create or replace.
        title: of the page; the widget's own if empty.

    Returns:
        The path.

    Raises:
        ValueError: if a model is not frozen, has diverged, or does not take these images; or if there are data for a
            widget, or none for a model.
        TypeError: if `what` is something else, or has a part that the page cannot run; the message names it.

    Example:
        >>> vl.widgets.export_html((vae, vrrae), vl.data.digits(), "digits.html", title="Two latent spaces of digits")
        >>> vl.widgets.export_html(vl.widgets.kl(), None, "kl.html")
    """
    check_path("path", path)
    check_kind("title", title, str, "give a text")
    if isinstance(what, Card):
        if data is not None:
            raise ValueError("data is not None, but a widget has its own: give None")
        return _write(what, path, title)
    models = list(what) if isinstance(what, tuple | list) else [what]
    if not 1 <= len(models) <= 2:
        raise ValueError(f"what = {len(models)} models: give one, or two to be compared")
    for model in models:
        check_kind("what", model, Autoencoder, "give a model, two models or a widget of this package")
    if data is None:
        raise ValueError("data = None: give the images that are to be picked from")
    check_data(data)
    lab = Explorer(models, data, precision="float16")
    try:
        lab.fit_samples()
        for model, asked in zip(models, lab.cannot_run, strict=True):
            if asked:
                raise PageCannotRun(f"the {model.name} cannot be written to a page: {asked}")
        return _write(lab, path, title)
    finally:
        lab.close()


def _write(widget: Card, path: str | os.PathLike[str], title: str) -> Path:
    write_text(path, document(title or widget._source, [widget.html()]))
    return Path(path)
