"""The flow, on one screen: data -> model -> Record -> bytes -> folder."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from reportgen import __version__, engines
from reportgen.dataset import Data
from reportgen.deliver import folder
from reportgen.engines import choice
from reportgen.engines.choice import Choice
from reportgen.i18n import Text, literal, text
from reportgen.options import (
    FORMATS,
    Analysed,
    Bounds,
    Budget,
    ClassNames,
    Options,
    PixelRange,
    check_formats,
    check_look,
)
from reportgen.pipeline.painting import Painted, Painter, without_own_findings
from reportgen.progress import Progress
from reportgen.record import record_file
from reportgen.record.run import SCHEMA, Look, Provenance, Record
from reportgen.record.training import Deaths, History
from reportgen.result import Report as Report

if TYPE_CHECKING:
    import keras

    from reportgen.dataset import Dataset
    from reportgen.model.model_file import ModelFile
    from reportgen.record.finding_kinds import FindingThresholds

MODEL_NAME = folder.MODEL


@dataclass(frozen=True)
class Subject:
    """The model that a report is about. archive: its .keras bytes if it was trained here; deaths: in its training.

    unread: a sentence about each file beside it that is no history. is_whole: not a part of what was given.
    """

    model: "keras.Model"
    origin: Literal["trained", "loaded", "live"]
    history: History | None
    sha256: str | None
    archive: bytes | None = None
    deaths: Deaths | None = None
    unread: tuple[Text, ...] = ()
    is_whole: bool = True


def report(
    model: "str | Path | keras.Model | None" = None,
    data: Data = "sample",
    *,
    out: str | Path | None = None,
    title: str | None = None,
    epochs: int = 30,
    batch_size: int = 128,
    patience: int = 0,
    seed: int = 0,
    examples: int = 5,
    pixels: PixelRange = "auto",
    analyse: Analysed = "test",
    memory: int = 1000,
    redundant: float = 0.95,
    always_on: float = 0.99,
    weak: float = 0.025,
    saturated: float = 0.95,
    image_size: str | int | None = None,
    class_names: ClassNames | None = None,
    validation_split: float | None = None,
    output: str | int | None = None,
    history: object = None,
    finding_thresholds: "FindingThresholds | None" = None,
    formats: Sequence[str] = FORMATS,
    lang: str = "en",
    paper: str = "a4",
    split: bool = False,
    max_html_mb: float = Budget.max_html_mb,
    max_pdf_mb: float = Budget.max_pdf_mb,
    baseline: str | Path | None = None,
    max_model_gb: float = Bounds.max_model_gb,
    max_memory_gb: float | None = Bounds.max_memory_gb,
    max_layers: int = Bounds.max_layers,
    max_load_seconds: float = Bounds.max_load_seconds,
    engine: str = "local",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Train or load a model, look into it, write the report, and return what report.json holds.

    model: a .keras or .h5 file, a live Keras model, subclassed ones too, or None to train the built-in network.
    data: "sample", "mnist", "fashion-mnist", "cifar10", "cifar100", a path, or a mapping with x_train, y_train,
        x_test, y_test, or with train and test, each a pair (x, y), a tf.data.Dataset or a keras.utils.PyDataset; or
        one of these as the test part alone; or ((x_train, y_train), (x_test, y_test)). Images are (N, F), (N, H, W),
        (N, H, W, C) or (N, D, H, W, C), labels (N,) integers or text or (N, K) one-hot.
    out: the folder to write, by default reports/<data name>. epochs, batch_size, patience: of the training.
    examples, pixels, analyse, memory, image_size, class_names, validation_split, output and the thresholds redundant,
        always_on, weak, saturated: see options.Options.
    history: what `fit` returned, or its dict of lists; by default the live model's own, or a file's beside the model.
    finding_thresholds: from where on something is a finding, see record.finding_kinds.
    lang: "en" or "ja", the language of page and PDF. paper: "a4" or "letter". split: the page's style sheet, script
        and pictures as files beside it. max_html_mb, max_pdf_mb: how large page and PDF may be, see options.Budget.
    baseline: the folder of an earlier report; the new one says what changed.
    max_model_gb, max_memory_gb, max_layers, max_load_seconds: what a model file may take, see options.Bounds.
    engine: "local", "dask" for `workers` processes on this machine, or "dask:ADDRESS" of a scheduler; the figures are
        the same.
    Raises reportgen.errors.InputError and SurroundingsError; an earlier report then stays as it was.
    What fails by itself (the PDF, a picture) is missing from a report that is written all the same: the report says
    so, and so does `problems` of what is returned.
    """
    options = Options(
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        seed=seed,
        examples=examples,
        pixels=pixels,
        analyse=analyse,
        memory=memory,
        redundant=redundant,
        always_on=always_on,
        weak=weak,
        saturated=saturated,
        image_size=image_size,
        class_names=class_names,
        validation_split=validation_split,
        output=output,
    )
    order = Order(
        options=options,
        history=history,
        look=Look(lang, paper),
        out=out,
        title=title,
        finding_thresholds=finding_thresholds,
        formats=formats,
        split=split,
        budget=Budget(max_html_mb, max_pdf_mb),
        baseline=baseline,
        bounds=Bounds(max_model_gb, max_memory_gb, max_layers, max_load_seconds),
    )
    return make(order, model, data, where=choice.of(engine, workers), progress=progress)


@dataclass(frozen=True)
class Order:
    """What a report is to be like. All but model and data, as `report` takes it."""

    options: Options
    look: Look
    out: str | Path | None = None
    title: str | None = None
    finding_thresholds: "FindingThresholds | None" = None
    formats: Sequence[str] = FORMATS
    split: bool = False
    budget: Budget = field(default_factory=Budget)
    baseline: str | Path | None = None
    history: object = None
    bounds: Bounds = field(default_factory=Bounds)

    def check(self) -> None:
        """Raise InputError or SurroundingsError where the report cannot be made whatever model and data are."""
        from reportgen.data import names
        from reportgen.model import history

        self.options.check()
        if self.history is not None:
            history.given(self.history)
        names.given(self.options.class_names)
        self.bounds.check()
        self.budget.check()
        check_formats(self.formats)
        check_look(self.look.lang, self.look.paper)
        if self.out is not None:
            folder.check(Path(self.out))

    def target(self, dataset: "Dataset") -> Path:
        """Return the folder to write. Raises as `deliver.folder.check`."""
        target = Path(self.out) if self.out is not None else Path("reports") / dataset.name
        folder.check(target)
        return target

    def earlier(self) -> Record | None:
        """Return the report that the new one is compared with. Raises InputError where there is none to read."""
        return record_file.load(Path(self.baseline)) if self.baseline is not None else None


def make(
    order: Order,
    model: "str | Path | keras.Model | None",
    data: Data,
    *,
    dataset: "Dataset | None" = None,
    deaths: Deaths | None = None,
    where: Choice = choice.LOCAL,
    progress: Progress | None = None,
) -> Report:
    """Make the report that was ordered. dataset: of `data`, where that was read before. deaths: of a live model.

    where: the images are sent through the model.
    """
    from reportgen.analysis import collected
    from reportgen.analysis.evaluation import data as data_facts
    from reportgen.analysis.findings import ranked
    from reportgen.analysis.pixels import trial
    from reportgen.compare.changes import compare
    from reportgen.data import pixels, samples
    from reportgen.engines import job
    from reportgen.model import memory, model_file
    from reportgen.pipeline import provenance

    progress = progress or Progress()
    options, look = order.options, order.look
    memory.keep_together()
    order.check()
    made_at = provenance.made_at()
    earlier = order.earlier()
    file = model_file.read(Path(model), order.bounds) if isinstance(model, str | Path) else None
    named = data if isinstance(data, str | Path) else "the data"
    with file or nullcontext(), Painter(order.formats, progress) as painter, ExitStack() as held:
        cluster = held.enter_context(engines.opened(where, progress))
        with progress.stage("data", f"Reading {named} ..."):
            dataset = dataset or samples.load(
                data,
                test_only=model is not None,
                size=options.picture_size,
                class_names=options.class_names,
                validation_split=options.validation_split,
                seed=options.seed,
            )
        target = order.target(dataset)
        place = held.enter_context(folder.claim(target, progress.say))
        looked_at = collected.looked_at(dataset, options.analyse)

        painter.check()  # now, not after the long work
        changes = file.check() if file else None
        subject, dataset = held.enter_context(_subject(file or model, dataset, order, made_at, progress))
        deaths = subject.deaths or deaths
        with memory.bounded(order.bounds.max_memory_gb) if file else nullcontext():
            as_file = file if subject.is_whole else None  # workers know nothing of the output that was chosen
            engine = cluster.of(job.of(subject.model, as_file, subject.archive, made_at)) if cluster else None
            found = collected.collect(subject.model, subject.origin, dataset, options, progress, engine)
            doubt = trial.doubt(subject.model, dataset, pixels.candidates(dataset), found, memory=options.memory)
        facts = data_facts.facts(dataset, looked_at=looked_at)
        record = Record(
            schema=SCHEMA,
            title=literal(order.title) if order.title else _title(found.model.name, dataset.name),
            made_at=made_at,
            reportgen=__version__,
            provenance=Provenance(
                versions=provenance.versions(),
                platform=provenance.machine(),
                seed=options.seed,
                command=provenance.command(model, data, options),
                git_commit=provenance.git_commit(),
                seconds=provenance.seconds(progress.seconds),
                data_sha256=dataset.sha256,
                model_sha256=subject.sha256,
            ),
            data=facts,
            model=replace(found.model, changes=changes),
            history=provenance.unclocked(subject.history) if subject.history else None,
            evaluation=found.evaluation,
            layers=found.layers,
            units=found.units,
            proof=found.proof,
            findings=ranked.find(
                history=subject.history,
                unread=subject.unread,
                deaths=deaths,
                evaluation=found.evaluation,
                data=facts,
                checks=data_facts.checks(dataset),
                model=found.model,
                layers=found.layers,
                units=found.units,
                proof=found.proof,
                doubt=doubt,
                thresholds=order.finding_thresholds or ranked.DEFAULTS,
            ),
            baseline=None,
            look=look,
            pictures=found.pictures,
            deaths=deaths,
        )
        if earlier is not None:
            record = replace(record, baseline=compare(without_own_findings(earlier), record))
        painted = painter.paint(record, split=order.split, budget=order.budget)
        files = record_file.to_bytes(painted.record) | painted.files | _archive(subject, file, target)
        return _written(place, target, painted, files, progress)


def render(
    source: str | Path,
    *,
    out: str | Path | None = None,
    formats: Sequence[str] = FORMATS,
    templates: str | Path | None = None,
    lang: str | None = None,
    paper: str | None = None,
    split: bool = False,
    max_html_mb: float = Budget.max_html_mb,
    max_pdf_mb: float = Budget.max_pdf_mb,
    progress: Progress | None = None,
) -> Report:
    """Paint the report in the folder `source` again, without TensorFlow, and return what its report.json holds.

    out: the folder to write, by default `source` itself. formats: what to paint again; a file of another format
    stays. templates: a folder whose files take the place of reportgen's own templates of the same name. lang, paper:
    by default those that the report has. split: the page's style sheet, script and pictures as files beside it.
    max_html_mb, max_pdf_mb: how large page and PDF may be, see options.Budget.
    Raises as `report`.
    """
    progress, budget = progress or Progress(), Budget(max_html_mb, max_pdf_mb)
    budget.check()
    check_formats(formats)
    source = Path(source)
    target = Path(out) if out is not None else source
    given = Path(templates) if templates is not None else None
    with Painter(formats, progress) as painter, ExitStack() as held:
        with progress.stage("data", f"Reading {source} ..."), folder.unchanged(source):
            stored, kept = record_file.load(source), folder.read(source)
            look = Look(lang or stored.look.lang, paper or stored.look.paper)
            check_look(look.lang, look.paper)
            place = held.enter_context(folder.claim(target, progress.say))
        painted = painter.paint(replace(stored, look=look), templates=given, split=split, budget=budget)
        if not painted.files:
            raise painted.problems[0]
        if "pdf" in formats:  # an earlier one would not belong to the new page
            kept.pop("report.pdf", None)
        if "html" in formats:
            kept = {name: content for name, content in kept.items() if not name.startswith(f"{folder.FILES}/")}
        if (painted.record.look, painted.record.findings) != (stored.look, stored.findings):
            kept |= record_file.to_bytes(painted.record)
        return _written(place, target, painted, kept | painted.files, progress)


def _archive(subject: Subject, file: "ModelFile | None", target: Path) -> dict[str, bytes]:
    """Return the model that goes into the folder: one that was trained here, or was there and is what was loaded."""
    if subject.archive is not None:
        return {MODEL_NAME: subject.archive}
    if file is not None and file.path.resolve() == (target / MODEL_NAME).resolve():
        return {MODEL_NAME: file.copy.read_bytes()}
    return {}


@contextmanager
def _subject(
    given: "ModelFile | keras.Model | None",
    dataset: "Dataset",
    order: Order,
    made_at: str,
    progress: Progress,
) -> Iterator[tuple[Subject, "Dataset"]]:
    """Yield the model, one with a graph, and the data set with the pixels that this model expects."""
    from reportgen.analysis import collected
    from reportgen.analysis.activations import dead_history
    from reportgen.model import model_file

    options = order.options
    with progress.stage("tensorflow", "Starting TensorFlow ..."):
        from reportgen import runtime
        from reportgen.data import pixels
        from reportgen.model import devices, fit, functional, history, load, network
    if given is None:
        runtime.make_deterministic(options.seed)
        with devices.scope():
            model = network.build(dataset.image_shape, len(dataset.class_names))
        dataset = dataset.seen_as(pixels.choose(dataset, options.pixels, wants=None))
        says = f"Training the built-in network, at most {options.epochs} epochs ..."
        looked_at = collected.looked_at(dataset, options.analyse)[0]
        watch = dead_history.Watch(model, dataset, looked_at, memory=options.memory)
        with progress.stage("train", says):
            found = fit.fit(
                model,
                dataset,
                epochs=options.epochs,
                batch_size=options.batch_size,
                patience=options.patience,
                count=watch.count,
                progress=progress,
            )
        archive = fit.archive(model, made_at)
        yield Subject(model, "trained", found, hashlib.sha256(archive).hexdigest(), archive, watch.found()), dataset
        return
    told = history.given(order.history) if order.history is not None else None
    unread: list[Text] = []
    if isinstance(given, model_file.ModelFile):
        with progress.stage("load", f"Loading {given.path} ..."):
            model = load.load(given)
        told = told or history.beside(given.path, given.sha256, unread)
        subject = Subject(model, "loaded", told, given.sha256, unread=tuple(unread))
    else:
        subject = Subject(given, "live", told or history.of_live(given), None)
    file = given if isinstance(given, model_file.ModelFile) else None
    with functional.of(subject.model, dataset.image_shape, options.output) as model:
        subject = replace(subject, model=model, is_whole=model is subject.model)
        yield subject, as_taken(dataset, subject.model, options, file)


def as_taken(
    dataset: "Dataset", model: "keras.Model", options: Options, file: "ModelFile | None" = None
) -> "Dataset":
    """Return the data set as this model takes it. file: that the model was loaded from, None for a live one.

    Raises InputError where the two do not go together.
    """
    from reportgen.analysis.pixels import input_range
    from reportgen.data import pixels
    from reportgen.model import suitable
    from reportgen.pipeline import class_order

    suitable.check_model(model)
    dataset = class_order.resolved(dataset, model, file)
    suitable.check_classes(model, len(dataset.class_names))
    dataset, axes = suitable.laid_out(dataset, model, sized=options.image_size is not None)
    wants = input_range.wanted(model, dataset.test.images.dtype) if options.pixels == "auto" else None
    return dataset.seen_as(axes.of(pixels.choose(dataset, options.pixels, wants=wants)))


def _title(model: str, data: str) -> Text:
    return text("{model} on {data}", model=model, data=data)


def _written(
    place: folder.Place, target: Path, painted: Painted, files: Mapping[str, bytes], progress: Progress
) -> Report:
    with progress.stage("write", f"Writing {target} ..."):
        place.write(files)
    return Report(painted.record, target, files, painted.problems)
