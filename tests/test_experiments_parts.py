"""What the experiments are made of: optimiser, files, subjects, measures, counted operations, timing."""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support import compilations, linear_nets

from vrrae_lab import data, models
from vrrae_lab.derivations.operations import Operations, count_operations
from vrrae_lab.experiments import evaluation, subjects
from vrrae_lab.experiments.optimizer import adabelief
from vrrae_lab.experiments.plan import Candidate, Plan, slug
from vrrae_lab.experiments.subjects import Extent, subject
from vrrae_lab.experiments.timing import interleaved_medians
from vrrae_lab.linalg import gram_basis
from vrrae_lab.losses import Reconstruction
from vrrae_lab.train import fit

RNG = np.random.default_rng(3)


# ---- AdaBelief


@pytest.mark.parametrize("rate", [1e-3, 0.3])
def test_adabelief_makes_the_updates_of_optax(rate: float) -> None:
    ours, theirs = adabelief(rate), optax.adabelief(rate)
    parameters = {"a": jnp.arange(3.0), "b": jnp.ones((2, 2))}
    states = [ours.init(parameters), theirs.init(parameters)]
    for step in range(4):
        gradient = jax.tree.map(lambda p, s=step: jnp.cos(p + s), parameters)
        updates, states[0] = ours.update(gradient, states[0], parameters)
        wanted, states[1] = theirs.update(gradient, states[1], parameters)
        for got, want in zip(jax.tree.leaves(updates), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-6)


def test_adabelief_keeps_the_type_of_the_parameters(x64: None) -> None:
    ours = adabelief(np.float64(0.1))
    parameters = jnp.ones(2, jnp.float32)
    updates, _ = ours.update(parameters, ours.init(parameters), parameters)
    assert updates.dtype == jnp.float32


@pytest.mark.parametrize(("optimizers", "compiled"), [(adabelief, []), (optax.adabelief, ["program"])])
def test_step_is_compiled_once_for_all_rates(optimizers: Any, compiled: list[str]) -> None:
    x = RNG.normal(size=(8, 4, 4, 1)).astype(np.float32)
    with linear_nets():
        model = models.ae((4, 4, 1), 2, key=jax.random.key(0))
    options: Any = {"loss": Reconstruction(), "batch_size": 4, "num_steps": 2, "key": jax.random.key(1)}
    weights = [fit(model, x, optimizer=optimizers(1e-3), progress=False, **options)[0].encoder.linear.weight]
    with compilations() as programs:
        weights.append(fit(model, x, optimizer=optimizers(1e-1), progress=False, **options)[0].encoder.linear.weight)
    assert programs == compiled
    moved = [float(jnp.abs(w - model.encoder.linear.weight).max()) for w in weights]
    assert moved[1] > 30 * moved[0] > 0  # and the rate counts


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_rate_that_learns_nothing_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="learning_rate = .* use a number above 0"):
        adabelief(rate)


# ---- names of files


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("AE", "ae"),
        ("VRRAE", "vrrae"),
        ("VAE (f = I)", "vae-f-i"),
        ("RRAE+VAE", "rrae-vae"),
        ("IRMAE (2)", "irmae-2"),
        ("VAE, beta 0.001", "vae-beta-0-001"),
    ],
)
def test_files_are_named_by_the_model(name: str, wanted: str) -> None:
    assert slug(name) == wanted


def test_models_that_would_share_files_are_refused() -> None:
    one = Candidate("ae", {}, Reconstruction())
    x = np.zeros((1, 4, 4, 1))
    plan = functools.partial(
        Plan,
        "p",
        {},
        x_train=x,
        evaluate=dict,
        floors={},
        data={},
        batch_size=1,
        learning_rate=1.0,
        num_steps=1,
    )
    with pytest.raises(ValueError, match="'IRMAE 2' and 'IRMAE \\(2\\)' would both write files irmae-2-"):
        plan({"IRMAE (2)": one, "AE": one, "IRMAE 2": one})
    plan({"IRMAE (2)": one, "IRMAE (4)": one})


# ---- subjects


def test_full_subjects_are_the_papers_settings() -> None:
    bumps, mnist = subject("bumps"), subject("mnist")
    assert (bumps.image_size, bumps.batch_size, bumps.learning_rate, bumps.num_steps) == (64, 64, 1e-4, 1280)
    assert (bumps.latent_size, bumps.rank, bumps.vae_beta, bumps.vrrae_beta) == (200, 2, 1e-3, 1e-3)
    assert (mnist.num_train, mnist.batch_size, mnist.learning_rate) == (60_000, 576, 1e-3)
    assert mnist.num_steps == 20 * (60_000 // 576)
    assert (mnist.latent_size, mnist.rank, mnist.vae_beta, mnist.vrrae_beta) == (100, 16, 1e-3, 1e-6)
    cifar10, celeba = subject("cifar10"), subject("celeba")
    assert (cifar10.shape, cifar10.num_train, cifar10.num_test) == ((32, 32, 3), 50_000, 10_000)
    assert (cifar10.batch_size, cifar10.learning_rate) == (64, 1e-4)
    assert cifar10.num_steps == 5 * (50_000 // 64)
    assert (cifar10.latent_size, cifar10.rank, cifar10.vae_beta, cifar10.vrrae_beta) == (512, 60, 1e-5, 0)
    assert (celeba.shape, celeba.num_train, celeba.num_test) == ((160, 160, 3), 162_770, 19_962)
    assert (celeba.batch_size, celeba.learning_rate) == (576, 1e-3)
    assert celeba.num_steps == 8 * (162_770 // 576)
    assert (celeba.latent_size, celeba.rank, celeba.vae_beta, celeba.vrrae_beta) == (512, 186, 1e-6, 1e-6)


@pytest.mark.parametrize(("name", "extent"), list(itertools.product(("bumps", "digits"), Extent)))
def test_subjects_have_the_images_they_promise(name: str, extent: Extent) -> None:
    found = subject(name, extent)
    train, test = found.images()
    assert train.shape == test.shape == found.shape
    assert (len(train), len(test)) == (found.num_train, found.num_test)
    assert found.rank <= found.batch_size <= found.num_train and found.rank <= found.latent_size
    assert found.sizes == (
        {"shape": found.shape, "latent_size": found.rank},
        {"shape": found.shape, "latent_size": found.latent_size, "rank": found.rank},
    )


def test_subject_nobody_knows_is_refused() -> None:
    with pytest.raises(
        ValueError, match="data = 'dogs' is unknown: the experiments know bumps, digits, mnist, cifar10, celeba"
    ):
        subjects.subject("dogs")


# ---- measures


def test_singular_values_of_a_vrrae_are_those_of_its_latents() -> None:
    train = data.digits(n=60)
    with linear_nets():
        model = models.vrrae(train.shape, 6, 3, key=jax.random.key(0))
    frozen = models.freeze_basis(model, train.x)
    found = evaluation.evaluate(frozen, train, data.digits("test", 20))
    _, wanted = gram_basis([model.encoder(jnp.asarray(train.x))], 3)
    np.testing.assert_allclose(found["singular_values"], wanted / np.sqrt(60), rtol=1e-4)
    posterior = frozen.encode(train.x)
    np.testing.assert_allclose(found["mean_of_variances"], np.exp(posterior.log_variance).mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found["variance_of_means"], np.var(posterior.mean, axis=0), rtol=1e-3)
    assert found["test_error"] != found["train_error"]


def test_deterministic_models_have_no_variances() -> None:
    train = data.digits(n=30)
    with linear_nets():
        found = evaluation.evaluate(models.ae(train.shape, 2, key=jax.random.key(0)), train, train)
    assert found["mean_of_variances"] is None and found["kl_per_coefficient"] is None
    assert found["test_error"] == found["train_error"]


@pytest.mark.parametrize("count", [8, 512])
def test_pixel_eigenvalues_are_those_of_a_known_covariance(count: int) -> None:
    # orthogonal columns of mean 0 and mean square 1, so that the covariance is known without estimating it
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=3)))[np.arange(count) % 8]
    rotation = np.linalg.qr(RNG.normal(size=(16, 16)))[0]
    x = (signs * np.sqrt([9.0, 4.0, 0.25])) @ rotation[:3] + RNG.normal(size=16)
    found = evaluation.pixel_eigenvalues(x.reshape(count, 4, 4, 1), 4)
    np.testing.assert_allclose(found, [9, 4, 0.25, 0], atol=1e-9)


# ---- operations


def test_operations_are_counted_by_kind() -> None:
    a, b = jnp.ones((3, 5)), jnp.ones((5, 7))
    assert count_operations(jnp.dot, a, b) == Operations(2 * 3 * 5 * 7, 0, 0)
    assert count_operations(lambda x: jnp.concatenate([x.T, x.T], axis=1).reshape(-1)[2:], a) == (0, 0, 0)
    assert count_operations(lambda x: jnp.sum(2 * x), a) == (0, 0, 15 + 15)
    assert count_operations(jax.jit(lambda x, y: jnp.sin(x @ y)), a, b) == (210, 0, 21)
    symmetric = count_operations(lambda x: jnp.linalg.eigh(x, symmetrize_input=False), jnp.ones((4, 4)))
    assert symmetric.factorisations == 9 * 4**3
    for shape in ((6, 4), (4, 6)):
        found = count_operations(lambda x: jnp.linalg.svd(x, full_matrices=False), jnp.ones(shape))
        assert found.factorisations == 6 * 6 * 4**2 + 20 * 4**3
    assert Operations(1, 20, 300).total == 321


def test_operations_nobody_needs_are_not_counted() -> None:
    def wasteful(x: jax.Array) -> jax.Array:
        jnp.linalg.svd(x @ x.T)
        return x + 1

    assert count_operations(wasteful, jnp.ones((3, 3))) == (0, 0, 9)


def test_loops_cannot_be_counted() -> None:
    with pytest.raises(ValueError, match="contains a while"):
        count_operations(lambda x: jax.lax.while_loop(lambda y: y < 3, lambda y: y + 1, x), jnp.ones(()))


# ---- timing


def test_ways_take_turns_and_their_first_call_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = [0.0], []
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def way(name: str, *costs: float) -> Any:
        taken = iter(costs)

        def call() -> jax.Array:
            calls.append(name)
            clock[0] += next(taken)
            return jnp.zeros(())

        return call

    found = interleaved_medians({"a": way("a", 100, 1, 2, 9), "b": way("b", 100, 4, 5, 6)}, seconds=1e9, rounds=3)
    assert found == {"a": 2000, "b": 5000} and calls == ["a", "b"] * 4
    calls.clear()
    found = interleaved_medians({"a": way("a", 1, 7, 8), "b": way("b", 1, 3, 4)}, seconds=5, rounds=3)
    assert found == {"a": 7000, "b": 3000} and calls == ["a", "b"] * 2
