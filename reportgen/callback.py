"""A Keras callback that writes a report when `fit` ends, and says after which epoch each dead unit died."""

import warnings
from contextlib import ExitStack
from typing import Any

from reportgen.analysis import collected
from reportgen.analysis.activations import dead_history
from reportgen.dataset import Dataset
from reportgen.engines import choice
from reportgen.errors import InputError, ReportgenError, one_line
from reportgen.keywords import made_of
from reportgen.model import functional
from reportgen.options import CallbackCall
from reportgen.pipeline import flow, subject
from reportgen.pipeline.painting import Painter
from reportgen.progress import Progress
from reportgen.record.training import Deaths
from reportgen.result import Report
from reportgen.runtime import keras


class ReportCallback(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    """Writes a report on the model when `model.fit` ends, and counts its dead units after every epoch.

    In a notebook:

        import keras
        import reportgen
        from sklearn.datasets import load_digits

        digits = load_digits()
        images, labels = digits.images[..., None] / 16, digits.target

        model = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Conv2D(16, 3, activation="relu"),
                keras.layers.Flatten(),
                keras.layers.Dense(32, activation="relu"),
                keras.layers.Dense(10, activation="softmax"),
            ]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

        test = {"x_test": images[1500:], "y_test": labels[1500:]}
        callback = reportgen.ReportCallback(test, out="reports/digits", formats=["html"])
        model.fit(images[:1500], labels[:1500], epochs=5, callbacks=[callback])

        callback.report.save("digits.html")
        callback.report  # as the last line of a cell it shows itself

    data: as for `reportgen.report`; a test split is enough. It is needed, because Keras shows a callback none of the
        images that `fit` was given, and it is images as they are stored: `pixels` says how they reach the model. With
        the default, integers are divided to 0-1 and floats are left as they are, so give what was given to `fit`, or
        the integers that it was made from.
    watch: how many images of that part (`analyse`) the dead units are counted on, the same after every epoch and
        spread evenly over the part; 0 counts nothing. On 1,000 images a count takes about as long as predicting them.
    out, title and all the rest: as for `reportgen.report`. Put the callback last in `callbacks`, so that it sees the
        weights that `EarlyStopping(restore_best_weights=True)` brings back.

    Whatever can be checked is checked before the first epoch: the call, the data, the folder, whether the model can be
    reported on. Then reportgen.InputError and SurroundingsError come out of `fit`. From the first epoch on nothing
    does, because the training must not be lost: what goes wrong is a warning, and is in `error`. The training itself is
    the same with the callback and without.

    log_to: hands the report over, to the run that is active in MLflow or Weights & Biases while `fit` runs.

    report: what `reportgen.report` returns, None until the training has ended. error: what went wrong, else None.
    Each further `fit` makes a new report, on the epochs of its own. A `fit` that is interrupted makes none; `write`
    then does.
    """

    report: Report | None
    error: Exception | None

    @made_of(CallbackCall)
    def __init__(self, call: CallbackCall) -> None:
        super().__init__()
        call.check()
        self._data, self._watched, self._progress = call.data, call.watch, call.progress or Progress()
        self._where = choice.of(call.engine, call.workers)
        self._options = call.options
        flow.check(self._options)
        self._dataset: Dataset | None = None
        self._watch: dead_history.Watch | None = None
        self._watching = ExitStack()
        self.report, self.error = None, None

    def write(self) -> Report:
        """Write the report on the model as it is now, and return it: after an interrupted `fit`, or after more of it.

        Raises reportgen.InputError and SurroundingsError; an earlier report then stays as it was.
        """
        if self._dataset is None:
            raise InputError("this callback was in no fit yet", "hand it to model.fit(callbacks=[...]) first")
        found: Deaths | None = self._watch.found() if self._watch else None
        self.report = flow.make(
            self._options,
            self.model,
            self._data,
            dataset=self._dataset,
            deaths=found,
            where=self._where,
            progress=self._progress,
        ).read()
        self.error = None
        return self.report

    def on_train_begin(self, logs: Any = None) -> None:
        """Check everything that can be checked before the training, and get ready to count."""
        self.report, self.error, self._watch = None, None, None
        options = self._options
        flow.check(options)
        flow.earlier(options)
        self._dataset = subject.read(self._data, options, test_only=True)
        flow.target(options, self._dataset)
        part = collected.looked_at(self._dataset, options.analyse)[0]
        functional.built(self.model, self._dataset.image_shape)  # fit itself would do so in its first step
        self._watching.close()
        model = self._watching.enter_context(functional.of(self.model, self._dataset.image_shape, options.output))
        dataset = subject.as_taken(self._dataset, model, options)
        with Painter(options.formats, self._progress) as painter:
            painter.check()
        if self._watched:
            self._watch = dead_history.Watch(model, dataset, part, images=self._watched, memory=options.memory)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Count the units that are dead before the first epoch of all."""
        if self._watch and not self._watch.has_counted:
            self._watch.count(epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Count the units that are dead after this epoch."""
        if self._watch:
            try:
                self._watch.count(epoch + 1)
            except Exception as error:  # whatever it is, the training goes on
                self._watch = None
                self._complain("dead units are no longer counted", error)

    def on_train_end(self, logs: Any = None) -> None:
        """Write the report."""
        try:
            self._watching.close()
            made = self.write()
            if self._options.log_to and made.problems:
                self._complain("the report is written, but not whole where it was to be", made.problems[0])
        except Exception as error:  # whatever it is, the model is trained and must not be lost
            self._complain("the model is trained, but no report was written", error)

    def _complain(self, what: str, error: Exception) -> None:
        self.error = error
        why = str(error) if isinstance(error, ReportgenError) else one_line(f"{type(error).__name__}: {error}")
        warnings.warn(f"reportgen: {what}: {why}", stacklevel=2)
