"""From a finished report and its model to a smaller model, and the proof that goes with it."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen import __version__, scratch
from reportgen.dataset import Part
from reportgen.deliver import file as single
from reportgen.deliver import folder
from reportgen.errors import InputError
from reportgen.format import as_given, number
from reportgen.keywords import taking
from reportgen.options import Options, PruneCall
from reportgen.pipeline import fresh, provenance, prune_inputs, subject
from reportgen.process import heap
from reportgen.progress import Progress
from reportgen.record import record_file
from reportgen.record.key_figures import OUTPUT_STATES
from reportgen.record.pruning import SCHEMA, Certificate, Change, Copy, Merged, Smaller
from reportgen.record.run import Record

if TYPE_CHECKING:
    import keras

    from reportgen.analysis.collected import Judged
    from reportgen.analysis.judging import Looked
    from reportgen.analysis.pruning.lossless import Plan
    from reportgen.analysis.pruning.track import Track
    from reportgen.dataset import Dataset
    from reportgen.model.model_file import ModelFile

BOUND = 1e-4
"""How far scores may differ, as a share of the largest, for nothing to be lost."""

_BATCH = 250


class Pruned(dict[str, Any]):
    """What smaller.json holds. model: where the smaller model lies. smaller: the same as a noun.

    lang: of the report.
    """

    model: Path
    smaller: Smaller
    lang: str

    def __init__(self, smaller: Smaller, content: bytes, model: Path, lang: str) -> None:
        super().__init__(json.loads(content))
        self.smaller, self.model, self.lang = smaller, model, lang

    def __repr__(self) -> str:
        units = self.smaller.units
        return f"<Pruned {str(self.model)!r}: {as_given(units.after)} of {as_given(units.before)} units>"


@taking(PruneCall)
def prune(call: PruneCall) -> Pruned:
    """Write a smaller model than the one that a report is about, with its proof, and return the proof.

    folder: of a finished report. model: where the folder holds none, the .keras or .h5 file that the report is about,
        or the live model. data: where the report does not tell, what the report was made with.
    progress: a Progress that speaks; by default nothing is said.
    Units that always give the same go, and so do copies of others: no answer changes, which is tried on all images of
    the data with the file loaded again. Then redundant units are merged, unless `lossless` is set.
    Raises reportgen.errors.InputError and SurroundingsError; an earlier smaller model then stays as it was.
    """
    from threadpoolctl import threadpool_limits

    from reportgen.model import load, memory

    progress = call.progress or Progress()
    call.check()
    heap.keep_together()
    source, made_at = Path(call.folder), provenance.made_at()
    with ExitStack() as held:
        with progress.stage("report", f"Reading {source} ..."), folder.unchanged(source):
            record = record_file.load(source)
            about = prune_inputs.made_of(record, call)
            file = held.enter_context(prune_inputs.read_model(call, source, about.model, record, held))
            target = prune_inputs.target(call, source, file)
            # its report must still be the one that the proof is about when that is laid beside it
            place = (
                held.enter_context(folder.claim(source, progress.say)) if prune_inputs.is_own(target, source) else None
            )
        named = call.data if call.data is not None else about.data
        with progress.stage("data", f"Reading {named if isinstance(named, str | Path) else 'the data'} ..."):
            dataset = prune_inputs.read_data(named, about.options, record)
        with progress.stage("tensorflow", "Starting TensorFlow ..."):
            from reportgen import runtime  # noqa: F401  # it takes seconds, which is said
        with progress.stage("load", f"Loading {file.path} ..."):
            model = load.load(file)
        dataset = prune_inputs.as_reported(subject.as_taken(dataset, model, about.options, file), record)
        # how OpenBLAS divides a product depends on which cores are free, and so does its rounding
        with memory.bounded(about.options.max_memory_gb), threadpool_limits(1, user_api="blas"):
            made = _Work(call, record, about.options, dataset, file, made_at, progress).smaller(model)
        with progress.stage("write", f"Writing {target} ..."):
            return _written(made, target, place, record.look.lang)


@dataclass(frozen=True)
class _Made:
    """A smaller model with its certificate."""

    content: bytes
    smaller: Smaller


@dataclass(frozen=True)
class _Step:
    """A model on the way to the smallest, what it was judged to be, and what can go of it."""

    model: "keras.Model"
    found: "Judged"
    plan: "Plan"


class _Work:
    """The cutting itself, of one call of `prune`."""

    def __init__(
        self,
        call: PruneCall,
        record: Record,
        options: Options,
        dataset: "Dataset",
        file: "ModelFile",
        made_at: str,
        progress: Progress,
    ) -> None:
        self._call, self._record, self._options, self._dataset = call, record, options, dataset
        self._file, self._made_at, self._progress = file, made_at, progress

    def smaller(self, model: "keras.Model") -> _Made:
        """Cut a model."""
        from reportgen.analysis.pruning.track import Track
        from reportgen.model import fit

        images = sum(map(len, self._dataset.parts.values()))
        first = self._judged(model, f"Sending {images:,} images through the model ...")
        self._check_same(first)
        track = Track(first.plan)
        lossless, rounds = self._without_loss(first, track)
        gone, last, merged = track.gone, lossless, None
        if not self._call.lossless:
            merged, moved = self._merged(lossless)
            if moved:
                track.merge(lossless.plan, moved)
                last, _ = self._without_loss(self._again(lossless), track)
        with self._progress.stage("archive", "Saving the smaller model, and loading it again ..."):
            contents = [fit.archive(step.model, self._made_at) for step in (lossless, last)]
            tried = self._tried(contents, first.found)
        certificate = Certificate(gone, rounds, tried.images, tried.difference, tried.scale, BOUND, tried.changed)
        if not tried.difference <= BOUND * tried.scale:
            raise InputError(
                f"without units that say nothing, scores of {self._file.path} change by up to"
                f" {number(tried.difference)}, which is more than rounding; nothing was written",
                "save the model with 32-bit numbers, model.save of one with dtype float32, and report on that",
            )
        return _Made(contents[1], self._noun(first, last, track, certificate, merged, tried, contents[1]))

    def _judged(self, model: "keras.Model", says: str) -> _Step:
        from reportgen.analysis import collected
        from reportgen.analysis.activations import graph, probe, reading

        with self._progress.stage("judge", says):
            drawn = graph.Graph(model)
            readings = reading.readings(drawn)
            here = probe.Here(drawn, readings)
            found = collected.judged(drawn, readings, self._dataset, self._options, Progress(), here)
            return _Step(model, found, collected.plan(found, self._dataset, here))

    def _without_loss(self, step: _Step, track: "Track") -> tuple[_Step, int]:
        """Return what is left when all has gone that changes no answer, and how many rounds there were."""
        from reportgen.analysis.pruning.track import unreachable

        rounds = 0
        while step.plan.gone:
            rounds += step.plan.rounds
            looked = step.found.looked
            track.take(step.plan, unreachable(step.found.drawn, looked, step.plan, self._image_range(looked)))
            step = self._again(step)
        return step, rounds

    def _again(self, step: _Step) -> _Step:
        """Return what is left of a model when its plan is carried out."""
        from reportgen.analysis.pruning import rebuild

        return self._judged(rebuild.rebuilt(step.model, step.plan), "Looking whether more can go ...")

    def _image_range(self, looked: "Looked") -> Any:
        from reportgen.analysis import judging

        return judging.image_range(looked.readings, self._dataset.parts, self._dataset)

    def _merged(self, step: _Step) -> tuple[Merged, list[tuple[int, Copy]]]:
        """Merge redundant units in the plan of a step."""
        from reportgen.analysis.pruning import merged
        from reportgen.data import random_split

        test, found, progress = self._dataset.test, step.found, self._progress
        with progress.stage("merge", "Merging redundant units ..."):
            fits = merged.chosen(test.images)
            if fits.all() or not fits.any():
                raise InputError(
                    f"the test split has {len(fits)} images, too few to fit on some and score on others",
                    "give --lossless, or more images",
                )
            fit, score = (
                Part(random_split.picked(test.images, numbers), test.labels[numbers])
                for numbers in (np.flatnonzero(fits), np.flatnonzero(~fits))
            )
            places = {reading.name: place for place, reading in enumerate(found.looked.readings)}
            groups = merged.groups(step.plan, found.units, places, on_test="test" in found.looked.parts)
            pixels = self._dataset.pixels
            lines = merged.Lines(step.plan, found.drawn, sorted({one.place for one in groups}), fit, pixels, found.size)
            return merged.merge(
                step.plan, groups, lines, merged.Scored(step.plan, step.model, fit, pixels, found.size),
                merged.Scored(step.plan, step.model, score, pixels, found.size),
                fitted_on=len(fit), max_drop=self._call.max_drop, seed=self._options.seed, say=progress.say,
            )  # fmt: skip

    def _check_same(self, step: _Step) -> None:
        """Raise InputError where a model without a file does other than the report says."""
        right, said = int(step.found.right.sum()), self._record.evaluation["test"]
        if self._record.provenance.model_sha256 is None and said is not None and right != said.correct:
            raise InputError(
                f"the model classifies {right:,} of {len(step.found.right):,} test images correctly, but the report"
                f" says {said.correct:,}",
                "give the model that the report is about, or make a report on this one",
            )

    def _tried(self, contents: Sequence[bytes], found: "Judged") -> "_Tried":
        """Return what the files say, and the model that they were made of, in a process of its own."""
        from reportgen.analysis.activations import forward, outputs

        names = ("lossless.keras", "smaller.keras")
        with scratch.Folder() as place:
            paths = [Path(place) / name for name in names]
            for path, content in zip(paths, contents, strict=True):
                path.write_bytes(content)
            with fresh.Fresh([self._file.copy, *paths], self._options.bounds) as process:
                tried = _Tried(0.0 if found.output == "logits" else 0.5)
                answered: list[list[Any]] = [[] for _ in range(3)]
                for name, part in self._dataset.parts.items():
                    for start, end, images in forward.read_ahead(part.images, min(_BATCH, found.size)):
                        seen = np.asarray(forward.as_seen(images, self._dataset.pixels))
                        scores = process.scores(seen)
                        tried.add(scores[0], scores[1])
                        if name == "test":
                            for one, into in zip(scores, answered, strict=True):
                                into.append(outputs.of(one, part.labels[start:end], start))
                labels = self._dataset.test.labels
                read = [outputs.read({"": outputs.joined(one)})[0][""].predicted for one in answered]
                tried.accuracy = [float((one == labels).mean()) for one in read]
                tried.seconds = process.seconds()
        return tried

    def _noun(
        self,
        first: _Step,
        last: _Step,
        track: "Track",
        certificate: Certificate,
        merged: Merged | None,
        tried: "_Tried",
        content: bytes,
    ) -> Smaller:
        from reportgen.analysis.pruning import size

        layers = track.layers(last.plan)
        (before, uncounted), (after, _) = (size.multiplications(step.found.drawn) for step in (first, last))
        seconds = [None, None] if provenance.fixed_clock() else [1000 * tried.seconds[n] for n in (0, 2)]
        inner = [unit for unit in last.found.units if unit.state not in OUTPUT_STATES]
        judged = sum(unit.state not in OUTPUT_STATES for unit in first.found.units)
        return Smaller(
            schema=SCHEMA,
            made_at=self._made_at,
            reportgen=__version__,
            model_name=first.model.name,
            model_sha256=self._record.provenance.model_sha256,
            smaller_sha256=hashlib.sha256(content).hexdigest(),
            data_name=self._dataset.name,
            data_sha256=self._dataset.sha256,
            images=tried.images,
            units=Change(judged, len(inner)),
            params=Change(first.model.count_params(), last.model.count_params()),
            multiplications=Change(before, after),
            uncounted=uncounted,
            seconds=Change(*seconds),
            bytes=Change(self._file.copy.stat().st_size, len(content)),
            test_accuracy=Change(tried.accuracy[0], tried.accuracy[2]),
            lossless=certificate,
            merged=merged,
            left_dead=sum(unit.state in ("dead", "constant") for unit in inner),
            left_copies=sum(unit.duplicate_of is not None for unit in inner),
            layers=layers,
        )


class _Tried:
    """What came of the files in a process of their own: how far the scores of two differ, and how fast all are.

    middle: the single score above which a model says yes. accuracy: of each file on the test split. seconds: of each,
    for an image.
    """

    def __init__(self, middle: float) -> None:
        self._middle = middle
        self.images, self.difference, self.scale, self.changed = 0, 0.0, 0.0, 0
        self.accuracy: list[float] = []
        self.seconds: list[float] = []

    def add(self, before: Any, after: Any) -> None:
        """Compare the scores of some images, (B, K), of the model as it was and as it is without loss."""
        self.images += len(before)
        self.difference = float(np.maximum(self.difference, np.abs(after - before).max()))  # NaN stays NaN
        self.scale = float(np.maximum(self.scale, np.abs(before).max()))
        if before.shape[1] == 1:
            changed = (before > self._middle) != (after > self._middle)
        else:
            changed = before.argmax(axis=1) != after.argmax(axis=1)
        self.changed += int(changed.sum())


def _written(made: _Made, target: Path, place: folder.Place | None, lang: str) -> Pruned:
    """Write model and proof. place: the report's folder where they go there, which is replaced as a whole."""
    proof = record_file.as_json(made.smaller)
    if place is not None:
        there = folder.read(target.parent)
        place.write(there | {folder.SMALLER: made.content, folder.CERTIFICATE: proof})
    else:
        single.write(target, made.content)
        single.write(target.with_suffix(".json"), proof)
    return Pruned(made.smaller, proof, target, lang)
