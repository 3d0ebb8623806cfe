"""What no model file can do, whoever made it: run code, reach outside, take all memory or time, or pass for a model."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from reportgen.errors import InputError
from reportgen.model import model_file
from reportgen.options import Bounds
from tests.cli.test_cli import failed
from tests.conftest import Run
from tests.helpers import hostile, mutations
from tests.helpers.builders import assert_one_line
from tests.helpers.inspected import Inspected, inspected

pytestmark = pytest.mark.slow

LOOKED_INTO = [case for case in hostile.CASES if not case.early]
HANGS = 36  # a model file, damaged in this way, keeps the HDF5 library busy for ever


def refusal(path: Path, bounds: Bounds | None = None) -> InputError:
    with pytest.raises(InputError) as caught, model_file.read(path, bounds) as file:
        file.check()
    return caught.value


@pytest.fixture(scope="module")
def looks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Inspected]:
    """Return what became of the look into each hostile file."""
    folder = tmp_path_factory.mktemp("hostile")
    files = []
    for number, case in enumerate(LOOKED_INTO):
        (folder / str(number)).mkdir()
        files.append(case.write(folder / str(number)))
    return dict(zip((case.name for case in LOOKED_INTO), inspected(files), strict=True))


@pytest.mark.parametrize("case", LOOKED_INTO, ids=lambda case: case.name)
def test_a_hostile_file_is_refused_and_gets_nothing_done(case: hostile.Case, looks: dict[str, Inspected]) -> None:
    look = looks[case.name]
    assert case.says in look.said
    assert look.did == ""
    assert look.code == 0
    assert look.megabytes < 400
    assert look.seconds < 8


@pytest.mark.parametrize("case", [case for case in hostile.CASES if case.early], ids=lambda case: case.name)
def test_what_is_no_model_file_is_refused_at_sight(case: hostile.Case, tmp_path: Path) -> None:
    assert_one_line(refusal(case.write(tmp_path)), case.says)


@pytest.mark.parametrize(
    "name", ["lambda", "lambda in h5", "member with escapes", "external storage", "NaN", "deep JSON", "text"]
)
def test_the_command_says_so_in_one_line(name: str, light: Run, tmp_path: Path) -> None:
    case = next(case for case in hostile.CASES if case.name == name)
    (tmp_path / "temporary").mkdir()
    path = case.write(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    line = failed(light, "report", "--model", path, "--formats", "html", TMPDIR=str(tmp_path / "temporary"))
    assert case.says in line
    assert line.isprintable()
    assert sorted(tmp_path.rglob("*")) == before


def test_two_cases_never_share_a_name() -> None:
    assert len({case.name for case in hostile.CASES}) == len(hostile.CASES) > 150


def test_a_file_that_keeps_the_library_busy_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file, "_SECONDS", 1)
    name, content = mutations.mutated(HANGS)
    (tmp_path / name).write_bytes(content)
    start = time.monotonic()
    assert_one_line(refusal(tmp_path / name), tmp_path / name, "damaged")
    assert time.monotonic() - start < 10


def test_random_damage_ends_in_a_refusal_or_a_model(tmp_path: Path) -> None:
    """Only damage to files without checksums may go unnoticed, and nothing ends the process."""
    files = []
    for seed in range(120):
        if seed == HANGS:
            continue
        folder = tmp_path / str(seed)
        folder.mkdir()
        name, content = mutations.mutated(seed)
        (folder / name).write_bytes(content)
        files.append(folder / name)
    found = inspected(files)
    assert [(file, look) for file, look in zip(files, found, strict=True) if look.code or look.did] == []
    assert 60 < sum(look.said != "" for look in found) < 119
    assert all(look.said.isprintable() and "; " in look.said for look in found if look.said)


def test_the_good_file_that_the_hostile_ones_are_made_from_passes(tmp_path: Path) -> None:
    """Else all of the above would be refused for one and the same reason."""
    for name, content in (("good.keras", hostile.archive()), ("good.h5", hostile.hdf5(hostile.fill_old))):
        (tmp_path / name).write_bytes(content)
        with model_file.read(tmp_path / name) as file:
            file.check()
            assert file.copy.read_bytes() == content
            folder = file.copy.parent
        assert not folder.exists()


def test_what_is_loaded_is_what_was_read_whatever_happens_to_the_file_since(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(hostile.archive())
    with model_file.read(path) as file:
        path.write_bytes(hostile.archive(hostile.sequential(hostile.LAMBDA)))
        file.check()
        assert file.copy.read_bytes() == hostile.archive()


def test_an_upper_case_or_unknown_ending_goes_by_the_content(tmp_path: Path) -> None:
    for name in ("good.KERAS", "good.model", "good"):
        (tmp_path / name).write_bytes(hostile.archive())
        with model_file.read(tmp_path / name) as file:
            file.check()
            assert file.copy.suffix == ".keras"


@pytest.mark.parametrize(
    ("bounds", "says"),
    [
        (Bounds(max_model_gb=1e-6), ["larger than 1,000 bytes", "--max-model-gb"]),
        (Bounds(max_layers=1), ["too many layers (2, more than 1)", "--max-layers"]),
    ],
    ids=["file", "layers"],
)
def test_bounds_are_options(bounds: Bounds, says: list[str], tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(hostile.archive())
    assert_one_line(refusal(tmp_path / "model.keras", bounds), *says)


@pytest.mark.parametrize("name", list(vars(Bounds())))
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "1"])
def test_a_bound_without_sense_is_refused(name: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        Bounds(**{name: value}).check()
    assert_one_line(caught.value, f"--{name.replace('_', '-')} is {value!r}")


def test_bounds_can_be_given_in_the_shell(light: Run, tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(hostile.archive())
    call = ["report", "--model", tmp_path / "model.keras", "--formats", "html"]
    assert "too many layers (2, more than 1)" in failed(light, *call, "--max-layers", "1")
    assert "--max-load-seconds is 0.0" in failed(light, *call, "--max-load-seconds", "0")


def test_nothing_is_imported_from_the_folder_that_reportgen_is_run_in(tmp_path: Path) -> None:
    """A folder full of other people's models may hold modules too; `-P` is how the installed command starts."""
    for name in ("h5py", "json", "zipfile", "numpy", "resource"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from here')")
    (tmp_path / "model.keras").write_bytes(hostile.archive(hostile.sequential(hostile.LAMBDA)))
    command = [sys.executable, "-P", "-m", "reportgen", "report", "--model", "model.keras", "--formats", "html"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "runs Python code" in done.stderr
