"""How much work it is to run parts of a model, so that large ones stay within a bound."""

import numpy as np

from reportgen.analysis.activations.graph import Call, Graph, Tensor


def of(call: Call) -> int:
    """Return about how many multiplications a call takes for one image: its weights at each position, and outputs."""
    shape = [size or 1 for size in call.outputs[0].shape[1:]]
    kernels = sum(int(np.prod(one.shape)) for one in getattr(call.operation, "weights", ()) if len(one.shape) > 1)
    if "Embedding" in type(call.operation).__name__:
        kernels = 0  # looks its rows up
    return int(np.prod(shape)) + kernels * int(np.prod(shape[:-1], dtype=np.int64))


def behind(graph: Graph, tensor: Tensor) -> int:
    """Return the work of all calls that a tensor reaches, for one image."""
    return sum(map(of, graph.reached(tensor)))
