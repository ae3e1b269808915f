"""How much memory a process has filled; imports nothing that would fill some."""

import resource
from pathlib import Path


def peak_memory(process: int | str = "self") -> float:
    """The most memory a process has filled, by default this one, in MiB.

    Linux hands `ru_maxrss` down to the programs a process starts, so that a small one is said to be as large as the one
    that started it; the high-water mark in /proc is the process's own.

    Args:
        process: its number.

    Raises:
        FileNotFoundError: if it is another process and this system keeps no such file of it.
    """
    status = Path(f"/proc/{process}/status")
    if process == "self" and not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
