"""What a layout holds: images and labels by part, as they were found, before they are checked against each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from reportgen.dataset import Images, Skipped
from reportgen.i18n import Text


class Labels(NamedTuple):
    """The labels of a part as they came. own, width: as in labels.Found, where that is known already."""

    values: Images
    own: tuple[str, ...] | None = None
    width: int | None = None


@dataclass(frozen=True)
class Source:
    """Images and labels with their origin.

    name: of the data set. source: where it came from, in words. images, labels: by part, "train" and "test", or "" for
    a single part that is neither. class_names: an array of texts, if the data has one. said: what was done, in
    sentences. skipped: files without a picture. form: what parts are made of, so that an error names what is missing:
    arrays with keys, folders of classes, or files of either. pictures: whether they can be resized.
    """

    name: str
    source: Text
    images: Mapping[str, Images]
    labels: Mapping[str, Labels]
    class_names: Images | None = None
    said: Sequence[Text] = ()
    skipped: Sequence[Skipped] = field(default=())
    form: Literal["arrays", "folders", "files"] = "files"
    pictures: bool = False


def of_arrays(
    arrays: Mapping[str, Images],
    name: str,
    source: Text,
    said: Sequence[Text] = (),
    known: Mapping[str, Labels] | None = None,
) -> Source:
    """Return arrays named as in data.keys. known: labels by part of which more is known than their array."""
    known = known or {}
    parts = {"train": ("x_train", "y_train"), "test": ("x_test", "y_test"), "": ("x", "y")}
    return Source(
        name=name,
        source=source,
        images={part: arrays[x] for part, (x, _) in parts.items() if x in arrays},
        labels={part: known.get(part) or Labels(arrays[y]) for part, (_, y) in parts.items() if y in arrays},
        class_names=arrays.get("class_names"),
        said=said,
        form="arrays",
    )
