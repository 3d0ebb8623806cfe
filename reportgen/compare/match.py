"""Which unit of one model is which of another: by number, by class, or by what they answer to the same images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reportgen.format import correlation
from reportgen.i18n import Text, ntext, text
from reportgen.record.changes import LayerMatch
from reportgen.record.run import Record
from reportgen.record.units import LayerVerdict

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

LEAST = 0.5
"""The correlation that a pair must reach at least: with less, the two share less than a quarter of their variance."""

FEWEST_IMAGES = 3
_AS_GOOD = 1e-3  # a correlation so near to the largest counts as the largest: copies of a unit have equal ones
_SHUFFLES = 200  # of few units the largest correlation by chance is unsteady, so as many are shuffled in all


@dataclass(frozen=True)
class Pair:
    """A unit before and its counterpart now. r: correlation of their responses, None where not known."""

    before: int
    after: int
    r: float | None


@dataclass(frozen=True)
class Matched:
    """How a layer was matched, and its pairs."""

    match: LayerMatch
    pairs: list[Pair]


class Matcher:
    """Matches the units of two records' layers.

    By number where the weights descend from the same start: one model file; the same seed, layers and versions of
    TensorFlow and Keras, both trained here; or most units respond most like the one of their number. Otherwise by
    correlation. Units of the output belong to classes and are matched by those.
    """

    def __init__(self, old: Record, new: Record) -> None:
        self._old, self._new = old, new
        self._kin = _kinship(old, new)
        self._shared = _Shared(old, new)

    def layer(self, before: LayerVerdict, after: LayerVerdict) -> Matched:
        """Return which unit of the layer `after` is which of `before`."""
        r = self._shared.correlations(before, after)
        labels = _labels(self._old, before), _labels(self._new, after)
        if labels[0] is not None and labels[1] is not None:
            return self._by_class(before, after, labels[0], labels[1], r)
        if self._kin is not None and before.units == after.units:
            return self._by_index(before, after, r, self._kin)
        if r is None:
            return self._not_at_all(before, after, self._shared.why_not)
        if not (r.old_varies.any() and r.new_varies.any()):
            return self._not_at_all(before, after, _NOTHING_VARIES)
        threshold = max(LEAST, r.by_chance())
        if before.units == after.units and r.same_numbers(threshold):
            says = ntext(
                r.images,
                "On the {n} image that both were run on, most units respond most like the one of the same number.",
                "On {n} images that both were run on, most units respond most like the one of the same number.",
            )
            return self._by_index(before, after, r, says)
        return self._by_correlation(before, after, r, threshold)

    def _by_class(
        self, before: LayerVerdict, after: LayerVerdict, old: list[str], new: list[str], r: "_Alike | None"
    ) -> Matched:
        place = {label: unit for unit, label in enumerate(old)}
        pairs = [_pair(place[label], unit, r) for unit, label in enumerate(new) if label in place]
        says = text("Units of the output stand for classes and were matched by their names.")
        return _matched(before, after, "class", says, pairs, r)

    def _by_index(self, before: LayerVerdict, after: LayerVerdict, r: "_Alike | None", reason: Text) -> Matched:
        return _matched(before, after, "index", reason, [_pair(u, u, r) for u in range(after.units)], r)

    def _by_correlation(self, before: LayerVerdict, after: LayerVerdict, r: "_Alike", threshold: float) -> Matched:
        pairs = [_pair(one, other, r) for one, other in r.assignment(threshold)]
        says = ntext(
            r.images,
            "Matched one to one so that responses to {n} image correlate as highly as they can in all; what stays below"
            " r = {threshold} is no match.",
            "Matched one to one so that responses to {n} images correlate as highly as they can in all; what stays"
            " below r = {threshold} is no match.",
            threshold=correlation(threshold),
        )
        return _matched(before, after, "correlation", says, pairs, r, threshold)

    def _not_at_all(self, before: LayerVerdict, after: LayerVerdict, reason: Text) -> Matched:
        return _matched(before, after, None, reason, [], None)


_NOTHING_VARIES = text("In one of the two models no unit of the layer responds differently to different images.")


def _kinship(old: Record, new: Record) -> Text | None:
    """Return why unit n is unit n in every layer, None where that is not known beforehand."""
    if old.provenance.model_sha256 is not None and old.provenance.model_sha256 == new.provenance.model_sha256:
        return text("Both reports are about the same model file.")
    if {old.model.origin, new.model.origin} != {"trained"} or old.provenance.seed != new.provenance.seed:
        return None
    rows = [[(row.name, row.kind, row.output_shape, row.params) for row in r.model.layers] for r in (old, new)]
    versions = [[r.provenance.versions.get(name) for name in ("tensorflow", "keras")] for r in (old, new)]
    if rows[0] != rows[1] or versions[0] != versions[1]:
        return None
    return text("Both were trained from the same seed, so that each unit descends from the one of the same number.")


def _labels(record: Record, layer: LayerVerdict) -> list[str] | None:
    """Return the classes that the units of the model's output stand for, None for a layer inside the model."""
    test = record.evaluation["test"]
    assert test is not None
    is_output = any(found.layer == layer.name and found.is_output for found in record.pictures.strips)
    return [row.label for row in test.classes] if is_output and layer.units == len(test.classes) else None


class _Shared:
    """What both models answered to the same images. why_not: the reason, should there be nothing."""

    def __init__(self, old: Record, new: Record) -> None:
        self._values: list[dict[str, Floats]] = []
        self.why_not = _why_not_shared(old, new)
        one, other = old.pictures.answers, new.pictures.answers
        if one is None or other is None or old.provenance.data_sha256 != new.provenance.data_sha256:
            return
        _, first, second = np.intersect1d(one.images, other.images, assume_unique=True, return_indices=True)
        if len(first) < FEWEST_IMAGES or old.data.looked_at[:1] != new.data.looked_at[:1]:
            return
        for answers, rows in ((one, first), (other, second)):
            self._values.append({found.layer: _standardised(found.values[rows]) for found in answers.responses})

    def correlations(self, before: LayerVerdict, after: LayerVerdict) -> "_Alike | None":
        if not self._values:
            return None
        old, new = self._values[0].get(before.name), self._values[1].get(after.name)
        return None if old is None or new is None else _Alike(old, new)


def _why_not_shared(old: Record, new: Record) -> Text:
    if old.provenance.data_sha256 != new.provenance.data_sha256:
        return text("The data differ, so there are no images that both models were run on.")
    if old.data.looked_at[:1] != new.data.looked_at[:1]:
        return text("Units were judged on different splits of the data, so there are no images that both were run on.")
    if old.pictures.answers is None or new.pictures.answers is None:
        return text("A report by an earlier version of reportgen holds no responses to compare.")
    if not (old.pictures.answers.responses and new.pictures.answers.responses):
        return text("A model of so many units has no responses kept to compare.")
    return text("There are too few images that both models were run on.")


class _Alike:
    """How alike the units of two layers answer. old, new: (M, U), standardised; a unit that does not vary is 0."""

    def __init__(self, old: Floats, new: Floats) -> None:
        self._old, self._new = old, new
        self.images = len(old)
        self.old_varies: Flags = np.any(old, axis=0)
        self.new_varies: Flags = np.any(new, axis=0)

    @cached_property
    def values(self) -> Floats:
        """(U before, U now): r of every two units, 0 where one does not vary."""
        return np.asarray(self._old.T @ self._new / self.images, np.float32)

    def at(self, before: int, after: int) -> float | None:
        """Return r of a pair, None where it has no meaning."""
        if not (self.old_varies[before] and self.new_varies[after]):
            return None
        r = float(self._old[:, before] @ self._new[:, after]) / self.images
        return round(min(max(r, -1.0), 1.0), 4)  # 16 bits make no more of it

    def by_chance(self) -> float:
        """Return the largest r between units that have nothing to do with each other: of shuffled images."""
        generator, found = np.random.default_rng(0), []
        for _ in range(1 + _SHUFFLES // max(self.values.shape)):
            shuffled = generator.permuted(self._new, axis=0)
            found.append(float((self._old.T @ shuffled).max()) / self.images)
        return min(sum(found) / len(found), 1.0)

    def same_numbers(self, threshold: float) -> bool:
        """Return whether most units that vary answer most like the unit of their own number, as descendants do."""
        own, varying = self.values.diagonal(), self.old_varies & self.new_varies
        kept = varying & (own >= self.values.max(axis=1) - _AS_GOOD) & (own >= threshold)
        return bool(2 * np.count_nonzero(kept) > np.count_nonzero(varying))

    def assignment(self, threshold: float) -> list[tuple[int, int]]:
        """Return pairs, one to one, whose r reach the threshold and have the largest sum (Kuhn 1955), by the unit now.

        r and not |r|: the mirror image of a unit answers to other images, so it does not do the same work. What is
        below the threshold counts nothing, or good pairs would be parted to spare two units a negative r.
        """
        from scipy.optimize import linear_sum_assignment

        worth = np.where(self.values >= threshold, self.values, 0)
        rows, columns = linear_sum_assignment(worth, maximize=True)
        chosen = [pair for pair in zip(rows.tolist(), columns.tolist(), strict=True) if worth[pair]]
        return sorted(chosen, key=lambda pair: pair[1])


def _standardised(values: NDArray[np.float16]) -> Floats:
    """Return (M, U) with mean 0 and deviation 1 of each unit over these images, 0 where it does not vary."""
    centred = values.astype(np.float32) - values.mean(axis=0, dtype=np.float32)
    centred[:, np.ptp(values, axis=0) == 0] = 0
    deviation = centred.std(axis=0)
    return np.asarray(np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0), np.float32)


def _pair(before: int, after: int, r: _Alike | None) -> Pair:
    return Pair(before, after, None if r is None else r.at(before, after))


def _matched(
    before: LayerVerdict,
    after: LayerVerdict,
    by: str | None,
    reason: Text,
    pairs: Sequence[Pair],
    r: _Alike | None,
    threshold: float | None = None,
) -> Matched:
    known = [pair.r for pair in pairs if pair.r is not None]
    found = {pair.before for pair in pairs}, {pair.after for pair in pairs}
    match = LayerMatch(
        layer=after.name,
        before=before.name,
        by=by,
        reason=reason,
        images=0 if r is None else r.images,
        threshold=None if threshold is None else round(threshold, 4),
        median_r=round(float(np.median(known)), 4) if known else None,
        pairs=len(pairs),
        unmatched_before=[unit for unit in range(before.units) if unit not in found[0]],
        unmatched_after=[unit for unit in range(after.units) if unit not in found[1]],
    )
    return Matched(match, list(pairs))
