"""Training on several devices of one machine: two logical processors stand in for graphics processors."""

from pathlib import Path

import pytest

from reportgen.errors import InputError
from tests.conftest import clean_environment
from tests.helpers.builders import assert_one_line
from tests.helpers.forked import Server

pytestmark = pytest.mark.tensorflow

TWICE = """
import hashlib
import sys

from reportgen.runtime import keras, make_deterministic, tf

processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
from reportgen.analysis.activations.dead_history import Watch
from reportgen.progress import Progress
from reportgen.model import devices, fit, network
from tests.helpers.passes import make_dataset, make_part

def tiny():
    layers = [keras.layers.Conv2D(2, 3), keras.layers.Dropout(0.5), keras.layers.Flatten(), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input(dataset.image_shape), *layers])
    model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model

dataset = make_dataset(make_part((12, 12, 1), 30), make_part((12, 12, 1), 90, seed=1))
build = tiny if sys.argv[1] == "tiny" else lambda: network.build(dataset.image_shape, 3)
for _ in range(2):
    make_deterministic(0)
    with devices.scope("CPU") as strategy:
        model = build()
    watch = Watch(model, dataset, "test", memory=1000)
    fit.fit(model, dataset, epochs=1, batch_size=30, patience=0, count=watch.count, progress=Progress())
    print(strategy.num_replicas_in_sync, hashlib.sha256(fit.archive(model, "2026-11-25T00:00:00Z")).hexdigest())
"""


@pytest.mark.parametrize("network", ["tiny", pytest.param("built in", marks=pytest.mark.slow)])
def test_two_devices_train_one_network_the_same_way_each_time(network: str, forks: Server, tmp_path: Path) -> None:
    done = forks.call([network], tmp_path, clean_environment(), TWICE)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("2 ")
    assert first == second


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}', "names 2 machines"),
        ('{"cluster": {"chief": ["a:1"], "worker": ["b:1", "c:1"]}}', "names 3 machines"),
        ("machine", "TF_CONFIG is not"),
        ("[]", "TF_CONFIG is not"),
    ],
)
def test_what_keras_cannot_train_on_is_said(monkeypatch: pytest.MonkeyPatch, given: str, says: str) -> None:
    from reportgen.model import devices

    monkeypatch.setenv("TF_CONFIG", given)
    with pytest.raises(InputError) as caught:
        devices.scope()
    assert_one_line(caught.value, says, "TF_CONFIG")


@pytest.mark.parametrize("given", ["", '{"cluster": {"worker": ["a:1"]}}', '{"task": {"type": "worker"}}'])
def test_one_machine_trains_as_ever(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    from reportgen.model import devices

    monkeypatch.setenv("TF_CONFIG", given)
    with devices.scope() as strategy:
        assert strategy is None
