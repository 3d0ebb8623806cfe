"""`reportgen prune`: a smaller model, with its proof."""

from pathlib import Path
from typing import Annotated, Any

import typer

from reportgen.cli.common import errors_shown
from reportgen.cli.options import Debug, Finished, with_options
from reportgen.options import Bounds, Pruning


@with_options(Pruning, Bounds)
def prune(
    folder: Finished,
    model: Annotated[
        Path | None, typer.Option(help="The model that the report is about.", show_default="the folder's own")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="The data that it was made with.", show_default="as the report says")
    ] = None,
    debug: Debug = False,
    **given: Any,
) -> None:
    """Write a smaller model: without units that change no answer, redundant ones merged, with the proof."""
    with errors_shown(debug):
        from reportgen.cli import supervisor

        progress = supervisor.begin(model or folder, given["max_load_seconds"])
        from reportgen.pipeline import smaller
        from reportgen.render.smaller import plain

        made = smaller.prune(folder, model, data, **given, progress=progress)
        progress.say("\n" + plain(made.smaller, made.lang))
        print(made.model)
        print(made.model.with_suffix(".json"))
