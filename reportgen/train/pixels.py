"""Choose how stored pixels reach the model."""

from reportgen.dataset import Dataset, Pixels
from reportgen.errors import InputError
from reportgen.options import PixelRange
from reportgen.texts import text


def choose(dataset: Dataset, choice: PixelRange, *, model_rescales: bool) -> Pixels:
    """Return the scale from stored pixels to the range that the model expects.

    choice: "0-1" and "0-255" name that range; "auto" scales integer images to 0-1, unless the model begins
        with its own Rescaling or Normalization, and leaves images of floats as they are.
    Raises InputError where the stored values have no such range.
    """
    dtype = dataset.test.images.dtype
    if choice == "auto":
        if dtype.kind == "f":
            return Pixels(1.0, text("The images are stored as floats and reach the model as they are."))
        if model_rescales:
            said = text("The model begins with its own rescaling, so integer pixels reach it unchanged.")
            return Pixels(1.0, said)
        choice = "0-1"
    top = _top(dataset)
    if choice == "0-1":
        said = text("Pixels were divided by {divisor}, so the model sees 0 to 1.", divisor=f"{top:g}")
        return Pixels(1.0 / top, said)
    factor = 255.0 / top
    said = text("Pixels were multiplied by {factor}, so the model sees 0 to 255.", factor=f"{factor:g}")
    return Pixels(factor, said)


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
            f"the {dtype} pixels run from {low:g} to {high:g}",
            "expected 0 to 255 (or 0 to 1); scale them yourself, save them as floats and use --pixels auto",
        )
    return 1.0 if dtype.kind == "f" and high <= 1 else 255.0
