"""The networks against plain arithmetic on the published tensors, named as they are published."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the encoders' requirements are not installed")

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.published_layouts import (
    COUNTS,
    PUBLISHED,
    RINGS,
    conch,
    count,
    dinov2,
    random_tensors,
    weightless,
)
from histohet.encoders import networks
from histohet.encoders.catalogue import read_catalogue
from histohet.encoders.checkpoints import load_published
from histohet.encoders.entry import EncoderError
from histohet.encoders.networks import (
    computed_buffers,
    create_architecture,
    create_empty,
    import_timm,
)
from histohet.encoders.sre_resnet18 import WIDTHS, SreResNet18

CATALOGUE = read_catalogue()
WITH_WEIGHTS = [name for name, entry in CATALOGUE.items() if entry.needs_torch]
# The same network with other weights.
TWINS = {"h_optimus_1": "h_optimus_0", "ctranspath_chief": "ctranspath"}
IMAGE = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_layouts_written_down_here_have_the_reported_numbers_of_parameters() -> None:
    assert PUBLISHED.keys() == set(WITH_WEIGHTS)
    assert {name: count(PUBLISHED[name]) for name in COUNTS} == COUNTS


def test_a_fresh_process_finds_layers_by_name() -> None:
    """Beside a PyTorch without CUDA timm can only be imported with care (import_timm)."""
    code = (
        "from histohet.encoders.networks import create_empty\n"
        "from histohet.encoders.catalogue import read_catalogue\n"
        "assert create_empty(read_catalogue()['uni2h']).num_features == 1536\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "twin"), TWINS.items())
def test_twins_differ_in_their_weights_alone(name: str, twin: str) -> None:
    one, other = CATALOGUE[name], CATALOGUE[twin]
    assert one.weights != other.weights
    assert PUBLISHED[name] == PUBLISHED[twin]
    for key in ("model", "arguments", "layout", "n_parameters", "width", "pooling"):
        assert getattr(one, key) == getattr(other, key)


def positions_of(model: Any, stage: int | None) -> int | None:
    """Side of what a position covers, as the network says it."""
    if hasattr(model, "num_prefix_tokens"):
        return int(model.patch_embed.patch_size[0])
    if isinstance(model, SreResNet18):
        return 2 ** (len(WIDTHS) - 1)
    if not hasattr(model, "feature_info"):
        return None
    return int(model.feature_info[-1 if stage is None else stage]["reduction"])


@pytest.mark.parametrize("name", [name for name in WITH_WEIGHTS if name not in TWINS])
def test_every_entry_takes_its_published_layout_to_the_last_tensor(name: str) -> None:
    """At full size, with tensors that have a shape and no memory."""
    entry, published = CATALOGUE[name], weightless(PUBLISHED[name])
    model = create_empty(entry)
    assert sum(parameter.numel() for parameter in model.parameters()) == entry.n_parameters
    if entry.stage is None:
        assert model.num_features * (1 + (entry.pooling != "own")) == entry.width
    assert entry.position_px == positions_of(model, entry.stage)
    unused = {"embeddings.mask_token", "fc", "_fc", RINGS}
    needed = [key for key in published if not {key, *key.split(".")} & unused]
    absent = needed[len(needed) // 2]
    with pytest.raises(EncoderError, match=f"^1 missing: {absent}$"):
        fewer = {key: tensor for key, tensor in published.items() if key != absent}
        load_published(model, fewer, entry.layout)
    with pytest.raises(EncoderError, match=r"^1 unexpected: blocks\.99\.ls1\.gamma$"):
        more = published | {"blocks.99.ls1.gamma": torch.zeros(1)}
        load_published(model, more, entry.layout)
    load_published(model, published, entry.layout)
    assert not any(parameter.requires_grad for parameter in model.parameters())


def normalised(x: Tensor, weights: dict[str, Tensor], name: str, eps: float) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + eps)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def attended(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Attention head by head, tile by tile."""
    width = query.shape[-1] // heads
    parts = [slice(h * width, (h + 1) * width) for h in range(heads)]
    return torch.stack(
        [
            torch.cat(
                [torch.softmax(q[:, p] @ k[:, p].T / width**0.5, -1) @ v[:, p] for p in parts], 1
            )
            for q, k, v in zip(query, key, value, strict=True)
        ]
    )


def patches_of(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """(B, rows, columns, width): each patch times the kernel."""
    side = kernel.shape[-1]
    cut = image.unfold(2, side, side).unfold(3, side, side)
    return torch.einsum("bcyxij,wcij->byxw", cut, kernel) + bias


def test_phikon_v2_is_dinov2_as_transformers_computes_it() -> None:
    depth, width, heads = 2, 24, 3
    w = random_tensors(dinov2(width, depth, 16, 17), seed=0)
    w = {name: tensor * 10 for name, tensor in w.items()}
    arguments = {"img_size": 64, "depth": depth, "embed_dim": width, "num_heads": heads}
    changes = {"arguments": arguments | {"init_values": 1.0}, "width": width}
    entry = CATALOGUE["phikon_v2"].model_copy(update=changes)
    model = create_empty(entry)
    load_published(model, w, "dinov2")
    kernel = "embeddings.patch_embeddings.projection"
    patches = patches_of(IMAGE, w[f"{kernel}.weight"], w[f"{kernel}.bias"]).flatten(1, 2)
    x = torch.cat([w["embeddings.cls_token"].expand(2, -1, -1), patches], 1)
    x = x + w["embeddings.position_embeddings"]
    for i in range(depth):
        layer = f"encoder.layer.{i}"

        def linear(values: Tensor, name: str, layer: str = layer) -> Tensor:
            return values @ w[f"{layer}.{name}.weight"].T + w[f"{layer}.{name}.bias"]

        y = normalised(x, w, f"{layer}.norm1", 1e-6)
        q, k, v = (linear(y, f"attention.attention.{n}") for n in ("query", "key", "value"))
        y = linear(attended(q, k, v, heads), "attention.output.dense")
        x = x + y * w[f"{layer}.layer_scale1.lambda1"]
        y = linear(normalised(x, w, f"{layer}.norm2", 1e-6), "mlp.fc1")
        y = linear(y * 0.5 * (1 + torch.erf(y / 2**0.5)), "mlp.fc2")
        x = x + y * w[f"{layer}.layer_scale2.lambda1"]
    expected = normalised(x, w, "layernorm", 1e-6)[:, 0]
    with torch.inference_mode():
        torch.testing.assert_close(model.eval()(IMAGE), expected, rtol=1e-4, atol=1e-4)


def vit_tokens(w: dict[str, Tensor], x: Tensor, depth: int, heads: int) -> Tensor:
    """Blocks and final norm of timm's vision transformer under ``trunk``."""

    def linear(values: Tensor, name: str) -> Tensor:
        return values @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    for i in range(depth):
        block = f"trunk.blocks.{i}"
        y = normalised(x, w, f"{block}.norm1", 1e-6)
        q, k, v = linear(y, f"{block}.attn.qkv").chunk(3, -1)
        x = x + w[f"{block}.ls1.gamma"] * linear(attended(q, k, v, heads), f"{block}.attn.proj")
        y = linear(normalised(x, w, f"{block}.norm2", 1e-6), f"{block}.mlp.fc1")
        y = linear(y * 0.5 * (1 + torch.erf(y / 2**0.5)), f"{block}.mlp.fc2")
        x = x + w[f"{block}.ls2.gamma"] * y
    return normalised(x, w, "trunk.norm", 1e-6)


@pytest.mark.parametrize("side", [64, 128])
def test_conch_pools_its_tokens_by_a_learned_query(side: int) -> None:
    """At the published size of the positions, and at twice that, as it is used."""
    depth, width, token_width, heads = 2, 16, 24, 3
    w = {k: t * 10 for k, t in random_tensors(conch(width, token_width, depth, 16, 17), 0).items()}
    trunk = {"img_size": 64, "depth": depth, "embed_dim": token_width, "num_heads": heads}
    changes = {"arguments": trunk | {"width": width}, "width": width}
    entry = CATALOGUE["conch_v1_5"].model_copy(update=changes)
    model = create_empty(entry)
    load_published(model, w, "timm")
    image = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    kernel = "trunk.patch_embed.proj"
    patches = patches_of(image, w[f"{kernel}.weight"], w[f"{kernel}.bias"])
    positions = w["trunk.pos_embed"][0]
    grid, n = positions[1:].reshape(4, 4, -1), side // 16
    if n != 4:
        grid = enlarged(grid, n)
    patches = (patches + grid).flatten(1, 2)
    first = (w["trunk.cls_token"] + positions[0]).expand(2, -1, -1)
    tokens = vit_tokens(w, torch.cat([first, patches], 1), depth, heads)
    pool = "attn_pool_contrast"
    seen = normalised(tokens, w, f"{pool}.ln_k", 1e-5) @ w[f"{pool}.to_kv.weight"].T
    asked = normalised(w[f"{pool}.query"], w, f"{pool}.ln_q", 1e-5) @ w[f"{pool}.to_q.weight"].T
    pooled = attended(asked.expand(2, 1, -1), seen[..., :width], seen[..., width:], 8)
    expected = normalised(pooled[:, 0] @ w[f"{pool}.to_out.weight"].T, w, "ln_contrast", 1e-5)
    with torch.inference_mode():
        torch.testing.assert_close(model.eval()(image), expected, rtol=1e-4, atol=1e-4)


def enlarged(grid: Tensor, n: int) -> Tensor:
    """Bicubic interpolation (a = -0.75) to n × n by the scale (n + 0.1) / side, by its formula."""

    def kernel(t: float) -> float:
        t, a = abs(t), -0.75
        if t <= 1:
            return (a + 2) * t**3 - (a + 3) * t**2 + 1
        return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0

    side = len(grid)
    matrix = torch.zeros(n, side)
    for i in range(n):
        centre = (i + 0.5) / ((n + 0.1) / side) - 0.5
        for j in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
            matrix[i, min(max(j, 0), side - 1)] += kernel(centre - j)
    return torch.einsum("yi,xj,ijw->yxw", matrix, matrix, grid)


def test_ctranspath_reads_files_of_timm_0_5_as_timm_does() -> None:
    """The buffers in old files are those that public loaders name; timm maps the names alike."""
    model = create_empty(CATALOGUE["ctranspath"])
    shifted = {name for name in computed_buffers(model) if name.endswith("attn_mask")}
    assert shifted == {
        "layers.0.blocks.1.attn_mask",
        "layers.1.blocks.1.attn_mask",
        "layers.2.blocks.1.attn_mask",
        "layers.2.blocks.3.attn_mask",
        "layers.2.blocks.5.attn_mask",
    }
    published = random_tensors(PUBLISHED["ctranspath"], seed=0)
    from_timm = import_timm().models.swin_transformer.checkpoint_filter_fn(
        {k: v for k, v in published.items() if k != "patch_embed.proj.0.weight"}, model
    )
    load_published(model, published | computed_buffers(model), "old_swin")
    for name, tensor in from_timm.items():
        assert torch.equal(model.state_dict()[name], tensor)
    wrong = published | {"layers.0.blocks.1.attn_mask": torch.zeros(64, 49, 49)}
    with pytest.raises(
        EncoderError, match=r"1 different from what is computed: layers\.0\.blocks\.1"
    ):
        load_published(create_empty(CATALOGUE["ctranspath"]), wrong, "old_swin")


def test_conv_stem_is_three_convolutions_for_one() -> None:
    stem = create_architecture(CATALOGUE["ctranspath"]).patch_embed.eval()
    published = random_tensors(PUBLISHED["ctranspath"], seed=0)
    prefix = "patch_embed."
    w = {k.removeprefix(prefix): v for k, v in published.items() if k.startswith(prefix)}
    stem.load_state_dict(w)
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    x = image
    for conv, norm in ((0, 1), (3, 4)):
        x = F.conv2d(x, w[f"proj.{conv}.weight"], stride=2, padding=1)
        mean, var = (w[f"proj.{norm}.running_{which}"][:, None, None] for which in ("mean", "var"))
        scale, shift = (w[f"proj.{norm}.{which}"][:, None, None] for which in ("weight", "bias"))
        x = ((x - mean) / torch.sqrt(var + 1e-5) * scale + shift).clamp(min=0)
    x = torch.einsum("bchw,oc->bhwo", x, w["proj.6.weight"][:, :, 0, 0]) + w["proj.6.bias"]
    with torch.inference_mode():
        found = stem(image)
    assert found.shape == (1, 56, 56, 96)
    torch.testing.assert_close(found, normalised(x, w, "norm", 1e-5), rtol=1e-4, atol=1e-4)


def test_shapes_are_compared_and_named() -> None:
    entry = CATALOGUE["lunit_dino_16"]
    published = weightless(PUBLISHED["lunit_dino_8"])
    with pytest.raises(
        EncoderError, match=r"^2 of another shape: patch_embed.*\(384, 3, 8, 8\) for"
    ):
        load_published(create_empty(entry), published, entry.layout)


def test_many_problems_make_one_message() -> None:
    entry = CATALOGUE["uni"]
    with pytest.raises(EncoderError, match=r"^342 missing: blocks.*, …; 438 unexpected: emb.*, …$"):
        load_published(create_empty(entry), weightless(PUBLISHED["phikon_v2"]), entry.layout)
    with pytest.raises(EncoderError, match="Dinov2Model has no place for reg_token"):
        load_published(create_empty(CATALOGUE["uni2h"]), {}, "dinov2")


class Hidden(torch.nn.Module):
    """A network with a tensor that is neither parameter nor buffer, as `made` creates it."""

    num_features = 2

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(2))
        self.table = torch.arange(2.0)


class Measured(Hidden):
    """One that computes with values of its own while it is created."""

    def __init__(self) -> None:
        super().__init__()
        self.last = self.table[-1].item()


@pytest.mark.parametrize("network", [Hidden, Measured])
def test_what_a_network_computes_itself_has_memory(
    network: type[Hidden], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(networks)["ARCHITECTURES"], "hidden", network)
    entry = CATALOGUE["uni"].model_copy(update={"model": "hidden", "arguments": {}})
    model: Any = create_empty(entry)
    assert torch.equal(model.table, torch.arange(2.0))
