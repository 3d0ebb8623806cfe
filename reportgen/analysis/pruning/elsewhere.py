"""The smallest and the largest value of units on images that no unit was judged on."""

from collections.abc import Mapping, Sequence

from reportgen.analysis.activations.shards import Engine, Shard, Work, batches_of
from reportgen.analysis.activations.tally import Floats
from reportgen.analysis.pruning.lossless import Elsewhere
from reportgen.dataset import Part, Pixels
from reportgen.progress import Progress


def of(engine: Engine, parts: Mapping[str, Part], pixels: Pixels, batch: int) -> Elsewhere | None:
    """Return what sends the images of these parts through the model when it is asked; None without any."""
    if not parts:
        return None
    shards = [Shard(name, 0, len(part)) for name, part in parts.items()]

    def ranges(places: Sequence[int]) -> Mapping[int, Floats]:
        work = Work(pixels, batch, batches_of(shards, batch), ranged=list(places))
        return engine.send(work, parts, shards, Progress()).ranges

    return ranges
