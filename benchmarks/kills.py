"""A training run killed at random moments, again and again: does it end with the bits of one that was left alone?

    python -m benchmarks.kills --times 20 --json benchmarks/records/kills.json

Each trial starts a process that trains a VRRAE on the digits with a checkpoint every few steps, kills it (SIGKILL) at a
random moment of its life, start-up and writing included, and starts it again in the same folder, until it ends. Exit
status 1 if one ended otherwise.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

NUM_STEPS, EVERY = 400, 10


def train(folder: Path) -> None:
    """One life of the run: go on where the last one was killed; print a digest of the model it ends with."""
    import jax
    import optax

    import vrrae_lab as vl

    vl.keep_compiled(folder.parent / "compiled")
    x, key = vl.data.load("digits").x, jax.random.key(0)
    model, history = vl.fit(
        vl.adaptive_vrrae((8, 8, 1), latent_size=32, rank=8, key=key),
        x,
        loss=vl.losses.Variational(0.03),
        optimizer=optax.adabelief(1e-3),
        batch_size=64,
        num_steps=NUM_STEPS,
        key=key,
        callback=vl.AdaptiveRank(every=15, patience=2),
        checkpoints=vl.Checkpoints(folder, every=EVERY),
        progress=False,
    )
    leaves = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(model) if hasattr(leaf, "dtype")]
    losses = history.terms["loss"].tobytes()
    print(json.dumps({"steps": history.num_steps, "digest": hashlib.sha256(b"".join([*leaves, losses])).hexdigest()}))


def live(folder: Path, seconds: float | None) -> str | None:
    """Start a life and kill it after so many seconds; what it printed if it ended before."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.kills", "--train", str(folder)], stdout=subprocess.PIPE
    )
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    if process.returncode:
        raise SystemExit(f"a life failed by itself, with exit status {process.returncode}")
    return printed.decode().strip()


def main() -> None:
    """Count kills until there are enough, comparing the end of every run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20, help="kills at least (20)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcome there")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        train(arguments.train)
        return
    generator, kills, runs, others, in_a_write = np.random.default_rng(arguments.seed), 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        live(Path(scratch) / "compile", None)
        started = time.perf_counter()
        wanted = live(Path(scratch) / "left alone", None)
        life = time.perf_counter() - started
        while kills < arguments.times:
            folder, ended, runs = Path(scratch) / f"run{runs}", None, runs + 1
            while ended is None:
                ended = live(folder, float(generator.uniform(0, life)))
                kills += ended is None
                in_a_write += any(folder.glob(".step-*.tmp"))
            others += ended != wanted
            print(
                f"run {runs}: {kills} kills so far, {'the same bits' if ended == wanted else 'OTHER BITS'}", flush=True
            )
    outcome = {"kills": kills, "in_a_write": in_a_write, "runs": runs, "runs_with_other_bits": others}
    if arguments.json:
        from vrrae_lab.experiments.record import environment
        from vrrae_lab.files import write_json

        write_json(
            arguments.json, outcome | {"seed": arguments.seed, "one_run": json.loads(wanted or "{}")} | environment()
        )
    print(outcome)
    sys.exit(1 if others else 0)


if __name__ == "__main__":
    main()
