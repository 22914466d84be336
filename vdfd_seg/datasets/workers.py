"""Work that holds the interpreter's lock, on all cores."""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor


def on_all_cores(function: Callable, items: Iterable[tuple]) -> None:
    """Call ``function(*item)`` for each item, by a process a core.

    What it raises is raised here, and what has not started is left.

    Args:
        function: A function of a module.
        items: Its arguments.
    """
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # An interruption is the main process's: without this every other one prints a traceback.
    ignore = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(workers, initializer=signal.signal, initargs=ignore) as pool:
        deque(pool.map(function, *zip(*items)), maxlen=0)
