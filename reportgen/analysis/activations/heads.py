"""An attention layer in two halves: what its heads give, and the projection that joins them.

Keras computes both in one call and gives out what is projected, in which no head can be told from the others.
"""

from typing import Any

_SPLIT = ("MultiHeadAttention", "GroupedQueryAttention")


def splits(operation: Any) -> bool:
    """Return whether an operation is an attention layer of Keras whose heads can be read apart.

    A subclass may compute something else, and has another name.
    """
    kind = type(operation)
    made_by_keras = kind.__module__.partition(".")[0] == "keras"
    return made_by_keras and kind.__name__ in _SPLIT and hasattr(operation, "_output_dense")


class Heads:
    """An attention layer up to its projection: gives (B, *positions, heads * channels), the first head's first.

    layer: the Keras layer, which stays as it is. What is run is its own code, with all its masks and arguments, on a
    copy that shares its weights and hands on what the heads give.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.name = layer.name
        self.built = True
        self.weights = [weight for weight in layer.weights if not _is_one_of(weight, layer._output_dense.weights)]
        self._call_context_args = getattr(layer, "_call_context_args", ())
        # Keras offers no way to stop before the projection, which is the attribute `_output_dense` of its class
        self._copy = object.__new__(type(layer))
        # an attribute that is set goes through Keras's lists of what a layer consists of, which both share
        self._copy.__dict__.update(layer.__dict__, _output_dense=_as_it_is, activity_regularizer=None)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Return what the heads give, and behind it the scores of attention where they are asked for."""
        found = self._copy(*arguments, **options)
        several = isinstance(found, list | tuple)
        given = found[0] if several else found
        joined = _shaped(given, (*given.shape[1:-2], given.shape[-2] * given.shape[-1]))
        return (joined, *found[1:]) if several else joined

    @property
    def count(self) -> int:
        """How many heads there are."""
        return int(getattr(self.layer, "num_heads", None) or self.layer.num_query_heads)

    @property
    def channels(self) -> int:
        """How many values a head gives at a position."""
        return int(getattr(self.layer, "value_dim", None) or self.layer.head_dim)

    @property
    def gated(self) -> bool:
        """Whether each value is multiplied by a gate of its own."""
        # one class keeps it under a private name, the other under a public one
        return bool(getattr(self.layer, "_use_gate", False) or getattr(self.layer, "use_gate", False))

    @property
    def shares_values(self) -> bool:
        """Whether several heads take means of the same values."""
        return int(getattr(self.layer, "num_key_value_heads", self.count)) < self.count

    @property
    def values(self) -> Any:
        """The layer that makes from each position what a head takes the mean of."""
        return self.layer._value_dense

    def count_params(self) -> int:
        """Return how many parameters come before the projection."""
        return int(self.layer.count_params() - self.layer._output_dense.count_params())


class Projection:
    """What joins the heads of an attention layer: (B, *positions, heads * channels) to (B, *positions, U)."""

    def __init__(self, heads: Heads) -> None:
        self.layer = heads.layer
        self.dense = heads.layer._output_dense
        self.name = self.dense.name
        self.built = True
        self.weights = self.dense.weights
        self._sizes = heads.count, heads.channels

    def __call__(self, joined: Any) -> Any:
        """Return what the whole layer gives."""
        return self.dense(_shaped(joined, (*joined.shape[1:-1], *self._sizes)))

    def count_params(self) -> int:
        """Return how many parameters the projection has."""
        return int(self.dense.count_params())


class Given:
    """The one argument of a call that Keras has no record of. keras_tensors: as in Keras's own records."""

    def __init__(self, symbol: Any) -> None:
        self.keras_tensors = [symbol]

    def fill_in(self, known: dict[int, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of the call with the values that stand for its symbols, by their id."""
        return (known[id(self.keras_tensors[0])],), {}


def _as_it_is(values: Any) -> Any:
    return values


def _is_one_of(weight: Any, weights: list[Any]) -> bool:
    return any(weight is one for one in weights)


def _shaped(values: Any, inner: tuple[int | None, ...]) -> Any:
    """Return the values with other axes behind the batch, of which those left open are as long as before.

    A mask that Keras hung on them stays behind: what needs one is given it as an argument of its own.
    """
    import keras

    sizes = keras.ops.shape(values)
    open_ = [sizes[place] if size is None else size for place, size in enumerate(inner, 1)]
    return keras.ops.reshape(values, (sizes[0], *open_))
