"""The command line: options, one call, one line of output; the only place that prints errors and exits."""

import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException

from reportgen import __version__, alone
from reportgen.cli.commands import batch, check, compare, email, index, log, prune
from reportgen.cli.common import (
    WHAT_IS_THERE,
    end_of_output,
    errors_shown,
    fail,
    open_streams,
    print_any_name,
)
from reportgen.cli.options import Debug, Finished, values, with_options
from reportgen.errors import together
from reportgen.options import SAMPLE, Analysis, Bounds, Budget, Call, Pages, Place, Training

if TYPE_CHECKING:
    from reportgen.progress import Progress
    from reportgen.result import Report, Written


app = typer.Typer(
    name="reportgen",
    help="See what went on inside a Keras model: one HTML page and one PDF.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        print(f"reportgen {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
@with_options(Pages, Training, Analysis, Budget, Bounds, Place)
def report(
    data: Annotated[
        str,
        typer.Option(help="sample, mnist, fashion-mnist, cifar10, cifar100, or a file or folder in a usual layout."),
    ] = SAMPLE,
    model: Annotated[
        Path | None, typer.Option(help="A .keras or .h5 file; without it the built-in network is trained.")
    ] = None,
    debug: Debug = False,
    **given: Any,
) -> None:
    """Train or load a model, look into it, and write the report."""
    with errors_shown(debug):
        from reportgen.cli import supervisor

        progress = supervisor.begin(model, given["max_load_seconds"])
        from reportgen.pipeline import flow

        _say(flow.written(Call(model, data, **values(given), progress=progress)), progress)


@app.command()
@with_options(
    Pages,
    Budget,
    without=("title", "baseline", "log_to"),
    unset={"out": "DIR itself", "lang": "as it was", "paper": "as it was"},
)
def render(
    folder: Finished,
    templates: Annotated[
        Path | None, typer.Option(help="A folder of Jinja templates that replace those of the same name.")
    ] = None,
    debug: Debug = False,
    **given: Any,
) -> None:
    """Paint a report again from what its folder holds, without TensorFlow."""
    with errors_shown(debug):
        from reportgen.pipeline import flow
        from reportgen.progress import to_stderr

        progress = to_stderr()
        _say(flow.render(folder, templates=templates, **values(given), progress=progress), progress)


@app.command()
def selftest(debug: Debug = False) -> None:
    """Judge a model with planted faults; exit 1 if a verdict is wrong."""
    with errors_shown(debug):
        from reportgen import selftest as planted
        from reportgen.progress import to_stderr

        wrong = planted.run(to_stderr())
        for line in wrong:
            print(line)
        if wrong:
            fail(f"{len(wrong)} verdicts are wrong; do not trust this installation's reports")
            raise typer.Exit(1)
        print("All planted faults were found with their causes, and nothing else.")


for command in (batch.batch, compare.compare, check.check, prune.prune, index.index, email.email, log.log):
    app.command()(command)


def main() -> NoReturn:
    """Run the command that the shell asked for, and end this process with its exit code.

    Everything is written and closed by then, and tearing TensorFlow down would take a second.
    """
    alone.begin()
    code = run()
    with suppress(OSError):  # nobody reads it any longer
        sys.stderr.flush()
    os._exit(code)


def run() -> int:
    """Run the command that the shell asked for, and return its exit code."""
    open_streams()
    print_any_name()
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns of a home that cannot be written
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = app(prog_name="reportgen", standalone_mode=False)
    except TyperException as error:  # the call itself is wrong
        context = getattr(error, "ctx", None)  # only errors of usage have one, and Typer declares it for none
        fail(f"{error.format_message().rstrip('.')}; see {context.command_path if context else 'reportgen'} --help")
        code = 2
    except SystemExit as left:  # by a signal
        code = left.code
    return end_of_output(code or 0)


def _terminated(number: int, frame: Any) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the clean-up that follows must not be cut short
    fail(f"terminated; {WHAT_IS_THERE}")
    raise SystemExit(128 + signal.SIGTERM)


def _say(made: "Report | Written", progress: "Progress") -> None:
    """Print the paths to stdout, for scripts, and their sizes and the seconds of each stage to stderr.

    Raises SurroundingsError where something is missing from the report.
    """
    from reportgen import format

    sizes = ", ".join(f"{name} {format.size(size)}" for name, size in made.files.items())
    times = ", ".join(f"{stage} {format.seconds(spent)}" for stage, spent in progress.seconds.items())
    progress.say(f"Sizes: {sizes}.")
    progress.say(f"Seconds: {times}; {format.seconds(sum(progress.seconds.values()))} in all.")
    with suppress(BrokenPipeError):  # nobody wants to know, but it is written
        for name in made.files:
            print(made.folder / name)
    if made.problems:
        raise together(made.problems)
