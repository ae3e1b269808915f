"""The tools that make the papers' full runs: who works on what, what is kept, and which trees are refused."""

import json
import runpy
from pathlib import Path
from types import ModuleType

import pytest
from support import TINY_BUMPS, quick_experiments

from vrrae_lab import environment

TOOLS = Path(__file__).parents[1] / "tools"


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """tools/long_runs.py, its checkout in a folder of its own."""
    monkeypatch.syspath_prepend(str(TOOLS))
    import long_runs

    monkeypatch.setattr(long_runs, "KEPT", tmp_path / "checkout" / "finished_runs")
    monkeypatch.setattr(long_runs, "checkout", lambda: tmp_path / "checkout")
    monkeypatch.setattr(long_runs, "QUEUE", ("some",))
    return long_runs


def test_one_process_at_a_time_has_a_lock(tool: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "process0.lock"
    with tool.locked(path) as lock:
        lock.write("1234")
        lock.flush()
        with tool.locked(path) as second:
            assert second is None
        assert tool.processes() == [1234, None]
        assert "process 1234 at work" in tool.status()
    assert tool.processes() == [None, None]
    assert "no process at work" in tool.status()


def test_seeds_that_are_finished_or_in_other_hands_are_left(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import ship

    monkeypatch.setitem(ship.FULL_RUNS, "some", TINY_BUMPS)
    out = tmp_path / "runs" / "some"
    with quick_experiments(), tool.locked(out / "seed1.lock"):
        tool.work_on("some")
    assert {path.stem[-1] for path in (out / "runs").glob("*.json")} == {"0"}
    capsys.readouterr()
    with quick_experiments():
        tool.work_on("some")
    assert "some, seed 1" in (said := capsys.readouterr().out) and "seed 0\n" not in said
    assert sorted(path.name for path in out.glob("*.done")) == ["seed0.done", "seed1.done"]
    assert "some: 10 runs finished, whole: seed0, seed1" in tool.status()

    tool.keep()
    for path in (out / "runs").glob("*.json"):
        kept = tmp_path / "checkout" / "finished_runs" / "some" / path.name
        assert (
            json.loads(kept.read_text()) == json.loads(path.read_text()) and kept.stat().st_size < path.stat().st_size
        )
    capsys.readouterr()
    tool.keep()
    assert capsys.readouterr().out == "nothing new has finished\n"


def test_status_says_at_which_step_a_run_stands(tool: ModuleType, tmp_path: Path) -> None:
    unfinished = tmp_path / "runs" / "some" / "runs" / "vae-seed0.unfinished"
    unfinished.mkdir(parents=True)
    for step in (100, 1100, 900):
        (unfinished / f"step-{step:09d}.ckpt").touch()
    assert "  vae-seed0 at step 1100" in tool.status().splitlines()


@pytest.mark.parametrize("commit", [None, "5" * 40 + "+"])
def test_nothing_is_shipped_from_a_tree_with_changes(commit: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "commit", lambda: commit)
    monkeypatch.setattr("sys.argv", ["ship.py", "cost_fast"])
    with pytest.raises(SystemExit, match="commit your changes first"):
        runpy.run_path(str(TOOLS / "ship.py"), run_name="__main__")


def test_every_long_run_has_a_setting(tool: ModuleType) -> None:
    import ship

    assert set(runpy.run_path(str(TOOLS / "long_runs.py"))["QUEUE"]) <= set(ship.FULL_RUNS)
