"""The command line: exit statuses, what is printed where, what is left behind."""

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from support import TINY_BUMPS, quick_experiments

from vrrae_lab import checkpoint, cli, data, density, derivations, lab
from vrrae_lab.cli import main
from vrrae_lab.derivations import Claim, Evidence, Finding, Verdict, report
from vrrae_lab.experiments import EXPERIMENTS, Ablations, Bumps, comparison

TINY = dataclasses.replace(TINY_BUMPS, num_seeds=1)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let an experiment "tiny" be known: seconds of linear bumps."""

    class Tiny(Bumps):
        description = "for this test"

        def __new__(cls, *arguments: Any, **settings: Any) -> Any:
            return TINY

        fast = classmethod(lambda cls: dataclasses.replace(TINY, num_steps=1))

    monkeypatch.setitem(EXPERIMENTS, "tiny", Tiny)
    with quick_experiments():
        yield


class Output:
    """What a command wrote, and its exit status."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *argv: str) -> None:
        self.status = main(argv)
        self.out, self.err = capsys.readouterr()


# ---- usage


def test_list_names_experiments_and_data_sets(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(capsys, "list")
    assert output.status == 0 and output.err == ""
    for name, experiment in EXPERIMENTS.items():
        assert f"  {name} " in output.out and experiment.description in output.out
    assert ", ".join(data.NAMES) in output.out


WRONG_USAGE: dict[str, tuple[list[str], list[str]]] = {
    "no command": ([], ["COMMAND"]),
    "unknown command": (["walk"], ["walk", "list", "run", "compare", "claims", "bandwidth", "data", "lab"]),
    "unknown experiment": (["run", "lumps"], ["unknown experiment 'lumps'", "bumps, mnist"]),
    "unknown data set": (["data", "dogs"], ["unknown data set 'dogs'", "bumps, digits, mnist"]),
    "unknown option": (["run", "bumps", "--slow"], ["--slow"]),
    "no experiment": (["run"], ["NAME"]),
    "no seeds": (["run", "bumps", "--seeds", "0"], ["--seeds", "'0' is not a whole number of 1 or more"]),
    "seeds in words": (["run", "bumps", "--seeds", "two"], ["'two' is not a whole number of 1 or more"]),
    "half a seed": (["run", "bumps", "--seeds", "1.5"], ["'1.5' is not a whole number"]),
    "negative seed": (["run", "bumps", "--seed", "-1"], ["--seed", "'-1' is not a whole number of 0 or more"]),
    "claim in words": (["claims", "seven"], ["'seven' is not a whole number of 0 or more"]),
    "claims with a negative seed": (["claims", "--seed", "-1"], ["--seed", "'-1' is not a whole number"]),
    "bandwidth of nothing": (["bandwidth"], ["L", "M"]),
    "bandwidth of half a dimension": (["bandwidth", "1.5", "10"], ["L: '1.5' is not a whole number of 1 or more"]),
    "bandwidth of no kernels": (["bandwidth", "10", "0"], ["M: '0' is not a whole number of 1 or more"]),
    "bandwidth without an error bar": (["bandwidth", "2", "9", "--trials", "1"], ["'1' is not a whole number of 2"]),
    "bandwidth with a negative seed": (["bandwidth", "2", "9", "--seed", "-1"], ["'-1' is not a whole number of 0"]),
    "data for bumps": (["run", "bumps", "--data", "digits"], ["bumps is of one data set: leave out --data\n"]),
    "data for nothing": (
        ["run", "zoo", "--data", "dogs"],
        ["data = 'dogs' is unknown", "digits, mnist, cifar10, celeba\n"],
    ),
    "other data for mnist": (["run", "mnist", "--data", "digits"], ["mnist is of one data set: leave out --data\n"]),
    "data folder for bumps": (["run", "bumps", "--data-dir", "x"], ["bumps reads no data files", "--data-dir"]),
    "manual folder for bumps": (["run", "bumps", "--manual-dir", "x"], ["reads no data files", "--manual-dir"]),
}


@pytest.mark.parametrize("case", WRONG_USAGE)
def test_wrong_usage_is_status_2_and_explained(
    case: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    argv, facts = WRONG_USAGE[case]
    output = Output(capsys, *argv)
    assert output.status == 2 and output.out == ""
    for fact in facts:
        assert fact in output.err
    assert "Traceback" not in output.err
    assert not list(tmp_path.iterdir())


def test_help_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(capsys, "run", "--help")
    assert output.status == 0 and "--seeds" in output.out


def test_installed_command() -> None:
    """The real thing, as a process of its own."""
    script = Path(sys.executable).with_name("vrrae-lab")
    done = subprocess.run([script, "list"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "bumps" in done.stdout and "digits" in done.stdout


def test_entry_point_ends_the_process_with_the_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["vrrae-lab", "run", "lumps"])
    with pytest.raises(SystemExit) as stop:
        cli.entry_point()
    assert stop.value.code == 2
    assert "lumps" in capsys.readouterr().err


# ---- run


def test_run_leaves_record_figures_and_checkpoints(
    tiny: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = Output(capsys, "run", "tiny", "--out", str(tmp_path))
    assert output.status == 0
    record = json.loads((tmp_path / "tiny" / "record.json").read_text())
    assert record["settings"]["num_steps"] == 3 and record["seeds"] == [0]
    assert f"\n{TINY.table(record)}\n" in output.out
    assert f"record: {tmp_path / 'tiny' / 'record.json'}" in output.out
    for name in ("latent_plane", "samples", "errors", "training"):
        page = tmp_path / "tiny" / f"{name}.html"
        assert f"figure: {page}" in output.out
        text = page.read_text()
        assert "Plotly.newPlot" in text and len(text) > 1_000_000  # plotly itself is inside, so it works offline
    assert sorted(path.name for path in (tmp_path / "tiny" / "runs").iterdir()) == [
        f"{model}-seed0.{ending}"
        for model in ("ae", "rrae", "vae", "vrrae-centred", "vrrae")
        for ending in ("ckpt", "json")
    ]
    checkpoint.load(tmp_path / "tiny" / "runs" / "vrrae-seed0.ckpt")

    again = Output(capsys, "run", "tiny", "--out", str(tmp_path))
    assert again.status == 0 and again.out.count("found in") == 5 and "training VAE" not in again.out
    other = Output(capsys, "run", "tiny", "--fast", "--out", str(tmp_path))
    assert other.status == 1
    assert other.err.startswith("vrrae-lab: ") and "num_steps: 3 there, 1 now" in other.err
    assert other.err.count("\n") == 1


class Recorded:
    """In place of an experiment's `run`: keeps what was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, outcome: BaseException) -> None:
        self.asked: list[tuple[Any, Path]] = []
        self.outcome = outcome
        recorded = self

        def run(experiment: Any, out: Path, *, progress: bool = True) -> Any:
            recorded.asked.append((experiment, out))
            raise recorded.outcome

        for kind in set(EXPERIMENTS.values()):
            monkeypatch.setattr(kind, "run", run)


def test_options_reach_the_experiment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = Recorded(monkeypatch, ValueError("enough"))
    monkeypatch.chdir(tmp_path)
    main(["run", "bumps"])
    main(["run", "bumps", "--fast", "--seeds", "7", "--seed", "3", "--out", "there"])
    main(["run", "mnist", "--data-dir", "a", "--manual-dir", "b"])
    main(["run", "ablations", "--data", "digits", "--fast", "--seeds", "4"])
    main(["run", "ablations"])
    (full, out), (fast, there), (mnist, _), (digits, of_digits), (ablations, of_bumps) = recorded.asked
    assert (full, full.num_seeds, full.seed, out) == (Bumps(), 5, 0, Path("runs/bumps"))
    assert (fast, fast.num_seeds, fast.seed, there) == (Bumps.fast(), 7, 3, Path("there/bumps"))
    assert (mnist.data_dir, mnist.manual_dir, mnist.subject.num_train) == ("a", "b", 60_000)
    assert (digits, digits.num_seeds) == (dataclasses.replace(Ablations.fast(), data="digits"), 4)
    assert ablations == Ablations() and (of_digits, of_bumps) == (Path("runs/ablations-digits"), Path("runs/ablations"))


@pytest.mark.parametrize(
    "outcome",
    [ValueError("no good"), OSError("no good"), FileNotFoundError("no good"), data.DataUnavailableError("no good")],
    ids=lambda outcome: type(outcome).__name__,
)
def test_failure_is_status_1_and_one_line(
    outcome: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Recorded(monkeypatch, outcome)
    output = Output(capsys, "run", "bumps")
    assert (output.status, output.out, output.err) == (1, "", "vrrae-lab: no good\n")


def test_mistakes_of_our_own_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    Recorded(monkeypatch, ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        main(["run", "bumps"])


def test_interrupt_is_status_130_and_says_how_to_go_on(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fit, calls = comparison.fit, []

    def interrupted_second(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return fit(*arguments, **options)

    monkeypatch.setattr(comparison, "fit", interrupted_second)
    output = Output(capsys, "run", "tiny", "--out", str(tmp_path))
    assert output.status == 130
    assert f"finished runs are kept in {tmp_path / 'tiny'}: the same command goes on from there" in output.err
    assert "vrrae-lab: interrupted" in output.err and "Traceback" not in output.err
    assert len(list((tmp_path / "tiny" / "runs").glob("*.ckpt"))) == 1


@pytest.mark.usefixtures("without_data_or_network")
def test_mnist_without_data_or_network_fails_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["run", "mnist", "--fast", "--out", str(tmp_path / "runs")], ["data", "mnist"]):
        started = time.monotonic()
        output = Output(capsys, *command, "--data-dir", str(tmp_path / "data"))
        assert time.monotonic() - started < 5
        assert output.status == 1 and output.out == ""
        assert output.err.startswith("vrrae-lab: mnist is not on this machine")
        for fact in ("no network in this test", "Remedies", "manual_dir=", "train-images-idx3-ubyte.gz"):
            assert fact in output.err
        assert "Traceback" not in output.err
    assert not (tmp_path / "runs").exists()


# ---- claims


class Claims:
    """Four small claims in place of the real ones: 3 and 12 stand, 5 does not, the check of 8 raises."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys: list[tuple[int, Any]] = []
        figures = {3: (0.25, 1.0), 5: (2.0, 1.0), 8: (0.0, 0.0), 12: (0.0, 1.0)}
        claims = tuple(self.claim(number, *pair) for number, pair in figures.items())
        monkeypatch.setattr(derivations, "CLAIMS", claims)

    def claim(self, number: int, value: float, bound: float) -> Claim:
        def check(key: Any) -> Evidence:
            self.keys.append((number, jax.random.key_data(key).tolist()))
            if number == 8:
                raise RuntimeError("no such luck")
            return Evidence((Finding("a figure of some length " * 6, value, "<", bound),))

        statement = (
            rf"That $x_{{{number}}}<1$ and so on, as long as it takes to fill more than a line." + " Or two." * 9
        )
        return Claim(number, f"Claim of {number}", "Eq. 1", statement, Verdict.TRUE, "As it should.", check)


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> Claims:
    return Claims(monkeypatch)


def test_claims_print_what_decides_them_within_100_columns(claims: Claims, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(capsys, "claims", "3", "12")
    assert (output.status, output.err) == (0, "")
    assert [number for number, _ in claims.keys] == [3, 12]
    for fact in (
        "  3  Claim of 3",
        " 12  Claim of 12",
        "$x_{3}<1$",
        "Verdict: true.",
        "ok  0.25 < 1 ",
        "As it should.",
    ):
        assert fact in output.out
    assert output.out.endswith("\nAll 2 checks support their recorded verdict.\n")
    assert "CONTRADICT" not in output.out and "NO" not in output.out
    assert max(map(len, output.out.splitlines())) <= 100


def test_one_claim_alone_is_spoken_of_in_the_singular(claims: Claims, capsys: pytest.CaptureFixture[str]) -> None:
    assert Output(capsys, "claims", "3").out.endswith("\nThe check supports its recorded verdict.\n")


def test_real_claims_fit_the_terminal() -> None:
    for claim in derivations.CLAIMS:
        finding = Finding("a figure " * 20, -1.2345678e-100, "<", 1.234567e-100)
        lines = report.text(report.Outcome(claim, (finding,), None, True, 1.0)).splitlines()
        assert max(map(len, lines)) <= 100 and lines[0].lstrip().startswith(str(claim.number))


def test_claims_without_numbers_are_all_and_each_is_checked_once(
    claims: Claims, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Output(capsys, "claims").status == 1
    assert [number for number, _ in claims.keys] == [3, 5, 8, 12]
    claims.keys.clear()
    Output(capsys, "claims", "12", "3", "12")
    assert [number for number, _ in claims.keys] == [12, 3]


def test_contradicted_claim_is_status_1_and_the_others_are_checked(
    claims: Claims, capsys: pytest.CaptureFixture[str]
) -> None:
    output = Output(capsys, "claims", "5", "3")
    assert (output.status, output.err) == (1, "")
    assert "NO  2 < 1 " in output.out and "ok  0.25 < 1 " in output.out
    assert "1 of 2 checks contradict the verdict: 5" in output.out


def test_raising_check_contradicts_with_its_message(claims: Claims, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(capsys, "claims", "8", "3")
    assert (output.status, output.err) == (1, "")
    assert "RuntimeError: no such luck" in output.out and "ok  0.25 < 1 " in output.out
    assert "1 of 2 checks contradict the verdict: 8" in output.out
    (failed, _) = json.loads(Output(capsys, "claims", "8", "3", "--json").out)
    assert failed["error"] == "RuntimeError: no such luck" and not failed["supported"] and failed["findings"] == []


def test_claims_as_json(claims: Claims, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(capsys, "claims", "--json")
    assert (output.status, output.err) == (1, "")
    records = {record["number"]: record for record in json.loads(output.out)}
    assert [records[number]["supported"] for number in (3, 5, 8, 12)] == [True, False, False, True]
    (finding,) = records[3].pop("findings")
    assert (finding["value"], finding["relation"], finding["bound"], finding["holds"]) == (0.25, "<", 1.0, True)
    assert records[3].pop("seconds") >= 0
    assert records[3].pop("statement").startswith("That $x_{3}<1$")
    expected = {"number": 3, "name": "Claim of 3", "source": "Eq. 1", "verdict": "true", "explanation": "As it should."}
    assert records[3] == expected | {"error": None, "supported": True}
    assert Output(capsys, "claims", "--json", "3").status == 0


def test_figures_that_are_not_finite_leave_the_json_valid(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = (Finding("a", float("nan"), "<", 1.0), Finding("b", float("inf"), "<", 1.0))
    claim = Claim(1, "Name", "Eq. 1", "$x$.", Verdict.TRUE, "So.", lambda key: Evidence(findings))
    monkeypatch.setattr(derivations, "CLAIMS", (claim,))

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    output = Output(capsys, "claims", "--json")
    (record,) = json.loads(output.out, parse_constant=refuse)
    assert [finding["value"] for finding in record["findings"]] == [None, None]
    assert output.status == 1
    assert "NO  nan < 1" in Output(capsys, "claims").out


def test_unknown_claim_is_status_2_before_any_check(claims: Claims, capsys: pytest.CaptureFixture[str]) -> None:
    for number in ("4", "0"):
        output = Output(capsys, "claims", "3", number)
        assert (output.status, output.out) == (2, "")
        assert output.err == f"vrrae-lab: unknown claim {number}: known are 3, 5, 8, 12\n"
    assert claims.keys == []


def test_seed_changes_the_data_and_the_company_does_not(claims: Claims, capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["12"], ["12", "--seed", "0"], ["3", "12"], ["12", "--seed", "1"]):
        Output(capsys, "claims", *argv)
    (_, first), (_, again), (_, other), (_, in_company), (_, reseeded) = claims.keys
    assert first == again == in_company
    assert other != first and reseeded != first


def test_progress_goes_to_a_terminal_only(
    claims: Claims, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    output = Output(capsys, "claims", "3", "12", "--json")
    assert "claim 3 (1 of 2)" in output.err and "claim 12 (2 of 2)" in output.err
    assert len(json.loads(output.out)) == 2


def test_interrupt_of_a_check_is_no_contradiction(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(key: Any) -> Evidence:
        raise KeyboardInterrupt

    claim = Claim(1, "Name", "Eq. 1", "$x$.", Verdict.TRUE, "So.", check)
    monkeypatch.setattr(derivations, "CLAIMS", (claim,))
    output = Output(capsys, "claims")
    assert output.status == 130 and "interrupted" in output.err


def test_table_of_outcomes_is_markdown(claims: Claims) -> None:
    outcomes = [report.check(claim, key=jax.random.key(0)) for claim in derivations.CLAIMS]
    rows = report.table(outcomes).splitlines()
    assert len(rows) == 6 and {row.count("|") for row in rows} == {6}
    assert rows[2] == "| 3 | Claim of 3 | true | 1 of 1 | supports the verdict |"
    assert rows[3] == "| 5 | Claim of 5 | true | 0 of 1 | contradicts the verdict |"
    assert rows[4] == "| 8 | Claim of 8 | true | 0 of 0 | RuntimeError: no such luck |"
    barred = dataclasses.replace(outcomes[0].claim, name="a | b\nc")
    assert r"| a \| b c |" in report.table([dataclasses.replace(outcomes[0], claim=barred)])


# ---- bandwidth


def test_bandwidth_prints_estimate_and_correction(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(capsys, "bandwidth", "10", "500", "--trials", "4", "--seed", "5")
    found = density.avae_bandwidth(10, 500, key=jax.random.key(5), num_trials=4)
    assert (output.status, output.err) == (0, "")
    assert "500 kernels in 10 dimensions, 4 trials, seed 5" in output.out
    assert f"{found.estimate:.4f} ± {found.standard_error:.4f}" in output.out
    for value in (found.corrected, found.alpha, found.prior_deviation, density.exact_avae_bandwidth(10, 500)):
        assert f" {value:.4f}\n" in output.out
    assert Output(capsys, "bandwidth", "10", "500", "--trials", "4", "--seed", "6").out != output.out


def test_bandwidth_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(capsys, "bandwidth", "2", "20", "--json")
    found = density.avae_bandwidth(2, 20, key=jax.random.key(0))
    assert (output.status, output.err) == (0, "")
    assert json.loads(output.out) == {
        "latent_size": 2,
        "num_centres": 20,
        "trials": list(found.trials),
        "bandwidth": found.estimate,
        "standard_error": found.standard_error,
        "exact": density.exact_avae_bandwidth(2, 20),
        "corrected": found.corrected,
        "alpha": found.alpha,
        "prior_deviation": found.prior_deviation,
    }


def test_bandwidth_beyond_the_quadrature_has_the_simulation_alone(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(capsys, "bandwidth", "1500", "3", "--json")
    assert output.status == 0 and json.loads(output.out)["exact"] is None
    assert json.loads(output.out)["bandwidth"] == pytest.approx(1.4, abs=0.05)
    assert "without chance              -\n" in Output(capsys, "bandwidth", "1500", "3").out


def test_bandwidth_of_too_many_is_status_1_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(capsys, "bandwidth", "10", "1000000000")
    assert (output.status, output.out, output.err.count("\n")) == (1, "", 1)
    assert "1,000,000,000 centres" in output.err and "more than 2 GB" in output.err


# ---- data


def test_data_says_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(capsys, "data", "digits")
    assert output.status == 0 and output.err == ""
    assert "digits train: 1,437 images of 8×8×1" in output.out
    assert "digits test: 360 images of 8×8×1" in output.out
    assert "found: scikit-learn" in output.out


def test_manual_folder_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "missing")
    output = Output(capsys, "data", "mnist", "--manual-dir", missing, "--data-dir", str(tmp_path))
    assert output.status == 1 and missing in output.err and output.err.count("\n") == 1


def test_data_arguments_reach_the_loader(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def load(name: str, split: str, n: int, **options: Any) -> data.Dataset:
        asked.append((name, split, n, options))
        return data.Dataset("x", np.zeros((n, 64, 64, 3), np.uint8), provenance={"found": "here"})

    monkeypatch.setattr(data, "load", load)
    arguments = ["--n", "19900", "--size", "64", "--mirror", "https://a/b", "--data-dir", "c", "--manual-dir", "d"]
    output = Output(capsys, "data", "celeb_a", *arguments)
    options = {"size": 64, "mirror": "https://a/b", "data_dir": "c", "manual_dir": "d", "dtype": np.uint8}
    counts = {"train": 19_900, "validation": 19_867, "test": 19_900}
    assert asked == [("celeb_a", split, count, options) for split, count in counts.items()]
    assert "celeb_a train: 19,900 images of 64×64×3, the first of 162,770\n  found: here\n" in output.out
    assert "celeb_a validation: 19,867 images of 64×64×3\n" in output.out


def test_first_images_of_a_computed_set(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(capsys, "data", "digits", "--n", "400")
    assert output.status == 0
    assert "digits train: 400 images of 8×8×1, the first of 1,437\n" in output.out
    assert "digits test: 360 images of 8×8×1\n" in output.out


# ---- lab


def test_lab_is_told_the_folder_and_whether_to_open_a_page(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def open_lab(folder: Path | None, *, browser: bool) -> int:
        calls.append((folder, browser))
        return 5

    monkeypatch.setattr(lab, "open_lab", open_lab)
    assert Output(capsys, "lab").status == Output(capsys, "lab", "course", "--no-browser").status == 5
    assert calls == [(None, True), (Path("course"), False)]


def test_lab_without_jupyter_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lab.shutil, "which", lambda name, **options: None)
    output = Output(capsys, "lab")
    assert output.status == 1 and "pip install 'vrrae_lab[lab]'" in output.err
