#!/usr/bin/env python3
"""torchrun, with an end that says what happened.

    python tools/dist_run.py [arguments of torchrun] SCRIPT [its arguments]

What ``dist_train.sh`` and ``dist_test.sh`` start. When one process ends, torchrun stops the others;
then this prints which one it was and how to continue, instead of a traceback of torchrun's own, and
exits with that process's status (128 + N where signal N ended it, as a shell does).
"""

import signal
import sys
from collections.abc import Mapping

EXIT_BAD_INPUT = 2


def cause(failures: Mapping) -> int:
    """Rank of the process that failed first, of the failures that torchrun found.

    torchrun looks a few times a second and may find that all have failed. One that a signal ended
    did not fail because another was gone, as those do that were in the middle of an exchange with
    it; SIGTERM is what torchrun stops the others with.
    """

    def order(rank):
        code = failures[rank].exitcode
        return (code >= 0) + 2 * (code == -signal.SIGTERM), failures[rank].timestamp, rank

    return min(failures, key=order)


def explanation(failures: Mapping) -> tuple[int, str]:
    """Exit status and message, empty for bad input: each process has said what it was."""
    rank = cause(failures)
    failure = failures[rank]
    who = f"process {rank} (pid {failure.pid})"
    code = failure.exitcode
    if code == EXIT_BAD_INPUT:
        return code, ""
    if code < 0:
        what = f"{who} was ended by {signal.Signals(-code).name}"
        if -code == signal.SIGKILL:
            what += ", as the system does when memory runs out (see 'dmesg')"
        code = 128 - code
    else:
        what = f"{who} ended with exit status {code}; its error is above"
    return code, (
        f"vdfd_seg: error: {what}. The other processes were stopped. Training continues from its "
        f"last save with the same command and --resume, with another number of processes too if "
        f"their total batch size stays."
    )


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] in (["-h"], ["--help"]):
        print(f"{__doc__}\nThe arguments of torchrun: torchrun --help")
        return 0
    # The usage text does not wait for torch.
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    try:
        run(parse_args(argv))
    except ChildFailedError as error:
        status, message = explanation(error.failures)
        if message:
            print(message, file=sys.stderr)
        return status
    except SignalException as error:
        print(f"vdfd_seg: stopped by {error.sigval.name}", file=sys.stderr)
        return 128 + error.sigval
    return 0


if __name__ == "__main__":
    sys.exit(main())
