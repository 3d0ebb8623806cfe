"""The kinds of finding: their codes, and how grave they are."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from reportgen.i18n import Text, ntext, text
from reportgen.record.units import Finding


class Kind(NamedTuple):
    """A kind of finding.

    severity: "error", "warning" or "notice". name: what it is called in a list. meaning: what it means in one line.
    counted: of a kind that several layers or splits can have a finding of, so many as the beginning of a sentence.
    """

    severity: str
    name: Text
    meaning: Text
    counted: Callable[[int], Text] | None = None


KINDS = {
    # the report is about a model that does not work, or seems so
    "class-order": Kind(
        "error",
        text("the order of the classes"),
        text("the classes seem to be in another order than the model's"),
    ),
    "loss-not-finite": Kind(
        "error",
        text("diverged training"),
        text("the training loss became infinite or NaN"),
    ),
    "worse-than-majority": Kind(
        "error",
        text("accuracy no better than a constant guess"),
        text("always naming the largest class would be right as often"),
    ),
    "dead-layer": Kind(
        "error",
        text("dead layers"),
        text("no unit of a layer ever fires"),
        lambda n: ntext(n, "{n} layer never fires", "{n} layers never fire"),
    ),
    "test-split-leaked": Kind(
        "error",
        text("a leaked test split"),
        text("many test images have a copy, exact or near, in the training split"),
    ),
    # figures of the report that mislead
    "pixel-range": Kind(
        "warning",
        text("the range of the pixels"),
        text("the model expects its pixels in another range than they reach it"),
    ),
    "proof-failed": Kind(
        "warning",
        text("verdicts in doubt"),
        text("accuracy falls without the units called dead or removable"),
    ),
    "test-in-train": Kind(
        "warning",
        text("test images in the training split"),
        text("test images are exactly in the training split"),
    ),
    "conflicting-labels": Kind(
        "warning",
        text("conflicting labels"),
        text("equal images have different labels"),
    ),
    "many-suspect-labels": Kind(
        "warning",
        text("many labels that look wrong"),
        text("many labels look wrong"),
        lambda n: ntext(n, "{n} label looks wrong", "{n} labels look wrong"),
    ),
    "skipped-files": Kind(
        "warning",
        text("skipped files"),
        text("files hold no picture that can be read"),
        lambda n: ntext(n, "{n} file holds no picture that can be read", "{n} files hold no picture that can be read"),
    ),
    "class-without-images": Kind(
        "warning",
        text("classes without images"),
        text("a split has no image of a class"),
        lambda n: ntext(n, "{n} class lacks images in a split", "{n} classes lack images in a split"),
    ),
    # what is missing from the report
    "no-pdf": Kind(
        "warning",
        text("the missing PDF"),
        text("the PDF could not be made"),
    ),
    "not-drawn": Kind(
        "warning",
        text("what could not be drawn"),
        text("a picture, a chart or a section could not be drawn"),
    ),
    # what the model gets wrong
    "class-always-predicted": Kind(
        "warning",
        text("one class for every image"),
        text("every image is taken for one class"),
    ),
    "class-never-predicted": Kind(
        "warning",
        text("classes never predicted"),
        text("no image is ever taken for a class that has images"),
    ),
    "overfitting": Kind(
        "warning",
        text("overfitting"),
        text("validation loss rose while training loss fell"),
    ),
    "train-test-gap": Kind(
        "warning",
        text("the gap between training and test"),
        text("training accuracy is well above test accuracy"),
    ),
    "weakest-class": Kind(
        "warning",
        text("the weakest class"),
        text("a class is recognised clearly less often than the others"),
    ),
    "poor-calibration": Kind(
        "warning",
        text("calibration"),
        text("probabilities do not match how often predictions are right"),
    ),
    "class-imbalance": Kind(
        "warning",
        text("class imbalance"),
        text("the largest class has many times the images of the smallest"),
    ),
    # units that do no work
    "died-at-once": Kind(
        "warning",
        text("units that died at once"),
        text("many units of a layer died in one epoch"),
    ),
    "dead-units": Kind(
        "warning",
        text("dead units"),
        text("units never fire"),
        lambda n: ntext(n, "{n} unit never fired", "{n} units never fired"),
    ),
    "stuck-units": Kind(
        "warning",
        text("stuck units"),
        text("units stay at one end of their activation's range"),
        lambda n: ntext(
            n,
            "{n} unit stayed at one end of its activation's range",
            "{n} units stayed at one end of their activation's range",
        ),
    ),
    "constant-units": Kind(
        "warning",
        text("constant units"),
        text("units give the same value whatever the image"),
        lambda n: ntext(
            n, "{n} unit gave the same value whatever the image", "{n} units gave the same value whatever the image"
        ),
    ),
    "weight-duplicates": Kind(
        "warning",
        text("duplicate weights"),
        text("units have the weights of another unit, up to a positive factor"),
        lambda n: ntext(n, "{n} unit has the weights of another one", "{n} units have the weights of another one"),
    ),
    "redundant-units": Kind(
        "warning",
        text("redundant units"),
        text("units say the same as another unit of their layer"),
        lambda n: ntext(
            n,
            "{n} unit said the same as another one of its layer",
            "{n} units said the same as another one of their layer",
        ),
    ),
    # worth knowing
    "still-improving": Kind(
        "notice",
        text("unfinished training"),
        text("the last epoch was the best"),
    ),
    "most-confused-pair": Kind(
        "notice",
        text("the most confused pair"),
        text("a good part of one class is taken for one other class"),
    ),
    "confident-mistakes": Kind(
        "notice",
        text("confident mistakes"),
        text("the model is wrong and very sure; the labels may be wrong"),
        lambda n: ntext(
            n,
            "{n} image got a wrong prediction that is very sure",
            "{n} images got a wrong prediction that is very sure",
        ),
    ),
    "fragile": Kind(
        "notice",
        text("fragility"),
        text("a mild change of the pictures costs much accuracy"),
    ),
    "nearly-in-train": Kind(
        "notice",
        text("near copies in the training split"),
        text("test images are nearly in the training split"),
    ),
    "suspect-labels": Kind(
        "notice",
        text("labels that look wrong"),
        text("some labels look wrong"),
        lambda n: ntext(n, "{n} label looks wrong", "{n} labels look wrong"),
    ),
    "history-unreadable": Kind(
        "notice",
        text("an unreadable history"),
        text("a file beside the model is no history that can be read"),
    ),
    "constant-images": Kind(
        "notice",
        text("images of one colour"),
        text("images show one colour only"),
        lambda n: ntext(n, "{n} image shows one colour only", "{n} images show one colour only"),
    ),
    "repeated-images": Kind(
        "notice",
        text("repeated images"),
        text("images occur more than once in a split"),
        lambda n: ntext(n, "{n} image repeats another one", "{n} images repeat another one"),
    ),
    "few-images": Kind(
        "notice",
        text("few images"),
        text("too few images to be sure which units are redundant"),
    ),
    "always-on-units": Kind(
        "notice",
        text("always-on units"),
        text("units nearly always fire, so their activation does nothing"),
        lambda n: ntext(n, "{n} unit fired almost everywhere", "{n} units fired almost everywhere"),
    ),
    "always-negative-units": Kind(
        "notice",
        text("always-negative units"),
        text("units stay on the negative side of their activation"),
        lambda n: ntext(
            n,
            "{n} unit stayed on the negative side of its activation",
            "{n} units stayed on the negative side of their activation",
        ),
    ),
    "weak-units": Kind(
        "notice",
        text("weak units"),
        text("units fire, but far more weakly than the rest of their layer"),
        lambda n: ntext(
            n,
            "{n} unit fired far more weakly than the rest of its layer",
            "{n} units fired far more weakly than the rest of their layer",
        ),
    ),
    "opposite-units": Kind(
        "notice",
        text("opposite units"),
        text("pairs of units are mirror images of each other"),
        lambda n: ntext(n, "{n} unit is one of a pair of mirror images", "{n} units are pairs of mirror images"),
    ),
    "selective-without-effect": Kind(
        "notice",
        text("selective units without effect"),
        text("units tell a class apart, and nothing changes without them"),
        lambda n: ntext(
            n,
            "{n} unit told a class apart, and is not needed on its own",
            "{n} units told a class apart, and none is needed on its own",
        ),
    ),
    "needed-without-preference": Kind(
        "notice",
        text("needed units without preference"),
        text("units tell no class apart, and the model needs them"),
        lambda n: ntext(
            n,
            "{n} unit told no class apart, and the model needs it",
            "{n} units told no class apart, and the model needs them",
        ),
    ),
    "heavy-layer": Kind(
        "notice",
        text("a heavy layer"),
        text("one layer holds most of the parameters"),
    ),
}
"""Every kind by its code, in the order of the report: gravest first."""


def finding(
    code: str, message: Text, layer: str | None = None, units: Sequence[int] = (), count: int | None = None
) -> Finding:
    """Return a finding of a kind in `KINDS`. Raises KeyError for another code.

    count: see `Finding`; by default as many as there are units, if there are any.
    """
    return Finding(code, KINDS[code].severity, message, layer, list(units), count or len(units) or None)
