"""Data in one part, split at random into one to train on and one to test on: the same split for the same seed."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reportgen.dataset import Images, Unread
from reportgen.errors import InputError
from reportgen.format import as_given
from reportgen.i18n import Text, text


class Halves(NamedTuple):
    """The numbers, ascending, of the images of each part, (N,) int64."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


class Picked:
    """Some of the images that are read when they are asked for, as dataset.Images. numbers: (N,) int64, of these."""

    def __init__(self, images: Unread, numbers: NDArray[np.int64]) -> None:
        self._images, self._numbers = images, numbers

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, *space, C)."""
        return (len(self._numbers), *self._images.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """As of all the images."""
        return self._images.dtype

    @property
    def on_path(self) -> bool:
        """Whether a pickled copy can be read where the same paths are seen."""
        return self._images.on_path

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, which: Any, /) -> Any:
        return self._images[self._numbers[which]]

    def cut(self, start: int, stop: int, /) -> "Picked":
        """Return the images start ... stop - 1, without reading any."""
        return Picked(self._images, self._numbers[start:stop])


def halves(labels: NDArray[np.int64], share: float, seed: int) -> Halves:
    """Return which images are for training and which for testing, of every class about the same share.

    labels: (N,). share: for testing, above 0 and below 1. Of a class of two or more images each part has at least
    one; a single one is for training. The stream of numpy's RandomState is fixed for good, so the same labels, share
    and seed give the same parts on every machine.
    Raises InputError where no class has two images.
    """
    generator = np.random.RandomState(seed)
    order = np.argsort(labels, kind="stable")
    classes = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    chosen = []
    for members in classes:
        many = int(share * len(members) + 0.5)
        many = min(max(many, 1), len(members) - 1) if len(members) > 1 else 0
        chosen.append(generator.permutation(members)[:many])
    test = np.sort(np.concatenate(chosen))
    if not len(test):
        what = f"no class has more than one of the {len(labels):,} images, so they cannot be split"
        raise InputError(what, "give two or more images of each class")
    return Halves(np.setdiff1d(np.arange(len(labels)), test), test)


def picked(images: Images, numbers: NDArray[np.int64]) -> Images:
    """Return the images of these numbers; what is on disk stays there."""
    found: Images = Picked(images, numbers) if isinstance(images, Unread) else images[numbers]
    return found


def said(share: float, seed: int) -> Text:
    """Return what was done, as the report says it."""
    test = as_given(100 * share)
    return text(
        "The images were split at random into {train} % for training and {test} % for testing, class by class, with the"
        " seed {seed}; the same call splits them in the same way.",
        train=as_given(100 - float(test)),
        test=test,
        seed=str(seed),
    )
