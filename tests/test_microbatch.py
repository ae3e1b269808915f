"""Parts of a batch give the whole batch's values and gradients."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vrrae_lab.microbatch import microbatch_map, microbatch_sum

pytestmark = pytest.mark.usefixtures("quick_compilation")

SIZES = [None, 1, 3, 4, 5, 13, 20]  # of parts; the batch has 13 samples, so that most sizes leave a rest


def rows(parameters, x):
    return jnp.tanh(x @ parameters["weight"]) + parameters["bias"][None]


def summed(parameters, x, target):
    return jnp.sum((rows(parameters, x) - target) ** 2)


@pytest.fixture
def case(x64, getkey):
    parameters = {"weight": jax.random.normal(getkey(), (5, 2)), "bias": jnp.ones(2)}
    return parameters, jax.random.normal(getkey(), (13, 5)), jax.random.normal(getkey(), (13, 2))


@pytest.mark.parametrize("size", SIZES)
def test_map_is_the_function_of_the_whole_batch(case, size):
    parameters, x, weights = case

    def value(size, parameters, x):
        return jnp.sum(weights * microbatch_map(lambda part: rows(parameters, part), x, size) ** 3)

    ours = jax.jit(jax.value_and_grad(value, (1, 2)), static_argnums=0)(size, parameters, x)
    whole = jax.value_and_grad(value, (1, 2))(None, parameters, x)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14), ours, whole)


@pytest.mark.parametrize("size", SIZES)
def test_sum_is_the_function_of_the_whole_batch(case, size):
    """Also where something is made of the sum, and where every argument is differentiated."""
    parameters, x, target = case

    def value(size, parameters, x, target):
        return jnp.sqrt(microbatch_sum(summed, parameters, x, target, size=size))

    ours = jax.jit(jax.value_and_grad(value, (1, 2, 3)), static_argnums=0)(size, parameters, x, target)
    whole = jax.value_and_grad(lambda *a: jnp.sqrt(summed(*a)), (0, 1, 2))(parameters, x, target)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14), ours, whole)
    assert value(size, parameters, x, target) == pytest.approx(float(whole[0]), rel=1e-12)


@pytest.mark.parametrize("size", [4, 5])
def test_second_derivatives_of_a_sum(case, size):
    parameters, x, target = case

    def slope(total, x):
        return jnp.sum(jax.grad(total)(x) ** 2)

    ours = jax.jit(jax.grad(lambda x: slope(lambda x: microbatch_sum(summed, parameters, x, target, size=size), x)))(x)
    np.testing.assert_allclose(ours, jax.grad(lambda x: slope(lambda x: summed(parameters, x, target), x))(x))


def test_vmap_over_parameters(case):
    parameters, x, target = case
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), parameters)
    gradient = jax.grad(lambda p: microbatch_sum(summed, p, x, target, size=5))
    together = jax.jit(jax.vmap(gradient))(stacked)
    for i in range(2):
        one = jax.grad(summed)(jax.tree.map(lambda leaf, i=i: leaf[i], stacked), x, target)
        jax.tree.map(lambda a, b, i=i: np.testing.assert_allclose(a[i], b, rtol=1e-12), together, one)


def test_what_is_no_number_is_left_alone(case):
    """A network also holds activations, sizes and integers."""
    parameters, x, target = case
    net = {**parameters, "activation": jnp.tanh, "count": jnp.arange(3)}
    total = microbatch_sum(lambda net, x, t: summed(net, x, t) * net["count"][2], net, x, target, size=5)
    assert float(total) == pytest.approx(2 * float(summed(parameters, x, target)), rel=1e-12)


def test_gradient_keeps_the_type_of_each_array(case):
    parameters, x, target = case
    mixed = {"weight": parameters["weight"].astype("bfloat16"), "bias": parameters["bias"]}
    gradient = jax.grad(lambda p: microbatch_sum(summed, p, x, target, size=4))(mixed)
    assert {name: leaf.dtype for name, leaf in gradient.items()} == {"weight": jnp.bfloat16, "bias": jnp.float64}


def test_a_batch_that_can_be_divided_leaves_no_rest():
    """Parts of nearly the asked size are one program less to compile and run."""
    for batch, size, wanted in ((12, 5, (3, 4)), (12, 7, (2, 6)), (13, 5, (2, 5)), (576, 41, (16, 36))):
        lengths = []
        x = jnp.ones((batch, 1))
        microbatch_map(lambda part, lengths=lengths: lengths.append(len(part)) or part, x, size)
        assert lengths == [wanted[1]] + [batch - wanted[0] * wanted[1]] * (batch % wanted[1] > 0)


def test_a_map_and_its_gradient_keep_inputs_only(getkey):
    """What is computed on the way is computed again, part by part, instead of kept for all of them."""
    weight = jax.random.normal(getkey(), (64, 4096))

    def temporary_bytes(size):
        def value(weight, x):
            return jnp.sum(microbatch_map(lambda part: jnp.tanh(part @ weight) @ weight.T, x, size) ** 2)

        x = jax.ShapeDtypeStruct((512, 64), jnp.float32)
        return jax.jit(jax.grad(value)).lower(weight, x).compile().memory_analysis().temp_size_in_bytes

    assert 2 * temporary_bytes(64) < temporary_bytes(None)


def test_an_error_and_its_gradient_keep_one_part_in_memory(getkey):
    """Eight parts take little more temporary memory than one, and less than a third of the whole batch."""
    weight = jax.random.normal(getkey(), (64, 4096))

    def temporary_bytes(batch, size):
        def error(weight, x, target):
            return jnp.sum((jnp.tanh(x @ weight) @ weight.T - target) ** 2)

        x = jax.ShapeDtypeStruct((batch, 64), jnp.float32)
        gradient = jax.jit(jax.grad(lambda w, x: microbatch_sum(error, w, x, x, size=size)))
        return gradient.lower(weight, x).compile().memory_analysis().temp_size_in_bytes

    one, parts, whole = temporary_bytes(64, None), temporary_bytes(512, 64), temporary_bytes(512, None)
    assert parts < 2.5 * one and 3 * parts < whole


SHARDED = """
import jax, numpy as np, equinox as eqx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from vrrae_lab import losses, nets
from vrrae_lab.models import vrrae
nets.PIXELS_AT_A_TIME = 8 * 96  # parts of 8 images
key = jax.random.key(0)
model, x = vrrae((8, 12, 2), 20, 3, key=key), jax.random.normal(key, (20, 8, 12, 2))
loss = losses.PaperVariational(1e-3)
gradient = eqx.filter_jit(eqx.filter_value_and_grad(lambda model, x: loss(model, x, key=key)[0]))
mesh = Mesh(np.array(jax.devices()), ("batch",))
spread = jax.device_put(x, NamedSharding(mesh, PartitionSpec("batch")))
assert len(spread.sharding.device_set) == 4
for one, many in zip(jax.tree.leaves(gradient(model, x)), jax.tree.leaves(gradient(model, spread)), strict=True):
    np.testing.assert_allclose(one, many, rtol=2e-3, atol=2e-4 * float(abs(one).max()))
"""


def test_a_batch_spread_over_devices_gives_the_same_step():
    """More images than one part holds, on four devices."""
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run([sys.executable, "-c", SHARDED], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
