"""What is worth a reader's attention about the data set and the sizes of the layers."""

from collections.abc import Sequence

from reportgen.collect.data import DataChecks, Twins
from reportgen.collect.finding_kinds import FindingThresholds, finding
from reportgen.collect.phrases import PARTS, label, listed, name, number, numbered, percent
from reportgen.record import DataFacts, Finding, ModelFacts
from reportgen.wording import plural


def find(data: DataFacts, checks: DataChecks, model: ModelFacts, thresholds: FindingThresholds) -> list[Finding]:
    """Return the findings about the images, the classes and the layers' sizes."""
    found = [
        _test_in_train(data, checks),
        _conflicting_labels(checks),
        _imbalance(data, thresholds),
        _heavy_layer(model, thresholds),
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
    images = numbered("image", [twins.first[1] for twins in checks.shared_pairs], checks.shared)
    other = f", {checks.shared_other_label:,} of them under another label" if checks.shared_other_label else ""
    message = (
        f"The training part also holds {checks.shared:,} of {plural(data.test_size, 'test image')}"
        f" ({percent(checks.shared / data.test_size)}), pixel for pixel ({images}{other}). Remove them from one part:"
        " as it is, test accuracy also counts what was learnt by heart."
    )
    return finding("test-in-train", message)


def _conflicting_labels(checks: DataChecks) -> Finding | None:
    if not checks.conflicting:
        return None
    message = (
        f"Equal images have different labels ({plural(checks.conflicting, 'image')}), such as"
        f" {listed(_pairs(checks.conflicting_pairs))}. At most one label of each can be right: look at them, and"
        " correct or remove them."
    )
    return finding("conflicting-labels", message)


def _pairs(pairs: Sequence[Twins]) -> list[str]:
    return [" and ".join(f"{PARTS[part]} image {index:,}" for part, index in (t.first, t.second)) for t in pairs]


def _class_without_images(data: DataFacts, part: str) -> Finding | None:
    counts = data.class_counts.get(part) or []
    empty = [label(one) for one, images in zip(data.class_names, counts, strict=False) if images == 0]
    if not empty:
        return None
    consequence = {
        "train": "The model cannot learn to name what it never saw; add images or leave the class out.",
        "test": "Nothing is known about how well the model recognises it; add images or leave the class out.",
    }[part]
    message = (
        f"The {PARTS[part]} part has no image of {plural(len(empty), 'class', 'classes')} of {len(counts):,}:"
        f" {listed(empty)}. {consequence}"
    )
    return finding("class-without-images", message)


def _imbalance(data: DataFacts, thresholds: FindingThresholds) -> Finding | None:
    """Judge the part that the model learnt from, without one the test part; classes without images are said apart."""
    part = "train" if data.class_counts.get("train") else "test"
    counts = data.class_counts.get(part) or []
    there = [(images, index) for index, images in enumerate(counts) if images]
    if not there:
        return None
    (most, largest), (least, smallest) = max(there, key=lambda one: one[0]), min(there)
    if most < thresholds.imbalance * least:
        return None
    message = (
        f"In the {PARTS[part]} part the largest class {label(data.class_names[largest])} has {plural(most, 'image')}"
        f" and the smallest {label(data.class_names[smallest])} {least:,}, a ratio of {number(most / least)} to 1. Read"
        " recall class by class rather than accuracy; weight small classes higher or add images of them."
    )
    return finding("class-imbalance", message)


def _constant_images(checks: DataChecks, part: str) -> Finding | None:
    found = checks.constant.get(part, 0)
    if not found:
        return None
    message = (
        f"All pixels have the same colour in {plural(found, f'{PARTS[part]} image')}"
        f" ({numbered('image', checks.constant_images[part], found)}), so nothing there tells the class. Look whether"
        " something failed when they were made, and remove them if so."
    )
    return finding("constant-images", message)


def _repeated_images(data: DataFacts, checks: DataChecks, part: str, thresholds: FindingThresholds) -> Finding | None:
    size, repeated = data.train_size if part == "train" else data.test_size, checks.repeated.get(part, 0)
    if not size or not repeated or repeated < thresholds.repeated * size:
        return None
    message = (
        f"The {PARTS[part]} part repeats earlier images exactly in {repeated:,} of its {plural(size, 'image')}"
        f" ({percent(repeated / size)}), so some count more than others. Remove the repeats unless they are meant."
    )
    return finding("repeated-images", message)


def _heavy_layer(model: ModelFacts, thresholds: FindingThresholds) -> Finding | None:
    """Return the layer that holds most parameters; where only one has any, there is nothing to compare."""
    weighty = [row for row in model.layers if row.params]
    heaviest = max(weighty, key=lambda row: row.params, default=None)
    if heaviest is None or len(weighty) < 2 or heaviest.params <= thresholds.heavy * model.total_params:
        return None
    message = (
        f"Layer {name(heaviest.name)} holds {heaviest.params:,} of the model's"
        f" {plural(model.total_params, 'parameter')} ({percent(heaviest.params / model.total_params)}). If the model"
        " should be smaller, begin there: make the layer narrower, or pool its input first."
    )
    return finding("heavy-layer", message, heaviest.name)
