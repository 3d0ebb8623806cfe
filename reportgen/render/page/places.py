"""Where on the page the evidence of each finding stands."""

from collections.abc import Sequence

from reportgen.record.units import Finding

_ABOUT_ITSELF = {"no-pdf", "not-drawn"}
_PLACES = {
    "loss-not-finite": "training",
    "overfitting": "training",
    "still-improving": "training",
    "died-at-once": "deaths",
    "proof-failed": "proof",
    "test-in-train": "about",
    "conflicting-labels": "about",
    "class-without-images": "about",
    "class-imbalance": "about",
    "constant-images": "about",
    "repeated-images": "about",
    "heavy-layer": "model",
    "fragile": "shifts",
    "test-split-leaked": "copies",
    "nearly-in-train": "copies",
    "many-suspect-labels": "suspect-labels",
    "suspect-labels": "suspect-labels",
    "most-confused-pair": "confusions",
    "confident-mistakes": "mistakes",
}  # a finding of another kind about no layer is about the evaluation


def of(finding: Finding, layers: Sequence[str]) -> str | None:
    """Return the anchor of the evidence of a finding, None of one about the page itself.

    layers: the names of those that have a section, in its order.
    """
    if finding.code in _ABOUT_ITSELF:
        return None
    if finding.code not in _PLACES and finding.layer is not None and finding.layer in layers:
        return f"layer-{layers.index(finding.layer) + 1}"
    return _PLACES.get(finding.code, "evaluation")
