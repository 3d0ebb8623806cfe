"""What is compared: each row a pair, measured in one run."""

import functools
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reportgen.record import record_file
from reportgen.render.page import page
from tests import ROOT
from tests.bench.clock import RUNS, Pair, Unavailable, Usage, in_turn, run, run_all
from tests.bench.inputs import BENCH, PYTHON, REPORTGEN, Inputs

RIVALS = BENCH / "rivals"
PROFILER = ROOT / ".venv-bench"
"""The virtual environment of fg-data-profiling; `ready` lies in it once it is whole."""
LIBRARIES = PROFILER / "beside"
"""What runs with the report's own TensorFlow."""
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

FAST = ("report", "words", "effects", "trust", "pass", "render")
"""The rows that `--fast` measures."""

Command = Sequence[str | Path]


@dataclass(frozen=True)
class Row:
    """One comparison.

    name: what `--only` takes. what, rival: what the two do, in Markdown. measure: raises Unavailable where the rival
    is not here. limit: how many times as long as the rival reportgen may take; peak_limit: how many times the memory.
    """

    name: str
    what: str
    rival: str
    measure: Callable[[Inputs], Pair]
    limit: float | None = None
    peak_limit: float | None = None


def rows(inputs: Inputs) -> list[Row]:
    """Return all comparisons, in the order of the table."""
    every, test = (f"{count:,}" for count in inputs.counts)
    floor = "[importing TensorFlow, loading and predicting](../tests/bench/rivals/floor.py) alone"
    predict = "`model.predict` on the same images and batches"
    return [
        Row("report", f"from a saved model and {every} images to HTML, PDF and JSON", floor, whole, 1.25, 1.2),
        *(
            Row(name, f"the same, with {what}", f"without: the seconds of {what} taken away", _without(name))
            for name, what in (
                ("words", "conditions in words"),
                ("effects", "effects of units"),
                ("trust", "copies and wrong labels"),
                ("attribution", "maps of mistakes"),
                ("shifts", "changed pictures"),
            )
        ),
        Row(
            "notebook",
            "the same",
            "[the usual notebook as a script](../tests/bench/rivals/notebook.py): evaluation, the outputs of 48 "
            "convolution units for 5 images, and their kernels, as PNGs",
            notebook,
        ),
        Row(
            "profile",
            f"the same, which judges 122 units by {test} images",
            "[exporting these units' mean responses](../tests/bench/rivals/export.py) and [profiling the "
            "table](../tests/bench/rivals/profiled.py) with fg-data-profiling, without correlations (`minimal=True`; "
            "in full it did not end within 9 minutes)",
            profile,
        ),
        Row("dask", "the same with `--engine dask --workers 2`", "in one process, which uses all cores as well", dask),
        Row("pass", f"the pass that judges 122 units by {test} images", predict, built_in, 1.25),
        Row("all", f"the same, and the scores of all {every} images", predict, both, 1.25),
        Row("pass-700", "the pass that judges 700 units by 10,000 images of 32x32x3", predict, large, 1.25),
        Row("report-700", "a whole report of these 700 units", floor, whole_large),
        Row("report-17000", "the page of MobileNetV2, 17,066 units, on 200 images of 96x96x3", floor, whole_mobilenet),
        Row(
            "maps",
            "integrated gradients of 50 images, 64 steps each",
            "Xplique's `IntegratedGradients` with as many steps",
            integrated,
        ),
        Row(
            "smooth",
            "the same",
            "tf-keras-vis's `Saliency`, smoothed over 64 gradients of each image",
            smoothed,
        ),
        Row(
            "copies",
            f"the whole report, which looks for copies and wrong labels among {every} images",
            "[CleanVision for copies and cleanlab for labels](../tests/bench/rivals/doubted.py) alone, from PNG files",
            doubted,
        ),
        Row(
            "render",
            "`reportgen render`: page and PDF from `record.npz`",
            "[WeasyPrint](../tests/bench/rivals/paper.py) alone, making this PDF from its finished page",
            rendering,
        ),
        Row(
            "chromium",
            "the same",
            "`reportgen render --formats html`, then printed by Chromium (no page numbers in the contents, no running "
            "heads, not PDF/UA)",
            printing,
        ),
        Row(
            "pictures",
            "pictures of 48 convolution units' outputs for 5 images",
            "the article's way: a prediction and a matplotlib axis for each",
            pictures,
        ),
    ]


def whole(inputs: Inputs) -> Pair:
    return _processes([_report(inputs)], [_floor(inputs.model, inputs.data)], inputs)


def notebook(inputs: Inputs) -> Pair:
    return _processes(
        [_report(inputs)],
        [[PYTHON, RIVALS / "notebook.py", inputs.model, inputs.data, inputs.home / "notebook"]],
        inputs,
    )


def doubted(inputs: Inputs) -> Pair:
    _need_libraries()
    rival: Command = [PYTHON, RIVALS / "doubted.py", LIBRARIES, inputs.model, inputs.data, inputs.pictures]
    return _processes([_report(inputs)], [rival], inputs)


def profile(inputs: Inputs) -> Pair:
    _need_libraries()
    table, html = inputs.home / "table.npz", inputs.home / "profile.html"
    return _processes(
        [_report(inputs)],
        [
            [PYTHON, RIVALS / "export.py", inputs.model, inputs.data, table],
            [PROFILER / "bin" / "python", RIVALS / "profiled.py", table, html],
        ],
        inputs,
    )


def dask(inputs: Inputs) -> Pair:
    return _processes([[*_report(inputs), "--engine", "dask", "--workers", "2"]], [_report(inputs)], inputs)


def built_in(inputs: Inputs) -> Pair:
    return _inside("pass", inputs.model, inputs.data, inputs)


def both(inputs: Inputs) -> Pair:
    return _inside("both", inputs.model, inputs.data, inputs)


def large(inputs: Inputs) -> Pair:
    return _inside("pass", inputs.large, inputs.noise, inputs)


def whole_large(inputs: Inputs) -> Pair:
    return _processes(
        [[*REPORTGEN, "report", "--model", inputs.large, "--data", inputs.noise, "--out", inputs.home / "large"]],
        [_floor(inputs.large, inputs.noise)],
        inputs,
    )


def whole_mobilenet(inputs: Inputs) -> Pair:
    page: Command = ["--out", inputs.home / "mobilenet", "--formats", "html"]
    return _processes(
        [[*REPORTGEN, "report", "--model", inputs.mobilenet, "--data", inputs.noise_96, *page]],
        [_floor(inputs.mobilenet, inputs.noise_96)],
        inputs,
    )


def integrated(inputs: Inputs) -> Pair:
    _need_libraries()
    return _inside("maps", inputs.model, Path("sample"), inputs)


def smoothed(inputs: Inputs) -> Pair:
    _need_libraries()
    return _inside("smooth", inputs.model, Path("sample"), inputs)


def rendering(inputs: Inputs) -> Pair:
    record = record_file.load(inputs.report)
    paper = inputs.home / "paper.html"
    paper.write_text(page.html(page.paint(record), record.look, on_paper=True).html, encoding="utf-8")
    return _processes([_render(inputs)], [[PYTHON, RIVALS / "paper.py", paper, inputs.home / "paper.pdf"]], inputs)


def printing(inputs: Inputs) -> Pair:
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        raise Unavailable("no Chromium on this machine")
    html = inputs.home / "html"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    to_pdf = [chromium, *flags, f"--print-to-pdf={inputs.home / 'chromium.pdf'}", (html / "report.html").as_uri()]
    page: Command = [*REPORTGEN, "render", inputs.report, "--out", html, "--formats", "html"]
    return _processes([_render(inputs)], [page, to_pdf], inputs)


def pictures(inputs: Inputs) -> Pair:
    return _inside("pictures", inputs.model, Path("sample"), inputs)


def _report(inputs: Inputs) -> Command:
    return [*REPORTGEN, "report", "--model", inputs.model, "--data", inputs.data, "--out", inputs.home / "report"]


def _render(inputs: Inputs) -> Command:
    return [*REPORTGEN, "render", inputs.report, "--out", inputs.home / "rendered"]


def _floor(model: Path, data: Path) -> Command:
    return [PYTHON, RIVALS / "floor.py", model, data]


def _without(stage: str) -> Callable[[Inputs], Pair]:
    """Return what measures the report against the report less one of its stages, by its own clock."""

    def measure(inputs: Inputs) -> Pair:
        pairs = sorted((usage.seconds, usage.seconds - stages[stage]) for usage, stages in _timed(inputs))
        return Pair(*pairs[len(pairs) // 2], len(pairs))

    return measure


@functools.cache
def _timed(inputs: Inputs) -> list[tuple[Usage, dict[str, float]]]:
    """Return what each of some reports took, and the seconds of its stages; the same for all rows about stages."""
    found = []
    for _ in range(1 if inputs.once else RUNS):
        usage = run(_report(inputs))
        made = json.loads((inputs.home / "report" / "report.json").read_text(encoding="utf-8"))
        found.append((usage, made["provenance"]["seconds"]))
    return found


def _need_libraries() -> None:
    if not (PROFILER / "ready").exists():
        raise Unavailable("it could not be installed")


def _processes(ours: Sequence[Command], theirs: Sequence[Command], inputs: Inputs) -> Pair:
    """Time commands, imports and all, one after the other on each side."""
    return in_turn(lambda: run_all(ours), lambda: run_all(theirs), once=inputs.once)


def _inside(what: str, model: Path, data: Path, inputs: Inputs) -> Pair:
    """Time a pair of inside.py."""
    target = inputs.home / "pair.json"
    run([PYTHON, "-m", "tests.bench.inside", what, model, data, target])
    return Pair(**json.loads(target.read_text(encoding="utf-8")))
