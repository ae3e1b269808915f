"""Every command of `vrrae-lab` with what is no argument for it: one line that says so, and a status that is not 0.

The usual mistakes are in test_cli; here are wrong types, empty and huge values, and paths that cannot be used.
"""

import argparse
import itertools
from pathlib import Path

import pytest

from vrrae_lab import cli, experiments

HUGE = str(10**30)
NUMBERS = ["", " ", "x", "1.5", "nan", "inf", "1e3", "-1", "0x10", "١٫٥", "1\0", "--"]
NATURAL = [text for text in NUMBERS if text != "--"]
POSITIVE = [*NATURAL, "0"]

# command: argument lists that are refused, with the status
ROWS: dict[str, list[tuple[list[str], int]]] = {
    "list": [(["list", "x"], 2), (["list", "--json"], 2)],
    "run": [
        *((["run", name], 2) for name in ("", "nonsense", "Bumps", "../bumps", "bumps\0")),
        (["run"], 2),
        *((["run", "bumps", "--seeds", text], 2) for text in POSITIVE),
        *((["run", "bumps", "--seed", text], 2) for text in NATURAL),
        *((["run", name, "--data", "nonsense"], 2) for name in experiments.EXPERIMENTS),
        *((["run", "zoo", "--data", text], 2) for text in ("", "BUMPS", "bumps\0")),
        *((["run", "zoo", f"--{folder}-dir", ""], 2) for folder in ("data", "manual")),
        (["run", "bandwidth_table", "--seeds", "1"], 2),
        (["run", "bandwidth_table", "--fast", "--out", "file"], 1),
        (["run", "bandwidth_table", "--fast", "--out", "a\0b"], 1),
    ],
    "compare": [
        *(
            (["compare", "bumps", text], 1)
            for text in ("", "a\0b", "nonsense", "nowhere.json", "file", "bandwidth_table")
        ),
        (["compare", "bumps", "mnist_fast", "zoo"], 2),
        (["compare", "bumps"], 2),
    ],
    "claims": [
        *((["claims", text], 2) for text in [*NATURAL, "0", "999", HUGE]),
        *((["claims", "1", "--seed", text], 2) for text in NATURAL),
        (["claims", "1", "999"], 2),
    ],
    "bandwidth": [
        *((["bandwidth", text, "20"], 2) for text in POSITIVE),
        *((["bandwidth", "2", text], 2) for text in POSITIVE),
        *((["bandwidth", "2", "20", "--trials", text], 2) for text in [*POSITIVE, "1"]),
        *((["bandwidth", "2", "20", "--seed", text], 2) for text in NATURAL),
        (["bandwidth", HUGE, "20"], 1),
        (["bandwidth", "2", HUGE], 1),
        (["bandwidth"], 2),
        (["bandwidth", "2"], 2),
    ],
    "data": [
        *((["data", name], 2) for name in ("", "nonsense", "MNIST", "../mnist")),
        (["data"], 2),
        *((["data", "digits", "--n", text], 2) for text in POSITIVE),
        *((["data", "digits", "--size", text], 2) for text in POSITIVE),
        (["data", "digits", "--size", "7"], 1),
        (["data", "celeb_a", "--size", HUGE], 1),
        (["data", "bumps", "--size", "7"], 1),
        (["data", "bumps", "--size", HUGE], 1),
        *((["data", "digits", f"--{folder}-dir", text], 1) for folder in ("data", "manual") for text in ("", "a\0b")),
        (["data", "mnist", "--manual-dir", "file"], 1),
        (["data", "mnist", "--manual-dir", "nowhere"], 1),
        *((["data", "mnist", "--mirror", text], 1) for text in ("", "nonsense", "ftp://a/b", "file:///etc", "http://")),
    ],
    "lab": [(["lab", "file", "--no-browser"], 1), (["lab", "a\0b", "--no-browser"], 1), (["lab", "--nonsense"], 2)],
}


def test_every_command_has_rows() -> None:
    (commands,) = (a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction))
    assert set(commands.choices) == set(ROWS)
    for name, command in commands.choices.items():
        tried = set(itertools.chain(*(arguments for arguments, _ in ROWS[name])))
        flags = {"--help", "--fast", "--json", "--no-browser"}  # which have no value
        options = {option for a in command._actions for option in a.option_strings if option.startswith("--")}
        assert options - flags <= tried, name


@pytest.mark.usefixtures("own_home", "unchecked")
@pytest.mark.parametrize("command", ROWS)
def test_bad_arguments_are_refused_in_a_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("no folder")
    for arguments, status in ROWS[command]:
        try:
            found = cli.main(arguments)
        except Exception as error:
            pytest.fail(f"{arguments}: {type(error).__name__}: {error}")
        out, errors = capsys.readouterr()
        assert found == status, (arguments, found, errors)
        last = errors.strip().splitlines()[-1]
        assert last.startswith("vrrae-lab") and "Traceback" not in errors, (arguments, errors)
        assert status == 2 or errors.count("\n") == 1, (arguments, errors)
        assert len(out) < 200, (arguments, out)  # before any long work
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_number_of_rows() -> None:
    assert sum(map(len, ROWS.values())) >= 150
