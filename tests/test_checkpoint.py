"""Checkpoints: what is saved comes back bit for bit, and whatever is not whole is refused by name."""

import hashlib
import io
import json
import os
import pickle
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import linear_nets

from vrrae_lab import Autoencoder, checkpoint, data, freeze_basis, models

X = data.bumps(16, 8).x
ARGUMENTS: dict[str, dict[str, Any]] = {
    "ae": {"latent_size": 2},
    "vae": {"latent_size": 3},
    "rrae": {"latent_size": 5, "rank": 2},
    "vrrae": {"latent_size": 4, "rank": 3},
    "long_ae": {"latent_size": 6},
    "vae_identity": {"latent_size": 3},
    "rrae_vae": {"latent_size": 5, "rank": 2},
    "irmae": {"latent_size": 4, "num_matrices": 3},
    "lorae": {"latent_size": 4},
    "sparse_ae": {"latent_size": 3},
    "contractive_ae": {"latent_size": 3},
    "avae": {"latent_size": 3},
    "beta_tcvae": {"latent_size": 3},
    "adaptive_rrae": {"latent_size": 6, "rank": 4},
    "adaptive_vrrae": {"latent_size": 6, "rank": 4},
}


def make(constructor: str, shape: tuple[int, int, int] = (8, 8, 1)) -> Autoencoder:
    return models.build(constructor, {"shape": shape} | ARGUMENTS[constructor], key=jax.random.key(11))


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole checkpoint of a small frozen model, without notes."""
    path = tmp_path_factory.mktemp("whole") / "model.ckpt"
    with linear_nets():
        checkpoint.save(path, freeze_basis(make("vrrae"), X))
    return path.read_bytes()


def refused(path: Path, content: bytes) -> str:
    """The complaint about a file with this content."""
    path.write_bytes(content)
    with linear_nets(), pytest.raises(ValueError) as error:
        checkpoint.load(path)
    assert str(path) in str(error.value)
    return str(error.value)


# ---- whole files


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("constructor", models.CONSTRUCTORS)
def test_model_comes_back_bit_for_bit(constructor: str, frozen: bool, tmp_path: Path) -> None:
    with linear_nets():
        model = make(constructor)
        model = freeze_basis(model, X) if frozen else model
        checkpoint.save(tmp_path / "model.ckpt", model)
        loaded, notes = checkpoint.load(tmp_path / "model.ckpt")
    assert notes == {}
    assert_same(loaded, model)
    assert models.is_frozen(loaded) == models.is_frozen(model)


@pytest.mark.parametrize("frozen", [False, True])
def test_centred_model_comes_back_with_its_offset(frozen: bool, tmp_path: Path) -> None:
    with linear_nets():
        arguments = {"shape": (8, 8, 1), "centre": True} | ARGUMENTS["vrrae"]
        model = models.build("vrrae", arguments, key=jax.random.key(11))
        model = freeze_basis(model, X) if frozen else model
        checkpoint.save(tmp_path / "model.ckpt", model)
        loaded, _ = checkpoint.load(tmp_path / "model.ckpt")
    assert_same(loaded, model)
    assert loaded.bottleneck.basis.centre and loaded.recipe == model.recipe


def assert_same(loaded: Autoencoder, model: Autoencoder) -> None:
    assert jax.tree.structure(loaded) == jax.tree.structure(model)
    for found, wanted in zip(jax.tree.leaves(loaded), jax.tree.leaves(model), strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


def test_every_constructor_is_tried() -> None:
    assert set(ARGUMENTS) == set(models.CONSTRUCTORS)


def test_convolutions_come_back_for_images_that_are_not_square_and_have_colours(tmp_path: Path) -> None:
    def random(leaf: Any) -> Any:  # in place of the constructor's weights, which take seconds to compile
        return jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf

    rng = np.random.default_rng(0)
    model = jax.tree.map(random, eqx.filter_eval_shape(make, "vrrae", (6, 9, 3)))
    checkpoint.save(tmp_path / "model.ckpt", model)
    assert_same(checkpoint.load(tmp_path / "model.ckpt")[0], model)


def test_notes_are_kept(tmp_path: Path) -> None:
    notes = {"data": "bumps", "seed": 3, "β": 1e-3, "settings": {"sizes": [1, 2], "none": None, "text": "a\nb"}}
    with linear_nets():
        checkpoint.save(tmp_path / "model.ckpt", make("ae"), notes)
        assert checkpoint.load(str(tmp_path / "model.ckpt"))[1] == notes


def test_saving_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "model.ckpt"
    with linear_nets():
        for constructor in ("ae", "rrae"):
            checkpoint.save(path, make(constructor))
            assert checkpoint.load(path)[0].recipe == make(constructor).recipe
    assert [file.name for file in path.parent.iterdir()] == ["model.ckpt"]


def test_first_line_says_how_to_build_the_model(content: bytes) -> None:
    header = json.loads(content.split(b"\n")[0])
    assert header["format"] == "vrrae_lab checkpoint 1"
    assert header["constructor"] == "vrrae"
    assert header["arguments"] == {"shape": [8, 8, 1], "latent_size": 4, "rank": 3}
    assert header["frozen_basis"] is True


# ---- half precision


def rounded(leaf: jax.Array) -> np.ndarray:
    return np.asarray(leaf).astype(np.float16).astype(np.float32)


def test_half_precision_halves_the_file_and_gives_rounded_float32(tmp_path: Path) -> None:
    whole, half = tmp_path / "whole.ckpt", tmp_path / "half.ckpt"
    with linear_nets():
        model = freeze_basis(make("vrrae"), X)
        checkpoint.save(whole, model, {"seed": 3})
        checkpoint.save(half, model, {"seed": 3}, half_precision=True)
        loaded, notes = checkpoint.load(half)
    assert notes == {"seed": 3} and models.is_frozen(loaded)
    assert_same(loaded, jax.tree.map(rounded, model))
    header, arrays = half.read_bytes().split(b"\n", 1)
    assert json.loads(header)["half_precision"] is True
    numbers = sum(leaf.size for leaf in jax.tree.leaves(model))
    assert len(whole.read_bytes().split(b"\n", 1)[1]) - len(arrays) == 2 * numbers


def test_what_half_precision_has_rounded_is_saved_again_unchanged(tmp_path: Path) -> None:
    first, second = tmp_path / "first.ckpt", tmp_path / "second.ckpt"
    with linear_nets():
        checkpoint.save(first, make("vae"), half_precision=True)
        checkpoint.save(second, checkpoint.load(first)[0], half_precision=True)
    assert first.read_bytes() == second.read_bytes()


def test_a_number_too_large_for_half_precision_is_refused(tmp_path: Path) -> None:
    with linear_nets():
        model = eqx.tree_at(lambda m: m.decoder.linear.bias, make("ae"), replace_fn=lambda bias: bias + 7e4)
        with pytest.raises(ValueError, match="a number of 7e\\+04.*half_precision=False"):
            checkpoint.save(tmp_path / "model.ckpt", model, half_precision=True)
    assert not list(tmp_path.iterdir())


def test_a_file_that_says_nothing_of_its_precision_is_whole(content: bytes, tmp_path: Path) -> None:
    """As the package's first files do."""
    (tmp_path / "old.ckpt").write_bytes(with_header(content, half_precision=...))
    (tmp_path / "new.ckpt").write_bytes(content)
    with linear_nets():
        assert_same(checkpoint.load(tmp_path / "old.ckpt")[0], checkpoint.load(tmp_path / "new.ckpt")[0])


# ---- files that are not whole


def test_truncated_file_is_refused_wherever_it_ends(content: bytes, tmp_path: Path) -> None:
    header = content.index(b"\n")
    ends = [*range(0, header + 2, 7), header, header + 1, header + 2, *range(header, len(content), 97)]
    for end in [*ends, len(content) - 1]:
        refused(tmp_path / "cut.ckpt", content[:end])


def test_file_with_something_appended_is_refused(content: bytes, tmp_path: Path) -> None:
    assert "damaged" in refused(tmp_path / "long.ckpt", content + b"\x00")


def test_file_with_a_flipped_bit_is_refused_wherever_it_is(content: bytes, tmp_path: Path) -> None:
    header = content.index(b"\n") + 1
    for place in [*range(header), *range(header, len(content), 53), len(content) - 1]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        try:
            same = json.loads(damaged.split(b"\n")[0]) == json.loads(content.split(b"\n")[0])
        except ValueError:
            same = False
        if not (same and place < header):  # a flip may turn a space of the header into another blank
            refused(tmp_path / "flipped.ckpt", bytes(damaged))


def with_header(content: bytes, **changes: Any) -> bytes:
    line, arrays = content.split(b"\n", 1)
    changes = {"sha256": hashlib.sha256(arrays).hexdigest()} | changes  # of the arrays alone, as in the first files
    header = {name: value for name, value in (json.loads(line) | changes).items() if value is not ...}
    return json.dumps(header).encode() + b"\n" + arrays


NOT_CHECKPOINTS: dict[str, bytes] = {
    "empty": b"",
    "a blank line": b"\n",
    "text": b"not a checkpoint\nat all\n",
    "a number": b"5\n",
    "a list": b'["format"]\n',
    "other JSON": b'{"format": "something else", "bytes": 0, "sha256": ""}\n',
    "null bytes": bytes(5000),
    "not UTF-8": b'{"format": "\xff\xfe"}\n',
    "pickle": pickle.dumps({"format": checkpoint.FORMAT}),
}


@pytest.mark.parametrize("case", NOT_CHECKPOINTS)
def test_other_files_are_refused(case: str, tmp_path: Path) -> None:
    complaint = refused(tmp_path / "other.ckpt", NOT_CHECKPOINTS[case])
    assert "is not a checkpoint of this package" in complaint and checkpoint.FORMAT in complaint


@pytest.mark.parametrize(
    "changes",
    [{"format": "vrrae_lab checkpoint 2"}, {"format": ...}, {"bytes": ...}, {"bytes": "9"}, {"sha256": ...}],
    ids=str,
)
def test_other_format_is_refused(changes: dict[str, Any], content: bytes, tmp_path: Path) -> None:
    assert "is not a checkpoint of this package" in refused(tmp_path / "a.ckpt", with_header(content, **changes))


UNFIT: dict[str, dict[str, Any]] = {
    "unknown model": {"constructor": "qvae"},
    "other model": {"constructor": "rrae"},
    "no model": {"constructor": ...},
    "argument missing": {"arguments": {"shape": [8, 8, 1], "latent_size": 4}},
    "argument too many": {"arguments": {"shape": [8, 8, 1], "latent_size": 4, "rank": 3, "depth": 2}},
    "other size": {"arguments": {"shape": [8, 8, 1], "latent_size": 5, "rank": 3}},
    "no arguments": {"arguments": ...},
    "arguments without names": {"arguments": [8, 8, 1]},
    "not frozen": {"frozen_basis": False},
    "other precision": {"half_precision": True},
    "frozen or not": {"frozen_basis": ...},
    "no notes": {"notes": ...},
}


@pytest.mark.parametrize("case", UNFIT)
@pytest.mark.usefixtures("unchecked")
def test_header_that_does_not_fit_the_arrays_is_refused(case: str, content: bytes, tmp_path: Path) -> None:
    complaint = refused(tmp_path / "unfit.ckpt", with_header(content, **UNFIT[case]))
    assert "does not fit this version of vrrae_lab" in complaint


def test_unchanged_header_is_taken(content: bytes, tmp_path: Path) -> None:
    """So the tests above refuse what was changed, not how."""
    (tmp_path / "model.ckpt").write_bytes(with_header(content))
    with linear_nets():
        checkpoint.load(tmp_path / "model.ckpt")


def test_model_that_is_built_otherwise_today_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "old.ckpt").write_bytes(content)
    with pytest.raises(ValueError, match="old.ckpt does not fit this version of vrrae_lab"):
        checkpoint.load(tmp_path / "old.ckpt")  # written with linear nets, read with convolutions


def test_missing_file_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere.ckpt"):
        checkpoint.load(tmp_path / "nowhere.ckpt")


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_pickled_arrays_are_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even in a file whose checksum is right."""
    sprung = tmp_path / "sprung"

    def write_trap(file: io.BytesIO, model: Autoencoder) -> None:
        for _ in jax.tree.leaves(model):
            np.save(file, np.array([Trap(sprung)], dtype=object), allow_pickle=True)

    with linear_nets():
        with monkeypatch.context() as patch:
            patch.setattr(eqx, "tree_serialise_leaves", write_trap)
            checkpoint.save(tmp_path / "trap.ckpt", make("ae"))
        with pytest.raises(ValueError, match="trap.ckpt"):
            checkpoint.load(tmp_path / "trap.ckpt")
    assert not sprung.exists()
    refused(tmp_path / "bare.ckpt", pickle.dumps(Trap(sprung)))
    assert not sprung.exists()


# ---- what cannot be saved


def test_model_composed_by_hand_is_refused(tmp_path: Path) -> None:
    with linear_nets():
        named = make("ae")
    by_hand = Autoencoder(named.encoder, named.bottleneck, named.decoder, named.shape)
    with pytest.raises(ValueError, match="composed by hand: .*ae, vae, rrae, vrrae.*tree_serialise_leaves"):
        checkpoint.save(tmp_path / "model.ckpt", by_hand)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("notes", [{"a": float("nan")}, {"a": "x" * 1_000_001}], ids=["not finite", "too long"])
def test_notes_that_could_not_be_read_again_are_refused(notes: dict[str, Any], tmp_path: Path) -> None:
    with linear_nets(), pytest.raises(ValueError):
        checkpoint.save(tmp_path / "model.ckpt", make("ae"), notes)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("function", ["replace", "fsync", "chmod"])
@pytest.mark.parametrize("reason", [OSError("no space left"), KeyboardInterrupt()], ids=["failure", "interrupt"])
def test_failed_write_leaves_the_old_file_and_nothing_else(
    function: str, reason: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.ckpt"

    def fail(*arguments: object) -> None:
        raise reason

    with linear_nets():
        checkpoint.save(path, make("ae"))
        before = path.read_bytes()
        with monkeypatch.context() as patch, pytest.raises(type(reason)):
            patch.setattr(os, function, fail)
            checkpoint.save(path, make("vae"))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
