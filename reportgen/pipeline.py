"""The flow, on one screen: data -> model -> Record -> bytes -> folder."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from reportgen import __version__, record_file
from reportgen.deliver import folder
from reportgen.options import FORMATS, Analysed, Options, PixelRange, check_formats, check_look
from reportgen.progress import Progress
from reportgen.record import SCHEMA, History, Look, Provenance, Record
from reportgen.texts import literal, text

if TYPE_CHECKING:
    import keras

    from reportgen.collect.finding_kinds import FindingThresholds
    from reportgen.dataset import Dataset
    from reportgen.render.printer import Printer
    from reportgen.train.model_file import ModelFile

MODEL_NAME = "model.keras"


class Report(dict[str, Any]):
    """What report.json holds. folder: where the report lies; files: the size of each file there, in bytes."""

    def __init__(self, content: Mapping[str, Any], folder: Path, files: Mapping[str, int]) -> None:
        super().__init__(content)
        self.folder = folder
        self.files = dict(files)


@dataclass(frozen=True)
class Subject:
    """The model that a report is about. archive: its .keras bytes if it was trained here."""

    model: "keras.Model"
    origin: Literal["trained", "loaded", "live"]
    history: History | None
    sha256: str | None
    archive: bytes | None = None


def report(
    model: "str | Path | keras.Model | None" = None,
    data: str | Path | Mapping[str, Any] = "sample",
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
    finding_thresholds: "FindingThresholds | None" = None,
    formats: Sequence[str] = FORMATS,
    lang: str = "en",
    paper: str = "a4",
    split: bool = False,
    baseline: str | Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Train or load a model, look into it, write the report, and return what report.json holds.

    model: a .keras or .h5 file, a live Keras model, or None to train the built-in network on the data.
    data: "sample", "mnist", "fashion-mnist", a path, or a mapping with x_train, y_train, x_test, y_test; images
        are (N, H, W) or (N, H, W, C), labels (N,) integers or text or (N, K) one-hot.
    out: the folder to write, by default reports/<data name>. epochs, batch_size, patience: of the training.
    examples, pixels, analyse, memory and the thresholds redundant, always_on, weak, saturated: see options.Options.
    finding_thresholds: from where on something is a finding, see collect.finding_kinds.
    lang: "en" or "ja", the language of page and PDF. paper: "a4" or "letter". split: the page's style sheet, script
        and pictures as files beside it. baseline: the folder of an earlier report; the new one says what changed.
    Raises reportgen.errors.InputError and SurroundingsError; an earlier report then stays as it was.
    """
    from reportgen.collect import collected, findings, provenance
    from reportgen.collect import data as data_facts
    from reportgen.train import model_file, samples
    from reportgen.watch.compare import compare

    progress = progress or Progress()
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
    )
    options.check()
    check_formats(formats)
    check_look(lang, paper)
    made_at = provenance.made_at()
    if out is not None:
        folder.check(Path(out))
    earlier = record_file.load(Path(baseline)) if baseline is not None else None
    file = model_file.read(Path(model)) if isinstance(model, str | Path) else None
    named = data if isinstance(data, str | Path) else "the data"
    with _printing(formats) as printer:
        with progress.stage("data", f"Reading {named} ..."):
            dataset = samples.load(data, test_only=model is not None)
        target = Path(out) if out is not None else Path("reports") / dataset.name
        looked_at = collected.looked_at(dataset, analyse)
        folder.check(target)

        if printer:
            printer.check()  # now, not after the long work
        subject, dataset = _subject(file or model, dataset, options, made_at, progress)
        found = collected.collect(subject.model, subject.origin, dataset, options, progress)
        facts = data_facts.facts(dataset, looked_at=looked_at)
        record = Record(
            schema=SCHEMA,
            title=literal(title) if title else text("{model} on {data}", model=found.model.name, data=dataset.name),
            made_at=made_at,
            reportgen=__version__,
            provenance=Provenance(
                versions=provenance.versions(),
                platform=provenance.machine(),
                seed=seed,
                command=provenance.command(model, data, options),
                git_commit=provenance.git_commit(),
                seconds=provenance.seconds(progress.seconds),
                data_sha256=dataset.sha256,
                model_sha256=subject.sha256,
            ),
            data=facts,
            model=found.model,
            history=provenance.unclocked(subject.history) if subject.history else None,
            evaluation=found.evaluation,
            layers=found.layers,
            units=found.units,
            proof=found.proof,
            findings=findings.find(
                history=subject.history,
                evaluation=found.evaluation,
                data=facts,
                checks=data_facts.checks(dataset),
                model=found.model,
                layers=found.layers,
                units=found.units,
                proof=found.proof,
                thresholds=finding_thresholds or findings.DEFAULTS,
            ),
            baseline=None,
            look=Look(lang, paper),
            pictures=found.pictures,
        )
        if earlier is not None:
            record = replace(record, baseline=compare(earlier, record))
        files = record_file.to_bytes(record) | _painted(record, formats, None, split, printer, progress)
        if subject.archive is not None:
            files[MODEL_NAME] = subject.archive
        return _written(target, files, progress)


def render(
    source: str | Path,
    *,
    out: str | Path | None = None,
    formats: Sequence[str] = FORMATS,
    templates: str | Path | None = None,
    lang: str | None = None,
    paper: str | None = None,
    split: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Paint the report in the folder `source` again, without TensorFlow, and return what its report.json holds.

    out: the folder to write, by default `source` itself. formats: what to paint again; a file of another format
    stays. templates: a folder whose files take the place of reportgen's own templates of the same name. lang, paper:
    by default those that the report has. split: the page's style sheet, script and pictures as files beside it.
    Raises reportgen.errors.InputError and SurroundingsError; an earlier report then stays as it was.
    """
    progress = progress or Progress()
    check_formats(formats)
    source = Path(source)
    target = Path(out) if out is not None else source
    with progress.stage("data", f"Reading {source} ..."):
        record = record_file.load(source)
        kept = folder.read(source)
    look = Look(lang or record.look.lang, paper or record.look.paper)
    check_look(look.lang, look.paper)
    if look != record.look:
        record = replace(record, look=look)
        kept |= record_file.to_bytes(record)
    if "html" in formats:
        kept = {name: content for name, content in kept.items() if not name.startswith(f"{folder.FILES}/")}
    folder.check(target)
    given = Path(templates) if templates is not None else None
    with _printing(formats) as printer:
        painted = _painted(record, formats, given, split, printer, progress)
    return _written(target, kept | painted, progress)


def _subject(
    given: "ModelFile | keras.Model | None",
    dataset: "Dataset",
    options: Options,
    made_at: str,
    progress: Progress,
) -> tuple[Subject, "Dataset"]:
    """Return the model and the data set with the pixels that this model expects."""
    from reportgen.train import model_file

    with progress.stage("tensorflow", "Starting TensorFlow ..."):
        from reportgen.train import fit, history, load, network, pixels, runtime
    shape, classes = dataset.image_shape, len(dataset.class_names)
    if given is None:
        runtime.make_deterministic(options.seed)
        model = network.build(shape, classes)
        dataset = dataset.seen_as(pixels.choose(dataset, options.pixels, model_rescales=False))
        says = f"Training the built-in network, at most {options.epochs} epochs ..."
        with progress.stage("train", says):
            found = fit.fit(
                model,
                dataset,
                epochs=options.epochs,
                batch_size=options.batch_size,
                patience=options.patience,
                progress=progress,
            )
        archive = fit.archive(model, made_at)
        return Subject(model, "trained", found, hashlib.sha256(archive).hexdigest(), archive), dataset
    if isinstance(given, model_file.ModelFile):
        with progress.stage("load", f"Loading {given.path} ..."):
            model = load.load(given)
        subject = Subject(model, "loaded", history.beside(given.path, given.sha256), given.sha256)
    else:
        subject = Subject(given, "live", history.of_live(given), None)
    load.check_fit(subject.model, shape, classes)
    rescales = load.begins_with_rescaling(subject.model)
    return subject, dataset.seen_as(pixels.choose(dataset, options.pixels, model_rescales=rescales))


def _printing(formats: Sequence[str]) -> "AbstractContextManager[Printer | None]":
    """Return the process that will write the PDF, None where there is none to write; it loads WeasyPrint meanwhile."""
    from reportgen.render.printer import Printer

    return Printer() if "pdf" in formats else nullcontext()


def _painted(
    record: Record,
    formats: Sequence[str],
    templates: Path | None,
    split: bool,
    printer: "Printer | None",
    progress: Progress,
) -> dict[str, bytes]:
    """Return report.html, of a split page with the files beside it, and report.pdf, as far as they are asked for."""
    from reportgen.render import page

    with progress.stage("paint", "Painting pictures and charts ..."):
        view = page.paint(record)
    files: dict[str, bytes] = {}
    if printer:
        with progress.stage("paper", "Setting the pages of the PDF ..."):
            printer.send(page.html(view, record.look, on_paper=True, templates=templates).html)
    if "html" in formats:
        with progress.stage("html", "Writing the HTML page ..."):
            made = page.html(view, record.look, split=folder.FILES if split else None, templates=templates)
            files |= {"report.html": made.html.encode("utf-8")} | made.files
        if made.uncovered:
            progress.say(f"The page's fonts lack {_named(made.uncovered)}; there its readers' own fonts are used.")
    if printer:
        with progress.stage("pdf", "Writing the PDF ..."):
            printed = printer.receive()
            files["report.pdf"] = printed.content
        if printed.without_glyph:
            progress.say(f"No font here has {_named(printed.without_glyph)}; the PDF shows the numbers instead.")
    return files


def _named(letters: Sequence[str]) -> str:
    """Return characters by their numbers: a terminal may not show them either."""
    shown = [f"U+{ord(letter):04X}" for letter in letters[:10]]
    return ", ".join([*shown, f"{len(letters) - 10:,} more"] if len(letters) > 10 else shown)


def _written(target: Path, files: Mapping[str, bytes], progress: Progress) -> Report:
    with progress.stage("write", f"Writing {target} ..."):
        folder.write(target, files)
    content = json.loads(files[record_file.JSON_NAME])
    return Report(content, target, {name: len(files[name]) for name in sorted(files)})
