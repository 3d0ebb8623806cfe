"""What is worth a reader's attention about the range of the pixels."""

from reportgen.analysis.phrases import counted_images, name
from reportgen.analysis.pixels.trial import Doubt
from reportgen.format import number, percent
from reportgen.i18n import Text, joined, text
from reportgen.record.finding_kinds import finding
from reportgen.record.units import Finding


def find(doubt: Doubt | None) -> list[Finding]:
    """Return the finding that the model expects another range of pixels, where there is evidence of it."""
    if doubt is None:
        return []
    said = {"chance": _chance, "network": _network, "large": _large}[doubt.reason](doubt)
    advice = text("Make the report again with --pixels {choice}.", choice=doubt.choice)
    return [finding("pixel-range", joined(" ", [*said, advice]))]


def _chance(doubt: Doubt) -> list[Text]:
    said = text(
        "With the pixels as they reach it, the model's predictions are no better than chance, but in another range they"
        " are: of {images} tried, {before} of the predictions are right here and {after} there.",
        **_tried(doubt),
    )
    return [said]


def _network(doubt: Doubt) -> list[Text]:
    said = text(
        "The model holds the trained network {name} of keras.applications, which takes pixels in another range than"
        " they reach it.",
        name=name(doubt.network or ""),
    )
    tried = text(
        "Of {images} tried, {before} of the predictions are right here and {after} there, with a cross-entropy of"
        " {loss} and {other}.",
        **_tried(doubt),
        loss=number(doubt.losses[0]),
        other=number(doubt.losses[1]),
    )
    return [said, tried]


def _large(doubt: Doubt) -> list[Text]:
    said = text("The images are floats of 0 to 255, but the model takes pixels of 0 to 1.")
    if not doubt.images:
        return [said, text("What it computes before its first weights shows it.")]
    tried = text(
        "Of {images} tried, {before} of the predictions are right as the pixels are and {after} with pixels of 0 to 1,"
        " and the cross-entropy falls from {loss} to {other}.",
        **_tried(doubt),
        loss=number(doubt.losses[0]),
        other=number(doubt.losses[1]),
    )
    return [said, tried]


def _tried(doubt: Doubt) -> dict[str, str]:
    """Return of how many images which shares were right, as they reach the model and in the other range."""
    return {
        "images": counted_images(doubt.images, "test"),
        "before": percent(doubt.assumed / doubt.images),
        "after": percent(doubt.other / doubt.images),
    }
