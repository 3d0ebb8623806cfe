"""Memory that is too small for the work, in real processes with a limit that runs out: exit 3, and one line says so."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reportgen.errors import is_of_memory
from tests.conftest import clean_environment

GB = 10**9


def report(folder: Path, *call: str, bytes_at_most: int) -> tuple[int, list[str]]:
    """Return the exit code of a report and the lines that it called errors, under a limit to the address space."""
    done = subprocess.run(
        [sys.executable, "-m", "reportgen", "report", *call, "--out", "out", "--formats", "html"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (bytes_at_most, bytes_at_most)),
        cwd=folder, env=clean_environment(CUDA_VISIBLE_DEVICES="", OPENBLAS_NUM_THREADS="1"),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.returncode, [line for line in done.stderr.splitlines() if "error:" in line]


def claim(path: Path, images: int, *, real: bool = True) -> None:
    """Write images that are all zero: a small file, and a large array."""
    shape = (images, 32, 32, 1)
    np.savez_compressed(path, x_test=np.zeros(shape, np.uint8), y_test=np.arange(images) % 2)


@pytest.mark.slow
def test_a_data_set_that_does_not_fit_is_exit_3_and_says_memory(tmp_path: Path) -> None:
    claim(tmp_path / "data.npz", 240_000)
    assert (tmp_path / "data.npz").stat().st_size < 10**6
    code, lines = report(tmp_path, "--data", "data.npz", bytes_at_most=GB // 3)
    assert (code, len(lines)) == (3, 1), lines
    assert "the memory is used up; give less data" in lines[0]


@pytest.mark.tensorflow
def test_libraries_that_do_not_fit_are_exit_3_and_say_memory(tmp_path: Path) -> None:
    claim(tmp_path / "data.npz", 20)
    code, lines = report(tmp_path, "--data", "data.npz", "--validation-split", "0.5", bytes_at_most=8 * GB // 10)
    assert (code, len(lines)) == (3, 1), lines
    assert "memory" in lines[0]


@pytest.mark.tensorflow
def test_work_that_does_not_fit_is_no_fault_of_reportgen(tmp_path: Path) -> None:
    """Where it ends depends on the machine: as an error, or by a signal that a library raises."""
    from reportgen.runtime import keras

    layers = keras.layers
    keras.Sequential(
        [layers.Input((32, 32, 1)), layers.Conv2D(64, 3), layers.Flatten(), layers.Dense(2)]
    ).save(tmp_path / "m.keras")  # fmt: skip
    claim(tmp_path / "data.npz", 20_000)
    call = ("--model", "m.keras", "--data", "data.npz", "--memory", "4000")
    code, lines = report(tmp_path, *call, bytes_at_most=19 * GB // 10)
    if code == 2:  # it ended while Keras loaded the file, which may be at fault itself
        assert "needs more memory" in lines[-1], lines
        return
    assert code in (0, 3), lines
    assert code == 0 or "memory" in lines[-1], lines


@pytest.mark.parametrize(
    ("error", "is_so"),
    [
        (MemoryError(), True),
        (ImportError("libtensorflow_cc.so.2: failed to map segment from shared object"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("Operation received an exception:Status: 1, message: could not create a primitive"), True),
        (RuntimeError("Operation received an exception:Status: 3, message: could not create a primitive"), False),
        (ImportError("libfoo.so: cannot open shared object file"), False),
        (ValueError("a model with memory cells"), False),
    ],
)
def test_what_libraries_say_where_memory_runs_out_is_known(error: Exception, is_so: bool) -> None:
    assert is_of_memory(error) is is_so
