"""Each unit's mean response to each test image, as a table for a profiler: a column a unit, a row an image.

python export.py MODEL DATA TABLE.npz
"""

import sys
from typing import Any

import keras
import numpy as np

model = keras.models.load_model(sys.argv[1], compile=False)
layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)]
inside = keras.Model(model.inputs, [layer.output for layer in layers])
with np.load(sys.argv[2]) as data:
    images = data["x_test"].astype("float32") / 255
images = images[..., np.newaxis] if images.ndim == 3 else images

# in pieces, since predict returns whole outputs: 28x28 numbers of each unit for each image
responses: dict[str, list[np.ndarray]] = {layer.name: [] for layer in layers}
for start in range(0, len(images), 1000):
    outputs = inside.predict(images[start : start + 1000], batch_size=500, verbose=0)
    for layer, output in zip(layers, outputs, strict=True):
        responses[layer.name].append(output.mean(axis=tuple(range(1, output.ndim - 1))))
table: dict[str, Any] = {name: np.concatenate(pieces) for name, pieces in responses.items()}
np.savez(sys.argv[3], **table)
