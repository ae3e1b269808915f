"""Compiled programs are found again by what they compute, here and by another process."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vrrae_lab import compilation
from vrrae_lab.compilation import compiled, digest, forget_compiled, keep_compiled

# ---- on disk

PROGRAM = """
import sys
import jax
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))
import vrrae_lab
for folder in sys.argv[1:]:
    vrrae_lab.keep_compiled(folder)
print(jax.config.jax_compilation_cache_dir)
print(float(jax.jit(lambda x: x * 3 + 1)(2.0)))
print("/jax/compilation_cache/cache_hits" in hits)
"""


def lines(*arguments: str | Path, home: Path, **variables: str) -> list[str]:
    own = {"XDG_CACHE_HOME": str(home), "JAX_PLATFORMS": "cpu", "VRRAE_LAB_COMPILED": "", **variables}
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"} | own
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split("\n")[:3]


def test_a_second_process_takes_the_program_from_the_folder_until_it_is_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, *first = lines(home=tmp_path)
    assert Path(folder).parent == tmp_path / "vrrae_lab" / "compiled" and jax.__version__ in Path(folder).name
    assert first == ["7.0", "False"] and list(Path(folder).glob("jit_*"))
    assert lines(home=tmp_path) == [folder, "7.0", "True"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    forget_compiled()
    assert not Path(folder).parent.exists()
    forget_compiled()  # there is nothing left, which is no error


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own"
    folder, *rest = lines(tmp_path / "another", own, home=tmp_path / "unused")
    assert Path(folder).parent == own and rest == ["7.0", "False"]
    assert list(Path(folder).iterdir())


def test_nothing_is_kept_where_it_is_off_or_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert lines(home=tmp_path, VRRAE_LAB_COMPILED="off") == ["None", "7.0", "False"]
    assert lines(home=tmp_path / "file") == ["None", "7.0", "False"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(OSError, match="file"):
        keep_compiled(tmp_path / "file" / "compiled")


def test_what_was_used_longest_ago_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "MOST_BYTES", 250)
    for age, name in enumerate(["newest", "middle", "oldest"]):
        path = tmp_path / name / "program"
        path.parent.mkdir()
        path.write_bytes(bytes(100))
        os.utime(path, (1e9 - age, 1e9 - age))
    compilation._trim(tmp_path)
    assert sorted(path.parent.name for path in tmp_path.rglob("program")) == ["middle", "newest"]


# ---- by what they compute


def scaled(factor: float | np.ndarray) -> Callable[[jax.Array], jax.Array]:
    return lambda x: jnp.where(x > 0, factor * jax.nn.relu(x), jax.jit(lambda y: y - factor)(x))


def told(function: Callable[..., jax.Array], *shape: int) -> str:
    return digest(jax.make_jaxpr(function)(jnp.zeros(shape)))


def test_a_digest_is_that_of_what_is_computed() -> None:
    def another_name(anything: jax.Array) -> jax.Array:
        return scaled(2.0)(anything)

    assert told(scaled(2.0), 3) == told(scaled(2.0), 3) == told(another_name, 3)
    vector = np.arange(1000.0)
    others = [
        told(scaled(2.5), 3),  # a constant
        told(scaled(2.0), 4),  # a shape
        told(lambda x: -scaled(2.0)(x), 3),  # one more operation
        told(scaled(vector), 1000),  # a large constant
        told(scaled(vector + (vector == 500)), 1000),  # one number in it
        digest(jax.make_jaxpr(lambda x, y: x - y)(1.0, 2.0)),
        digest(jax.make_jaxpr(lambda x, y: y - x)(1.0, 2.0)),  # the order of operands
    ]
    assert len({told(scaled(2.0), 3), *others}) == len(others) + 1


def test_a_compiled_function_gives_what_the_function_gives_and_takes_over_its_state() -> None:
    def function(given: dict, state: tuple) -> dict:
        return {"sum": given["x"] + state[0], "name": given["name"]}

    given, state = {"x": jnp.arange(3.0), "name": "a"}, (jnp.ones(3), "rest")
    program = compiled(function, given, state)
    again = compiled(lambda given, state: function(given, state), given, state)
    assert again.program is program.program
    found = program(given, state)
    assert found["name"] == "a"
    np.testing.assert_array_equal(found["sum"], [1.0, 2.0, 3.0])
    assert state[0].is_deleted() and not given["x"].is_deleted()


def test_what_is_called_back_in_python_is_the_object_itself() -> None:
    """Two functions may look alike to the program, and each must be called."""
    called: list[str] = []

    def calls(name: str) -> None:
        def function(given: jax.Array, state: tuple) -> jax.Array:
            jax.debug.callback(lambda: called.append(name))
            return given + 1

        compiled(function, jnp.zeros(2), ())(jnp.zeros(2), ())
        jax.effects_barrier()

    calls("first")
    calls("second")
    assert called == ["first", "second"]
