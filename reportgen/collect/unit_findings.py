"""What is worth a reader's attention about the units of each layer."""

from collections import defaultdict
from collections.abc import Sequence

from reportgen.collect.finding_kinds import FindingThresholds, finding
from reportgen.collect.phrases import listed, name, number, numbered, percent, span
from reportgen.record import Finding, LayerVerdict, Unit
from reportgen.wording import plural, visible


def find(layers: Sequence[LayerVerdict], units: Sequence[Unit], thresholds: FindingThresholds) -> list[Finding]:
    """Return the findings about units, layer by layer."""
    of_layer = defaultdict(list)
    for unit in units:
        of_layer[unit.layer].append(unit)
    judges = (_dead, _stuck, _constant, _always_on, _weak, _redundant, _duplicates, _opposite)
    found = [judge(layer, of_layer[layer.name]) for layer in layers for judge in judges]
    return [one for one in [*found, _few_images(layers, thresholds)] if one]


def _dead(layer: LayerVerdict, units: Sequence[Unit]) -> Finding | None:
    """Return dead-layer where no unit fires, dead-units where some do not; both name the causes."""
    silent = [unit for unit in units if unit.state == "dead"]
    causes = defaultdict(list)
    for unit in silent:
        causes[visible(unit.cause or "the cause is not known")].append(unit.unit)
    if len(silent) == layer.units:
        return finding("dead-layer", _all_dead(layer, list(causes)), layer.name, [unit.unit for unit in silent])
    if not silent:
        return None
    why = "; ".join(f"{cause} ({numbered('unit', found)})" for cause, found in causes.items())
    bound = percent(3 / max(layer.n_images, 3))  # rule of three
    message = (
        f"{_some(layer, silent)} never fired on {plural(layer.n_images, 'image')} (at 95 % confidence: on fewer than"
        f" {bound} of such images): {why}. Remove them, or train with a lower learning rate or a leaky activation."
    )
    return finding("dead-units", message, layer.name, [unit.unit for unit in silent])


def _all_dead(layer: LayerVerdict, causes: Sequence[str]) -> str:
    return (
        f"Layer {name(layer.name)} is dead: none of its {plural(layer.units, 'unit')} fired on any of"
        f" {plural(layer.n_images, 'image')} ({listed(causes)}), so nothing of an image gets through it. Train again"
        " with a lower learning rate or another initialiser, and check that the pixels have the range that the model"
        " expects."
    )


def _stuck(layer: LayerVerdict, units: Sequence[Unit]) -> Finding | None:
    if not (stuck := [unit for unit in units if unit.state == "saturated"]):
        return None
    message = (
        f"{_some(layer, stuck)} stayed at one end of the activation's range ({_which(stuck)}; mean output"
        f" {span([unit.mean for unit in stuck])}), where almost no gradient reaches the weights. Normalise the"
        " layer's input, start with smaller weights, or use ReLU."
    )
    return finding("stuck-units", message, layer.name, [unit.unit for unit in stuck])


def _constant(layer: LayerVerdict, units: Sequence[Unit]) -> Finding | None:
    if not (constant := [unit for unit in units if unit.state == "constant"]):
        return None
    message = (
        f"{_some(layer, constant)} gave the same value for all of {plural(layer.n_images, 'image')}"
        f" ({_which(constant)}; output {span([unit.mean for unit in constant])}). A bias in the next layer does the"
        " same; remove them, and look whether their weights are zero."
    )
    return finding("constant-units", message, layer.name, [unit.unit for unit in constant])


def _always_on(layer: LayerVerdict, units: Sequence[Unit]) -> Finding | None:
    if not (on := [unit for unit in units if unit.state == "always-on"]):
        return None
    message = (
        f"{_some(layer, on)} fired almost everywhere ({_which(on)}; at most"
        f" {percent(max(unit.zero_share for unit in on))} of the values are zero), so the activation has no effect"
        " there. This is harmless in a few units; in most of a layer it makes the layer linear, and lower biases help."
    )
    return finding("always-on-units", message, layer.name, [unit.unit for unit in on])


def _weak(layer: LayerVerdict, units: Sequence[Unit]) -> Finding | None:
    if not (weak := [unit for unit in units if unit.state == "weak"]):
        return None
    message = (
        f"{_some(layer, weak)} fired, but far more weakly than the rest of the layer ({_which(weak)}; mean output"
        f" {span([unit.mean for unit in weak])}). Look at their top images before you remove them: rare is not useless."
    )
    return finding("weak-units", message, layer.name, [unit.unit for unit in weak])


def _redundant(layer: LayerVerdict, units: Sequence[Unit]) -> Finding | None:
    """Return how many units could go: all of each group but its first, the representative."""
    removable = sorted(unit for group in layer.groups for unit in group[1:])
    if not removable:
        return None
    message = (
        f"In layer {name(layer.name)}, {len(removable):,} of {plural(layer.units, 'unit')} said the same as another one"
        f" on {plural(layer.n_images, 'image')}, also within each class ({plural(len(layer.groups), 'group')};"
        f" removable: {numbered('unit', removable)}). Make the layer narrower and compare the test accuracy; that saves"
        f" at least {plural(layer.removable_params, 'parameter')}."
    )
    return finding("redundant-units", message, layer.name, removable)


def _duplicates(layer: LayerVerdict, units: Sequence[Unit]) -> Finding | None:
    if not (copies := [unit for unit in units if unit.duplicate_of is not None]):
        return None
    pairs = listed([f"{unit.unit:,} repeats {unit.duplicate_of:,}" for unit in copies])
    message = (
        f"{_some(layer, copies)} had the weights of another unit, up to a positive factor ({pairs}). Units that"
        " start equal stay equal: use a random initialiser, or remove the copies."
    )
    return finding("weight-duplicates", message, layer.name, [unit.unit for unit in copies])


def _opposite(layer: LayerVerdict, units: Sequence[Unit]) -> Finding | None:
    pairs = sorted({tuple(sorted((unit.unit, unit.opposite))) for unit in units if unit.opposite is not None})
    if not pairs:
        return None
    message = (
        f"In layer {name(layer.name)}, {plural(len(pairs), 'pair')} of units rose and fell in opposite directions"
        f" ({listed([f'{one:,} with {other:,}' for one, other in pairs])}). One of a pair may be enough, since the next"
        " layer can turn its sign."
    )
    return finding("opposite-units", message, layer.name, sorted({unit for pair in pairs for unit in pair}))


def _few_images(layers: Sequence[LayerVerdict], thresholds: FindingThresholds) -> Finding | None:
    """Return one finding for the whole report, with the layer in which chance looks most like redundancy."""
    seen = min((layer.n_images for layer in layers), default=thresholds.few_images)
    if seen >= thresholds.few_images:
        return None
    floors = [(layer.noise_floor, layer.name) for layer in layers if layer.noise_floor is not None]
    floor, where = max(floors, key=lambda one: one[0], default=(None, ""))
    chance = "" if floor is None else f": up to |r| = {number(floor)} by chance in layer {name(where)}"
    message = (
        f"Units were judged on {plural(seen, 'image')}; below {thresholds.few_images:,} even units that have nothing to"
        f" do with each other can look alike{chance}. Use more images before you remove units."
    )
    return finding("few-images", message)


def _some(layer: LayerVerdict, units: Sequence[Unit]) -> str:
    """Return the beginning of a sentence in the past tense, which fits one unit and many."""
    return f"In layer {name(layer.name)}, {len(units):,} of {plural(layer.units, 'unit')}"


def _which(units: Sequence[Unit]) -> str:
    return numbered("unit", [unit.unit for unit in units])
