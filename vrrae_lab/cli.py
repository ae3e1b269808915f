"""The command line: `vrrae-lab list`, `run`, `compare`, `claims`, `bandwidth`, `data`, `lab`.

Exit status 0: done; 1: it failed; 2: wrong usage; 130: interrupted. Errors a user can cause are one line, no traceback.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def entry_point() -> None:
    """The installed command."""
    sys.exit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run the command line with these arguments and return its exit status, without ending the process."""
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has printed its message
        return OK if stop.code in (0, None) else USAGE
    try:
        return _answer(arguments)
    except _UsageError as error:
        print(f"vrrae-lab: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("\nvrrae-lab: interrupted", file=sys.stderr)
        return INTERRUPTED


def _answer(arguments: argparse.Namespace) -> int:
    from vrrae_lab.data import DataUnavailableError

    try:
        return arguments.command(arguments)
    except (ValueError, OSError, DataUnavailableError) as error:
        print(f"vrrae-lab: {error}", file=sys.stderr)
        return FAILED


class _UsageError(Exception):
    """The arguments are well-formed but ask for something that does not exist."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vrrae-lab", description="Variational Rank Reduction Autoencoders, to try.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_list, _add_run, _add_compare, _add_claims, _add_bandwidth, _add_data, _add_lab):
        add(commands)
    return parser


def _add_folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", metavar="DIR", help="folder of the data cache")
    parser.add_argument("--manual-dir", metavar="DIR", help="folder with data files you downloaded yourself")


def _whole_number(least: int, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {least} or more")
    return value


def _positive(text: str) -> int:
    return _whole_number(1, text)


def _two_or_more(text: str) -> int:
    return _whole_number(2, text)


def _natural(text: str) -> int:
    return _whole_number(0, text)


def _add_list(commands: Any) -> None:
    parser = commands.add_parser("list", help="list the experiments and the data sets")
    parser.set_defaults(command=_list)


def _list(arguments: argparse.Namespace) -> int:
    from vrrae_lab.data import NAMES
    from vrrae_lab.experiments import EXPERIMENTS

    print("experiments (vrrae-lab run NAME):")
    for name, experiment in EXPERIMENTS.items():
        print(f"  {name:15} {experiment.description}")
    print(f"data sets (vrrae-lab data NAME):\n  {', '.join(NAMES)}")
    return OK


def _add_run(commands: Any) -> None:
    parser = commands.add_parser("run", help="run an experiment, or go on with a half-done one")
    parser.add_argument("name", metavar="NAME", help="an experiment; see `vrrae-lab list`")
    parser.add_argument("--fast", action="store_true", help="a reduced setting of a few minutes, which says so")
    parser.add_argument("--data", metavar="NAME", help="the data set to run it on, where there is a choice")
    parser.add_argument("--seeds", type=_positive, metavar="N", help="runs per model")
    parser.add_argument("--seed", type=_natural, metavar="S", help="the first seed (0)")
    parser.add_argument("--out", type=Path, default=Path("runs"), metavar="DIR", help="where results go (runs)")
    _add_folders(parser)
    parser.set_defaults(command=_run)


def _run(arguments: argparse.Namespace) -> int:
    from vrrae_lab.experiments import EXPERIMENTS
    from vrrae_lab.files import write_text

    if arguments.name not in EXPERIMENTS:
        raise _UsageError(f"unknown experiment {arguments.name!r}: known are {', '.join(EXPERIMENTS)}")
    kind = EXPERIMENTS[arguments.name]
    experiment = kind.fast() if arguments.fast else kind()
    asked = {
        "data": arguments.data,
        "num_seeds": arguments.seeds,
        "seed": arguments.seed,
        "data_dir": arguments.data_dir,
        "manual_dir": arguments.manual_dir,
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    for name in [name for name in asked if name not in {f.name for f in fields(experiment)}]:
        reason = "is of one data set" if name == "data" else "reads no data files"
        raise _UsageError(f"{arguments.name} {reason}: leave out --{name.replace('_', '-')}")
    try:
        experiment = replace(experiment, **asked)
    except ValueError as error:  # the experiment does not know what was asked for
        raise _UsageError(error) from error
    out = arguments.out / "-".join(filter(None, [arguments.name, arguments.data]))
    nearest = next(path for path in (out, *out.parents) if path.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(f"--out {arguments.out}: {nearest} is no folder, name another")
    try:
        record = experiment.run(out)
    except KeyboardInterrupt:
        print(f"\nfinished runs are kept in {out}: the same command goes on from there", file=sys.stderr)
        raise
    print(f"\n{experiment.table(record)}\n")
    try:
        for name, figure in experiment.figures(record, out).items():
            write_text(out / f"{name}.html", figure.to_html(include_plotlyjs=True))
            print(f"figure: {out / name}.html")
    except FileNotFoundError as error:  # the record was made from the small files of runs alone
        print(f"no figures: {error}")
    print(f"record: {out / 'record.json'}")
    return OK


def _add_compare(commands: Any) -> None:
    parser = commands.add_parser("compare", help="hold two records against each other, with intervals")
    for letter in "AB":
        parser.add_argument(
            letter.lower(), metavar=letter, help="a record: its file, its folder, or a shipped one's name"
        )
    parser.set_defaults(command=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    from vrrae_lab.experiments import compare_records, read_record

    print(compare_records(read_record(arguments.a), read_record(arguments.b)))
    return OK


def _add_claims(commands: Any) -> None:
    parser = commands.add_parser("claims", help="check claims of the papers, and print the figures that decide")
    parser.add_argument("numbers", nargs="*", type=_natural, metavar="NUMBER", help="which claims (all)")
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of text")
    parser.add_argument("--seed", type=_natural, default=0, metavar="S", help="of the data the checks draw (0)")
    parser.set_defaults(command=_claims)


def _claims(arguments: argparse.Namespace) -> int:
    import jax

    from vrrae_lab import derivations
    from vrrae_lab.derivations import report

    claims = {claim.number: claim for claim in derivations.CLAIMS}
    for number in arguments.numbers:
        if number not in claims:
            raise _UsageError(f"unknown claim {number}: known are {', '.join(map(str, claims))}")
    chosen = [claims[number] for number in dict.fromkeys(arguments.numbers or claims)]
    outcomes = []
    for position, claim in enumerate(chosen, start=1):
        if sys.stderr.isatty():
            print(f"checking claim {claim.number} ({position} of {len(chosen)}) ...", file=sys.stderr, flush=True)
        outcomes.append(report.check(claim, key=jax.random.key(arguments.seed)))
        if not arguments.json:
            print(f"{report.text(outcomes[-1])}\n", flush=True)
    contradicted = [str(outcome.claim.number) for outcome in outcomes if not outcome.supported]
    if arguments.json:
        print(json.dumps([report.as_json(outcome) for outcome in outcomes], indent=2, ensure_ascii=False))
    elif contradicted:
        print(f"{len(contradicted)} of {len(outcomes)} checks contradict the verdict: {', '.join(contradicted)}")
    else:
        who = "The check supports its" if len(outcomes) == 1 else f"All {len(outcomes)} checks support their"
        print(f"{who} recorded verdict.")
    return FAILED if contradicted else OK


def _add_bandwidth(commands: Any) -> None:
    parser = commands.add_parser("bandwidth", help="AVAE's bandwidth of kernels on samples of the prior")
    parser.add_argument("latent_size", type=_positive, metavar="L", help="dimension of the latents")
    parser.add_argument("num_centres", type=_positive, metavar="M", help="number of kernels")
    parser.add_argument("--trials", type=_two_or_more, default=3, metavar="T", help="simulations, 2 or more (3)")
    parser.add_argument("--seed", type=_natural, default=0, metavar="S", help="of the simulated samples (0)")
    parser.add_argument("--json", action="store_true", help="print a JSON object instead of text")
    parser.set_defaults(command=_bandwidth)


def _bandwidth(arguments: argparse.Namespace) -> int:
    import jax

    from vrrae_lab import density

    latent_size, num_centres = arguments.latent_size, arguments.num_centres
    key = jax.random.key(arguments.seed)
    found = density.avae_bandwidth(latent_size, num_centres, key=key, num_trials=arguments.trials)
    try:
        exact = density.exact_avae_bandwidth(latent_size, num_centres)
    except ValueError:  # beyond what the quadrature is for
        exact = None
    if arguments.json:
        numbers = {"latent_size": latent_size, "num_centres": num_centres, "trials": list(found.trials)}
        numbers |= {"bandwidth": found.estimate, "standard_error": found.standard_error, "exact": exact}
        numbers |= {"corrected": found.corrected, "alpha": found.alpha, "prior_deviation": found.prior_deviation}
        print(json.dumps(numbers, indent=2))
        return OK
    print(f"{num_centres:,} kernels in {latent_size:,} dimensions, {arguments.trials} trials, seed {arguments.seed}")
    print(f"  bandwidth h                 {found.estimate:.4f} ± {found.standard_error:.4f} (standard error)")
    print(f"  without chance              {'-' if exact is None else f'{exact:.4f}'}")
    print(f"  corrected, h/√(1+h²)        {found.corrected:.4f}")
    print(f"  α = 1/√(1+h²)               {found.alpha:.4f}")
    print(f"  sample the prior with std   {found.prior_deviation:.4f}")
    return OK


def _add_data(commands: Any) -> None:
    parser = commands.add_parser("data", help="fetch a data set, or say where it was found")
    parser.add_argument("name", metavar="NAME", help="a data set; see `vrrae-lab list`")
    _add_folders(parser)
    parser.add_argument("--size", type=_positive, metavar="S", help="pixels per side, where there is a choice")
    parser.add_argument("--n", type=_positive, metavar="N", help="at most so many images of each split")
    parser.add_argument("--mirror", metavar="URL", help="folder on a web server to download the published files from")
    parser.set_defaults(command=_data)


def _data(arguments: argparse.Namespace) -> int:
    import numpy as np

    from vrrae_lab import data

    if arguments.name not in data.NAMES:
        raise _UsageError(f"unknown data set {arguments.name!r}: known are {', '.join(data.NAMES)}")
    dtype = np.float32 if arguments.name in ("bumps", "digits") else np.uint8  # which leaves large sets on the disk
    for split, count in data.split_sizes(arguments.name).items():
        part = data.load(
            arguments.name,
            split,
            n=None if arguments.n is None else min(arguments.n, count),
            size=arguments.size,
            data_dir=arguments.data_dir,
            manual_dir=arguments.manual_dir,
            dtype=dtype,
            mirror=arguments.mirror,
        )
        height, width, channels = part.shape
        of_all = "" if len(part) == count else f", the first of {count:,}"
        print(f"{arguments.name} {split}: {len(part):,} images of {height}×{width}×{channels}{of_all}")
        for name, value in part.provenance.items():
            print(f"  {name}: {value}")
    return OK


def _add_lab(commands: Any) -> None:
    parser = commands.add_parser("lab", help="open the notebooks in JupyterLab")
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="DIR", help="where the notebooks are, or a copy of them shall be"
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.set_defaults(command=_lab)


def _lab(arguments: argparse.Namespace) -> int:
    from vrrae_lab.lab import open_lab

    return open_lab(arguments.folder, browser=not arguments.no_browser)
