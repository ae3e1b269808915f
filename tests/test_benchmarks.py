"""The benchmarks run, plain Equinox computes the same loss, and a peer that is not installed is reported."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vrrae_lab.models import build, num_parameters

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # `benchmarks` is not part of the package

from benchmarks import measure, nets, peers, steps  # noqa: E402
from benchmarks.__main__ import NAMES  # noqa: E402

pytestmark = pytest.mark.usefixtures("quick_compilation")
SHAPE = (12, 16, 1)


def run(*arguments):
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    environment = os.environ | {"XLA_FLAGS": "--xla_backend_optimization_level=0"}  # compiling is nearly all they do
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_every_benchmark_runs_and_leaves_its_figures(tmp_path):
    """But those that run notebooks, in a kernel or in a browser, or on several devices: other tests do so."""
    names = [name for name in NAMES if name not in ("key_press", "notebooks", "sharded")]
    done = run(*names, "--fast", "--json", tmp_path / "record.json")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "record.json").read_text())
    assert list(record) == names
    for name, part in record.items():
        assert f"## {name}:" in done.stdout
        assert part["threads"] == 1 and part["fast"] and "--fast" in part["command"]
        assert part["rows"]
        for row in part["rows"]:
            for value in row.values():
                assert math.isfinite(value) and value > 0 if isinstance(value, float | int) else value, (name, row)
    shown = {"torch": "PyTorch", "RRAEs": "RRAEs"}
    for package, version in record["steps"]["peers"].items():
        cell = record["steps"]["rows"][0][shown[package]]
        assert cell == f"{package} is absent" if version == "absent" else isinstance(cell, float)


@pytest.mark.parametrize(
    "arguments, complaint",
    [(["speed"], "unknown benchmark speed: there are svd, nets"), (["--threads", 10_000], "this process may use 1 to")],
)
def test_bad_arguments_are_refused(arguments, complaint):
    done = run(*arguments)
    assert done.returncode == 2 and complaint in done.stderr


def test_an_interrupt_ends_with_one_line():
    command = [sys.executable, "-u", "-m", "benchmarks", "svd"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not process.stdout.readline().startswith("## svd"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.strip().endswith("are kept") and "Traceback" not in errors


def test_ways_take_turns_after_a_first_call_that_does_not_count():
    calls = []
    times = measure.interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 60, rounds=3)
    assert "".join(calls) == "ab" * 4
    assert set(times) == {"a", "b"} and all(time >= 0 for time in times.values())


def test_an_absent_peer_is_said_to_be_absent(monkeypatch):
    monkeypatch.setattr(peers, "torch", None)
    monkeypatch.setattr(peers, "AE_classes", None)
    candidate = peers.candidates(SHAPE, 6, 2)["VRRAE"]
    x = np.zeros((4, *SHAPE), np.float32)
    ways = {"ours": lambda: None, "PyTorch": peers.torch_step(candidate, x), "RRAEs": peers.rraes_step(candidate, x)}
    times = measure.interleaved(ways, 0, rounds=1)
    assert times["PyTorch"] == "torch is absent" and times["RRAEs"] == "RRAEs is absent"
    assert measure.ratio(times, "ours", "PyTorch") == measure.ratio(times, "RRAEs", "ours") == "–"
    assert "torch is absent" in measure.table([times])


@pytest.mark.parametrize("name", ["AE", "VAE", "RRAE", "VRRAE"])
def test_plain_equinox_computes_the_same_loss(getkey, name):
    candidate, key = peers.candidates(SHAPE, 6, 2)[name], getkey()
    model = build(candidate.constructor, dict(candidate.arguments), key=getkey())
    x = jax.random.normal(getkey(), (5, *SHAPE))
    plain = peers.plain(model)
    for ours, theirs in zip(model.encoder.convolutions, plain.encoder.layers, strict=True):
        assert ours.weight.size == theirs.weight.size
    plain = eqx.tree_at(_plain_weights, plain, _our_weights_for_plain(model))
    expected = eqx.filter_jit(candidate.loss)(model, x, key=key)[0]
    np.testing.assert_allclose(eqx.filter_jit(peers.whole_batch_loss)(plain, x, key), expected, rtol=1e-4)


def _plain_weights(plain):
    layers = [*plain.encoder.layers, *plain.decoder.layers, plain.decoder.last]
    return [array for layer in layers for array in (layer.weight, layer.bias)] + [
        plain.encoder.linear.weight,
        plain.decoder.linear.weight,
        plain.decoder.linear.bias,
    ]


def _our_weights_for_plain(model):
    """Channels first, transposed kernels reversed, and the linear maps for flattened images of that order."""
    arrays = []
    for layer in (*model.encoder.convolutions, *model.decoder.convolutions, model.decoder.last):
        transposed = not hasattr(layer, "stride")
        weight = layer.weight[::-1, ::-1] if transposed else layer.weight
        arrays += [weight.transpose(3, 2, 0, 1), layer.bias[:, None, None]]
    height, width = -(-SHAPE[0] // 4), -(-SHAPE[1] // 4)
    encoder = model.encoder.linear.weight
    arrays.append(encoder.reshape(-1, height, width, 64).transpose(0, 3, 1, 2).reshape(encoder.shape))
    start = -(-SHAPE[0] // 16), -(-SHAPE[1] // 16)
    decoder = model.decoder.linear
    for array in (decoder.weight, decoder.bias):
        spread = jnp.moveaxis(array.reshape(*start, 32, *array.shape[1:]), 2, 0)
        arrays.append(spread.reshape(array.shape))
    return arrays


@pytest.mark.parametrize("name", ["AE", "VAE", "RRAE", "VRRAE"])
def test_other_peers_have_as_many_parameters(name):
    """Where they are installed: RRAEs' VRRAE has one linear map more, which it does not use."""
    candidate = peers.candidates((16, 16, 1), 6, 2)[name]
    arguments = dict(candidate.arguments)
    count = num_parameters(build(candidate.constructor, arguments, key=jax.random.key(0)))
    x = np.random.default_rng(0).random((8, 16, 16, 1), np.float32)
    if peers.torch is None and peers.AE_classes is None:
        assert isinstance(peers.torch_step(candidate, x), measure.Absent)
        assert isinstance(peers.rraes_step(candidate, x), measure.Absent)
    if peers.torch is not None:
        parts = (
            peers.torch_encoder((16, 16, 1), arguments["latent_size"]),
            peers.torch_decoder((16, 16, 1), arguments["latent_size"]),
        )
        heads = {"VAE": 2, "VRRAE": 1}.get(name, 0) * (2 * 2 + 2)
        assert sum(p.numel() for part in parts for p in part.parameters()) + heads == count
    if peers.AE_classes is not None:
        with jax.numpy_rank_promotion("allow"):  # which our own tests refuse
            (model, _), _ = peers.rraes_step(candidate, x)()
        theirs = sum(a.size for a in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))
        assert theirs == count + (6 if name == "VRRAE" else 0)


def test_the_docs_show_the_records():
    record = json.loads((ROOT / "benchmarks" / "records" / "one_thread.json").read_text())
    speed = (ROOT / "docs" / "speed.md").read_text()
    assert steps.summary(record["steps"]["rows"]) in speed
    assert record["steps"]["processor"] in speed and record["page"]["processor"] in speed
    assert not any(record[name]["fast"] for name in ("steps", "page", "key_press")) and record["steps"]["threads"] == 1
    presses = {row["what"].split(",")[0]: row for row in record["key_press"]["rows"]}
    for row in record["page"]["rows"]:
        image = row["image"].removesuffix("×1")
        cells = [image, f"{row['decode']:.2f} ms", f"{row['encode']:.2f} ms"]
        if image in presses:
            cells += [f"{presses[image]['median']:.1f} ms", f"{presses[image]['frames missed']} of 40"]
        assert " | ".join(cells) in speed


def test_flops_of_the_nets_are_those_of_their_layers():
    """By hand, for the first and the last layers of 64×64 images."""
    key = jax.random.key(0)
    encoder, decoder = nets.ConvEncoder((64, 64, 1), 16, key=key), nets.ConvDecoder((64, 64, 1), 16, key=key)
    strided = 9 * 1 * 32 * 32 * 32 + 9 * 32 * 64 * 16 * 16
    assert nets._encoder_flops(encoder) == 2 * (strided + 64 * 16 * 16 * 16)
    transposed = 9 * (32 * 256 * 4**2 + 256 * 128 * 8**2 + 128 * 32 * 16**2 + 32 * 8 * 32**2)
    assert nets._decoder_flops(decoder) == 2 * (transposed + 16 * 512 + 8 * 64 * 64)
