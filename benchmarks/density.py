"""Kernel densities against SciPy and scikit-learn, and AVAE's bandwidth against the published way to find it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.stats import gaussian_kde
from sklearn.neighbors import KernelDensity as SklearnKernelDensity

from benchmarks.measure import Row, interleaved, ratio
from vrrae_lab import density

# points and queries, dimension
SIZES = ((10_000, 16), (10_000, 2))
# latent size, centres
BANDWIDTHS = ((10, 500), (10, 10_000), (100, 10_000))
PUBLISHED_STEPS, PUBLISHED_TRIALS = 10_000, 3
QUERIES_PER_STEP = 100


def rows(fast: bool) -> list[Row]:
    """Milliseconds for as many log densities as points, ours in float32, theirs in float64, which scikit-learn always
    and SciPy by default computes in; and for the bandwidth of AVAE. The published way, 3 trials of 10,000 Adam steps
    with fresh samples, is timed on 10 steps of 100 queries each, and that time multiplied."""
    sizes, bandwidths = (((300, 16),), ((10, 100),)) if fast else (SIZES, BANDWIDTHS)
    return [_kernels(count, dimension, fast) for count, dimension in sizes] + [
        _bandwidth(latent_size, count, fast) for latent_size, count in bandwidths
    ]


def _kernels(count: int, dimension: int, fast: bool) -> Row:
    rng = np.random.default_rng(0)
    points, z = (rng.normal(size=(count, dimension)).astype(np.float32) for _ in range(2))
    bandwidth, z_jax = density.scott_factor(count, dimension), jnp.asarray(z)
    scipys = gaussian_kde(points.T.astype(float), bw_method=bandwidth)
    sklearns = SklearnKernelDensity(bandwidth=bandwidth).fit(points)
    ways: dict[str, Callable[[], Any]] = {
        "ours": partial(density.KernelDensity(points, bandwidth).log_density, z_jax),
        "SciPy": partial(scipys.logpdf, z.T.astype(float)),
        "scikit-learn": partial(sklearns.score_samples, z),
    }
    times = interleaved(ways, 0.1 if fast else 30, rounds=5)
    ratios = {f"{name} / ours": ratio(times, name, "ours") for name in ("SciPy", "scikit-learn")}
    return {"what": f"{count:,} × {count:,} log densities, d = {dimension}"} | times | ratios


def _bandwidth(latent_size: int, count: int, fast: bool) -> Row:
    key, timed_steps = jax.random.key(0), 2 if fast else 10
    ways: dict[str, Callable[[], Any]] = {
        "ours": partial(density.avae_bandwidth, latent_size, count, key=key, num_trials=PUBLISHED_TRIALS),
        "without chance": partial(density.exact_avae_bandwidth, latent_size, count),
        "published": partial(_adam, latent_size, count, timed_steps, key=key),
    }
    times = interleaved(ways, 0.1 if fast else 30, rounds=5)
    times["published"] *= PUBLISHED_TRIALS * PUBLISHED_STEPS / timed_steps
    times["published / ours"] = ratio(times, "published", "ours")
    return {"what": f"AVAE's bandwidth, l = {latent_size}, m = {count:,}"} | times


@partial(jax.jit, static_argnums=(0, 1, 2))
def _adam(latent_size: int, count: int, num_steps: int, *, key: jax.Array) -> jax.Array:
    """Steps of gradient ascent on the log density of fresh queries under kernels on fresh centres."""
    adam = optax.adam(1e-3)

    def loss(log_h: jax.Array, key: jax.Array) -> jax.Array:
        centre_key, query_key = jax.random.split(key)
        centres = jax.random.normal(centre_key, (count, latent_size))
        queries = jax.random.normal(query_key, (QUERIES_PER_STEP, latent_size))
        squares = jnp.sum(centres**2, axis=1)[:, None] + jnp.sum(queries**2, axis=1)[None] - 2 * centres @ queries.T
        return latent_size * log_h - jnp.mean(jax.nn.logsumexp(-squares / (2 * jnp.exp(2 * log_h)), axis=0))

    def step(state: tuple[jax.Array, Any], key: jax.Array) -> tuple[tuple[jax.Array, Any], None]:
        log_h, moments = state
        updates, moments = adam.update(jax.grad(loss)(log_h, key), moments)
        return (log_h + updates, moments), None

    start = jnp.zeros(())
    (log_h, _), _ = jax.lax.scan(step, (start, adam.init(start)), jax.random.split(key, num_steps))
    return jnp.exp(log_h)
