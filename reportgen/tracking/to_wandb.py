"""Weights & Biases: the figures as a run's summary, the page as a panel, the files as an artifact."""

import re
from pathlib import Path
from typing import Any

from reportgen.errors import InputError
from reportgen.tracking import Handed

KIND = "report"
"""The type of the artifact."""

_PAGE, _BESIDE = "report.html", "report_files"
_SILENT = ("offline", "disabled", "dryrun")


def check(where: str | None) -> None:
    """Raise InputError where nobody can be logged in, and Weights & Biases is not set to stay offline.

    On a terminal it asks for the key, as it always does: now, and not after the long work.
    """
    import wandb

    stay = "set WANDB_MODE=offline to keep the run on this machine"
    try:
        if wandb.run is None and wandb.setup().settings.mode not in _SILENT:
            wandb.login()
    except wandb.UsageError as error:
        raise InputError("Weights & Biases has no key to log in with", f"run `wandb login`, or {stay}") from error
    except (wandb.Error, ValueError, TimeoutError) as error:
        # its kind alone: what it says can quote the key
        what = f"Weights & Biases cannot be logged in to ({type(error).__name__})"
        raise InputError(what, f"run `wandb login --verify` to see why, or {stay}") from error


def log(handed: Handed, where: str | None) -> str:
    """Log to the run `where`, else to the one that is active, else to a new one; return its address, or its folder.

    A new one is what `wandb.init` makes of the user's settings, so WANDB_MODE, WANDB_PROJECT and WANDB_RUN_ID are
    respected; what it would tell beside that of the machine, the code and the terminal stays here. A run that is active
    stays so.
    """
    import wandb

    active = wandb.run
    if active is not None and where in (None, active.id):
        return _fill(active, handed)
    private = wandb.Settings(
        silent=True,
        console="off",
        disable_git=True,
        save_code=False,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
    )
    reinit = "create_new" if active is not None else None
    with wandb.init(id=where, resume="allow", name=handed.about.title, reinit=reinit, settings=private) as run:
        return _fill(run, handed)


def _fill(run: Any, handed: Handed) -> str:
    import wandb

    run.summary.update(dict(handed.about.figures))
    page = handed.files / _PAGE
    if page.is_file() and not (handed.files / _BESIDE).exists():
        # as it is: what would be injected is a style sheet from the network
        run.log({"reportgen/page": wandb.Html(str(page), inject=False)}, commit=False)
    about = dict(handed.about.tags) | ({"reportgen.url": handed.url} if handed.url else {})
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", handed.name)[:100]
    artifact = wandb.Artifact(f"reportgen-{name}", type=KIND, description=handed.about.title, metadata=about)
    for path in sorted(handed.files.rglob("*")):  # add_dir would talk about it
        if path.is_file():
            artifact.add_file(str(path), path.relative_to(handed.files).as_posix())
    run.log_artifact(artifact)
    return str(Path(run.dir).parent if run.offline else run.url)
