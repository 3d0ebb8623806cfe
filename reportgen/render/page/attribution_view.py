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

_SMALL = 0.05
Key = tuple[str, int, str]
"""Part and number of an image, and the label of the class that its map speaks for."""


@dataclass(frozen=True)
class Explained:
    """What stands beside an image. overlay: None where no map can be trusted.

    says: why there is none, or how far one is off, where that is worth a word.
    """

    overlay: Picture | None
    says: Text | None


@dataclass(frozen=True)
class AttributionView:
    """The explanations of images. reading: how a map is read; None where none is shown. left_out: how many were."""

    of: Mapping[Key, Explained]
    reading: Text | None
    left_out: Text | None

    def why(self, part: str, index: int, toward: str) -> Explained | None:
        """Return the explanation of an image, None where it has none."""
        return self.of.get((part, index, toward))


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
        " weights gives another map. Where its sum misses the difference of the scores by more than 5 per cent, that"
        " error stands below it. It shows what this model looked at, not whether that is right.",
        steps=f"{found.steps}",
    )
    left_out = None
    if len(found.images) < found.asked:
        left_out = text(
            "{explained} of {asked} images were explained; more would take too long with a model of this size.",
            explained=count(len(found.images)),
            asked=count(found.asked),
        )
    return AttributionView(shown, reading, left_out)


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
    error, says = one.completeness_error, None
    if error is None or error > _SMALL:
        says = text("error of the map {error}", error=percent(error))
    return Explained(attribution.overlay(image, maps[one.map]), says)
