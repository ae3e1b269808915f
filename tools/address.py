"""Write the address of the repository wherever it stands: `make address URL=https://github.com/somebody/vrrae_lab`.

Its one place is `Repository` in `[project.urls]` of pyproject.toml. From there come the badges of the notebooks and of
the README, the cell that installs the package where it is missing, and CITATION.cff. Without an address there is no
badge and no link: one that nobody holds could be taken by a stranger. `make address URL=` takes it away again.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from vrrae_lab.files import write_text

ROOT = Path(__file__).resolve().parent.parent
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")
BADGES = "<!-- badges -->"
INSTALL = """try:
    import vrrae_lab as vl
except ImportError:
    from glob import glob

    sources = [f"{wheel}[data]" for wheel in glob("./vrrae_lab-*.whl")]REMOTE
    if not sources:
        raise SystemExit("Put the wheel of vrrae_lab (vrrae_lab-….whl) beside this notebook; run this again.") from None
    %pip install -q "{sources[0]}"
    import vrrae_lab as vl"""


def address(root: Path = ROOT) -> str:
    """The one in pyproject.toml; empty if there is none."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return project.get("urls", {}).get("Repository", "")


def install_cell(url: str) -> str:
    """The first code cell of each notebook: what is there is imported, then a wheel, then the repository is tried."""
    git = url if url.startswith("git+") else f"git+{url}"
    remote = f' + ["vrrae_lab[data] @ {git}"]' if url else ""
    return INSTALL.replace("REMOTE", remote)


def badges(url: str, notebook: str) -> str:
    """Pictures in Markdown that open a notebook on Colab and on Binder; nothing unless the address is on GitHub."""
    if not (found := GITHUB.fullmatch(url)):
        return ""
    path = f"notebooks/{notebook}.ipynb"
    colab = f"https://colab.research.google.com/github/{found[1]}/blob/main/{path}"
    binder = f"https://mybinder.org/v2/gh/{found[1]}/main?labpath={path}"
    return (
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})\n"
        f"[![Open on Binder](https://mybinder.org/badge_logo.svg)]({binder})"
    )


def with_badges(text: str, url: str, notebook: str) -> str:
    """Markdown with the badges of a notebook before it, in the place of earlier ones."""
    block, bare = badges(url, notebook), text.split(f"{BADGES}\n\n", 1)[-1]
    return f"{block}\n{BADGES}\n\n{bare}" if block else bare


def is_install_cell(cell: NotebookNode) -> bool:
    """Whether it is the cell that imports or installs."""
    return cell.cell_type == "code" and cell.source.startswith("try:\n    import vrrae_lab as vl\n")


def write(url: str, root: Path = ROOT) -> list[Path]:
    """Write the address, or with an empty one take it away; the files that hold it.

    Raises:
        ValueError: if it is no address.
    """
    if url and not re.fullmatch(r"(https|git\+file|file)://[^\s\"']+", url):
        raise ValueError(f"URL = {url!r}: give one such as https://github.com/somebody/vrrae_lab, or nothing")
    project, citation, readme = root / "pyproject.toml", root / "CITATION.cff", root / "README.md"
    wheel = "\n[tool.hatch.build.targets.wheel]\n"  # comes next
    text = re.sub(r"\n\[project\.urls\]\n(?:[^\n\[]+\n)*", "", project.read_text())
    urls = f'\n[project.urls]\nRepository = "{url}"\nChangelog = "{url}/blob/main/CHANGELOG.md"\n' if url else ""
    write_text(project, text.replace(wheel, urls + wheel))
    text = re.sub(r"repository-code: [^\n]*\n", "", citation.read_text())
    code = f'license: MIT\nrepository-code: "{url}"\n' if url else "license: MIT\n"
    write_text(citation, text.replace("license: MIT\n", code))
    write_text(readme, with_badges(readme.read_text(), url, "00_start_here"))
    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    for path in notebooks:
        nb = nbformat.read(path, as_version=4)
        nb.cells[0].source = with_badges(nb.cells[0].source, url, path.stem)
        next(filter(is_install_cell, nb.cells)).source = install_cell(url)
        write_text(path, nbformat.writes(nb) + "\n")
    return [project, citation, readme, *notebooks]


def main(arguments: list[str]) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("url", help="of the repository, which you hold; empty to take it away")
    try:
        files = write(parser.parse_args(arguments).url.rstrip("/"))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(str(file.relative_to(ROOT)) for file in files))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
