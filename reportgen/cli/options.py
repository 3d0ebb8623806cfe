"""The flags of the commands, made from the one table of options."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from reportgen.cli.common import listed as parts
from reportgen.cli.common import number, whole
from reportgen.keywords import either
from reportgen.options import LANGUAGES

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Finished = Annotated[Path, typer.Argument(help="A folder that `reportgen report` wrote.", metavar="DIR")]
Published = Annotated[str | None, typer.Option(metavar="URL", help="Where the report's page is published.")]


def language(what: str, *, shown: str) -> Any:
    """Return the flag of --lang. what: is chosen, for its help. shown: what that says in place of a default."""
    return typer.Option(help=f"{what}: {either(LANGUAGES)}.", show_default=shown)


def with_options(
    *kinds: type, without: tuple[str, ...] = (), unset: Mapping[str, str] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of dataclasses as flags; it takes their values as `**given`, see `values`.

    without: the names of options that this command does not have. unset: those that are None where they are not given,
    and what the help says in place of a default.
    """
    listed = [(one, kind) for kind in kinds for one in fields(kind) if one.metadata and one.name not in without]
    made = [_flag(one, kind, (unset or {}).get(one.name)) for one, kind in listed]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        *own, debug, _ = signature.parameters.values()
        own = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own, *made, debug)]
        command.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]  # what typer reads
        return command

    return decorate


def values(given: dict[str, Any]) -> dict[str, Any]:
    """Return what the shell gave as the dataclasses have it: what has commas between as a list."""
    return given | {name: parts(given[name]) for name in ("formats", "log_to") if name in given}


def amount(given: str) -> int | float:
    """Return "3" as so many and "0.03" as a share."""
    return int(given) if given.isdecimal() else number(given)


def _flag(one: "Field[Any]", kind: type, unset: str | None) -> inspect.Parameter:
    """Return an option as a parameter that typer makes a flag from. unset: its words in the help, with no default."""
    about, default = one.metadata, None if one.default is MISSING or unset else one.default
    hint = get_type_hints(kind)[one.name]
    kinds = set(get_args(hint) or [hint]) | ({type(None)} if unset else set())
    shape = _shape(kinds)
    parser = amount if {int, float} <= kinds else {int: whole, float: number}.get(shape)
    names = (f"--{one.name.replace('_', '-')}",) if shape is bool else ()
    help_ = {"help": about["says"], "metavar": about["metavar"], "parser": parser}
    flag = typer.Option(*names, **help_, show_default=unset or about["shown"] or True)
    default = ",".join(default) if isinstance(default, tuple) else default
    annotation = Annotated[shape if type(None) not in kinds else shape | None, flag]  # type: ignore[valid-type]
    return inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _shape(kinds: set[Any]) -> type:
    """Return as what the shell takes an option that Python takes as one of these types."""
    if kinds & {float, bool}:
        return float if float in kinds else bool
    if int in kinds and str not in kinds:
        return int
    return Path if {str, Path, type(None)} == kinds else str
