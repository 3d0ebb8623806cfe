"""How a user says which range of pixels a model takes."""

import re
from dataclasses import dataclass

from reportgen.errors import InputError

PixelRange = str
"""One of RANGES, or "mean=M[,M...],std=S[,S...]", see `moments`."""
RANGES = ("auto", "0-1", "0-255", "-1-1", "caffe", "torch")


@dataclass(frozen=True)
class Moments:
    """What is subtracted from pixels of 0 to `top`, and what they are divided by then.

    mean, std: one number for all channels or one for each, in the order of the channels; std above 0.
    top: 1 or 255.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    top: int


def moments(choice: object) -> Moments:
    """Return what "mean=0.5,std=0.5" or "mean=0.485,0.456,0.406,std=0.229,0.224,0.225" says.

    They are of pixels of 0 to 1, as torchvision has them; where one of the numbers is above 1, of 0 to 255.
    Raises InputError where `choice` is no such words.
    """
    number = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?"
    numbers = rf"({number}(?:,{number})*)"
    found = re.fullmatch(rf"mean={numbers},std={numbers}", choice, re.ASCII) if isinstance(choice, str) else None
    mean, std = (tuple(map(float, found[n].split(","))) for n in (1, 2)) if found else ((), ())
    is_one_each = len(mean) == len(std) or 1 in (len(mean), len(std))
    if not (mean and is_one_each and all(0 < value <= 1000 for value in std) and all(abs(m) <= 1000 for m in mean)):
        expected = f"expected one of {', '.join(RANGES)}, or mean=M,std=S with one number or one per channel each"
        raise InputError(f"--pixels is {choice!r}", expected)
    return Moments(mean, std, 255 if max(*mean, *std) > 1 else 1)
