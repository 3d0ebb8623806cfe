"""What was found out about conditions as the Record holds it."""

from reportgen.analysis.conditions import result, words
from reportgen.record.conditions import (
    Condition,
    ConditionFeature,
    ConditionKind,
    KernelShares,
    LayerConditions,
    UnitBelow,
)


def of_unit(found: result.UnitCondition) -> Condition:
    """Return the condition of a unit."""
    return Condition(
        found_in=found.step,
        text=found.condition,
        sentence=found.sentence,
        r2=_explained(found),
        features=[
            ConditionFeature(
                one.text,
                one.feature.kind,
                one.feature.angle,
                one.feature.scale,
                one.weight,
                one.feature.polarity,
                one.feature.index,
            )
            for one in found.features
        ],
        r2_held_out=found.r2_held_out,
        r2_one=found.r2_one,
        r2_everywhere=found.r2_everywhere,
        f1=found.f1,
        f1_same_rate=found.f1_same_rate,
        f1_constant=found.f1_constant,
        ceiling=found.ceiling,
        runner_up=found.runner_up_text,
        by_chance=found.by_chance,
        random_percentile=found.random_percentile,
        kernel=None if found.kernel is None else _shares(found.kernel),
        below=[UnitBelow(one.unit, one.share, one.sign, one.condition) for one in found.inputs],
        label=found.label,
        reason=found.reason,
    )


def of_layer(found: result.LayerConditions) -> LayerConditions:
    """Return the conditions of a layer."""
    return LayerConditions(
        kinds=[ConditionKind(kind, n, words.counted(kind, n, found.ink)) for kind, n in found.counts.items() if n],
        summary=found.summary,
        gaps=list(found.gaps),
        missing=found.missing,
        chosen_on=found.images[0],
        scored_on=found.images[1],
        patches=found.patches,
        not_flat=found.not_flat,
        notes=list(found.notes),
    )


def _explained(found: result.UnitCondition) -> float | None:
    """Return how much the condition explains that is said in the end."""
    if found.condition is None:
        return None
    parts = dict(found.parts)
    explained = parts.get("explained below" if found.step == "units below" else "r2")
    return None if explained is None else float(explained)


def _shares(found: result.KernelReading) -> KernelShares | None:
    return None if found.variance is None else KernelShares(**found.variance, r2=found.r2)
