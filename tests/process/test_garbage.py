"""Blocks in which Python looks for no garbage."""

import gc

import pytest

from reportgen.process import garbage


def test_python_looks_for_garbage_again_after_the_block_whatever_ends_it() -> None:
    with garbage.left_alone():
        assert not gc.isenabled()
        with garbage.left_alone():
            assert not gc.isenabled()
        assert not gc.isenabled(), "the outer block goes on"
    assert gc.isenabled()
    with pytest.raises(ValueError, match="ends it"), garbage.left_alone():
        raise ValueError("ends it")
    assert gc.isenabled()
