"""One device or eight: how far apart the same run ends, in a process with eight virtual devices of the CPU."""

import argparse
import json

from benchmarks.measure import Row, row_of_a_process

NUM_DEVICES = 8
NUM_STEPS = 20
# batch and latent size of each way to decompose: where B <= 2L the latents are gathered. A VAE decomposes nothing.
WAYS = {"latents gathered": (64, 64), "Gram matrix": (512, 64), "none (VAE)": (64, 8)}


def rows(fast: bool) -> list[Row]:
    """A VRRAE of the digits, rank 8, AdaBelief, and a VAE beside it: the largest relative difference of a step's loss,
    the largest absolute one of a weight, and the largest angle between the spans of the frozen bases, in radians; the
    vectors in them turn into each other where singular values nearly tie.
    """
    devices = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={NUM_DEVICES}", "JAX_PLATFORMS": "cpu"}
    return [
        row_of_a_process("benchmarks.sharded", way, precision, str(2 if fast else NUM_STEPS), environment=devices)
        for way in (list(WAYS)[:1] if fast else WAYS)
        for precision in ("float32", "float64")
    ]


def measured(way: str, precision: str, num_steps: int) -> Row:
    """Train twice from the same key, and compare."""
    import equinox as eqx
    import jax
    import numpy as np
    import optax
    from jax.sharding import Mesh

    jax.config.update("jax_enable_x64", precision == "float64")
    import vrrae_lab as vl

    batch_size, latent_size = WAYS[way]
    x, key = vl.data.load("digits").x.astype(precision), jax.random.key(0)

    def with_precision(tree):
        return jax.tree.map(lambda leaf: leaf.astype(precision) if eqx.is_inexact_array(leaf) else leaf, tree)

    decomposes = way != "none (VAE)"
    model = vl.vrrae((8, 8, 1), latent_size, rank=8, key=key) if decomposes else vl.vae((8, 8, 1), latent_size, key=key)
    model = with_precision(model)
    settings = {"loss": with_precision(vl.losses.Variational(0.03)), "optimizer": optax.adabelief(1e-3), "key": key}
    settings |= {"batch_size": batch_size, "num_steps": num_steps, "progress": False}
    (one, history), (many, its_history) = (
        vl.fit(model, x, mesh=mesh, **settings) for mesh in (None, Mesh(np.array(jax.devices()), ("batch",)))
    )
    bases = [vl.freeze_basis(trained, x).bottleneck.basis.matrix for trained in (one, many)] if decomposes else []
    angle = {"angle of the bases": vl.linalg.subspace_angle(*bases)} if decomposes else {}
    ratio = its_history.terms["loss"] / history.terms["loss"]
    return {
        "decomposition": way,
        "precision": precision,
        "devices": len(jax.devices()),
        "steps": num_steps,
        "loss": float(np.abs(ratio - 1).max()),
        "weights": _difference(one, many),
    } | angle


def _difference(a, b) -> float:
    import equinox as eqx
    import jax
    import numpy as np

    leaves = [jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array)) for tree in (a, b)]
    return max(float(np.abs(np.asarray(p) - np.asarray(q)).max()) for p, q in zip(*leaves, strict=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sharded", description="One row, as JSON.")
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("precision", choices=("float32", "float64"))
    parser.add_argument("num_steps", type=int)
    print(json.dumps(measured(*vars(parser.parse_args()).values())))
