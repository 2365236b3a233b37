"""A ResNet-18 whose embedding does not change when a tile is turned by 90° or mirrored.

Its kernels have one weight per ring around their centre (symmetric rotation-equivariant
convolutions; Du, Onofrey et al. 2025, arXiv:2501.09753), and what follows them is as symmetric as
they are: no pooling that starts at a corner, 2 × 2 averages in place of strides. Modules bear the
names of the published state dict, less its classifier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from histohet.encoders.entry import EncoderError

WIDTHS = (64, 128, 256, 512)
"""Channels of the four stages; the later three begin by halving the map."""

RINGS = "weight_index_mat"
"""Published name of the cells of the rings."""


def rings(size: int) -> Tensor:
    """Return the cells of the rings of a kernel.

    Rings are bands of equal width between the centre and half the side of the kernel, by the
    distance of a cell's centre. What lies farther, at the corners, is in none.

    Parameters
    ----------
    size
        Side of the kernel, odd.

    Returns
    -------
    torch.Tensor
        float32 (rings, size · size), 1 in the cells of a ring: (size + 1) / 2 rings.
    """
    reach = size // 2
    place = torch.arange(-reach, reach + 1) ** 2
    squares = (place[:, None] + place[None, :]).flatten().tolist()
    # A ring is size / (size + 1) wide. Whole numbers: no cell lies on the border of two.
    ring_of = torch.tensor([isqrt(square * (size + 1) ** 2 // size**2) for square in squares])
    return (ring_of == torch.arange(reach + 1)[:, None]).float()


class RingConv2d(nn.Module):
    """What a convolution with a ring kernel is loaded as; `expanded` is what computes.

    Parameters
    ----------
    before, after
        Channels.
    size
        Side of the kernel, odd.
    """

    def __init__(self, before: int, after: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(torch.zeros(after, before, size // 2 + 1))
        self.register_buffer(RINGS, rings(size)[None, None], persistent=False)

    def expanded(self) -> nn.Conv2d:
        """Return the convolution with the kernel written out."""
        after, before, _ = self.weight.shape
        plain = nn.Conv2d(before, after, self.size, padding=self.size // 2, bias=False)
        kernel = (self.weight @ rings(self.size)).unflatten(2, (self.size, self.size))
        plain.weight = nn.Parameter(kernel, requires_grad=False)
        return plain


class Halved(nn.Sequential):
    """Averages of 2 × 2 before what follows, where a stage begins with a smaller map."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(nn.AvgPool2d(2), *layers)


class Block(nn.Module):
    """Two ring convolutions beside a short cut.

    Parameters
    ----------
    before, after
        Channels; where they differ, the map is halved.
    size
        Side of the kernels.
    """

    def __init__(self, before: int, after: int, size: int) -> None:
        super().__init__()
        first = RingConv2d(before, after, size)
        halves = before != after
        self.conv1 = Halved(first) if halves else first
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = RingConv2d(after, after, size)
        self.bn2 = nn.BatchNorm2d(after)
        if halves:
            one = nn.Conv2d(before, after, 1, bias=False)
            self.downsample: nn.Module = Halved(one, nn.BatchNorm2d(after))
        else:
            self.downsample = nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """Turn (B, before, S, S) into (B, after, S, S), or half as many rows and columns."""
        found = functional.relu(self.bn1(self.conv1(maps)))
        return functional.relu(self.bn2(self.conv2(found)) + self.downsample(maps))


class SreResNet18(nn.Module):
    """The network without its classifier.

    Parameters
    ----------
    kernels
        Sides of the kernels of the four stages, odd.
    first
        Side of the kernel of the first layer, odd.
    """

    def __init__(self, kernels: Sequence[int] = (9, 9, 5, 5), first: int = 7) -> None:
        super().__init__()
        self.num_features = WIDTHS[-1]
        self.conv1 = RingConv2d(3, WIDTHS[0], first)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        before = WIDTHS[0]
        for number, (after, size) in enumerate(zip(WIDTHS, kernels, strict=True), 1):
            stage = nn.Sequential(Block(before, after, size), Block(after, after, size))
            self.add_module(f"layer{number}", stage)
            before = after

    def forward_features(self, image: Tensor) -> Tensor:
        """Turn (B, 3, S, S), S a multiple of 8, into (B, 512, S / 8, S / 8)."""
        maps = functional.relu(self.bn1(self.conv1(image)))
        for number in range(1, len(WIDTHS) + 1):
            maps = self.get_submodule(f"layer{number}")(maps)
        return maps

    def forward(self, image: Tensor) -> Tensor:
        """Turn (B, 3, S, S), S a multiple of 8, into (B, 512)."""
        return self.forward_features(image).mean(dim=(2, 3))


def expand_kernels(network: nn.Module) -> nn.Module:
    """Put plain convolutions in the place of ring convolutions, once their weights are loaded.

    So nothing is left that another state dict could be loaded into and not reach the kernels.
    """
    for name, module in list(network.named_modules()):
        if isinstance(module, RingConv2d):
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, module.expanded())
    return network


def check_kernels(network: SreResNet18, published: Mapping[str, Tensor]) -> None:
    """Check that the convolutions of a state dict have these rings; what it lacks shows in loading.

    Raises
    ------
    EncoderError
        If not; the message says what they have.
    """
    for name, module in network.named_modules():
        if not isinstance(module, RingConv2d) or f"{name}.weight" not in published:
            continue
        weight, cells = published[f"{name}.weight"], published.get(f"{name}.{RINGS}")
        if weight.ndim != 3 or cells is None:
            raise EncoderError(f"its {name} is an ordinary convolution, not one of rings")
        found = isqrt(cells.shape[-1])
        if found != module.size:
            raise EncoderError(
                f"its {name} has kernels of {found} × {found}, not of "
                f"{module.size} × {module.size} (encoder.kernels, encoder.first)"
            )
        if not torch.equal(cells.float(), getattr(module, RINGS)):
            raise EncoderError(
                f"its {name} has other rings ({RINGS}) than {module.weight.shape[2]} bands of "
                "equal width around the centre, with nothing at the corners"
            )
