"""Speed, side by side with peers in one run; times are medians of turns taken in rotation.

On a shared machine trust the ratios, not the milliseconds. Peers come with `pip install "vrrae_lab[bench]"`; those not
installed are reported as absent. The same script uses a GPU where JAX finds one.
"""

import argparse
import importlib
import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NAMES = {
    "svd": "the SVD layer at the papers' four sizes",
    "nets": "encoder and decoder, with the limit that matrix products set",
    "steps": "one whole training step of the four models",
    "overhead": "what the SVD adds to a step",
    "throughput": "images a second and peak memory of training, in the papers' settings",
    "sharded": "how far a run on eight devices ends from that on one",
    "precision": "what bfloat16 saves in time and costs in error",
    "seeds": "several seeds one after another or vmapped",
    "density": "kernel densities, and the bandwidth of AVAE",
    "latency": "what a slider waits for",
    "page": "decoding and encoding in the page itself, in a browser",
    "key_press": "from a key press to changed pixels in a browser",
    "growth": "cost against batch, latent and image size",
    "memory": "memory a step needs",
    "first_step": "what first calls cost, with and without compiled programs on disk",
    "imports": "seconds and memory of imports",
    "notebooks": "seconds and memory of the notebooks in their fast setting",
}


def main() -> None:
    """Measure, print, and write the record where asked."""
    contents = "\n".join(f"  {name:10} {text}" for name, text in NAMES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=f"benchmarks:\n{contents}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which (all)")
    parser.add_argument("--threads", type=int, default=1, help="CPU cores to use (1)")
    parser.add_argument("--fast", action="store_true", help="tiny sizes and few turns, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, added to what it holds")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(NAMES))
    if unknown:
        parser.error(f"unknown benchmark {', '.join(unknown)}: there are {', '.join(NAMES)}")
    _use_cores(parser, arguments.threads)

    # only now, as XLA and PyTorch count the cores when they start
    from benchmarks.measure import table
    from vrrae_lab.experiments.record import environment
    from vrrae_lab.files import write_json

    about = environment() | {
        "command": " ".join(["python -m benchmarks", *sys.argv[1:]]),
        "processor": _processor(),
        "threads": arguments.threads,
        "fast": arguments.fast,
        "peers": _peer_versions(),
    }
    peers = ", ".join(f"{name} {version}" for name, version in about["peers"].items())
    print(f"{about['device']['kind']}, {about['processor']}, threads: {arguments.threads}; {peers}\n")
    for name in arguments.names or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"## {name}: {' '.join((module.__doc__ or '').split())}\n{' '.join(module.rows.__doc__.split())}\n")
        rows = module.rows(arguments.fast)
        print(table(rows) + "\n", flush=True)
        if arguments.json:  # after each, so that an interruption loses one at most
            write_json(arguments.json, _held(arguments.json) | {name: about | {"rows": rows}})


def _use_cores(parser: argparse.ArgumentParser, count: int) -> None:
    """Keep this process, and the libraries not yet loaded, on `count` cores."""
    if not hasattr(os, "sched_setaffinity"):
        print("this system cannot limit a process to some cores: --threads is ignored")
        return
    allowed = sorted(os.sched_getaffinity(0))
    if not 1 <= count <= len(allowed):
        parser.error(f"--threads {count}: this process may use 1 to {len(allowed)} cores")
    os.sched_setaffinity(0, allowed[:count])


def _peer_versions() -> dict[str, str]:
    found = {}
    for package in ("torch", "RRAEs"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def _processor() -> str:
    """Its name, which Linux keeps in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _held(path: Path) -> dict:
    return json.loads(path.read_text()) if path.exists() else {}


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\nbenchmarks: interrupted; with --json the figures of those before this one are kept", file=sys.stderr)
        sys.exit(130)
