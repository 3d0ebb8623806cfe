"""What is kept of single images of a batch."""

import numpy as np
import pytest

from reportgen.analysis.activations import traces
from reportgen.analysis.activations.traces import Traced


@pytest.mark.parametrize("every", [1, 3, 50])
def test_images_that_are_not_traced_do_not_stay_in_memory(every: int) -> None:
    generator = np.random.default_rng(0)
    scores, features = generator.random((20, 4), np.float32), generator.random((20, 3), np.float32)
    found = traces.of(scores, features, 40, Traced(every))
    numbers = [number for number in range(40, 60) if number % every == 0]
    assert found.numbers.tolist() == numbers
    assert (found.features == features[[number - 40 for number in numbers]]).all()
    for kept in vars(found).values():
        whole = kept if kept.base is None else kept.base
        assert whole.nbytes == kept.nbytes
