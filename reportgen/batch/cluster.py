"""Reports that the workers of a Dask cluster make, one task for each model."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from reportgen import engines, scratch
from reportgen.batch.items import Item
from reportgen.batch.maker import Maker, Outcome
from reportgen.deliver import folder
from reportgen.engines.choice import Choice
from reportgen.errors import explained
from reportgen.options import Options
from reportgen.progress import Progress

_maker: Maker | None = None


@dataclass(frozen=True)
class Sent:
    """What a worker sends back: what came of a report, and the files of its folder."""

    outcome: Outcome
    files: dict[str, bytes] = field(default_factory=dict)


def made(
    tasks: Sequence[tuple[Item, Options]], where: Choice, progress: Progress
) -> Generator[tuple[Item, Outcome], None, None]:
    """Make a report for each task on the cluster that was chosen, and yield what came of each as it is done."""
    with engines.opened(where, progress) as cluster:
        assert cluster is not None
        for (item, options), sent in cluster.each(on_worker, tasks):
            yield item, Outcome(failed=sent) if isinstance(sent, str) else _received(options, sent)


def on_worker(task: tuple[Item, Options]) -> Sent:
    """Make a report, on a worker. Model and data are read from the same paths there."""
    global _maker
    item, options = task
    _maker = _maker or Maker()
    with scratch.Folder() as place:
        target = Path(place) / "report"
        outcome = _maker.make(replace(options, out=target), item.model, item.data, Progress())
        return Sent(outcome, folder.read(target) if outcome.written else {})


def _received(options: Options, sent: Sent) -> Outcome:
    """Write the files that came from a worker."""
    if not sent.files:
        return sent.outcome
    try:
        folder.write(Path(str(options.out)), sent.files)
    except Exception as error:
        return Outcome(failed=explained(error)[0])
    return sent.outcome
