"""A whole report on any number of images, which a generator makes and nobody holds all at once.

python -m tests.bench.whole_report MODEL IMAGES FOLDER
"""

import sys
from typing import Any

import keras
import numpy as np

import reportgen
from reportgen.data import samples

BATCH = 500


class Digits(keras.utils.PyDataset):
    """The bundled training digits again and again, each time with other noise. count: how many images."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count
        with np.load(samples.BUNDLED) as digits:
            self._images, self._labels = digits["x_train"], digits["y_train"]

    def __len__(self) -> int:
        return -(-self._count // BATCH)

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        places = np.arange(number * BATCH, min((number + 1) * BATCH, self._count)) % len(self._images)
        images = self._images[places]
        noise = np.random.default_rng(number).integers(0, 32, images.shape, dtype=np.uint8)
        return np.minimum(images, 255 - 31) + noise, self._labels[places]


if __name__ == "__main__":
    model, count, folder = sys.argv[1:]
    reportgen.report(keras.models.load_model(model), Digits(int(count)), out=folder, formats=["html"])
