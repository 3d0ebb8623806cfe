"""What is worth a reader's attention about the units of each layer."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from reportgen.analysis.phrases import (
    LEVEL,
    counted_images,
    counted_parameters,
    counted_units,
    listed,
    name,
    numbered_units,
    span,
)
from reportgen.format import as_given, number, percent, points
from reportgen.i18n import Text, joined, ntext, text
from reportgen.record.effects import NOTHING, Effect, is_idle
from reportgen.record.evaluation import Ablated, Proof
from reportgen.record.finding_kinds import finding
from reportgen.record.key_figures import OUTPUT_STATES
from reportgen.record.units import ONLY_SILENT, Finding, LayerVerdict, Unit
from reportgen.thresholds import FindingThresholds

_NO_CAUSE = text("the cause is not known")
_KEEP = text("Leave such units in: the model does worse without them, as the ablation shows.")


def find(
    layers: Sequence[LayerVerdict], units: Sequence[Unit], proof: Proof | None, thresholds: FindingThresholds
) -> list[Finding]:
    """Return the findings about units, layer by layer. None advises to remove what the proof shows to matter."""
    of_layer = defaultdict(list)
    for unit in units:
        of_layer[unit.layer].append(unit)
    dead = partial(_dead, matter=_matter(proof.dead if proof else None))
    alike = _matter(proof.redundant if proof else None)
    redundant, copies = (partial(judge, matter=alike) for judge in (_redundant, _duplicates))
    judges = (dead, _stuck, _constant, _always_on, _always_negative, _weak, redundant, copies, _opposite)
    found = [judge(layer, of_layer[layer.name]) for layer in layers for judge in judges]
    found += [
        judge(layer, of_layer[layer.name], thresholds) for layer in layers for judge in (_idle_selective, _needed_blind)
    ]
    return [one for one in [*found, _few_images(layers, thresholds)] if one]


def _matter(ablated: Ablated | None) -> bool:
    return ablated is not None and ablated.is_worse


def _dead(layer: LayerVerdict, units: Sequence[Unit], *, matter: bool) -> Finding | None:
    """Return dead-layer where no unit fires, dead-units where some do not; both name the causes.

    matter: the model does worse without such units.
    """
    silent = [unit for unit in units if unit.state == "dead"]
    causes = defaultdict(list)
    for unit in silent:
        causes[unit.cause or _NO_CAUSE].append(unit.unit)
    if len(silent) == layer.units:
        every = [unit.unit for unit in silent]
        return finding("dead-layer", _all_dead(layer, list(causes)), layer.name, every, count=1)
    if not silent:
        return None
    numbers = {cause: numbered_units(found) for cause, found in causes.items()}
    why = [
        units if cause == ONLY_SILENT else text("{cause} ({units})", cause=cause, units=units)
        for cause, units in numbers.items()
    ]
    message = text(
        "In layer {layer}, {some} of {units} never fired on {images} (at {level} confidence: on fewer than {bound} of"
        " such images): {causes}.",
        **_some(layer, silent),
        images=counted_images(layer.n_images),
        level=LEVEL,
        bound=percent(3 / max(layer.n_images, 3)),  # rule of three
        causes=joined("; ", why),
    )
    rare = layer.lossless.elsewhere if layer.lossless else []
    do = (
        [_KEEP]
        if matter
        else [text("Remove what never fires, or train with a lower learning rate or a leaky activation.")]
    )
    if fire := [unit.unit for unit in silent if unit.unit in rare]:
        do = [] if len(fire) == len(silent) else do
        do.append(
            text(
                "On images of the other split {units} did fire: rare, not dead. Do not remove on this evidence.",
                units=numbered_units(fire),
            )
        )
    return finding("dead-units", joined(" ", [message, *do]), layer.name, [unit.unit for unit in silent])


def _all_dead(layer: LayerVerdict, causes: Sequence[Text]) -> Text:
    return text(
        "Layer {layer} is dead: none of its {units} fired on any of {images} ({causes}), so nothing of an image gets"
        " through it. Train again with a lower learning rate or another initialiser, and check that the pixels have the"
        " range that the model expects.",
        layer=name(layer.name),
        units=counted_units(layer.units),
        images=counted_images(layer.n_images),
        causes=listed(causes),
    )


def _stuck(layer: LayerVerdict, units: Sequence[Unit]) -> Finding | None:
    if not (stuck := [unit for unit in units if unit.state == "saturated"]):
        return None
    message = text(
        "In layer {layer}, {some} of {units} stayed at one end of the activation's range ({numbers}; mean output"
        " {outputs}), where almost no gradient reaches the weights. Normalise the layer's input, start with smaller"
        " weights, or use ReLU.",
        **_some(layer, stuck),
        numbers=_which(stuck),
        outputs=_outputs(stuck),
    )
    return finding("stuck-units", message, layer.name, [unit.unit for unit in stuck])


def _constant(layer: LayerVerdict, units: Sequence[Unit]) -> Finding | None:
    if not (constant := [unit for unit in units if unit.state == "constant"]):
        return None
    message = text(
        "In layer {layer}, {some} of {units} gave the same value for all of {images} ({numbers}; output {outputs}). A"
        " bias in the next layer does the same; remove what is constant, and look whether the weights are zero.",
        **_some(layer, constant),
        images=counted_images(layer.n_images),
        numbers=_which(constant),
        outputs=_outputs(constant),
    )
    return finding("constant-units", message, layer.name, [unit.unit for unit in constant])


def _always_on(layer: LayerVerdict, units: Sequence[Unit]) -> Finding | None:
    if not (on := [unit for unit in units if unit.state == "always-on"]):
        return None
    message = text(
        "In layer {layer}, {some} of {units} fired almost everywhere ({numbers}; at most {share} of the values are"
        " zero), so the activation has no effect there. This is harmless in a few units; in most of a layer it makes"
        " the layer linear, and lower biases help.",
        **_some(layer, on),
        numbers=_which(on),
        share=percent(max(unit.zero_share for unit in on)),
    )
    return finding("always-on-units", message, layer.name, [unit.unit for unit in on])


def _always_negative(layer: LayerVerdict, units: Sequence[Unit]) -> Finding | None:
    if not (below := [unit for unit in units if unit.state == "always-negative"]):
        return None
    message = text(
        "In layer {layer}, {some} of {units} stayed on the negative side of the activation for all of {images}"
        " ({numbers}; mean output {outputs}). That is not dead: what the activation leaves there is passed on, and the"
        " model may rest on it. Higher biases bring the bend of the activation back into use.",
        **_some(layer, below),
        images=counted_images(layer.n_images),
        numbers=_which(below),
        outputs=_outputs(below),
    )
    return finding("always-negative-units", message, layer.name, [unit.unit for unit in below])


def _weak(layer: LayerVerdict, units: Sequence[Unit]) -> Finding | None:
    if not (weak := [unit for unit in units if unit.state == "weak"]):
        return None
    message = text(
        "In layer {layer}, {some} of {units} fired, but far more weakly than the rest of the layer ({numbers}; mean"
        " output {outputs}). Look at the top images before you remove any: rare is not useless.",
        **_some(layer, weak),
        numbers=_which(weak),
        outputs=_outputs(weak),
    )
    return finding("weak-units", message, layer.name, [unit.unit for unit in weak])


def _redundant(layer: LayerVerdict, units: Sequence[Unit], *, matter: bool) -> Finding | None:
    """Return how many units could go: all of each group but its first, the representative.

    matter: the model does worse without such units.
    """
    removable = sorted(unit for group in layer.groups for unit in group[1:])
    if not removable:
        return None
    facts = _some(layer, removable) | {
        "images": counted_images(layer.n_images),
        "groups": ntext(len(layer.groups), "{n} group", "{n} groups"),
        "numbers": numbered_units(removable),
    }
    if any(unit.kept is not None and unit.kept.r_over_positions is not None for unit in units):
        message = text(
            "In layer {layer}, {some} of {units} said the same as another one on {images}, also within each class and"
            " over positions ({groups}; removable: {numbers}).",
            **facts,
        )
    else:
        message = text(
            "In layer {layer}, {some} of {units} said the same as another one on {images}, also within each class"
            " ({groups}; removable: {numbers}).",
            **facts,
        )
    narrower = text(
        "Make the layer narrower and compare the test accuracy; that saves at least {parameters}.",
        parameters=counted_parameters(layer.removable_params),
    )
    return finding("redundant-units", joined(" ", [message, _KEEP if matter else narrower]), layer.name, removable)


def _duplicates(layer: LayerVerdict, units: Sequence[Unit], *, matter: bool) -> Finding | None:
    if not (copies := [unit for unit in units if unit.duplicate_of is not None]):
        return None
    pairs = [text("{unit} repeats {other}", unit=f"{u.unit:,}", other=f"{u.duplicate_of:,}") for u in copies]
    message = text(
        "In layer {layer}, {some} of {units} had the weights of another unit, up to a positive factor ({pairs}). Units"
        " that start equal stay equal.",
        **_some(layer, copies),
        pairs=listed(pairs),
    )
    do = _KEEP if matter else text("Use a random initialiser, or remove the copies.")
    return finding("weight-duplicates", joined(" ", [message, do]), layer.name, [unit.unit for unit in copies])


def _opposite(layer: LayerVerdict, units: Sequence[Unit]) -> Finding | None:
    pairs = sorted({tuple(sorted((unit.unit, unit.opposite))) for unit in units if unit.opposite is not None})
    if not pairs:
        return None
    message = text(
        "In layer {layer}, {pairs} rose and fell in opposite directions ({numbers}). One of a pair may be enough, since"
        " the next layer can turn its sign.",
        layer=name(layer.name),
        pairs=ntext(len(pairs), "{n} pair of units", "{n} pairs of units"),
        numbers=listed([text("{one} with {other}", one=f"{one:,}", other=f"{other:,}") for one, other in pairs]),
    )
    return finding("opposite-units", message, layer.name, sorted({unit for pair in pairs for unit in pair}))


def _idle_selective(layer: LayerVerdict, units: Sequence[Unit], thresholds: FindingThresholds) -> Finding | None:
    """Return which units tell a class apart while nothing changes without them."""
    idle = [unit for unit in units if _auroc(unit) >= thresholds.selective and _is_sure(unit) and is_idle(unit.effect)]
    if not idle:
        return None
    message = text(
        "In layer {layer}, {some} of {units} told a class apart (AUROC {auroc} or more; {numbers}), yet no such unit is"
        " needed on its own: with any single one held at its mean, accuracy stays within {bound} points at {level}"
        " confidence, and no class changes beyond chance. Several may still be needed together: effects do not add"
        " up.",
        **_some(layer, idle),
        auroc=as_given(thresholds.selective),
        bound=points(NOTHING),
        level=LEVEL,
        numbers=_which(idle),
    )
    return finding("selective-without-effect", message, layer.name, [unit.unit for unit in idle])


def _needed_blind(layer: LayerVerdict, units: Sequence[Unit], thresholds: FindingThresholds) -> Finding | None:
    """Return which units tell no class apart while the model needs them."""
    needed = [
        unit
        for unit in units
        if 0 < _auroc(unit) < thresholds.unselective and _is_sure(unit) and _is_needed(unit.effect)
    ]
    if not needed:
        return None
    message = text(
        "In layer {layer}, {some} of {units} told no class apart (AUROC below {auroc}), yet the model needs such"
        " units: without each, recall or accuracy falls by more than chance explains ({numbers}). Do not remove units"
        " because they prefer nothing.",
        **_some(layer, needed),
        auroc=as_given(thresholds.unselective),
        numbers=_which(needed),
    )
    return finding("needed-without-preference", message, layer.name, [unit.unit for unit in needed])


def _auroc(unit: Unit) -> float:
    """Return how well a unit tells its class apart, 0 where it is not known, or the unit is an output."""
    inside = unit.preferred_class is not None and unit.state not in OUTPUT_STATES
    return unit.preferred_class.auroc if inside and unit.preferred_class is not None else 0.0


def _is_sure(unit: Unit) -> bool:
    """Return whether a unit's effect is no estimate."""
    return unit.effect is not None and unit.effect.method in ("exact", "masked")


def _is_needed(effect: Effect | None) -> bool:
    """Return whether something certainly gets worse without a unit."""
    if effect is None or effect.method is None:
        return False
    worse = any(one.significant and one.recall_change < 0 for one in effect.classes)
    return worse or (effect.significant and (effect.accuracy_change or 0) < 0)


def _few_images(layers: Sequence[LayerVerdict], thresholds: FindingThresholds) -> Finding | None:
    """Return one finding for the whole report, with the layer in which chance looks most like redundancy."""
    seen = min((layer.n_images for layer in layers), default=thresholds.few_images)
    if seen >= thresholds.few_images:
        return None
    floors = [(layer.noise_floor, layer.name) for layer in layers if layer.noise_floor is not None]
    figures = {"images": counted_images(seen), "enough": f"{thresholds.few_images:,}"}
    if not floors:
        message = text(
            "Units were judged on {images}; below {enough} even units that have nothing to do with each other can look"
            " alike. Use more images before you remove units.",
            **figures,
        )
        return finding("few-images", message)
    floor, where = max(floors, key=lambda one: one[0])
    message = text(
        "Units were judged on {images}; below {enough} even units that have nothing to do with each other can look"
        " alike: up to |r| = {floor} by chance in layer {layer}. Use more images before you remove units.",
        **figures,
        floor=number(floor),
        layer=name(where),
    )
    return finding("few-images", message)


def _some(layer: LayerVerdict, units: Sequence[object]) -> dict[str, str]:
    """Return what fills "In layer {layer}, {some} of {units}", which a past tense fits for one unit and for many."""
    return {"layer": name(layer.name), "some": f"{len(units):,}", "units": counted_units(layer.units)}


def _which(units: Sequence[Unit]) -> Text:
    return numbered_units([unit.unit for unit in units])


def _outputs(units: Sequence[Unit]) -> Text:
    return span([unit.mean for unit in units])
