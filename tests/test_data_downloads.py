"""Downloads: going on after an interruption, mirrors, pages instead of files, room on the disk, progress."""

import contextlib
import gzip
import http.server
import shutil
import threading
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from published import publish, sha256

from vrrae_lab import data
from vrrae_lab.data import cache, catalogue, downloads
from vrrae_lab.data.published import PublishedFile
from vrrae_lab.data.sources import ImageSource, ImageSplit

pytest.importorskip("requests")
import requests  # noqa: E402

pytestmark = pytest.mark.usefixtures("own_home")

NAME = "file.bin"
CUT = 60 * downloads.PIECE_BYTES
CONTENT = np.random.default_rng(1).bytes(3_000_000)


@dataclass
class Server:
    """A web server of one folder, and how it shall behave.

    Attributes:
        url: its address.
        folder: what it serves.
        ranges: whether it can begin within a file.
        cuts: after how many bytes each of the next answers breaks off.
        question: whether it asks for a confirmation first, as Google Drive does.
        page: whether it answers with a page whatever it is asked.
        asked: (method, path, range) of the requests so far.
    """

    url: str
    folder: Path
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    question: bool = False
    page: bool = False
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)

    def starts(self) -> list[str | None]:
        return [asked for method, _, asked in self.asked if method == "GET"]


def handler(server: Server) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            sent = content[: server.cuts.pop(0)] if server.cuts and self.command == "GET" else content
            self.send_response(status)
            for name, value in ({"Content-Length": f"{len(content)}"} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                with contextlib.suppress(ConnectionError):  # the client may have seen enough
                    self.wfile.write(sent)

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            server.asked.append((self.command, self.path, asked))
            parts = urlsplit(self.path)
            path = server.folder / parts.path.rsplit("/", 1)[-1]
            page = {"Content-Type": "text/html; charset=utf-8"}
            if server.page:
                return self.answer(200, b"<html><body>Too many users have viewed this file</body></html>", page)
            if server.question and parse_qs(parts.query) != {"confirm": ["t"], "id": ["7"]}:
                form = f'<form action="/confirmed/{path.name}"><input name="id" value="7"><input type="submit">'
                return self.answer(200, f'{form}<input name="confirm" value="t"></form>'.encode(), page)
            if not path.is_file():
                return self.answer(404, b"", {})
            content = path.read_bytes()
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.ranges else 0
            if start >= len(content):
                return self.answer(416, b"", {})
            about = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
            return self.answer(206 if start else 200, content[start:], about)

        do_HEAD = do_GET

    return Handler


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT)
    served = Server("", folder)
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(served))
    served.url = f"http://127.0.0.1:{serving.server_port}"
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    serving.shutdown()
    thread.join()
    serving.server_close()


@pytest.fixture
def file(server: Server) -> PublishedFile:
    return PublishedFile(NAME, f"{server.url}/{NAME}", len(CONTENT), sha256(server.folder / NAME))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "downloads"
    path.mkdir()
    return path


# ---- interruptions


def test_download_goes_on_where_it_broke_off(server: Server, file: PublishedFile, folder: Path) -> None:
    server.cuts = [CUT, CUT]
    (path,) = downloads.download([file], folder)
    assert path == folder / NAME and path.read_bytes() == CONTENT
    assert server.starts() == [None, f"bytes={CUT}-", f"bytes={2 * CUT}-"]
    assert sorted(folder.iterdir()) == [path]


def test_later_call_goes_on_with_what_has_come(server: Server, file: PublishedFile, folder: Path) -> None:
    (folder / f"{NAME}.part").write_bytes(CONTENT[:2_000_000])
    (path,) = downloads.download([file], folder)
    assert path.read_bytes() == CONTENT and server.starts() == ["bytes=2000000-"]


def test_whole_part_is_not_fetched_again(server: Server, file: PublishedFile, folder: Path) -> None:
    (folder / f"{NAME}.part").write_bytes(CONTENT)
    assert downloads.download([file], folder)[0].read_bytes() == CONTENT and server.starts() == []


def test_server_that_ignores_ranges_begins_at_the_beginning(server: Server, file: PublishedFile, folder: Path) -> None:
    server.ranges, server.cuts = False, [CUT]
    assert downloads.download([file], folder)[0].read_bytes() == CONTENT
    assert server.starts() == [None, f"bytes={CUT}-"]


def test_trying_again_ends_when_nothing_more_comes(server: Server, file: PublishedFile, folder: Path) -> None:
    server.ranges, server.cuts = False, [CUT] * 9
    with pytest.raises(requests.RequestException):
        downloads.download([file], folder)
    assert len(server.starts()) == 2 and not (folder / NAME).exists()
    assert (folder / f"{NAME}.part").read_bytes() == CONTENT[:CUT]


def test_damaged_part_is_refused_and_forgotten(server: Server, file: PublishedFile, folder: Path) -> None:
    (folder / f"{NAME}.part").write_bytes(bytes(1_000_000))
    with pytest.raises(ValueError, match=f"{file.url} is not the published file.*not {file.sha256}"):
        downloads.download([file], folder)
    assert not list(folder.iterdir())
    assert downloads.download([file], folder)[0].read_bytes() == CONTENT


@pytest.mark.parametrize("extra", [-1_000_000, 1_000_000])
def test_part_of_a_file_of_another_length(extra: int, server: Server, file: PublishedFile, folder: Path) -> None:
    part = folder / f"{NAME}.part"
    part.write_bytes(bytes(len(CONTENT) + max(extra, -1)))
    (server.folder / NAME).write_bytes(CONTENT[: len(CONTENT) + extra] + bytes(max(0, extra)))
    with pytest.raises(requests.ConnectionError, match="3,000,000 are published|2,999,999"):
        downloads.download([file], folder)
    assert not part.exists()


def test_page_instead_of_the_file_is_no_download(server: Server, file: PublishedFile, folder: Path) -> None:
    server.page = True
    with pytest.raises(requests.ConnectionError, match="answered with a web page instead of the file"):
        downloads.download([file], folder)
    assert not list(folder.iterdir())


def test_confirmation_is_given_where_it_is_usual(
    server: Server, file: PublishedFile, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.question = True
    with pytest.raises(requests.ConnectionError, match="answered with a web page"):
        downloads.download([file], folder)
    monkeypatch.setattr(downloads, "CONFIRMING_HOSTS", {"127.0.0.1"})
    server.cuts = [10_000, CUT]  # the page, then the file
    assert downloads.download([file], folder)[0].read_bytes() == CONTENT
    assert server.asked[-1] == ("GET", f"/confirmed/{NAME}?id=7&confirm=t", f"bytes={CUT}-")


def test_google_drive_is_among_those_that_ask() -> None:
    assert "drive.google.com" in downloads.CONFIRMING_HOSTS


def test_server_that_knows_no_head_is_asked_nevertheless(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = requests.Response()
    monkeypatch.setattr(requests, "head", lambda url, **options: answer)
    for status, problem in ((200, None), (405, None), (501, None), (403, "http://a answered with HTTP status 403")):
        answer.status_code = status
        assert downloads.network_problem("http://a") == problem


# ---- progress and room


def test_progress_is_shown(
    server: Server, file: PublishedFile, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / f"{NAME}.part").write_bytes(CONTENT[:1_500_000])
    downloads.download([file], folder)
    shown = capsys.readouterr().err
    assert f"{NAME}:  50%" in shown and f"{NAME}: 100%" in shown and "2.86M/2.86M" in shown


Usage = namedtuple("Usage", "total used free")


def test_download_without_room_is_not_begun(
    server: Server, file: PublishedFile, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def usage(path: Path) -> Usage:
        asked.append(path)
        return Usage(9, 9, 1_999_999)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    (folder / f"{NAME}.part").write_bytes(CONTENT[:1_000_000])
    with pytest.raises(OSError) as error:
        downloads.download([file], folder)
    for fact in (str(folder), "2,000,000 bytes are needed", "1,999,999 are free", "data_dir=", "VRRAE_LAB_DATA", NAME):
        assert fact in str(error.value)
    assert asked == [folder] and server.asked == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9, 9, 2_000_000))
    assert downloads.download([file], folder)[0].read_bytes() == CONTENT


# ---- through load


@pytest.fixture
def small(server: Server, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Let "mnist" be the published file as 30 images of 10 by 10 pixels without labels of their own."""
    pixels = np.frombuffer(CONTENT[:3000], np.uint8).reshape(30, 10, 10, 1)
    (server.folder / NAME).write_bytes(gzip.compress(pixels.tobytes(), mtime=0))

    def decode(paths: list[Path], size: int, num_images: int) -> Iterator[cache.Decoded]:
        yield np.frombuffer(gzip.decompress(paths[0].read_bytes()), np.uint8).reshape(30, 10, 10, 1), np.arange(30)

    source = ImageSource("mnist", {"train": ImageSplit((NAME,), 30, decode)}, (10,), 1, advice="it may take a while")
    monkeypatch.setitem(catalogue.SOURCES, "mnist", source)
    publish(monkeypatch, "mnist", server.folder, server.url)
    return pixels


def test_interrupted_load_is_gone_on_with(
    server: Server, small: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "PIECE_BYTES", 500)
    server.cuts = [1000, 0]
    with pytest.raises(data.DataUnavailableError, match="broke off .*; what has come is kept"):
        data.load("mnist", data_dir=tmp_path / "data")
    assert (tmp_path / "data" / "downloads" / "mnist" / f"{NAME}.part").stat().st_size == 1000
    loaded = data.load("mnist", data_dir=tmp_path / "data")
    np.testing.assert_array_equal(np.rint(loaded.x * 255), small)
    assert server.starts() == [None, "bytes=1000-", "bytes=1000-"]


def test_downloads_can_be_passed_as_manual_dir(server: Server, small: np.ndarray, tmp_path: Path) -> None:
    data.load("mnist", data_dir=tmp_path / "data")
    again = data.load("mnist", data_dir=tmp_path / "b", manual_dir=tmp_path / "data" / "downloads" / "mnist")
    assert again.provenance["found"] == "manual_dir"


def test_advice_is_given_before_the_download(
    server: Server, small: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data.load("mnist", data_dir=tmp_path / "data")
    assert capsys.readouterr().err.startswith("mnist: it may take a while\n")
    data.load("mnist", data_dir=tmp_path / "data")
    data.load("mnist", data_dir=tmp_path / "other", mirror=server.url)
    assert "it may take a while" not in capsys.readouterr().err
    assert "an hour" in (catalogue.SOURCES["cifar10"].advice or "")
    assert "Google Drive" in (catalogue.SOURCES["celeb_a"].advice or "")


@pytest.mark.parametrize("slash", ["", "/"])
def test_mirror_serves_in_place_of_the_host(
    slash: str, server: Server, small: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, "mnist", server.folder, "http://unreachable.invalid")
    mirror = f"{server.url}/some/folder{slash}"
    loaded = data.load("mnist", data_dir=tmp_path / "data", mirror=mirror)
    np.testing.assert_array_equal(np.rint(loaded.x * 255), small)
    assert loaded.provenance["found"] == f"download from the mirror {mirror}"
    assert {path for _, path, _ in server.asked} == {f"/some/folder/{NAME}"}
    assert data.load("mnist", data_dir=tmp_path / "data").provenance["built_from"] == loaded.provenance["found"]


def test_mirror_with_another_file_is_refused(server: Server, small: np.ndarray, tmp_path: Path) -> None:
    content = (server.folder / NAME).read_bytes()
    (server.folder / NAME).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match="is not the published file"):
        data.load("mnist", data_dir=tmp_path / "data", mirror=server.url)
    assert not (tmp_path / "data" / "mnist").exists()


@pytest.mark.parametrize("mirror", ["ftp://host/folder", "host/folder", "/folder", ""])
def test_mirror_that_is_no_address_is_refused(mirror: str, tmp_path: Path, attempts: list[str]) -> None:
    with pytest.raises(ValueError, match="is no address of a folder: use one like https://"):
        data.load("mnist", data_dir=tmp_path, mirror=mirror)
    assert not attempts


def test_full_disk_stops_the_download_of_a_set(
    server: Server, small: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9, 9, 100))
    with pytest.raises(OSError, match=f"{tmp_path / 'data' / 'downloads' / 'mnist'} has no room for the download"):
        data.load("mnist", data_dir=tmp_path / "data")


def test_real_sets_tell_what_to_do(tmp_path: Path, attempts: list[str]) -> None:
    for name, facts in {
        "cifar10": ["cifar-10-binary.tar.gz (170,052,171 bytes) https://www.cs.toronto.edu/~kriz/", "an hour"],
        "celeb_a": [
            "img_align_celeba.zip (1,443,490,838 bytes) https://drive.google.com",
            "list_attr_celeba.txt",
            "list_eval_partition.txt",
            "Google Drive, which refuses",
            "mmlab.ie.cuhk.edu.hk",
        ],
    }.items():
        with pytest.raises(data.DataUnavailableError) as error:
            data.load(name, data_dir=tmp_path)
        for fact in [*facts, "manual_dir=", "mirror=", "the network is cut off in this test"]:
            assert fact in str(error.value)
        assert "identity" not in str(error.value) and "landmarks" not in str(error.value)


def test_sources_can_be_replaced_field_by_field() -> None:
    source = catalogue.SOURCES["celeb_a"]
    assert replace(source, default_n=3).find_slice is source.find_slice
