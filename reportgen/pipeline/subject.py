"""The model that a report is about - trained, loaded or live - and the data set as this model takes it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from reportgen.i18n import Text
from reportgen.options import Options
from reportgen.progress import Progress
from reportgen.record.training import Deaths, History

if TYPE_CHECKING:
    import keras

    from reportgen.dataset import Data, Dataset
    from reportgen.model.model_file import ModelFile


@dataclass(frozen=True)
class Subject:
    """The model that a report is about. archive: its .keras bytes if it was trained here; deaths: in its training.

    unread: a sentence about each file beside it that is no history. is_whole: not a part of what was given.
    """

    model: "keras.Model"
    origin: Literal["trained", "loaded", "live"]
    history: History | None
    sha256: str | None
    archive: bytes | None = None
    deaths: Deaths | None = None
    unread: tuple[Text, ...] = ()
    is_whole: bool = True


def read(data: "Data", options: Options, *, test_only: bool) -> "Dataset":
    """Return the data set that is asked for, as it is stored. test_only: nothing is trained. Raises InputError."""
    from reportgen.data import samples

    return samples.load(
        data,
        test_only=test_only,
        size=options.picture_size,
        class_names=options.class_names,
        validation_split=options.validation_split,
        seed=options.seed,
    )


@contextmanager
def subject(
    given: "ModelFile | keras.Model | None",
    dataset: "Dataset",
    options: Options,
    made_at: str,
    progress: Progress,
) -> Iterator[tuple[Subject, "Dataset"]]:
    """Yield the model, one with a graph, and the data set with the pixels that this model expects."""
    from reportgen.analysis import collected
    from reportgen.analysis.activations import dead_history
    from reportgen.model import model_file

    with progress.stage("tensorflow", "Starting TensorFlow ..."):
        from reportgen import runtime
        from reportgen.data import pixels
        from reportgen.model import devices, fit, functional, history, load, network
    if given is None:
        runtime.make_deterministic(options.seed)
        with devices.scope():
            model = network.build(dataset.image_shape, len(dataset.class_names))
        dataset = dataset.seen_as(pixels.choose(dataset, options.pixels, wants=None))
        says = f"Training the built-in network, at most {options.epochs} epochs ..."
        looked_at = collected.looked_at(dataset, options.analyse)[0]
        watch = dead_history.Watch(model, dataset, looked_at, memory=options.memory)
        with progress.stage("train", says):
            history_of_fit = fit.fit(
                model,
                dataset,
                epochs=options.epochs,
                batch_size=options.batch_size,
                patience=options.patience,
                count=watch.count,
                progress=progress,
            )
        archive = fit.archive(model, made_at)
        digest = hashlib.sha256(archive).hexdigest()
        yield Subject(model, "trained", history_of_fit, digest, archive, watch.found()), dataset
        return
    told = history.given(options.history) if options.history is not None else None
    unread: list[Text] = []
    if isinstance(given, model_file.ModelFile):
        with progress.stage("load", f"Loading {given.path} ..."):
            model = load.load(given)
        told = told or history.beside(given.path, given.sha256, unread)
        found = Subject(model, "loaded", told, given.sha256, unread=tuple(unread))
    else:
        found = Subject(given, "live", told or history.of_live(given), None)
    file = given if isinstance(given, model_file.ModelFile) else None
    with functional.of(found.model, dataset.image_shape, options.output) as model:
        found = replace(found, model=model, is_whole=model is found.model)
        yield found, as_taken(dataset, found.model, options, file)


def as_taken(dataset: "Dataset", model: "keras.Model", options: Options, file: "ModelFile | None" = None) -> "Dataset":
    """Return the data set as this model takes it. file: that the model was loaded from, None for a live one.

    Raises InputError where the two do not go together.
    """
    from reportgen.analysis.pixels import input_range
    from reportgen.data import pixels
    from reportgen.model import suitable
    from reportgen.pipeline import class_order

    suitable.check_model(model)
    dataset = class_order.resolved(dataset, model, file)
    suitable.check_classes(model, len(dataset.class_names))
    dataset, axes = suitable.laid_out(dataset, model, sized=options.image_size is not None)
    wants = input_range.wanted(model, dataset.test.images.dtype) if options.pixels == "auto" else None
    return dataset.seen_as(axes.of(pixels.choose(dataset, options.pixels, wants=wants)))
