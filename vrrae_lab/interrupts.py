"""Signals that wait: a run asked to stop does so between two steps, not inside one."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether the process has been asked to stop.

    Attributes:
        requested: it has.
        terminated: by SIGTERM, as a batch system or a closing terminal does.
    """

    requested = False
    terminated = False


@contextmanager
def deferred_interrupt(*, terminate: bool = False) -> Iterator[Interrupt]:
    """Turn the first SIGINT into a request; a second one raises at once, as it would have done.

    Args:
        terminate: whether SIGTERM is turned into a request too. It is sent on when the block ends, so that the process
            ends as it was asked to, only later.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt  # Python lets only the main thread handle signals
        return

    def request(number: int, frame: FrameType | None) -> None:
        if interrupt.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        interrupt.requested = True
        interrupt.terminated |= number == signal.SIGTERM

    numbers = [signal.SIGINT, *([signal.SIGTERM] if terminate else [])]
    previous = {number: signal.signal(number, request) for number in numbers}
    try:
        yield interrupt
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if interrupt.terminated:
            os.kill(os.getpid(), signal.SIGTERM)
