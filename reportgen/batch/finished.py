"""Whether a report is there already, told by the report itself: nothing else says what was done, so nothing can lie."""

import hashlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reportgen import __version__, files
from reportgen.batch.items import Item
from reportgen.errors import ReportgenError
from reportgen.options import Options
from reportgen.pipeline import provenance
from reportgen.record import key_figures
from reportgen.record.key_figures import Unreadable
from reportgen.record.record_file import ARRAYS_NAME, JSON_NAME

if TYPE_CHECKING:
    from reportgen.pipeline.class_order import Kept

_PUBLISHED = ("mnist", "fashion-mnist", "cifar10", "cifar100")  # these do not change, and reading them needs TensorFlow
_BLOCK = 2**20

Choose = Callable[..., "Kept | None"]
Fingerprint = Callable[[str, Choose], str | None]


def is_there(item: Item, options: Options, fingerprint: Fingerprint) -> bool:
    """Return whether the folder of `options` holds what making the report again would give.

    That is so where model, data, options, look, title and the version of reportgen are those that it names.
    fingerprint: from what a data set is called to the SHA-256 of its content, None where that need not be looked at;
    it is told how names that were kept with the model are chosen, see `pipeline.class_order.choose`.
    """
    folder = Path(str(options.out))
    wanted = [JSON_NAME, ARRAYS_NAME, *(f"report.{name}" for name in options.formats)]
    if not all((folder / name).is_file() for name in wanted):
        return False
    try:
        found = key_figures.parsed(files.content(folder / JSON_NAME, files.MOST_JSON))
        key_figures.of(found)
        return _fits(found, item, options, fingerprint)
    except (ReportgenError, Unreadable, OSError, ValueError, KeyError, TypeError):  # no report of this version
        return False


def fingerprint_of(options: Options) -> Fingerprint:
    """Return what reads each data set once. Of one that cannot be read it returns "", which fits no report.

    Where the order of the classes was kept with the model, it is read once more for each such order.
    """

    @cache
    def read(data: str, names: tuple[str, ...] | None = None) -> tuple[Any, ...]:
        from reportgen.data import samples

        given = options.class_names if names is None else names
        found = samples.load(data, test_only=True, size=options.picture_size, class_names=given)
        return found.sha256, found.class_names, found.labelled

    def fingerprint(data: str, choose: Choose) -> str | None:
        if data in _PUBLISHED:
            return None
        try:
            sha256, *known = read(data)
            kept = choose(*known)
            return str(read(data, kept.names)[0] if kept else sha256)
        except ReportgenError:
            return ""

    return fingerprint


def _fits(found: dict[str, Any], item: Item, options: Options, fingerprint: Fingerprint) -> bool:
    from reportgen.data import names
    from reportgen.pipeline import class_order

    usual = f"{found['model']['name']} on {found['data']['name']}"
    origin, model = found["provenance"], Path(item.model)
    sha256, scores = _sha256(model), len(found["evaluation"]["test"]["classes"])
    given = names.given(options.class_names)
    choose = partial(class_order.choose, scores=scores, kept=class_order.beside_model(model, sha256))
    return (
        found["reportgen"] == __version__
        and found["title"] == (item.title or usual)
        and found["look"] == {"lang": options.lang, "paper": options.paper}
        and origin["command"] == provenance.command(item.model, item.data, options)
        and origin["model_sha256"] == sha256
        and (item.data not in _PUBLISHED or given in (None, tuple(found["data"]["class_names"])))
        and fingerprint(item.data, choose) in (None, origin["data_sha256"])
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with files.opened(path) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
