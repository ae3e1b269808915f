"""How much memory this process has filled; imports nothing that would fill some."""

import resource
from pathlib import Path


def peak_memory() -> float:
    """The most memory this process has filled, in MiB.

    Linux hands `ru_maxrss` down to the programs a process starts, so that a small one is said to be as large as the one
    that started it; the high-water mark in /proc is the process's own.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
