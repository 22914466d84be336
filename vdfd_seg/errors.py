"""Errors a user can mend, told apart from defects of this package."""

import difflib
import signal
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from traceback import walk_tb

_LIBRARIES = ("vdfd_seg", "torch", "torchvision", "mmcv", "mmengine", "mmseg")


class InputError(ValueError):
    """Bad input: a config, file, argument or checkpoint that cannot be used.

    The message names the file or key and what to do. Command-line tools print it without a
    traceback and end with exit status 2. All code that reads a user's input may raise it.
    Docstrings name it where the reasons are not obvious.
    """


class DamagedError(InputError):
    """A file of this package's own whose content is not what was written."""


class Stopped(BaseException):
    """A signal ended the run. Not an ``Exception``, so that no handler of errors catches it.

    Attributes:
        number: The signal's number.
        saved: What is saved of the step that was stopped, in words; None before the first step.
        advice: What to type to continue.
    """

    def __init__(self, number: int):
        self.number = int(number)
        self.saved: str | None = None
        self.advice = "--resume continues"
        super().__init__(signal.Signals(number).name)


def raised_in_user_code(error: Exception) -> bool:
    """Whether code outside this package and its libraries took part in an error."""
    found = sysconfig.get_paths()
    paths = tuple(found[key] for key in ("stdlib", "platstdlib", "purelib", "platlib"))
    return any(
        # A config is run without a name: what fails in it is bad input.
        frame.f_globals.get("__name__", "vdfd_seg").partition(".")[0] not in _LIBRARIES
        and not frame.f_code.co_filename.startswith((*paths, "<"))
        for frame, _ in walk_tb(error.__traceback__)
    )


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn errors of libraries inside the block into an :class:`InputError`, after ``what``.

    Damaged files make decoders raise all kinds. Errors in a user's own code pass through.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if raised_in_user_code(error):
            raise
        raise InputError(f"{what}: {type(error).__name__}: {error}") from error


def nearest(name: object, valid: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The valid name most like the given one, capitals aside; None if none is near."""
    folded = {item.lower(): item for item in valid}
    near = difflib.get_close_matches(str(name).lower(), folded, n=1, cutoff=cutoff)
    return folded[near[0]] if near else None


def unknown_name(kind: str, name: object, valid: Iterable[str]) -> InputError:
    """An :class:`InputError` for a name of some kind (``"protocol"``) that is not a valid one.

    It names the nearest valid name where one is near, and lists all that there are.
    """
    valid = sorted(valid)
    if not valid:
        return InputError(f"unknown {kind} '{name}': there is none to give; take it out.")
    near = nearest(name, valid)
    hint = f" Did you mean '{near}'?" if near else ""
    return InputError(f"unknown {kind} '{name}'.{hint} Valid names: {', '.join(valid)}.")


def warn(message: str) -> None:
    """Print ``vdfd_seg: warning: MESSAGE`` to stderr, once for all processes of a run."""
    from mmengine.dist import is_main_process

    if is_main_process():
        print(f"vdfd_seg: warning: {message}", file=sys.stderr, flush=True)
