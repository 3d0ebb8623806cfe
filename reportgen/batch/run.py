"""The flow of a batch: what is there is left, everything else is made, and who failed is told apart."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from reportgen.batch import cluster, finished, jobs
from reportgen.batch.items import Item
from reportgen.engines.choice import Choice
from reportgen.options import Options
from reportgen.progress import Progress


@dataclass
class Done:
    """What a batch did. made: how many reports; failed: a line for each model without one, or without all of it."""

    made: int = 0
    failed: list[str] = field(default_factory=list)


def run(wanted: Mapping[Item, Options], *, where: Choice, processes: int, progress: Progress) -> Done:
    """Make the reports that are not there yet, and print the path of each file that was written.

    where: on the workers of a cluster, or in so many processes here.
    """
    fingerprint = finished.fingerprint_of(next(iter(wanted.values())))
    tasks = [(item, options) for item, options in wanted.items() if not finished.is_there(item, options, fingerprint)]
    if there := len(wanted) - len(tasks):
        progress.say(f"{there:,} of {len(wanted):,} reports are there and fit; they are left as they are.")
    done = Done()
    if not tasks:
        progress.say("Nothing is to be done.")
        return done
    progress.say(f"Making {len(tasks):,} reports ...")
    made = cluster.made(tasks, where, progress) if where.dask else jobs.made(tasks, processes)
    with closing(made), progress.bar("reports", total=len(tasks)) as tick:
        for number, (item, outcome) in enumerate(made, 1):
            said = f"{item.model}: done"
            if outcome.failed is not None:
                said = outcome.failed if item.model in outcome.failed else f"{item.model}: {outcome.failed}"
                done.failed.append(said)
            progress.say(f"  {number:,} of {len(tasks):,}: {said}")
            done.made += bool(outcome.written)
            for name in outcome.written:
                print(Path(str(wanted[item].out)) / name, flush=True)
            tick(number, "models")
    return done
