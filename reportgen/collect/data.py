"""The data set in figures."""

import numpy as np

from reportgen.dataset import Dataset
from reportgen.record import DataFacts


def facts(dataset: Dataset) -> DataFacts:
    """Return sizes, shape, and the images per class of each part."""
    classes = len(dataset.class_names)
    parts = {"train": dataset.train, "test": dataset.test}
    return DataFacts(
        name=dataset.name,
        source=dataset.source,
        train_size=None if dataset.train is None else len(dataset.train),
        test_size=len(dataset.test),
        input_shape=list(dataset.image_shape),
        class_names=list(dataset.class_names),
        class_counts={
            name: None if part is None else np.bincount(part.labels, minlength=classes).tolist()
            for name, part in parts.items()
        },
        pixels=dataset.pixels.said,
    )
