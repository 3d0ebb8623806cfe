"""What is worth a reader's attention about the data set and the sizes of the layers."""

from reportgen.analysis.evaluation.data import DataChecks, Twins
from reportgen.analysis.phrases import (
    PARTS,
    counted_images,
    counted_parameters,
    image_of,
    label,
    listed,
    name,
    numbered_images,
)
from reportgen.format import number, percent
from reportgen.i18n import Text, ntext, text
from reportgen.record.data import DataFacts, SkippedFiles
from reportgen.record.finding_kinds import finding
from reportgen.record.model import ModelFacts
from reportgen.record.units import Finding
from reportgen.thresholds import FindingThresholds


def find(data: DataFacts, checks: DataChecks, model: ModelFacts, thresholds: FindingThresholds) -> list[Finding]:
    """Return the findings about the images, the classes and the layers' sizes."""
    found = [
        _test_in_train(data, checks),
        _conflicting_labels(checks),
        _imbalance(data, thresholds),
        _heavy_layer(model, thresholds),
        *(_skipped_files(data, skipped) for skipped in data.skipped),
    ]
    for part in PARTS:
        found += [
            _class_without_images(data, part),
            _constant_images(checks, part),
            _repeated_images(data, checks, part, thresholds),
        ]
    return [one for one in found if one]


def _test_in_train(data: DataFacts, checks: DataChecks) -> Finding | None:
    if not checks.shared:
        return None
    numbers = numbered_images([twins.first[1] for twins in checks.shared_pairs], checks.shared)
    if checks.shared_other_label:
        others = f"{checks.shared_other_label:,}"
        numbers = text("{images}, {others} of them under another label", images=numbers, others=others)
    message = text(
        "The training split also holds {shared} of {images} ({share}), pixel for pixel ({numbers}). Remove them from"
        " one split: as it is, test accuracy also counts what was learnt by heart.",
        shared=f"{checks.shared:,}",
        images=counted_images(data.test_size, "test"),
        share=percent(checks.shared / data.test_size),
        numbers=numbers,
    )
    return finding("test-in-train", message, count=checks.shared)


def _conflicting_labels(checks: DataChecks) -> Finding | None:
    if not checks.conflicting:
        return None
    message = text(
        "Equal images have different labels ({images}), such as {pairs}. At most one label of each can be right: look"
        " at them, and correct or remove them.",
        images=counted_images(checks.conflicting),
        pairs=listed([_pair(twins) for twins in checks.conflicting_pairs]),
    )
    return finding("conflicting-labels", message, count=checks.conflicting)


def _pair(twins: Twins) -> Text:
    return text("{one} and {other}", one=image_of(*twins.first), other=image_of(*twins.second))


def _skipped_files(data: DataFacts, skipped: SkippedFiles) -> Finding:
    size = (data.train_size if skipped.part == "train" else data.test_size) or 0
    names = [text("{name} ({reason})", name=label(file.name), reason=file.reason) for file in skipped.files]
    message = ntext(
        skipped.count,
        "In the {part} {n} file of {total} holds no picture that can be read: {names}. It was left out, so no figure"
        " covers it; mend or remove it.",
        "In the {part} {n} files of {total} hold no picture that can be read: {names}. They were left out, so no figure"
        " covers them; mend or remove them.",
        part=PARTS[skipped.part],
        total=f"{size + skipped.count:,}",
        names=listed(names, skipped.count),
    )
    return finding("skipped-files", message, count=skipped.count)


def _class_without_images(data: DataFacts, part: str) -> Finding | None:
    counts = data.class_counts.get(part) or []
    empty = [label(one) for one, images in zip(data.class_names, counts, strict=False) if images == 0]
    if not empty:
        return None
    figures = {
        "classes": ntext(len(empty), "{n} class", "{n} classes"),
        "total": f"{len(counts):,}",
        "names": listed(empty),
    }
    if part == "train":
        message = text(
            "The training split has no image of {classes} of {total}: {names}. The model cannot learn to name what it"
            " never saw; add images or leave the class out.",
            **figures,
        )
    else:
        message = text(
            "The test split has no image of {classes} of {total}: {names}. Nothing is known about how well the model"
            " recognises it; add images or leave the class out.",
            **figures,
        )
    return finding("class-without-images", message, count=len(empty))


def _imbalance(data: DataFacts, thresholds: FindingThresholds) -> Finding | None:
    """Judge the part that the model learnt from, without one the test split; classes without images are said apart."""
    part = "train" if data.class_counts.get("train") else "test"
    counts = data.class_counts.get(part) or []
    there = [(images, index) for index, images in enumerate(counts) if images]
    if not there:
        return None
    (most, largest), (least, smallest) = max(there, key=lambda one: one[0]), min(there)
    if most < thresholds.imbalance * least:
        return None
    message = text(
        "In the {part} the largest class {largest} has {images} and the smallest {smallest} {fewest}, a ratio of"
        " {ratio} to 1. Read recall class by class rather than accuracy; weight small classes higher or add images of"
        " them.",
        part=PARTS[part],
        largest=label(data.class_names[largest]),
        images=counted_images(most),
        smallest=label(data.class_names[smallest]),
        fewest=f"{least:,}",
        ratio=number(most / least),
    )
    return finding("class-imbalance", message)


def _constant_images(checks: DataChecks, part: str) -> Finding | None:
    found = checks.constant.get(part, 0)
    if not found:
        return None
    message = text(
        "All pixels have the same colour in {images} ({numbers}), so nothing there tells the class. Look whether"
        " something failed when they were made, and remove them if so.",
        images=counted_images(found, part),
        numbers=numbered_images(checks.constant_images[part], found),
    )
    return finding("constant-images", message, count=found)


def _repeated_images(data: DataFacts, checks: DataChecks, part: str, thresholds: FindingThresholds) -> Finding | None:
    size, repeated = data.train_size if part == "train" else data.test_size, checks.repeated.get(part, 0)
    if not size or not repeated or repeated < thresholds.repeated * size:
        return None
    message = text(
        "The {part} repeats earlier images exactly in {repeated} of its {images} ({share}), so some count more than"
        " others. Remove the repeats unless they are meant.",
        part=PARTS[part],
        repeated=f"{repeated:,}",
        images=counted_images(size),
        share=percent(repeated / size),
    )
    return finding("repeated-images", message, count=repeated)


def _heavy_layer(model: ModelFacts, thresholds: FindingThresholds) -> Finding | None:
    """Return the layer that holds most parameters; where only one has any, there is nothing to compare."""
    weighty = [row for row in model.layers if row.params]
    heaviest = max(weighty, key=lambda row: row.params, default=None)
    if heaviest is None or len(weighty) < 2 or heaviest.params <= thresholds.heavy * model.total_params:
        return None
    message = text(
        "Layer {layer} holds {held} of the model's {parameters} ({share}). If the model should be smaller, begin there:"
        " make the layer narrower, or pool its input first.",
        layer=name(heaviest.name),
        held=f"{heaviest.params:,}",
        parameters=counted_parameters(model.total_params),
        share=percent(heaviest.params / model.total_params),
    )
    return finding("heavy-layer", message, heaviest.name)
