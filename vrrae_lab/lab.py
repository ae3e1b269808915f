"""The notebooks in JupyterLab: where they lie, a copy of them to work in, and the server."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def open_lab(folder: Path | None = None, *, browser: bool = True) -> int:
    """Open the notebooks in JupyterLab, and wait until it ends.

    Args:
        folder: where they are, or a copy of them shall be; None: those of a clone as they lie, and of an installed
            wheel, whose own go with the next version, a copy in the current folder.
        browser: whether to open a page; without it the address is only printed.

    Returns:
        The exit status of JupyterLab.

    Raises:
        FileNotFoundError: if JupyterLab is not installed, or there are no notebooks.
    """
    source = notebooks_folder()
    if folder is None:
        in_clone = source.parent != Path(__file__).parent
        folder = source if in_clone else Path("vrrae_lab_notebooks")
    folder = folder.resolve()
    copied = copy_notebooks(source, folder)
    if copied:
        print(f"copied {copied} notebooks to {folder}", flush=True)
    if shutil.which("jupyter-lab", path=_path_with_scripts()) is None:
        raise FileNotFoundError("JupyterLab is not installed: pip install 'vrrae_lab[lab]'")
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}"]
    command += [f"--LabApp.default_url=/lab/tree/{first_notebook(folder)}"]
    command += [] if browser else ["--no-browser"]
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return subprocess.run(command, env=os.environ | {"PATH": _path_with_scripts()}).returncode


def notebooks_folder() -> Path:
    """Where the notebooks lie: in a clone beside the package, in an installed wheel inside it.

    Raises:
        FileNotFoundError: if neither is there.
    """
    package = Path(__file__).parent
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError("this installation carries no notebooks: install the wheel or clone the repository")


def copy_notebooks(source: Path, folder: Path) -> int:
    """Copy the notebooks that `folder` does not have yet; none that a reader has worked in is overwritten.

    Returns:
        How many were copied.
    """
    if folder == source.resolve():
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    missing = [path for path in sorted(source.glob("*.ipynb")) if not (folder / path.name).exists()]
    for path in missing:
        shutil.copyfile(path, folder / path.name)
    return len(missing)


def first_notebook(folder: Path) -> str:
    """The name of the notebook to open.

    Raises:
        FileNotFoundError: if there is none.
    """
    names = sorted(path.name for path in folder.glob("*.ipynb"))
    if not names:
        raise FileNotFoundError(f"there are no notebooks in {folder}")
    return names[0]


def _path_with_scripts() -> str:
    # without this a kernel or an extension of another environment on the path could be taken
    return os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
