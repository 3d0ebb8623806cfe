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

from reportgen import __version__
from reportgen.cli import options
from reportgen.cli.commands import batch, check, compare, email, index
from reportgen.cli.common import (
    Debug,
    end_of_output,
    errors_shown,
    fail,
    listed,
    number,
    open_streams,
    print_any_name,
    whole,
)
from reportgen.errors import together
from reportgen.options import LANGUAGES, PAPERS, Bounds, Budget, Options

if TYPE_CHECKING:
    from reportgen.pipeline import Report
    from reportgen.progress import Progress

_DEFAULTS = Options()

app = typer.Typer(
    name="reportgen",
    help="See what went on inside a Keras model: one HTML page and one PDF.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


Split = Annotated[bool, typer.Option("--split", help="Put the page's style, script and pictures into files beside it.")]
MaxHtml = Annotated[
    float, typer.Option("--max-html-mb", parser=number, metavar="MB", help="How large the page may be at most.")
]
MaxPdf = Annotated[
    float, typer.Option("--max-pdf-mb", parser=number, metavar="MB", help="How large the PDF may be at most.")
]


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
def report(
    data: Annotated[
        str,
        typer.Option(help="sample, mnist, fashion-mnist, cifar10, cifar100, or a file or folder in a usual layout."),
    ] = "sample",
    model: Annotated[
        Path | None, typer.Option(help="A .keras or .h5 file; without it the built-in network is trained.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The folder to write.", show_default="reports/<data name>")] = None,
    title: Annotated[str | None, typer.Option(help="The report's title.", show_default="model on data")] = None,
    epochs: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Train at most so many epochs.")
    ] = _DEFAULTS.epochs,
    batch_size: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Images per training step.")
    ] = _DEFAULTS.batch_size,
    patience: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Epochs without a lower validation loss that are forgiven.")
    ] = _DEFAULTS.patience,
    seed: Annotated[int, typer.Option(parser=whole, metavar="N", help="Of every random generator.")] = _DEFAULTS.seed,
    examples: options.Examples = _DEFAULTS.examples,
    pixels: options.Pixels = _DEFAULTS.pixels,
    analyse: options.Analyse = _DEFAULTS.analyse,
    memory: options.Memory = _DEFAULTS.memory,
    redundant: options.Redundant = _DEFAULTS.redundant,
    always_on: options.AlwaysOn = _DEFAULTS.always_on,
    weak: options.Weak = _DEFAULTS.weak,
    saturated: options.Saturated = _DEFAULTS.saturated,
    image_size: options.ImageSize = None,
    class_names: options.ClassNames = None,
    validation_split: options.ValidationSplit = None,
    output: options.Output = None,
    formats: options.Formats = options.ALL_FORMATS,
    lang: options.Lang = LANGUAGES[0],
    paper: options.Paper = PAPERS[0],
    split: Split = False,
    max_html_mb: MaxHtml = Budget.max_html_mb,
    max_pdf_mb: MaxPdf = Budget.max_pdf_mb,
    baseline: Annotated[
        Path | None, typer.Option(metavar="DIR", help="An earlier report; the new one says what changed.")
    ] = None,
    max_model_gb: options.MaxModelGb = Bounds.max_model_gb,
    max_memory_gb: options.MaxMemoryGb = Bounds.max_memory_gb,
    max_layers: options.MaxLayers = Bounds.max_layers,
    max_load_seconds: options.MaxLoadSeconds = Bounds.max_load_seconds,
    engine: options.Engine = "local",
    workers: Annotated[
        int | None,
        typer.Option(
            parser=whole, metavar="N", help="Processes of --engine dask.", show_default="half of the cores, at least 2"
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Train or load a model, look into it, and write the report."""
    with errors_shown(debug):
        from reportgen.cli import supervisor

        progress = supervisor.begin(model, max_load_seconds)
        from reportgen import pipeline

        made = pipeline.report(
            model,
            data,
            out=out,
            title=title,
            epochs=epochs,
            batch_size=batch_size,
            patience=patience,
            seed=seed,
            examples=examples,
            pixels=pixels,
            analyse=analyse,  # type: ignore[arg-type]
            memory=memory,
            redundant=redundant,
            always_on=always_on,
            weak=weak,
            saturated=saturated,
            image_size=image_size,
            class_names=class_names,
            validation_split=validation_split,
            output=output,
            formats=listed(formats),
            lang=lang,
            paper=paper,
            split=split,
            max_html_mb=max_html_mb,
            max_pdf_mb=max_pdf_mb,
            baseline=baseline,
            max_model_gb=max_model_gb,
            max_memory_gb=max_memory_gb,
            max_layers=max_layers,
            max_load_seconds=max_load_seconds,
            engine=engine,
            workers=workers,
            progress=progress,
        )
        _say(made, progress)


@app.command()
def render(
    folder: Annotated[Path, typer.Argument(help="A folder that `reportgen report` wrote.", metavar="DIR")],
    out: Annotated[Path | None, typer.Option(help="The folder to write.", show_default="DIR itself")] = None,
    formats: options.Formats = options.ALL_FORMATS,
    templates: Annotated[
        Path | None, typer.Option(help="A folder of Jinja templates that replace those of the same name.")
    ] = None,
    lang: Annotated[
        str | None, typer.Option(help="The language of page and PDF: en or ja.", show_default="as it was")
    ] = None,
    paper: Annotated[str | None, typer.Option(help="The PDF's paper: a4 or letter.", show_default="as it was")] = None,
    split: Split = False,
    max_html_mb: MaxHtml = Budget.max_html_mb,
    max_pdf_mb: MaxPdf = Budget.max_pdf_mb,
    debug: Debug = False,
) -> None:
    """Paint a report again from what its folder holds, without TensorFlow."""
    with errors_shown(debug):
        from reportgen import pipeline
        from reportgen.progress import to_stderr

        progress = to_stderr()
        made = pipeline.render(
            folder,
            out=out,
            formats=listed(formats),
            templates=templates,
            lang=lang,
            paper=paper,
            split=split,
            max_html_mb=max_html_mb,
            max_pdf_mb=max_pdf_mb,
            progress=progress,
        )
        _say(made, progress)


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


for command in (batch.batch, compare.compare, check.check, index.index, email.email):
    app.command()(command)


def main() -> NoReturn:
    """Run the command that the shell asked for, and end this process with its exit code.

    Everything is written and closed by then, and TensorFlow would take a second to take itself apart.
    """
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
        context = getattr(error, "ctx", None)
        fail(f"{error.format_message().rstrip('.')}; see {context.command_path if context else 'reportgen'} --help")
        code = 2
    except SystemExit as left:  # by a signal
        code = left.code
    return end_of_output(code or 0)


def _terminated(number: int, frame: Any) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the clean-up that follows must not be cut short
    fail("terminated; the earlier report, if there was one, is as it was")
    raise SystemExit(128 + signal.SIGTERM)


def _say(made: "Report", progress: "Progress") -> None:
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
