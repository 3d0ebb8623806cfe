"""Why images were taken for one class and not for another, as the page shows it: a map, or why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass

from reportgen.format import count
from reportgen.i18n import Text, text
from reportgen.record.attribution import Attribution
from reportgen.record.pictures import Array
from reportgen.record.run import Record
from reportgen.render.page.missing import attempt
from reportgen.render.pictures import attribution
from reportgen.render.pictures.mosaic import Picture
from reportgen.render.words import percent

Key = tuple[str, int, str]
"""Part and number of an image, and the label of the class that its map speaks for."""


@dataclass(frozen=True)
class Explained:
    """What stands beside an image. overlay: None where no map can be trusted; says: how exact it is, or why not."""

    overlay: Picture | None
    says: Text


@dataclass(frozen=True)
class AttributionView:
    """The explanations of images. reading: how a map is read; None where none is shown. counts: how many are."""

    of: Mapping[Key, Explained]
    reading: Text | None
    counts: Text | None


def view(record: Record) -> AttributionView:
    """Return what is shown beside the surest mistakes and the labels that look wrong."""
    found, maps = record.attributions, record.pictures.attributions
    if found is None or maps is None or not found.asked:
        return AttributionView({}, None, None)
    if found.reason:
        return AttributionView({}, None, text("No map that can be trusted: {reason}.", reason=found.reason))
    images = _images(record)
    shown = {
        (one.part, one.index, one.toward): attempt(_explained, one, maps, images[one.part, one.index])
        for one in found.images
        if (one.part, one.index) in images
    }
    reading = text(
        "The small map beside an image shows which of its pixels tip the scales. Orange ones speak for the class that"
        " the image was taken for or looks like, blue ones for that of its label, the stronger the more: integrated"
        " gradients of the difference of the two scores, from the mean image, in {steps} steps. A map is shown only"
        " where deleting what it marks does more than deleting as many random pixels, and where the model with shuffled"
        " weights gives another map. Its error is how far its sum misses what the scores differ by. It shows what this"
        " model looked at, not why that would be right.",
        steps=f"{found.steps}",
    )
    counts = text(
        "{maps} of {asked} images have a map that can be trusted.",
        maps=count(sum(one.map is not None for one in found.images)),
        asked=count(found.asked),
    )
    return AttributionView(shown, reading, counts)


def _images(record: Record) -> dict[tuple[str, int], Array]:
    """Return the images that have explanations, by part and number, each (H, W, C)."""
    test, pictures = record.evaluation["test"], record.pictures
    assert test is not None
    found = {("test", one.index): image for one, image in zip(test.worst, pictures.worst, strict=True)}
    if pictures.trust is not None:
        for place, image in zip(pictures.trust.suspects.tolist(), pictures.trust.images, strict=True):
            label = record.data.suspect_labels[place]
            found.setdefault((label.part, label.index), image)
    return found


def _explained(one: Attribution, maps: Array, image: Array) -> Explained:
    if one.map is None:
        return Explained(None, text("no map that can be trusted: {reason}", reason=one.reason or ""))
    error = text("n/a") if one.completeness_error is None else percent(one.completeness_error)
    says = text("error of the map {error}", error=error)
    return Explained(attribution.overlay(image, maps[one.map]), says)
