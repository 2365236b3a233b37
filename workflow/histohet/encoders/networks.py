"""The networks of the catalogue: timm's, and what timm does not express by arguments alone.

Modules bear the names under which the parameters are published.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from histohet.common.torchvision import import_with_torchvision
from histohet.encoders.entry import EncoderEntry, EncoderError
from histohet.encoders.sre_resnet18 import SreResNet18

LAYER_MODULES = {"timm.layers", "torch.nn", __name__}
"""Modules whose classes the arguments of an architecture may name."""


class ConvStem(nn.Module):
    """CTransPath's first layer in place of a Swin transformer's: three convolutions for one.

    Two halve the image and double the channels, each with batch normalisation and a ReLU, the last
    one brings the channels to `embed_dim` (Wang et al. 2022, section 3.3).

    Parameters
    ----------
    img_size
        Side of the image, px, or both sides.
    embed_dim
        Channels that come out.
    norm_layer
        Normalisation of the result.
    settings
        What else timm hands to a first layer; here it is fixed.
    """

    def __init__(
        self,
        img_size: int | tuple[int, int],
        embed_dim: int,
        norm_layer: Callable[[int], nn.Module],
        **settings: Any,
    ) -> None:
        super().__init__()
        if settings.get("patch_size") != 4 or settings.get("output_fmt") != "NHWC":
            raise EncoderError(
                "ConvStem is the first layer of a Swin transformer with patches of 4"
            )
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        self.grid_size = (height // 4, width // 4)
        layers: list[nn.Module] = []
        before = 3
        for after in (embed_dim // 8, embed_dim // 4):
            layers += [
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
            before = after
        self.proj = nn.Sequential(*layers, nn.Conv2d(before, embed_dim, 1))
        self.norm = norm_layer(embed_dim)

    def forward(self, image: Tensor) -> Tensor:
        """Turn (B, 3, S, S) into (B, S / 4, S / 4, embed_dim)."""
        embedded: Tensor = self.norm(self.proj(image).permute(0, 2, 3, 1))
        return embedded


class AttentionalPooler(nn.Module):
    """A learned query attends to all tokens (CoCa; Yu et al. 2022, section 3.2).

    Parameters
    ----------
    width
        Of the query and the result.
    token_width
        Of the tokens.
    heads
        Attention heads.
    """

    def __init__(self, width: int, token_width: int, heads: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Parameter(torch.zeros(1, width))
        self.ln_k = nn.LayerNorm(token_width)
        self.ln_q = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_kv = nn.Linear(token_width, 2 * width, bias=False)
        self.to_out = nn.Linear(width, width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Turn (B, N, token_width) into (B, width)."""
        key, value = self.to_kv(self.ln_k(tokens)).chunk(2, dim=-1)
        query = self.to_q(self.ln_q(self.query)).expand(len(tokens), 1, -1)
        seen = functional.scaled_dot_product_attention(
            self._by_head(query), self._by_head(key), self._by_head(value)
        )
        pooled: Tensor = self.to_out(seen.transpose(1, 2).flatten(2))[:, 0]
        return pooled

    def _by_head(self, tokens: Tensor) -> Tensor:
        """Turn (B, N, width) into (B, heads, N, width / heads)."""
        by_head: Tensor = tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return by_head


class ConchV15(nn.Module):
    """Vision part of CONCH v1.5: a ViT-L/16 under an attentional pooler (Ding et al. 2024, TITAN).

    It was published with the positions of 14 × 14 patches and is used on 28 × 28 (448 px); the
    positions are enlarged as TITAN's loader does it.

    Parameters
    ----------
    width
        Length of the embedding.
    trunk
        Arguments of the vision transformer that differ from ViT-L/16.
    """

    def __init__(self, width: int = 768, **trunk: Any) -> None:
        super().__init__()
        arguments = {"init_values": 1e-6, "num_classes": 0} | trunk
        timm = import_timm()
        self.trunk = timm.create_model("vit_large_patch16_224", pretrained=False, **arguments)
        self.num_features = width
        self.attn_pool_contrast = AttentionalPooler(width, self.trunk.embed_dim)
        self.ln_contrast = nn.LayerNorm(width)

    def forward(self, image: Tensor) -> Tensor:
        """Turn (B, 3, S, S) into (B, width)."""
        trunk = self.trunk
        patches = trunk.patch_embed.proj(image)
        rows, columns = patches.shape[2:]
        tokens = torch.cat(
            [trunk.cls_token.expand(len(image), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1
        )
        tokens = trunk.blocks(tokens + self._positions(rows, columns))
        embedding: Tensor = self.ln_contrast(self.attn_pool_contrast(trunk.norm(tokens)))
        return embedding

    def _positions(self, rows: int, columns: int) -> Tensor:
        """Return (1, 1 + rows · columns, token width)."""
        positions: Tensor = self.trunk.pos_embed
        side = self.trunk.patch_embed.grid_size[0]
        if (rows, columns) == (side, side):
            return positions
        of_patches = positions[:, 1:].unflatten(1, (side, side)).permute(0, 3, 1, 2)
        # The tenth of a patch is part of the published interpolation: it enters the scale.
        scale = ((rows + 0.1) / side, (columns + 0.1) / side)
        larger = functional.interpolate(of_patches, scale_factor=scale, mode="bicubic")
        return torch.cat([positions[:, :1], larger.flatten(2).transpose(1, 2)], dim=1)


ARCHITECTURES: Mapping[str, Callable[..., nn.Module]] = {
    "conch_v1_5": ConchV15,
    "sre_resnet18": SreResNet18,
}
"""Networks that timm does not have, by the name that `EncoderEntry.model` gives them."""


def import_timm() -> ModuleType:
    """Import timm, also beside a PyTorch without CUDA."""
    return import_with_torchvision("timm")


def create_architecture(entry: EncoderEntry) -> nn.Module:
    """Create the network of an entry without its classifier and without weights.

    Raises
    ------
    EncoderError
        If the architecture is unknown, or rejects its arguments.
    """
    # First of all, because importing one of its layers by name would import it the plain way.
    timm = import_timm()
    try:
        arguments = _with_layers(entry.arguments)
        if entry.model in ARCHITECTURES:
            return ARCHITECTURES[entry.model](**arguments)
        model: nn.Module = timm.create_model(
            entry.model, pretrained=False, num_classes=0, **arguments
        )
    except (AttributeError, RuntimeError, TypeError, AssertionError) as error:
        raise EncoderError(f"encoder '{entry.name}': {entry.model}: {error}") from error
    return model


def create_empty(entry: EncoderEntry) -> nn.Module:
    """Create the network of an entry, where possible without memory for its parameters.

    Where a network computes something of its own that no checkpoint holds (the index tables of Swin
    transformers), it is created in full.
    """
    # Outside of the block below, so that nothing that timm creates on import lacks its memory.
    import_timm()
    try:
        with torch.device("meta"):
            model = create_architecture(entry)
    except EncoderError:
        # Either it computes while it is created, or it cannot be created at all.
        return create_architecture(entry)
    return create_architecture(entry) if _computes_more(model) else model


def _computes_more(model: nn.Module) -> bool:
    """Whether a network holds tensors that no checkpoint brings, as buffers or out of sight."""
    attributes = [value for module in model.modules() for value in vars(module).values()]
    return bool(computed_buffers(model)) or any(map(torch.is_tensor, attributes))


def computed_buffers(model: nn.Module) -> dict[str, Tensor]:
    """Return what a network computes when it is created, by name."""
    kept = model.state_dict().keys()
    return {name: buffer for name, buffer in model.named_buffers() if name not in kept}


def _with_layers(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Replace names of layers by the layers themselves; a configuration can only hold names."""
    resolved = dict(arguments)
    for key, value in arguments.items():
        module, _, name = value.rpartition(".") if isinstance(value, str) else ("", "", "")
        if module in LAYER_MODULES:
            resolved[key] = getattr(importlib.import_module(module), name)
    return resolved
