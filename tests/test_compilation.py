"""Compiled programs are found again by another process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vrrae_lab.compilation import keep_compiled

PROGRAM = """
import sys
import jax
from vrrae_lab import keep_compiled
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))
keep_compiled(*sys.argv[1:])
print(jax.config.jax_compilation_cache_dir, jax.config.jax_persistent_cache_min_compile_time_secs)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)  # this one is quick to compile
print(float(jax.jit(lambda x: x * 3 + 1)(2.0)))
print("/jax/compilation_cache/cache_hits" in hits)
"""


def lines(*arguments: str, cache_home: Path) -> list[str]:
    environment = os.environ | {"XDG_CACHE_HOME": str(cache_home), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split("\n")[:3]


def test_a_second_process_takes_the_program_from_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "vrrae_lab" / "compiled"
    assert lines(cache_home=tmp_path) == [f"{folder} 0.1", "7.0", "False"]
    assert list(folder.iterdir())
    assert lines(cache_home=tmp_path) == [f"{folder} 0.1", "7.0", "True"]


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own"
    assert lines(str(own), cache_home=tmp_path / "unused") == [f"{own} 0.1", "7.0", "False"]
    assert list(own.iterdir()) and not (tmp_path / "unused").exists()


CHANGE = """
import sys
import jax
from pathlib import Path
from vrrae_lab import keep_compiled
for folder in sys.argv[1:]:
    keep_compiled(folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.jit(lambda x: x * 3 + len(folder))(2.0)
    print(len(list(Path(folder).glob("jit_*"))) > 0)
"""


def test_the_folder_can_be_changed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHANGE, str(tmp_path / "first"), str(tmp_path / "second")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["True", "True"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        keep_compiled(tmp_path / "file" / "compiled")
