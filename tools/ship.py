"""Train the models and make the records that ship with the package (`make shipped`), resuming where it was stopped.

Everything that a notebook, the README or a note quotes comes from these records. A name as argument makes only that
record; the runs themselves stay in `runs/`, which is not committed.
"""

import argparse
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from vrrae_lab.experiments import EXPERIMENTS, Bumps

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "vrrae_lab"
RUNS = {
    "bumps_fast": Bumps.fast(),
    # the steps and the learning rate of the authors' scripts, on the small images
    "bumps_2000_steps": replace(Bumps(), image_size=32, num_steps=2000, learning_rate=1e-3, num_seeds=1),
}
# shipped name: the run, and the file of a model and seed in it
CHECKPOINTS = {"bumps_vrrae": ("bumps_2000_steps", "vrrae-seed0.ckpt")}


def main(names: list[str]) -> None:
    """Make the named records, and the shipped checkpoints of their runs."""
    kinds = {kind: name for name, kind in EXPERIMENTS.items()}
    for name in names:
        experiment = RUNS[name]
        out = ROOT / "runs" / "shipped" / name / kinds[type(experiment)]
        record = experiment.run(out)
        print(f"\n{name}\n{experiment.table(record)}\n")
        shutil.copyfile(out / "record.json", PACKAGE / "records" / f"{name}.json")
        for shipped, (run, file) in CHECKPOINTS.items():
            if run == name:
                shutil.copyfile(out / "runs" / file, PACKAGE / "shipped" / f"{shipped}.ckpt")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tools/ship.py", description="Make the shipped records and checkpoints.")
    parser.add_argument("names", nargs="*", metavar="RECORD", help=f"of {', '.join(RUNS)} (all)")
    chosen = parser.parse_args().names or list(RUNS)
    if unknown := [name for name in chosen if name not in RUNS]:
        sys.exit(f"no record {', '.join(unknown)}; there are: {', '.join(RUNS)}")
    main(chosen)
