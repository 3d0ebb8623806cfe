"""What the usual notebook on a trained network does, as a script: evaluation, then a look at the convolutions.

python notebook.py MODEL DATA FOLDER
"""

import sys
from pathlib import Path

import keras
import matplotlib
import numpy as np
from matplotlib import pyplot
from sklearn.metrics import ConfusionMatrixDisplay, classification_report

EXAMPLES = 5
CHANNELS = 8

matplotlib.use("agg")
folder = Path(sys.argv[3])
folder.mkdir(exist_ok=True)

model = keras.models.load_model(sys.argv[1], compile=False)
model.summary()

with np.load(sys.argv[2]) as data:
    parts = [part for part in ("train", "test") if f"x_{part}" in data.files]
    images = {part: data[f"x_{part}"].astype("float32")[..., np.newaxis] / 255 for part in parts}
    labels = {part: data[f"y_{part}"] for part in parts}

for part in parts:
    predicted = model.predict(images[part], batch_size=500, verbose=0).argmax(axis=1)
    print(classification_report(labels[part], predicted, zero_division=0))
    ConfusionMatrixDisplay.from_predictions(labels[part], predicted)
    pyplot.savefig(folder / f"confusion-{part}.png")
    pyplot.close()

examples = images["test"][:EXAMPLES]
for end, layer in enumerate(model.layers, 1):
    if not isinstance(layer, keras.layers.Conv2D):
        continue
    upto = keras.Sequential([keras.Input(examples.shape[1:]), *model.layers[:end]])
    for unit in range(layer.filters):
        outputs = upto.predict(examples, verbose=0)
        figure, axes = pyplot.subplots(1, EXAMPLES)
        for axis, output in zip(axes, outputs, strict=True):
            axis.imshow(output[..., unit])
            axis.axis("off")
        figure.savefig(folder / f"{layer.name}-{unit}-outputs.png")
        pyplot.close(figure)

        kernel = layer.get_weights()[0][..., unit]
        shown = min(kernel.shape[-1], CHANNELS)
        figure, axes = pyplot.subplots(1, shown, squeeze=False)
        for channel, axis in enumerate(axes[0]):
            axis.imshow(kernel[..., channel], cmap="gray")
            axis.axis("off")
        figure.savefig(folder / f"{layer.name}-{unit}-kernel.png")
        pyplot.close(figure)
