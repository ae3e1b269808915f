"""A good call of every public function and class, and what is bad of each of its arguments; see test_bad_input."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from support import linear_nets

import vrrae_lab as vl
from vrrae_lab import (
    bottlenecks,
    checkpoint,
    data,
    density,
    derivations,
    exercises,
    experiments,
    explore,
    features,
    figures,
    gaussian,
    linalg,
    losses,
    metrics,
    models,
    nets,
    papers,
    train,
    widgets,
)

HUGE = 10**12

# ---- what is bad


class Bad(NamedTuple):
    """A bad value, what it must be refused with, and what the message must say beside the remedy, if not the name."""

    value: Any
    error: type[Exception] = ValueError
    says: str | None = None


NAN, INF = float("nan"), float("inf")
NO_ARRAYS = [Bad(None, TypeError), Bad("abc", TypeError), Bad(3, TypeError), Bad([[1.0, 2.0]], TypeError)]
WRONG = [Bad(None, TypeError), Bad("abc", TypeError), Bad(3, TypeError), Bad(object(), TypeError)]
NO_WHOLE = [Bad(value, TypeError) for value in (None, "3", 2.5, NAN, [2], np.array([1, 2]), 2j)]
NO_NUMBER = [Bad(value, TypeError) for value in (None, "x", [0.5], np.array([0.1, 0.2]), 1j)]
SEVERAL_KEYS = jr.split(jr.key(0))


def count(least: int = 1, *also: Bad) -> list[Bad]:
    """For a whole number of `least` or more."""
    return [*NO_WHOLE, Bad(least - 1), Bad(-7), *also]


def number(*bad: float) -> list[Bad]:
    """For a real number, of which some are out of range."""
    return [*NO_NUMBER, *map(Bad, bad)]


def poisoned(array: np.ndarray, value: float) -> np.ndarray:
    """With one number replaced."""
    found = np.array(array)
    found.flat[-1] = value
    return found


def rows(good: np.ndarray, says: str | None = None) -> list[Bad]:
    """For a matrix of finite numbers, which may be a list of lists."""
    wrong = [Bad(v, TypeError, says) for v in (None, "abc", object(), [[1.0], [1.0, 2.0]], good.astype(complex))]
    shapes = [Bad(v, says=says) for v in (3.0, good[0], good[None], good[:0], good[:, :0])]
    return [*wrong, *shapes, *(Bad(poisoned(good, v), says=says) for v in (NAN, INF))]


def images(good: np.ndarray) -> list[Bad]:
    """For images of a model's shape, in floats or bytes."""
    shapes = (good[0], good[..., 0], good[None], good[:, 1:], good[:0], good[:, :0])
    dtypes = (good.astype(int), good.astype(complex), good > 0.5)
    return [
        *NO_ARRAYS,
        Bad(good.astype(object), TypeError),
        *(Bad(v, says="images|x has shape") for v in shapes + dtypes),
    ]


POSITIVE = number(0.0, -1.0, NAN, INF, -INF)
WEIGHT = number(-1.0, NAN, INF)
KEY = [Bad(value, TypeError) for value in (None, 0, "key", SEVERAL_KEYS, np.zeros(2), [jr.key(0)])]
TEXT = [Bad(None, TypeError), Bad(3, TypeError)]
PATH = [Bad(None, TypeError), Bad(3, TypeError), Bad(""), Bad("a\0b")]
SHAPE = [Bad(v, TypeError, "shape") for v in (None, 5, "abc", (8.5, 8, 1), ("a", "b", "c"), (None, 8, 1))]
SHAPE += [Bad(v, says="shape") for v in ((), (8,), (8, 8), (0, 0, 0), (-1, 8, 1), (3, 8, 1), (8, 8, 0), (8, 8, 1, 1))]
SHAPE += [Bad((10**6, 10**6, 3), says=r"shape.* would take .* GB")]
MODEL = [Bad(value, TypeError) for value in (None, "model", vl.vae, np.zeros(3))]
DATA = [Bad(value, TypeError) for value in (None, "digits", np.zeros((2, 8, 8, 1)), [])]
CALLABLE = [Bad(value, TypeError) for value in (None, 3, "function")]

# ---- good arguments

K = jr.key(0)
S = (8, 8, 1)
X = np.random.default_rng(0).random((12, *S)).astype(np.float32)
Z = X[:, :2, 0, 0]
POINTS = np.random.default_rng(1).normal(size=(30, 3))
DIGITS = data.Dataset("some", X, np.arange(12) % 3)
TRUE = derivations.Claim(
    1,
    "n",
    "s",
    "t",
    derivations.Verdict.TRUE,
    "e",
    lambda key: derivations.Evidence((derivations.Finding("q", 1, "<", 2),)),
)
GAUSSIAN = gaussian.DiagonalGaussian(jnp.asarray(Z), jnp.zeros(Z.shape))
EMPTY = jnp.zeros((0, 2))
with linear_nets():  # whose weights are drawn without compiling
    VRRAE, AE = vl.vrrae(S, 4, 2, key=K), vl.ae(S, 3, key=K)
basis = bottlenecks.FixedBasis(jnp.eye(4)[:, :2])
FROZEN = eqx.tree_at(lambda m: m.bottleneck, VRRAE, VRRAE.bottleneck.on_basis(basis))
ADAPTIVE = bottlenecks.AdaptiveBasis(3)


class Row(NamedTuple):
    """A function, a good call of it, and what is bad of each argument."""

    call: Callable[..., Any]
    good: dict[str, Any]
    bad: dict[str, list[Bad]]


def row(call: Callable[..., Any], /, **arguments: tuple[Any, list[Bad]]) -> Row:
    """Each argument is a good value and its bad ones."""
    return Row(
        call,
        {name: good for name, (good, _) in arguments.items()},
        {name: bad for name, (_, bad) in arguments.items()},
    )


def model_rows(*names: str, **more: tuple[Any, list[Bad]]) -> dict[str, Row]:
    """Constructors of models that take the same arguments."""
    size = (3, count(1, Bad(HUGE, says="latent_size")))
    common = {"shape": (S, SHAPE), "latent_size": size, **more, "key": (K, KEY)}
    return {f"models.constructors.{name}": row(getattr(vl, name), **common) for name in names}


FLAG = [Bad(v, TypeError) for v in (None, "yes", 1)]
RANK = [*NO_WHOLE, Bad(0), Bad(-1), Bad(4), Bad(HUGE)]
MODELS = {
    **model_rows("ae", "long_ae", "contractive_ae", "avae", "sparse_ae", "vae", "vae_identity", "beta_tcvae", "lorae"),
    **model_rows(
        *("rrae", "vrrae", "rrae_vae", "adaptive_rrae", "adaptive_vrrae"), rank=(2, RANK), centre=(False, FLAG)
    ),
    **model_rows("irmae", num_matrices=(2, count(1, Bad(HUGE), Bad(10**6)))),
    "models.constructors.build": row(
        models.build,
        constructor=("ae", [Bad(v, says="unknown model") for v in ("nonsense", "", None, 3, ["ae"])]),
        arguments=(
            {"shape": S, "latent_size": 3},
            [
                *WRONG,
                Bad({}, says="takes"),
                Bad({"shape": S}, says="takes"),
                Bad({"shape": S, "rank": 3}, says="takes"),
            ],
        ),
        key=(K, KEY),
    ),
    "models.autoencoder.Autoencoder": row(
        models.Autoencoder,
        encoder=(AE.encoder, CALLABLE),
        bottleneck=(AE.bottleneck, WRONG),
        decoder=(AE.decoder, CALLABLE),
        shape=(S, [bad for bad in SHAPE[:-1] if bad.value != (3, 8, 1)]),
    ),
    "Autoencoder.__call__": row(VRRAE, x=(X, images(X)), key=(K, [])),
    "Autoencoder.squared_error": row(VRRAE.squared_error, x=(X, images(X)), key=(K, [])),
    "Autoencoder.encode": row(VRRAE.encode, x=(X, images(X))),
    "Autoencoder.decode": row(FROZEN.decode, z=(Z, [*NO_ARRAYS, *map(Bad, (Z[0], Z[None], Z[:, :1], Z[:, :0]))])),
    "Autoencoder.reconstruct": row(FROZEN.reconstruct, x=(X, images(X))),
    "models.frozen.freeze_basis": row(
        models.freeze_basis,
        model=(VRRAE, MODEL),
        x=(X, images(X)),
        mesh=(None, [Bad("abc", TypeError), Bad(3, TypeError)]),
    ),
    "models.precision.mixed_precision": row(models.mixed_precision, model=(VRRAE, MODEL)),
    "models.autoencoder.num_parameters": row(models.num_parameters, model=(VRRAE, MODEL)),
    "models.autoencoder.trainable": row(models.trainable, model=(VRRAE, MODEL)),
    "models.frozen.is_frozen": row(models.is_frozen, model=(VRRAE, MODEL)),
    "models.frozen.check_frozen": row(models.check_frozen, model=(FROZEN, [*MODEL, Bad(VRRAE)])),
    "models.autoencoder.check_images": row(models.check_images, x=(X, images(X)), shape=(S, [])),
    "models.autoencoder.as_floats": row(models.as_floats, x=(X, NO_ARRAYS)),
    "models.autoencoder.in_batches": row(
        models.in_batches,
        function=(np.sum, []),
        x=(X, [*NO_ARRAYS, Bad(X[:0], says="no samples"), Bad(np.array(1.0), says="no samples")]),
        size=(5, count()),
    ),
    "nets.ConvEncoder": row(nets.ConvEncoder, shape=(S, SHAPE), latent_size=(2, count(1, Bad(HUGE))), key=(K, KEY)),
    "nets.ConvDecoder": row(nets.ConvDecoder, shape=(S, SHAPE), latent_size=(2, count(1, Bad(HUGE))), key=(K, KEY)),
    "nets.microbatch_size": row(nets.microbatch_size, shape=(S, [b for b in SHAPE[:-1] if b.value != (3, 8, 1)])),
    "nets.check_shape": row(nets.check_shape, shape=(S, SHAPE[:-1])),
}

LATENTS = jnp.asarray(POINTS, jnp.float32)
METHOD = [Bad("qr"), Bad(""), Bad(None), Bad(3)]
BASIS = [Bad(v, TypeError) for v in ("abc", 3, object(), np.eye(3))]
MATRIX = [*NO_ARRAYS, *(Bad(v, says="shape") for v in (LATENTS[0], LATENTS[None], LATENTS[:, :0]))]
BOTTLENECKS = {
    "bottlenecks.bases.BatchBasis": row(
        bottlenecks.BatchBasis, rank=(2, count()), method=("auto", METHOD), centre=(False, FLAG)
    ),
    "BatchBasis.project": row(bottlenecks.BatchBasis(2).project, latents=(LATENTS, [*MATRIX, Bad(LATENTS[:1])])),
    "bottlenecks.bases.AdaptiveBasis": row(
        bottlenecks.AdaptiveBasis,
        rank=(3, count()),
        active=(2, [Bad("3", TypeError), Bad(2.5, TypeError), Bad(0), Bad(4), Bad(-1)]),
        method=("auto", METHOD),
        centre=(False, FLAG),
    ),
    "bottlenecks.bases.FixedBasis": row(
        bottlenecks.FixedBasis,
        matrix=(LATENTS, [*MATRIX, Bad(LATENTS[:0])]),
        offset=(None, [*NO_ARRAYS[1:], Bad(LATENTS[0, :1]), Bad(LATENTS)]),
    ),
    "bottlenecks.full_rank.LinearStack": row(
        bottlenecks.LinearStack,
        latent_size=(3, count(1, Bad(HUGE))),
        num_matrices=(2, count(1, Bad(HUGE), Bad(10**6))),
        key=(K, KEY),
    ),
    "bottlenecks.full_rank.Variational": row(
        bottlenecks.Variational, latent_size=(3, count(1, Bad(HUGE))), mean_layer=(None, BASIS), key=(K, KEY)
    ),
    "bottlenecks.low_rank.LowRank": row(bottlenecks.LowRank, basis=(ADAPTIVE, [*BASIS, Bad(None, TypeError)])),
    "LowRank.of_rank": row(bottlenecks.LowRank.of_rank, rank=(2, count()), centre=(False, FLAG)),
    "bottlenecks.low_rank.VariationalLowRank": row(
        bottlenecks.VariationalLowRank,
        rank=(3, count(1, Bad(HUGE), Bad(2))),
        basis=(ADAPTIVE, BASIS),
        centre=(False, FLAG),
        mean_layer=(None, BASIS),
        key=(K, KEY),
    ),
    "papers.disagreements": row(papers.disagreements, data=("mnist", [Bad(v) for v in ("svhn", None, 3, ["mnist"])])),
    "linalg.svd.truncated_svd": row(
        linalg.truncated_svd, latents=(LATENTS, MATRIX), rank=(2, count(1, Bad(4), Bad(HUGE))), method=("auto", METHOD)
    ),
    "linalg.bases.GramBasis": row(linalg.GramBasis, latent_size=(3, count(1, Bad(HUGE)))),
    "GramBasis.add": row(linalg.GramBasis(3).add, latents=(LATENTS, [*MATRIX, Bad(LATENTS[:, :2])])),
    "linalg.bases.gram_basis": row(linalg.gram_basis, batches=([LATENTS], []), rank=(2, count(1, Bad(4), Bad(HUGE)))),
    "linalg.bases.subspace_angle": row(
        linalg.subspace_angle,
        a=(POINTS, [*rows(POINTS), Bad(POINTS[:2])]),
        b=(POINTS, [*rows(POINTS), Bad(POINTS[:2])]),
    ),
    "linalg.bases.energy_overlap": row(
        linalg.energy_overlap,
        latents=(POINTS, [*rows(POINTS), Bad(POINTS[:, :2]), Bad(0 * POINTS)]),
        basis=(np.eye(3)[:, :2], [*rows(np.eye(3)[:, :2]), Bad(np.eye(2))]),
    ),
    "linalg.svd.nan_unless_finite": row(linalg.nan_unless_finite, matrix=(LATENTS, [])),
    "linalg.svd.check_method": row(linalg.check_method, method=("auto", METHOD)),
    "gaussian.kl_from_singular_values": row(
        gaussian.kl_from_singular_values,
        singular_values=(jnp.ones(2), [*NO_ARRAYS, Bad(jnp.ones(3)), Bad(jnp.ones((2, 1)))]),
        log_variance=(jnp.ones((5, 2)), [*NO_ARRAYS, Bad(jnp.ones(2)), Bad(jnp.ones((5, 3)))]),
    ),
}

OF_TEN = count(1, Bad(11, says="a batch has 11"))
KERNELS = density.KernelDensity(POINTS, 0.5)
AGGREGATE = density.AggregatePosterior(GAUSSIAN)
CENTRES = count(1, Bad(HUGE))
DRAWS = {"n": (3, count(1, Bad(HUGE, says="n = .* would take"))), "key": (K, KEY)}
QUERIES = [*NO_ARRAYS, *map(Bad, (POINTS[0], POINTS[None], POINTS[:, :1]))]
DENSITIES = {
    "density.kernel.KernelDensity": row(
        density.KernelDensity,
        points=(
            POINTS,
            [*NO_ARRAYS, *(b for b in rows(POINTS) if isinstance(b.value, np.ndarray) and b.error is ValueError)],
        ),
        bandwidth=(0.5, POSITIVE),
        block_size=(8, count()),
    ),
    "KernelDensity.log_density": row(KERNELS.log_density, z=(LATENTS, QUERIES)),
    "KernelDensity.sample": row(KERNELS.sample, **DRAWS),
    "density.aggregate.AggregatePosterior": row(
        density.AggregatePosterior,
        posterior=(
            GAUSSIAN,
            [
                *WRONG,
                Bad(gaussian.PointMass(jnp.asarray(Z)), TypeError),
                Bad(eqx.tree_at(lambda g: (g.mean, g.log_variance), GAUSSIAN, (EMPTY, EMPTY)), says="means have shape"),
                Bad(eqx.tree_at(lambda g: g.log_variance, GAUSSIAN, EMPTY), says="log variances have shape"),
            ],
        ),
        block_size=(8, count()),
    ),
    "AggregatePosterior.log_density": row(AGGREGATE.log_density, z=(jnp.asarray(Z), QUERIES)),
    "AggregatePosterior.sample": row(AGGREGATE.sample, **DRAWS),
    "density.avae.AvaeBandwidth": row(
        density.AvaeBandwidth,
        trials=(
            (1.0, 2.0),
            [*map(Bad, ((), (1.0,), 5, (1.0, NAN), (0.0, 1.0))), Bad("abc", TypeError), Bad(None, TypeError)],
        ),
    ),
    "density.avae.avae_bandwidth": row(
        density.avae_bandwidth,
        latent_size=(2, count(1, Bad(HUGE, says="would take"))),
        num_centres=(20, count(1, Bad(HUGE, says="would take"))),
        key=(K, KEY),
        num_trials=(2, count(2)),
        num_queries=(5, count(1, Bad(HUGE, says="would take"))),
    ),
    "density.avae.corrected_bandwidth": row(density.corrected_bandwidth, bandwidth=(0.5, POSITIVE)),
    "density.search.best_bandwidth": row(
        density.best_bandwidth,
        score=(abs, CALLABLE),
        low=(0.1, [*NO_NUMBER, *map(Bad, (0.0, -1.0, 4.0, NAN, INF))]),
        high=(3.0, [*NO_NUMBER, *map(Bad, (0.0, 0.05, NAN, INF))]),
    ),
    "density.quadrature.exact_avae_bandwidth": row(
        density.exact_avae_bandwidth, latent_size=(2, CENTRES), num_centres=(20, CENTRES)
    ),
    "density.quadrature.expected_log_density": row(
        density.expected_log_density, latent_size=(2, count()), num_centres=(20, count()), bandwidth=(0.5, POSITIVE)
    ),
    "density.selectors.scott_factor": row(density.scott_factor, num_points=(10, count()), dimension=(2, count())),
    "density.selectors.silverman_factor": row(
        density.silverman_factor, num_points=(10, count()), dimension=(2, count())
    ),
    "density.selectors.least_squares_score": row(
        density.least_squares_score, points=(POINTS, NO_ARRAYS), bandwidth=(0.5, POSITIVE)
    ),
    "density.table.tabulated_bandwidth": row(
        density.tabulated_bandwidth,
        latent_size=(10, [*NO_NUMBER, *map(Bad, (0, 201, NAN, INF))]),
        num_centres=(500, [*NO_NUMBER, *map(Bad, (49, HUGE, NAN, INF))]),
    ),
    **{
        f"density.{call.__module__.rpartition('.')[2]}.{call.__name__}": row(
            call, points=(POINTS, rows(POINTS, "points?"))
        )
        for call in (
            density.scott,
            density.silverman,
            density.avae_reference,
            density.points_scale,
            density.likelihood_cross_validation,
            density.least_squares_cross_validation,
            density.improved_sheather_jones,
        )
    },
}

ROWS = rows(POINTS)
FLAT = [*NO_ARRAYS, Bad(X[:0]), Bad(X[:, :0]), Bad(poisoned(X, NAN)), Bad(poisoned(X, INF))]
HISTOGRAM = [*map(Bad, (np.ones(2), np.array([NAN, 1]), np.array([-1.0, 2.0])))]
HISTOGRAM += [Bad("abc", TypeError), Bad(None, TypeError), Bad(np.array([1.0]), says="shapes")]
METRICS = {
    "metrics.collapse.active_units": row(
        metrics.active_units, means=(POINTS, ROWS), threshold=(0.01, number(-1.0, NAN))
    ),
    "metrics.collapse.effective_rank": row(
        metrics.effective_rank,
        singular_values=(
            np.ones(3),
            [Bad(None, TypeError), Bad("abc", TypeError), *map(Bad, (POINTS, np.array([-1.0, 2]), np.array([NAN])))],
        ),
    ),
    "metrics.collapse.kl_per_coefficient": row(metrics.kl_per_coefficient, posterior=(GAUSSIAN, WRONG)),
    "metrics.bumps.bump_fit_error": row(
        metrics.bump_fit_error,
        x=(
            X,
            [
                Bad("abc", TypeError),
                Bad(None, TypeError),
                *(Bad(v, says="images") for v in (X[:0], X[0], poisoned(X, NAN))),
            ],
        ),
        training=(DIGITS, DATA),
    ),
    "metrics.bumps.straightness": row(metrics.straightness, path=(POINTS, ROWS)),
    "metrics.distances.cubic_kernel": row(metrics.cubic_kernel, x=(POINTS, ROWS), y=(POINTS, ROWS)),
    "metrics.distances.frechet_distance": row(metrics.frechet_distance, x=(POINTS, ROWS), y=(POINTS, ROWS)),
    "metrics.distances.kernel_distance": row(
        metrics.kernel_distance, x=(POINTS, ROWS), y=(POINTS, ROWS), block_size=(8, count())
    ),
    "metrics.distances.mean_kernel_distance": row(
        metrics.mean_kernel_distance,
        x=(POINTS, ROWS),
        y=(POINTS, ROWS),
        num_blocks=(3, count(2, Bad(HUGE, says="samples"))),
        key=(K, KEY),
    ),
    "metrics.distances.same_distribution_floor": row(
        metrics.same_distribution_floor,
        distance=(metrics.energy_distance, CALLABLE),
        x=(POINTS, ROWS),
        counts=(
            (5, 5),
            [*WRONG, *map(Bad, ((), (5,), (0, 5), (5, 5, 5))), Bad((5, HUGE), says="x has"), Bad((5.5, 5), TypeError)],
        ),
        num_repeats=(2, count(2)),
        key=(K, KEY),
    ),
    "metrics.two_sample.energy_distance": row(
        metrics.energy_distance, x=(POINTS, ROWS), y=(POINTS, ROWS), block_size=(8, count())
    ),
    "metrics.two_sample.two_sample_test": row(
        metrics.two_sample_test,
        x=(POINTS, ROWS),
        y=(POINTS, ROWS),
        num_permutations=(5, count(1, Bad(HUGE))),
        block_size=(8, count()),
        key=(K, KEY),
    ),
    "metrics.entropy.leave_one_out_entropy": row(
        metrics.leave_one_out_entropy, z=(POINTS, ROWS), bandwidth=(0.5, POSITIVE)
    ),
    "metrics.entropy.latent_entropy": row(
        metrics.latent_entropy, z=(POINTS, ROWS), bandwidth=(0.5, POSITIVE), num_repeats=(2, count(2)), key=(K, KEY)
    ),
    "metrics.precision_recall.prd": row(
        metrics.prd,
        real=(POINTS, ROWS),
        generated=(POINTS, ROWS),
        num_clusters=(3, count(1, Bad(HUGE, says="clusters"))),
        num_runs=(1, count()),
        num_angles=(11, count(3, Bad(HUGE))),
        key=(K, KEY),
    ),
    "metrics.precision_recall.prd_of_histograms": row(
        metrics.prd_of_histograms,
        real=(np.array([0.5, 0.5]), HISTOGRAM),
        generated=(np.array([0.5, 0.5]), HISTOGRAM),
        num_angles=(11, count(3, Bad(HUGE))),
    ),
    "PRDCurve.f_score": row(metrics.PRDCurve(np.ones(3), np.ones(3)).f_score, beta=(8.0, POSITIVE)),
    "metrics.precision_recall.improved_precision_recall": row(
        metrics.improved_precision_recall,
        real=(POINTS, ROWS),
        generated=(POINTS, ROWS),
        num_neighbours=(3, count(1, Bad(HUGE, says="samples"))),
        block_size=(8, count()),
    ),
    "metrics.reconstruction.relative_error": row(
        metrics.relative_error,
        x=(X, [Bad("abc", TypeError), Bad(None, TypeError), Bad(X[1:]), Bad(0 * X), Bad(poisoned(X, NAN))]),
        x_hat=(X, [Bad("abc", TypeError), Bad(None, TypeError), Bad(X[1:])]),
    ),
    "metrics.reconstruction.linear_error": row(metrics.linear_error, x_train=(X, FLAT), rank=(2, count())),
    "metrics.reconstruction.linear_test_error": row(
        metrics.linear_test_error, x_train=(X, FLAT), x_test=(X, FLAT), rank=(2, count())
    ),
    "metrics.reconstruction.nearest_image_error": row(
        metrics.nearest_image_error, x=(X, FLAT), x_train=(X, FLAT), block_size=(4, count())
    ),
}

IMAGES_WITH_LABELS = [*DATA, Bad(dataclasses.replace(DIGITS, labels=None), says="has no labels")]
RECORD = {"results": [{"model": "a", "seed": 0, "metrics": {"error": 1.0}}]}
STUDY = {
    "data": ("bumps", [Bad(v) for v in ("nonsense", "", None, 3)]),
    "num_steps": (5, [b for b in count() if b.value is not None]),
    "num_seeds": (2, count()),
    "seed": (0, count(0)),
    "extent": (experiments.subjects.Extent.TINY, WRONG),
    "data_dir": (None, [Bad(3, TypeError), Bad("")]),
    "manual_dir": (None, [Bad(3, TypeError), Bad("")]),
}


def study(kind: type, **more: tuple[Any, list[Bad]]) -> Row:
    """An experiment on images."""
    common = STUDY | {"data": (kind.data, STUDY["data"][1])}
    return row(kind, **common, **more)


def tuples(good: tuple[Any, ...], *bad: Any) -> tuple[Any, list[Bad]]:
    return good, [Bad(5, TypeError), Bad(None, TypeError), Bad([1], TypeError), Bad(()), Bad(("x",), TypeError), *bad]


JUDGED = {name: (5, count()) for name in ("num_generated", "num_pairs", "classifier_steps")}
LIBRARY = {
    "data.dataset.Dataset": row(
        data.Dataset,
        name=("some", TEXT),
        x=(
            X,
            [*NO_ARRAYS, *(Bad(v, says="x (is|has)") for v in (X[0], X[:, :0], X[None], X.astype(int), X > 0))],
        ),
        labels=(None, [Bad("abc", TypeError), Bad([1, 2], TypeError), Bad(np.arange(5), says="labels has shape")]),
        offset=(0.0, NO_NUMBER),
        scale=(1.0, POSITIVE),
    ),
    "Dataset.take": row(DIGITS.take, n=(3, count(1, Bad(13), Bad(HUGE)))),
    "data.own.from_arrays": row(
        data.from_arrays,
        images=(X, [*(Bad(v, TypeError) for v in ("abc", object(), X * 1j)), *map(Bad, (3.0, X[0, 0], X[:0]))]),
        labels=(None, [Bad(object(), TypeError), Bad(3), Bad(np.arange(5))]),
        name=("some", TEXT),
    ),
    "data.own.from_folder": row(
        data.from_folder,
        folder=(data.images.MNIST_SHEET, [*PATH, Bad("nowhere", FileNotFoundError)]),
        size=(8, count(4, Bad(HUGE))),
        colour=(None, [Bad("yes", TypeError), Bad(1, TypeError)]),
        name=(None, [Bad(3, TypeError)]),
    ),
    "data.synthetic.bumps": row(
        data.bumps, num_images=(16, [*NO_WHOLE, *map(Bad, (0, -1, 5, 1, HUGE))]), image_size=(8, count(8, Bad(HUGE)))
    ),
    "data.synthetic.bumps_test": row(
        data.bumps_test, num_images=(4, count(1, Bad(HUGE))), image_size=(8, count(8, Bad(HUGE))), key=(K, KEY)
    ),
    "data.synthetic.bumps_diagonal": row(
        data.bumps_diagonal, num_images=(4, count(2, Bad(HUGE))), image_size=(8, count(8, Bad(HUGE)))
    ),
    "data.images.digits": row(
        data.digits, split=("train", [Bad(v) for v in ("nonsense", "", None, 3)]), n=(3, [*count()[1:], Bad(HUGE)])
    ),
    "data.images.load": row(
        data.load,
        name=("digits", [Bad(v) for v in ("nonsense", "", None, 3)]),
        split=("train", [Bad(v) for v in ("nonsense", "", None, 3)]),
        n=(3, [*count()[1:], Bad(HUGE)]),
        size=(None, [Bad(v) for v in (7, -1, "8", 2.5)]),
        data_dir=(None, [Bad(3, TypeError), Bad(""), Bad("a\0b")]),
        manual_dir=(None, [Bad(3, TypeError), Bad(""), Bad("a\0b")]),
        dtype=(np.float32, [Bad(v) for v in (int, "nonsense", 3, np.uint8)]),
        mirror=(None, [Bad(3, TypeError), Bad(b"http://a", TypeError)]),
    ),
    "data.images.split_sizes": row(data.split_sizes, name=("mnist", [Bad(v) for v in ("dogs", "", None, 3)])),
    "checkpoint.save": row(
        checkpoint.save,
        path=("nowhere/x.ckpt", PATH),
        model=(VRRAE, MODEL),
        notes=({}, [Bad([], TypeError), Bad(3, TypeError), Bad("abc", TypeError)]),
        half_precision=(False, [Bad(v, TypeError) for v in (None, "float16", np.float16, 16)]),
    ),
    "checkpoint.load": row(checkpoint.load, path=("nowhere/x.ckpt", PATH)),
    "checkpoint.shipped": row(
        checkpoint.shipped, name=("bumps_vrrae", [Bad(v, says="no model") for v in ("x", "", None, 3, "../cli")])
    ),
    "train.fit": row(
        train.fit,
        model=(VRRAE, MODEL),
        x=(X, [*images(X), Bad(poisoned(X, NAN), says="NaN"), Bad(poisoned(X, INF), says="NaN or infinity")]),
        loss=(losses.Variational(0.1), CALLABLE),
        optimizer=(optax.sgd(0.1), WRONG),
        batch_size=(4, count(1, Bad(13), Bad(1), Bad(HUGE))),
        num_steps=(1, count()),
        key=(K, KEY),
        callback=(None, [Bad("abc", TypeError), Bad(3, TypeError), Bad(print, TypeError)]),
        checkpoints=(None, [Bad("folder", TypeError), Bad(3, TypeError)]),
        mesh=(None, [Bad("abc", TypeError), Bad(3, TypeError)]),
    ),
    "train.steps_in_epochs": row(
        train.steps_in_epochs, num_epochs=(2.0, POSITIVE), num_samples=(10, count()), batch_size=(3, count())
    ),
    "checkpoints.Checkpoints": row(vl.Checkpoints, folder=("folder", PATH), every=(3, count()), keep=(2, count())),
    "adaptive_rank.AdaptiveRank": row(
        vl.AdaptiveRank,
        every=(5, count()),
        patience=(2, count()),
        tolerance=(0.1, number(0.0, 1.0, -1.0, NAN, INF)),
        good_enough=(0.0, number(-1.0, NAN)),
    ),
    "validation_beta.ValidationBeta": row(
        vl.ValidationBeta,
        x=(X, [*NO_ARRAYS, Bad(X[0]), Bad(X[None]), Bad(X[:0], says="no validation images")]),
        every=(3, count()),
        rule=(np.mean, CALLABLE),
        largest=(1.0, number(0.0, -1.0, NAN)),
    ),
    "compilation.keep_compiled": row(vl.keep_compiled, folder=("folder", PATH[1:])),
    "explore.coefficients": row(explore.coefficients, model=(FROZEN, MODEL), x=(X, images(X))),
    "explore.generate": row(
        explore.generate,
        model=(FROZEN, MODEL),
        x_train=(X, [b._replace(says="x = |images|x is an array|x has shape") for b in images(X)]),
        num_images=(2, count(1, Bad(HUGE))),
        num_components=(2, count(1, Bad(13), Bad(HUGE))),
        key=(K, KEY),
    ),
    "explore.sample_mixture": row(
        explore.sample_mixture,
        z=(Z, [b for b in rows(Z, "z = |z has shape|z contains|coefficients contain|rows of z")]),
        num_samples=(2, count(1, Bad(HUGE))),
        num_components=(2, count(1, Bad(13), Bad(HUGE))),
        key=(K, KEY),
    ),
    "explore.interpolate": row(
        explore.interpolate,
        model=(FROZEN, MODEL),
        start=(X[:2], [*NO_ARRAYS, Bad(X[:3])]),
        end=(X[:2], [*NO_ARRAYS, Bad(X[:3])]),
        num_points=(3, count(2)),
    ),
    "explore.traverse": row(
        explore.traverse,
        model=(FROZEN, MODEL),
        z=(Z[0], [*NO_ARRAYS, Bad(Z)]),
        coefficient=(1, [*NO_WHOLE, *map(Bad, (2, -1, HUGE))]),
        values=(Z[:, 0], [*NO_ARRAYS, Bad(Z)]),
    ),
    "features.labels.accuracy": row(
        features.accuracy,
        logits=(POINTS, [*NO_ARRAYS, Bad(POINTS[:0]), Bad(POINTS[0])]),
        targets=(np.arange(30) % 3, [*NO_ARRAYS, Bad(np.arange(29)), Bad(np.zeros((30, 2)))]),
    ),
    "features.labels.targets": row(
        features.targets,
        train=(DIGITS, [b._replace(says="train|some") for b in IMAGES_WITH_LABELS]),
        test=(DIGITS, [b._replace(says="test|some") for b in IMAGES_WITH_LABELS]),
    ),
    "features.scores.frechet_title": row(
        features.frechet_title, features=("a classifier", TEXT), accuracy=(99.0, NO_NUMBER[1:])
    ),
    "features.classifier.train_classifier": row(
        features.train_classifier,
        train=(DIGITS, DATA),
        test=(DIGITS, DATA),
        num_steps=(1, count()),
        batch_size=(4, count()),
        learning_rate=(0.1, POSITIVE),
        num_features=(4, count()),
        key=(K, KEY),
    ),
    "features.classifier.kept_classifier": row(
        features.kept_classifier,
        path=("nowhere/x.eqx", PATH),
        train=(DIGITS, DATA),
        test=(DIGITS, DATA),
        num_steps=(1, count()),
        key=(K, KEY),
    ),
    "features.classifier.load_classifier": row(features.load_classifier, path=("nowhere/x.eqx", PATH)),
    "features.classifier.save_classifier": row(
        features.save_classifier, path=("nowhere/x.eqx", PATH), model=(None, [*WRONG, Bad(VRRAE, TypeError)])
    ),
    "losses.variational.Variational": row(losses.Variational, beta=(1.0, WEIGHT)),
    "losses.variational.PaperVariational": row(losses.PaperVariational, beta=(1.0, WEIGHT)),
    "losses.penalties.Sparse": row(losses.Sparse, beta=(1.0, WEIGHT), rho=(0.1, number(0.0, 1.0, NAN, INF, -1.0))),
    "losses.penalties.Contractive": row(
        losses.Contractive, beta=(1.0, WEIGHT), num_probes=(2, [b for b in count() if b.value is not None])
    ),
    "losses.penalties.NuclearNorm": row(losses.NuclearNorm, weight=(1.0, WEIGHT)),
    "losses.aggregate.AggregateMatching": row(
        losses.AggregateMatching, beta=(1.0, WEIGHT), bandwidth=(0.5, POSITIVE), num_centres=(3, count())
    ),
    "losses.total_correlation.MinibatchWeighted": row(losses.MinibatchWeighted, num_images=(10, count())),
    "losses.total_correlation.MinibatchStratified": row(losses.MinibatchStratified, num_images=(10, count())),
    "MinibatchWeighted.weights": row(losses.MinibatchWeighted(10).weights, batch_size=(4, OF_TEN)),
    "MinibatchStratified.weights": row(losses.MinibatchStratified(10).weights, batch_size=(4, OF_TEN)),
    "losses.total_correlation.TotalCorrelation": row(
        losses.TotalCorrelation,
        beta=(1.0, WEIGHT),
        estimator=(losses.MinibatchWeighted(10), WRONG),
        alpha=(1.0, WEIGHT),
        gamma=(1.0, WEIGHT),
    ),
    "derivations.by_number": row(
        derivations.by_number,
        number=(1, [Bad(v, says="no claim has the number") for v in (0, -1, 999, "x", None, NAN)]),
    ),
    "derivations.report.check": row(derivations.check, claim=(TRUE, WRONG), key=(K, KEY)),
    "Outcomes.check": row(
        derivations.Outcomes({1: derivations.check(TRUE, key=K)}).check,
        number=(1, [Bad(v, says="there are 1") for v in (0, -1, 999, "x", None, NAN)]),
        key=(K, KEY),
    ),
    "derivations.report.findings_table": row(derivations.findings_table, outcome=(None, WRONG)),
    "derivations.report.table": row(
        derivations.table, outcomes=([], [Bad([None], TypeError, "outcome"), Bad(["a"], TypeError, "outcome")])
    ),
    "experiments.comparison.of_model": row(
        experiments.of_model,
        record=(RECORD, [*WRONG, Bad({})]),
        name=("a", [Bad(v, says="no model") for v in ("b", None, 3)]),
        metric=("error", [Bad(v, says="no metric") for v in ("b", None, 3)]),
    ),
    "experiments.record.shipped_record": row(
        experiments.shipped_record, name=("bumps", [Bad(v, says="no record") for v in ("x", "", None, 3, "../cli")])
    ),
    "experiments.record.read_record": row(
        experiments.read_record,
        source=(
            "bumps",
            [*PATH, Bad("x", says="no record"), Bad("x.json", says="no record"), Bad(__file__, says="JSON")],
        ),
    ),
    "experiments.two_records.compare_records": row(
        experiments.compare_records,
        first=(RECORD, [Bad(v, TypeError, "record") for v in (None, 3, "bumps")] + [Bad({}, says="no record")]),
        second=(RECORD, [Bad({"results": [{"model": "b"}]}, says="no seed")]),
    ),
    "experiments.short_run": row(experiments.short_run, kind=(experiments.Bumps, WRONG)),
    "experiments.bumps.Bumps": row(
        experiments.Bumps,
        **{
            field.name: (5, count(0 if field.name == "seed" else 1))
            for field in dataclasses.fields(experiments.Bumps)
            if isinstance(field.default, int)
        },
        learning_rate=(1e-3, WEIGHT),
        beta=(0.1, WEIGHT),
    ),
    "experiments.bandwidth_table.BandwidthTable": row(
        experiments.BandwidthTable,
        **{
            name: tuples((1, 2), Bad((0,)), Bad((1, -1)), Bad((2.5,), TypeError))
            for name in ("latent_sizes", "num_centres", "grid_latent_sizes", "grid_num_centres")
        },
        num_queries=(5, count()),
        num_seeds=(2, count(2)),
        seed=(0, count(0)),
    ),
    "experiments.ablations.Ablations": study(experiments.Ablations, num_generated=(5, count())),
    "experiments.avae.Avae": study(experiments.Avae, beta=(0.1, WEIGHT), correlation_factor=(1.0, WEIGHT)),
    "experiments.batch_size.BatchSize": study(experiments.BatchSize, batch_sizes=tuples((8,), Bad((0,)))),
    "experiments.beta_sweep.BetaSweep": study(experiments.BetaSweep, betas=tuples((0.1,), Bad((-1.0,)), Bad((NAN,)))),
    "experiments.beta_training.BetaTraining": study(experiments.BetaTraining, betas=tuples((0.1,), Bad((-1.0,)))),
    "experiments.collapse_map.CollapseMap": study(
        experiments.CollapseMap,
        relative_betas=tuples((0.1,), Bad((-1.0,))),
        learning_rates=tuples((0.1,), Bad((NAN,))),
    ),
    "experiments.cost.Cost": study(experiments.Cost, rounds=(2, count()), seconds=(1.0, WEIGHT)),
    "experiments.zoo.Zoo": study(
        experiments.Zoo,
        num_generated=(5, count()),
        **{f"{name}": (0.1, WEIGHT) for name in ("nuclear_weight", "sparse_beta", "contractive_beta")},
    ),
    **{
        f"experiments.image_sets.{kind.__name__}": study(kind, **JUDGED)
        for kind in (experiments.ImageSet, experiments.Mnist, experiments.Cifar10, experiments.CelebA)
    },
    **{
        f"exercises.{name}": row(check, answer=(len, CALLABLE))
        for name, check in vars(exercises).items()
        if name.startswith("check_") and check.__module__ == exercises.__name__
    },
}

TO_DRAW = [Bad(v, says="images have") for v in (None, "abc", 3, X[0], X[:0], np.zeros((2, 8, 8, 2)))]
NAMED = [Bad(v, TypeError) for v in (None, 3, [1.0], {"a": 1.0}, {"a": None})]
BY_NAME = [Bad(v, TypeError) for v in (None, 3, [FROZEN])]
SHOWN = [*NO_WHOLE, *map(Bad, (0, -1, 13, HUGE))]
VIEWS = {
    "figures.pictures.image_grid": row(figures.image_grid, images=(X, TO_DRAW), columns=(3, [Bad(0), Bad(-1)])),
    "figures.charts.latent_plane": row(
        figures.latent_plane,
        planes=({"a": Z}, [Bad({}), Bad({"a": Z[0]}), Bad({"a": Z[:, :1]})]),
        paths=(None, [Bad({}), Bad({"b": Z})]),
    ),
    "figures.charts.lines": row(figures.lines, curves=({"a": Z[:, 0]}, []), x=(np.arange(12), [Bad(np.arange(3))])),
    "figures.charts.sweep_lines": row(
        figures.sweep_lines, curves=({"a": [1.0]}, []), x=([1.0], [Bad([], says="x has")])
    ),
    "figures.charts.bars": row(figures.bars, values=({"a": [1.0]}, NAMED)),
    "figures.charts.seed_strip": row(figures.seed_strip, values=({"a": [1.0]}, NAMED)),
    "widgets.explorer.explore": row(
        widgets.explore,
        model=(FROZEN, [*MODEL, Bad(VRRAE)]),
        data=(DIGITS, DATA),
        other=(None, [b._replace(says="model") for b in MODEL[1:]]),
    ),
    "widgets.export.export_html": row(
        widgets.export_html,
        what=(FROZEN, [*WRONG, Bad((), says="0 models"), Bad(VRRAE, says="model"), Bad(FROZEN, TypeError, "VRRAE")]),
        data=(DIGITS, [Bad(None), *DATA[1:]]),
        path=("nowhere/x.html", PATH),
    ),
    "widgets.truncated_svd.truncated_svd": row(widgets.truncated_svd, data=(None, DATA[1:]), key=(K, KEY)),
    "widgets.kl.kl": row(
        widgets.kl,
        mean=(1.0, number(-3.1, 4, NAN, INF)),
        standard_deviation=(0.5, number(0, 0.01, 3, NAN, INF)),
        means=(
            [1.0],
            [*map(Bad, ([], [4.0], [NAN], 3, [[1.0]], [0.0] * 17)), Bad("a", TypeError), Bad([None], TypeError)],
        ),
    ),
    "widgets.density.density": row(
        widgets.density,
        points=(POINTS[:, :2], rows(POINTS[:, :2], "points")),
        bandwidth=(None, number(0.0, -1.0, NAN, INF)[1:]),  # all but None
    ),
    "widgets.density.bandwidth_surface": row(
        widgets.bandwidth_surface, latent_size=(2, count(1, Bad(201))), num_centres=(60, count(50, Bad(50_001)))
    ),
    "widgets.collapse_map.collapse_map": row(
        widgets.collapse_map,
        record=(
            experiments.shipped_record("collapse_map_16"),
            [*(Bad(v, TypeError, "record") for v in ("abc", 3, object(), [])), Bad({}, says="no record")],
        ),
    ),
    "widgets.batch_truncation.batch_truncation": row(
        widgets.batch_truncation,
        latent_size=(4, count(1, Bad(HUGE, says="GB"))),
        rank=(2, count(1, Bad(5))),
        batch_size=(8, count(1, Bad(1025))),
        key=(K, KEY),
    ),
    "widgets.spectrum.spectrum": row(
        widgets.spectrum,
        source=(
            [1.0],
            [
                *map(Bad, ([], [0.0], [-1.0], [NAN], 3, [[1.0]])),
                *(Bad(v, TypeError) for v in ("a", [None], None)),
                *(Bad(v, says="record") for v in ({}, {"results": []}, {"results": [3]})),
            ],
        ),
    ),
    "widgets.playground.playground": row(
        widgets.playground,
        data=("digits", [Bad(v, says="data = |some has 3") for v in (None, "nonsense", 3, DIGITS.take(3))]),
        models=(("vae", "vrrae"), [*WRONG, *map(Bad, ((), ("vae",), ("vae", "vae"), ("vae", "nonsense")))]),
        changed=(
            None,
            [
                Bad(3, TypeError),
                Bad({"beta": -1}, says="beta = -1"),
                Bad({"alpha": 1}),
                Bad({"rank": "a"}, TypeError, says="rank = 'a'"),
            ],
        ),
        key=(K, KEY),
    ),
    "widgets.race.race": row(
        widgets.race,
        recording=("mnist_collapse", [Bad(None, TypeError), Bad(3, TypeError), Bad(""), Bad("abc", FileNotFoundError)]),
    ),
}

TABLE = MODELS | BOTTLENECKS | DENSITIES | METRICS | LIBRARY | VIEWS
