"""The command ``vdfd_seg``: one sub-command for each tool.

``vdfd_seg train ...`` is the same as ``python tools/train.py ...``. Each is ``main(argv)`` of the
module of its name, imported only when called: that takes seconds, a usage text should not.
"""

import atexit
import gc
import importlib
import signal
import sys
from collections.abc import Callable, Sequence

from vdfd_seg.errors import InputError, Stopped, unknown_name
from vdfd_seg.utils.installation import check_distributions, explain_import_error
from vdfd_seg.version import __version__

COMMANDS = {
    "train": "train a continual sequence, step after step",
    "multi_run": "train several configs with several seeds, and compare them",
    "adopt": "take a network that mmsegmentation trained as the first step of a sequence",
    "test": "evaluate the checkpoints of a sequence on every task seen",
    "infer": "segment or classify images or a video with a step, or compare two steps",
    "export": "write a step for mmsegmentation or as ONNX",
    "report": "write the HTML report of a work dir",
    "demo": "train, evaluate and report a whole sequence on the embedded data set",
}

EXIT_BAD_INPUT = 2
EXIT_STORAGE = 74  # EX_IOERR of sysexits.h
EXIT_LOST = 75  # EX_TEMPFAIL
EXIT_SIGNAL = 128  # plus the signal's number, as a shell reports a process that one ended


def usage() -> str:
    """The usage text of ``vdfd_seg``."""
    lines = [f"  {name:<11}{text}" for name, text in COMMANDS.items()]
    return (
        "usage: vdfd_seg COMMAND [ARGUMENT ...]\n"
        "       vdfd_seg COMMAND --help\n"
        "       vdfd_seg --version\n\n"
        "Continual learning for segmentation and classification.\n\n"
        "commands:\n" + "\n".join(lines)
    )


def run_guarded(
    main: Callable[[Sequence[str] | None], int | None], argv: Sequence[str] | None = None
) -> int:
    """Call a command and turn errors that the user can mend into an exit status.

    Args:
        main: The command; None from it counts as 0.
        argv: Its arguments, those of the process if None.

    Returns:
        The exit status of the command, or after one message on stderr:

        - 2 for bad input or an environment that cannot work;
        - 74 for a disk that is full or fails;
        - 75 if another process of the run ended;
        - 128 plus the number of a signal that ended the run.

        Any other exception is a defect, and passes through with its traceback.
    """
    # The interpreter would look through all modules for cycles when it ends, a second's work.
    atexit.register(gc.freeze)
    try:
        check_distributions()
        return main(argv) or 0
    except InputError as error:
        status, message = EXIT_BAD_INPUT, f"error: {error}"
    except OSError as error:
        from vdfd_seg.utils.files import is_storage_error

        if not is_storage_error(error):
            raise
        status = EXIT_STORAGE
        message = (
            f"error: cannot write '{error.filename or 'a file'}' ({error.strerror}). What was "
            f"saved before is whole: make room and start again, training with --resume."
        )
    except RuntimeError as error:
        from vdfd_seg.utils.signals import lost_process

        if not lost_process(error):
            raise
        status = EXIT_LOST
        message = (
            "error: another process of this run ended, see its message; this one cannot continue. "
            "Start again with as many processes as there are, training with --resume."
        )
    except ImportError as error:
        explained = explain_import_error(error)
        if explained is None:
            raise
        status, message = EXIT_BAD_INPUT, f"error: {explained}"
    except Stopped as stopped:
        status = EXIT_SIGNAL + stopped.number
        message = f"stopped by {stopped}; {stopped.saved or 'no step started'}. {stopped.advice}."
    except KeyboardInterrupt:
        status, message = EXIT_SIGNAL + signal.SIGINT, "interrupted"
    print(f"vdfd_seg: {message}", file=sys.stderr)
    return status


def run_command(name: str, argv: Sequence[str] | None = None) -> int:
    """Run one of :data:`COMMANDS` by :func:`run_guarded`; the exit status."""

    def call(arguments: Sequence[str] | None) -> int | None:
        # Inside the guard: a broken environment shows in this import.
        return importlib.import_module(f"vdfd_seg.cli.{name}").main(arguments)

    return run_guarded(call, argv)


def main(argv: Sequence[str] | None = None) -> int:
    """The console script ``vdfd_seg``; the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments:
        print(usage(), file=sys.stderr)
        return EXIT_BAD_INPUT
    name = arguments[0]
    if name in ("-h", "--help", "help"):
        print(usage())
        return 0
    if name in ("-V", "--version"):
        print(f"vdfd_seg {__version__}")
        return 0
    if name not in COMMANDS:
        print(f"vdfd_seg: error: {unknown_name('command', name, COMMANDS)}", file=sys.stderr)
        return EXIT_BAD_INPUT

    # argparse names the program after sys.argv[0], here the console script; usage texts
    # and errors should say which command they are about. Results name the whole command.
    given = sys.argv
    sys.argv = [f"vdfd_seg {name}", *arguments]
    try:
        return run_command(name, arguments[1:])
    finally:
        sys.argv = given
