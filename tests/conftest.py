"""Settings that hold for every test, made before anything imports the library."""

import os
import socket
import zlib

import hypothesis
import jax
import jaxtyping
import pytest

# Nothing that the person who runs them has compiled plays a part, here and in the processes started from here.
os.environ["VRRAE_LAB_COMPILED"] = "off"

# The shapes in the library's annotations are checked at every call, in tests only.
jaxtyping.install_import_hook("vrrae_lab", "checking.typechecker")

# A vector silently added to a matrix is more often a mistake than meant.
jax.config.update("jax_numpy_rank_promotion", "raise")

# The first call of a jitted function compiles, so a deadline would fail it; the same examples on every machine.
hypothesis.settings.register_profile("vrrae_lab", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("vrrae_lab")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    """Quick compilation for the notebooks that nbmake runs; browser/conftest.py has it for those in a browser."""
    from support import kernels_compile_quickly

    if item.path.suffix != ".ipynb":
        return (yield)
    with kernels_compile_quickly():
        return (yield)


@pytest.fixture
def getkey(request):
    """A function that gives another key at each call; the same ones at each run of the same test."""
    key = jax.random.key(zlib.crc32(request.node.name.encode()))

    def getkey():
        nonlocal key
        key, fresh = jax.random.split(key)
        return fresh

    return getkey


@pytest.fixture
def x64():
    """Let jax compute in float64 during this test."""
    # the option, because the context manager has not the same place in all versions of jax this package runs on
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.fixture(scope="module")
def quick_compilation():
    """Compile without optimising, for modules whose tests compile many programs and run each once."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()  # what was compiled so rounds otherwise, and no other module may meet it


@pytest.fixture
def unchecked():
    """Switch the checks of annotations off during this test, to meet the library as its users do."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def without_data_or_network(tmp_path, monkeypatch):
    """A machine whose usual data folders are empty and whose network does not answer."""
    pytest.importorskip("tensorflow_datasets")
    import requests

    def refuse(*arguments, **options):
        raise requests.ConnectionError("no network in this test")

    monkeypatch.setattr(requests, "head", refuse)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    """No test sees or touches the data folders of the person who runs it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("VRRAE_LAB_DATA", "XDG_CACHE_HOME", "TFDS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def attempts(monkeypatch):
    """Cut the network off, and list the attempts to use it."""
    made = []

    def refuse(*arguments, **options):
        made.append(repr(arguments))
        raise OSError("the network is cut off in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return made
