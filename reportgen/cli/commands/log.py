"""`reportgen log`: hand a finished report over to where experiments are tracked."""

from pathlib import Path
from typing import Annotated

import typer

from reportgen.cli.common import errors_shown, listed
from reportgen.cli.options import Debug
from reportgen.errors import InputError


def log(
    folder: Annotated[Path, typer.Argument(help="A folder that `reportgen report` wrote.", metavar="DIR")],
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TRACKER",
            help="mlflow, tensorboard or wandb, or with a place: mlflow:RUN_ID, wandb:RUN_ID, tensorboard:LOGDIR;"
            " may be given again, or with commas.",
        ),
    ] = None,
    url: Annotated[str | None, typer.Option(metavar="URL", help="Where the report's page is published.")] = None,
    debug: Debug = False,
) -> None:
    """Log a report's figures and files to MLflow, TensorBoard or Weights & Biases, without TensorFlow.

    Where it goes is said by the tracker's own settings: MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME, MLFLOW_RUN_ID,
    WANDB_MODE, WANDB_PROJECT. Exit 3: it did not arrive.
    """
    with errors_shown(debug):
        from reportgen import result
        from reportgen.deliver import message

        trackers = [one for some in to or () for one in listed(some)]
        if not trackers:
            raise InputError("there is no --to", "give --to mlflow, tensorboard or wandb")
        if url is not None:
            message.check_link(url)
        for place in result.load(folder).log_to(trackers, url=url):
            print(place)
