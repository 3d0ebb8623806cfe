"""The models and data that are measured on, each made when a row first asks for it."""

import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reportgen.data import npz, samples
from reportgen.errors import InputError
from tests import ROOT
from tests.bench.clock import run

PYTHON = sys.executable
REPORTGEN = (PYTHON, "-m", "reportgen")
BENCH = ROOT / "tests" / "bench"


class Inputs:
    """Everything below the folder `home`. given: an .npz file of MNIST's shapes, None for a stand-in.

    once: whole processes run once alone, without one that does not count.
    """

    def __init__(self, home: Path, given: Path | None, *, once: bool = False) -> None:
        self.home, self._given, self.once = home, given, once

    @cached_property
    def data(self) -> Path:
        """The .npz file that was given, else the bundled digits repeated until they are as many as MNIST's."""
        return self._given or self._repeated()

    @property
    def named(self) -> str:
        """What the data is called in the results."""
        return self._given.name if self._given else "the bundled digits, repeated to 70,000"

    @cached_property
    def counts(self) -> tuple[int, int]:
        """How many images the data has in both parts, and how many in the test split. Raises InputError."""
        arrays, _ = npz.read(self.data)
        if missing := {"x_train", "y_train", "x_test", "y_test"} - arrays.keys():
            raise InputError(f"{self.data} lacks {min(missing)}", "give MNIST, as Keras has it in mnist.npz")
        test = len(arrays["y_test"])
        return len(arrays["y_train"]) + test, test

    @cached_property
    def report(self) -> Path:
        """A report, with the built-in network trained for an epoch on the bundled digits."""
        folder = self.home / "trained"
        run([*REPORTGEN, "report", "--epochs", "1", "--out", folder])
        return folder

    @property
    def model(self) -> Path:
        """The network of that report: 122 units for 28x28x1 images."""
        return self.report / "model.keras"

    @cached_property
    def noise(self) -> Path:
        """10,000 test images of 32x32x3, all noise."""
        return self._noise(10_000, 32)

    @cached_property
    def pictures(self) -> Path:
        """A folder with all images of the data as PNG files."""
        folder = self.home / "pictures"
        folder.mkdir()
        arrays, _ = npz.read(self.data)
        for part in ("train", "test"):
            for number, image in enumerate(np.squeeze(arrays[f"x_{part}"])):
                Image.fromarray(image).save(folder / f"{part}-{number}.png", compress_level=1)
        return folder

    @cached_property
    def noise_96(self) -> Path:
        """200 test images of 96x96x3, all noise."""
        return self._noise(200, 96)

    @cached_property
    def mobilenet(self) -> Path:
        """MobileNetV2 for these, untrained."""
        return self.network("mobilenet", "96x96x3")

    @cached_property
    def large(self) -> Path:
        """A network of 700 units for these."""
        return self.network(700, "32x32x3")

    def network(self, units: int | str, shape: str) -> Path:
        """Make an untrained network, see networks.py."""
        target = self.home / f"{units}-{shape}.keras"
        run([PYTHON, BENCH / "networks.py", str(units), shape, target])
        return target

    def _noise(self, count: int, side: int) -> Path:
        target = self.home / f"noise-{side}.npz"
        images = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
        np.savez(target, x_test=images, y_test=np.arange(len(images)) % 10)
        return target

    def _repeated(self) -> Path:
        target = self.home / "digits.npz"
        times = {"x_train": 15, "y_train": 15, "x_test": 10, "y_test": 10}
        with np.load(samples.BUNDLED) as digits:
            arrays: dict[str, Any] = {name: np.concatenate([digits[name]] * count) for name, count in times.items()}
        np.savez_compressed(target, **arrays)
        return target
