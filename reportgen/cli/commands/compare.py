"""`reportgen compare`: what changed between two reports."""

from pathlib import Path
from typing import Annotated

import typer

from reportgen.cli.common import errors_shown
from reportgen.cli.options import Debug, language
from reportgen.errors import InputError


def compare(
    old: Annotated[Path, typer.Argument(help="The earlier report's folder.", metavar="OLD")],
    new: Annotated[Path, typer.Argument(help="The later report's folder.", metavar="NEW")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the comparison as a page, too.")] = None,
    lang: Annotated[str | None, language("The language", shown="that of the report NEW")] = None,
    debug: Debug = False,
) -> None:
    """Say what changed between two reports."""
    with errors_shown(debug):
        from dataclasses import replace

        from reportgen.compare.changes import compare as compared
        from reportgen.deliver import file
        from reportgen.options import check_lang
        from reportgen.record import record_file
        from reportgen.render.comparison import view as painted
        from reportgen.render.comparison.terminal import plain

        if out is not None and out.is_dir():
            raise InputError(f"--out {out} is a folder", "give the path of a file, such as changes.html")
        before, after = record_file.load(old), record_file.load(new)
        spoken = lang or after.look.lang
        check_lang(spoken)
        changes = painted.paint(replace(after, baseline=compared(before, after)), has_cards=False)
        assert changes is not None
        if out is not None:
            file.write(out, painted.html(after, changes, spoken).encode("utf-8"))
        print(plain(changes, spoken), end="")
        if out is not None:
            print(out)
