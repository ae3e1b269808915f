"""Images of one's own, from arrays and from folders of pictures as people have them."""

import jax
import numpy as np
import pytest
from PIL import Image
from support import linear_nets

import vrrae_lab as vl

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (6, 8, 8, 1), np.uint8)


@pytest.mark.parametrize(
    "images",
    [
        BYTES,
        BYTES[..., 0],
        BYTES.astype(np.int64),
        BYTES.astype(">u2"),
        list(BYTES),
        BYTES[..., 0].tolist(),
    ],
    ids=["bytes", "without channels", "int64", "big-endian", "list of arrays", "nested lists"],
)
def test_whole_numbers_up_to_255_are_bytes(images):
    data = vl.data.from_arrays(images, name="own")
    assert data.x.dtype == np.uint8 and data.x.dtype.isnative
    assert np.array_equal(data.x, BYTES)
    assert (data.name, data.offset, data.scale) == ("own", 0.0, 1.0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, ">f4"])
def test_floats_of_any_size_keep_their_values(dtype):
    values = RNG.integers(-8, 8, (5, 4, 6, 3)).astype(dtype) / 4
    data = vl.data.from_arrays(values)
    assert data.x.dtype == np.dtype(np.float32)
    assert np.array_equal(data.x, values.astype(np.float32))
    assert data.shape == (4, 6, 3)


def test_sixteen_bits_become_fractions_and_their_scale_is_kept():
    values = RNG.integers(0, 65536, (5, 4, 4), np.uint16)
    data = vl.data.from_arrays(values)
    assert data.x.min() >= 0 and data.x.max() <= 1
    np.testing.assert_allclose(data.x[..., 0] * data.scale, values, rtol=1e-6)


def test_truth_values_are_black_and_white():
    data = vl.data.from_arrays(BYTES > 127)
    assert np.array_equal(data.as_floats().x, (BYTES > 127).astype(np.float32))


class Tensor:
    """What another library's tensor is to NumPy."""

    def __array__(self, dtype=None, copy=None):
        return BYTES


def test_other_libraries_arrays_are_read():
    assert np.array_equal(vl.data.from_arrays(Tensor()).x, BYTES)


@pytest.mark.parametrize("labels", [[0, 1, 2, 0, 1, 2], list("abcabc"), np.arange(12).reshape(6, 2)])
def test_labels_are_numbers_or_texts(labels):
    data = vl.data.from_arrays(BYTES, labels)
    assert np.array_equal(data.labels, labels)
    assert data.label_numbers.shape == (6,)
    assert data.label_numbers[:3].tolist() in ([0, 1, 2], [0, 2, 4])


def test_classes_are_labels_of_one_whole_number_or_text_each():
    names, places = vl.data.from_arrays(BYTES, list("caabca")).classes
    assert names == ["a", "b", "c"] and places.tolist() == [2, 0, 0, 1, 2, 0]
    for labels in (None, np.arange(12).reshape(6, 2), np.linspace(0, 1, 6)):
        assert vl.data.from_arrays(BYTES, labels).classes is None


@pytest.mark.parametrize(
    "images, labels, error, words",
    [
        (np.ma.masked_array(BYTES, BYTES > 9), None, TypeError, r"images is a masked array: fill.*filled\(0\)"),
        (BYTES, np.ma.masked_array(np.arange(6)), TypeError, "labels is a masked array"),
        (BYTES.transpose(0, 3, 1, 2), None, ValueError, "channels first"),
        (BYTES[0, :, :, 0], None, ValueError, r"shape \(8, 8\)"),
        (BYTES[:0], None, ValueError, "shape"),
        (BYTES - 300.0 * np.nan, None, ValueError, "384 values that are NaN or infinite"),
        (BYTES.astype(int) - 300, None, ValueError, "whole numbers from -300"),
        (BYTES.astype(int) * 1000, None, ValueError, "whole numbers from 0 to"),
        ([np.zeros((4, 4)), np.zeros((5, 5))], None, TypeError, "all"),
        (np.array(["a", "b"]), None, TypeError, "give numbers"),
        (BYTES * 1j, None, TypeError, "complex"),
        (BYTES, [0, 1], ValueError, "6 images: give one label each"),
        (BYTES, 3, ValueError, "6 images"),
        (BYTES, [None] * 6, TypeError, "labels"),
    ],
)
def test_what_is_no_batch_of_images_is_refused_in_words(images, labels, error, words):
    with pytest.raises(error, match=words):
        vl.data.from_arrays(images, labels)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def test_subfolders_are_classes_and_pictures_come_in_order(tmp_path):
    for number, kind in enumerate(("cat", "dog", "ant")):
        for i in range(2):
            save(tmp_path / kind / f"{i}.png", np.full((10, 10), 40 * number + i, np.uint8))
    (tmp_path / "cat" / "notes.txt").write_text("not a picture")
    save(tmp_path / ".trash" / "old.png", np.zeros((4, 4), np.uint8))
    save(tmp_path / "__MACOSX" / "cat" / "0.png", np.zeros((4, 4), np.uint8))
    data = vl.data.from_folder(tmp_path, size=8)
    assert data.x.shape == (6, 8, 8, 1) and data.x.dtype == np.uint8
    assert data.labels.tolist() == ["ant", "ant", "cat", "cat", "dog", "dog"]
    assert data.label_numbers.tolist() == [0, 0, 1, 1, 2, 2]
    assert data.x[:, 0, 0, 0].tolist() == [80, 81, 0, 1, 40, 41]
    assert data.name == tmp_path.name and data.provenance["found"].startswith("6 pictures in")


def test_pictures_without_subfolders_have_no_labels(tmp_path):
    save(tmp_path / "a.png", np.zeros((9, 9), np.uint8))
    assert vl.data.from_folder(tmp_path, size=8, name="mine").labels is None


GREY = np.tile(np.linspace(0, 255, 16).astype(np.uint8), (16, 1))
COLOUR = np.stack([GREY, GREY.T, 255 - GREY], axis=-1)


@pytest.mark.parametrize(
    "file, mode",
    [("a.png", "L"), ("a.png", "RGB"), ("a.png", "P"), ("a.png", "LA"), ("a.webp", "RGB"), ("a.gif", "P")]
    + [("a.bmp", "RGB"), ("a.tif", "L"), ("a.tif", "CMYK"), ("A.PNG", "RGBA")],
)
def test_pictures_of_any_kind_look_as_they_do(tmp_path, file, mode):
    grey = mode in ("L", "LA")
    options = {"lossless": True} if file.endswith("webp") else {}
    Image.fromarray(GREY if grey else COLOUR).convert(mode).save(tmp_path / file, **options)
    x = vl.data.from_folder(tmp_path, size=16).x[0]
    assert x.shape == (16, 16, 1 if grey else 3)
    expected = GREY[..., None] if grey else COLOUR
    slack = 60 if mode == "P" else 1  # a palette has 256 colours
    assert np.abs(x.astype(int) - expected).max() <= slack


def test_grey_pictures_saved_in_colour_are_grey_unless_colour_is_asked_for(tmp_path):
    save(tmp_path / "a.png", np.stack([GREY] * 3, axis=-1))
    assert vl.data.from_folder(tmp_path, size=16).shape == (16, 16, 1)
    assert vl.data.from_folder(tmp_path, size=16, colour=True).shape == (16, 16, 3)
    save(tmp_path / "b.png", COLOUR)
    assert vl.data.from_folder(tmp_path, size=16).shape == (16, 16, 3)
    assert vl.data.from_folder(tmp_path, size=16, colour=False).shape == (16, 16, 1)


def test_sixteen_bits_keep_their_upper_eight(tmp_path):
    Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    assert np.array_equal(vl.data.from_folder(tmp_path, size=16).x[0, ..., 0], GREY)


def test_what_is_transparent_is_white(tmp_path):
    clear = np.zeros((16, 16, 4), np.uint8)
    clear[:8, :, 3] = 255  # black above, nothing below
    save(tmp_path / "clear.png", clear)
    x = vl.data.from_folder(tmp_path, size=16).x[0, ..., 0]
    assert (x[:7] == 0).all() and (x[9:] == 255).all()


def test_the_middle_is_cut_out_and_a_camera_s_note_is_followed(tmp_path):
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 10:20] = 255
    save(tmp_path / "wide.png", wide)
    turned = Image.Exif()
    turned[274] = 3  # upside down
    save(tmp_path / "x.jpg", GREY.T, exif=turned, quality=100)
    data = vl.data.from_folder(tmp_path, size=10)
    assert (data.x[0] == 255).all()
    assert data.x[1, 0].mean() > data.x[1, -1].mean()


def test_the_home_folder_may_be_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save(tmp_path / "pictures" / "a.png", GREY)
    assert len(vl.data.from_folder("~/pictures", size=8)) == 1


@pytest.mark.parametrize("size", [3, 1025])
def test_sizes_out_of_bounds_are_refused(tmp_path, size):
    with pytest.raises(ValueError, match=f"size = {size}"):
        vl.data.from_folder(tmp_path, size=size)


def test_folders_without_pictures_and_files_that_are_none_are_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        vl.data.from_folder(tmp_path / "nowhere", size=8)
    with pytest.raises(ValueError, match=r"has no pictures: give a folder with files that end in \.png"):
        vl.data.from_folder(tmp_path, size=8)
    save(tmp_path / "good.png", GREY)
    for number in range(5):
        (tmp_path / f"bad{number}.jpg").write_bytes(b"%PDF-1.4")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cannot read bad0\.jpg.*bad1\.jpg.*bad2\.jpg.* and 3 more"):
        vl.data.from_folder(tmp_path, size=8)
    assert (tmp_path / "good.png").exists()


def test_floats_in_a_file_are_left_to_their_owner(tmp_path):
    Image.fromarray(GREY.astype(np.float32) / 255).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="floats: read it yourself, and use from_arrays"):
        vl.data.from_folder(tmp_path, size=8)


def test_a_folder_is_explored_under_the_names_of_its_classes(tmp_path):
    for number in range(12):
        save(tmp_path / ("light" if number % 2 else "dark") / f"{number}.png", GREY // (1 + number))
    data = vl.data.from_folder(tmp_path, size=8)
    with linear_nets():
        model = vl.vrrae(data.shape, latent_size=8, rank=2, key=jax.random.key(0))
    lab = vl.widgets.explore(vl.freeze_basis(model, data.x), data)
    assert lab._data["classes"] == ["dark", "light"]
    lab.close()


def test_a_split_keeps_each_image_once_with_its_label():
    data = vl.data.from_arrays(np.arange(10)[:, None, None] * np.ones((4, 4), int), list("aaaaabbbbb"), name="own")
    train, test = data.split(4, key=jax.random.key(0))
    assert (len(train), len(test), train.name, test.name) == (6, 4, "own", "own, kept aside")
    assert sorted([*train.x[:, 0, 0, 0], *test.x[:, 0, 0, 0]]) == list(range(10))
    for part in (train, test):
        assert ["ab"[int(n > 4)] for n in part.x[:, 0, 0, 0]] == part.labels.tolist()
        assert (np.diff(part.x[:, 0, 0, 0].astype(int)) > 0).all()
    again, other = data.split(4, key=jax.random.key(0))[1], data.split(4, key=jax.random.key(1))[1]
    assert np.array_equal(test.x, again.x) and not np.array_equal(test.x, other.x)
    assert vl.data.from_arrays(BYTES).split(1, key=jax.random.key(0))[0].labels is None


@pytest.mark.parametrize("num_test", [0, 6, 7])
def test_a_split_leaves_images_on_both_sides(num_test):
    with pytest.raises(ValueError, match=f"num_test = {num_test}, but images has 6 images: use 1 to 5"):
        vl.data.from_arrays(BYTES).split(num_test, key=jax.random.key(0))
