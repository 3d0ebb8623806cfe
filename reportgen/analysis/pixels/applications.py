"""Networks of keras.applications with trained weights in a model, and how they want their pixels."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from reportgen.analysis.activations.graph import Call, Graph, Tensor, has_weights

_MODES = (
    ("caffe", r"vgg1[69]|resnet(50|101|152)"),
    ("-1-1", r"mobilenet_\d.*|mobilenetv2_.*|inception_v3|inception_resnet_v2|xception|nasnet(_mobile|_large)?"),
    ("-1-1", r"resnet(50|101|152)v2"),
    ("torch", r"densenet(121|169|201)?"),
)
"""The mode of each family's preprocess_input, by the names that Keras gives the models. Other families begin with a
Rescaling of their own."""

_LAYERS = {
    "VGG": ("caffe", {"block1_conv1", "block1_conv2", "block5_conv3", "block5_pool"}),
    "ResNet": ("caffe", {"conv1_conv", "conv1_bn", "conv2_block1_1_conv", "conv5_block3_out"}),
    "ResNetV2": ("-1-1", {"conv1_conv", "conv2_block1_preact_bn", "post_bn"}),
    "MobileNet": ("-1-1", {"conv1", "conv1_bn", "conv_dw_1", "conv_pw_13"}),
    "MobileNetV2": ("-1-1", {"Conv1", "bn_Conv1", "expanded_conv_depthwise", "Conv_1"}),
    "DenseNet": ("torch", {"conv2_block1_0_bn", "pool2_conv", "pool4_conv"}),
    "Xception": ("-1-1", {"block1_conv1", "block1_conv1_bn", "block14_sepconv2"}),
    "InceptionV3": ("-1-1", {"mixed0", "mixed7", "mixed10"}),
    "InceptionResNetV2": ("-1-1", {"mixed_5b", "conv_7b"}),
    "NASNet": ("-1-1", {"stem_conv1", "stem_bn1"}),
}
"""Names of layers that tell a family where its layers stand in a model of another name, the usual `base.output`."""


@dataclass(frozen=True)
class Network:
    """A network with trained weights. name: as it is. mode: the --pixels it takes. given: what it computes on."""

    name: str
    mode: str
    given: Tensor


def held(graph: Graph) -> Network | None:
    """Return the first network of keras.applications that a model is or holds, None without a trained one."""
    groups: dict[str, list[Call]] = {}
    for call in graph.calls:
        groups.setdefault(call.name.rpartition("/")[0], []).append(call)
    for path, calls in groups.items():
        found = _family(path.rpartition("/")[2] or str(graph.model.name), calls)
        learnt = [call for call in calls if has_weights(call.operation)]
        if found and any(map(_is_trained, (call.operation for call in learnt))):
            return Network(*found, learnt[0].given[0])
    return None


def _family(name: str, calls: list[Call]) -> tuple[str, str] | None:
    """Return the name and the mode of the network that is called `name` or has layers of such names."""
    for mode, pattern in _MODES:
        if re.fullmatch(rf"(?:{pattern})(?:_\d+)?", name.lower()):
            return name, mode
    layers = {call.operation.name for call in calls}
    return next(((name, mode) for name, (mode, telling) in _LAYERS.items() if telling <= layers), None)


def _is_trained(layer: Any) -> bool:
    """Return whether a bias or a moving mean has left the zero that it begins with."""
    return any(np.any(np.asarray(w)) for w in layer.weights if w.name in ("bias", "moving_mean"))
