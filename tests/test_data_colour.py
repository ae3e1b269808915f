"""CIFAR-10 and CelebA: decoding, the first images only, damaged archives, slices, bytes or floats."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from published import (
    cifar_bytes,
    face,
    flip_byte,
    jpeg,
    publish,
    sha256,
    write_cifar_tar,
    write_faces_zip,
    write_lists,
)
from support import shared_data

from vrrae_lab import data
from vrrae_lab.data import cache, catalogue, celeb_a
from vrrae_lab.data.decoders import decode_cifar

pytestmark = pytest.mark.usefixtures("own_home", "attempts")

BATCHES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TAR, ZIP = "cifar-10-binary.tar.gz", "img_align_celeba.zip"
RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.integers(0, 256, (12, 32, 32, 3), np.uint8)
CLASSES = RANDOM.integers(0, 10, 12, np.uint8)
NAMES = tuple(f"{number:06}.jpg" for number in range(1, 10))
ATTRIBUTES = RANDOM.integers(0, 2, (9, 40), np.uint8)
PARTITION = (0, 0, 1, 0, 0, 2, 0, 1, 0)
TRAIN = [number for number, part in enumerate(PARTITION) if part == 0]


def with_counts(monkeypatch: pytest.MonkeyPatch, name: str, **counts: int) -> None:
    source = catalogue.SOURCES[name]
    splits = {split: replace(source.splits[split], num_images=count) for split, count in counts.items()}
    monkeypatch.setitem(catalogue.SOURCES, name, replace(source, splits=splits))


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let CIFAR-10 have 10 training images, 2 in each batch, and 2 test images; the folder of its archive."""
    folder = tmp_path / "published"
    folder.mkdir()
    parts = {
        name: cifar_bytes(PICTURES[2 * i : 2 * i + 2], CLASSES[2 * i : 2 * i + 2]) for i, name in enumerate(BATCHES)
    }
    # the test batch first: the order of members is the archive's affair
    write_cifar_tar(folder / TAR, {"test_batch.bin": cifar_bytes(PICTURES[10:], CLASSES[10:]), **parts})
    with_counts(monkeypatch, "cifar10", train=10, test=2)
    publish(monkeypatch, "cifar10", folder, "http://unreachable.invalid")
    return folder


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let CelebA have 6 training, 2 validation and 1 test image, decoded two at a time; the folder of its files."""
    folder = tmp_path / "published"
    folder.mkdir()
    write_faces_zip(folder / ZIP, {name: jpeg(face(number)) for number, name in enumerate(NAMES)})
    write_lists(folder, NAMES, ATTRIBUTES, PARTITION)
    with_counts(monkeypatch, "celeb_a", train=6, validation=2, test=1)
    monkeypatch.setattr(cache, "PART_BYTES", 2 * 3 * 32 * 32)
    publish(monkeypatch, "celeb_a", folder, "http://unreachable.invalid")
    return folder


# ---- CIFAR-10


def test_cifar_is_decoded(cifar: Path, tmp_path: Path) -> None:
    train = data.load("cifar10", data_dir=tmp_path / "data", manual_dir=cifar)
    test = data.load("cifar10", "test", data_dir=tmp_path / "data", manual_dir=cifar)
    assert train.name == "cifar10_train" and test.name == "cifar10_test" and train.x.dtype == np.float32
    np.testing.assert_array_equal(np.rint(train.x * 255), PICTURES[:10])
    np.testing.assert_array_equal(np.rint(test.x * 255), PICTURES[10:])
    np.testing.assert_array_equal(train.labels, CLASSES[:10])
    np.testing.assert_array_equal(test.labels, CLASSES[10:])
    assert train.provenance["files"][0]["sha256"] == sha256(cifar / TAR)


def cut_tar(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


BROKEN_TARS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut off": (cut_tar, "not a whole tar archive"),
    "flipped byte": (flip_byte, "not a whole tar archive"),
    "no tar": (lambda path: path.write_bytes(b"<html>quota</html>" * 99), "not a whole tar archive"),
    "empty": (lambda path: path.write_bytes(b""), "not a whole tar archive"),
    "member missing": (lambda path: write_cifar_tar(path, {}), "has no member cifar-10-batches-bin/data_batch_1.bin"),
    "half a record": (
        lambda path: write_cifar_tar(path, {"data_batch_1.bin": bytes(3073 + 1)}),
        "data_batch_1.bin has 3,074 bytes, not records of 3073",
    ),
    "another set": (lambda path: write_cifar_tar(path, {"data_batch_1.bin": bytes([10] * 3073)}), "classes beyond 0"),
    "no image": (lambda path: write_cifar_tar(path, {"data_batch_1.bin": b""}), "it is empty"),
}


@pytest.mark.parametrize("damage", BROKEN_TARS)
def test_damaged_tar_is_refused_by_name(damage: str, cifar: Path) -> None:
    break_it, complaint = BROKEN_TARS[damage]
    break_it(cifar / TAR)
    with pytest.raises(ValueError, match=f"{TAR}.*{complaint}"):
        decode_cifar(cifar / TAR, ["data_batch_1.bin"])


def test_tar_with_another_checksum_is_refused(cifar: Path, tmp_path: Path) -> None:
    flip_byte(cifar / TAR)
    with pytest.raises(ValueError, match=f"{TAR} is not the published file"):
        data.load("cifar10", data_dir=tmp_path, manual_dir=cifar)
    assert not (tmp_path / "cifar10").exists()


# ---- CelebA


def expected_pixels(number: int, size: int) -> np.ndarray:
    """The photograph of `face` cropped and scaled: its two ramps, met in the middle of each pixel."""
    centres = (np.arange(size) + 0.5) * 178 / size - 0.5
    expected = np.zeros((size, size, 3))
    expected[..., 0] = centres
    expected[..., 1] = 20 + centres[:, None]
    expected[..., 2] = 10 * number
    return expected


@pytest.mark.parametrize("size", [None, 128, 64, 32])
def test_faces_are_cropped_and_scaled(size: int | None, faces: Path, tmp_path: Path) -> None:
    loaded = data.load("celeb_a", size=size, data_dir=tmp_path / "data", manual_dir=faces)
    side = size or 160
    assert loaded.x.shape == (6, side, side, 3) and loaded.name == "celeb_a_train"
    inner = slice(3, -3)  # at the border a filter sees only one side of the ramp
    for image, number in zip(loaded.x, TRAIN, strict=True):
        # the tolerance is that of JPEG; a crop or a shift of one row is seen as 1
        error = (image * 255 - expected_pixels(number, side))[inner, inner]
        assert np.abs(error).max() < 5 and np.abs(error.mean(axis=(0, 1))).max() < 0.6
    np.testing.assert_array_equal(loaded.labels, ATTRIBUTES[TRAIN])


@pytest.mark.parametrize(("split", "numbers"), [("validation", [2, 7]), ("test", [5])])
def test_splits_follow_the_partition_list(split: str, numbers: list[int], faces: Path, tmp_path: Path) -> None:
    loaded = data.load("celeb_a", split, size=32, data_dir=tmp_path / "data", manual_dir=faces)
    assert [int(np.rint(blue * 25.5)) for blue in loaded.x[:, 16, 16, 2]] == numbers
    np.testing.assert_array_equal(loaded.labels, ATTRIBUTES[numbers])


def test_attributes_are_the_published_forty() -> None:
    assert len(set(data.CELEB_A_ATTRIBUTES)) == 40
    for number, name in ((0, "5_o_Clock_Shadow"), (20, "Male"), (31, "Smiling"), (39, "Young")):
        assert data.CELEB_A_ATTRIBUTES[number] == name


def decoded_names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    decoded: list[str] = []
    decode = celeb_a._decode_jpeg

    def note(archive: Any, path: Path, name: str, *sizes: Any) -> np.ndarray:
        decoded.append(name)
        return decode(archive, path, name, *sizes)

    monkeypatch.setattr(celeb_a, "_decode_jpeg", note)
    return decoded


def test_only_the_first_images_are_decoded_and_the_longest_prefix_is_kept(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = decoded_names(monkeypatch)
    sizes = {"size": 32, "data_dir": tmp_path / "data"}
    four = data.load("celeb_a", n=4, manual_dir=faces, **sizes)
    assert decoded == [NAMES[number] for number in TRAIN[:4]] and len(four) == 4
    three = data.load("celeb_a", n=3, **sizes)
    assert three.provenance["found"] == "cache" and len(decoded) == 4
    np.testing.assert_array_equal(three.x, four.x[:3])
    np.testing.assert_array_equal(three.labels, ATTRIBUTES[TRAIN[:3]])

    with pytest.raises(data.DataUnavailableError):  # five are not in the cache, and nothing is made up
        data.load("celeb_a", n=5, **sizes)
    five = data.load("celeb_a", n=5, manual_dir=faces, **sizes)
    np.testing.assert_array_equal(five.x[:4], four.x)
    assert data.load("celeb_a", n=5, **sizes).provenance["found"] == "cache"
    assert data.load("celeb_a", n=2, **sizes).provenance["found"] == "cache"


def test_faces_without_a_number_are_bounded(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert catalogue.SOURCES["celeb_a"].default_n == 10_000
    monkeypatch.setitem(catalogue.SOURCES, "celeb_a", replace(catalogue.SOURCES["celeb_a"], default_n=4))
    assert len(data.load("celeb_a", size=32, data_dir=tmp_path, manual_dir=faces)) == 4
    assert len(data.load("celeb_a", "test", size=32, data_dir=tmp_path, manual_dir=faces)) == 1
    assert len(data.load("celeb_a", n=6, size=32, data_dir=tmp_path, manual_dir=faces)) == 6


def test_decoding_holds_one_part_at_a_time(faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [faces / name for name in celeb_a.FILES]
    chunks = celeb_a.decode_celeb_a(paths, "train", 32, 6)
    assert [len(images) for images, _ in chunks] == [2, 2, 2]
    assert "decoding img_align_celeba.zip: 100%" in capsys.readouterr().err


def set_jpeg(folder: Path, content: bytes) -> None:
    jpegs = {name: jpeg(face(number)) for number, name in enumerate(NAMES)}
    write_faces_zip(folder / ZIP, jpegs | {NAMES[3]: content})


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


BROKEN_FACES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "zip without directory": (lambda folder: cut_tar(folder / ZIP), f"{ZIP} is not a whole zip archive"),
    "no zip": (lambda folder: (folder / ZIP).write_bytes(b"<html>"), f"{ZIP} is not a whole zip archive"),
    "no jpeg": (lambda folder: set_jpeg(folder, b"<html>"), f"{ZIP}: img_align_celeba/{NAMES[3]} cannot be decoded"),
    "jpeg cut off": (
        lambda folder: set_jpeg(folder, jpeg(face(3))[:-3000]),
        f"{ZIP}: img_align_celeba/{NAMES[3]} cannot be decoded",
    ),
    "flipped byte": (
        lambda folder: flip_byte(folder / ZIP),
        f"{ZIP}: img_align_celeba/0.*jpg cannot be decoded .*CRC",
    ),
    "half size": (lambda folder: set_jpeg(folder, jpeg(face(3, 89, 109))), r"it has \(89, 109\) pixels, not"),
    "image missing": (
        lambda folder: write_faces_zip(folder / ZIP, {NAMES[0]: jpeg(face(0))}),
        f"{NAMES[1]} cannot be decoded .*no item",
    ),
    "attribute row missing": (
        lambda folder: edit(folder / "list_attr_celeba.txt", NAMES[1], "999999.jpg"),
        f"list_attr_celeba.txt does not have 40 attributes.* for {NAMES[1]}",
    ),
    "other attributes": (
        lambda folder: edit(folder / "list_attr_celeba.txt", "Smiling", "Frowning"),
        "list_attr_celeba.txt does not have the 40 attributes",
    ),
    "partition of a fourth kind": (
        lambda folder: edit(folder / "list_eval_partition.txt", " 2", " 3"),
        "list_eval_partition.txt is no list",
    ),
    "partition short": (
        lambda folder: edit(folder / "list_eval_partition.txt", f"{NAMES[8]} 0", f"{NAMES[8]} 1"),
        "list_eval_partition.txt lists 5 train images, not 6",
    ),
}


@pytest.mark.parametrize("damage", BROKEN_FACES)
def test_damaged_face_files_are_refused_by_name(
    damage: str, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it, complaint = BROKEN_FACES[damage]
    break_it(faces)
    publish(monkeypatch, "celeb_a", faces, "http://unreachable.invalid")  # past the checksums, to the decoder
    with pytest.raises(ValueError, match=complaint):
        data.load("celeb_a", size=32, data_dir=tmp_path / "data", manual_dir=faces)
    assert not list((tmp_path / "data").rglob("*.*"))


def test_zip_that_is_not_the_published_one_is_refused(faces: Path, tmp_path: Path) -> None:
    published = sha256(faces / ZIP)
    write_faces_zip(faces / ZIP, {NAMES[0]: jpeg(face(0))})
    with pytest.raises(ValueError, match=f"{ZIP} is not the published file: .*not {published}.* a part"):
        data.load("celeb_a", n=1, data_dir=tmp_path / "data", manual_dir=faces)


# ---- bytes or floats


def test_bytes_are_the_memory_mapped_file(cifar: Path, tmp_path: Path) -> None:
    fresh = data.load("cifar10", n=7, dtype=np.uint8, data_dir=tmp_path / "data", manual_dir=cifar)
    kept = data.load("cifar10", n=7, dtype="uint8", data_dir=tmp_path / "data")
    for loaded in (fresh, kept):
        assert loaded.x.dtype == np.uint8 and (loaded.offset, loaded.scale) == (0.0, 1.0) and len(loaded) == 7
        assert isinstance(loaded.x, np.memmap)
        np.testing.assert_array_equal(loaded.x, PICTURES[:7])
        floats, as_floats = data.load("cifar10", n=7, data_dir=tmp_path / "data"), loaded.as_floats()
        np.testing.assert_array_equal(as_floats.x, floats.x)
        assert as_floats.x.dtype == np.float32 and (as_floats.offset, as_floats.scale) == (0.0, 255.0)
        np.testing.assert_array_equal(np.rint(as_floats.x * as_floats.scale), PICTURES[:7])
        assert as_floats.as_floats() is as_floats
        assert loaded.take(2).x.dtype == np.uint8 and as_floats.name == floats.name == loaded.name


def test_floats_of_a_computed_set_stay_as_they_are() -> None:
    bumps = data.bumps(image_size=16)
    assert bumps.as_floats() is bumps


@pytest.mark.parametrize("name", ["bumps", "digits"])
def test_computed_sets_have_no_bytes(name: str) -> None:
    with pytest.raises(ValueError, match=f"dtype = uint8, but {name} has no stored bytes: use np.float32"):
        data.load(name, dtype=np.uint8)


@pytest.mark.parametrize("dtype", [np.float64, np.int8, "float16", "nonsense"])
def test_other_types_are_refused(dtype: Any) -> None:
    with pytest.raises(ValueError, match="use np.float32 or np.uint8"):
        data.load("mnist", dtype=dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_set_loads_where_no_cache_can_be_written(dtype: Any, cifar: Path, tmp_path: Path) -> None:
    (tmp_path / "cifar10").touch()  # a file where the folder would be stops even a superuser
    loaded = data.load("cifar10", n=7, dtype=dtype, data_dir=tmp_path, manual_dir=cifar)
    np.testing.assert_array_equal(np.rint(loaded.x * loaded.scale), PICTURES[:7])
    assert loaded.x.dtype == dtype and loaded.provenance["cache"].startswith("not written")


def test_full_disk_is_not_passed_over(cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10 * 3072 - 1))
    with pytest.raises(OSError, match=f"{tmp_path / 'data' / 'cifar10'} has no room for .* 30,720 bytes are needed"):
        data.load("cifar10", data_dir=tmp_path / "data", manual_dir=cifar)


# ---- slices


@pytest.fixture
def cifar_slice(tmp_path: Path) -> Path:
    folder = tmp_path / "slice"
    folder.mkdir()
    np.savez_compressed(folder / "train_some.npz", images=PICTURES[:8], labels=CLASSES[:8])
    np.savez_compressed(folder / "test_some.npz", images=PICTURES[8:], labels=CLASSES[8:])
    return folder


def test_cifar_slice_is_used_and_says_so(cifar_slice: Path, tmp_path: Path) -> None:
    for split, pictures, classes in (("train", PICTURES, CLASSES), ("test", PICTURES[8:], CLASSES[8:])):
        with pytest.warns(UserWarning, match="3 images are of a slice, not the published set"):
            loaded = data.load("cifar10", split, n=3, data_dir=tmp_path / "data", manual_dir=cifar_slice)
        assert loaded.name == f"cifar10_slice_{split}" and len(loaded) == 3
        assert loaded.provenance["found"].startswith("slice of ")
        assert loaded.provenance["files"][0]["sha256"] == sha256(cifar_slice / f"{split}_some.npz")
        np.testing.assert_array_equal(np.rint(loaded.x * 255), pictures[:3])
        np.testing.assert_array_equal(loaded.labels, classes[:3])
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("n", [None, 9])
def test_slice_is_not_taken_for_the_set(n: int | None, cifar_slice: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"n = {n}, but .*train_some.npz is only a slice of cifar10, with 8 train"):
        data.load("cifar10", n=n, data_dir=tmp_path, manual_dir=cifar_slice)


def test_published_archive_goes_before_a_slice(cifar: Path, cifar_slice: Path, tmp_path: Path) -> None:
    shutil.copy(cifar / TAR, cifar_slice)
    loaded = data.load("cifar10", n=3, data_dir=tmp_path / "data", manual_dir=cifar_slice)
    assert loaded.name == "cifar10_train" and loaded.provenance["found"] == "manual_dir"


BAD_SLICES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "other shape": (lambda path: np.savez(path, images=PICTURES[:, :28], labels=CLASSES), "no slice of CIFAR-10"),
    "floats": (lambda path: np.savez(path, images=PICTURES / 255, labels=CLASSES), "no slice of CIFAR-10"),
    "labels missing": (lambda path: np.savez(path, images=PICTURES), "not a whole npz"),
    "cut off": (cut_tar, "not a whole npz"),
    "flipped byte": (flip_byte, "not a whole npz"),
    "a second one": (lambda path: shutil.copy(path, path.with_name("train_more.npz")), "more than one train"),
}


@pytest.mark.parametrize("damage", BAD_SLICES)
def test_damaged_slice_is_refused_by_name(damage: str, cifar_slice: Path, tmp_path: Path) -> None:
    break_it, complaint = BAD_SLICES[damage]
    break_it(cifar_slice / "train_some.npz")
    with pytest.raises(ValueError, match=complaint) as error:
        data.load("cifar10", n=3, data_dir=tmp_path, manual_dir=cifar_slice)
    assert "train_some.npz" in str(error.value)


def test_face_slice_is_what_the_zip_has(tmp_path: Path) -> None:
    in_zip = [1, 2, 4, 6]
    write_faces_zip(tmp_path / "img_align_celeba_subset4.zip", {NAMES[i]: jpeg(face(i)) for i in in_zip})
    write_lists(tmp_path, NAMES, ATTRIBUTES, PARTITION)
    with pytest.warns(UserWarning, match="not the published set"):
        loaded = data.load("celeb_a", n=3, size=32, data_dir=tmp_path / "data", manual_dir=tmp_path)
    assert loaded.name == "celeb_a_slice_train" and len(loaded.provenance["files"]) == 3
    np.testing.assert_array_equal(loaded.labels, ATTRIBUTES[[1, 4, 6]])
    assert [int(np.rint(blue * 25.5)) for blue in loaded.x[:, 16, 16, 2]] == [1, 4, 6]
    with pytest.raises(ValueError, match="only a slice of celeb_a, with 0 test images"):
        data.load("celeb_a", "test", n=1, size=32, data_dir=tmp_path / "data", manual_dir=tmp_path)


def write_half_size_slice(folder: Path) -> None:
    photographs = {name: jpeg(face(number).resize((89, 109))) for number, name in enumerate(NAMES)}
    write_faces_zip(folder / "img_align_celeba_subset9_half.zip", photographs)
    write_lists(folder, NAMES, ATTRIBUTES, PARTITION)


@pytest.mark.parametrize("size", [64, 32])
@pytest.mark.filterwarnings("ignore:celeb_a")
def test_half_size_faces_are_cropped_as_whole_ones(size: int, tmp_path: Path) -> None:
    write_half_size_slice(tmp_path)
    loaded = data.load("celeb_a", n=3, size=size, data_dir=tmp_path / "data", manual_dir=tmp_path)
    inner = slice(3, -3)
    for pixels, number in zip(loaded.x, TRAIN[:3], strict=True):
        expected = expected_pixels(number, size)
        np.testing.assert_allclose(255 * pixels[inner, inner], expected[inner, inner], atol=6)


@pytest.mark.filterwarnings("ignore:celeb_a")
def test_half_size_faces_are_refused_for_large_images(tmp_path: Path) -> None:
    write_half_size_slice(tmp_path)
    with pytest.raises(ValueError, match="half size, 89 by 109 pixels: ask for size=64 or less, not 128"):
        data.load("celeb_a", n=3, size=128, data_dir=tmp_path / "data", manual_dir=tmp_path)


# ---- real data


@pytest.fixture
def real_cifar() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    with np.load(shared_data() / "cifar10" / "train_batch_1.npz") as arrays:
        yield arrays["images"], arrays["labels"]


@pytest.mark.real_data
def test_real_cifar_images_in_the_published_layout(
    real_cifar: tuple[np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, classes = real_cifar
    folder = tmp_path / "published"
    folder.mkdir()
    batches = {
        name: cifar_bytes(pictures[i * 200 : (i + 1) * 200], classes[i * 200 : (i + 1) * 200])
        for i, name in enumerate(BATCHES)
    }
    write_cifar_tar(folder / TAR, batches)
    with_counts(monkeypatch, "cifar10", train=1000, test=1)
    publish(monkeypatch, "cifar10", folder, "http://unreachable.invalid")
    loaded = data.load("cifar10", data_dir=tmp_path / "data", manual_dir=folder)
    np.testing.assert_array_equal(np.rint(loaded.x * 255), pictures[:1000])
    np.testing.assert_array_equal(loaded.labels, classes[:1000])
    # the class numbers that the set begins with: frog, truck, truck, deer, automobile
    assert loaded.labels is not None and loaded.labels[:5].tolist() == [6, 9, 9, 4, 1]


@pytest.mark.real_data
def test_real_cifar_slice(tmp_path: Path) -> None:
    folder = shared_data() / "cifar10"
    with pytest.warns(UserWarning, match="of a slice"):
        train = data.load("cifar10", n=10_000, dtype=np.uint8, data_dir=tmp_path, manual_dir=folder)
    with pytest.warns(UserWarning, match="of a slice"):
        test = data.load("cifar10", "test", n=1000, data_dir=tmp_path, manual_dir=folder)
    assert train.labels is not None and np.bincount(train.labels).min() > 900
    assert train.x.shape == (10_000, 32, 32, 3) and test.x.shape == (1000, 32, 32, 3)
    # the channel means usually quoted for all 50,000 training images
    assert train.x.mean(axis=(0, 1, 2)) / 255 == pytest.approx([0.4914, 0.4822, 0.4465], abs=0.005)


@pytest.mark.real_data
def test_real_faces_in_the_published_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = shared_data() / "celeba"
    folder = tmp_path / "published"
    folder.mkdir()
    with celeb_a.open_zip(shared / "img_align_celeba_subset548.zip") as archive:
        names = sorted(Path(name).name for name in archive.namelist())
    assert len(names) == 548
    rows = (shared / "list_attr_celeba.txt").read_text().splitlines()
    chosen = [row for row in rows[2:] if row.split()[0] in set(names)]
    (folder / "list_attr_celeba.txt").write_text("\n".join(["548", rows[1], *chosen]) + "\n")
    (folder / "list_eval_partition.txt").write_text(
        "".join(f"{name} {0 if number < 500 else 1}\n" for number, name in enumerate(names))
    )
    shutil.copy(shared / "img_align_celeba_subset548.zip", folder / ZIP)
    with_counts(monkeypatch, "celeb_a", train=500, validation=48, test=1)
    publish(monkeypatch, "celeb_a", folder, "http://unreachable.invalid")
    validation = data.load("celeb_a", "validation", size=64, data_dir=tmp_path / "data", manual_dir=folder)
    assert validation.x.shape == (48, 64, 64, 3)
    expected = [[int(value) > 0 for value in row.split()[1:]] for row in chosen[500:]]
    np.testing.assert_array_equal(validation.labels, np.array(expected, int))
    # photographs: neither black nor white, and bright where the skin is
    assert 0.2 < validation.x.mean() < 0.7 and validation.x.std() > 0.15
    assert validation.x[:, 24:40, 24:40, 0].mean() > validation.x[:, 24:40, 24:40, 2].mean() + 0.1

    with pytest.raises(ValueError, match=re.escape(f"{shared / 'img_align_celeba_subset548.zip'}")):
        data.load("celeb_a", data_dir=tmp_path / "data", manual_dir=shared)
