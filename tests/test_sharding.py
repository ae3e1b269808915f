"""A batch spread over devices: the arithmetic of one device, and little that travels between them.

The devices are eight virtual ones of the CPU, in a process of their own; then two processes with four each.
"""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import export
from jax.sharding import Mesh

from vrrae_lab import fit, losses, models, train

ROOT = Path(__file__).parents[1]
PROLOGUE = """
import json, sys
import jax
jax.config.update("jax_enable_x64", True)
if len(sys.argv) > 1:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(sys.argv[2], 2, int(sys.argv[1]))
import equinox as eqx, jax.numpy as jnp, numpy as np, optax
from jax import export
from jax.sharding import Mesh
from vrrae_lab import ValidationBeta, density, fit, freeze_basis, losses, models, nets
from vrrae_lab.sharding import batch_mesh, on_mesh, split_rows

assert len(jax.devices()) == 8
nets.PIXELS_AT_A_TIME = 64  # four images at a time: on each device more than one part
MESH = Mesh(np.array(jax.devices()).reshape(2, 4), ("a", "b"))  # whatever its axes are
KEY = jax.random.key(0)
X = np.random.default_rng(0).random((150, 8, 8, 1))

def double(tree):
    return jax.tree.map(lambda leaf: leaf.astype(float) if eqx.is_inexact_array(leaf) else leaf, tree)

def difference(a, b):
    pairs = zip(jax.tree.leaves(eqx.filter(a, eqx.is_array)), jax.tree.leaves(eqx.filter(b, eqx.is_array)), strict=True)
    return max(float(np.abs(np.asarray(p, float) - np.asarray(q, float)).max()) for p, q in pairs)

def settings(loss, batch_size, callback=None):
    return dict(loss=double(loss), optimizer=optax.adabelief(1e-3), batch_size=batch_size, num_steps=5, key=KEY,
                callback=callback, progress=False)

MODELS = {
    "vrrae, latents gathered": (models.vrrae, dict(latent_size=20, rank=3), losses.Variational(0.1), 40),
    "vrrae, Gram matrix": (models.vrrae, dict(latent_size=12, rank=3), losses.PaperVariational(1e-3), 72),
    "vrrae, centred": (models.vrrae, dict(latent_size=12, rank=3, centre=True), losses.PaperVariational(1e-3), 72),
    "avae": (models.avae, dict(latent_size=4), losses.AggregateMatching(1.0, 0.6, 16), 56),
}

def both(name, **of_fit):
    make, sizes, loss, batch_size = MODELS[name]
    model = double(make((8, 8, 1), key=KEY, **sizes))
    callback = (lambda: ValidationBeta(X[:9], 4)) if name == "avae" else (lambda: None)
    one, history = fit(model, X, **settings(loss, batch_size, callback()))
    many, own = fit(model, X, mesh=MESH, **settings(loss, batch_size, callback()), **of_fit)
    frozen = difference(freeze_basis(one, X), freeze_basis(many, X, mesh=MESH))
    worst = float(np.abs(history.terms["loss"] / own.terms["loss"] - 1).max())
    return {"model": difference(one, many), "loss": worst, "frozen": frozen}
"""

ONE_PROCESS = """
found = {name: both(name) for name in MODELS}
points, queries = jax.random.normal(KEY, (40, 3)), jax.random.normal(jax.random.key(1), (64, 3))
kernels = density.KernelDensity(points, 0.3, block_size=3)
value = lambda kernels, z: jnp.sum(kernels.log_density(z) ** 2)
one = eqx.filter_value_and_grad(value)(kernels, queries)
mesh = batch_mesh(MESH)
spread = split_rows(np.asarray(queries), np.arange(64), mesh)
with on_mesh(mesh):
    many = eqx.filter_jit(eqx.filter_value_and_grad(value))(kernels, spread)
found["kernel density"] = {"value and gradient": difference(one, many)}

# bytes go to the devices as they are, and a loss in float32 as that of one device
pixels = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), np.uint8)
model = jax.tree.map(lambda leaf: leaf.astype(jnp.float32) if eqx.is_inexact_array(leaf) else leaf,
                     models.vae((8, 8, 1), 3, key=KEY))
own = settings(losses.Variational(0.1), 32) | {"loss": losses.Variational(0.1)}
one, many = (fit(model, pixels, mesh=devices, **own) for devices in (None, MESH))
assert split_rows(pixels, np.arange(64), mesh).dtype == np.uint8
assert np.abs(one[1].terms["loss"] / many[1].terms["loss"] - 1).max() < 1e-5
print(json.dumps(found))
"""

TWO_PROCESSES = """
from vrrae_lab import Checkpoints
names = ["vrrae, Gram matrix", "vrrae, centred"]
print(json.dumps({name: both(name, checkpoints=Checkpoints(f"{sys.argv[3]}/{name}", every=4)) for name in names}))
"""


def environment(devices: int) -> dict[str, str]:
    flags = f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0"
    return os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}


def test_a_mesh_gives_the_numbers_of_one_device() -> None:
    """In float64, where rounding does not hide what is wrong: weights, losses, the frozen basis, kernel densities."""
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + ONE_PROCESS], env=environment(8), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 5
    for name, differences in found.items():
        assert max(differences.values()) < 1e-10, (name, differences)


def test_two_processes_give_the_numbers_of_one(tmp_path: Path) -> None:
    """Each with four of eight devices, their collectives over the loopback; one of them writes the checkpoints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    code = PROLOGUE + TWO_PROCESSES
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(number), address, tmp_path],
            env=environment(4),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in (0, 1)
    ]
    try:
        ended = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (printed, errors) in zip(processes, ended, strict=True):
        assert process.returncode == 0, errors
        for name, differences in json.loads(re.search(r"^\{.*\}$", printed, re.M)[0]).items():
            assert max(differences.values()) < 1e-10, (name, differences)
    assert sorted(path.name for path in (tmp_path / "vrrae, Gram matrix").iterdir()) == [
        "step-000000004.ckpt",
        "step-000000005.ckpt",
    ]


COLLECTIVES = """
import json, re, sys
import jax, numpy as np, optax
from jax import export
from jax.sharding import Mesh
from vrrae_lab import losses, models
from vrrae_lab.sharding import batch_mesh, on_mesh, split_rows
from vrrae_lab.compilation import compiled
from vrrae_lab.train import Run, _step

mesh = batch_mesh(Mesh(np.array(jax.devices()), ("devices",)))
kinds = "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter"

def collectives(batch_size, latent_size):
    model = models.vrrae((16, 16, 1), latent_size=latent_size, rank=3, key=jax.random.key(0))
    run = Run(model, losses.PaperVariational(1e-3), optax.adabelief(1e-3), jax.random.key(1), None, mesh)
    batch = split_rows(np.zeros((batch_size, 16, 16, 1), np.uint8), np.arange(batch_size), mesh)
    with on_mesh(mesh):
        text = compiled(_step, (run._fixed, batch, np.asarray(0, np.int32)), run.state).program.as_text()
    for shapes, kind in re.findall(rf"= (\\S.*?) ({kinds})(?:-start)?\\(", text):
        sides = re.findall(r"[a-z0-9]+\\[([0-9,]*)\\]", shapes)
        yield kind, [[int(n) for n in shape.split(",") if n] for shape in sides]

print(json.dumps([list(collectives(*map(int, sizes.split("x")))) for sizes in sys.argv[1:]]))
"""
TALL, WIDE, RANK = (136, 12), (32, 40), 3


@pytest.fixture(scope="module")
def collectives() -> list[list[tuple[str, list[list[int]]]]]:
    """Kind and shapes of what compiled steps of a VRRAE send between eight devices: a tall batch, and a wide one."""
    sizes = [f"{batch_size}x{latent_size}" for batch_size, latent_size in (TALL, WIDE)]
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", COLLECTIVES, *sizes], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [[(kind, shapes) for kind, shapes in found] for found in json.loads(done.stdout)]


def test_a_tall_batch_adds_up_one_gram_matrix_and_one_gradient_of_the_basis(collectives: Any) -> None:
    (batch_size, size), rank, found = TALL, RANK, collectives[0]
    assert {kind for kind, _ in found} == {"all-reduce"}
    assert [shapes for _, shapes in found].count([[size, size]]) == 1
    of_basis = [shapes for _, shapes in found if sorted(shapes[0]) == [rank, size]]
    # the basis has its gradient from the decoder and from the coefficients: both go together
    assert len(of_basis) == 1 and all(sorted(shape) == [rank, size] for shape in of_basis[0])
    others = [shapes for _, shapes in found if shapes != [[size, size]] and shapes not in of_basis]
    gradients = [shapes for shapes in others if sum(map(np.prod, shapes)) > 10_000]
    assert len(gradients) == 1  # of all weights, at once
    scalars = [shapes for shapes in others if shapes not in gradients]
    assert all(np.prod(shape, dtype=int) <= size for shapes in scalars for shape in shapes)
    assert not any(batch_size in shape for _, shapes in found for shape in shapes)  # nothing of the batch itself


def test_a_wide_batch_gathers_its_latents_once(collectives: Any) -> None:
    (batch_size, size), rank, found = WIDE, RANK, collectives[1]
    assert [(kind, shapes) for kind, shapes in found if kind != "all-reduce"] == [("all-gather", [[batch_size, size]])]
    most = [shapes for _, shapes in found if sum(map(np.prod, shapes)) > 10_000]
    assert len(most) == 1
    rest = [shape for _, shapes in found for shape in shapes if shapes not in most and np.prod(shape, dtype=int) > 1]
    assert all(np.prod(shape) <= rank * max(size, batch_size) or shape == [batch_size, size] for shape in rest)


@pytest.mark.parametrize("name", ["vrrae", "rrae"])
def test_a_step_lowers_for_a_tpu(name: str) -> None:
    """Without a TPU: JAX writes its program all the same. All that is asked of its library is an `eigh`."""
    model = getattr(models, name)((28, 28, 1), latent_size=100, rank=16, key=jax.random.key(0))
    loss = losses.PaperVariational(1e-6) if name == "vrrae" else losses.PaperReconstruction()
    own = train.Run(model, loss, optax.adabelief(1e-3), jax.random.key(1), None, None)
    batch = jnp.zeros((64, 28, 28, 1), jnp.uint8)
    arrays, rest = eqx.partition(((own._fixed, batch, jnp.int32(0)), own.state), eqx.is_array)

    @jax.jit
    def step(arrays: Any) -> Any:
        return eqx.filter(train._step(*eqx.combine(arrays, rest)), eqx.is_array)

    program = export.export(step, platforms=["tpu"])(arrays).mlir_module()
    assert set(re.findall(r"custom_call @(\w+)", program)) <= {"Eigh", "Sharding"}
    assert len(re.findall(r"custom_call @Eigh", program)) == 1


def test_a_batch_that_cannot_be_split_is_refused() -> None:
    """One device three times is no mesh to train on, but it has three places."""
    mesh = Mesh(np.array(jax.devices()[:1] * 3), ("devices",))
    model = models.vae((8, 8, 1), 2, key=jax.random.key(0))
    with pytest.raises(ValueError, match="batch_size = 8 cannot be split evenly over the mesh's 3 devices: use a mul"):
        fit(
            model,
            np.zeros((8, 8, 8, 1), np.float32),
            loss=losses.Variational(1.0),
            optimizer=optax.sgd(0.1),
            batch_size=8,
            num_steps=1,
            key=jax.random.key(0),
            mesh=mesh,
        )
