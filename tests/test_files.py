"""Files that are whole or absent."""

import json
import os
import stat

import pytest

from vrrae_lab.files import atomic_file, write_json, write_text


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "result.bin"
    path.write_bytes(b"old")
    return path


def test_file_appears_only_when_complete(path):
    with atomic_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_interrupted_writing_leaves_the_old_file_and_no_other(path, error):
    with pytest.raises(error):
        with atomic_file(path) as file:
            file.write(b"half")
            raise error
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_temporary_file_lies_beside_its_target(path):
    """A rename is atomic within one file system only; a hidden name keeps it out of listings."""
    with atomic_file(path):
        (temporary,) = set(path.parent.iterdir()) - {path}
        assert temporary.name.startswith(".result.bin.")


def test_missing_folders_are_made(tmp_path):
    write_text(tmp_path / "a" / "b" / "c.txt", "text")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "text"


def test_file_has_the_permissions_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "x", "")
        assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640
        assert os.umask(0o027) == 0o027  # looking at the mask has not changed it
    finally:
        os.umask(before)


def test_text_is_utf8_without_translation_of_line_ends(tmp_path):
    write_text(str(tmp_path / "x"), "β = 1\r\n")
    assert (tmp_path / "x").read_bytes() == "β = 1\r\n".encode()


def test_json_reads_back_and_ends_with_a_line_end(path):
    value = {"β": [1, 2.5, None, True], "nested": {"a": "b"}}
    write_json(path, value)
    assert json.loads(path.read_text()) == value
    assert path.read_bytes().endswith(b"}\n")


@pytest.mark.parametrize("value", [float("nan"), [1, float("inf")], {"a": object()}], ids=["NaN", "infinity", "object"])
def test_what_json_cannot_hold_is_refused_and_the_old_file_stays(path, value):
    with pytest.raises((ValueError, TypeError)):
        write_json(path, value)
    assert path.read_bytes() == b"old"
