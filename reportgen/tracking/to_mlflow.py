"""MLflow: metrics, tags and artifacts of a run, wherever the tracking URI leads."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reportgen.tracking import Handed

ARTIFACTS = "reportgen"
"""The folder of the report among a run's artifacts."""

_QUIET = "MLFLOW_DISABLE_TELEMETRY"


def check(where: str | None) -> None:
    """Raise nothing: MLflow needs no setting."""


def log(handed: Handed, where: str | None) -> str:
    """Log to the run `where`, else to the one that is active, else to a new one; return its address.

    A new one is what `mlflow.start_run` makes of the user's settings, so MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME
    and MLFLOW_RUN_ID are respected. A run that is active stays so.
    """
    with _no_telemetry():
        import mlflow

        client = mlflow.MlflowClient()
        active = mlflow.active_run()
        if where is not None or active is not None:
            run = where or active.info.run_id
            _fill(client, run, handed)
        else:
            with mlflow.start_run(run_name=handed.about.title) as started:
                run = started.info.run_id
                _fill(client, run, handed)
        return f"{mlflow.get_tracking_uri()} run {run}"


def _fill(client: Any, run: str, handed: Handed) -> None:
    from mlflow.entities import Metric, RunTag

    when = round(handed.about.made_at * 1000)
    metrics = [Metric(name, value, when, handed.about.step) for name, value in handed.about.figures.items()]
    tags = dict(handed.about.tags) | ({"reportgen.url": handed.url} if handed.url else {})
    client.log_batch(run, metrics=metrics, tags=[RunTag(name, value) for name, value in tags.items()])
    client.log_artifacts(run, str(handed.files), ARTIFACTS)


@contextmanager
def _no_telemetry() -> Iterator[None]:
    """Keep MLflow from telling its makers that it is used, where it is this block that imports it first.

    Nobody who asks for a report's figures in a store of their own expects that. Whoever uses MLflow already, or has
    decided about it, keeps what they have.
    """
    if "mlflow" in sys.modules or _QUIET in os.environ:
        yield
        return
    os.environ[_QUIET] = "true"
    try:
        yield
    finally:
        os.environ.pop(_QUIET, None)
