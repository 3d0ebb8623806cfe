"""`make bench`: how long reportgen takes, as ratios to what one would do without it, each pair measured in one run.

Needs full MNIST: give its .npz file as `make bench ARGS=mnist.npz`; without it, the bundled digits repeated to 70,000
images stand in for it, which takes the same time.
"""

import io
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RUNS = 3

FLOOR = """
import sys
import numpy as np
import tensorflow as tf
model = tf.keras.models.load_model(sys.argv[1], compile=False)
with np.load(sys.argv[2]) as data:
    for part in ("x_train", "x_test"):
        if part in data.files:
            images = data[part].astype("float32") / 255
            images = images[..., np.newaxis] if images.ndim == 3 else images
            model.predict(images, batch_size=500, verbose=0)
"""

WEASYPRINT = """
import sys
import weasyprint
weasyprint.HTML(sys.argv[1]).write_pdf(sys.argv[2], pdf_variant="pdf/ua-1")
"""

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

PASS = """
import resource, sys
from tests import bench
import numpy as np
drawn, readings, dataset = bench.opened(sys.argv[1], sys.argv[2])
bench.send(drawn, readings, dataset)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> None:
    """Print a table of ratios."""
    _quiet()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        data = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else _stand_in(home / "digits.npz")
        print(f"Data: {data.name}; {RUNS} runs each, in turn; the median counts.")
        model = _trained(home)
        _row(
            "from a saved model and 70,000 images to HTML, PDF and JSON",
            "importing TensorFlow, loading and predicting alone",
            *_processes(home, model, data),
        )
        _row(
            "the pass over 10,000 images, built-in network",
            "model.predict on the same images and batches",
            *_passes(model, data),
        )
        large = _large(home)
        _row(
            "the pass over 10,000 images, 700 units on 32x32x3",
            "model.predict on the same images and batches",
            *_passes(large, home / "colour.npz"),
        )
        _row(
            "report of 700 units on 10,000 images: HTML, PDF and JSON",
            "importing TensorFlow, loading and predicting alone",
            *_processes(home, large, home / "colour.npz"),
        )
        _memory(model, home)
        _row(
            "reportgen render: HTML and PDF from record.npz",
            "WeasyPrint alone, making this PDF from its finished page",
            *_rendering(home, home / "trained"),
        )
        if chromium := next(filter(None, map(shutil.which, CHROMIUM)), None):
            _row(
                "reportgen render: HTML and PDF from record.npz",
                "reportgen render: the HTML alone, then printed by Chromium",
                *_printing(home, home / "trained", chromium),
            )
        _row(
            "pictures of all 48 convolution units for 5 images",
            "the article's way: predict and imshow for each image and unit",
            *_pictures(model),
        )


def _quiet() -> None:
    """Hold back what TensorFlow says about graphs that a benchmark builds again and again."""
    from reportgen.train.runtime import tf

    tf.get_logger().setLevel("ERROR")


def _row(what: str, rival: str, ours: list[float], theirs: list[float]) -> None:
    mine, other = statistics.median(ours), statistics.median(theirs)
    ratio = f"{mine / other:.2f} times as long" if mine >= other else f"{other / mine:.0f} times faster"
    print(f"\n{what}: {mine:.2f} s\n  {rival}: {other:.2f} s\n  ratio: {ratio}")


def _processes(home: Path, model: Path, data: Path) -> tuple[list[float], list[float]]:
    """Return the seconds of whole processes: reportgen's and the floor's, run in turn."""
    command = [sys.executable, "-m", "reportgen", "report", "--model", str(model), "--data", str(data)]
    report = [*command, "--out", str(home / "report")]
    floor = [sys.executable, "-c", FLOOR, str(model), str(data)]
    return _in_turn(lambda: _run(report), lambda: _run(floor))


def _rendering(home: Path, report: Path) -> tuple[list[float], list[float]]:
    """Return the seconds of painting a report again, and of a process that only makes the PDF of its page."""
    from reportgen import record_file
    from reportgen.render import page

    record = record_file.load(report)
    paper = home / "paper.html"
    paper.write_text(page.html(page.paint(record), record.look, on_paper=True).html)
    ours = [sys.executable, "-m", "reportgen", "render", str(report), "--out", str(home / "rendered")]
    theirs = [sys.executable, "-c", WEASYPRINT, str(paper), str(home / "paper.pdf")]
    return _in_turn(lambda: _run(ours), lambda: _run(theirs))


def _printing(home: Path, report: Path, chromium: str) -> tuple[list[float], list[float]]:
    """Return the seconds from a record to page and PDF, with our PDF and with Chromium's."""
    ours = [sys.executable, "-m", "reportgen", "render", str(report), "--out", str(home / "rendered")]
    html = [sys.executable, "-m", "reportgen", "render", str(report), "--out", str(home / "html"), "--formats", "html"]
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    printed = [chromium, *flags, f"--print-to-pdf={home / 'chromium.pdf'}", (home / "html" / "report.html").as_uri()]

    def theirs() -> None:
        _run(html)
        _run(printed)

    return _in_turn(lambda: _run(ours), theirs)


def _pictures(model: Path) -> tuple[list[float], list[float]]:
    """Return the seconds to see every unit of both convolution layers, imports and loading left out."""
    from reportgen.collect import pictures
    from reportgen.render import tiles

    drawn, readings, dataset = opened(model, "sample")
    flat = np.full((len(dataset.test), 10), 0.1)

    def ours() -> None:
        collected = pictures.collect(drawn, readings, dataset, flat, examples=5)
        for maps in collected.maps:
            tiles.maps_grid(maps, collected.examples.images)

    images = dataset.test.images[:5].astype(np.float32) / 255
    return _in_turn(ours, lambda: _article(drawn.model, images))


def _article(network: Any, images: Any) -> None:
    """Do as the article does: a Sequential up to the layer, one prediction and one matplotlib axis for each tile."""
    import keras
    import matplotlib
    from matplotlib import pyplot

    matplotlib.use("agg")
    for end, layer in enumerate(network.layers, 1):
        if type(layer).__name__ != "Conv2D":
            continue
        upto = keras.Sequential([keras.layers.Input((28, 28, 1)), *network.layers[:end]])
        figure, axes = pyplot.subplots(len(images), layer.filters + 1)
        for row, image in zip(axes, images, strict=True):
            row[0].imshow(image[..., 0], cmap="gray")
            for unit in range(layer.filters):
                row[unit + 1].imshow(upto.predict(image[np.newaxis], verbose=0)[0, :, :, unit])
        figure.savefig(io.BytesIO(), format="png")
        pyplot.close(figure)


def opened(model: Path | str, data: Path | str) -> tuple[Any, Any, Any]:
    """Return the graph of a saved model, its readings, and the data set as this model sees it."""
    from reportgen.collect import graph, reading
    from reportgen.train import load, model_file, pixels, samples

    with model_file.read(Path(model)) as file:
        drawn = graph.Graph(load.load(file))
    found = samples.load(str(data), test_only=True)
    dataset = found.seen_as(pixels.choose(found, "auto", model_rescales=False))
    return drawn, reading.readings(drawn), dataset


def send(drawn: Any, readings: Any, dataset: Any) -> None:
    """Make the pass over the test part."""
    from reportgen.collect import probe
    from reportgen.options import Options
    from reportgen.progress import Progress

    parts = {"test": dataset.test}
    probe.all_parts(drawn, readings, parts, ["test"], dataset, memory=Options().memory, progress=Progress())


def _passes(model: Path, data: Path) -> tuple[list[float], list[float]]:
    """Return the seconds of the pass and of model.predict; both compile their graph anew in each run."""
    import keras

    from reportgen.collect import probe
    from reportgen.options import Options

    drawn, readings, dataset = opened(model, data)
    images = dataset.test.images.astype(np.float32) * np.float32(dataset.pixels.scale)
    size = probe.batch_size(readings, dataset.image_shape, Options().memory)

    def predict() -> None:
        fresh = keras.Model(drawn.model.inputs[0], drawn.model.outputs[0])
        fresh.predict(images, batch_size=size, verbose=0)

    return _in_turn(lambda: send(drawn, readings, dataset), predict)


def _memory(model: Path, home: Path) -> None:
    """Print the peak memory of a process that makes the pass over 10,000 and over 60,000 images."""
    peaks = []
    for times in (10, 60):
        data = home / f"{times}.npz"
        _repeated(data, times)
        done = subprocess.run([sys.executable, "-c", PASS, model, data], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1000)
    print(f"\npeak memory of the pass: {peaks[0]:.0f} MB over 10,000 images, {peaks[1]:.0f} MB over 60,000")
    print(f"  ratio: {peaks[1] / peaks[0]:.2f} times as much")


def _large(home: Path) -> Path:
    """Save an untrained network of 700 units for 32x32x3 images, and 10,000 images of noise for it."""
    from reportgen.train.runtime import keras, make_deterministic

    make_deterministic(0)
    layers = keras.layers
    blocks = [
        layer
        for filters in (64, 64, 128, 128)
        for layer in (layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.MaxPooling2D())
    ]
    made = keras.Sequential(
        [
            layers.Input((32, 32, 3)),
            *blocks,
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dense(50, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    made.save(home / "large.keras")
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (10_000, 32, 32, 3), dtype=np.uint8)
    np.savez(home / "colour.npz", x_test=images, y_test=np.arange(10_000) % 10)
    return home / "large.keras"


def _repeated(target: Path, times: int) -> None:
    """Save a test part of the bundled test digits, `times` thousand of them."""
    from reportgen.train import samples

    with np.load(samples.BUNDLED) as digits:
        np.savez(target, **{name: np.concatenate([digits[name]] * times) for name in ("x_test", "y_test")})


def _in_turn(ours: Callable[[], None], theirs: Callable[[], None]) -> tuple[list[float], list[float]]:
    """Time both in turn, so that a machine that slows down slows both; one run of each first does not count."""
    times: tuple[list[float], list[float]] = [], []
    for n in range(RUNS + 1):
        for call, into in zip((ours, theirs), times, strict=True):
            start = time.perf_counter()
            call()
            if n:
                into.append(time.perf_counter() - start)
    return times


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command[:6])} ... failed: {done.stderr}")


def _trained(home: Path) -> Path:
    _run([sys.executable, "-m", "reportgen", "report", "--epochs", "1", "--out", str(home / "trained")])
    return home / "trained" / "model.keras"


def _stand_in(target: Path) -> Path:
    from reportgen.train import samples

    with np.load(samples.BUNDLED) as digits:
        repeated = {name: np.concatenate([digits[name]] * (15 if "train" in name else 10)) for name in digits.files}
    np.savez_compressed(target, **repeated)
    return target


if __name__ == "__main__":
    main()
