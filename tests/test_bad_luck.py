"""Files cut off, flipped, of another version or of a hostile author, a disk that is full, a run that is interrupted.

What is damaged is refused by name or built again; nothing in a file is ever executed; what was there before stays.
"""

import errno
import hashlib
import io
import json
import os
import pickle
import re
import resource
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import linear_nets

from vrrae_lab import array_file, bottlenecks, checkpoint, features, models, widgets
from vrrae_lab.checkpoints import Checkpoints
from vrrae_lab.data import cache, slices
from vrrae_lab.files import write_json, write_text

FLIPS = 80  # and as many places to cut; the start and the end of a file are always among them


def places(content: bytes, count: int = FLIPS) -> list[int]:
    """Spread over a file, closer at its start, where headers are."""
    start = range(0, min(len(content), 2 * count), 4)
    return sorted({*start, *np.linspace(0, len(content) - 1, count // 2).astype(int).tolist()})


def flipped(content: bytes, place: int, bit: int | None = None) -> bytes:
    damaged = bytearray(content)
    damaged[place] ^= 1 << (place % 8 if bit is None else bit)
    return bytes(damaged)


def damages(content: bytes) -> Iterator[bytes]:
    """Cut off, and with one bit flipped, at many places each."""
    for place in places(content):
        yield content[:place]
        yield flipped(content, place)


@pytest.fixture(scope="module")
def model() -> models.Autoencoder:
    """Small, linear and frozen."""
    with linear_nets():
        vrrae = models.vrrae((8, 8, 1), 4, 3, key=jax.random.key(0))
    basis = bottlenecks.FixedBasis(jnp.eye(4)[:, :3])
    return eqx.tree_at(lambda m: m.bottleneck, vrrae, vrrae.bottleneck.on_basis(basis))


# ---- training checkpoints

STATE = {"weights": np.arange(60.0, dtype=np.float32), "moments": np.ones(3, np.float32)}
SETTINGS = {"optimizer": "a", "batch_size": 16, "loss": {"class": "Variational", "beta": 0.25}}
NOTES = {"terms": ["loss"], "called": 0, "seconds": 1.5, "compile_seconds": 0.5}


def test_damaged_training_checkpoint_costs_the_steps_since_the_one_before(tmp_path: Path) -> None:
    """Wherever it is cut off or flipped, its header included."""
    checkpoints = Checkpoints(tmp_path)
    for step in (4, 8):
        checkpoints.save(step, STATE, SETTINGS, NOTES)
    older, newer = checkpoints.files()
    whole = newer.read_bytes()
    tried = 0
    for damaged in damages(whole):
        newer.write_bytes(damaged)
        with pytest.warns(UserWarning, match=f"{newer.name}.*; going back to the checkpoint before it"):
            found = checkpoints.newest(SETTINGS)
        assert found is not None and found.header["step"] == 4
        tried += 1
    assert tried >= 100 and whole.index(b"\n") > FLIPS
    newer.write_bytes(whole)
    assert checkpoints.newest(SETTINGS).header["step"] == 8  # type: ignore[union-attr]
    older.unlink()
    newer.write_bytes(whole[:-1])
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="no checkpoint in .* can be read: remove that fol"):
        checkpoints.newest(SETTINGS)


@pytest.mark.parametrize("lacking", ["step", "settings", "environment"])
def test_training_checkpoint_of_another_version_is_passed_over(lacking: str, tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(4, STATE, SETTINGS, NOTES)
    header = array_file.ArrayFile(checkpoints.files()[0], "a", "vrrae_lab training checkpoint 2").header
    array_file.write(tmp_path / "step-000000008.ckpt", STATE, {k: v for k, v in header.items() if k != lacking})
    with pytest.warns(UserWarning, match=f"step-000000008.ckpt is not of this version.* lacks one of .*{lacking}"):
        found = checkpoints.newest(SETTINGS)
    assert found is not None and found.header["step"] == 4


# ---- model checkpoints: damaged ones are in test_checkpoint, here is what a hostile author might write


def test_flipped_bit_in_the_notes_of_a_model_is_found(model: models.Autoencoder, tmp_path: Path) -> None:
    """Nothing else in the file depends on them."""
    path = tmp_path / "model.ckpt"
    checkpoint.save(path, model, {"data": "bumps", "seed": 3, "error": 1.25})
    whole = path.read_bytes()
    start, end = whole.index(b'"notes"'), whole.index(b'"bytes"')
    for place in range(start, end):
        path.write_bytes(flipped(whole, place))
        if json_or_none(path.read_bytes()) == json_or_none(whole):
            continue  # one blank for another
        with pytest.raises(ValueError, match=re.escape(str(path))), linear_nets():
            checkpoint.load(path)


def json_or_none(content: bytes) -> Any:
    try:
        return json.loads(content.split(b"\n")[0])
    except ValueError:
        return None


def npy(shape: Any, descr: str = "'<f4'", content: bytes = b"") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


ARGUMENTS = {"shape": [8, 8, 1], "latent_size": 4, "rank": 3}
HOSTILE_HEADERS: dict[str, dict[str, Any]] = {
    "a function": {"constructor": "os.system"},
    "a private function": {"constructor": "_assemble"},
    "a class": {"constructor": "vrrae_lab.models.Autoencoder"},
    "a path": {"constructor": "/etc/passwd"},
    "a list": {"constructor": ["vrrae"]},
    "an object": {"constructor": {"__reduce__": "os.system"}},
    "arguments with a key": {"arguments": ARGUMENTS | {"key": 0}},
    "argument of a class": {"arguments": ARGUMENTS | {"__class__": "os.system"}},
    "huge image": {"arguments": ARGUMENTS | {"shape": [10**6, 10**6, 3]}},
    "huge latent size": {"arguments": ARGUMENTS | {"latent_size": 10**15}},
    "larger than any number": {"arguments": ARGUMENTS | {"latent_size": 10**400}},
    "infinite": {"arguments": ARGUMENTS | {"latent_size": float("inf")}},
    "huge rank": {"arguments": ARGUMENTS | {"latent_size": 10**12, "rank": 10**12}},
    "endless matrices": {
        "constructor": "irmae",
        "arguments": {"shape": [8, 8, 1], "latent_size": 1, "num_matrices": 10**9},
    },
    "negative": {"arguments": ARGUMENTS | {"shape": [-8, -8, 1]}},
    "text for numbers": {"arguments": ARGUMENTS | {"rank": "3"}},
    "nothing": {"arguments": None},
    "text": {"arguments": "shape"},
}


@pytest.mark.parametrize("case", HOSTILE_HEADERS)
@pytest.mark.usefixtures("unchecked")
def test_hostile_header_is_refused_at_once(case: str, model: models.Autoencoder, tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    header = {"format": checkpoint.FORMAT, "constructor": "vrrae", "arguments": ARGUMENTS, "frozen_basis": True}
    content = json.dumps(header | {"notes": {}} | HOSTILE_HEADERS[case] | digest(b"")).encode() + b"\n"
    path.write_bytes(content)
    started = time.process_time()
    with pytest.raises(ValueError, match=f"{re.escape(str(path))} does not fit this version of vrrae_lab"):
        checkpoint.load(path)  # with the networks as they are, of whatever size
    assert time.process_time() - started < 5


def digest(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_first_line_that_is_deep_or_endless_is_refused(tmp_path: Path) -> None:
    for line in (b"[" * 900_000, b'{"a":' * 100_000, b"9" * 2_000_000, b'{"format": "' + b"a" * 2_000_000):
        (tmp_path / "deep.ckpt").write_bytes(line)
        with pytest.raises(ValueError, match="deep.ckpt is not a checkpoint of this package"):
            checkpoint.load(tmp_path / "deep.ckpt")


HOSTILE_ARRAYS: dict[str, Callable[[Path], bytes]] = {
    "pickle": lambda trap: pickle.dumps(Trap(trap)),
    "array of objects": lambda trap: npy((1,), "'|O'", pickle.dumps(np.array([Trap(trap)], dtype=object))),
    "petabytes": lambda _: npy((10**15,)),
    "more than any number": lambda _: npy((10**30, 10**30)),
    "negative": lambda _: npy((-4, -4)),
    "expression": lambda trap: npy(f"__import__('pathlib').Path({str(trap)!r}).touch()"),
    "brackets": lambda _: npy("(" * 3000),
    "endless header": lambda _: b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
    "zip": lambda _: b"PK\x03\x04" + bytes(100),
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("case", HOSTILE_ARRAYS)
def test_hostile_arrays_execute_nothing_and_take_no_memory(
    case: str, model: models.Autoencoder, tmp_path: Path
) -> None:
    """In a file that is whole as its header says."""
    path, trap = tmp_path / "model.ckpt", tmp_path / "sprung"
    checkpoint.save(path, model)
    header = json.loads(path.read_bytes().split(b"\n")[0])
    content = HOSTILE_ARRAYS[case](trap)
    path.write_bytes(json.dumps(header | digest(content)).encode() + b"\n" + content)
    with linear_nets(), pytest.raises(ValueError, match=f"{re.escape(str(path))} does not fit this version"):
        checkpoint.load(path)
    assert not trap.exists()


def test_hostile_classifier_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.eqx"
    good = {"sizes": {"shape": [8, 8, 1], "num_features": 4, "num_outputs": 3}}
    good |= {"skill": {"data": "a", "num_images": 1, "accuracy": 1.0, "baseline": 1.0}, "notes": {}}
    for bad in (
        {"sizes": {**good["sizes"], "num_features": 10**15}},
        {"sizes": {**good["sizes"], "shape": [10**6, 10**6, 3]}},
        {"sizes": {**good["sizes"], "shape": 5}},
        {"sizes": "abc"},
        {"sizes": None},
        {"skill": {"__class__": "os.system"}},
        {"skill": None},
    ):
        header = {"format": features.classifier.FORMAT} | good | bad | digest(b"")
        path.write_bytes(json.dumps(header).encode() + b"\n")
        with pytest.raises(ValueError, match="a.eqx does not fit this version of vrrae_lab"):
            features.load_classifier(path)


# ---- data caches and slices

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 1)).astype(np.uint8)
LABELS = np.arange(20)


@pytest.mark.parametrize("name", ["meta.json", "train-images.npy", "train-labels.npy"])
def test_damaged_cache_is_found_or_warned_of_wherever_it_is_damaged(name: str, tmp_path: Path) -> None:
    """Never another error, never images of another shape or kind; a flipped pixel is beyond what is checked."""
    cache.write(tmp_path, "train", IMAGES.shape, [(IMAGES, LABELS)], {"found": "here"})
    whole = (tmp_path / name).read_bytes()
    refused = 0
    for number, damaged in enumerate(
        [b"", *damages(whole), *(flipped(whole, i, 1) for i in range(min(128, len(whole))))]
    ):
        (tmp_path / name).write_bytes(damaged)
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            kept = cache.read(tmp_path, "train", IMAGES.shape)
        refused += kept is None
        if kept is None:
            key_is_another = name == "meta.json" and b'"train"' not in damaged
            assert key_is_another or "is damaged and will be built again" in str(found[0].message), number
        else:
            (images, labels), _ = kept
            assert images.shape == IMAGES.shape and images.dtype == np.uint8 and labels.dtype == LABELS.dtype
            if name == "meta.json":
                np.testing.assert_array_equal(images, IMAGES)
                np.testing.assert_array_equal(labels, LABELS)
    assert refused >= 100
    (tmp_path / name).write_bytes(whole)
    assert cache.read(tmp_path, "train", IMAGES.shape) is not None


@pytest.mark.parametrize("hostile", HOSTILE_ARRAYS)
def test_hostile_cache_executes_nothing(hostile: str, tmp_path: Path) -> None:
    cache.write(tmp_path, "train", IMAGES.shape, [(IMAGES, LABELS)], {"found": "here"})
    for name in ("meta.json", "train-labels.npy", "train-images.npy"):
        (tmp_path / name).write_bytes(HOSTILE_ARRAYS[hostile](tmp_path / "sprung"))
        with pytest.warns(UserWarning, match="is damaged and will be built again"):
            assert cache.read(tmp_path, "train", IMAGES.shape) is None
    assert not (tmp_path / "sprung").exists()


def test_cache_of_another_version_is_built_again(tmp_path: Path) -> None:
    cache.write(tmp_path, "train", IMAGES.shape, [(IMAGES, LABELS)], {})
    for meta in ({"format": 2, "splits": {}}, {"splits": {}}, [], None, {"format": 1, "splits": {"train": None}}):
        write_json(tmp_path / "meta.json", meta)
        with pytest.warns(UserWarning, match="is damaged and will be built again"):
            assert cache.read(tmp_path, "train", IMAGES.shape) is None
    (tmp_path / "meta.json").write_text("[" * 100_000)
    with pytest.warns(UserWarning, match="is damaged"):
        assert cache.read(tmp_path, "train", IMAGES.shape) is None


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_slice_is_refused_by_name_wherever_it_is_damaged(save: Callable[..., None], tmp_path: Path) -> None:
    """The zip's checksums see to it, unless it is a date, say, that is flipped."""
    path = tmp_path / "train_some.npz"
    images, labels = np.tile(IMAGES[:3], (1, 8, 8, 3)), LABELS[:3].astype(np.uint8)
    save(path, images=images, labels=labels)
    whole, refused = path.read_bytes(), 0
    of_directory = (flipped(whole, place, 3) for place in range(len(whole) - 150, len(whole)))
    for damaged in [*damages(whole), *of_directory]:
        path.write_bytes(damaged)
        try:
            found = slices.cifar10_slice(tmp_path, "train")
        except ValueError as error:
            refused += str(path) in str(error)
        else:
            assert found is not None
            np.testing.assert_array_equal(next(iter(found.decode(32, 3)))[0], images)
    assert refused >= 100
    array = io.BytesIO()
    np.save(array, images)
    path.write_bytes(array.getvalue())
    with pytest.raises(ValueError, match="is not a whole npz file with arrays 'images' and 'labels'"):
        slices.cifar10_slice(tmp_path, "train")


# ---- a full disk


@contextmanager
def disk_of(num_bytes: int) -> Iterator[None]:
    """No file of this process can become longer, which fails as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_names_the_file_and_leaves_what_was_there(model: models.Autoencoder, tmp_path: Path) -> None:
    """Records, figures, models, states of a run, pages and decoded images."""
    many = np.zeros((400, 4, 4, 1), np.uint8)
    writers: dict[str, Callable[[], Any]] = {
        "record.json": lambda: write_json(tmp_path / "record.json", list(range(2000))),
        "figure.html": lambda: write_text(tmp_path / "figure.html", 9000 * "β"),
        "model.ckpt": lambda: checkpoint.save(tmp_path / "model.ckpt", model, {"text": 5000 * "a"}),
        "step-000000004.ckpt": lambda: Checkpoints(tmp_path).save(4, {"a": np.zeros(5000)}, SETTINGS, NOTES),
        "page.html": lambda: widgets.export_html(widgets.kl(), None, tmp_path / "page.html"),
        "train-images.npy": lambda: cache.write(tmp_path, "train", many.shape, [(many, np.arange(400))], {}),
    }
    for name, write in writers.items():
        write()
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(OSError, match=f"so this file is not written.*{tmp_path / name}") as error, disk_of(4000):
            write()
        assert error.value.errno == errno.EFBIG and error.value.filename == str(tmp_path / name)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert cache.read(tmp_path, "train", many.shape) is not None


def test_error_of_what_is_read_while_a_file_is_written_is_not_taken_for_one_of_the_disk(tmp_path: Path) -> None:
    def chunks() -> Iterator[Any]:
        raise OSError(errno.EACCES, "the source may not be read")
        yield

    with pytest.raises(OSError, match="the source may not be read") as error:
        cache.write(tmp_path, "train", IMAGES.shape, chunks(), {})
    assert error.value.filename is None and not list(tmp_path.iterdir())


# ---- interrupts

# Linear bumps for so many steps that none comes to the end of them.
ENDLESS_RUN = """
import dataclasses, sys
from support import TINY_BUMPS, quick_experiments
from vrrae_lab import cli
from vrrae_lab.experiments import Bumps
from vrrae_lab import train as loop
Bumps.fast = classmethod(lambda cls: dataclasses.replace(TINY_BUMPS, num_steps=10**7))
advance = loop.Run.advance
def told(run, batches):
    if run.step > 0:
        print('started', flush=True)
    return advance(run, batches)
loop.Run.advance = told
with quick_experiments():
    sys.exit(cli.main(['run', 'bumps', '--fast', '--seeds', '1']))
"""
SLOW_DATA = """
import sys, time
from vrrae_lab import cli, data
def load(*arguments, **options):
    print('started', flush=True)
    time.sleep(60)
data.load = load
sys.exit(cli.main(['data', 'mnist']))
"""
SLOW_CLAIM = """
import sys, time
from vrrae_lab import cli, derivations
from vrrae_lab.derivations import Claim, Evidence, Verdict
def check(key):
    print('started', flush=True)
    time.sleep(60)
derivations.CLAIMS = (Claim(1, 'Name', 'Eq. 1', '$x$.', Verdict.TRUE, 'So.', check),)
sys.exit(cli.main(['claims']))
"""


def interrupted(code: str, cwd: Path) -> tuple[int, str]:
    """The status and the errors of a process that gets SIGINT once it has said that it started."""
    tests = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tests.parent), str(tests)])},
    )
    try:
        assert process.stdout is not None
        assert any("started" in line for line in process.stdout), "it ended before"
        process.send_signal(signal.SIGINT)
        while process.stdout.readline():  # it may say so again and again
            pass
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, errors


@pytest.mark.parametrize("code", [SLOW_CLAIM, SLOW_DATA], ids=["claims", "data"])
def test_interrupted_command_says_so_in_a_line(code: str, tmp_path: Path) -> None:
    status, errors = interrupted(code, tmp_path)
    assert (status, errors.strip()) == (130, "vrrae-lab: interrupted")


def test_interrupted_run_says_how_to_go_on_and_keeps_what_is_done(tmp_path: Path) -> None:
    status, errors = interrupted(ENDLESS_RUN, tmp_path)
    assert status == 130 and "Traceback" not in errors, errors
    assert "finished runs are kept in runs/bumps: the same command goes on from there" in errors
    assert errors.rstrip().endswith("vrrae-lab: interrupted")
    assert not list(tmp_path.rglob("*.tmp"))
