"""What a user can choose about a run, with the defaults and limits that shell and Python share."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from reportgen.errors import InputError

PixelRange = str
"""One of RANGES, or "mean=M[,M...],std=S[,S...]", see `moments`."""
RANGES = ("auto", "0-1", "0-255", "-1-1", "caffe", "torch")
Analysed = Literal["test", "train", "both"]
ClassNames = str | Path | Sequence[str] | Mapping[str, int]
"""What a caller can give for the names of the classes, see `data.names.given`."""

FORMATS = ("html", "pdf")
LANGUAGES = ("en", "ja")
PAPERS = ("a4", "letter")

_LIMITS = {
    "epochs": (1, 1_000_000),
    "batch_size": (1, 1_000_000),
    "patience": (0, 1_000_000),
    "seed": (0, 2**32 - 1),
    "examples": (1, 100),
    "memory": (1, 1_000_000),
}
_SHARES = ("redundant", "always_on", "weak", "saturated")
_LARGEST_SIDE = 10_000


@dataclass(frozen=True)
class Options:
    """The choices that change a report's figures or pictures.

    epochs, batch_size, patience: of the training. seed: of every random generator. examples: how many test images
    are shown beside the layers' outputs. pixels: the range that the model expects, see PixelRange. analyse: whose
    images the units are judged on. memory: megabytes that the outputs of all layers may take at once. redundant: the
    correlation from which on units are redundant. always_on: the share of values above zero from which on a ReLU unit
    is always on. weak: the mean response, as a share of the layer's, up to which a unit is weak. saturated: the share
    of values at one end of the range from which on a unit is saturated. image_size: what pictures in folders are
    resized to, a number of pixels or "HEIGHTxWIDTH"; None leaves them as they are. class_names: all classes in the
    model's order, as names, a mapping from name to number, or a file of them; None where the data or what lies beside
    the model tells. validation_split: the share of data in one part that is set aside at random for testing; None
    splits nothing. output: the name, or the number from 0, of that of several outputs which the report is about.
    """

    epochs: int = 30
    batch_size: int = 128
    patience: int = 0
    seed: int = 0
    examples: int = 5
    pixels: PixelRange = "auto"
    analyse: Analysed = "test"
    memory: int = 1000
    redundant: float = 0.95
    always_on: float = 0.99
    weak: float = 0.025
    saturated: float = 0.95
    image_size: str | int | None = None
    class_names: ClassNames | None = None
    validation_split: float | None = None
    output: str | int | None = None

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

    def check(self) -> None:
        """Raise InputError where a value has no sense."""
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                flag = name.replace("_", "-")
                raise InputError(f"--{flag} is {value!r}", f"expected a whole number from {low:,} to {high:,}")
        for name in _SHARES:
            share = getattr(self, name)
            if not isinstance(share, int | float) or isinstance(share, bool) or not 0 < share <= 1:
                raise InputError(f"--{name.replace('_', '-')} is {share!r}", "expected a number above 0, at most 1")
        share = self.validation_split
        if share is not None and not (type(share) in (int, float) and 0 < share < 1):
            raise InputError(f"--validation-split is {share!r}", "expected a number above 0 and below 1, such as 0.2")
        if self.pixels not in RANGES:
            moments(self.pixels)
        _check_choice("analyse", self.analyse, get_args(Analysed))
        if isinstance(self.output, bool) or not isinstance(self.output, str | int | None):
            raise InputError(f"--output is {self.output!r}", "expected an output's name or its number, from 0")
        _ = self.picture_size

    def changed(self) -> dict[str, str]:
        """Return the values that are not the defaults, by the name of their flag."""
        plain = {name: value for name, value in vars(self).items() if name != "class_names"}
        defaults = vars(Options())
        found = {name.replace("_", "-"): str(value) for name, value in plain.items() if value != defaults[name]}
        return found | ({} if self.class_names is None else {"class-names": _in_a_word(self.class_names)})


@dataclass(frozen=True)
class Moments:
    """What is subtracted from pixels of 0 to `top`, and what they are divided by then.

    mean, std: one number for all channels or one for each, in the order of the channels; std above 0.
    top: 1 or 255.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    top: int


def moments(choice: object) -> Moments:
    """Return what "mean=0.5,std=0.5" or "mean=0.485,0.456,0.406,std=0.229,0.224,0.225" says.

    They are of pixels of 0 to 1, as torchvision has them; where one of the numbers is above 1, of 0 to 255.
    Raises InputError where `choice` is no such words.
    """
    number = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?"
    numbers = rf"({number}(?:,{number})*)"
    found = re.fullmatch(rf"mean={numbers},std={numbers}", choice, re.ASCII) if isinstance(choice, str) else None
    mean, std = (tuple(map(float, found[n].split(","))) for n in (1, 2)) if found else ((), ())
    is_one_each = len(mean) == len(std) or 1 in (len(mean), len(std))
    if not (mean and is_one_each and all(0 < value <= 1000 for value in std) and all(abs(m) <= 1000 for m in mean)):
        expected = f"expected one of {', '.join(RANGES)}, or mean=M,std=S with one number or one per channel each"
        raise InputError(f"--pixels is {choice!r}", expected)
    return Moments(mean, std, 255 if max(*mean, *std) > 1 else 1)


@dataclass(frozen=True)
class Bounds:
    """What a model file may take. One that needs more is refused; the defaults leave room for any usual network.

    max_model_gb: gigabytes (10^9 bytes) of the file, packed and unpacked. max_memory_gb: gigabytes of memory for the
    model and its outputs, None for three quarters of what the machine has. max_layers: layers, those of models
    inside the model included. max_load_seconds: seconds that Keras may need to load it, on the command line.
    """

    max_model_gb: float = 4
    max_memory_gb: float | None = None
    max_layers: int = 2000
    max_load_seconds: float = 300

    def check(self) -> None:
        """Raise InputError where a value has no sense."""
        for name, value in vars(self).items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (is_number and 0 < value <= 1_000_000) and not (value is None and name == "max_memory_gb"):
                flag = name.replace("_", "-")
                raise InputError(f"--{flag} is {value!r}", "expected a number above 0, at most 1,000,000")


@dataclass(frozen=True)
class Budget:
    """How large the files may be, in megabytes of 10^6 bytes. What does not fit is left out, and the report says so.

    max_html_mb: the page, with the files beside it if it is split. max_pdf_mb: the PDF.
    """

    max_html_mb: float = 20
    max_pdf_mb: float = 10

    def check(self) -> None:
        """Raise InputError where a value has no sense."""
        for name, most in vars(self).items():
            if not isinstance(most, int | float) or isinstance(most, bool) or not 0 < most < float("inf"):
                raise InputError(f"--{name.replace('_', '-')} is {most!r}", "expected megabytes, a number above 0")


def _in_a_word(class_names: ClassNames) -> str:
    """Return what --class-names has to be for the same names; <class names> where they cannot stand in a list."""
    if isinstance(class_names, str | Path):
        return str(class_names)
    names = sorted(class_names, key=class_names.__getitem__) if isinstance(class_names, Mapping) else list(class_names)
    is_list = len(names) > 1 and all(name and name == name.strip() and "," not in name for name in names)
    return ",".join(names) if is_list else "<class names>"


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
