"""`reportgen log`: hand a finished report over to where experiments are tracked."""

from typing import Annotated

import typer

from reportgen.cli.common import errors_shown, listed
from reportgen.cli.options import Debug, Finished, Published
from reportgen.errors import InputError
from reportgen.keywords import either
from reportgen.options import TRACKERS


def log(
    folder: Finished,
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TRACKER",
            help=f"{either(TRACKERS)}, or with a place: mlflow:RUN_ID, wandb:RUN_ID, tensorboard:LOGDIR;"
            " may be given again, or with commas.",
        ),
    ] = None,
    url: Published = None,
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
            raise InputError("there is no --to", f"give --to {either(TRACKERS)}")
        if url is not None:
            message.check_link(url)
        for place in result.load(folder).log_to(trackers, url=url):
            print(place)
