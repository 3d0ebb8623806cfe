"""Which layers belong together, by their names."""

import pytest

from reportgen.render.page import blocks
from reportgen.render.page.blocks import Entry


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("block_3_expand", ["block_3"]),
        ("block_3_expand_BN", ["block_3"]),
        ("conv5_block3_1_conv", ["conv5_block3"]),
        ("conv5_block3_out", ["conv5_block3"]),
        ("block1a_se_reduce", ["block1a"]),
        ("convnext_tiny_stage_0_block_0_depthwise_conv", ["convnext_tiny_stage_0_block_0"]),
        ("expanded_conv_1_expand", ["expanded_conv_1"]),
        ("conv1_bn", ["conv1"]),
        ("stem_conv", ["stem"]),
        ("base/block_3_expand", ["base", "base/block_3"]),
        ("base/conv", ["base"]),
        ("base/conv#2", ["base#2"]),
        # what Keras calls layers by itself tells of no block
        ("conv2d", []),
        ("conv2d_12", []),
        ("conv2d_12_relu", []),
        ("batch_normalization_3", []),
        ("predictions", []),
        ("block_3", []),
    ],
)
def test_a_block_is_what_stands_before_a_number_that_more_follows_on(name: str, path: list[str]) -> None:
    assert list(blocks.path(name)) == path


def test_layers_of_a_block_stand_in_it() -> None:
    names = ["conv", "block_1_expand", "block_1_project", "block_2_expand", "block_2_project", "scores"]
    assert blocks.nested(names) == [
        Entry("conv", 0, 1, []),
        Entry("block_1", 1, 2, [Entry("block_1_expand", 1, 1, []), Entry("block_1_project", 2, 1, [])]),
        Entry("block_2", 3, 2, [Entry("block_2_expand", 3, 1, []), Entry("block_2_project", 4, 1, [])]),
        Entry("scores", 5, 1, []),
    ]


def test_a_block_of_one_layer_is_that_layer_and_keeps_its_whole_name() -> None:
    assert [entry.label for entry in blocks.nested(["base/block_1_expand", "block_2_expand", "scores"])] == [
        "base/block_1_expand",
        "block_2_expand",
        "scores",
    ]


def test_blocks_of_a_model_inside_the_model_stand_in_it() -> None:
    (base, scores) = blocks.nested(["base/block_1_a", "base/block_1_b", "base/top", "scores"])
    assert (base.label, base.first, base.count, scores.first) == ("base", 0, 3, 3)
    assert [(entry.label, entry.first, entry.count) for entry in base.entries] == [("block_1", 0, 2), ("top", 2, 1)]


def test_a_name_without_end_takes_no_time() -> None:
    assert blocks.path("_" * 100_000 + "1") == ()
    assert blocks.path("1_a" * 30_000)
