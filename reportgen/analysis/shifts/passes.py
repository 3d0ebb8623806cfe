"""Changed images through the model: what its units give, and what it answers when some are given back what they gave.

Giving units back what they give for the unchanged image is activation patching (Vig et al. 2020, Meng et al. 2022).
Only what runs for every change is compiled: to compile a pass takes as long as several passes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import ablation, forward, outputs, reductions
from reportgen.analysis.activations.graph import Graph, Tensor
from reportgen.analysis.activations.looking import Looking
from reportgen.analysis.activations.outputs import Outputs
from reportgen.analysis.activations.reading import Reading
from reportgen.analysis.activations.reductions import units_last
from reportgen.analysis.activations.tally import TAIL, Counts, Floats, LayerPlan
from reportgen.dataset import Part, Pixels

Stored = NDArray[Any]
_TINY = 1e-30


@dataclass(frozen=True)
class Responses:
    """What a layer's units give for N images. Each is (U,), as of a LayerTally; pooled: (N, U) means over positions."""

    images: int
    fired: Counts
    low_tail: Counts
    high_tail: Counts
    smallest: Floats
    largest: Floats
    pooled: NDArray[np.float32]


class Passes:
    """A model that changed images are sent through.

    readings, plans: the layers that are looked at and how. output: "softmax", "sigmoid" or "logits", what its scores
    are. batch: how many images at once. looks: about how often images will be looked at. looking: where the pass
    compiled the model. Every method raises InputError where the model cannot be run.
    """

    def __init__(
        self,
        graph: Graph,
        readings: Sequence[Reading],
        plans: Sequence[LayerPlan],
        pixels: Pixels,
        output: str,
        batch: int,
        looks: int = 0,
        looking: Looking | None = None,
    ) -> None:
        self.readings, self.plans = readings, plans
        self._graph, self._pixels, self._output, self._batch, self._looks = graph, pixels, output, batch, looks
        self._looking = looking or Looking(graph)
        self._run: Callable[..., Any] | None = None

    def look(self, images: Stored, labels: Counts) -> tuple[Outputs, list[Responses]]:
        """Return what the model answers to images as stored, (N, H, W, C), and what the units of each layer give."""
        answered, found = [], []
        for some in self._batches(len(images)):
            with forward.faults_named(images[some]):
                if (known := self._looking.compiled(images[some], self._pixels)) is None:
                    scores, reduced = self._compiled(images)(images[some])
            with forward.memory_named(images[some]):
                if known is not None:
                    scores, of_layers = known[self._graph.output], self._by_numpy(known)
                else:
                    of_layers = [_responses(one, plan) for one, plan in zip(reduced, self.plans, strict=True)]
            answered.append(outputs.of(scores.numpy(), labels[some]))
            found.append(of_layers)
        return outputs.joined(answered), [_joined(of_layer) for of_layer in zip(*found, strict=True)]

    def restored(
        self, shifted: Stored, clean: Stored, tried: Sequence[tuple[int, Sequence[int]]], labels: Counts
    ) -> list[Outputs]:
        """Return what the model answers to changed images with units given back what they give for these.

        shifted, clean: (N, H, W, C) as stored. tried: each time the place of a reading, and units of it. What lies in
        front of them is run once for all.
        """
        tensors = dict.fromkeys(self.readings[place].tensor for place, _ in tried)
        needed = {*tensors}.union(*(self._graph.given_to_change(tensor, self._graph.output) for tensor in tensors))
        answered: list[list[Outputs]] = [[] for _ in tried]
        for some in self._batches(len(shifted)):
            with forward.faults_named(shifted[some]):
                _, found = self._graph.values(self._seen(clean[some]), list(tensors))
                known = dict(zip(tensors, found, strict=True))
                values = self._graph.all_values(self._seen(shifted[some]), only=needed)
                for (place, units), into in zip(tried, answered, strict=True):
                    reading = self.readings[place]
                    tensor = reading.tensor
                    value = ablation.replaced(reading, units, reading.own(known[tensor]), values[tensor])
                    scores = self._graph.again(values, tensor, value, self._graph.output)
                    into.append(outputs.of(np.asarray(scores, np.float32), labels[some]))
        return [outputs.joined(one) for one in answered]

    def attributions(self, shifted: Stored, clean: Stored, labels: Counts, taken_for: Counts) -> list[Floats]:
        """Return (U,) of each reading how much each unit's own change costs, to first order, summed over images.

        It is the change of the unit times the slope, at the changed image, of how far the score of the label (N,) is
        above that of the class that the image is taken for (N,): attribution patching (Nanda 2023; Syed et al. 2023).
        Positive where giving back what the unit said of the unchanged image would help.
        Raises LookupError where an operation of the model has no slope.
        """
        import tensorflow as tf

        wanted = list(dict.fromkeys(reading.tensor for reading in self.readings))
        total = [np.zeros(reading.units) for reading in self.readings]
        for some in self._batches(len(shifted)):
            with forward.faults_named(shifted[some]):
                _, values = self._graph.values(self._seen(clean[some]), wanted)
                known = dict(zip(wanted, values, strict=True))
                found: dict[Tensor, Any] = {}
                with tf.GradientTape(watch_accessed_variables=False) as tape:

                    def watch(tensor: Tensor, value: Any, found: dict[Tensor, Any] = found, tape: Any = tape) -> Any:
                        if tensor in wanted:
                            tape.watch(value)
                            found[tensor] = value
                        return value

                    scores = self._logs(tf.cast(self._graph.run(self._seen(shifted[some]), watch), tf.float32))
                    above = tf.gather(scores, labels[some], batch_dims=1) - tf.gather(
                        scores, taken_for[some], batch_dims=1
                    )
                each = tape.gradient(above, list(found.values()), unconnected_gradients="zero")
                slopes = dict(zip(found, each, strict=True))
                for into, reading in zip(total, self.readings, strict=True):
                    value, before, slope = (units_last(of[reading.tensor], reading) for of in (found, known, slopes))
                    axes = list(range(len(value.shape) - 1))
                    into += tf.reduce_sum(tf.cast((before - value) * slope, tf.float64), axes).numpy()
        return total

    def _compiled(self, images: Stored) -> Callable[..., Any]:
        if self._run is None:
            part, runs = Part(images, np.zeros(0, np.int64)), self._looks * len(self._batches(len(images)))
            self._run = forward.compiled_if_it_pays(
                self._reduced, part, self._pixels, calls=len(self._graph.calls), runs=runs
            )
        return self._run

    def _reduced(self, images: Any) -> tuple[Any, list[dict[str, Any]]]:
        """Return the scores, float32, and each layer's values reduced. images: as the model sees them."""
        import tensorflow as tf

        gates = [reading.gate for reading in self.readings if reading.gate is not None]
        scores, values = self._graph.values(images, [*(reading.tensor for reading in self.readings), *gates])
        before = iter(values[len(self.readings) :])
        each = [
            _reduced(
                units_last(value, reading), None if reading.gate is None else units_last(next(before), reading), plan
            )
            for reading, plan, value in zip(self.readings, self.plans, values, strict=False)
        ]
        return tf.cast(scores, tf.float32), each

    def _by_numpy(self, known: Mapping[Tensor, Any]) -> list[Responses]:
        """Return what each layer's units give, of values that are there already: numpy is faster than single calls."""
        found = []
        for reading, plan in zip(self.readings, self.plans, strict=True):
            values, gate = (
                None
                if tensor is None
                else np.asarray(units_last(known[tensor], reading)).reshape(-1, plan.positions, plan.units)
                for tensor in (reading.tensor, reading.gate)
            )
            assert values is not None
            found.append(_of_values(values, gate, plan))
        return found

    def _batches(self, images: int) -> list[slice]:
        step = -(-images // -(-images // self._batch))  # even ones: for each size TensorFlow prepares anew
        return [slice(start, start + step) for start in range(0, images, step)]

    def _seen(self, images: Stored) -> Any:
        import tensorflow as tf

        return forward.as_seen(tf.convert_to_tensor(images), self._pixels)

    def _logs(self, scores: Any) -> Any:
        """Return (B, K) scores of which differences are log odds, however the model gives them."""
        import tensorflow as tf

        if self._output == "logits":
            return tf.concat([tf.zeros_like(scores), scores], 1) if scores.shape[1] == 1 else scores
        if scores.shape[1] == 1:
            scores = tf.concat([1 - scores, scores], 1)
        return tf.math.log(scores + _TINY)


def _reduced(values: Any, gate: Any, plan: LayerPlan) -> dict[str, Any]:
    """Reduce what a layer's units give for one batch, (B, *positions, U), inside the graph, as `reductions` do.

    gate: likewise what goes into the nonlinearity, where only that tells whether a unit fires, else None.
    """
    import tensorflow as tf

    a = tf.reshape(values, (-1, plan.positions, plan.units))
    peaks = tf.reduce_max(a, 1)
    tells = peaks if gate is None else tf.reduce_max(tf.reshape(gate, (-1, plan.positions, plan.units)), 1)
    found = {
        "pooled": tf.reduce_mean(a, 1),
        "largest": tf.reduce_max(peaks, 0),
        "fired": _count(tells[:, tf.newaxis] > plan.eps),
    }
    if plan.family not in ("relu", "relu6"):
        found["smallest"] = tf.minimum(tf.reduce_min(a, (0, 1)), 0)
    if plan.family == "bounded":
        assert plan.low is not None and plan.high is not None
        share = (a - plan.low) / (plan.high - plan.low)
        found["low_tail"] = _count(share < TAIL)
        found["high_tail"] = _count(share > 1 - TAIL)
    if plan.family == "relu6":
        found["high_tail"] = _count(a >= plan.high)
    return found


def _of_values(values: NDArray[np.float32], gate: NDArray[np.float32] | None, plan: LayerPlan) -> Responses:
    """Return what a layer's units give, as `_reduced` and `_responses` do. values, gate: (B, P, U)."""
    peaks = reductions.over_positions(np.maximum, values)
    tells = peaks if gate is None else reductions.over_positions(np.maximum, gate)
    low, high, smallest = np.zeros(plan.units, np.int64), np.zeros(plan.units, np.int64), np.zeros(plan.units)
    if plan.family not in ("relu", "relu6"):
        smallest = np.minimum(reductions.over_positions(np.minimum, values).min(axis=0), 0)
    if plan.family == "bounded":
        assert plan.low is not None and plan.high is not None
        share = (values - plan.low) / (plan.high - plan.low)
        low, high = reductions.count(share < TAIL), reductions.count(share > 1 - TAIL)
    if plan.family == "relu6":
        assert plan.high is not None
        high = reductions.count(values >= np.float32(plan.high))
    return Responses(
        images=len(values),
        fired=reductions.count(tells > np.float32(plan.eps)),
        low_tail=low,
        high_tail=high,
        smallest=smallest.astype(np.float64),
        largest=peaks.max(axis=0).astype(np.float64),
        pooled=np.asarray(reductions.over_positions(np.add, values) / np.float32(plan.positions), np.float32),
    )


def _count(flags: Any) -> Any:
    """Return how often each unit's flag is set, (B, P, U) -> (U,) int64.

    Of one image in float32, which is exact for so few and many times as fast as what counts in int64.
    """
    import tensorflow as tf

    of_images = tf.reduce_sum(tf.cast(flags, tf.float32), 1)
    return tf.reduce_sum(tf.cast(of_images, tf.int64), 0)


def _responses(reduced: Mapping[str, Any], plan: LayerPlan) -> Responses:
    found = {name: value.numpy() for name, value in reduced.items()}
    nothing = np.zeros(plan.units, np.int64)
    return Responses(
        images=len(found["pooled"]),
        fired=found["fired"],
        low_tail=found.get("low_tail", nothing),
        high_tail=found.get("high_tail", nothing),
        smallest=np.asarray(found.get("smallest", nothing), np.float64),
        largest=found["largest"].astype(np.float64),
        pooled=found["pooled"],
    )


def _joined(found: Sequence[Responses]) -> Responses:
    """Return what a layer's units give for images that follow each other."""
    return Responses(
        images=sum(one.images for one in found),
        fired=np.sum([one.fired for one in found], axis=0),
        low_tail=np.sum([one.low_tail for one in found], axis=0),
        high_tail=np.sum([one.high_tail for one in found], axis=0),
        smallest=np.min([one.smallest for one in found], axis=0),
        largest=np.max([one.largest for one in found], axis=0),
        pooled=np.concatenate([one.pooled for one in found]),
    )
