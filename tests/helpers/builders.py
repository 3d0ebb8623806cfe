"""Small nouns that tests start from."""

import dataclasses
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from reportgen.errors import ReportgenError
from reportgen.i18n import Text, literal, ntext, text
from reportgen.record.changes import AccuracyChange, Baseline, Count, Figure, FindingChanges
from reportgen.record.conditions import Condition, ConditionFeature
from reportgen.record.data import DataFacts
from reportgen.record.effects import Audit, ClassEffect, Effect, LayerEffects
from reportgen.record.evaluation import ClassScore, Confused, Mistake, Proof, ReliabilityBin, Scores
from reportgen.record.model import GraphNode, LayerRow, ModelFacts, ModelGraph
from reportgen.record.pictures import (
    Cards,
    ClassMap,
    Correlations,
    Examples,
    Kernels,
    Maps,
    Pictures,
    ShiftedImages,
    Strips,
)
from reportgen.record.run import SCHEMA, Look, Provenance, Record
from reportgen.record.shifts import Shift, ShiftedClass, ShiftedLayer, ShiftsRun, UnitToBlame
from reportgen.record.training import History
from reportgen.record.units import Finding, LayerVerdict, Nearest, Preferred, TopImage, Unit
from tests import ROOT

NAMES = ["circle", "square", "star"]


def worded(given: Any) -> Any:
    """Return a plain str as the Text that it is in a record, of a dict each value, and anything else as it is."""
    if isinstance(given, dict):
        return {key: worded(value) for key, value in given.items()}
    return literal(given) if isinstance(given, str) and not isinstance(given, Text) else given


def replaced(noun: Any, changes: dict[str, Any], *texts: str) -> Any:
    """Return `noun` with `changes`. texts: the fields in which a plain str becomes a Text."""
    return dataclasses.replace(noun, **{k: worded(value) if k in texts else value for k, value in changes.items()})


def make_record(**changes: Any) -> Record:
    """Return a small, complete record: two filters, three classes, six test images. `changes` replace."""
    record = Record(
        schema=SCHEMA,
        title=literal("Shapes"),
        made_at="2026-11-24T16:00:00Z",
        reportgen="0.1.0",
        provenance=Provenance(
            versions={"python": "3.11.7", "tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.4.6"},
            platform=ntext(
                2, "{system} {machine}, {n} core", "{system} {machine}, {n} cores", system="Linux", machine="x86_64"
            ),
            seed=0,
            command="reportgen report --data shapes.npz",
            git_commit=None,
            seconds={"data": 0.25, "training": 12.5},
            data_sha256="d" * 64,
            model_sha256="e" * 64,
        ),
        data=DataFacts(
            name="shapes",
            source=text("the file {file}", file="shapes.npz"),
            train_size=12,
            test_size=6,
            input_shape=[4, 4, 1],
            class_names=list(NAMES),
            class_counts={"train": [4, 4, 4], "test": [2, 2, 2]},
            pixels=text("Pixels were divided by {divisor}, so the model sees 0 to 1.", divisor="255"),
            looked_at=["test"],
        ),
        model=ModelFacts(
            name="sequential",
            origin="trained",
            output="softmax",
            total_params=47,
            trainable_params=47,
            non_trainable_params=0,
            layers=[
                LayerRow("conv", "Conv2D", [None, 2, 2, 2], 20, True, None),
                LayerRow("flatten", "Flatten", [None, 8], 0, False, text("no units (reshaping)")),
                LayerRow("scores", "Dense", [None, 3], 27, True, None),
            ],
            graph=ModelGraph(
                [
                    GraphNode("image", "InputLayer", [None, 4, 4, 1]),
                    GraphNode("conv", "Conv2D", [None, 2, 2, 2]),
                    GraphNode("flatten", "Flatten", [None, 8]),
                    GraphNode("scores", "Dense", [None, 3]),
                ],
                [[0, 1], [1, 2], [2, 3]],
                [0],
                [3],
            ),
        ),
        history=make_history(),
        evaluation={"train": make_scores(), "test": make_scores()},
        layers=[make_verdict("conv", 2), make_verdict("scores", 3, states={"output": 3})],
        units=[
            make_unit(),
            make_unit(unit=1, removable=True, group=0),
            *(make_unit(layer="scores", unit=u, state="output", group=None, nearest=None) for u in range(3)),
        ],
        proof=Proof(1, 5 / 6, 4 / 6, [-0.5, 0.1]),
        findings=[
            make_finding(
                code="redundant-units",
                severity="warning",
                message="In layer conv, 1 unit says the same as the other.",
                layer="conv",
                units=[1],
            ),
            make_finding(),
        ],
        baseline=None,
        look=Look(),
        pictures=make_pictures(),
    )
    return replaced(record, changes, "title")


def changed_from(record: Record, **changes: Any) -> Baseline:
    """Return a baseline of which the first finding of `record` is new and the second is gone."""
    figures = ("test_accuracy", "test_loss", "train_accuracy", "ece", "proof")
    counts = ("test_correct", "test_size", "total_params", "epochs", "units", "dead", "redundant", "healthy")
    baseline = Baseline(
        title=literal("Before"),
        made_at="2026-11-23T16:00:00Z",
        reportgen="0.1.0",
        caveats=[literal("The seed is another.")],
        summary=literal("accuracy rose, one unit died"),
        unchanged=False,
        figures={name: Figure(0.5, 0.6) for name in figures},
        counts={name: Count(5, 6) for name in counts},
        accuracy=AccuracyChange([0.0, 1.0], True, 1, 0),
        classes=[],
        history=None,
        layers=[],
        matches=[],
        units=[],
        findings=FindingChanges(record.findings[:1], record.findings[1:], []),
    )
    return dataclasses.replace(baseline, **changes)


def make_finding(**changes: Any) -> Finding:
    """Return the notice that training might have gone on."""
    return replaced(
        Finding("still-improving", "notice", literal("The last epoch was the best."), None, []), changes, "message"
    )


def make_history(**changes: Any) -> History:
    """Return three epochs of which the second is the best."""
    history = History(
        epochs=[1, 2, 3],
        metrics={
            "accuracy": [0.4, 0.7, 0.9],
            "loss": [1.1, 0.8, 0.5],
            "val_accuracy": [0.5, 0.8, 0.8],
            "val_loss": [1.0, 0.7, 0.75],
        },
        seconds=[4.5, 4.0, 4.0],
        best_epoch=2,
        stopped_early=True,
        source=text("this run"),
    )
    return replaced(history, changes, "source")


def make_scores(**changes: Any) -> Scores:
    """Return the scores of six images of which the second, a circle, was taken for a square."""
    empty = [ReliabilityBin(n / 15, (n + 1) / 15, 0, None, None) for n in range(15)]
    scores = Scores(
        accuracy=5 / 6,
        correct=5,
        loss=0.5,
        classes=[
            ClassScore("circle", 1.0, 0.5, 2 / 3, 2),
            ClassScore("square", 2 / 3, 1.0, 0.8, 2),
            ClassScore("star", 1.0, 1.0, 1.0, 2),
        ],
        macro_avg=ClassScore("macro average", 8 / 9, 5 / 6, 37 / 45, 6),
        weighted_avg=ClassScore("weighted average", 8 / 9, 5 / 6, 37 / 45, 6),
        confusion=[[1, 1, 0], [0, 2, 0], [0, 0, 2]],
        ece=5 / 6 - 0.75,
        reliability=[*empty[:11], ReliabilityBin(11 / 15, 12 / 15, 6, 0.75, 5 / 6), *empty[12:]],
        most_confused=[Confused("circle", "square", 1)],
        worst=[Mistake(1, "circle", "square", 0.75)],
    )
    return dataclasses.replace(scores, **changes)


def make_pictures(**changes: Any) -> Pictures:
    """Return two example images, one mistake, and what the two layers made of the examples."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (2, 4, 4, 1), dtype=np.uint8)
    probabilities = np.array([[0.75, 0.2, 0.05], [0.1, 0.75, 0.15]], np.float32)
    pictures = Pictures(
        examples=Examples(images, np.array([0, 0]), np.array([0, 1])),
        worst=images[1:],
        cards=Cards(np.array([0, 1]), images, {"conv": [0, 1]}),
        maps=[Maps("conv", 2, 1, generator.random((2, 2, 2, 2), dtype=np.float32))],
        strips=[Strips("scores", 3, True, probabilities)],
        kernels=[make_kernels(generator.standard_normal((2, 1, 3, 3)))],
        correlations=[Correlations("conv", 2, np.array([1, 0]), np.array([[1, 0.5], [0.5, 1]], np.float32))],
        class_maps=[ClassMap("conv", 2, np.array([[0, 1], [2, 0.5], [np.nan, np.nan]], np.float32))],
    )
    return dataclasses.replace(pictures, **changes)


def make_verdict(name: str, units: int, **changes: Any) -> LayerVerdict:
    """Return the verdict on a layer whose units are all healthy but for the one that could be removed."""
    verdict = LayerVerdict(
        name=name,
        units=units,
        read_after=name,
        n_images=6,
        effective_rank=0.75,
        participation_ratio=0.5,
        noise_floor=0.9,
        edges=[0.0, 1.0, 2.0, 3.0],
        states={"healthy": units},
        groups=[],
        removable_params=0,
        left_out={},
        reasons=worded({"noise_floor": "with only 6 images, units reach |r| = 0.9 by chance"}),
    )
    if "left_out" in changes:
        changes["left_out"] = {worded(reason): units for reason, units in changes["left_out"].items()}
    return replaced(verdict, changes, "reasons")


def make_unit(**changes: Any) -> Unit:
    """Return the verdict on a healthy unit that prefers circles."""
    unit = Unit(
        layer="conv",
        unit=0,
        state="healthy",
        evidence=text("fired on {some} of {images}", some="5", images=ntext(6, "{n} image", "{n} images")),
        cause=None,
        firing_rate=5 / 6,
        zero_share=0.5,
        mean=0.25,
        std=0.5,
        max=2.0,
        histogram=[3, 2, 1],
        nearest=Nearest(1, 0.5, None),
        group=0,
        removable=False,
        opposite=None,
        duplicate_of=None,
        preferred_class=Preferred("circle", 0.9, 0.8, 0.1, None, None, 0.5),
        top_images=[TopImage(1, 2.0, "circle", "circle", 0, 1, [0, 1, 3, 4]), TopImage(0, 1.0, "star", "circle", 0, 0)],
        other_image=None,
        reasons=worded({"selectivity": "some responses are negative", "nearest": "n/a", "preferred_class": "n/a"}),
    )
    return replaced(unit, changes, "evidence", "cause", "reasons")


def make_condition(found_in: str = "picture", said: str = "ink", **changes: Any) -> Condition:
    """Return a condition; one that was found in the picture has a feature for the lower edge, at 90 degrees."""
    features = [ConditionFeature(literal(said), "edge", 90, 1, 0.9)] if found_in == "picture" else []
    words = literal(said) if found_in in ("picture", "units below", "class") else None
    empty: dict[str, Any] = {one.name: None for one in dataclasses.fields(Condition)}
    known = {"found_in": found_in, "text": words, "sentence": literal(f"Fires on {said}."), "features": features}
    made = Condition(**empty | known | {"below": []})
    return replaced(made, changes, "text", "sentence", "reason")


def make_shift(corruption: str = "noise", severity: int = 1, accuracy: float = 0.5, **changes: Any) -> Shift:
    """Return what a change does to a model that is right about 90 of 100 images; unit 1 is to blame."""
    change = accuracy - 0.9
    shift = Shift(
        corruption=corruption,
        severity=severity,
        amount=literal(f"strength {severity}"),
        accuracy=accuracy,
        interval=[accuracy - 0.1, accuracy + 0.1],
        change=change,
        change_interval=[change - 0.05, change + 0.05],
        falls=change < -0.05,
        weakest_class=ShiftedClass("star", 0.25, [0.1, 0.5], 1.0, 30),
        units_dead=1,
        units_saturated=0,
        layers=[ShiftedLayer("conv", [0], [], 1, 2.5)],
        unit_to_blame=UnitToBlame("conv", 1, 0.5, 0.2, [0.1, 0.3], 50, 2, 2),
        reasons={},
    )
    return replaced(shift, changes, "amount", "reasons")


def make_shifts_run(**changes: Any) -> ShiftsRun:
    """Return how the pictures of `make_shift` were changed."""
    run = ShiftsRun(
        "short", 100, 200, 0.9, [0.83, 0.94], [1, 3], 1, [literal("Half of the images were left out.")], None
    )
    return replaced(run, changes, "reason")


def make_shifted_images() -> ShiftedImages:
    """Return an image and what noise and inversion make of it."""
    original = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1)
    return ShiftedImages(original, np.concatenate([original[:, ::-1], 255 - original]), ["noise", "inversion"])


def make_effect(falls: dict[str, float] | None = None, names: Sequence[str] = NAMES, **changes: Any) -> Effect:
    """Return the effect of a unit without which the recall of some classes falls for certain; of none without any."""
    classes = [
        ClassEffect(label, -falls[label], [-falls[label] - 0.02, -falls[label] + 0.02], True)
        if falls and label in falls
        else ClassEffect(label, 0.0, [-0.01, 0.01], False)
        for label in names
    ]
    change = -sum((falls or {}).values()) / len(names)
    made = Effect("masked", classes, change, [change - 0.005, change + 0.005], None, bool(falls))
    return replaced(made, changes, "reason")


def with_effects(record: Record, *found: Effect) -> Record:
    """Return a record whose first layer's units have these effects."""
    units = [dataclasses.replace(unit, effect=effect) for unit, effect in zip(record.units, found, strict=False)]
    layers = [dataclasses.replace(record.layers[0], effects=make_layer_effects()), *record.layers[1:]]
    return dataclasses.replace(record, units=[*units, *record.units[len(units) :]], layers=layers)


def make_layer_effects(**changes: Any) -> LayerEffects:
    """Return the effects of a layer of two units, both masked."""
    made = LayerEffects(500, 400, {"masked": 2}, 2, Audit(2, 400, 0.97, 1.1), None, None, [], None)
    return replaced(made, changes, "withheld", "undone", "reason")


def make_kernels(weights: Any, *, on_colour: bool = False, channels: Any = None) -> Kernels:
    """Return the kernels of a layer called conv, none left out. weights: (U, C, kh, kw)."""
    weights = np.asarray(weights, np.float32)
    units, inputs = weights.shape[:2]
    return Kernels(
        layer="conv",
        units=units,
        inputs=inputs,
        largest=float(np.abs(weights).max()),
        on_colour=on_colour,
        weights=weights,
        channels=np.tile(np.arange(inputs), (units, 1)) if channels is None else np.asarray(channels),
    )


def assert_one_line(error: ReportgenError, *parts: object) -> None:
    """Check that an error reads as one line that names every one of `parts`."""
    said = str(error)
    assert said.isprintable(), f"more than one line: {said!r}"
    assert "; " in said, f"says not what to do: {said!r}"
    for part in parts:
        assert str(part) in said, f"{part} is not in: {said}"


def modules_after(code: str) -> set[str]:
    """Return the names of all modules that a fresh Python has loaded after `code`."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())
