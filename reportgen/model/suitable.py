"""Whether a report can be made of a model and a data set, and what has to be done to the images first."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.dataset import Dataset, Images, Part, Pixels, Unread, cut
from reportgen.errors import InputError
from reportgen.i18n import Text, joined, text
from reportgen.runtime import keras

_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "TimeDistributed", "MultiHeadAttention", "Attention")
_LEAST_SIDE = 8
_GREY = (0.299, 0.587, 0.114)  # of red, green and blue, as ITU-R BT.601 has it and Pillow and OpenCV do
_TURNED_GREY = text(
    "The model takes one channel, so colour pictures were turned grey:"
    " 0.299 red + 0.587 green + 0.114 blue (ITU-R 601)."
)
_NEVER_BUILT = "the model was never built, so it has no weights"
_Shape = Sequence[int | None]


@dataclass(frozen=True)
class Axes:
    """How images become what the model takes. channels_first, shape: as in dataset.Pixels. said: the same in words."""

    channels_first: bool = False
    shape: tuple[int, ...] | None = None
    said: Text | None = None

    def of(self, pixels: Pixels) -> Pixels:
        """Return `pixels` with these axes."""
        said = pixels.said if self.said is None else joined(" ", [pixels.said, self.said])
        return replace(pixels, channels_first=self.channels_first, shape=self.shape, said=said)


def check_model(model: object) -> None:
    """Raise InputError unless `model` is a Keras model whose graph is known, with one input and one score per class."""
    if not isinstance(model, keras.Model) or not isinstance(model, keras.Sequential | keras.Function):
        kind = type(model).__name__
        if isinstance(model, keras.Model) and not model.built:
            raise InputError(_NEVER_BUILT, "train it, or load its weights after a first call")
        raise InputError(f"the model is of the class {kind}", "expected a Sequential or Functional Keras model")
    if not model.built or not model.layers or not getattr(model, "inputs", None):
        raise InputError(_NEVER_BUILT, "train it, or give it an Input layer")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(
            f"the model has {len(model.inputs)} inputs and {len(model.outputs)} outputs",
            "expected one of each: a report shows what single images do to a model",
        )
    gives = tuple(model.outputs[0].shape)[1:]
    if len(gives) != 1 or gives[0] is None:
        raise InputError(f"the model's output has the shape {_by(gives)} per image", "expected one score per class")


def check_classes(model: keras.Model, classes: int) -> None:
    """Raise InputError where the data has more classes than the model tells apart."""
    gives = model.outputs[0].shape[-1]
    scores = 2 if gives == 1 else gives  # one sigmoid unit tells two classes apart
    if scores < classes:
        raise InputError(
            f"the data has labels up to {classes - 1}, but the model tells only {scores} classes apart",
            "give data and a model with the same classes",
        )


def laid_out(dataset: Dataset, model: keras.Model, *, sized: bool = False) -> tuple[Dataset, Axes]:
    """Return the images with the axes that they have to people, and how the model wants them.

    An array alone does not say whether (N, 128, 9) is grey pictures or series of nine channels, nor whether
    (N, 16, 16, 16) has sixteen channels or planes: the model does. sized: the call said how large pictures are to be.
    Raises InputError where nothing fits.
    """
    wants: _Shape = tuple(model.inputs[0].shape)[1:]
    has = dataset.image_shape
    if _is_channels_first(model) and _fits((has[-1], *has[:-1]), wants):
        return dataset, Axes(channels_first=True)
    if _is_channels_first(model) and len(has) > 2 and _fits(has, wants):
        return _channels_last(dataset), Axes(channels_first=True)
    if _fits(has, wants):
        return dataset, Axes()
    if _fits((*has, 1), wants):
        return _reshaped(dataset, (*has, 1)), Axes(said=text("They are volumes of one channel."))
    if has[-1] == 1 and _fits(has[:-1], wants):
        return _without_channel(dataset, model)
    if has[-1] == 1 and len(has) == 3 and _fits((*has[:-1], 3), wants):
        said = text("The grey pictures reach the model as colour ones, their one channel three times.")
        return _arranged(dataset, (*has[:-1], 3), partial(np.repeat, repeats=3, axis=-1)), Axes(said=said)
    if (math.prod(has),) == tuple(wants):
        return dataset, Axes(shape=(math.prod(has),), said=text("The model takes each as one long vector."))
    if len(has) == 3 and has[-1] == len(_GREY) and (shape := _grey_shape(has, wants, model)):
        axes = Axes(said=_TURNED_GREY) if len(shape) == 3 else Axes(shape=shape, said=_TURNED_GREY)
        return _arranged(dataset, (*has[:-1], 1), _grey), axes
    raise InputError(
        f"the data has images of {_by(has)}, but the model takes {_by(wants)}", _way_out(has, wants, sized=sized)
    )


def _grey_shape(has: Sequence[int], wants: _Shape, model: keras.Model) -> tuple[int, ...] | None:
    """Return the shape in which colour pictures, (H, W, 3), fit a model when they are grey; None where they do not."""
    height, width, _ = has
    shapes = ((height, width, 1), (height, width), (height * width,))
    return next((one for one in shapes if _fits(one, wants) and not (len(one) == 2 and _is_of_series(model))), None)


def _way_out(has: Sequence[int], wants: _Shape, *, sized: bool) -> str:
    """Return how images could come to fit a model. sized: the call said already how large they are to be."""
    if len(has) > 2 and _fits((*has[1:], has[0]), wants):
        return "put the channels last: x = numpy.moveaxis(x, 1, -1)"
    if len(wants) != 3 or None in wants[:2] or tuple(has[:2]) == tuple(wants[:2]):
        return "give data of that shape"
    if sized:
        return f"give data of that shape, or in place of the size that was given {_by(wants[:2])}"
    return f"give data of that shape; --image-size {_by(wants[:2])} brings pictures in folders to it"


def _without_channel(dataset: Dataset, model: keras.Model) -> tuple[Dataset, Axes]:
    """Return images of one channel, and how a model that takes no axis for it wants them."""
    sizes = dataset.image_shape[:-1]
    is_drawn = dataset.test.images.dtype == np.uint8  # as pictures are stored, and series hardly ever
    if len(sizes) == 2 and _is_of_series(model) and not (is_drawn and min(sizes) >= _LEAST_SIDE):
        said = text("They are series of {steps} steps with {n} channels.", steps=f"{sizes[0]:,}", n=f"{sizes[1]:,}")
        return _reshaped(dataset, sizes), Axes(said=said)
    side = math.isqrt(sizes[0])
    if len(sizes) == 1 and is_drawn and side**2 == sizes[0] and side >= _LEAST_SIDE:
        pixels, sides = f"{sizes[0]:,}", f"{side}"
        said = text("Each is a vector of {n} pixels, shown as a picture of {side}x{side}.", n=pixels, side=sides)
        return _reshaped(dataset, (side, side, 1)), Axes(shape=sizes, said=said)
    return dataset, Axes(shape=sizes)


class _Arranged:
    """Images whose axes stand in another order or number than they are stored in."""

    def __init__(self, images: Images, shape: tuple[int, ...], arrange: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
        self._images, self._shape, self._arrange = images, shape, arrange

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, *space, C)."""
        return (len(self._images), *self._shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """As the pixels are stored."""
        return self._images.dtype

    @property
    def on_path(self) -> bool:
        """Whether a pickled copy can be read where the same paths are seen."""
        return isinstance(self._images, Unread) and self._images.on_path

    def __len__(self) -> int:
        return len(self._images)

    def cut(self, start: int, stop: int, /) -> "_Arranged":
        """Return the images start ... stop - 1, without reading any."""
        return _Arranged(cut(self._images, start, stop), self._shape, self._arrange)

    def __getitem__(self, which: Any, /) -> NDArray[Any]:
        return self._arrange(self._images[which])


def _grey(found: NDArray[Any]) -> NDArray[Any]:
    """Return pictures (N, H, W, 3) with one channel, (N, H, W, 1), of the same type; integers are rounded."""
    mixed = found.astype(found.dtype if found.dtype.kind == "f" else np.float64) @ np.asarray(_GREY)
    if found.dtype.kind != "f":
        mixed = np.rint(mixed)
    turned: NDArray[Any] = mixed[..., np.newaxis].astype(found.dtype)
    return turned


def _reshape(shape: tuple[int, ...], found: NDArray[Any]) -> NDArray[Any]:
    return found.reshape(-1, *shape)


def _reshaped(dataset: Dataset, shape: tuple[int, ...]) -> Dataset:
    return _arranged(dataset, shape, partial(_reshape, shape))


def _channels_last(dataset: Dataset) -> Dataset:
    channels, *space = dataset.image_shape
    return _arranged(dataset, (*space, channels), partial(np.moveaxis, source=1, destination=-1))


def _arranged(dataset: Dataset, shape: tuple[int, ...], arrange: Callable[[NDArray[Any]], NDArray[Any]]) -> Dataset:
    def changed(part: Part) -> Part:
        return Part(_Arranged(part.images, shape, arrange), part.labels)

    train = None if dataset.train is None else changed(dataset.train)
    return replace(dataset, test=changed(dataset.test), train=train)


def _fits(has: Sequence[int], wants: _Shape) -> bool:
    return len(has) == len(wants) and all(w in (None, h) for h, w in zip(has, wants, strict=True))


def _flat(model: keras.Model) -> list[keras.layers.Layer]:
    """Return all layers of a model, those of a model inside the model in its place."""
    found: list[keras.layers.Layer] = []
    for layer in model.layers:
        found += _flat(layer) if isinstance(layer, keras.Sequential | keras.Function) else [layer]
    return found


def _is_channels_first(model: keras.Model) -> bool:
    return any(getattr(layer, "data_format", None) == "channels_first" for layer in _flat(model))


def _is_of_series(model: keras.Model) -> bool:
    """Return whether a model goes along its input's first axis step by step."""
    kinds = {type(layer).__name__ for layer in _flat(model)}
    return bool(kinds & set(_RECURRENT)) or any(kind.endswith(("1D", "1DTranspose")) for kind in kinds)


def _by(shape: _Shape) -> str:
    return "x".join("any" if size is None else str(size) for size in shape) or "a single number"
