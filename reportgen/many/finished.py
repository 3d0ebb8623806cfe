"""Whether a report is there already, told by the report itself: nothing else says what was done, so nothing can lie."""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from reportgen import __version__
from reportgen.collect import provenance
from reportgen.many.items import Item
from reportgen.pipeline import Order
from reportgen.record_file import ARRAYS_NAME, JSON_NAME

_PUBLISHED = ("mnist", "fashion-mnist")  # these do not change, and reading them needs TensorFlow
_BLOCK = 2**20

Fingerprint = Callable[[str], str | None]


def is_there(item: Item, order: Order, fingerprint: Fingerprint) -> bool:
    """Return whether the folder of `order` holds what making the report again would give.

    That is so where model, data, options, look, title and the version of reportgen are those that it names.
    fingerprint: from what a data set is called to the SHA-256 of its content, None where that need not be looked at.
    """
    folder = Path(str(order.out))
    wanted = [JSON_NAME, ARRAYS_NAME, *(f"report.{name}" for name in order.formats)]
    if not all((folder / name).is_file() for name in wanted):
        return False
    try:
        found = json.loads((folder / JSON_NAME).read_bytes())
        return _fits(found, item, order, fingerprint)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # it is no report of this version
        return False


def fingerprint_of(order: Order) -> Fingerprint:
    """Return what reads each data set once. Of one that cannot be read it returns "", which fits no report."""

    @cache
    def fingerprint(data: str) -> str | None:
        from reportgen.errors import ReportgenError
        from reportgen.train import samples

        if data in _PUBLISHED:
            return None
        try:
            return samples.load(data, test_only=True, size=order.options.picture_size).sha256
        except ReportgenError:
            return ""

    return fingerprint


def _fits(found: dict[str, Any], item: Item, order: Order, fingerprint: Fingerprint) -> bool:
    usual = f"{found['model']['name']} on {found['data']['name']}"
    origin = found["provenance"]
    return (
        found["reportgen"] == __version__
        and found["title"] == (item.title or usual)
        and found["look"] == {"lang": order.look.lang, "paper": order.look.paper}
        and origin["command"] == provenance.command(item.model, item.data, order.options)
        and origin["model_sha256"] == _sha256(Path(item.model))
        and fingerprint(item.data) in (None, origin["data_sha256"])
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
