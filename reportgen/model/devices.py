"""Which devices train the built-in network: one, or all graphics processors of this machine at once."""

import json
import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from reportgen.errors import InputError
from reportgen.runtime import keras, tf

_WORKERS = ("chief", "master", "worker")
_DO = "unset TF_CONFIG to train on this machine, or train by a loop of your own and give the result to --model"


def scope(kind: str = "GPU") -> AbstractContextManager[Any]:
    """Return the block in which a network that is to be trained has to be built.

    kind: of the devices. Where there are several, each takes a part of every batch, and the network has one set of
    weights (tf.distribute.MirroredStrategy). Raises InputError where TF_CONFIG asks for several machines.
    """
    check_environment()
    devices = [device.name for device in tf.config.list_logical_devices(kind)]
    return tf.distribute.MirroredStrategy(devices).scope() if len(devices) > 1 else nullcontext()


def check_environment() -> None:
    """Raise InputError where the environment asks for a training that Keras cannot do.

    `model.fit` of Keras 3.15 fails under tf.distribute.MultiWorkerMirroredStrategy.
    """
    if not (given := os.environ.get("TF_CONFIG", "")):
        return
    try:
        cluster = json.loads(given).get("cluster", {})
        machines = sum(len(cluster.get(kind, ())) for kind in _WORKERS)
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"TF_CONFIG is not what TensorFlow expects ({error})", "correct it, or unset it") from error
    if machines > 1:
        raise InputError(f"TF_CONFIG names {machines} machines, and Keras {keras.__version__} trains on one", _DO)
