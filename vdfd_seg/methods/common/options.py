"""Options of a method: declared once, with their defaults and what they may be."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from inspect import Parameter, Signature, get_annotations, signature
from typing import Any, ClassVar

from torch import nn

from vdfd_seg.errors import InputError
from vdfd_seg.protocols.checks import PROBLEMS


@dataclass(frozen=True)
class Option:
    """A default, the values that are accepted, and what a message says of others.

    ``read`` makes of an accepted value what the object has. What an option that is not for all
    ``problems`` may be for others is ``elsewhere``; other values are refused with the ``advice``.
    """

    default: Any
    fits: Callable[[Any], bool] = lambda value: True
    rule: str = ""
    read: Callable[[Any], Any] = lambda value: value
    problems: tuple[str, ...] = PROBLEMS
    elsewhere: tuple = ()
    advice: str = ""

    def only_for(self, problem: str, *elsewhere: Any, advice: str = "") -> Any:
        """For one problem; for others it has its default, or a value of ``elsewhere``."""
        advice = advice or f"Leave it at {self.default!r}."
        elsewhere = (self.default, *elsewhere)
        return replace(self, problems=(problem,), elsewhere=elsewhere, advice=advice)

    def set(self, owner: object, name: str, value: Any) -> None:
        """Set an owner's option, or refuse the value.

        Raises:
            InputError: Naming the owner, the option and the value.
        """
        try:
            fits = self.fits(value)
        except TypeError:
            fits = False
        if not fits:
            raise InputError(f"method {type(owner).__name__}: {name}={value!r} {self.rule}.")
        setattr(owner, name, self.read(value))


# They return Any: a class gives what it declares the type of its value.


def option(default: Any, read: Callable[[Any], Any] = lambda value: value) -> Any:
    """Whatever ``read`` accepts; the object has what that gives."""
    return Option(default, read=read)


def not_negative(default: float | None) -> Any:
    """A finite number from 0 on."""
    return Option(default, lambda value: 0 <= value < math.inf, "must not be negative")


def positive(default: float) -> Any:
    """A finite number above 0."""
    return Option(default, lambda value: 0 < value < math.inf, "must be above 0")


def share(default: float) -> Any:
    """A number from 0 to 1."""
    return Option(default, lambda value: 0 <= value <= 1, "must be from 0 to 1")


def at_least_one(default: int | Sequence[int] | None) -> Any:
    """A count, or a list of some."""

    if isinstance(default, Sequence):
        rule = "must be a list of numbers of at least 1"
        return Option(default, lambda value: min(value, default=0) >= 1, rule, tuple)
    return Option(default, lambda value: value >= 1, "must be at least 1")


def none_or(other: Option) -> Any:
    """None, or what another option may be."""
    return Option(
        other.default, lambda value: value is None or other.fits(value), f"{other.rule} or None"
    )


def one_of(*words: str | None) -> Any:
    """One of these words; the default is the first."""
    return Option(words[0], lambda value: value in words, f"is not one of {words}")


class WithOptions(nn.Module):
    """A module whose options are declared as attributes of its class.

    Each becomes a keyword of the constructor, which checks it and sets it on the object. A subclass
    has the options of its bases; an attribute with a plain value fixes one, unchecked. A class may
    have a constructor of its own: with ``**options``, which it passes on, next to others.

    Raises:
        InputError: For an option out of its range, naming it.

    Example:
        >>> class Penalty(WithOptions):
        ...     weight: float = not_negative(1.0)
        >>> Penalty(weight=2.0).weight
        2.0
    """

    options: ClassVar[dict[str, Option]] = {}
    _own: ClassVar[dict[str, Option]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._own = {name: value for name, value in vars(cls).items() if isinstance(value, Option)}
        for name in cls._own:
            # A class's attribute would hide a module that takes its place.
            delattr(cls, name)
        cls.options = {}
        for base in reversed(cls.__mro__):
            fixed = cls.options.keys() & vars(base).keys()
            kept = {name: each for name, each in cls.options.items() if name not in fixed}
            cls.options = kept | vars(base).get("_own", {})
        cls.__signature__ = cls._signature()  # type: ignore[attr-defined]

    @classmethod
    def _signature(cls) -> Signature:
        """The constructor's own parameters, with the options in place of ``**options``."""
        _, *taken = signature(cls.__init__).parameters.values()
        named = [each for each in taken if each.kind is not Parameter.VAR_KEYWORD]
        if named == taken:
            return Signature(named)
        types = {k: v for base in reversed(cls.__mro__) for k, v in get_annotations(base).items()}
        for name, each in cls.options.items():
            if any(own.name == name for own in named):
                continue
            kind = types.get(name, Parameter.empty)
            keyword = Parameter.KEYWORD_ONLY
            named.append(Parameter(name, keyword, default=each.default, annotation=kind))
        return Signature(named)

    def __init__(self, **options: Any) -> None:
        super().__init__()
        for name in options.keys() - self.options.keys():
            raise TypeError(f"there is no option {name!r}")
        for name, each in self.options.items():
            each.set(self, name, options.get(name, each.default))
