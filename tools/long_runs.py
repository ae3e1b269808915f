"""The papers' full runs, hours each: start them in the background, go on with them, and say where they stand.

`make runs` does all of it, and again where a machine was switched off: it brings a clone of this repository beside this
checkout, ../runs-clone with an environment of its own, to the commit named in finished_runs/commit.txt, lays the
finished runs that are committed beside those of this machine in ../runs, and starts two processes of one thread each
there, which outlive the shell.
`make runs ARGS=--status` only says where they stand, `ARGS=--keep` copies what has finished to finished_runs/, to be
committed, and `ARGS="--commit main"` goes on with newer code (finished runs stay, those under way begin again).

Each process takes the first seed of the first study that is neither finished nor in the hands of the other. To stop
them, send them SIGINT or SIGTERM: a run is cut between two steps, and goes on from there.
"""

import argparse
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "finished_runs"
PROCESSES = 2
ONE_THREAD = {
    "NPROC": "1",  # of XLA's own threads
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
}
# Names of tools/ship.py, in the order they are wanted; and where each finds its images beside the checkout.
QUEUE = (
    *("bumps", "mnist", "cifar10", "ablations_mnist", "ablations_cifar10", "beta_sweep_mnist", "beta_sweep_cifar10"),
    *("collapse_map_16", "collapse_map_64", "avae_mnist", "batch_size", "zoo_mnist", "bumps_authors_12000"),
    "celeba_64",
)
IMAGES = {"mnist": "shared/data/mnist", "cifar10": "runs/cifar10_images", "celeba": "shared/data-full/celeba"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Start the papers' full runs in the background, or go on with them.")
    parser.add_argument("--status", action="store_true", help="only say where they stand")
    parser.add_argument("--keep", action="store_true", help="copy what has finished to finished_runs/, to be committed")
    parser.add_argument("--commit", metavar="NAME", help="go on with the code of this commit (that of the last time)")
    parser.add_argument("--stop", action="store_true", help="stop the processes: a run goes on where it was cut")
    parser.add_argument("--work", type=int, metavar="N", help=argparse.SUPPRESS)  # a process that was started
    arguments = parser.parse_args()
    if arguments.work is not None:
        work(arguments.work)
    elif arguments.stop:
        stop()
    elif arguments.keep:
        keep()
    else:
        if not arguments.status:
            start(arguments.commit)
        print(status())


def checkout() -> Path:
    """The clone that this file is in; if that is a worktree, the one it belongs to."""
    return Path(git("rev-parse", "--path-format=absolute", "--git-common-dir")).parent


def beside() -> Path:
    return checkout().parent


def runs_folder() -> Path:
    return beside() / "runs"


# ---- starting


def start(wanted: str | None) -> None:
    """Bring up as many processes as are missing, from a clone at the right commit."""
    named = KEPT / "commit.txt"
    before = named.read_text().strip() if named.exists() else None
    commit = git("rev-parse", "--verify", f"{wanted or before or 'HEAD'}^{{commit}}")
    if git("merge-base", commit, "HEAD") != commit:
        sys.exit(f"{commit} is not in the history of this checkout: runs are made from commits that stay")
    if before not in (None, commit):
        if any(processes()):
            sys.exit(f"runs of {before} are under way: stop them first (--stop)")
        for unfinished in runs_folder().glob("*/runs/*.unfinished"):
            shutil.rmtree(unfinished)  # it could not go on with other code
        for done in runs_folder().glob("*/seed*.done"):
            done.unlink()  # there may be more models than before
    clone = beside() / "runs-clone"
    runs_folder().mkdir(exist_ok=True)
    if not clone.exists():
        subprocess.run(["git", "clone", "-q", str(checkout()), str(clone)], check=True)
    if not any(processes()):
        subprocess.run(["git", "-C", str(clone), "fetch", "-q", "origin"], check=True)
        subprocess.run(["git", "-C", str(clone), "checkout", "-q", "--detach", commit], check=True)
        print(f"making an environment in {clone}, if there is none", flush=True)
        with (runs_folder() / "install.log").open("wb") as log:
            subprocess.run(["make", "-C", str(clone), "install"], check=True, stdout=log, stderr=log)
    named.parent.mkdir(exist_ok=True)
    named.write_text(f"{commit}\n")
    for source in KEPT.glob("*/*.json"):
        target = runs_folder() / source.parent.name / "runs" / source.name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    for number, pid in enumerate(processes()):
        if pid is None:
            launch(clone, number)


def launch(clone: Path, number: int) -> None:
    """One process in a session of its own, so that no closing terminal ends it."""
    runs_folder().mkdir(exist_ok=True)
    with (runs_folder() / f"process{number}.log").open("ab") as log:
        subprocess.Popen(
            [str(clone / ".venv" / "bin" / "python"), "-u", "tools/long_runs.py", "--work", str(number)],
            cwd=clone,
            env=os.environ | ONE_THREAD,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def processes() -> list[int | None]:
    """The process ids of those that run; a lock is given up with its process, however that ends."""
    found: list[int | None] = []
    for number in range(PROCESSES):
        path = runs_folder() / f"process{number}.lock"
        free = not path.exists()
        if not free:
            with locked(path) as lock:
                free = lock is not None
        found.append(None if free else int(path.read_text() or 0))
    return found


def stop() -> None:
    for pid in filter(None, processes()):
        os.kill(pid, signal.SIGTERM)
        print(f"process {pid} was asked to stop; it does so after the step it is in")


@contextmanager
def locked(path: Path) -> Iterator[IO[str] | None]:
    """The open file with an exclusive lock, or None if another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file


# ---- working


def work(number: int) -> None:
    """Take seed after seed until none is left."""
    with locked(runs_folder() / f"process{number}.lock") as lock:
        if lock is None:
            sys.exit(f"process {number} runs already")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        os.nice(15)
        for name in QUEUE:
            work_on(name)


def work_on(name: str) -> None:
    """Run the seeds of a study that are neither finished nor in other hands, one after another."""
    from dataclasses import replace

    import ship  # beside this file

    from vrrae_lab.experiments import Study

    experiment, out = ship.FULL_RUNS[name], runs_folder() / name
    if isinstance(experiment, Study) and experiment.data in IMAGES:
        experiment = replace(experiment, manual_dir=str(beside() / IMAGES[experiment.data]))
        if experiment.data == "cifar10":
            unpack_cifar10()
    for seed in range(experiment.seed, experiment.seed + experiment.num_seeds):
        with locked(out / f"seed{seed}.lock") as lock:
            if lock is None or (out / f"seed{seed}.done").exists():
                continue
            print(f"\n{name}, seed {seed}", flush=True)
            try:
                replace(experiment, seed=seed, num_seeds=1).run(out)
            except ValueError as error:  # of this study alone
                print(f"{name}, seed {seed}: {error}", flush=True)
                continue
            (out / f"seed{seed}.done").touch()


def unpack_cifar10() -> None:
    folder = beside() / IMAGES["cifar10"]
    if not (folder / "test.npz").exists():
        join = beside() / "shared" / "data-full" / "join.py"
        subprocess.run([sys.executable, str(join), str(folder)], check=True)


# ---- saying


def keep() -> None:
    """Copy the small files of finished runs into the repository."""
    new = []
    for source in sorted(runs_folder().glob("*/runs/*.json")):
        target = KEPT / source.parent.parent.name / source.name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(compact(json.loads(source.read_text())))
            new.append(f"{source.parent.parent.name}: {source.stem}")
    print("\n".join(new) or "nothing new has finished")


def compact(value: object) -> str:
    """JSON with lists of numbers on one line."""
    return re.sub(r"\[[^][{}\"]*\]", lambda m: re.sub(r"\s+", " ", m[0]), json.dumps(value, indent=1)) + "\n"


def status() -> str:
    """What has finished and what stands where, a line per study."""
    commit = KEPT / "commit.txt"
    running = [f"process {pid}" for pid in processes() if pid is not None]
    lines = [
        f"{', '.join(running) or 'no process'} at work, code of {commit.read_text()[:7] if commit.exists() else '–'}"
    ]
    for name in QUEUE:
        folder = runs_folder() / name
        finished = sorted(path.stem for path in (folder / "runs").glob("*.json"))
        seeds = sorted(path.stem for path in folder.glob("seed*.done"))
        under_way = [f"{path.stem} at step {step_of(path)}" for path in sorted((folder / "runs").glob("*.unfinished"))]
        lines.append(f"{name}: {len(finished)} runs finished, whole: {', '.join(seeds) or 'no seed'}")
        lines += [f"  {text}" for text in under_way]
    return "\n".join(lines)


def step_of(unfinished: Path) -> int:
    """The last step that is safe."""
    return max((int(path.stem.removeprefix("step-")) for path in unfinished.glob("step-*.ckpt")), default=0)


def git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    main()
