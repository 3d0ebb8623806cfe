"""Options that several commands take, as the shell shows them."""

from typing import Annotated

import typer

from reportgen.cli.common import number, whole
from reportgen.options import FORMATS

ALL_FORMATS = ",".join(FORMATS)

Examples = Annotated[
    int, typer.Option(parser=whole, metavar="N", help="How many test images to show beside the layers' outputs.")
]
Pixels = Annotated[
    str,
    typer.Option(help="The range that the model expects: auto, 0-1, 0-255, -1-1, caffe, torch, or mean=M,std=S."),
]
Analyse = Annotated[str, typer.Option(help="Whose images the units are judged on: test, train or both.")]
Memory = Annotated[
    int, typer.Option(parser=whole, metavar="MB", help="What the outputs of all layers may take at once.")
]
Redundant = Annotated[
    float, typer.Option(parser=number, metavar="R", help="The correlation from which on units are redundant.")
]
AlwaysOn = Annotated[
    float, typer.Option(parser=number, metavar="S", help="The share above zero that makes a ReLU unit always on.")
]
Weak = Annotated[
    float, typer.Option(parser=number, metavar="S", help="The share of the layer's mean up to which a unit is weak.")
]
Saturated = Annotated[
    float, typer.Option(parser=number, metavar="S", help="The share at one end that makes a unit saturated.")
]
ImageSize = Annotated[
    str | None,
    typer.Option(metavar="HxW", help="What pictures in folders are resized to.", show_default="as they are"),
]
ClassNames = Annotated[
    str | None,
    typer.Option(metavar="FILE|a,b,c", help="All classes in the model's order.", show_default="as data and model tell"),
]
ValidationSplit = Annotated[
    float | None,
    typer.Option(
        parser=number, metavar="S", help="The share of data in one part to test on, at random.", show_default="no split"
    ),
]
Output = Annotated[
    str | None,
    typer.Option(metavar="NAME|N", help="Which of several outputs, by its name or its number from 0."),
]
Formats = Annotated[str, typer.Option(help="What to write, with commas between: html, pdf.")]
Lang = Annotated[str, typer.Option(help="The language of page and PDF: en or ja.")]
Paper = Annotated[str, typer.Option(help="The PDF's paper: a4 or letter.")]
MaxModelGb = Annotated[float, typer.Option(parser=number, metavar="GB", help="How large a model file may be at most.")]
MaxMemoryGb = Annotated[
    float | None,
    typer.Option(
        parser=number,
        metavar="GB",
        help="What a loaded model and its outputs may take.",
        show_default="3/4 of what there is",
    ),
]
MaxLayers = Annotated[int, typer.Option(parser=whole, metavar="N", help="How many layers a loaded model may have.")]
MaxLoadSeconds = Annotated[float, typer.Option(parser=number, metavar="S", help="How long Keras may load a model.")]
Engine = Annotated[str, typer.Option(help="Where the work is done: local, dask, or dask:ADDRESS of a scheduler.")]
