"""Untrained networks of any number of units, saved for the rows that ask how time grows with it.

python networks.py UNITS|deep-UNITS|mobilenet HEIGHTxWIDTHxCHANNELS MODEL.keras
"""

import sys
from itertools import pairwise

import keras

WIDTHS = (64, 64, 128, 128, 256, 50)
"""Four convolutions and two dense layers; with the ten classes behind them they are 700 units."""
CLASSES = 10
DEEP_WIDTH = 500


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


def deep(units: int, shape: tuple[int, ...]) -> keras.Model:
    """Return a network whose layers are all DEEP_WIDTH wide: the more units, the more layers, as large models are.

    The first half are convolutions on small maps, the others dense. Each passes on values as large as it is given.
    """
    layers = keras.layers
    keras.utils.set_random_seed(0)
    hidden = units - CLASSES
    sizes = [DEEP_WIDTH] * (hidden // DEEP_WIDTH)
    sizes += [rest] if (rest := hidden % DEEP_WIDTH) else []
    about = {"activation": "relu", "kernel_initializer": "he_normal"}
    network = keras.Sequential([layers.Input(shape), layers.Conv2D(sizes[0], 3, strides=3, **about)])
    network.add(layers.MaxPooling2D(3))
    middle = (len(sizes) + 1) // 2
    for size in sizes[1:middle]:
        network.add(layers.Conv2D(size, 1, **about))
    network.add(layers.Flatten())
    for size in sizes[middle:]:
        network.add(layers.Dense(size, **about))
    network.add(layers.Dense(CLASSES, activation="softmax"))
    return network


def mobilenet(shape: tuple[int, ...]) -> keras.Model:
    """Return MobileNetV2 for images of `shape`."""
    keras.utils.set_random_seed(0)
    return keras.applications.MobileNetV2(weights=None, classes=CLASSES, input_tensor=keras.Input(shape))


if __name__ == "__main__":
    kind, size, target = sys.argv[1:]
    given = tuple(int(side) for side in size.split("x"))
    if kind == "mobilenet":
        network = mobilenet(given)
    elif kind.startswith("deep-"):
        network = deep(int(kind.removeprefix("deep-")), given)
    else:
        network = build(int(kind), given)
    network.save(target)
