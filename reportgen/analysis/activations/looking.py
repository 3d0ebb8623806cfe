"""Values of some tensors for some images, behind the pass: by what that has compiled, where it gives them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.analysis.activations import forward
from reportgen.analysis.activations.graph import Call, Graph, Tensor
from reportgen.analysis.activations.probe import Sender
from reportgen.dataset import Pixels


class Looking:
    """Where stages behind the pass ask for values.

    sender: of the pass; None where that was elsewhere. Of a model of few calls nothing is taken from it: that is run
    call by call as fast.
    """

    def __init__(self, graph: Graph, sender: Sender | None = None) -> None:
        self._graph, self._sender = graph, sender

    def values(
        self, images: NDArray[Any], pixels: Pixels, wanted: Sequence[Tensor], changed: Call | None = None
    ) -> dict[Tensor, Any]:
        """Return the values of the tensors that are wanted for images as they are stored. Raises as `faults_named`.

        changed: a call of which the layer was changed since the pass.
        """
        import tensorflow as tf

        with forward.faults_named(images):
            ways = {tensor: self._way(tensor, changed) for tensor in wanted}
            stale = () if changed is None else changed.outputs
            follows = self._sender is not None and all(
                way[0] in self._sender.tensors and way[0] not in stale for way in ways.values()
            )
            if follows and (known := self.compiled(images, pixels)) is not None:
                return {tensor: self._along(known, tensor, way) for tensor, way in ways.items()}
            seen = forward.as_seen(tf.convert_to_tensor(images), pixels)
            found = self._graph.all_values(seen, only=set(wanted))
            return {tensor: found[tensor] for tensor in wanted}

    def floats(self, images: NDArray[Any], pixels: Pixels, wanted: Sequence[Tensor]) -> list[forward.Values]:
        """Return the same as float32 arrays, in the order of `wanted`."""
        import tensorflow as tf

        found = self.values(images, pixels, wanted)
        return [np.asarray(tf.cast(found[tensor], tf.float32)) for tensor in wanted]

    def compiled(self, images: NDArray[Any], pixels: Pixels) -> dict[Tensor, Any] | None:
        """Return what the pass's graph gives, see `Sender.look`; None where there is none."""
        return None if self._sender is None else self._sender.look(images, pixels)

    def _way(self, tensor: Tensor, changed: Call | None) -> list[Tensor]:
        """Return the tensors from the nearest one that the pass gives to this, each made of the one before alone."""
        way, call = [tensor], self._graph.producer(tensor)
        while self._sender is not None and (way[0] not in self._sender.tensors or call is changed):
            if call is None or len(call.given) != 1:
                break
            way.insert(0, call.given[0])
            call = self._graph.producer(way[0])
        return way

    def _along(self, known: dict[Tensor, Any], tensor: Tensor, way: list[Tensor]) -> Any:
        return known[tensor] if len(way) == 1 else self._graph.again({}, way[0], known[way[0]], tensor)
