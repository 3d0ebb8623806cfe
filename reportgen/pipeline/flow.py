"""The flow, on one screen: data -> model -> Record -> bytes -> folder."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reportgen import __version__, engines, tracking
from reportgen.deliver import folder
from reportgen.engines import choice
from reportgen.engines.choice import Choice
from reportgen.errors import ReportgenError, SurroundingsError
from reportgen.i18n import Text, literal, text
from reportgen.keywords import taking
from reportgen.options import FORMATS, Budget, Call, Options, check_formats, check_look
from reportgen.pipeline import subject
from reportgen.pipeline.painting import Painted, Painter, without_own_findings
from reportgen.process import heap
from reportgen.progress import Progress
from reportgen.record import record_file
from reportgen.record.evaluation import Scores
from reportgen.record.run import SCHEMA, Look, Provenance, Record
from reportgen.record.training import Deaths, History
from reportgen.result import Report as Report
from reportgen.result import Written

if TYPE_CHECKING:
    from reportgen.analysis.collected import Collected
    from reportgen.analysis.pixels.trial import Doubt
    from reportgen.dataset import Data, Dataset
    from reportgen.model.model_file import ModelFile


def written(call: Call) -> Written:
    """Make a report as `report` does, for a caller that needs no more than its files. Raises as `report`."""
    where = choice.of(call.engine, call.workers)
    return make(call, call.model, call.data, where=where, progress=call.progress)


@taking(Call)
def report(call: Call) -> Report:
    """Train or load a model, look into it, write the report, and return what report.json holds.

    model: a .keras or .h5 file, a live Keras model, subclassed ones too, or None to train the built-in network.
    data: "sample", "mnist", "fashion-mnist", "cifar10", "cifar100", a path, or a mapping with x_train, y_train,
        x_test, y_test, or with train and test, each a pair (x, y), a tf.data.Dataset or a keras.utils.PyDataset; or
        one of these as the test split alone; or ((x_train, y_train), (x_test, y_test)). Images are (N, F), (N, H, W),
        (N, H, W, C) or (N, D, H, W, C), labels (N,) integers or text or (N, K) one-hot.
    history: what `fit` returned, or its dict of lists; by default the live model's own, or a file's beside the model.
    finding_thresholds: from where on something is a finding, a FindingThresholds.
    progress: a Progress that speaks; by default nothing is said.
    Raises reportgen.errors.InputError and SurroundingsError; an earlier report then stays as it was.
    What fails by itself (the PDF, a picture) is missing from a report that is written all the same: the report says
    so, and so does `problems` of what is returned.
    """
    return written(call).read()


def check(options: Options) -> None:
    """Raise InputError or SurroundingsError where the report cannot be made whatever model and data are."""
    from reportgen.data import names
    from reportgen.model import history

    options.check()
    if options.history is not None:
        history.given(options.history)
    names.given(options.class_names)
    tracking.check(options.log_to)
    if options.out is not None:
        folder.check(Path(options.out))


def target(options: Options, dataset: "Dataset") -> Path:
    """Return the folder to write. Raises as `deliver.folder.check`."""
    found = Path(options.out) if options.out is not None else Path("reports") / dataset.name
    folder.check(found)
    return found


def earlier(options: Options) -> Record | None:
    """Return the report that the new one is compared with. Raises InputError where there is none to read."""
    return record_file.load(Path(options.baseline)) if options.baseline is not None else None


def make(
    options: Options,
    model: Any,
    data: "Data",
    *,
    dataset: "Dataset | None" = None,
    deaths: Deaths | None = None,
    where: Choice = choice.LOCAL,
    progress: Progress | None = None,
) -> Written:
    """Make a report. model: a path, a live Keras model or None. dataset: of `data`, where that was read before.

    deaths: of a live model. where: the images are sent through the model.
    """
    from reportgen.analysis import collected
    from reportgen.analysis.pixels import trial
    from reportgen.compare.changes import compare
    from reportgen.data import pixels
    from reportgen.engines import job
    from reportgen.model import memory, model_file
    from reportgen.pipeline import provenance

    progress = progress or Progress()
    heap.keep_together()
    check(options)
    made_at = provenance.made_at()
    before = earlier(options)
    file = model_file.read(Path(model), options) if isinstance(model, str | Path) else None
    named = data if isinstance(data, str | Path) else "the data"
    with file or nullcontext(), Painter(options.formats, progress) as painter, ExitStack() as held:
        cluster = held.enter_context(engines.opened(where, progress))
        with progress.stage("data", f"Reading {named} ..."):
            dataset = dataset or subject.read(data, options, test_only=model is not None)
        folder_made = target(options, dataset)
        place = held.enter_context(folder.claim(folder_made, progress.say))
        looked_at = collected.looked_at(dataset, options.analyse)

        painter.check()  # now, not after the long work
        changes = file.check() if file else None
        about, dataset = held.enter_context(subject.subject(file or model, dataset, options, made_at, progress))
        deaths = about.deaths or deaths
        painter.prepare(options.lang)
        with memory.bounded(options.max_memory_gb) if file else nullcontext():
            as_file = file if about.is_whole else None  # workers know nothing of the output that was chosen
            engine = cluster.of(job.of(about.model, as_file, about.archive, made_at)) if cluster else None
            found = collected.collect(about.model, about.origin, dataset, options, progress, engine)
            doubt = trial.doubt(about.model, dataset, pixels.candidates(dataset), found, memory=options.memory)
        record = _record(
            options, made_at, dataset, about, changes, found, doubt, deaths,
            command=provenance.command(model, data, options), seconds=provenance.seconds(progress.seconds),
            looked_at=looked_at,
        )  # fmt: skip
        if before is not None:
            record = replace(record, baseline=compare(without_own_findings(before), record))
        painted = painter.paint(record, split=options.split, budget=options)
        heap.give_back()
        files = record_file.to_bytes(painted.record) | painted.files | _archive(about, file, folder_made)
        made = _written(place, folder_made, painted, files, progress)
    _log(made, options.log_to, progress)
    return made


def _record(
    options: Options,
    made_at: str,
    dataset: "Dataset",
    about: subject.Subject,
    changes: Text | None,
    found: "Collected",
    doubt: "Doubt | None",
    deaths: Deaths | None,
    *,
    command: str,
    seconds: dict[str, float | None],
    looked_at: list[str],
) -> Record:
    """Return all that was found out as one noun, its findings too. looked_at: the parts that units were judged on."""
    from reportgen.analysis.evaluation import data as data_facts
    from reportgen.analysis.findings import ranked

    test = found.evaluation["test"]
    assert test is not None
    history = _history(about, test)
    chose_epoch = history is not None and history.chosen_on_test is True
    facts = found.trust.added_to(data_facts.facts(dataset, looked_at=looked_at), chose_epoch=chose_epoch)
    return Record(
        schema=SCHEMA,
        title=literal(options.title) if options.title else _title(found.model.name, dataset.name),
        made_at=made_at,
        reportgen=__version__,
        provenance=_provenance(options.seed, command, seconds, dataset.sha256, about.sha256),
        data=facts,
        model=replace(found.model, changes=changes),
        history=history,
        evaluation=found.evaluation,
        layers=found.layers,
        units=found.units,
        proof=found.proof,
        findings=ranked.find(
            history=about.history,
            unread=about.unread,
            deaths=deaths,
            evaluation=found.evaluation,
            data=facts,
            checks=data_facts.checks(dataset),
            model=found.model,
            layers=found.layers,
            units=found.units,
            proof=found.proof,
            doubt=doubt,
            shifts=found.shifted.shifts,
            shifts_run=found.shifted.run,
            thresholds=options.finding_thresholds,
        ),
        baseline=None,
        look=Look(options.lang, options.paper),
        pictures=found.pictures,
        deaths=deaths,
        shifts=found.shifted.shifts,
        shifts_run=found.shifted.run,
        attributions=found.attributions,
    )


def _history(about: subject.Subject, test: Scores) -> History | None:
    from reportgen.model import history
    from reportgen.pipeline.provenance import unclocked

    return history.chosen_on_test(unclocked(about.history), test) if about.history else None


def _provenance(
    seed: int, command: str, seconds: dict[str, float | None], data_sha256: str, model_sha256: str | None
) -> Provenance:
    from reportgen.pipeline import provenance

    return Provenance(
        versions=provenance.versions(),
        platform=provenance.machine(),
        seed=seed,
        command=command,
        git_commit=provenance.git_commit(),
        seconds=seconds,
        data_sha256=data_sha256,
        model_sha256=model_sha256,
    )


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
    progress, budget = progress or Progress(), Budget(max_html_mb=max_html_mb, max_pdf_mb=max_pdf_mb)
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
        return _written(place, target, painted, kept | painted.files, progress).read()


def _archive(about: subject.Subject, file: "ModelFile | None", target: Path) -> dict[str, bytes]:
    """Return the model that goes into the folder: one that was trained here, or was there and is what was loaded."""
    if about.archive is not None:
        return {folder.MODEL: about.archive}
    if file is not None and file.path.resolve() == (target / folder.MODEL).resolve():
        return {folder.MODEL: file.copy.read_bytes()}
    return {}


def _title(model: str, data: str) -> Text:
    return text("{model} on {data}", model=model, data=data)


def _written(
    place: folder.Place, target: Path, painted: Painted, files: Mapping[str, bytes], progress: Progress
) -> Written:
    with progress.stage("write", f"Writing {target} ..."):
        place.write(files)
    return Written(painted.record, target, files, list(painted.problems))


def _log(made: Written, trackers: str | Sequence[str], progress: Progress) -> None:
    """Hand a report over that is written; whatever goes wrong with that is one of its problems, Ctrl-C too.

    Each tracker is tried by itself, so that one that refuses by now does not keep it from the others.
    """
    if not trackers:
        return
    with progress.stage("log", "Logging it ..."):
        report = made.read()
        listed = [trackers] if isinstance(trackers, str) else list(trackers)
        for number, one in enumerate(listed):
            try:
                for where in report.log_to(one):
                    progress.say(f"It is in {where}.")
            except SurroundingsError as error:
                made.problems.append(error)
            except ReportgenError as error:  # it was fine before the long work
                made.problems.append(SurroundingsError(error.what, error.do))
            except Exception as error:
                made.problems.append(tracking.not_handed_over(one, made.folder, error))
            except KeyboardInterrupt as error:
                made.problems.append(tracking.not_handed_over(listed[number:], made.folder, error))
                return
