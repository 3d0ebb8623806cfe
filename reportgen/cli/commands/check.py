"""`reportgen check`: hold a report against limits."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from reportgen import files
from reportgen.cli.common import errors_shown, fail
from reportgen.cli.options import Debug, Finished, language, with_options
from reportgen.errors import InputError
from reportgen.format import as_typed
from reportgen.record.checks import TABLE, Checked, Limits, limits

PYPROJECT = Path("pyproject.toml")
_LARGEST = 2**20


@with_options(Limits)
def check(
    folder: Finished,
    baseline: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The report that --max-drop compares with.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"A TOML file with these limits, under [{TABLE}] or at its top; flags win.",
            show_default="pyproject.toml, if it has them",
        ),
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the checks as a JUnit file.")] = None,
    summary: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a summary in Markdown.")] = None,
    lang: Annotated[str | None, language("The summary's language", shown="the report's")] = None,
    debug: Debug = False,
    **given: Any,
) -> None:
    """Hold a report against limits; exit 1 names each that is not met."""
    with errors_shown(debug):
        from reportgen.compare.limits import check as checked
        from reportgen.deliver import file
        from reportgen.options import check_lang
        from reportgen.record import record_file, search

        flags = {name.replace("_", "-"): value for name, value in given.items() if value is not None}
        wanted = _wanted(flags, config)
        if wanted.max_drop is not None and baseline is None:
            raise InputError(
                f"max-drop is {as_typed(wanted.max_drop)}, but there is no --baseline", "give --baseline DIR"
            )
        record = record_file.load(folder)
        check_lang(lang or record.look.lang)
        found = checked(record, wanted, search.headline_of(baseline) if baseline else None)
        for one in found:
            print(f"{'met    ' if one.met else 'NOT MET'}  {one.name}: {one.says}")
        if junit:
            from reportgen.render.ci.junit import xml

            file.write(junit, xml(record, found))
            print(junit)
        if summary:
            from reportgen.render.ci.summary import markdown

            file.write(summary, markdown(record, found, lang or record.look.lang).encode("utf-8"))
            print(summary)
        _end(folder, found)


def _wanted(flags: dict[str, Any], config: Path | None) -> Limits:
    """Return the limits of the flags, and where a flag is not given those of the TOML file."""
    limits(flags, "", "--")  # so that an error about a flag is not about a file
    where, table = _table(config)
    limits(table, where)
    wanted = limits(table | flags, where)
    if not wanted.named():
        raise InputError(
            "no limit was given, so nothing would be checked", f"give one, such as --min-accuracy 0.98, or [{TABLE}]"
        )
    return wanted


def _table(config: Path | None) -> tuple[str, dict[str, Any]]:
    """Return what an error calls the table of limits, and the table: empty where no file was asked for or is there."""
    path = config or PYPROJECT
    if config is None and not path.is_file():
        return "", {}
    try:
        found = tomllib.loads(files.content(path, _LARGEST).decode("utf-8"))
    except (InputError, ValueError, RecursionError) as error:
        reason = getattr(error.__cause__, "strerror", None) or getattr(error, "what", None) or str(error)
        raise InputError(f"{path} cannot be read as TOML ({reason})", "mend that or give another --config") from error
    if config is not None and "tool" not in found:
        return f"{path}: ", found
    table: Any = found
    for key in TABLE.split("."):
        if not isinstance(table, dict) or key not in table:
            if config is None:
                return "", {}
            raise InputError(f"{path} has no table [{TABLE}]", "add it, or put the limits at the top of the file")
        table = table[key]
    if not isinstance(table, dict):
        raise InputError(f"{path} has {table!r} as {TABLE}", "expected a table of limits")
    return f"[{TABLE}] of {path}: ", table


def _end(folder: Path, found: list[Checked]) -> None:
    """Leave with 1, and a line that names them, where checks are not met."""
    if unmet := [one.name for one in found if not one.met]:
        is_not = "is" if len(unmet) == 1 else "are"
        fail(f"{len(unmet)} of {len(found)} checks {is_not} not met ({', '.join(unmet)}); look into {folder} for why")
        raise typer.Exit(1)
