"""How Sphinx makes the documentation: the README, the notebooks as they are committed, and the docstrings."""

import re
from importlib import metadata
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

project = "vrrae_lab"
author = copyright = "The vrrae_lab developers"
release = metadata.version("vrrae_lab")

# The sources lie where a reader of the repository finds them, so the same links hold here and there.
root_doc = "README"
include_patterns = ["README.md", "CHANGELOG.md", "docs/*.md", "docs/api/*.rst", "notebooks/*.ipynb"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
html_theme = "furo"
html_title = f"{project} {release}"
templates_path = [str(Path(__file__).parent / "_templates")]  # autosummary would look beside the README
html_additional_pages = {"index": "index.html"}

nb_execution_mode = "off"
suppress_warnings = ["mystnb.unknown_mime_type"]  # plotly's own: each figure carries a picture of itself too
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# A name in backticks is a link where there is such an object, and code elsewhere.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "special-members": "__call__"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False

CONTENTS = """
```{toctree}
:hidden:
:caption: Notebooks
:glob:
notebooks/*
```
```{toctree}
:hidden:
:caption: Reference
docs/results
docs/claims
docs/usage
docs/speed
docs/api
CHANGELOG
```
"""


def _add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname == root_doc:
        source[0] += CONTENTS


def _formulas(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """The docstrings write formulas as Markdown does, between dollars."""
    text = re.sub(r"^( *)\$\$(.+?)\$\$", _display, "\n".join(lines), flags=re.DOTALL | re.MULTILINE)
    lines[:] = re.sub(r"(?<!`)\$([^$]+)\$(?!`)", r":math:`\1`", text).splitlines()


def _display(found: re.Match[str]) -> str:
    indent, formula = found.groups()
    rows = [f"{indent}   {row.strip()}" for row in formula.strip().splitlines()]
    return "\n".join([f"{indent}.. math::", "", *rows, ""])


def _signature(app: Sphinx, what: str, name: str, obj: object, options: object, given: str, returned: str) -> Any:
    """Arrays under the name that one imports them by."""
    return tuple(part and part.replace("jaxlib._jax.Array", "Array") for part in (given, returned))


def _leave_out(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Fields of named tuples, which the docstring of the class describes."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number") else None


def setup(app: Sphinx) -> None:
    app.connect("source-read", _add_contents)
    app.connect("autodoc-process-docstring", _formulas)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _leave_out)
