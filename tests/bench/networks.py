"""Untrained networks of any number of units, saved for the rows that ask how time grows with it.

python networks.py UNITS|mobilenet HEIGHTxWIDTHxCHANNELS MODEL.keras
"""

import sys
from itertools import pairwise

import keras

WIDTHS = (64, 64, 128, 128, 256, 50)
"""Four convolutions and two dense layers; with the ten classes behind them they are 700 units."""
CLASSES = 10


def widths(units: int) -> list[int]:
    """Return how wide each layer before the classes is, so that all of them have `units` units."""
    share = (units - CLASSES) / sum(WIDTHS)
    ends = [round(share * sum(WIDTHS[:count])) for count in range(len(WIDTHS) + 1)]
    return [end - start for start, end in pairwise(ends)]


def build(units: int, shape: tuple[int, ...]) -> keras.Model:
    """Return a network for images of `shape`, whose layers are all as many times as wide as those of 700 units."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    *convolutions, wide, narrow = widths(units)
    network = keras.Sequential([layers.Input(shape)])
    for filters in convolutions:
        network.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        network.add(layers.MaxPooling2D())
    network.add(layers.Flatten())
    for width in (wide, narrow):
        network.add(layers.Dense(width, activation="relu"))
    network.add(layers.Dense(CLASSES, activation="softmax"))
    return network


def mobilenet(shape: tuple[int, ...]) -> keras.Model:
    """Return MobileNetV2 for images of `shape`."""
    keras.utils.set_random_seed(0)
    return keras.applications.MobileNetV2(weights=None, classes=CLASSES, input_tensor=keras.Input(shape))


if __name__ == "__main__":
    units, size, target = sys.argv[1:]
    given = tuple(int(side) for side in size.split("x"))
    (mobilenet(given) if units == "mobilenet" else build(int(units), given)).save(target)
