"""Every option of a report once: its type, default, limits and help, for the shell, batches, the callback and Python.

The command line makes its flags from these fields, `keywords.taking` makes the keywords of Python's functions.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, Field, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from reportgen.errors import InputError
from reportgen.keywords import either, option
from reportgen.pixel_range import RANGES, PixelRange, moments
from reportgen.progress import Progress
from reportgen.thresholds import FindingThresholds

if TYPE_CHECKING:
    from reportgen.dataset import Data

Analysed = Literal["test", "train", "both"]
Breadth = Literal["none", "short", "full"]
ClassNames = str | Path | Sequence[str] | Mapping[str, int]
"""What a caller can give for the names of the classes, see `data.names.given`."""

FORMATS = ("html", "pdf")
LANGUAGES = ("en", "ja")
PAPERS = ("a4", "letter")
TRACKERS = ("mlflow", "tensorboard", "wandb")
"""Where a report can be handed over to, see `reportgen.tracking`."""

SAMPLE = "sample"
"""The data that a report is about where none is given: the bundled digits."""

CLASS_NAMES = "<class names>"
"""What stands in a command for class names that cannot stand in a list."""

_LARGEST_SIDE = 10_000
_COUNT, _SHARE = (1, 1_000_000), (0, 1)


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the built-in network is trained."""

    epochs: int = option(30, "Train at most so many epochs.", limits=_COUNT, metavar="N")
    batch_size: int = option(128, "Images per training step.", limits=_COUNT, metavar="N")
    patience: int = option(
        0, "Epochs without a lower validation loss that are forgiven.", limits=(0, 1_000_000), metavar="N"
    )
    validation_split: float | None = option(
        None,
        "The share of data in one part to test on, at random.",
        metavar="S",
        shown="no split",
    )


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What changes a report's figures or pictures, whatever the model is."""

    seed: int = option(0, "Of every random generator.", limits=(0, 2**32 - 1), metavar="N")
    examples: int = option(5, "How many test images to show beside the layers' outputs.", limits=(1, 100), metavar="N")
    pixels: PixelRange = option("auto", f"The range that the model expects: {', '.join(RANGES)}, or mean=M,std=S.")
    analyse: Analysed = option(
        "test", f"Whose images the units are judged on: {either(get_args(Analysed))}.", choices=get_args(Analysed)
    )
    memory: int = option(
        1000,
        "What the outputs of all layers may take at once; those of 30 layers or more take 384 at most.",
        limits=_COUNT,
        metavar="MB",
    )
    shifts: Breadth = option(
        "short", f"How widely changed pictures are tried: {either(get_args(Breadth))}.", choices=get_args(Breadth)
    )
    redundant: float = option(0.95, "The correlation from which on units are redundant.", limits=_SHARE, metavar="R")
    always_on: float = option(
        0.99, "The share above zero that makes a ReLU unit always on.", limits=_SHARE, metavar="S"
    )
    weak: float = option(0.025, "The share of the layer's mean up to which a unit is weak.", limits=_SHARE, metavar="S")
    saturated: float = option(0.95, "The share at one end that makes a unit saturated.", limits=_SHARE, metavar="S")
    image_size: str | int | None = option(
        None, "What pictures in folders are resized to.", metavar="HxW", shown="as they are"
    )
    class_names: ClassNames | None = option(
        None, "All classes in the model's order.", metavar="FILE|a,b,c", shown="as data and model tell"
    )
    output: str | int | None = option(
        None, "Which of several outputs, by its name or its number from 0.", metavar="NAME|N"
    )
    finding_thresholds: FindingThresholds = field(default_factory=FindingThresholds)

    @property
    def picture_size(self) -> tuple[int, int] | None:
        """(height, width) that `image_size` names. Raises InputError."""
        if self.image_size is None:
            return None
        found = re.fullmatch(r"([0-9]{1,5})(?:x([0-9]{1,5}))?", str(self.image_size))
        sides = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not all(1 <= side <= _LARGEST_SIDE for side in sides):
            expected = f"expected a number of pixels from 1 to {_LARGEST_SIDE:,}, or HEIGHTxWIDTH such as 64x48"
            raise InputError(f"--image-size is {self.image_size!r}", expected)
        return sides


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How large the files may be, in megabytes of 10^6 bytes. What does not fit is left out, and the report says so.

    The page counts with the files beside it if it is split.
    """

    max_html_mb: float = option(20, "How large the page may be at most.", metavar="MB")
    max_pdf_mb: float = option(10, "How large the PDF may be at most.", metavar="MB")

    def check(self) -> None:
        """Raise InputError where a value makes no sense."""
        for name in ("max_html_mb", "max_pdf_mb"):
            most = getattr(self, name)
            if not _is_number(most) or not 0 < most < float("inf"):
                raise InputError(f"{_flag(name)} is {most!r}", "expected megabytes, a number above 0")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a model file may take. One that needs more is refused; the defaults leave room for any usual network.

    Gigabytes are of 10^9 bytes: of the file, packed and unpacked, and of memory for the model and its outputs. Layers
    inside the models inside a model count too.
    """

    max_model_gb: float = option(4, "How large a model file may be at most.", metavar="GB")
    max_memory_gb: float | None = option(
        None, "What a loaded model and its outputs may take.", metavar="GB", shown="3/4 of what there is"
    )
    max_layers: int = option(2000, "How many layers a loaded model may have.", metavar="N")
    max_load_seconds: float = option(300, "How long Keras may load a model.", metavar="S")

    @property
    def bounds(self) -> "Bounds":
        """These alone, where they are some of more options."""
        return Bounds(**{one.name: getattr(self, one.name) for one in fields(Bounds)})

    def check(self) -> None:
        """Raise InputError where a value makes no sense."""
        for one in fields(Bounds):
            value = getattr(self, one.name)
            if not (_is_number(value) and 0 < value <= 1_000_000) and not (value is None and one.default is None):
                raise InputError(f"{_flag(one.name)} is {value!r}", "expected a number above 0, at most 1,000,000")


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """How a model is made smaller."""

    out: str | Path | None = option(None, "The file to write.", metavar="FILE", shown="DIR/smaller.keras")
    lossless: bool = option(False, "Remove only what changes no answer.")
    max_drop: float = option(0.01, "How far the accuracy may fall by merging redundant units, from 0 on.", metavar="S")

    def check(self) -> None:
        """Raise InputError where a value makes no sense."""
        if not (_is_number(self.max_drop) and 0 <= self.max_drop <= 1):
            raise InputError(f"--max-drop is {self.max_drop!r}", "expected a share from 0 to 1, such as 0.01")


@dataclass(frozen=True, kw_only=True)
class Pages:
    """What is written, and how it looks."""

    out: str | Path | None = option(None, "The folder to write.", shown="reports/<data name>")
    title: str | None = option(None, "The report's title.", shown="model on data")
    formats: Sequence[str] = option(FORMATS, f"What to write, with commas between: {', '.join(FORMATS)}.")
    lang: str = option(LANGUAGES[0], f"The language of page and PDF: {either(LANGUAGES)}.", choices=LANGUAGES)
    paper: str = option(PAPERS[0], f"The PDF's paper: {either(PAPERS)}.", choices=PAPERS)
    split: bool = option(
        False,
        "Put the page's style, script and pictures into files beside it, with a page of each layer of a large model.",
    )
    baseline: str | Path | None = option(None, "An earlier report; the new one says what changed.", metavar="DIR")
    log_to: str | Sequence[str] = option(
        (),
        f"Hand it over to {either(TRACKERS)}, with commas between; mlflow:RUN_ID, tensorboard:LOGDIR.",
        metavar="TRACKER",
        shown="nowhere",
    )


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the work is done; the figures are the same everywhere."""

    engine: str = option("local", "Where the work is done: local, dask, or dask:ADDRESS of a scheduler.")
    workers: int | None = option(
        None, "Processes of --engine dask.", metavar="N", shown="half of the cores, at least 2"
    )


@dataclass(frozen=True, kw_only=True)
class Options(Training, Analysis, Pages, Budget, Bounds):
    """What a report is to be like: everything but model, data and the place of the work.

    history: what `fit` returned, or its dict of lists; by default the live model's own, or a file's beside the model.
    """

    history: object = None

    def check(self) -> None:
        """Raise InputError where a value makes no sense, whatever model and data are."""
        for one in fields(self):
            _check(one, getattr(self, one.name))
        share = self.validation_split
        if share is not None and not (_is_number(share) and 0 < share < 1):
            raise InputError(f"--validation-split is {share!r}", "expected a number above 0 and below 1, such as 0.2")
        if self.pixels not in RANGES:
            moments(self.pixels)
        if isinstance(self.output, bool) or not isinstance(self.output, str | int | None):
            raise InputError(f"--output is {self.output!r}", "expected an output's name or its number, from 0")
        _ = self.picture_size
        check_formats(self.formats)
        trackers(self.log_to)
        Budget.check(self)
        Bounds.check(self)

    def changed(self) -> dict[str, str]:
        """Return what changes figures or pictures and is not the default, by the name of its flag."""
        named = [one for one in (*fields(Training), *fields(Analysis)) if one.metadata and one.name != "class_names"]
        given = {one.name: getattr(self, one.name) for one in named if getattr(self, one.name) != one.default}
        found = {name.replace("_", "-"): str(value) for name, value in given.items()}
        return found | ({} if self.class_names is None else {"class-names": _in_a_word(self.class_names)})


@dataclass(frozen=True)
class Call(Options, Place):
    """What `reportgen.report` is called with."""

    model: Any = None  # a path, a keras.Model or None; Keras ships no types
    data: "Data" = SAMPLE
    _: KW_ONLY
    progress: Progress | None = None


@dataclass(frozen=True)
class PruneCall(Pruning, Bounds):
    """What `reportgen.prune` is called with. folder: of a finished report. model, data: where it does not tell."""

    folder: str | Path
    model: Any = None
    data: "Data | None" = None
    _: KW_ONLY
    progress: Progress | None = None

    def check(self) -> None:
        """Raise InputError where a value makes no sense."""
        Pruning.check(self)
        Bounds.check(self)


@dataclass(frozen=True)
class CallbackCall(Analysis, Pages, Budget, Place):
    """What `reportgen.ReportCallback` is made with."""

    data: "Data"
    _: KW_ONLY
    watch: int = option(1000, "How many images the dead units are counted on.", limits=(0, 1_000_000), metavar="N")
    progress: Progress | None = None

    @property
    def options(self) -> Options:
        """The options of the report to come."""
        shared = [one.name for kind in (Analysis, Pages, Budget) for one in fields(kind)]
        return Options(**{name: getattr(self, name) for name in shared})

    def check(self) -> None:
        """Raise InputError where a value makes no sense that the report's own `options` do not have."""
        own = next(one for one in fields(self) if one.name == "watch")
        _check(own, self.watch, called="watch")  # no command has it as a flag


def _check(one: "Field[Any]", value: object, called: str | None = None) -> None:
    """Raise InputError where a value is outside the limits or none of the choices of its option.

    called: by default the option's flag.
    """
    limits, called = one.metadata.get("limits"), called or _flag(one.name)
    if limits == _SHARE:
        if not (_is_number(value) and 0 < value <= 1):  # type: ignore[operator]
            raise InputError(f"{called} is {value!r}", "expected a number above 0, at most 1")
    elif limits and not (type(value) is int and limits[0] <= value <= limits[1]):
        expected = f"expected a whole number from {limits[0]:,} to {limits[1]:,}"
        raise InputError(f"{called} is {value!r}", expected)
    if choices := one.metadata.get("choices"):
        _check_choice(one.name, value, choices)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in_a_word(class_names: ClassNames) -> str:
    """Return what --class-names has to be for the same names; <class names> where they cannot stand in a list."""
    if isinstance(class_names, str | Path):
        return str(class_names)
    names = sorted(class_names, key=class_names.__getitem__) if isinstance(class_names, Mapping) else list(class_names)
    is_list = len(names) > 1 and all(name and name == name.strip() and "," not in name for name in names)
    return ",".join(names) if is_list else CLASS_NAMES


def check_look(lang: str, paper: str) -> None:
    """Raise InputError unless `lang` is one of LANGUAGES and `paper` one of PAPERS."""
    check_lang(lang)
    _check_choice("paper", paper, PAPERS)


def check_lang(lang: str) -> None:
    """Raise InputError unless `lang` is one of LANGUAGES."""
    _check_choice("lang", lang, LANGUAGES)


def _check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InputError(f"--{name} is {value!r}", f"expected one of {', '.join(choices)}")


def check_formats(formats: Sequence[str]) -> None:
    """Raise InputError unless `formats` names one or more of FORMATS."""
    listed = [formats] if isinstance(formats, str) else list(formats)
    unknown = [name for name in listed if name not in FORMATS]
    if isinstance(formats, str) or unknown or not listed:
        found = repr(formats) if isinstance(formats, str) else ", ".join(map(repr, unknown)) or "nothing"
        raise InputError(f"--formats has {found}", f"expected one or both of {', '.join(FORMATS)}")


def trackers(given: str | Sequence[str]) -> list[tuple[str, str | None]]:
    """ "mlflow", ["tensorboard:logs"] -> the tracker of each, one of TRACKERS, and what stands behind the colon.

    That is the run of mlflow and wandb to log to, and the log directory of tensorboard. Raises InputError.
    """
    listed = [given] if isinstance(given, str) else list(given)
    found = [(name, where or None) for name, _, where in (str(one).partition(":") for one in listed)]
    if unknown := [name for name, _ in found if name not in TRACKERS]:
        raise InputError(f"--log-to has {unknown[0]!r}", f"expected one or more of {', '.join(TRACKERS)}")
    return found
