"""The cache of decoded images under hard conditions, and sets prepared by TensorFlow Datasets."""

import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from published import face

from vrrae_lab import data
from vrrae_lab.data import cache, catalogue, prepared

pytestmark = pytest.mark.usefixtures("own_home", "attempts")

SHAPE = (6, 4, 4, 1)
FIRST = np.arange(96, dtype=np.uint8).reshape(SHAPE)
SECOND = FIRST[::-1].copy()
LABELS = np.arange(6)


def chunks(images: np.ndarray) -> list[cache.Decoded]:
    return [(images[start : start + 2], LABELS[start : start + 2]) for start in range(0, len(images), 2)]


def contents(folder: Path) -> tuple[str, np.ndarray] | None:
    kept = cache.read(folder, "train", SHAPE)
    if kept is None:
        return None
    (images, labels), record = kept
    np.testing.assert_array_equal(labels, LABELS)
    return record["found"], np.array(images)


# ---- a process that is killed

KILLED = """
import os, pathlib, signal, sys, warnings
import numpy as np
from vrrae_lab.data import cache

moment, passed = 0, 0

def live_or_die():
    global passed
    if passed == moment:
        os.kill(os.getpid(), signal.SIGKILL)
    passed += 1

def before(function):
    def call(*arguments):
        live_or_die()
        return function(*arguments)
    return call

os.replace, os.fsync = before(os.replace), before(os.fsync)

def chunks():
    images = np.arange(96, dtype=np.uint8).reshape(6, 4, 4, 1)[::-1]
    for start in (0, 2, 4):
        live_or_die()
        yield images[start:start + 2], np.arange(start, start + 2)

for folder in sys.argv[1:]:
    moment = int(pathlib.Path(folder).name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jax warns of forks, but no thread of it is needed here
        child = os.fork()
    if child == 0:
        cache.write(pathlib.Path(folder), "train", (6, 4, 4, 1), chunks(), {"found": "second"})
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print("killed" if os.WIFSIGNALED(status) else "ended" if status == 0 else "failed")
"""


def write_and_be_killed(folders: list[Path]) -> list[str]:
    """Let a process of its own write each cache, and kill it at the moment that the folder is named after."""
    command = [sys.executable, "-c", KILLED, *map(str, folders)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked to be killed, which this system cannot do")
@pytest.mark.parametrize("state", ["empty", "holds the first"])
def test_killed_process_leaves_a_whole_cache_or_none(state: str, tmp_path: Path) -> None:
    # three chunks, the two arrays made sure of, and two calls for each file put in its place, which are three or four
    every = 11 if state == "empty" else 13
    folders = [tmp_path / f"{moment}" for moment in range(every + 1)]
    if state != "empty":
        for folder in folders:
            cache.write(folder, "train", SHAPE, chunks(FIRST), {"found": "first"})
    assert write_and_be_killed(folders) == ["killed"] * every + ["ended"]
    seen = []
    for folder in folders:
        found = contents(folder)  # a damaged cache would warn, and a warning is an error here
        seen.append(None if found is None else found[0])
        if found is not None:
            np.testing.assert_array_equal(found[1], FIRST if found[0] == "first" else SECOND)
        cache.write(folder, "train", SHAPE, chunks(FIRST), {"found": "again"})
        assert contents(folder) is not None
    # the first is there until all of the second is written, and lost only while the files are exchanged
    assert seen == ([None] * 11 + ["second"] if state == "empty" else ["first"] * 7 + [None] * 6 + ["second"])


def test_abandoned_temporary_files_are_removed_and_young_ones_left(tmp_path: Path) -> None:
    abandoned = [tmp_path / ".train-images.npy.abc.tmp", tmp_path / ".test-labels.npy.abc.tmp"]
    young = tmp_path / ".test-images.npy.abc.tmp"
    for path in (*abandoned, young):
        path.touch()
    for path in abandoned:
        os.utime(path, (time.time() - 2 * cache.ABANDONED_SECONDS,) * 2)
    with cache.atomic_file(tmp_path / "train-images.npy"):
        names = {path.name for path in tmp_path.glob(".train-images.npy.*.tmp")}
        assert len(names) == 2  # the pattern that is looked for is that of the files that are written
    cache.write(tmp_path, "train", SHAPE, chunks(FIRST), {"found": "first"})
    assert list(tmp_path.glob(".*.tmp")) == [young]


# ---- writing in chunks


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (chunks(FIRST)[:2], r"\(4, 4, 4, 1\), not \(6, 4, 4, 1\)"),
        (chunks(FIRST) * 2, r"\(8, 4, 4, 1\) and 2 labels .* not \(6, 4, 4, 1\)"),
        (chunks(FIRST[:, :3]), r"\(2, 3, 4, 1\)"),
        ([(FIRST, LABELS[:5])], "5 labels to the last 6"),
        ([], r"\(0, 4, 4, 1\), not"),
    ],
)
def test_chunks_that_do_not_make_the_split_are_refused(
    given: list[cache.Decoded], complaint: str, tmp_path: Path
) -> None:
    cache.write(tmp_path, "train", SHAPE, chunks(SECOND), {"found": "before"})
    # iterators, which the checks of annotations do not look into
    for take in (
        lambda: cache.write(tmp_path, "train", SHAPE, iter(given), {}),
        lambda: cache.gather(SHAPE, iter(given)),
    ):
        with pytest.raises(ValueError, match=complaint):
            take()
    found = contents(tmp_path)
    assert found is not None and found[0] == "before"
    assert not list(tmp_path.glob(".*.tmp"))


def test_images_that_are_not_contiguous_are_kept_right(tmp_path: Path) -> None:
    cache.write(tmp_path, "train", SHAPE, [(FIRST.transpose(0, 2, 1, 3), LABELS)], {"found": "a"})
    found = contents(tmp_path)
    assert found is not None
    np.testing.assert_array_equal(found[1], FIRST.transpose(0, 2, 1, 3))


def test_more_than_was_kept_is_not_there_and_less_is(tmp_path: Path) -> None:
    cache.write(tmp_path, "train", SHAPE, chunks(FIRST), {"found": "a"})
    assert cache.read(tmp_path, "train", (7, *SHAPE[1:])) is None
    kept = cache.read(tmp_path, "train", (2, *SHAPE[1:]))
    assert kept is not None and kept[0][0].shape == (2, 4, 4, 1) and kept[0][1].tolist() == [0, 1]


def test_parts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cache, "PART_BYTES", 30)
    assert list(cache.parts(7, 10, "counting")) == [range(0, 3), range(3, 6), range(6, 7)]
    assert "counting: 100%" in capsys.readouterr().err
    assert list(cache.parts(3, 10, "counting")) == [range(0, 3)]
    assert list(cache.parts(2, 99, "counting")) == [range(0, 1), range(1, 2)]
    capsys.readouterr()
    assert list(cache.parts(1, 99, "counting")) == [range(0, 1)] and capsys.readouterr().err == ""


# ---- room on the disk

Usage = namedtuple("Usage", "total used free")


def test_full_disk_is_named_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def usage(path: Path) -> Usage:
        asked.append(path)
        return Usage(9, 9, 95)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    folder = tmp_path / "not" / "yet"
    with pytest.raises(OSError) as error:
        cache.write(folder, "train", SHAPE, chunks(FIRST), {})
    for fact in (f"{folder} has no room", "96 bytes are needed", "95 are free", "data_dir=", "VRRAE_LAB_DATA"):
        assert fact in str(error.value)
    assert asked == [tmp_path] and not (tmp_path / "not").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9, 9, 96))
    cache.write(folder, "train", SHAPE, chunks(FIRST), {})


# ---- prepared by TensorFlow Datasets


def write_prepared(
    folder: Path, features: Any, name: str, split: str, examples: list[Mapping[str, Any]], version: str = "1.0.0"
) -> Path:
    """Write a prepared set as TFDS lays it out, which TFDS itself can only do with TensorFlow."""
    tfds = pytest.importorskip("tensorflow_datasets")
    from array_record.python.array_record_module import ArrayRecordWriter
    from tensorflow_datasets.proto import tf_example_pb2

    target = folder / name / version
    target.mkdir(parents=True)
    writer = ArrayRecordWriter(str(target / f"{name}-{split}.array_record-00000-of-00001"), "group_size:1")
    for example in examples:
        record = tf_example_pb2.Example()
        for key, value in example.items():
            if isinstance(value, bytes):
                record.features.feature[key].bytes_list.value.append(value)
            else:
                record.features.feature[key].int64_list.value.append(int(value))
        writer.write(record.SerializeToString())
    writer.close()
    template = tfds.core.ShardedFileTemplate(
        dataset_name=name, data_dir=target, split=split, filetype_suffix="array_record"
    )
    info = tfds.core.SplitInfo(name=split, shard_lengths=[len(examples)], num_bytes=1, filename_template=template)
    tfds.folder_dataset.write_metadata(
        data_dir=str(target), features=features, split_infos=[info], version=version, check_data=False
    )
    return target


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the published files have impossible names, so that only what is prepared can be found."""
    tfds = pytest.importorskip("tensorflow_datasets")
    infos = {
        f"http://unreachable.invalid/{name}": tfds.core.download.checksums.UrlInfo(1, "00", name)
        for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
    }
    monkeypatch.setattr(tfds, "builder_cls", lambda name: SimpleNamespace(url_infos=infos))


def prepared_digits(folder: Path, images: np.ndarray, version: str = "3.0.1") -> Path:
    tfds = pytest.importorskip("tensorflow_datasets")
    features = tfds.features.FeaturesDict(
        {"image": tfds.features.Image(shape=(28, 28, 1)), "label": tfds.features.ClassLabel(num_classes=10)}
    )
    examples = [{"image": png(image[..., 0]), "label": 9 - number} for number, image in enumerate(images)]
    return write_prepared(folder, features, "mnist", "train", examples, version)


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch, unknown: None) -> np.ndarray:
    """Let "mnist" have three training images."""
    source = catalogue.SOURCES["mnist"]
    splits = {"train": replace(source.splits["train"], num_images=3)}
    monkeypatch.setitem(catalogue.SOURCES, "mnist", replace(source, splits=splits))
    return np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), np.uint8)


@pytest.mark.parametrize("place", ["data_dir", "TFDS_DATA_DIR", "home"])
def test_prepared_set_is_read(  # without TensorFlow, which is not among the packages of the test environment
    place: str, three: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempts: list[str]
) -> None:
    folder = tmp_path / {"data_dir": "data", "TFDS_DATA_DIR": "tfds", "home": "home/tensorflow_datasets"}[place]
    if place == "TFDS_DATA_DIR":
        monkeypatch.setenv("TFDS_DATA_DIR", str(folder))
    target = prepared_digits(folder, three)
    loaded = data.load("mnist", data_dir=tmp_path / "data")
    np.testing.assert_array_equal(np.rint(loaded.x * 255), three)
    assert loaded.labels is not None and loaded.labels.tolist() == [9, 8, 7]
    assert loaded.provenance["found"] == "prepared by TFDS" and loaded.provenance["folder"] == str(target)
    assert "shuffled" in loaded.provenance["order"]
    assert json.loads(json.dumps(loaded.provenance)) == loaded.provenance
    assert data.load("mnist", data_dir=tmp_path / "data").provenance["built_from"] == "prepared by TFDS"
    assert not attempts


def test_newest_prepared_version_is_read(three: np.ndarray, tmp_path: Path) -> None:
    for version, images in (("3.0.9", 255 - three), ("3.0.10", three), ("2.9.9", 255 - three)):
        prepared_digits(tmp_path, images, version)
    np.testing.assert_array_equal(np.rint(data.load("mnist", data_dir=tmp_path).x * 255), three)


def edit_info(target: Path, change: Callable[[dict[str, Any]], object]) -> None:
    info = json.loads((target / "dataset_info.json").read_text())
    change(info)
    (target / "dataset_info.json").write_text(json.dumps(info))


UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "another format": (
        lambda target: edit_info(target, lambda info: info.update(fileFormat="tfrecord")),
        "in the format tfrecord, which cannot be read without TensorFlow",
    ),
    "no format": (lambda target: edit_info(target, lambda info: info.pop("fileFormat")), "in the format tfrecord"),
    "another count": (
        lambda target: edit_info(target, lambda info: info["splits"][0].update(shardLengths=["2"])),
        "with 2 train images, not 3",
    ),
    "another split": (
        lambda target: edit_info(target, lambda info: info["splits"][0].update(name="test")),
        "with 0 train images, not 3",
    ),
    "no JSON": (lambda target: (target / "dataset_info.json").write_text("{"), "dataset_info.json cannot be read"),
    "a list": (lambda target: (target / "dataset_info.json").write_text("[]"), "dataset_info.json cannot be read"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_prepared_set_that_cannot_be_used_is_explained(case: str, three: np.ndarray, tmp_path: Path) -> None:
    spoil, complaint = UNUSABLE[case]
    target = prepared_digits(tmp_path, three)
    spoil(target)
    with pytest.raises(data.DataUnavailableError) as error:
        data.load("mnist", data_dir=tmp_path)
    assert f"not usable: {target} ({complaint}" in str(error.value)


@pytest.mark.parametrize("damage", ["cut off", "missing", "nonsense"])
def test_damaged_prepared_set_is_named(damage: str, three: np.ndarray, tmp_path: Path) -> None:
    target = prepared_digits(tmp_path, three)
    (shard,) = target.glob("*.array_record*")
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2] if damage == "cut off" else b"nonsense")
    if damage == "missing":
        shard.unlink()
    with pytest.raises(ValueError, match=f"{target} cannot be read"):
        data.load("mnist", data_dir=tmp_path)
    assert not (tmp_path / "mnist" / "meta.json").exists()


def test_without_tfds_nothing_prepared_is_found(
    three: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared_digits(tmp_path, three)
    assert prepared.find("mnist", "train", 3, [tmp_path])[0] is not None
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    assert prepared.find("mnist", "train", 3, [tmp_path]) == (None, [])


def test_prepared_faces_are_cropped_like_the_published_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tfds = pytest.importorskip("tensorflow_datasets")
    names = data.CELEB_A_ATTRIBUTES[::-1]  # another order than the published one
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(218, 178, 3)),
            "attributes": {name: tfds.features.Scalar(np.bool_) for name in names},
        }
    )
    attributes = np.random.default_rng(0).integers(0, 2, (3, 40))
    examples = [
        {"image": png(np.asarray(face(number)))}
        | {f"attributes/{name}": row[data.CELEB_A_ATTRIBUTES.index(name)] for name in names}
        for number, row in enumerate(attributes)
    ]
    write_prepared(tmp_path, features, "celeb_a", "test", examples)
    source = catalogue.SOURCES["celeb_a"]
    splits = {"test": replace(source.splits["test"], num_images=3)}
    monkeypatch.setitem(catalogue.SOURCES, "celeb_a", replace(source, splits=splits))
    loaded = data.load("celeb_a", "test", n=2, size=32, data_dir=tmp_path)
    np.testing.assert_array_equal(loaded.labels, attributes[:2])
    middle = loaded.x[:, 16, 16] * 255
    position = 16.5 * 178 / 32 - 0.5
    np.testing.assert_allclose(middle, [[position, position + 20, 10 * number] for number in range(2)], atol=1)
