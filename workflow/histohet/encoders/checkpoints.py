"""Names under which parameters are published, and strict loading of them.

A layout says, for a parameter of ours, the published tensors it is made of: usually one, several
where the published network keeps apart what ours joins along the first axis.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from histohet.encoders.entry import EncoderError
from histohet.encoders.networks import computed_buffers

HEADS = {"head", "fc", "classifier", "_fc"}
"""First part of the parameter names of classifiers, which are not used."""

DINOV2 = {
    r"cls_token": [r"embeddings.cls_token"],
    r"pos_embed": [r"embeddings.position_embeddings"],
    r"patch_embed\.proj\.(\w+)": [r"embeddings.patch_embeddings.projection.\1"],
    r"blocks\.(\d+)\.(norm\d|mlp\.fc\d)\.(\w+)": [r"encoder.layer.\1.\2.\3"],
    r"blocks\.(\d+)\.attn\.qkv\.(\w+)": [
        r"encoder.layer.\1.attention.attention.query.\2",
        r"encoder.layer.\1.attention.attention.key.\2",
        r"encoder.layer.\1.attention.attention.value.\2",
    ],
    r"blocks\.(\d+)\.attn\.proj\.(\w+)": [r"encoder.layer.\1.attention.output.dense.\2"],
    r"blocks\.(\d+)\.ls(\d)\.gamma": [r"encoder.layer.\1.layer_scale\2.lambda1"],
    r"norm\.(\w+)": [r"layernorm.\1"],
}
"""Names of timm's vision transformers, and those of transformers' Dinov2Model."""


def dinov2(name: str) -> list[str]:
    """Name a parameter as transformers' Dinov2Model does, which keeps query, key, value apart."""
    for pattern, published in DINOV2.items():
        if match := re.fullmatch(pattern, name):
            return [match.expand(template) for template in published]
    raise EncoderError(f"transformers' Dinov2Model has no place for {name}")


def old_swin(name: str) -> list[str]:
    """Name a parameter as timm 0.5 does, whose Swin stages end, not begin, with a reduction."""
    stage = re.match(r"layers\.(\d+)\.downsample\.", name)
    return [f"layers.{int(stage[1]) - 1}{name[stage.end(1) :]}" if stage else name]


# Parts of timm's EfficientNet, and efficientnet_pytorch's names for them: around the blocks, in the
# first block, which expands nothing, and in the others.
EFFICIENTNET_PARTS = {
    "conv_stem": "_conv_stem",
    "bn1": "_bn0",
    "conv_head": "_conv_head",
    "bn2": "_bn1",
}
EFFICIENTNET_FIRST_PARTS = {
    "conv_dw": "_depthwise_conv",
    "bn1": "_bn1",
    "conv_pw": "_project_conv",
    "bn2": "_bn2",
}
EFFICIENTNET_BLOCK_PARTS = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}
EFFICIENTNET_DEPTHS = (1, 2, 2, 3, 3, 4, 1)
"""Blocks of the stages of EfficientNet-B0 (Tan and Le 2019, table 1) and -Lite0."""


def efficientnet_pytorch(name: str) -> list[str]:
    """Name a parameter of EfficientNet-Lite0 as efficientnet_pytorch does: blocks in one row."""
    block = re.fullmatch(r"blocks\.(\d+)\.(\d+)\.(\w+)\.(\w+)", name)
    if not block:
        part, _, parameter = name.partition(".")
        return [f"{EFFICIENTNET_PARTS[part]}.{parameter}"]
    stage, place = int(block[1]), int(block[2])
    parts = EFFICIENTNET_BLOCK_PARTS if stage else EFFICIENTNET_FIRST_PARTS
    number = sum(EFFICIENTNET_DEPTHS[:stage]) + place
    return [f"_blocks.{number}.{parts[block[3]]}.{block[4]}"]


LAYOUTS: Mapping[str, Callable[[str], list[str]]] = {
    "timm": lambda name: [name],
    "dinov2": dinov2,
    "old_swin": old_swin,
    "efficientnet_pytorch": efficientnet_pytorch,
}
UNUSED = {"embeddings.mask_token"}
"""Published tensors that only training uses."""


def load_published(model: nn.Module, published: Mapping[str, Tensor], layout: str) -> None:
    """Load published tensors, to the last one, into a network (in float32).

    Parameters
    ----------
    model
        As `create_empty` makes it; the tensors become its parameters and are not copied.
    published
        Tensors by published name. What the network computes itself may be among them, and must
        agree; classifiers and what only training uses are passed over.
    layout
        Name in `LAYOUTS`.

    Raises
    ------
    EncoderError
        If a tensor is missing, one too many, or of another shape; the message counts and shows
        them.
    """
    names = LAYOUTS[layout]
    parts = {own: names(own) for own in model.state_dict()}
    known = {part for several in parts.values() for part in several}
    computed = {names(own)[0]: buffer for own, buffer in computed_buffers(model).items()}
    passed = {name for name in published if name in UNUSED or name.split(".")[0] in HEADS}
    problems = [
        ("missing", known - published.keys()),
        ("unexpected", published.keys() - known - computed.keys() - passed),
        ("different from what is computed", _disagreeing(computed, published)),
    ]
    if not problems[0][1]:
        loaded = {own: _join(published, several) for own, several in parts.items()}
        problems.append(("of another shape", _misshapen(model, loaded)))
    found = [f"{len(some)} {what}: {_shown(some)}" for what, some in problems if some]
    if found:
        raise EncoderError("; ".join(found))
    model.load_state_dict(loaded, strict=True, assign=True)
    model.requires_grad_(False)


def _join(published: Mapping[str, Tensor], names: list[str]) -> Tensor:
    tensors = [published[name] for name in names]
    joined = tensors[0] if len(tensors) == 1 else torch.cat(tensors)
    return joined.float() if joined.is_floating_point() else joined


def _misshapen(model: nn.Module, loaded: Mapping[str, Tensor]) -> set[str]:
    return {
        f"{name} {tuple(loaded[name].shape)} for {tuple(wanted.shape)}"
        for name, wanted in model.state_dict().items()
        if loaded[name].shape != wanted.shape
    }


def _disagreeing(computed: Mapping[str, Tensor], published: Mapping[str, Tensor]) -> set[str]:
    return {
        name
        for name, buffer in computed.items()
        if name in published and not torch.equal(published[name].to(buffer.dtype), buffer)
    }


def _shown(names: Iterable[str], most: int = 3) -> str:
    """Return the first few names."""
    first = sorted(names)
    return ", ".join(first[:most]) + (", …" if len(first) > most else "")
