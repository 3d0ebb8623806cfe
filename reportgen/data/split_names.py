"""The usual names of the parts of a data set, and which of them are taken where there are more than two."""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from reportgen.errors import InputError
from reportgen.format import short
from reportgen.i18n import Text, text

Kind = Literal["train", "test", "val"]

PLAIN = ("train", "test")
"""What the parts are called everywhere else."""

_STEMS: dict[Kind, tuple[str, ...]] = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "val": ("val", "valid", "validation"),
}
_KINDS: dict[str, Kind] = {
    f"{stem}{end}": kind for kind, stems in _STEMS.items() for stem in stems for end in ("", "_set")
}
SPELT = tuple(sorted(_KINDS, key=len, reverse=True))
"""All the names, in small letters with underscores, the longest first."""


class Chosen(NamedTuple):
    """What each part is called.

    names: by "train" and "test", or "" for a single one. said: what was done, in sentences.
    """

    names: dict[str, str]
    said: tuple[Text, ...]


def of_name(name: str) -> Kind | None:
    """Return which part has this name: "train", "Testing", "valid_set", "Validation Set"; None for other names."""
    return _KINDS.get(plain(name))


def of_stem(stem: str) -> Kind | None:
    """Return the part that stands in a file's name: "train-00000-of-00001", "mnist_test", "train_labels".

    None where none does, or more than one.
    """
    found = {kind for word in re.split(r"[^a-z]+", plain(stem)) for name, kind in _KINDS.items() if word == name}
    return found.pop() if len(found) == 1 else None


def plain(name: str) -> str:
    """Return a name in small letters, with underscores for blanks, dashes and dots."""
    return re.sub(r"[-. ]", "_", name.lower())


def choose(found: Iterable[tuple[Kind | None, str]], where: str) -> Chosen:
    """Return what the parts are called. found: each name with the part that it stands for, None for a single one.

    A validation split is the test split where there is none, and is left out where there is one.
    where: how an error names where they lie. Raises InputError where two names stand for one part.
    """
    by_kind: dict[Kind | None, str] = {}
    for kind, name in found:
        if kind in by_kind:
            what = f"{where} has both {short(by_kind[kind])!r} and {short(name)!r}"
            raise InputError(what, f"each can be the {kind or 'only'} split; leave one of them out, or rename it")
        by_kind[kind] = name
    names: dict[str, str] = {plain: by_kind[plain] for plain in ("train", "test") if plain in by_kind}
    said: list[Text] = []
    if (val := by_kind.get("val")) is not None:
        if "test" in names:
            said.append(text("The validation split {name} was left out, as there is a test split.", name=val))
        else:
            names["test"] = val
            said.append(text("The validation split {name} was taken for the test split, as there is none.", name=val))
    if not names and None in by_kind:
        names[""] = by_kind[None]
    return Chosen(names, tuple(said))
