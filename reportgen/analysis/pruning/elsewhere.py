"""The smallest and the largest value of units on images that no unit was judged on."""

from collections.abc import Mapping, Sequence

from reportgen.analysis.activations.shards import Engine, Shard, Work, batches_of
from reportgen.analysis.activations.tally import Floats
from reportgen.analysis.pruning.lossless import Elsewhere
from reportgen.dataset import Part, Pixels
from reportgen.progress import Progress


def of(
    engine: Engine, parts: Mapping[str, Part], pixels: Pixels, batch: int, known: Mapping[int, Floats]
) -> Elsewhere | None:
    """Return what sends the images of these parts through the model when it is asked; None without any.

    known: what was found out before about some readings, by their place; for these alone nothing is sent.
    """
    if not parts:
        return None
    shards = [Shard(name, 0, len(part)) for name, part in parts.items()]

    def ranges(places: Sequence[int]) -> Mapping[int, Floats]:
        places = [place for place in places if place not in known]
        if not places:
            return known
        work = Work(pixels, batch, batches_of(shards, batch), ranged=places)
        return {**known, **engine.send(work, parts, shards, Progress()).ranges}

    return ranges
