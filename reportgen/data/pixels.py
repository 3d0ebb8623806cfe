"""Choose how stored pixels reach the model."""

from collections.abc import Mapping

from reportgen.dataset import Dataset, PerChannel, Pixels, Wants
from reportgen.errors import InputError
from reportgen.format import as_given, signed
from reportgen.i18n import Text, text
from reportgen.pixel_range import Moments, PixelRange, moments

_AS_STORED = text("The model begins with its own rescaling, so integer pixels reach it unchanged.")
_TOKENS = text("The model begins with an embedding, so the stored integers reach it unchanged, as numbers of tokens.")
# of ImageNet's pictures, as keras.applications.imagenet_utils has them
_IMAGENET = Moments((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 1)
_IMAGENET_BLUE_FIRST = (103.939, 116.779, 123.68)


def choose(dataset: Dataset, choice: PixelRange, *, wants: Wants) -> Pixels:
    """Return the way from stored pixels to those that the model expects.

    choice: all but "auto" says what the model expects; "auto" leaves images of floats as they are, and brings integer
        images to 0-1 unless the model's first computations want something else.
    wants: as these computations tell, see `dataset.Wants`.
    Raises InputError where the stored values have no such range, or images not the channels that the choice needs.
    """
    if choice != "auto":
        return _chosen(dataset, choice)
    if dataset.test.images.dtype.kind == "f":
        return Pixels(1.0, text("The images are stored as floats and reach the model as they are."))
    if wants == "tokens":
        return Pixels(1.0, _TOKENS)
    if wants is None:
        return _chosen(dataset, "0-1")
    top = _reached(dataset)
    if wants == "as stored" or top is None or wants == top or (wants == 1 and _highest(dataset) <= 1):
        return Pixels(1.0, _AS_STORED)
    return Pixels(
        wants / top,
        text(
            "The model begins with its own rescaling of pixels from 0 to {top}, so the stored ones, from 0 to {stored},"
            " were brought to that range.",
            top=f"{wants}",
            stored=as_given(top),
        ),
    )


def candidates(dataset: Dataset) -> Mapping[str, Pixels]:
    """Return the way to every range that has a name and that these images allow; the axes are left as stored."""
    found = {}
    for choice in ("0-1", "0-255", "-1-1", *(("caffe", "torch") if dataset.image_shape[-1] == 3 else ())):
        try:
            found[choice] = _chosen(dataset, choice)
        except InputError:
            return {}  # there is no range to choose
    return found


def _chosen(dataset: Dataset, choice: PixelRange) -> Pixels:
    """Return the way to the range that was chosen. Raises InputError."""
    top = _top(dataset)
    if choice == "0-1":
        said = text("Pixels were divided by {divisor}, so the model sees 0 to 1.", divisor=as_given(top))
        return Pixels(1.0 / top, said)
    if choice == "0-255":
        factor = 255.0 / top
        said = text("Pixels were multiplied by {factor}, so the model sees 0 to 255.", factor=as_given(factor))
        return Pixels(factor, said)
    if choice == "-1-1":
        said = text(
            "Pixels were divided by {divisor} and 1 subtracted, so the model sees -1 to 1.", divisor=as_given(top / 2)
        )
        return Pixels(2.0 / top, said, offset=-1.0)
    if choice == "caffe":
        _check_channels(dataset, choice, 3)
        said = text(
            "Pixels were brought to 0 to 255, their channels put in the order blue, green, red, and the mean colour of"
            " ImageNet subtracted, as Keras's mode caffe does."
        )
        return Pixels(255.0 / top, said, offset=tuple(-mean for mean in _IMAGENET_BLUE_FIRST), flip=True)
    if choice == "torch":
        said = text(
            "Pixels were brought to 0 to 1, the mean colour of ImageNet subtracted, and the rest divided by its"
            " standard deviations, as Keras's mode torch does."
        )
        return _standardised(dataset, choice, _IMAGENET, top, said)
    given = moments(choice)
    said = text(
        "Pixels were brought to 0 to {top}, {mean} subtracted, and the rest divided by {std}.",
        top=f"{given.top}",
        mean=", ".join(signed(as_given(value)) for value in given.mean),
        std=", ".join(as_given(value) for value in given.std),
    )
    return _standardised(dataset, choice, given, top, said)


def _standardised(dataset: Dataset, choice: PixelRange, given: Moments, top: float, said: Text) -> Pixels:
    channels = max(len(given.mean), len(given.std))
    if channels > 1:
        _check_channels(dataset, choice, channels)
    mean, std = (values * (channels // len(values)) for values in (given.mean, given.std))
    scale = tuple(given.top / top / s for s in std)
    offset = tuple(-m / s for m, s in zip(mean, std, strict=True))
    return Pixels(_as_one(scale), said, offset=_as_one(offset))


def _as_one(values: tuple[float, ...]) -> PerChannel:
    return values[0] if len(values) == 1 else values


def _check_channels(dataset: Dataset, choice: PixelRange, channels: int) -> None:
    """Raise InputError unless the images reach the model with so many channels."""
    if (has := dataset.image_shape[-1]) != channels:
        one = "one channel" if has == 1 else f"{has:,} channels"
        raise InputError(
            f"--pixels is {choice!r}, which is for {channels} channels, but the images reach the model with {one}",
            "use 0-1, 0-255, -1-1, or mean=M,std=S with one number each",
        )


def _highest(dataset: Dataset) -> float:
    return max(float(part.survey.high.max()) for part in dataset.parts.values())


def _reached(dataset: Dataset) -> float | None:
    """Return what `_top` does, None for integers that are beyond any range of pixels."""
    try:
        return _top(dataset)
    except InputError:
        return None


def _top(dataset: Dataset) -> float:
    """Return the largest value that a stored pixel can take: 1, 255 or 65,535."""
    dtype = dataset.test.images.dtype
    if dtype.kind == "b":
        return 1.0
    if dtype.kind == "u" and dtype.itemsize <= 2:
        return float(2 ** (8 * dtype.itemsize) - 1)
    surveys = [part.survey for part in dataset.parts.values()]
    low = min(float(survey.low.min()) for survey in surveys)
    high = max(float(survey.high.max()) for survey in surveys)
    if low < 0 or high > 255:
        raise InputError(
            f"the {dtype} pixels run from {as_given(low)} to {as_given(high)}",
            "expected 0 to 255 (or 0 to 1); scale them yourself, save them as floats and use --pixels auto",
        )
    return 1.0 if dtype.kind == "f" and high <= 1 else 255.0
