"""The graph of a model, models inside it opened: every call of a layer, and the model run again with a change.

Longer than most modules: a model is opened, run, and run with a change by one and the same list of calls.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reportgen.analysis.activations.directions import Direction, divides
from reportgen.analysis.activations.heads import Given, Heads, Projection, splits

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class Tensor:
    """A value that is computed in the graph, known by its identity. shape: (batch, ...), None for sizes left open."""

    shape: tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer, or of a bare operation.

    name: the layer's, behind the names of the models that it lies in ("base/conv"); of a layer that is called more
    than once it ends in the number of the call ("conv#2"). No two calls of a graph have the same name.
    arguments: as Keras keeps them; given: the values that take the places of its symbolic tensors.
    """

    name: str
    operation: Any
    arguments: Any
    given: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def on(self, values: Mapping[Tensor, Any]) -> list[Any]:
        """Return what the call gives in inference mode, one value for each output. values: of what it is given."""
        # by identity: comparing symbols adds operations to a graph
        symbols = self.arguments.keras_tensors
        known = {id(symbol): values[tensor] for symbol, tensor in zip(symbols, self.given, strict=True)}
        arguments, options = self.arguments.fill_in(known)
        # any layer may be told, Keras drops what its call does not take; a bare operation would raise
        if "training" in getattr(self.operation, "_call_context_args", ()):
            options = {**options, "training": False}  # over what the call was made with, as for a whole model
        return _listed(self.operation(*arguments, **options))


class Graph:
    """The calls of a Sequential or Functional model, in the order in which they are computed.

    Keras gives a layer's own tensors (`layer.output`) only while no other model has called the layer. What belongs
    to this model stands in its nodes, which Keras keeps private. A model inside the model is opened: its calls stand
    here in place of the one call of it, and once more for each further call of it. So is an attention layer: what its
    heads give and the projection of that are two calls, see `heads`. Directions that are passed on apart are two, too,
    see `directions`.
    """

    def __init__(self, model: "keras.Model") -> None:
        self.model = model
        self.input = Tensor(_shape(model.inputs[0]))
        self._drafts: list[Call] = []
        # by the id of their layer, which may be called twice
        self._halves: dict[int, tuple[Heads, Projection]] = {}
        self._directions: dict[int, tuple[Direction, Direction]] = {}
        (self.output,) = self._open(model, [self.input], "")
        self.calls = _named(self._drafts)
        self._consumers: dict[Tensor, list[Call]] = {}
        self._producers = {tensor: call for call in self.calls for tensor in call.outputs}
        # by the call, what no later one is given
        self._last_asked: dict[Call, list[Tensor]] = {}
        last = {tensor: call for call in self.calls for tensor in call.given}
        for tensor, call in last.items():
            if tensor is not self.output:
                self._last_asked.setdefault(call, []).append(tensor)
        for call in self.calls:
            for tensor in call.given:
                self._consumers.setdefault(tensor, []).append(call)

    def layer_calls(self) -> list[Call]:
        """Return the calls of layers, in the order of the summary; inputs and bare operations left out."""
        places = {id(layer): place for place, layer in enumerate(_layers(self.model))}
        found = [call for call in self.calls if id(_layer_of(call)) in places]
        return sorted(found, key=lambda call: places[id(_layer_of(call))])

    def only_consumer(self, tensor: Tensor) -> Call | None:
        """Return the one call that consumes `tensor`, None where there are more or the model gives it out."""
        consumers = self.consumers(tensor)
        # what the model gives out is seen by its caller, too, so a nonlinearity behind it is not all that follows
        return consumers[0] if len(consumers) == 1 and tensor is not self.output else None

    def consumers(self, tensor: Tensor) -> list[Call]:
        """Return the calls that consume `tensor`, in the order of computation."""
        return self._consumers.get(tensor, [])

    def producer(self, tensor: Tensor) -> Call | None:
        """Return the call that gives `tensor`, None for the model's input."""
        return self._producers.get(tensor)

    def run(self, images: Any, change: Callable[[Tensor, Any], Any]) -> Any:
        """Return the model's output for `images`, each computed value replaced by `change(tensor, value)`."""
        return self.runs(images, [change])[0]

    def runs(self, images: Any, changes: Sequence[Callable[[Tensor, Any], Any]]) -> list[Any]:
        """Return the output as `run` does for each of several changes; what is the same for some is computed once.

        A change that leaves a value as it is returns the same object, which is how it is known.
        """
        import keras

        values: dict[Tensor, list[Any]] = {
            self.input: [keras.ops.cast(images, self.model.inputs[0].dtype)] * len(changes)
        }
        for call in self.calls:
            computed: dict[tuple[int, ...], list[Any]] = {}
            for place, change in enumerate(changes):
                given = {tensor: values[tensor][place] for tensor in call.given}
                # ids are not given away again while `values` holds what they belong to, all that this call is given
                same = tuple(map(id, given.values()))
                if same not in computed:
                    computed[same] = call.on(given)
                for tensor, value in zip(call.outputs, computed[same], strict=True):
                    values.setdefault(tensor, []).append(change(tensor, value))
            for tensor in self._last_asked.get(call, ()):
                del values[tensor]  # a large model's values together may take more memory than there is
        return values[self.output]

    def reached(self, tensor: Tensor, until: Tensor | None = None) -> list[Call]:
        """Return the calls that depend on a tensor, in the order in which they are computed.

        until: only those on the way to this one.
        """
        found, touched = [], {tensor}
        for call in self.calls:
            if not touched.isdisjoint(call.given):
                found.append(call)
                touched.update(call.outputs)
        if until is None:
            return found
        needed, on_the_way = {until}, []
        for call in reversed(found):
            if not needed.isdisjoint(call.outputs):
                on_the_way.append(call)
                needed.update(call.given)
        return on_the_way[::-1]

    def all_values(
        self,
        images: Any,
        seen: Callable[[Tensor, Any], None] | None = None,
        only: Collection[Tensor] | None = None,
    ) -> dict[Tensor, Any]:
        """Return every value for `images`. seen: is shown each as soon as it is computed. only: of these tensors."""
        import keras

        found: dict[Tensor, Any] = {self.input: keras.ops.cast(images, self.model.inputs[0].dtype)}

        def keep(tensor: Tensor, value: Any) -> Any:
            if only is None or tensor in only:
                found[tensor] = value
            if seen is not None:
                seen(tensor, value)
            return value

        self.run(images, keep)
        return found

    def again(self, values: Mapping[Tensor, Any], changed: Tensor, value: Any, wanted: Tensor) -> Any:
        """Return what `wanted` is where `changed` has another value; only what lies between is computed.

        values: as `all_values` gave them, at least those that it is `given_to_change`.
        """
        path = self.reached(changed, until=wanted)
        last = {tensor: place for place, call in enumerate(path) for tensor in call.given}
        found = {changed: value}
        for place, call in enumerate(path):
            given = {tensor: found[tensor] if tensor in found else values[tensor] for tensor in call.given}
            found.update(zip(call.outputs, call.on(given), strict=True))
            for tensor in call.given:
                if last[tensor] == place:
                    found.pop(tensor, None)  # nobody asks again, and it may be large
        return found[wanted] if wanted in found else values[wanted]

    def again_together(
        self, values: Mapping[Tensor, Any], changes: Sequence[tuple[Tensor, Any]], wanted: Tensor
    ) -> list[Any]:
        """Return what `again` gives for each of several changes, (B, ...) values that a tensor has instead.

        All go through a call as one batch from where they differ on: many small ones take as long as they are many.
        values: at least those that each is `given_to_change`. See `goes_together`.
        """
        import tensorflow as tf

        begun: dict[Tensor, list[int]] = {}
        for number, (tensor, _) in enumerate(changes):
            begun.setdefault(tensor, []).append(number)
        paths = {call for tensor in begun for call in self.reached(tensor, until=wanted)}
        path = [call for call in self.calls if call in paths]
        last = {tensor: place for place, call in enumerate(path) for tensor in call.given}
        found: dict[Tensor, tuple[list[int], Any]] = {}

        def note(tensor: Tensor, numbers: list[int], value: Any) -> None:
            more = begun.get(tensor, [])
            parts = [*([value] if numbers else []), *(changes[number][1] for number in more)]
            found[tensor] = [*numbers, *more], parts[0] if len(parts) == 1 else tf.concat(parts, 0)

        made = {tensor for call in path for tensor in call.outputs}
        for tensor in begun:
            if tensor not in made:
                note(tensor, [], None)
        for place, call in enumerate(path):
            numbers = sorted({number for tensor in call.given for number in found.get(tensor, ([], None))[0]})
            given = {tensor: _rows(found.get(tensor), numbers, values.get(tensor)) for tensor in call.given}
            for tensor, value in zip(call.outputs, call.on(given), strict=True):
                note(tensor, numbers, value)
            for tensor in call.given:
                if last[tensor] == place and tensor is not wanted:
                    found.pop(tensor, None)
        numbers, value = found.get(wanted, ([], None))
        apart = dict(zip(numbers, tf.split(value, len(numbers)) if numbers else [], strict=True))
        return [apart[number] if number in apart else values[wanted] for number in range(len(changes))]

    @property
    def masks(self) -> bool:
        """Whether padding is told from other steps: by what Keras hangs on values, which a compiled function drops."""
        operations = [call.operation for call in self.calls]
        return any(kind(one) == "Masking" or getattr(one, "mask_zero", False) for one in operations)

    def goes_together(self, changed: Tensor, wanted: Tensor) -> bool:
        """Return whether all that lies between has a row for each image, so that batches can be joined to one."""
        if self.masks:
            return False
        tensors = {tensor for call in self.reached(changed, until=wanted) for tensor in (*call.given, *call.outputs)}
        return all(len(tensor.shape) > 1 and tensor.shape[0] is None for tensor in tensors)

    def given_to_change(self, changed: Tensor, wanted: Tensor) -> set[Tensor]:
        """Return the tensors whose values `again` takes as they were: what is beside the way, not what lies on it."""
        path = self.reached(changed, until=wanted)
        on_the_way = {changed}.union(*(call.outputs for call in path))
        beside = set[Tensor]().union(*(call.given for call in path)) - on_the_way
        return beside if wanted in on_the_way else {*beside, wanted}

    def values(self, images: Any, wanted: Sequence[Tensor]) -> tuple[Any, list[Any]]:
        """Return the model's output for `images`, and the values of the tensors that are wanted."""
        import keras

        kept = set(wanted)
        found: dict[Tensor, Any] = {self.input: keras.ops.cast(images, self.model.inputs[0].dtype)}

        def keep(tensor: Tensor, value: Any) -> Any:
            if tensor in kept:
                found[tensor] = value
            return value

        output = self.run(images, keep)
        return output, [found[tensor] for tensor in wanted]

    def _open(self, model: Any, given: Sequence[Tensor], path: str) -> list[Tensor]:
        """Add all calls of `model` on `given`, and return its outputs. path: of its name, with a slash behind."""
        function = _function(model)
        known = {id(symbol): tensor for symbol, tensor in zip(function.inputs, given, strict=True)}
        # `model.layers` lists a layer once however often it is called, so nodes it is. Depth counts from the outputs:
        # the deepest are computed first, as in Keras's own run of the graph
        depths = function._nodes_by_depth
        for node in (node for depth in sorted(depths, reverse=True) for node in depths[depth]):
            if node.is_input:  # its tensors are what `given` stands for
                continue
            inputs = tuple(known[id(symbol)] for symbol in node.arguments.keras_tensors)
            name = f"{path}{node.operation.name}"
            # opened where the inputs go on unchanged; else the cast between outside and inside would be left out
            if opens(node.operation) and _takes_as_they_are(node):
                outputs = self._open(node.operation, inputs, f"{name}/")
            elif splits(node.operation):
                outputs = self._split(node, inputs, name)
            elif divides(node.operation):
                outputs = self._divide(node, inputs, name)
            else:
                outputs = [Tensor(_shape(symbol)) for symbol in node.outputs]
                self._drafts.append(Call(name, node.operation, node.arguments, inputs, tuple(outputs)))
            known.update(zip(map(id, node.outputs), outputs, strict=True))
        return [known[id(symbol)] for symbol in function.outputs]

    def _split(self, node: Any, given: tuple[Tensor, ...], name: str) -> list[Tensor]:
        """Add the two calls that an attention layer's is made of, and return the outputs of the whole."""
        layer = node.operation
        if id(layer) not in self._halves:
            heads = Heads(layer)
            self._halves[id(layer)] = heads, Projection(heads)
        heads, projection = self._halves[id(layer)]
        projected, *others = (Tensor(_shape(symbol)) for symbol in node.outputs)
        arguments = node.arguments
        # the query alone has the positions of the outputs; keys and values may be of other lengths
        places = _shape(arguments.args[0] if arguments.args else arguments.kwargs["query"])[1:-1]
        joined = Tensor((projected.shape[0], *places, heads.count * heads.channels))
        self._drafts.append(Call(name, heads, arguments, given, (joined, *others)))
        behind = f"{name}/{projection.name}"
        self._drafts.append(Call(behind, projection, Given(node.outputs[0]), (joined,), (projected,)))
        return [projected, *others]

    def _divide(self, node: Any, given: tuple[Tensor, ...], name: str) -> list[Tensor]:
        """Add one call for each of the two directions of a Bidirectional layer, and return the outputs of the whole."""
        layer = node.operation
        outputs = [Tensor(_shape(symbol)) for symbol in node.outputs]
        for direction in self._directions.setdefault(id(layer), (Direction(layer, 0), Direction(layer, 1))):
            own = tuple(direction.of(outputs))
            self._drafts.append(Call(f"{name}/{direction.name}", direction, node.arguments, given, own))
        return outputs


def kind(operation: Any) -> str:
    """Return the name of a layer's or an operation's class."""
    if isinstance(operation, Heads):
        operation = operation.layer
    if isinstance(operation, Direction):
        operation = operation.way
    return type(operation.dense if isinstance(operation, Projection) else operation).__name__


def has_weights(operation: Any) -> bool:
    """Return whether a layer, or an operation, has weights, learnt or not."""
    return bool(getattr(operation, "weights", ()))


def opens(operation: Any) -> bool:
    """Return whether an operation is a model whose own calls are known."""
    # by what is needed, not by class: a Sequential that was never built has no graph, a subclass of Model has none
    return hasattr(_function(operation), "_nodes_by_depth")


def _layer_of(call: Call) -> Any:
    """Return the layer that a call is of, or a part of."""
    operation = call.operation
    return operation.layer if isinstance(operation, Heads | Projection | Direction) else operation


def _function(model: Any) -> Any:
    return getattr(model, "_functional", None) or model  # a Sequential keeps its graph in there


def _takes_as_they_are(node: Any) -> bool:
    """Return whether a model's call hands its inputs on unchanged; Keras may also cast them or add an axis.

    A cast from one float type to another does not count: every layer casts floats to its own type.
    """
    outside, inside = node.arguments.keras_tensors, _function(node.operation).inputs
    return len(outside) == len(inside) and all(
        (a.dtype == b.dtype or ("float" in a.dtype and "float" in b.dtype)) and len(a.shape) == len(b.shape)
        for a, b in zip(outside, inside, strict=True)
    )


def _layers(model: Any) -> list[Any]:
    """Return all layers in the order of the summary, those of a model inside the model in its place."""
    found: list[Any] = []
    for layer in model.layers:
        found += [layer, *(_layers(layer) if opens(layer) else [])]
    return found


def _named(drafts: list[Call]) -> list[Call]:
    """Return the calls with a number behind each name that occurs more than once."""
    times, seen = Counter(call.name for call in drafts), Counter[str]()
    named = []
    for call in drafts:
        seen[call.name] += 1
        named.append(replace(call, name=f"{call.name}#{seen[call.name]}") if times[call.name] > 1 else call)
    return named


def _rows(known: tuple[list[int], Any] | None, numbers: Sequence[int], plain: Any) -> Any:
    """Return the batches of some changes behind each other.

    known: of those that change a value; plain: what it is for the others.
    """
    import tensorflow as tf

    there, value = known if known is not None else ([], None)
    if list(there) == list(numbers):
        return value
    parts = dict(zip(there, tf.split(value, len(there)) if there else [], strict=True))
    return tf.concat([parts.get(number, plain) for number in numbers], 0)


def _shape(symbol: Any) -> tuple[int | None, ...]:
    return tuple(None if size is None else int(size) for size in symbol.shape)


def _listed(results: Any) -> list[Any]:
    import keras

    listed: list[Any] = keras.tree.flatten(results)
    return listed
