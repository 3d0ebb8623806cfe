"""Everything that is collected about a live model: what goes into the Record besides where it came from."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from reportgen.analysis import described, judging, pictures, summary
from reportgen.analysis.activations import gates, graph, outputs, probe, reading
from reportgen.analysis.activations.looking import Looking
from reportgen.analysis.activations.shards import Engine
from reportgen.analysis.attribution import explained
from reportgen.analysis.effects import layers as effects
from reportgen.analysis.evaluation import answers, scores
from reportgen.analysis.evaluation.predictions import Predictions
from reportgen.analysis.pruning import elsewhere, lossless
from reportgen.analysis.shifts import work
from reportgen.analysis.shifts.work import Shifted
from reportgen.analysis.trust import trust
from reportgen.analysis.trust.trust import Trust
from reportgen.analysis.units.facts import Thresholds
from reportgen.dataset import Dataset, Part, numbered_through
from reportgen.errors import InputError
from reportgen.options import Options
from reportgen.process import heap
from reportgen.progress import Progress
from reportgen.record.attribution import Attributions
from reportgen.record.evaluation import Proof, Scores
from reportgen.record.model import ModelFacts
from reportgen.record.pictures import Pictures
from reportgen.record.units import LayerVerdict, Unit

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Collected:
    """What collecting brings, ready for the Record. evaluation: by part, "train" None where there is none."""

    model: ModelFacts
    evaluation: dict[str, Scores | None]
    layers: list[LayerVerdict]
    units: list[Unit]
    proof: Proof
    pictures: Pictures
    shifted: Shifted
    trust: Trust
    attributions: Attributions


@dataclass(frozen=True)
class Judged:
    """A model that all images were sent through, and the verdicts on its units. right: (N,), of the test split.

    predicted: by part. names: of the classes, as the scores have them. output: what kind of output the model has. size:
    of a batch.
    """

    drawn: graph.Graph
    looked: judging.Looked
    passed: probe.Passed
    predicted: Mapping[str, Predictions]
    names: list[str]
    output: str
    verdicts: list[LayerVerdict]
    units: list[Unit]
    right: NDArray[np.bool_]
    size: int


def judged(
    drawn: graph.Graph,
    readings: list[reading.Reading],
    dataset: Dataset,
    options: Options,
    progress: Progress,
    engine: Engine,
) -> Judged:
    """Send every image through the model, and judge its units. Raises InputError where its scores are NaN."""
    parts = dataset.parts
    names = looked_at(dataset, options.analyse)
    with progress.stage("pass", f"Sending {sum(map(len, parts.values())):,} images through the model ..."):
        passed = probe.all_parts(
            drawn, readings, parts, names, dataset, memory=options.memory, progress=progress, engine=engine
        )
        outputs.check(passed.answered)
        predicted, output = outputs.read(passed.answered)
        classes = scores.class_labels(dataset.class_names, passed.answered["test"].classes)
    with progress.stage("judge", "Judging every unit ..."):
        looked = _looked(readings, passed, parts, predicted, names)
        verdicts, units = judging.judge(drawn, looked, dataset, classes, _thresholds(options))
        right = predicted["test"].predicted == dataset.test.labels
        size = probe.batch_size(readings, dataset.image_shape, options.memory)
    return Judged(drawn, looked, passed, predicted, classes, output, verdicts, units, right, size)


def plan(found: Judged, dataset: Dataset, engine: Engine) -> lossless.Plan:
    """Return what can go of a model without changing an answer on any image of the data. engine: of this model."""
    others = {name: part for name, part in dataset.parts.items() if name not in found.looked.parts}
    asked = elsewhere.of(engine, others, dataset.pixels, found.size, found.passed.ranges)
    return lossless.Plan(found.drawn, found.looked, found.units, asked)


def collect(
    model: "keras.Model",
    origin: str,
    dataset: Dataset,
    options: Options,
    progress: Progress,
    engine: Engine | None = None,
) -> Collected:
    """Send every image through the model, and return what it shows. Raises InputError where its scores are NaN.

    engine: of this model, by default one that works in this process.
    """
    drawn = graph.Graph(model)
    readings = reading.readings(drawn)
    here = probe.Here(drawn, readings, goes_on=True)
    engine, looking = engine or here, Looking(drawn, here.sender)
    found = judged(drawn, readings, dataset, options, progress, engine)
    looked, predicted, classes, size = found.looked, found.predicted, found.names, found.size
    with _stage(progress, "judge", "Looking for what can go ..."):
        evaluation = _evaluation(found, dataset)
        verdicts = _with_cuts(found.verdicts, plan(found, dataset, engine))
        units = gates.with_gates(drawn, readings, found.units, next(iter(looked.parts.values())), dataset.pixels, size)
        shown = _shown(drawn, readings, replace(found, verdicts=verdicts, units=units), dataset, options, looking)
        ablations = judging.ablations(looked, units)
        # of a large model the sums of products are more memory than all else, and nobody asks for them again
        looked = replace(looked, tallies=[])
        found = replace(found, looked=looked, passed=replace(found.passed, tallies=[]))
    # numpy alone looks for copies and wrong labels, while TensorFlow has work. No product of matrices is divided among
    # threads meanwhile: how OpenBLAS does that depends on which cores are free, and so does its rounding
    with threadpool_limits(1, user_api="blas"), _aside() as aside:
        trusting = aside.submit(_trusted, found, dataset, options.seed)
        with _stage(progress, "words", "Looking for conditions in words ..."):
            words = described.describe(
                drawn, readings, looked.parts, dataset, classes, shown.cards.units, batch=size, seed=options.seed,
                looking=looking,
            )  # fmt: skip
            verdicts, units = described.with_conditions(verdicts, units, words)
        with _stage(progress, "effects", "Measuring what each unit does to each class ..."):
            subject = _subject(found, words.sample, dataset)
            done = effects.measure(
                drawn, readings, subject, verdicts, units, batch=size, seed=options.seed, looking=looking
            )
            verdicts, units = effects.with_effects(verdicts, units, done)
        with progress.stage("proof", "Checking the model without the units called dead or removable ..."):
            proof = judging.prove(engine, ablations, dataset, found.right, batch=size, progress=progress)
        with _stage(progress, "shifts", "Changing test pictures ..."):
            shifted = work.shifted(
                drawn, readings, looked.plans, dataset, classes, output=found.output, breadth=options.shifts,
                thresholds=_thresholds(options), batch=size, seed=options.seed, progress=progress, looking=looking,
            )  # fmt: skip
        with progress.stage("trust", "Looking for copies of images and for wrong labels ..."):
            trusted = trusting.result()
    with _stage(progress, "attribution", "Explaining the surest mistakes and the labels that look wrong ..."):
        attributions, maps = explained.explain(
            drawn, readings, dataset, _targets(predicted["test"], dataset, trusted, classes), classes,
            output=found.output, right=int(found.right.sum()), batch=size, seed=options.seed,
        )  # fmt: skip
    shown = replace(shown, seen=words.seen, shifted=shifted.images, trust=trusted.pictures, attributions=maps)
    facts = summary.facts(drawn, origin=origin, output=found.output)
    return Collected(facts, evaluation, verdicts, units, proof, shown, shifted, trusted, attributions)


def _with_cuts(verdicts: Sequence[LayerVerdict], plan: lossless.Plan) -> list[LayerVerdict]:
    return [replace(verdict, lossless=cut.noun()) for verdict, cut in zip(verdicts, plan.cuts, strict=True)]


def _evaluation(found: Judged, dataset: Dataset) -> dict[str, Scores | None]:
    by_part = dataset.parts.items()
    return {"train": None} | {
        name: scores.score(found.predicted[name], part.labels, found.names) for name, part in by_part
    }


def _shown(
    drawn: graph.Graph,
    readings: list[reading.Reading],
    found: Judged,
    dataset: Dataset,
    options: Options,
    looking: Looking,
) -> Pictures:
    """Return the pictures that the pass gives: examples, what each unit fires for, and how right each answer was."""
    looked, test = found.looked, found.predicted["test"]
    shown = pictures.collect(drawn, readings, dataset, test, examples=options.examples, looking=looking)
    shown = pictures.with_units(shown, looked, found.verdicts, found.units)
    return replace(shown, answers=answers.collect(looked.plans, looked.tallies, test.predicted, dataset.test.labels))


@contextmanager
def _stage(progress: Progress, name: str, line: str) -> Iterator[None]:
    """Do what `Progress.stage` does, and give back the memory that only this stage needed."""
    with progress.stage(name, line):
        yield
    heap.give_back()


@contextmanager
def _aside() -> Iterator[ThreadPoolExecutor]:
    """Give a thread for work beside other work. Where that fails or is interrupted, nobody waits for the thread."""
    made = ThreadPoolExecutor(1)
    try:
        yield made
    finally:
        made.shutdown(wait=False, cancel_futures=True)


def _trusted(found: Judged, dataset: Dataset, seed: int) -> Trust:
    seen = trust.Answers(
        {name: one.traces for name, one in found.passed.answered.items() if one.traces is not None},
        {name: one.predicted for name, one in found.predicted.items()},
        found.output,
        found.names,
    )
    return trust.collect(found.drawn, dataset, seen, seed=seed)


def _subject(found: Judged, sample: described.Sample, dataset: Dataset) -> effects.Subject:
    """Return what effects are measured on: the images that were looked at for words."""
    predicted = numbered_through(list(found.looked.predicted.values()))[sample.numbers]
    return effects.Subject(
        sample.stored, dataset.pixels, sample.choose, sample.means, found.names, predicted, found.output
    )


def looked_at(dataset: Dataset, analyse: str) -> list[str]:
    """Return the parts whose images the units are judged on, in the order in which these are numbered.

    Raises InputError where the data lacks a part that is asked for.
    """
    wanted = ["test", "train"] if analyse == "both" else [analyse]
    if missing := [name for name in wanted if name not in dataset.parts]:
        raise InputError(f"--analyse is {analyse!r}, but the data has no {missing[0]} split", "use --analyse test")
    return wanted


def _targets(
    predicted: Predictions, dataset: Dataset, trusted: Trust, classes: Sequence[str]
) -> list[explained.Target]:
    """Return the images that are shown with a question: the surest mistakes, then the labels that look wrong."""
    mistakes = [
        explained.Target("test", n, int(predicted.predicted[n]), int(dataset.test.labels[n]))
        for n in predicted.mistakes.tolist()
    ]
    doubted = [trusted.labels[place] for place in trusted.pictures.suspects.tolist()]
    suspects = [
        explained.Target(one.part, one.index, classes.index(one.suggested), classes.index(one.given)) for one in doubted
    ]
    return list(dict.fromkeys([*mistakes, *suspects]))


def _looked(
    readings: list[reading.Reading],
    passed: probe.Passed,
    parts: Mapping[str, Part],
    predicted: Mapping[str, Predictions],
    names: list[str],
) -> judging.Looked:
    classes = {name: predicted[name].predicted for name in names}
    return judging.Looked(readings, passed.plans, passed.tallies, {name: parts[name] for name in names}, classes)


def _thresholds(options: Options) -> Thresholds:
    return Thresholds(
        redundant=options.redundant,
        always_on=options.always_on,
        weak=options.weak,
        saturated=options.saturated,
        few_images=options.finding_thresholds.few_images,
    )
