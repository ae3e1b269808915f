"""How Sphinx makes the documentation: the labs, the README, the notebooks as they are committed, and the docstrings."""

import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import vrrae_lab as vl
from vrrae_lab.widgets.card import BUNDLE

sys.path.insert(0, str(Path(__file__).parents[1]))
from tools.address import address  # noqa: E402

project = "vrrae_lab"
author = copyright = "The vrrae_lab developers"
release = metadata.version("vrrae_lab")

# The sources lie where a reader of the repository finds them, so the same links hold here and there.
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "docs/*.md",
    "docs/labs/*.md",
    "docs/api/*.rst",
    "notebooks/*.ipynb",
    "vrrae_lab/data/mnist_2000/NOTICE.md",
]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
html_theme = "furo"
html_title = f"{project} {release}"
templates_path = [str(Path(__file__).parent / "_templates")]  # autosummary would look beside the README
html_additional_pages = {"index": "index.html"}
# Without an address there is no link to a repository.
html_theme_options = (
    {"source_repository": address(), "source_branch": "main", "source_directory": ""} if address() else {}
)

nb_execution_mode = "off"
suppress_warnings = ["mystnb.unknown_mime_type"]  # plotly's own: each figure carries a picture of itself too
myst_enable_extensions = ["dollarmath", "html_image"]
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


class Lab(SphinxDirective):
    """A lab that is alive in the page. Its content is the code that exports it to one file, which is shown below it;
    the file itself can be downloaded."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(BUNDLE))
        code = "\n".join(self.content)
        (name,) = re.findall(r'"([\w-]+\.html)"', code)
        folder = Path(self.env.app.outdir) / "_static" / "labs"
        folder.mkdir(parents=True, exist_ok=True)
        exec(code.replace(f'"{name}"', repr(str(folder / name))), {"vl": vl})
        exported = (folder / name).read_text(encoding="utf-8")
        body = exported[exported.index("</style>") + len("</style>") : exported.rindex("</html>")]
        up = "../" * self.env.docname.count("/")
        link = f'<p class="lab-file"><a href="{up}_static/labs/{name}" download>Save this lab as one file</a> '
        link += f"({len(exported.encode()) / 1e6:.1f} MB): it needs neither Python nor a network. Written by:</p>"
        shown = nodes.literal_block(code, code, language="python")
        return [nodes.raw("", f"{LAB_STYLE}{body}{link}", format="html"), shown]


# A lab is wider than a text, and follows the theme that the reader chooses.
LAB_STYLE = """<style>
.content { width: min(100%, 82rem) }
.content > article > section > :is(p, ul, h1, h2, .highlight-python, .admonition) { max-width: 46rem }
body[data-theme="light"] .vrrae-lab { color-scheme: light }
body[data-theme="dark"] .vrrae-lab { color-scheme: dark }
.lab-file { font-size: .85em }
</style>"""


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
    app.add_directive("lab", Lab)
    app.connect("autodoc-process-docstring", _formulas)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _leave_out)
