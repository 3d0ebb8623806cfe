"""The built-in network: the small convolutional classifier that reportgen grew out of."""

from reportgen.errors import InputError
from reportgen.runtime import keras

NAME = "small_cnn"


def build(image_shape: tuple[int, ...], classes: int) -> keras.Model:
    """Return the compiled, untrained network; on 28x28x1 images and 10 classes it has 56,714 parameters.

    image_shape: (H, W, C). Raises InputError for images under 10 pixels, which its layers would use up.
    """
    if len(image_shape) != 3:
        raise InputError(
            f"the images have the shape {image_shape}",
            "the built-in network takes pictures, (height, width, channels); give a network of your own with --model",
        )
    if min(image_shape[:2]) < 10:
        raise InputError(
            f"the images are {image_shape[0]}x{image_shape[1]}",
            "the built-in network needs at least 10x10; give a network of your own with --model",
        )
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input(image_shape),
            layers.Conv2D(16, (3, 3), activation="relu", name="conv2d"),
            layers.MaxPooling2D((2, 2), name="max_pooling2d"),
            layers.Dropout(0.25, name="dropout"),
            layers.Conv2D(32, (3, 3), activation="relu", name="conv2d_1"),
            layers.MaxPooling2D((2, 2), name="max_pooling2d_1"),
            layers.Dropout(0.25, name="dropout_1"),
            layers.Flatten(name="flatten"),
            layers.Dense(64, activation="relu", name="dense"),
            layers.Dropout(0.5, name="dropout_2"),
            layers.Dense(classes, activation="softmax", name="dense_1"),
        ],
        name=NAME,
    )
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return model
