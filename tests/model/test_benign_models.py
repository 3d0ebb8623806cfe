"""Honest model files pass: whatever Keras's own layers can build loads, and is the same model as before."""

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reportgen.model import load, model_file
from reportgen.model.inspection import allowed
from reportgen.options import Bounds
from reportgen.runtime import keras
from tests.helpers import benign

pytestmark = pytest.mark.tensorflow

Model = Any
ENDINGS = (".keras", ".h5")


def loaded(path: Path, bounds: Bounds | None = None) -> Model:
    with model_file.read(path, bounds) as file:
        assert file.check() is None, "a file of Keras 3 needs no changes"
        return load.load(file)


def subclasses(base: type) -> set[type]:
    below: list[type] = base.__subclasses__()
    return {base}.union(*(subclasses(one) for one in below))


# ---- the list and the installed Keras


def test_every_layer_of_keras_is_allowed_or_refused_with_a_reason() -> None:
    """When this fails after an update, see what the new layer can do, and put it into one list or the other."""
    known = [getattr(keras.layers, name) for name in (*allowed.LAYERS, *allowed.REFUSED)]  # some have two names
    found = {name for name, one in vars(keras.layers).items() if inspect.isclass(one) and one not in known}
    assert found == set()
    assert not allowed.LAYERS & set(allowed.REFUSED)


def test_every_operation_of_keras_is_allowed_or_refused() -> None:
    from keras.src.ops.function import Function
    from keras.src.ops.operation import Operation

    layers = subclasses(keras.layers.Layer)
    ours = {one for one in subclasses(Operation) - layers if one.__module__.startswith("keras.src.")}
    found = ours - {Operation} - subclasses(Function)  # a model is no operation of a file's own
    unknown = {
        f"{one.__module__}.{one.__name__}"
        for one in found
        if one.__name__ not in allowed.OPERATIONS.get(one.__module__, frozenset()) | allowed.REFUSED_OPERATIONS
    }
    assert unknown == set()


@pytest.mark.parametrize("module", sorted(set(allowed.CLASSES) - {"keras", "keras.models"}))
def test_the_lists_name_what_there_is(module: str) -> None:
    for name in allowed.CLASSES[module]:
        code = f"from {module} import {name}"
        exec(code)  # raises ImportError where it is gone


def test_activations_are_those_of_keras() -> None:
    found = {name for name, one in vars(keras.activations).items() if inspect.isfunction(one)}
    assert found - {"get", "serialize", "deserialize"} == allowed.ACTIVATIONS


# ---- every layer


@pytest.mark.filterwarnings("ignore")  # of Keras, about the old format and about layers that cannot be saved in it
@pytest.mark.parametrize("shape", [benign.PICTURE, benign.SERIES, benign.VOLUME, benign.TOKENS], ids=str)
def test_every_layer_passes_and_loads(shape: tuple[int, ...], tmp_path: Path) -> None:
    for ending in ENDINGS:
        model = benign.one_of_each(shape, without=benign.NOT_IN_HDF5 if ending == ".h5" else ())
        model.save(tmp_path / f"all{ending}")
        found = loaded(tmp_path / f"all{ending}")
        assert [layer.name for layer in found.layers] == [layer.name for layer in model.layers]
        for one, other in zip(model.get_weights(), found.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_there_is_a_model_with_each_layer() -> None:
    named = set()
    for shape in (benign.PICTURE, benign.SERIES, benign.VOLUME, benign.TOKENS):
        config = json.dumps(benign.one_of_each(shape).get_config(), default=str)
        named |= {name for name in allowed.LAYERS if f'"class_name": "{name}"' in config}
    assert allowed.LAYERS - named == set(benign.ALONE)


# ---- networks


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize(
    ("build", "ending"),
    [(build, ending) for ending in ENDINGS for build in benign.NETWORKS]
    + [(build, ".keras") for build in (*benign.WITHOUT_HDF5, *benign.LARGE)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_honest_networks_load_as_they_were(build: Any, ending: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = build()
    model.save(tmp_path / f"net{ending}")
    found = loaded(tmp_path / f"net{ending}")
    images = np.random.default_rng(0).random((2, *model.inputs[0].shape[1:]), np.float32)
    before, after = (np.asarray(one(images, training=False), np.float32) for one in (model, found))
    np.testing.assert_array_equal(before, after)
    assert not getattr(found, "compiled", False)
