"""The kinds of finding: their codes, and how grave they are."""

from collections.abc import Sequence
from typing import NamedTuple

from reportgen.i18n import Text, text
from reportgen.record.units import Finding


class Kind(NamedTuple):
    """How grave a finding is ("error", "warning", "notice"), and what it means in one line."""

    severity: str
    meaning: Text


KINDS = {
    # the report is about a model that does not work, or seems so
    "class-order": Kind("error", text("the classes seem to be in another order than the model's")),
    "loss-not-finite": Kind("error", text("the training loss became infinite or NaN")),
    "worse-than-majority": Kind("error", text("always naming the largest class would be right as often")),
    "dead-layer": Kind("error", text("no unit of a layer ever fires")),
    "test-split-leaked": Kind("error", text("many test images have a copy, exact or near, in the training split")),
    # figures of the report that mislead
    "pixel-range": Kind("warning", text("the model expects its pixels in another range than they reach it")),
    "proof-failed": Kind("warning", text("accuracy falls without the units called dead or removable")),
    "test-in-train": Kind("warning", text("test images are exactly in the training split")),
    "conflicting-labels": Kind("warning", text("equal images have different labels")),
    "many-suspect-labels": Kind("warning", text("many labels look wrong")),
    "skipped-files": Kind("warning", text("files hold no picture that can be read")),
    "class-without-images": Kind("warning", text("a split has no image of a class")),
    # what is missing from the report
    "no-pdf": Kind("warning", text("the PDF could not be made")),
    "not-drawn": Kind("warning", text("a picture, a chart or a section could not be drawn")),
    # what the model gets wrong
    "class-always-predicted": Kind("warning", text("every image is taken for one class")),
    "class-never-predicted": Kind("warning", text("no image is ever taken for a class that has images")),
    "overfitting": Kind("warning", text("validation loss rose while training loss fell")),
    "train-test-gap": Kind("warning", text("training accuracy is well above test accuracy")),
    "weakest-class": Kind("warning", text("a class is recognised clearly less often than the others")),
    "poor-calibration": Kind("warning", text("probabilities do not match how often predictions are right")),
    "class-imbalance": Kind("warning", text("the largest class has many times the images of the smallest")),
    # units that do no work
    "died-at-once": Kind("warning", text("many units of a layer died in one epoch")),
    "dead-units": Kind("warning", text("units never fire")),
    "stuck-units": Kind("warning", text("units stay at one end of their activation's range")),
    "constant-units": Kind("warning", text("units give the same value whatever the image")),
    "weight-duplicates": Kind("warning", text("units have the weights of another unit, up to a positive factor")),
    "redundant-units": Kind("warning", text("units say the same as another unit of their layer")),
    # worth knowing
    "still-improving": Kind("notice", text("the last epoch was the best")),
    "most-confused-pair": Kind("notice", text("a good part of one class is taken for one other class")),
    "confident-mistakes": Kind("notice", text("the model is wrong and very sure; the labels may be wrong")),
    "fragile": Kind("notice", text("a mild change of the pictures costs much accuracy")),
    "nearly-in-train": Kind("notice", text("test images are nearly in the training split")),
    "suspect-labels": Kind("notice", text("some labels look wrong")),
    "history-unreadable": Kind("notice", text("a file beside the model is no history that can be read")),
    "constant-images": Kind("notice", text("images show one colour only")),
    "repeated-images": Kind("notice", text("images occur more than once in a split")),
    "few-images": Kind("notice", text("too few images to be sure which units are redundant")),
    "always-on-units": Kind("notice", text("units nearly always fire, so their activation does nothing")),
    "always-negative-units": Kind("notice", text("units stay on the negative side of their activation")),
    "weak-units": Kind("notice", text("units fire, but far more weakly than the rest of their layer")),
    "opposite-units": Kind("notice", text("pairs of units are mirror images of each other")),
    "selective-without-effect": Kind("notice", text("units tell a class apart, and nothing changes without them")),
    "needed-without-preference": Kind("notice", text("units tell no class apart, and the model needs them")),
    "heavy-layer": Kind("notice", text("one layer holds most of the parameters")),
}
"""Every kind by its code, in the order of the report: gravest first."""


def finding(code: str, message: Text, layer: str | None = None, units: Sequence[int] = ()) -> Finding:
    """Return a finding of a kind in `KINDS`. Raises KeyError for another code."""
    return Finding(code, KINDS[code].severity, message, layer, list(units))
