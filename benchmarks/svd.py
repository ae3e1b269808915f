"""The SVD layer, forward and backward, at the papers' four sizes: against jnp, the authors' RRAEs, and PyTorch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import peers
from benchmarks.measure import Absent, Row, interleaved, ratio
from vrrae_lab.linalg import Method, truncated_svd

# latent size, batch size, rank: bumps, MNIST, CIFAR-10, CelebA
SIZES = ((200, 64, 2), (100, 576, 16), (512, 64, 60), (512, 576, 186))


def rows(fast: bool) -> list[Row]:
    """Milliseconds for a weighted sum of basis and coefficients and its gradient; "LAPACK" and "Gram" are ours."""
    table = []
    for latent_size, batch, rank in SIZES[:1] if fast else SIZES:
        rng = np.random.default_rng(0)
        arrays = [
            rng.normal(size=size).astype(np.float32)
            for size in ((batch, latent_size), (latent_size, rank), (batch, rank))
        ]
        theirs = peers.rraes_svd()
        ways: dict[str, Callable[[], Any] | Absent] = {
            "LAPACK": _ours(arrays, rank, "svd"),
            "Gram": _ours(arrays, rank, "gram"),
            "jnp": _columns(arrays, rank, partial(jnp.linalg.svd, full_matrices=False)),
            "RRAEs": theirs if isinstance(theirs, Absent) else _columns(arrays, rank, theirs),
            "PyTorch": _torch(arrays, rank),
            "one eigh": _eigh(arrays[0]),
        }
        times = interleaved(ways, 0.1 if fast else 8, rounds=200)
        table.append(
            {"L×B, k": f"{latent_size}×{batch}, {rank}"}
            | times
            | {"RRAEs / LAPACK": ratio(times, "RRAEs", "LAPACK"), "RRAEs / Gram": ratio(times, "RRAEs", "Gram")}
            | {"Gram / one eigh": ratio(times, "Gram", "one eigh")}
        )
    return table


def _ours(arrays: list[np.ndarray], rank: int, method: Method) -> Callable[[], Any]:
    def factors(latents: jax.Array) -> tuple[jax.Array, jax.Array]:
        svd = truncated_svd(latents, rank, method=method)
        return svd.basis, svd.coefficients

    return _gradient(factors, arrays)


def _columns(arrays: list[np.ndarray], rank: int, svd: Callable[[jax.Array], Any]) -> Callable[[], Any]:
    """The same of an SVD of samples as columns, differentiated by its own rule."""

    def factors(columns: jax.Array) -> tuple[jax.Array, jax.Array]:
        u, values, right = svd(columns)
        return u[:, :rank], (values[:rank, None] * right[:rank]).T

    return _gradient(factors, [arrays[0].T, *arrays[1:]])


def _gradient(
    factors: Callable[[jax.Array], tuple[jax.Array, jax.Array]], arrays: list[np.ndarray]
) -> Callable[[], Any]:
    latents, *weights = map(jnp.asarray, arrays)

    @jax.jit
    @jax.value_and_grad
    def weighted(latents: jax.Array, basis_weights: jax.Array, coefficient_weights: jax.Array) -> jax.Array:
        basis, coefficients = factors(latents)
        return jnp.vdot(basis, basis_weights) + jnp.vdot(coefficients, coefficient_weights)

    return lambda: weighted(latents, *weights)


def _torch(arrays: list[np.ndarray], rank: int) -> Callable[[], Any] | Absent:
    if peers.torch is None:
        return Absent("torch")
    device = peers.torch_device()
    latents, basis_weights, coefficient_weights = (peers.torch.tensor(a, device=device) for a in arrays)
    latents = latents.T.contiguous().requires_grad_(True)

    def once() -> None:
        latents.grad = None
        u, values, right = peers.torch.linalg.svd(latents, full_matrices=False)
        coefficients = (values[:rank, None] * right[:rank]).T
        ((u[:, :rank] * basis_weights).sum() + (coefficients * coefficient_weights).sum()).backward()
        peers.torch_wait()

    return once


def _eigh(latents: np.ndarray) -> Callable[[], Any]:
    """Of the smaller Gram matrix: what the Gram form cannot do without."""
    rows = latents if len(latents) >= latents.shape[1] else latents.T
    gram = jnp.asarray(rows.T @ rows)
    eigh = jax.jit(jnp.linalg.eigh)
    return lambda: eigh(gram)
