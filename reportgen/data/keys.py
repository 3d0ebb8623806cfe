"""Under which of their usual names the arrays of a data set are there: X_train, train_images, images and labels, ..."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from reportgen.data import split_names
from reportgen.errors import InputError
from reportgen.format import first, short
from reportgen.i18n import Text, literal, text

Role = Literal["x", "y", "class_names"]

KEYS = ("x_train", "y_train", "x_test", "y_test", "class_names")
"""The names of the arrays that this project writes and asks for."""

EXPECTED = (
    "expected x_train, y_train, x_test, y_test, or their like (X_train, train_images and train_labels, images and "
    "labels), in an archive saved with numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)"
)

_ROLES: dict[Role, tuple[str, ...]] = {
    "x": ("x", "image", "images", "img", "imgs", "data", "features", "inputs", "pixels"),
    "y": ("y", "label", "labels", "target", "targets"),
    "class_names": ("class_names", "classnames", "label_names", "target_names"),
}
_OF_WORD: dict[str, Role] = {word: role for role, words in _ROLES.items() for word in words}
_LISTED = 10


class Taken(NamedTuple):
    """Which arrays are taken. names: of those in KEYS, or of x and y of a single part. said: in sentences."""

    names: dict[str, str]
    said: tuple[Text, ...]


def role(key: str) -> tuple[Role, split_names.Kind | None] | None:
    """Return what an array of this name holds and of which part, None for a single one: "X_test" -> ("x", "test").

    Return None for any other name: arr_0 and arr_1 may be anything.
    """
    name = split_names.plain(key)
    if name in _OF_WORD:
        return _OF_WORD[name], None
    for spelt in split_names.SPELT:
        for rest in (name.removesuffix(spelt), name.removeprefix(spelt)):
            word = rest.strip("_")
            if rest != name and word in _OF_WORD and _OF_WORD[word] != "class_names":
                return _OF_WORD[word], split_names.of_name(spelt)
    return None


def take(keys: Iterable[str], where: str) -> Taken:
    """Return which arrays are taken of those with these names, in whatever case they are spelt.

    What is called as in KEYS goes before other names; parts go before a single one; of a validation split see
    `parts.choose`. where: how an error names them. Raises InputError where two arrays may be meant.
    """
    found: dict[tuple[Role, split_names.Kind | None], list[str]] = {}
    for key in keys:
        if (meant := role(key)) is not None:
            found.setdefault(meant, []).append(key)
    whole: list[tuple[split_names.Kind | None, str]] = [
        (part, part or "") for part in ("train", "test", "val", None) if ("x", part) in found or ("y", part) in found
    ]
    chosen = split_names.choose([one for one in whole if one[0] != "val" or ("x", "val") in found], where)
    names = {}
    letters: tuple[Role, Role] = ("x", "y")
    for part, kind in chosen.names.items():
        for letter in letters:
            if listed := found.get((letter, split_names.of_name(kind))):
                exact = f"{letter}_{kind}" if kind else letter
                names[f"{letter}_{part}" if part else letter] = _one(listed, exact, where)
    if listed := found.get(("class_names", None)):
        names["class_names"] = _one(listed, "class_names", where)
    others = [name for key, name in names.items() if key != name]
    said = [text("The arrays {names} were taken.", names=_listed(names.values()))] if others else []
    return Taken(names, (*said, *chosen.said))


def renamed(arrays: Mapping[str, object], where: str) -> Taken:
    """Return `take` of the names in a mapping that are texts."""
    return take([key for key in arrays if isinstance(key, str)], where)


def _one(listed: list[str], exact: str, where: str) -> str:
    if exact in listed or len(listed) == 1:
        return exact if exact in listed else listed[0]
    both = " and ".join(repr(short(name)) for name in listed[:2])
    raise InputError(f"{where} has both {both}, and either may be {exact}", f"call the one that is meant {exact}")


def _listed(names: Iterable[str]) -> Text:
    return first([literal(short(name)) for name in names], _LISTED)
