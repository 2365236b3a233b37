"""Names and shapes of the tensors in the published checkpoints, written down apart from the code.

From model cards, configurations, public loaders and the layouts of timm and transformers; no file
was opened. `COUNTS` is what others report for the networks built from these files.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod

import numpy as np
import torch

Shapes = dict[str, tuple[int, ...]]

COUNTS = {
    "efficientnet_lite0": 3_371_008,
    "uni": 303_350_784,
    "uni2h": 681_394_176,
    "virchow2": 631_239_424,
    "h_optimus_0": 1_134_774_272,
    "h_optimus_1": 1_134_774_272,
    "gigapath": 1_134_953_984,
    "phikon_v2": 303_351_808,  # with the mask token, 1,024
    "conch_v1_5": 306_109_184,
    "resnet50": 23_508_032,
    "sre_resnet18": 3_991_680,
}


def linear(name: str, inputs: int, outputs: int, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (outputs, inputs)} | ({f"{name}.bias": (outputs,)} if bias else {})


def norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def batch_norms(channels: dict[str, int]) -> Shapes:
    """Shapes of batch normalisations, by name."""
    shapes: Shapes = {}
    for name, width in channels.items():
        shapes |= norm(name, width) | {f"{name}.num_batches_tracked": ()}
        shapes |= {f"{name}.running_mean": (width,), f"{name}.running_var": (width,)}
    return shapes


def vit(
    width: int,
    depth: int,
    patch: int,
    positions: int,
    hidden: int,
    registers: int = 0,
    gated: bool = False,
    scaled: bool = True,
) -> Shapes:
    """Return timm's layout of a vision transformer."""
    shapes: Shapes = {"cls_token": (1, 1, width), "pos_embed": (1, positions, width)}
    if registers:
        shapes["reg_token"] = (1, registers, width)
    shapes |= {"patch_embed.proj.weight": (width, 3, patch, patch)}
    shapes |= {"patch_embed.proj.bias": (width,)} | norm("norm", width)
    for i in range(depth):
        block = f"blocks.{i}"
        shapes |= norm(f"{block}.norm1", width) | norm(f"{block}.norm2", width)
        shapes |= linear(f"{block}.attn.qkv", width, 3 * width)
        shapes |= linear(f"{block}.attn.proj", width, width)
        shapes |= linear(f"{block}.mlp.fc1", width, hidden)
        shapes |= linear(f"{block}.mlp.fc2", hidden // 2 if gated else hidden, width)
        if scaled:
            shapes |= {f"{block}.ls1.gamma": (width,), f"{block}.ls2.gamma": (width,)}
    return shapes


def dinov2(width: int, depth: int, patch: int, positions: int) -> Shapes:
    """Return the layout of transformers' Dinov2Model."""
    shapes: Shapes = {
        "embeddings.cls_token": (1, 1, width),
        "embeddings.mask_token": (1, width),
        "embeddings.position_embeddings": (1, positions, width),
        "embeddings.patch_embeddings.projection.weight": (width, 3, patch, patch),
        "embeddings.patch_embeddings.projection.bias": (width,),
    } | norm("layernorm", width)
    for i in range(depth):
        layer = f"encoder.layer.{i}"
        shapes |= norm(f"{layer}.norm1", width) | norm(f"{layer}.norm2", width)
        for part in ("query", "key", "value"):
            shapes |= linear(f"{layer}.attention.attention.{part}", width, width)
        shapes |= linear(f"{layer}.attention.output.dense", width, width)
        shapes |= linear(f"{layer}.mlp.fc1", width, 4 * width)
        shapes |= linear(f"{layer}.mlp.fc2", 4 * width, width)
        shapes |= {f"{layer}.layer_scale{j}.lambda1": (width,) for j in (1, 2)}
    return shapes


def conch(width: int, trunk_width: int, depth: int, patch: int, positions: int) -> Shapes:
    """Return the layout of the vision part of CONCH v1.5."""
    trunk = vit(trunk_width, depth, patch, positions, 4 * trunk_width)
    pool = "attn_pool_contrast"
    return (
        {f"trunk.{name}": shape for name, shape in trunk.items()}
        | {f"{pool}.query": (1, width)}
        | norm(f"{pool}.ln_k", trunk_width)
        | norm(f"{pool}.ln_q", width)
        | linear(f"{pool}.to_q", width, width, bias=False)
        | linear(f"{pool}.to_kv", trunk_width, 2 * width, bias=False)
        | linear(f"{pool}.to_out", width, width, bias=False)
        | norm("ln_contrast", width)
    )


def ctranspath() -> Shapes:
    """Return the layout of CTransPath: Swin-T of timm 0.5 with a stem of convolutions."""
    shapes: Shapes = {"patch_embed.proj.0.weight": (12, 3, 3, 3)}
    shapes |= {"patch_embed.proj.3.weight": (24, 12, 3, 3)}
    shapes |= {"patch_embed.proj.6.weight": (96, 24, 1, 1), "patch_embed.proj.6.bias": (96,)}
    for i, channels in ((1, 12), (4, 24)):
        shapes |= norm(f"patch_embed.proj.{i}", channels)
        shapes |= {f"patch_embed.proj.{i}.running_mean": (channels,)}
        shapes |= {f"patch_embed.proj.{i}.running_var": (channels,)}
        shapes |= {f"patch_embed.proj.{i}.num_batches_tracked": ()}
    shapes |= norm("patch_embed.norm", 96) | norm("norm", 768)
    for stage, (depth, heads) in enumerate(zip((2, 2, 6, 2), (3, 6, 12, 24), strict=True)):
        width = 96 * 2**stage
        for i in range(depth):
            block = f"layers.{stage}.blocks.{i}"
            shapes |= norm(f"{block}.norm1", width) | norm(f"{block}.norm2", width)
            shapes |= linear(f"{block}.attn.qkv", width, 3 * width)
            shapes |= linear(f"{block}.attn.proj", width, width)
            shapes |= linear(f"{block}.mlp.fc1", width, 4 * width)
            shapes |= linear(f"{block}.mlp.fc2", 4 * width, width)
            shapes |= {f"{block}.attn.relative_position_bias_table": (169, heads)}
        if stage < 3:
            shapes |= norm(f"layers.{stage}.downsample.norm", 4 * width)
            shapes |= linear(f"layers.{stage}.downsample.reduction", 4 * width, 2 * width, False)
    return shapes


def resnet50() -> Shapes:
    """Return the layout of torchvision's and timm's ResNet-50, with its classifier."""
    shapes: Shapes = {"conv1.weight": (64, 3, 7, 7)} | linear("fc", 2048, 1000)
    normalised = {"bn1": 64}
    before = 64
    for stage, depth in enumerate((3, 4, 6, 3)):
        inner, after = 64 * 2**stage, 256 * 2**stage
        for i in range(depth):
            block = f"layer{stage + 1}.{i}"
            shapes |= {f"{block}.conv1.weight": (inner, before, 1, 1)}
            shapes |= {f"{block}.conv2.weight": (inner, inner, 3, 3)}
            shapes |= {f"{block}.conv3.weight": (after, inner, 1, 1)}
            normalised |= {f"{block}.bn1": inner, f"{block}.bn2": inner, f"{block}.bn3": after}
            if i == 0:
                shapes |= {f"{block}.downsample.0.weight": (after, before, 1, 1)}
                normalised |= {f"{block}.downsample.1": after}
            before = after
    return shapes | batch_norms(normalised)


RINGS = "weight_index_mat"
"""Name of the cells of the rings of a kernel, beside its weights."""


def ring_convolution(name: str, before: int, after: int, size: int) -> Shapes:
    bands = size // 2 + 1
    cells = {f"{name}.{RINGS}": (1, 1, bands, size**2)}
    return {f"{name}.weight": (after, before, bands)} | cells


def sre_resnet18(kernels: tuple[int, ...] = (9, 9, 5, 5), first: int = 7) -> Shapes:
    """Return the layout of SRE-Conv's ResNet-18 with averages for strides, with its classifier."""
    shapes = ring_convolution("conv1", 3, 64, first) | linear("fc", 512, 9)
    normalised = {"bn1": 64}
    before = 64
    for stage, size in enumerate(kernels):
        after = 64 * 2**stage
        for i in range(2):
            block, halves = f"layer{stage + 1}.{i}", stage > 0 and i == 0
            inner = f"{block}.conv1.1" if halves else f"{block}.conv1"
            shapes |= ring_convolution(inner, before, after, size)
            shapes |= ring_convolution(f"{block}.conv2", after, after, size)
            normalised |= {f"{block}.bn1": after, f"{block}.bn2": after}
            if halves:
                shapes |= {f"{block}.downsample.1.weight": (after, before, 1, 1)}
                normalised |= {f"{block}.downsample.2": after}
            before = after
    return shapes | batch_norms(normalised)


def ring_cells(shape: tuple[int, ...]) -> torch.Tensor:
    """Return which cells belong to each ring: bands of equal width up to half the side."""
    bands, size = shape[2], round(shape[3] ** 0.5)
    place = np.arange(size) - size // 2
    distance = np.hypot(place[:, np.newaxis], place)
    edges = np.linspace(0, size / 2, bands + 1)
    rings = [(distance >= inner) & (distance < outer) for inner, outer in pairwise(edges)]
    return torch.tensor(np.array(rings).reshape(shape), dtype=torch.float32)


# Kernel, channels and number of blocks of the stages of EfficientNet-B0 (Tan and Le 2019, table 1).
EFFICIENTNET_STAGES = ((3, 16, 1), (3, 24, 2), (5, 40, 2), (3, 80, 3), (5, 112, 3), (5, 192, 4))
EFFICIENTNET_STAGES += ((3, 320, 1),)


def efficientnet_lite0() -> Shapes:
    """Return efficientnet_pytorch's layout of EfficientNet-Lite0: no squeeze and excitation."""
    shapes: Shapes = {"_conv_stem.weight": (32, 3, 3, 3)} | linear("_fc", 1280, 1000)
    shapes |= {"_conv_head.weight": (1280, 320, 1, 1)}
    normalised = {"_bn0": 32, "_bn1": 1280}
    before, number = 32, 0
    for kernel, after, depth in EFFICIENTNET_STAGES:
        for _ in range(depth):
            block, inner = f"_blocks.{number}", before * (6 if number else 1)
            if number:
                shapes |= {f"{block}._expand_conv.weight": (inner, before, 1, 1)}
                normalised |= {f"{block}._bn0": inner}
            shapes |= {f"{block}._depthwise_conv.weight": (inner, 1, kernel, kernel)}
            shapes |= {f"{block}._project_conv.weight": (after, inner, 1, 1)}
            normalised |= {f"{block}._bn1": inner, f"{block}._bn2": after}
            before, number = after, number + 1
    return shapes | batch_norms(normalised)


PUBLISHED = {
    "efficientnet_lite0": efficientnet_lite0(),
    "uni": vit(1024, 24, 16, 197, 4096),
    "uni2h": vit(1536, 24, 14, 256, 8192, registers=8, gated=True),
    "virchow2": vit(1280, 32, 14, 261, 6832, registers=4, gated=True),
    "h_optimus_0": vit(1536, 40, 14, 256, 8192, registers=4, gated=True),
    "h_optimus_1": vit(1536, 40, 14, 256, 8192, registers=4, gated=True),
    "gigapath": vit(1536, 40, 16, 197, 8192, gated=True),
    "phikon_v2": dinov2(1024, 24, 16, 197),
    "conch_v1_5": conch(768, 1024, 24, 16, 197),
    "ctranspath": ctranspath(),
    "ctranspath_chief": ctranspath(),
    "lunit_dino_16": vit(384, 12, 16, 197, 1536, scaled=False),
    "lunit_dino_8": vit(384, 12, 8, 785, 1536, scaled=False),
    "resnet50": resnet50(),
    "sre_resnet18": sre_resnet18(),
}


def count(shapes: Shapes) -> int:
    """Number of parameters, without classifier and running statistics."""
    statistics = ("running_mean", "running_var", "num_batches_tracked", RINGS)
    return sum(
        prod(shape)
        for name, shape in shapes.items()
        if not name.endswith(statistics) and not name.startswith(("fc.", "_fc."))
    )


def random_tensors(shapes: Shapes, seed: int) -> dict[str, torch.Tensor]:
    """Return small random tensors; the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)

    def one(name: str, shape: tuple[int, ...]) -> torch.Tensor:
        if name.endswith("num_batches_tracked"):
            return torch.tensor(1)
        if name.endswith(RINGS):
            return ring_cells(shape)
        tensor = torch.empty(shape).normal_(std=0.02, generator=generator)
        return tensor.abs_().add_(0.5) if name.endswith("running_var") else tensor

    return {name: one(name, shape) for name, shape in shapes.items()}


def weightless(shapes: Shapes) -> dict[str, torch.Tensor]:
    """Return tensors that have a shape and no memory, but for those that must have a value."""
    return {
        name: ring_cells(shape) if name.endswith(RINGS) else torch.empty(shape, device="meta")
        for name, shape in shapes.items()
    }
