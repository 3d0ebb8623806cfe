"""A Bidirectional layer that passes its directions on apart, as the two layers that it is made of.

Keras computes both in one call, whose outputs have no axis on which the units of both stand.
"""

from typing import Any


def divides(operation: Any) -> bool:
    """Return whether an operation is Keras's own Bidirectional that gives each direction as an output of its own."""
    kind = type(operation)
    made_by_keras = kind.__module__.partition(".")[0] == "keras"
    return made_by_keras and kind.__name__ == "Bidirectional" and operation.merge_mode is None


class Direction:
    """One of the directions: gives what the whole layer gives of it, and behind that its states if they are passed on.

    layer: the Bidirectional, way: the recurrent layer in it. place: 0 of the forward direction, 1 of the backward one.
    """

    def __init__(self, layer: Any, place: int) -> None:
        self.layer, self.place = layer, place
        self.way = (layer.forward_layer, layer.backward_layer)[place]
        self.name = self.way.name
        self.built = True
        self.weights = self.way.weights
        # Call.on asks for this, as it does of a layer
        self._call_context_args = getattr(layer, "_call_context_args", ())

    def __call__(self, sequences: Any, initial_state: Any = None, mask: Any = None, **options: Any) -> Any:
        """Return what the whole layer, called like this, gives of the direction."""
        import keras

        if initial_state is not None:
            half = len(initial_state) // 2
            initial_state = initial_state[self.place * half : (self.place + 1) * half]
        given = self.way(sequences, initial_state=initial_state, mask=mask, **options)
        first, *states = given if self.layer.return_state else (given,)
        first = keras.ops.cast(first, self.layer.compute_dtype)
        turned = self.place == 1 and self.layer.return_sequences
        return keras.ops.flip(first, axis=1) if turned else first, *states

    def of(self, outputs: list[Any]) -> list[Any]:
        """Return those of the whole layer's outputs that are of the direction."""
        states = outputs[2:]
        half = len(states) // 2
        return [outputs[self.place], *states[self.place * half : (self.place + 1) * half]]

    def count_params(self) -> int:
        """Return how many parameters the direction has."""
        return int(self.way.count_params())
