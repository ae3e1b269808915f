"""The image sets: decoding, finding and checking the files, the cache, and what is said when nothing is found."""

import errno
import functools
import gzip
import hashlib
import http.server
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from published import flip_byte, publish, sha256
from support import shared_data

from vrrae_lab import data
from vrrae_lab.data import cache, downloads, images
from vrrae_lab.data.catalogue import whole
from vrrae_lab.data.decoders import decode_idx_pair, read_idx
from vrrae_lab.data.sources import ImageSource, ImageSplit

pytestmark = pytest.mark.usefixtures("own_home")

IMAGES = np.arange(75, dtype=np.uint8).reshape(3, 5, 5) * 3
LABELS = np.array([2, 0, 7], np.uint8)
IMAGE_FILE, LABEL_FILE = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def idx_bytes(values: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.astype(np.uint8).tobytes()


def put_in_download_cache(data_dir: Path, file: Path, url: str) -> Path:
    from tensorflow_datasets.core.download.resource import get_dl_fname

    cached = data_dir / "downloads" / "mnist" / get_dl_fname(url, sha256(file))
    cached.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, cached)
    return cached


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let "mnist" be three images of 5 by 5 pixels whose published files lie in the folder returned."""
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / IMAGE_FILE).write_bytes(gzip.compress(idx_bytes(IMAGES), mtime=0))
    (folder / LABEL_FILE).write_bytes(gzip.compress(idx_bytes(LABELS), mtime=0))
    splits = {"train": ImageSplit((IMAGE_FILE, LABEL_FILE), len(IMAGES), whole(decode_idx_pair))}
    monkeypatch.setitem(images.SOURCES, "mnist", ImageSource("mnist", splits, sizes=(5,), channels=1))
    publish(monkeypatch, "mnist", folder, "http://unreachable.invalid")
    return folder


@pytest.fixture
def server(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve the tiny files on this machine; the address of the folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tiny)))
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"http://127.0.0.1:{serving.server_port}"
    publish(monkeypatch, "mnist", tiny, address)
    yield address
    serving.shutdown()
    thread.join()
    serving.server_close()


# ---- the IDX format


def test_idx_pair_is_decoded(tiny: Path) -> None:
    decoded, labels = decode_idx_pair([tiny / IMAGE_FILE, tiny / LABEL_FILE], 5)
    np.testing.assert_array_equal(decoded, IMAGES[..., None])
    np.testing.assert_array_equal(labels, LABELS)
    assert decoded.dtype == labels.dtype == np.uint8


def test_idx_lengths_are_big_endian_and_32_bits(tmp_path: Path) -> None:
    path = tmp_path / "long.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 1, 0, 1, 0, 2]) + bytes(65_538)))
    assert read_idx(path).shape == (65_538,)


WHOLE = idx_bytes(IMAGES)
DAMAGED = {
    "not gzip": (WHOLE, "not a whole gzip file"),
    "truncated gzip": (gzip.compress(WHOLE)[:-20], "not a whole gzip file"),
    "broken gzip": (gzip.compress(WHOLE)[:10] + b"\xff" * 30, "not a whole gzip file"),
    "empty": (gzip.compress(b""), "not an IDX file"),
    "three bytes": (gzip.compress(WHOLE[:3]), "not an IDX file"),
    "not IDX": (gzip.compress(b"\x89PNG" + WHOLE), "not an IDX file"),
    "signed bytes": (gzip.compress(b"\x00\x00\x09" + WHOLE[3:]), "not an IDX file"),
    "header cut": (gzip.compress(WHOLE[:10]), "within its IDX header"),
    "value missing": (gzip.compress(WHOLE[:-1]), "holds 74 values"),
    "value too many": (gzip.compress(WHOLE + b"\x00"), "holds 76 values"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_idx_file_is_refused_by_name(case: str, tmp_path: Path) -> None:
    content, complaint = DAMAGED[case]
    path = tmp_path / "damaged-idx.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"damaged-idx.gz.*{complaint}"):
        read_idx(path)


def test_idx_file_with_a_flipped_byte_is_refused(tiny: Path) -> None:
    flip_byte(tiny / IMAGE_FILE)
    with pytest.raises(ValueError, match=IMAGE_FILE):
        read_idx(tiny / IMAGE_FILE)


@pytest.mark.parametrize(("labels", "size"), [(LABELS[:2], 5), (LABELS, 28), (LABELS[:, None], 5)])
def test_idx_pair_that_does_not_fit_together_is_refused(labels: np.ndarray, size: int, tiny: Path) -> None:
    (tiny / LABEL_FILE).write_bytes(gzip.compress(idx_bytes(labels)))
    with pytest.raises(ValueError, match=f"{IMAGE_FILE}.*{LABEL_FILE}"):
        decode_idx_pair([tiny / IMAGE_FILE, tiny / LABEL_FILE], size)


# ---- finding the files


def test_files_in_manual_dir_are_loaded(tiny: Path, tmp_path: Path, attempts: list[str]) -> None:
    loaded = data.load("mnist", data_dir=tmp_path / "data", manual_dir=tiny)
    assert loaded.name == "mnist_train" and loaded.shape == (5, 5, 1)
    assert loaded.x.dtype == np.float32 and loaded.labels is not None
    np.testing.assert_array_equal(np.rint(loaded.x * loaded.scale + loaded.offset), IMAGES[..., None])
    np.testing.assert_array_equal(loaded.x, IMAGES[..., None].astype(np.float32) / 255)
    np.testing.assert_array_equal(loaded.labels, LABELS)
    assert loaded.provenance["found"] == "manual_dir"
    assert [file["sha256"] for file in loaded.provenance["files"]] == [
        sha256(tiny / IMAGE_FILE),
        sha256(tiny / LABEL_FILE),
    ]
    assert [file["path"] for file in loaded.provenance["files"]] == [str(tiny / IMAGE_FILE), str(tiny / LABEL_FILE)]
    assert json.loads(json.dumps(loaded.provenance)) == loaded.provenance
    assert not attempts


def test_first_n_images(tiny: Path, tmp_path: Path) -> None:
    every = data.load("mnist", data_dir=tmp_path, manual_dir=tiny)
    two = data.load("mnist", n=2, data_dir=tmp_path)
    assert len(two) == 2 and two.labels is not None and every.labels is not None
    np.testing.assert_array_equal(two.x, every.x[:2])
    np.testing.assert_array_equal(two.labels, every.labels[:2])


@pytest.mark.parametrize("damage", [flip_byte, lambda path: path.write_bytes(path.read_bytes()[:-9])])
@pytest.mark.parametrize("place", ["manual_dir", "download cache"])
def test_file_with_another_checksum_is_refused(
    damage: Callable[[Path], None], place: str, tiny: Path, tmp_path: Path, attempts: list[str]
) -> None:
    published = sha256(tiny / IMAGE_FILE)
    if place == "manual_dir":
        path, manual_dir = tiny / IMAGE_FILE, tiny
    else:
        path = put_in_download_cache(tmp_path / "data", tiny / IMAGE_FILE, f"http://unreachable.invalid/{IMAGE_FILE}")
        manual_dir = None
    damage(path)
    with pytest.raises(ValueError) as error:
        data.load("mnist", data_dir=tmp_path / "data", manual_dir=manual_dir)
    for fact in (str(path), published, sha256(path), "delete it"):
        assert fact in str(error.value)
    assert not (tmp_path / "data" / "mnist").exists()


@pytest.mark.parametrize("place", ["data_dir", "data_dir, old layout", "TFDS_DATA_DIR", "home"])
def test_download_caches_are_searched(
    place: str, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempts: list[str]
) -> None:
    folders = {"TFDS_DATA_DIR": "tfds", "home": "home/tensorflow_datasets"}
    if place == "TFDS_DATA_DIR":
        monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    for name in (IMAGE_FILE, LABEL_FILE):
        folder = tmp_path / folders.get(place, "data")
        cached = put_in_download_cache(folder, tiny / name, f"http://unreachable.invalid/{name}")
        if place == "data_dir, old layout":
            cached.rename(cached.parents[1] / cached.name)
    loaded = data.load("mnist", data_dir=tmp_path / "data")
    assert loaded.provenance["found"] == "download cache"
    np.testing.assert_array_equal(np.rint(loaded.x * 255), IMAGES[..., None])
    assert not attempts


def test_files_may_lie_in_different_places(tiny: Path, tmp_path: Path) -> None:
    put_in_download_cache(tmp_path / "data", tiny / LABEL_FILE, f"http://unreachable.invalid/{LABEL_FILE}")
    (tiny / LABEL_FILE).unlink()
    loaded = data.load("mnist", data_dir=tmp_path / "data", manual_dir=tiny, download=False)
    assert loaded.provenance["found"] == "download cache, manual_dir"


def test_download(server: str, tiny: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    loaded = data.load("mnist", data_dir=tmp_path / "data")
    assert loaded.provenance["found"] == "download"
    np.testing.assert_array_equal(np.rint(loaded.x * 255), IMAGES[..., None])
    for file in loaded.provenance["files"]:
        assert Path(file["path"]).parent == tmp_path / "data" / "downloads" / "mnist"
        assert file["url"] == f"{server}/{file['name']}"
        assert sha256(Path(file["path"])) == file["sha256"]

    attempts = request.getfixturevalue("attempts")
    shutil.rmtree(tmp_path / "data" / "mnist")
    again = data.load("mnist", data_dir=tmp_path / "data")
    assert again.provenance["found"] == "download cache"
    assert not attempts


def test_download_with_another_checksum_is_refused(server: str, tiny: Path, tmp_path: Path) -> None:
    published = sha256(tiny / IMAGE_FILE)
    flip_byte(tiny / IMAGE_FILE)
    with pytest.raises(ValueError) as error:
        data.load("mnist", data_dir=tmp_path / "data")
    for fact in (f"{server}/{IMAGE_FILE}", published, sha256(tiny / IMAGE_FILE)):
        assert fact in str(error.value)
    assert not (tmp_path / "data" / "mnist").exists()


def test_download_works_without_a_folder_to_keep_it(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    loaded = data.load("mnist", data_dir=tmp_path / "file" / "data")
    assert loaded.provenance["found"] == "download, not kept"
    assert loaded.provenance["cache"].startswith("not written")
    np.testing.assert_array_equal(np.rint(loaded.x * 255), IMAGES[..., None])


# ---- when nothing is to be had


def test_unavailable_set_is_explained_at_once(tmp_path: Path, attempts: list[str]) -> None:
    pytest.importorskip("tensorflow_datasets")
    (tmp_path / "manual").mkdir()
    start = time.monotonic()
    with pytest.raises(data.DataUnavailableError) as error:
        data.load("fashion_mnist", "test", data_dir=tmp_path / "data", manual_dir=tmp_path / "manual")
    assert time.monotonic() - start < 5
    assert attempts
    for fact in (
        str(tmp_path / "data" / "fashion_mnist"),
        str(tmp_path / "manual"),
        str(tmp_path / "data" / "downloads" / "fashion_mnist"),
        str(tmp_path / "home" / "tensorflow_datasets" / "downloads" / "fashion_mnist"),
        "t10k-images-idx3-ubyte.gz (4,422,102 bytes) http://fashion-mnist.s3-website",
        "t10k-labels-idx1-ubyte.gz (5,148 bytes) http://fashion-mnist.s3-website",
        "the network is cut off in this test",
        "manual_dir=",
        "VRRAE_LAB_DATA",
    ):
        assert fact in str(error.value)
    assert "train-images" not in str(error.value)


def test_without_download_the_network_is_left_alone(tiny: Path, tmp_path: Path, attempts: list[str]) -> None:
    with pytest.raises(data.DataUnavailableError, match="download=False"):
        data.load("mnist", data_dir=tmp_path, download=False)
    assert not attempts


def test_server_without_the_file_is_named(server: str, tiny: Path, tmp_path: Path) -> None:
    (tiny / IMAGE_FILE).unlink()
    with pytest.raises(data.DataUnavailableError, match=f"{server}/{IMAGE_FILE} answered with HTTP status 404"):
        data.load("mnist", data_dir=tmp_path / "data")


def test_download_that_breaks_off_is_reported(server: str, tiny: Path, tmp_path: Path) -> None:
    (tiny / LABEL_FILE).unlink()  # the first file answers, so the download begins
    with pytest.raises(data.DataUnavailableError, match=f"broke off .*{LABEL_FILE}"):
        data.load("mnist", data_dir=tmp_path / "data")
    assert not (tmp_path / "data" / "mnist").exists()


def test_silent_server_is_not_waited_for(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert downloads.ANSWER_SECONDS < 5
    monkeypatch.setattr(downloads, "ANSWER_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        publish(monkeypatch, "mnist", tiny, f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()
        with pytest.raises(data.DataUnavailableError, match="did not answer within 0.3 s"):
            data.load("mnist", data_dir=tmp_path / "data")
        assert time.monotonic() - start < 2


def test_without_tfds_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempts: list[str]) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(data.DataUnavailableError) as error:
        data.load("mnist", data_dir=tmp_path)
    for fact in ("pip install 'vrrae_lab[data]'", IMAGE_FILE, LABEL_FILE, "VRRAE_LAB_DATA"):
        assert fact in str(error.value)
    assert not attempts


# ---- the cache of decoded images


def test_second_load_needs_nothing_but_the_cache(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempts: list[str]
) -> None:
    first = data.load("mnist", data_dir=tmp_path / "data", manual_dir=tiny)
    shutil.rmtree(tiny)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    second = data.load("mnist", data_dir=tmp_path / "data")
    np.testing.assert_array_equal(second.x, first.x)
    np.testing.assert_array_equal(second.labels, first.labels)
    assert second.provenance["found"] == "cache" and second.provenance["built_from"] == "manual_dir"
    assert second.provenance["files"] == first.provenance["files"]
    assert not attempts


def test_cache_of_one_split_keeps_the_other(tmp_path: Path) -> None:
    other = (IMAGES[:2, ..., None], LABELS[:2])
    cache.write(tmp_path, "train", (3, 5, 5, 1), [(IMAGES[..., None], LABELS)], {"found": "a"})
    cache.write(tmp_path, "test", (2, 5, 5, 1), [other], {"found": "b"})
    for split, num_images, found in (("train", 3, "a"), ("test", 2, "b")):
        kept = cache.read(tmp_path, split, (num_images, 5, 5, 1))
        assert kept is not None and kept[1] == {"found": found}
        np.testing.assert_array_equal(kept[0][0], IMAGES[:num_images, ..., None])


@contextmanager
def interrupted_after(completed: int) -> Iterator[None]:
    """Interrupt the program when it has put `completed` files in their place."""
    replaced: list[str] = []
    replace = os.replace

    def replace_or_stop(source: str, target: str) -> None:
        if len(replaced) == completed:
            raise KeyboardInterrupt
        replaced.append(target)
        replace(source, target)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", replace_or_stop)
        yield


def assert_no_cache(data_dir: Path, manual_dir: Path) -> None:
    assert not list(data_dir.rglob("*.tmp"))
    with pytest.raises(data.DataUnavailableError):
        data.load("mnist", data_dir=data_dir, download=False)
    assert data.load("mnist", data_dir=data_dir, manual_dir=manual_dir).provenance["found"] == "manual_dir"
    assert data.load("mnist", data_dir=data_dir).provenance["found"] == "cache"


@pytest.mark.parametrize("completed", [0, 1, 2])
def test_interrupted_caching_leaves_no_cache(completed: int, tiny: Path, tmp_path: Path) -> None:
    with interrupted_after(completed):
        data.load("mnist", data_dir=tmp_path / "data", manual_dir=tiny)
    assert_no_cache(tmp_path / "data", tiny)


@pytest.mark.parametrize("completed", [1, 2, 3])
def test_interrupted_rebuilding_leaves_no_cache(completed: int, tiny: Path, tmp_path: Path) -> None:
    data.load("mnist", data_dir=tmp_path / "data", manual_dir=tiny)
    (tmp_path / "data" / "mnist" / "train-images.npy").unlink()
    with interrupted_after(completed), pytest.warns(UserWarning, match="is damaged"):
        data.load("mnist", data_dir=tmp_path / "data", manual_dir=tiny)
    assert_no_cache(tmp_path / "data", tiny)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "images cut short": lambda folder: os.truncate(folder / "train-images.npy", 150),
    "images empty": lambda folder: os.truncate(folder / "train-images.npy", 0),
    "images missing": lambda folder: (folder / "train-images.npy").unlink(),
    "images of another type": lambda folder: np.save(folder / "train-images.npy", IMAGES[..., None].astype(np.int8)),
    "images of another shape": lambda folder: np.save(folder / "train-images.npy", IMAGES),
    "labels missing": lambda folder: (folder / "train-labels.npy").unlink(),
    "labels too few": lambda folder: np.save(folder / "train-labels.npy", LABELS[:2]),
    "labels no array": lambda folder: np.save(folder / "train-labels.npy", np.uint8(1)),
    "meta not JSON": lambda folder: (folder / "meta.json").write_text("{"),
    "meta not text": lambda folder: (folder / "meta.json").write_bytes(b"\xff"),
    "meta of another kind": lambda folder: (folder / "meta.json").write_text("[1]"),
    "meta of another format": lambda folder: (folder / "meta.json").write_text('{"format": 0, "splits": {}}'),
    "meta without a record": lambda folder: (folder / "meta.json").write_text('{"format": 1, "splits": {"train": {}}}'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_cache_is_named_and_built_again(damage: str, tiny: Path, tmp_path: Path) -> None:
    data.load("mnist", data_dir=tmp_path, manual_dir=tiny)
    DAMAGES[damage](tmp_path / "mnist")
    with pytest.warns(UserWarning, match=f"{tmp_path / 'mnist'} is damaged") as caught:
        rebuilt = data.load("mnist", data_dir=tmp_path, manual_dir=tiny)
    assert len(caught) == 1
    assert rebuilt.provenance["found"] == "manual_dir"
    again = data.load("mnist", data_dir=tmp_path)
    assert again.provenance["found"] == "cache"
    np.testing.assert_array_equal(np.rint(again.x * 255), IMAGES[..., None])


def test_damaged_cache_without_the_files_is_no_data(tiny: Path, tmp_path: Path, attempts: list[str]) -> None:
    data.load("mnist", data_dir=tmp_path, manual_dir=tiny)
    os.truncate(tmp_path / "mnist" / "train-images.npy", 150)
    with pytest.warns(UserWarning, match="is damaged"), pytest.raises(data.DataUnavailableError):
        data.load("mnist", data_dir=tmp_path)


def test_set_loads_where_no_cache_can_be_written(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "mnist").touch()  # a file where the folder would be stops even a superuser
    loaded = data.load("mnist", data_dir=tmp_path, manual_dir=tiny)
    np.testing.assert_array_equal(np.rint(loaded.x * 255), IMAGES[..., None])
    assert loaded.provenance["found"] == "manual_dir" and loaded.provenance["cache"].startswith("not written")


def test_read_only_data_dir_with_downloads(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir = tmp_path / "data"
    for name in (IMAGE_FILE, LABEL_FILE):
        put_in_download_cache(data_dir, tiny / name, f"http://unreachable.invalid/{name}")
    before = sorted(data_dir.rglob("*"))
    folders = [data_dir, *(path for path in before if path.is_dir())]

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(data_dir))

    monkeypatch.setattr(cache, "atomic_file", refuse)  # for a superuser, whom permissions do not stop
    for folder in folders:
        folder.chmod(0o555)
    try:
        loaded = data.load("mnist", data_dir=data_dir, download=False)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert loaded.provenance["found"] == "download cache"
    assert loaded.provenance["cache"].startswith("not written")
    assert sorted(data_dir.rglob("*")) == before


def test_each_size_has_its_own_cache(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(paths: Sequence[Path], size: int) -> cache.Decoded:
        decoded, labels = decode_idx_pair(paths, 5)
        return decoded[:, :size, :size], labels

    splits = {"train": ImageSplit((IMAGE_FILE, LABEL_FILE), len(IMAGES), whole(decode))}
    monkeypatch.setitem(images.SOURCES, "mnist", ImageSource("mnist", splits, sizes=(5, 3), channels=1))
    for size, shape in ((3, (3, 3, 1)), (None, (5, 5, 1))):
        assert data.load("mnist", size=size, data_dir=tmp_path, manual_dir=tiny).shape == shape
        cached = data.load("mnist", size=size, data_dir=tmp_path)
        assert cached.shape == shape and cached.provenance["found"] == "cache"


def test_decoded_images_of_an_unexpected_number_are_refused(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = {"train": ImageSplit((IMAGE_FILE, LABEL_FILE), 4, whole(decode_idx_pair))}
    monkeypatch.setitem(images.SOURCES, "mnist", ImageSource("mnist", splits, sizes=(5,), channels=1))
    with pytest.raises(ValueError, match=r"\(3, 5, 5, 1\), not \(4, 5, 5, 1\)"):
        data.load("mnist", data_dir=tmp_path, manual_dir=tiny)


def test_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.data_folder() == tmp_path / "home" / ".cache" / "vrrae_lab"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.data_folder() == tmp_path / "xdg" / "vrrae_lab"
    monkeypatch.setenv("VRRAE_LAB_DATA", str(tmp_path / "named"))
    assert cache.data_folder() == tmp_path / "named"
    assert cache.data_folder("~/given") == tmp_path / "home" / "given"


# ---- arguments, and the sets that are always there


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"name": "mnits"}, "'mnits' is unknown; the data sets are bumps, digits, mnist, fashion_mnist"),
        ({"name": "mnist", "split": "validation"}, "'validation' is unknown; the splits of mnist are train, test"),
        ({"name": "digits", "split": "all"}, "'all' is unknown; the splits of digits are train, test"),
        ({"name": "bumps", "split": "all"}, "'all' is unknown; the splits of bumps are train, test"),
        ({"name": "mnist", "n": 0}, "n = 0, .* ask for 1 to 60000"),
        ({"name": "mnist", "split": "test", "n": 10_001}, "n = 10001, .* ask for 1 to 10000"),
        ({"name": "digits", "n": 1438}, "n = 1438, .* ask for 1 to 1437"),
        ({"name": "bumps", "n": 101}, "n = 101, .* ask for 1 to 100"),
        ({"name": "mnist", "size": 32}, "size = 32, .* use 28"),
        ({"name": "mnist", "size": 0}, "size = 0, .* use 28"),
        ({"name": "cifar10", "split": "validation"}, "the splits of cifar10 are train, test"),
        ({"name": "celeb_a", "split": "all"}, "the splits of celeb_a are train, validation, test"),
        ({"name": "celeb_a", "n": 162_771}, "n = 162771, .* ask for 1 to 162770"),
        ({"name": "celeb_a", "size": 178}, "size = 178, .* 160 or 128 or 64 or 32"),
        ({"name": "cifar10", "size": 64}, "size = 64, .* use 32"),
        ({"name": "digits", "size": 28}, "size = 28, .* use 8"),
        ({"name": "bumps", "size": 0}, "size = 0: below 8"),
        ({"name": "mnist", "manual_dir": "/no/such/folder"}, "'/no/such/folder' is not a folder"),
    ],
)
def test_arguments_out_of_range_are_refused(
    arguments: dict[str, Any], complaint: str, tmp_path: Path, attempts: list[str]
) -> None:
    with pytest.raises(ValueError, match=complaint):
        data.load(**arguments, data_dir=tmp_path)
    assert not attempts


def test_digits_are_the_real_ones() -> None:
    train, test = data.digits(), data.digits("test")
    raw = np.concatenate([train.x, test.x]) * train.scale
    assert train.x.shape == (1437, 8, 8, 1) and test.x.shape == (360, 8, 8, 1)
    assert raw.dtype == np.float32 and raw.min() == 0 and raw.max() == 16
    checksum = hashlib.sha256(raw.astype(np.uint8).tobytes()).hexdigest()
    assert checksum == "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"
    assert train.labels is not None and test.labels is not None
    assert train.labels[:10].tolist() == list(range(10))
    assert np.bincount(np.concatenate([train.labels, test.labels])).tolist() == [
        *(178, 182, 177, 183, 181),
        *(182, 181, 179, 174, 180),
    ]


def test_digits_by_name_are_the_same_each_time() -> None:
    first, again = data.digits("test", n=7), data.load("digits", "test", n=7, size=8)
    assert first.name == again.name == "digits_test" and len(first) == 7
    np.testing.assert_array_equal(first.x, data.digits("test").x[:7])
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.labels, again.labels)


def test_the_sample_of_mnist_says_that_it_is_one(attempts: list[str]) -> None:
    sample = data.mnist_sample()
    assert sample.name == "MNIST, 2,000 images"
    assert sample.x.shape == (2000, 28, 28, 1) and sample.x.dtype == np.float32 and sample.value_range == (0, 1)
    raw = np.rint(sample.x * sample.scale).astype(np.uint8)
    checksum = hashlib.sha256(raw.tobytes()).hexdigest()
    assert checksum == "4d1e2862007bab5908d814e74806c6c8f7c4a4f32b5875d195406d4d1dbe4946"
    assert sample.labels is not None and sample.labels[:10].tolist() == FIRST_LABELS["train"]
    assert np.bincount(sample.labels).tolist() == [191, 220, 198, 191, 214, 180, 200, 224, 172, 210]
    assert "first 2,000 of 60,000 training images" in sample.origin
    assert not attempts


def test_the_sample_never_stands_in_for_mnist(tmp_path: Path, attempts: list[str]) -> None:
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(data.DataUnavailableError):
        data.load("mnist", n=2000, data_dir=tmp_path)


def test_the_sample_is_shipped_with_its_source_and_licence() -> None:
    notice = (images.MNIST_SHEET / "NOTICE.md").read_text()
    for fact in ("LeCun", "Cortes", "Burges", "Attribution-ShareAlike 3.0", IMAGE_FILE, LABEL_FILE):
        assert fact in notice


def test_bumps_by_name() -> None:
    np.testing.assert_array_equal(data.load("bumps", size=16, n=30).x, data.bumps(image_size=16).x[:30])
    by_name = data.load("bumps", "test", size=16, n=30)
    np.testing.assert_array_equal(by_name.x, data.bumps_test(image_size=16, key=jax.random.key(0)).x[:30])
    assert data.load("bumps").shape == data.bumps().shape


def test_sizes_of_splits_are_those_that_are_loaded() -> None:
    for name in ("bumps", "digits"):
        assert data.split_sizes(name) == {split: len(data.load(name, split)) for split in ("train", "test")}
    assert data.split_sizes("mnist") == data.split_sizes("fashion_mnist") == {"train": 60_000, "test": 10_000}
    assert data.split_sizes("cifar10") == {"train": 50_000, "test": 10_000}
    assert data.split_sizes("celeb_a") == {"train": 162_770, "validation": 19_867, "test": 19_962}
    assert sum(data.split_sizes("celeb_a").values()) == 202_599
    with pytest.raises(ValueError, match="'dogs' is unknown"):
        data.split_sizes("dogs")


def test_import_loads_nothing_heavy() -> None:
    program = (
        "import sys, vrrae_lab.data; print({'tensorflow_datasets', 'requests', 'sklearn', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# ---- real data


FIRST_LABELS = {"train": [5, 0, 4, 1, 9, 2, 1, 3, 1, 4], "test": [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]}
LABEL_COUNTS = {
    "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}
# The mean and standard deviation of MNIST's pixels in [0, 1], as they are usually quoted for the training set.
MOMENTS = {"train": (0.1307, 0.3081), "test": (0.1325, 0.3105)}


def link_download_cache(shared: Path, data_dir: Path) -> None:
    """Lay out a download cache as TFDS itself named it; the pack's own links do not survive every way of copying."""
    target = data_dir / "downloads" / "mnist"
    target.mkdir(parents=True)
    for info in (shared / "tfds" / "downloads" / "mnist").glob("*.INFO"):
        (target / info.name).symlink_to(info)
        (target / info.stem).symlink_to(shared / "mnist" / json.loads(info.read_text())["original_fname"])


@pytest.mark.real_data
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("place", ["manual_dir", "download cache"])
def test_real_mnist(split: str, place: str, tmp_path: Path, attempts: list[str]) -> None:
    pytest.importorskip("tensorflow_datasets")
    shared = shared_data()
    manual_dir = shared / "mnist" if place == "manual_dir" else None
    if place == "download cache":
        link_download_cache(shared, tmp_path)
    before = sorted(shared.rglob("*"))
    loaded = data.load("mnist", split, data_dir=tmp_path, manual_dir=manual_dir)
    assert loaded.labels is not None
    assert loaded.x.shape == (len(loaded.labels), 28, 28, 1) and loaded.x.dtype == np.float32
    assert loaded.provenance["found"] == place
    assert loaded.labels[:10].tolist() == FIRST_LABELS[split]
    assert np.bincount(loaded.labels).tolist() == LABEL_COUNTS[split]
    assert loaded.x.min() == 0 and loaded.x.max() == 1
    moments = loaded.x.mean(dtype=np.float64), loaded.x.std(dtype=np.float64)
    assert moments == pytest.approx(MOMENTS[split], abs=5e-5)

    again = data.load("mnist", split, data_dir=tmp_path)
    assert again.provenance["found"] == "cache"
    np.testing.assert_array_equal(again.x, loaded.x)
    np.testing.assert_array_equal(again.labels, loaded.labels)
    assert not attempts and sorted(shared.rglob("*")) == before


@pytest.mark.real_data
def test_the_sample_is_the_first_of_real_mnist(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow_datasets")
    sample = data.mnist_sample()
    published = data.load("mnist", n=len(sample), data_dir=tmp_path, manual_dir=shared_data() / "mnist")
    np.testing.assert_array_equal(sample.x, published.x)
    np.testing.assert_array_equal(sample.labels, published.labels)
    assert sample.scale == published.scale and sample.offset == published.offset


@pytest.mark.real_data
@pytest.mark.parametrize("damage", [flip_byte, lambda path: path.write_bytes(path.read_bytes()[:-1000])])
def test_damaged_real_mnist_is_refused(damage: Callable[[Path], None], tmp_path: Path, attempts: list[str]) -> None:
    pytest.importorskip("tensorflow_datasets")
    manual_dir = tmp_path / "manual"
    manual_dir.mkdir()
    for name in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        shutil.copy(shared_data() / "mnist" / name, manual_dir)
    damage(manual_dir / "t10k-labels-idx1-ubyte.gz")
    with pytest.raises(ValueError, match="t10k-labels.*not f7ae60f92e00ec6debd23a6088c31dbd2371eca3"):
        data.load("mnist", "test", data_dir=tmp_path / "data", manual_dir=manual_dir)


@pytest.mark.real_data
def test_mnist_does_not_pass_for_fashion_mnist(tmp_path: Path, attempts: list[str]) -> None:
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(ValueError, match="of another data set"):
        data.load("fashion_mnist", "test", data_dir=tmp_path, manual_dir=shared_data() / "mnist")
