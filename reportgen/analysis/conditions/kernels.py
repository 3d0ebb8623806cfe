"""A kernel of the first convolution read in words, exactly: from its weights and the covariance of patches."""

from collections.abc import Sequence

import numpy as np

from reportgen.analysis.conditions import basis
from reportgen.analysis.conditions.patches import Along
from reportgen.analysis.conditions.result import Feature, Floats, KernelReading

_ROOT = np.sqrt(2)
_FREI_CHEN = {
    "edge": [
        [[1, _ROOT, 1], [0, 0, 0], [-1, -_ROOT, -1]],
        [[1, 0, -1], [_ROOT, 0, -_ROOT], [1, 0, -1]],
        [[0, -1, _ROOT], [1, 0, -1], [-_ROOT, 1, 0]],
        [[_ROOT, -1, 0], [-1, 0, 1], [0, 1, -_ROOT]],
    ],
    "line": [[[0, 1, 0], [-1, 0, -1], [0, 1, 0]], [[-1, 0, 1], [0, 0, 0], [1, 0, -1]]],
    "laplacian": [[[1, -2, 1], [-2, 4, -2], [1, -2, 1]], [[-2, 1, -2], [1, 4, 1], [-2, 1, -2]]],
    "mean": [[[1, 1, 1], [1, 1, 1], [1, 1, 1]]],
}
"""The nine masks of Frei & Chen (1977), orthogonal to each other, in four spaces."""


def covariance(patches: Floats) -> Floats:
    """Return the covariance (P, P) of patches (n, P)."""
    centred = patches.astype(np.float64)
    centred -= centred.mean(axis=0)
    found: Floats = centred.T @ centred / len(centred)
    return found


def read(kernels: Floats, sigma: Floats, colour: bool) -> list[KernelReading | None]:
    """Read the kernels (U, h, w, C) of a first convolution. sigma: (h*w*C, h*w*C) of the patches that they see.

    R2 of a linear feature phi is (w' Sigma phi)^2 / ((w' Sigma w)(phi' Sigma phi)), the share of the variance of the
    pre-activation that it explains, with a positive weight. None of a kernel whose pre-activation does not vary.
    """
    made = _linear(kernels.shape[1:], colour)
    phi = np.stack([weights.ravel() for _, weights in made], axis=1)
    flat = kernels.reshape(len(kernels), -1).astype(np.float64)
    variance = np.einsum("up,pq,uq->u", flat, sigma, flat, optimize=True)
    known = np.einsum("pf,pq,qf->f", phi, sigma, phi, optimize=True)
    shared = np.maximum(flat @ sigma @ phi, 0)
    whole = np.outer(variance, known)
    r2 = np.where(whole > 0, shared**2 / np.where(whole > 0, whole, 1), 0)
    energy, of_variance = frei_chen(kernels), _of_variance(kernels, sigma, variance)
    readings: list[KernelReading | None] = []
    for unit, best in enumerate(r2.argmax(axis=1)):
        shares = (None if found is None else _named(found[unit]) for found in (energy, of_variance))
        reading = KernelReading(made[best][0], float(r2[unit, best]), *shares)
        readings.append(reading if variance[unit] > 0 else None)
    return readings


def frei_chen(kernels: Floats) -> Floats | None:
    """Return the shares of squared norm of kernels (U, h, w, C) in the four spaces, (U, 4); None unless 3x3."""
    parts = _projected(kernels)
    if parts is None:
        return None
    squares = (parts**2).sum(axis=2)
    return np.asarray(squares / np.maximum(squares.sum(axis=1, keepdims=True), 1e-300))


def _of_variance(kernels: Floats, sigma: Floats, variance: Floats) -> Floats | None:
    """Return cov(part of z, z) / var(z) of the four parts of each kernel, (U, 4)."""
    parts = _projected(kernels)
    if parts is None:
        return None
    found = np.einsum("usp,pq,uq->us", parts, sigma, parts.sum(axis=1), optimize=True)
    return np.asarray(found / np.where(variance > 0, variance, 1)[:, np.newaxis])


def _projected(kernels: Floats) -> Floats | None:
    """Return the parts of kernels (U, 3, 3, C) in the four spaces, channel by channel, (U, 4, 9 * C)."""
    if kernels.shape[1:3] != (3, 3):
        return None
    flat = kernels.reshape(len(kernels), 9, -1).astype(np.float64)
    parts = []
    for masks in _FREI_CHEN.values():
        space = np.array(masks, np.float64).reshape(len(masks), 9)
        space /= np.linalg.norm(space, axis=1, keepdims=True)
        parts.append(space.T @ (space @ flat))
    return np.stack(parts, axis=1).reshape(len(kernels), len(parts), -1)


def _named(shares: Floats) -> dict[str, float]:
    return dict(zip(_FREI_CHEN, map(float, shares), strict=True))


def _linear(shape: tuple[int, ...], colour: bool) -> Sequence[tuple[Feature, Floats]]:
    """Return the linear features of the basis with their weights on the pixels of a field, (h, w, C)."""
    height, width, channels = shape
    field = (Along(height), Along(width))
    look = basis.Look(field, (1, 1), (height, width), 1.0, colour)
    found = []
    for scale in look.scales:
        window = look.window(scale)
        at = tuple(slice(axis.start, axis.start + axis.size) for axis in window)
        for feature, weights in basis.templates(window, scale):
            placed = np.zeros(shape)
            placed[at] = weights[:, :, np.newaxis] / channels
            found.append((feature, placed))
    for kind, of_channels in (("red-green", (1, -1, 0)), ("blue-yellow", (-0.5, -0.5, 1))) if colour else ():
        for sign in (1, -1):
            found.append((Feature(kind, polarity=sign), np.broadcast_to(sign * np.array(of_channels, float), shape)))
    return found
