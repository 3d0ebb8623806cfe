"""Options as fields of a dataclass, and functions that are called with them as keywords."""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import field, fields
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")


def option(
    default: Any,
    says: str,
    *,
    limits: tuple[int, int] | None = None,
    choices: Sequence[str] = (),
    metavar: str | None = None,
    shown: str | None = None,
) -> Any:
    """Return the field of an option.

    says: what it does, the help of its flag. limits: of a whole number, both included; of a share (0, 1), the upper
    one included. choices: all values that there are. metavar: what stands for its value in the help. shown: what the
    help says in place of a default of None.
    """
    about = {"says": says, "limits": limits, "choices": choices, "metavar": metavar, "shown": shown}
    return field(default=default, metadata=about)


def either(choices: Sequence[str]) -> str:
    """("test", "train", "both") -> "test, train or both"."""
    *others, last = choices
    return f"{', '.join(others)} or {last}"


def taking(of: Callable[P, T]) -> Callable[[Callable[[T], R]], Callable[P, R]]:
    """Have a function of one dataclass be called with the fields of that, and list them in its docstring."""

    def decorate(function: Callable[[T], R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return function(of(*args, **kwargs))

        call.__signature__ = inspect.signature(of)  # type: ignore[attr-defined]
        call.__doc__ = f"{function.__doc__ or ''}\n{listed(of)}\n"
        return call

    return decorate


def made_of(of: Callable[P, T]) -> Callable[[Callable[[S, T], None]], Callable[Concatenate[S, P], None]]:
    """As `taking`, for a class's __init__."""

    def decorate(function: Callable[[S, T], None]) -> Callable[Concatenate[S, P], None]:
        @functools.wraps(function)
        def make(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
            function(self, of(*args, **kwargs))

        own = inspect.signature(of)
        first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        make.__signature__ = own.replace(parameters=[first, *own.parameters.values()])  # type: ignore[attr-defined]
        return make

    return decorate


def listed(of: Any) -> str:
    """Return a line for each option of a dataclass, as a docstring has them."""
    return "\n".join(f"    {one.name}: {one.metadata['says']}" for one in fields(of) if one.metadata)
