"""Work that holds the interpreter's lock, on all cores."""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

_WAITING = 64


def map_parallel(function: Callable, items: Iterable[tuple]) -> Iterator[Any]:
    """``function(*item)`` for each item, computed by a process a core, in the items' order.

    Args:
        function: A function of a module.
        items: Its arguments; only a few are taken ahead of the work.

    Yields:
        What it returns. What it raises is raised here, and what has not begun is left.
    """
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # An interruption is the main process's: without this every other one prints a traceback.
    ignore = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(workers, initializer=signal.signal, initargs=ignore) as pool:
        running: deque[Future] = deque()
        try:
            for item in items:
                running.append(pool.submit(function, *item))
                if len(running) >= _WAITING:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
