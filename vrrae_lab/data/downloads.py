"""Downloads that say how far they are and go on where they were interrupted.

TensorFlow Datasets can download too, but starts from the beginning after every interruption, which would cost an hour
where the host is slow.
"""

import os
import threading
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from vrrae_lab.data.cache import check_space
from vrrae_lab.data.published import PublishedFile, checksum

if TYPE_CHECKING:
    import requests

ANSWER_SECONDS = 4.0
TIMEOUT_SECONDS = (3.05, 30.0)  # to connect, and between two pieces of the answer
PIECE_BYTES = 2**14  # of the last piece before an interruption, nothing is kept
# Hosts that answer for a large file with a page that asks whether to download it although no virus scan was made.
CONFIRMING_HOSTS = frozenset({"drive.google.com"})
HEAD_NOT_SUPPORTED = frozenset({405, 501})


def address(file: PublishedFile, mirror: str | None) -> str:
    """Where a file is to be downloaded from: its own address, or the folder of a mirror."""
    return file.url if mirror is None else f"{mirror.rstrip('/')}/{file.name}"


def network_problem(url: str) -> str | None:
    """Why `url` cannot be downloaded now, or None if its server answers.

    The thread keeps the time: the limits of `requests` hold per address of a host, of which there may be many, and
    leave out the look-up of its name.
    """
    import requests

    outcome: list[str | None] = []

    def ask() -> None:
        try:
            response = requests.head(url, timeout=(3.05, 5), allow_redirects=True)
            answers = response.ok or response.status_code in HEAD_NOT_SUPPORTED
            outcome.append(None if answers else f"{url} answered with HTTP status {response.status_code}")
        except Exception as error:  # an exception would be lost with the thread, whatever it is
            outcome.append(f"{url} cannot be reached ({type(error).__name__}: {error})")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    return outcome[0] if outcome else f"{url} did not answer within {ANSWER_SECONDS} s"


def download(files: Sequence[PublishedFile], folder: Path, mirror: str | None = None) -> list[Path]:
    """Download files into a folder under their published names.

    A file that is not whole yet is named NAME.part; a later call goes on from there if the server can.

    Args:
        files: what to download.
        folder: where to; it must exist.
        mirror: address of a folder to take them from instead of their own addresses.

    Raises:
        requests.RequestException: if a download breaks off and trying again brings no further bytes.
        OSError: if the disk has no room.
        ValueError: if what came is not the published file.
    """
    present = sum(min(_size(_part(folder, file)), file.num_bytes) for file in files)
    names = ", ".join(file.name for file in files)
    check_space(folder, sum(file.num_bytes for file in files) - present, f"the download of {names}")
    return [_download_one(file, folder, address(file, mirror)) for file in files]


def _download_one(file: PublishedFile, folder: Path, url: str) -> Path:
    import requests
    from tqdm.auto import tqdm

    part = _part(folder, file)
    if _size(part) > file.num_bytes:
        part.unlink()
    with tqdm(
        total=file.num_bytes, initial=_size(part), desc=file.name, unit="B", unit_scale=True, unit_divisor=1024
    ) as bar:
        while (before := _size(part)) < file.num_bytes:
            try:
                _fetch(url, part, file.num_bytes, bar)
            except requests.RequestException:
                if _size(part) <= before:
                    raise
            else:
                if _size(part) <= before:
                    raise requests.ConnectionError(f"{url} gave {_size(part):,} of {file.num_bytes:,} bytes")
    return _accepted(file, part, folder / file.name, url)


def _fetch(url: str, part: Path, num_bytes: int, bar: Any) -> None:
    """Ask for what `part` lacks of the file and append it; the server may instead begin at the beginning."""
    import requests

    have = _size(part)
    # identity: a .gz file must come as it is, not unpacked on the way
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.Session() as session, _answer(session, url, headers) as response:
        if response.status_code == 416:
            part.unlink()
            raise requests.ConnectionError(f"{url} has fewer than {have + 1:,} bytes, and {num_bytes:,} are published")
        response.raise_for_status()
        resumed = response.status_code == 206
        length = response.headers.get("Content-Length")
        if not resumed and length is not None and int(length) != num_bytes:
            raise requests.ConnectionError(f"{url} has {int(length):,} bytes, and {num_bytes:,} are published")
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise requests.ConnectionError(f"{url} sent another part than the one that was asked for")
        bar.n = have if resumed else 0
        with part.open("ab" if resumed else "wb") as opened:
            for piece in response.iter_content(PIECE_BYTES):
                opened.write(piece)
                bar.update(len(piece))
                if opened.tell() > num_bytes:
                    return


def _answer(session: "requests.Session", url: str, headers: dict[str, str]) -> "requests.Response":
    """The server's answer, past the page on which some hosts ask for a confirmation."""
    import requests

    response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS)
    if not (response.ok and _is_page(response)):
        return response
    form = _Form()
    if urlsplit(url).hostname in CONFIRMING_HOSTS:
        form.feed(response.text)
    if form.action is not None:
        confirmed = urljoin(response.url, form.action)
        response = session.get(confirmed, params=form.fields, headers=headers, stream=True, timeout=TIMEOUT_SECONDS)
    if response.ok and _is_page(response):
        raise requests.ConnectionError(f"{url} answered with a web page instead of the file")
    return response


def _is_page(response: "requests.Response") -> bool:
    return response.headers.get("Content-Type", "").startswith("text/html")


class _Form(HTMLParser):
    """The address and the hidden fields of the first form of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = attributes.get("action")
        elif tag == "input" and attributes.get("name"):
            self.fields[attributes["name"] or ""] = attributes.get("value") or ""


def _accepted(file: PublishedFile, part: Path, target: Path, url: str) -> Path:
    sha256 = checksum(part)
    if sha256 != file.sha256:
        part.unlink()
        raise ValueError(
            f"{url} is not the published file {file.name}, so it is not used: its SHA-256 is {sha256}, not "
            f"{file.sha256}"
        )
    with part.open("r+b") as opened:
        os.fsync(opened.fileno())
    part.replace(target)
    return target


def _part(folder: Path, file: PublishedFile) -> Path:
    return folder / f"{file.name}.part"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
