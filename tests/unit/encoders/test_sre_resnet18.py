"""The network of ring kernels: against kernels drawn by hand, turned, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the encoders' requirements are not installed")

import safetensors.torch
import torch
from torch.nn import functional as F

from helpers.encoders import made
from helpers.published_layouts import PUBLISHED, RINGS, count, random_tensors, sre_resnet18
from histohet.common.arrays import UInt8
from histohet.encoders.base import DenseEncoder
from histohet.encoders.catalogue import entry_of, read_catalogue
from histohet.encoders.entry import EncoderError
from histohet.encoders.settings import EncoderSettings
from histohet.encoders.sre_resnet18 import RingConv2d, SreResNet18, expand_kernels, rings

NINE = """
. . 4 4 4 4 4 . .
. 4 4 3 3 3 4 4 .
4 4 3 2 2 2 3 4 4
4 3 2 1 1 1 2 3 4
4 3 2 1 0 1 2 3 4
4 3 2 1 1 1 2 3 4
4 4 3 2 2 2 3 4 4
. 4 4 3 3 3 4 4 .
. . 4 4 4 4 4 . .
"""

MOVES = [
    lambda array: np.rot90(array, 1, axes=(1, 2)),
    lambda array: array[:, :, ::-1],
    lambda array: array[:, ::-1],
]
"""Turned, left and right exchanged, up and down."""

SCALES = ("bn1.weight", "bn2.weight", "downsample.2.weight")
"""Factors of the normalisations."""


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    """Random weights of the published layout, with which places differ up to the last layer."""
    found = random_tensors(PUBLISHED["sre_resnet18"], seed=0)
    scales = {name: tensor + 1 for name, tensor in found.items() if name.endswith(SCALES)}
    return found | scales


@pytest.fixture(scope="module")
def checkpoint(weights: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "sre.safetensors"
    safetensors.torch.save_file(weights, path)
    return path


def encoder(checkpoint: Path, side: int, **section: Any) -> DenseEncoder:
    found = made({"name": "sre_resnet18", "checkpoint": str(checkpoint), **section}, side)
    assert isinstance(found, DenseEncoder)
    return found


def tiles(side: int, number: int = 1) -> UInt8:
    return np.random.default_rng(0).integers(0, 256, (number, side, side, 3), dtype=np.uint8)


# Kernels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "cells"),
    [(3, [1, 8]), (5, [1, 8, 12]), (7, [1, 8, 12, 16]), (9, [1, 8, 12, 16, 32])],
)
def test_cells_of_the_rings(size: int, cells: list[int]) -> None:
    found = rings(size)
    assert found.shape == (len(cells), size**2)
    assert found.sum(dim=1).tolist() == cells
    assert found.sum(dim=0).max() == 1


def test_rings_of_the_largest_kernel_as_drawn() -> None:
    drawn = np.array([line.split() for line in NINE.split("\n")[1:-1]])
    for ring, cells in enumerate(rings(9)):
        np.testing.assert_array_equal(cells.reshape(9, 9), drawn == str(ring))


@pytest.mark.parametrize("size", [3, 5, 7, 9, 11, 13])
def test_rings_are_bands_of_equal_width_by_distance(size: int) -> None:
    place = np.arange(size) - size // 2
    distance = np.hypot(place[:, np.newaxis], place)
    band = np.floor(distance / (size / 2 / (size // 2 + 1)))
    for ring, cells in enumerate(rings(size)):
        np.testing.assert_array_equal(cells.reshape(size, size), band == ring)


def test_a_ring_convolution_is_that_of_its_picture() -> None:
    """Kernels written out cell by cell, and PyTorch's own convolution."""
    torch.manual_seed(0)
    ring = RingConv2d(3, 4, 9)
    ring.weight.data.normal_()
    kernel = torch.zeros(4, 3, 9, 9)
    for row, line in enumerate(NINE.split("\n")[1:-1]):
        for column, number in enumerate(line.split()):
            if number != ".":
                kernel[:, :, row, column] = ring.weight.data[:, :, int(number)]
    image = torch.randn(2, 3, 20, 20)
    expected = F.conv2d(image, kernel, padding=4)
    torch.testing.assert_close(ring.expanded()(image), expected)


def test_a_loaded_network_has_no_kernel_that_a_later_load_would_not_reach(
    weights: dict[str, torch.Tensor],
) -> None:
    network = SreResNet18()
    network.load_state_dict(
        {k: v for k, v in weights.items() if not k.endswith((RINGS, "fc.weight", "fc.bias"))}
    )
    expanded = expand_kernels(network)
    assert not any(isinstance(module, RingConv2d) for module in expanded.modules())
    with pytest.raises(RuntimeError, match=r"size mismatch for conv1\.weight"):
        expanded.load_state_dict(weights, strict=False)


# The network -------------------------------------------------------------------------------------


def test_it_is_plain_arithmetic_on_the_published_tensors(
    checkpoint: Path, weights: dict[str, torch.Tensor]
) -> None:
    """Every layer by its published name, in double precision."""
    w = {name: tensor.double() for name, tensor in weights.items()}

    def ring(maps: torch.Tensor, name: str) -> torch.Tensor:
        cells = w[f"{name}.{RINGS}"][0, 0]
        size = round(cells.shape[1] ** 0.5)
        kernel = torch.einsum("oir,rc->oic", w[f"{name}.weight"], cells)
        kernel = kernel.reshape(*kernel.shape[:2], size, size)
        return F.conv2d(maps, kernel, padding=size // 2)

    def norm(maps: torch.Tensor, name: str) -> torch.Tensor:
        mean, var, scale, shift = (
            w[f"{name}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (maps - mean) / torch.sqrt(var + 1e-5) * scale + shift

    maps = torch.from_numpy(tiles(16)).permute(0, 3, 1, 2).double()
    maps = (maps / 255 - 0.5) / 0.5
    maps = norm(ring(maps, "conv1"), "bn1").clamp(min=0)
    for stage, place in ((stage, place) for stage in (1, 2, 3, 4) for place in (0, 1)):
        block = f"layer{stage}.{place}"
        beside = maps
        if stage > 1 and place == 0:
            maps = beside = F.avg_pool2d(maps, 2)
            beside = torch.einsum(
                "bihw,oi->bohw", beside, w[f"{block}.downsample.1.weight"][:, :, 0, 0]
            )
            beside = norm(beside, f"{block}.downsample.2")
            inner = norm(ring(maps, f"{block}.conv1.1"), f"{block}.bn1")
        else:
            inner = norm(ring(maps, f"{block}.conv1"), f"{block}.bn1")
        maps = (norm(ring(inner.clamp(min=0), f"{block}.conv2"), f"{block}.bn2") + beside).clamp(
            min=0
        )
    found, expected = encoder(checkpoint, 16), maps.permute(0, 2, 3, 1).numpy()
    close = 1e-5 * expected.max()
    np.testing.assert_allclose(found.encode_map(tiles(16), 2), expected, atol=close)
    np.testing.assert_allclose(found.encode(tiles(16)), expected.mean(axis=(1, 2)), atol=close)


def test_number_of_parameters() -> None:
    network = SreResNet18()
    assert sum(parameter.numel() for parameter in network.parameters()) == 3_991_680
    assert count(sre_resnet18((3, 3, 3, 3), 5)) == sum(
        parameter.numel() for parameter in SreResNet18((3, 3, 3, 3), 5).parameters()
    )


@pytest.mark.parametrize("side", [56, 64, 128])
def test_turned_and_mirrored_tiles(checkpoint: Path, side: int) -> None:
    """Vectors the same and maps moved; transposing would show nothing, it is exact at any size."""
    model, lying = encoder(checkpoint, side), tiles(side)
    found = model.encode_map(lying, side // 8)
    close = 1e-5 * found.max()
    assert np.ptp(found, axis=(1, 2)).max() > 1e4 * close
    for move in MOVES[: 1 if side == 128 else None]:
        turned = model.encode_map(move(lying), side // 8)
        np.testing.assert_allclose(turned, move(found), atol=close)
    # The vector is the mean of the map, in the order of its places.
    vector = found.mean(axis=(1, 2))
    np.testing.assert_allclose(turned.mean(axis=(1, 2)), vector, atol=close)


def test_only_rings_of_the_epithelium_count(checkpoint: Path) -> None:
    inside = np.zeros((1, 64, 64, 1), np.uint8)
    inside[:, :32] = 255
    model = encoder(checkpoint, 64)
    whole = model.encode_map(tiles(64), 2)
    found = model.encode_map(np.concatenate([tiles(64), inside], axis=3), 2)
    np.testing.assert_allclose(found[:, 0], whole[:, 0], rtol=1e-5)
    assert not found[:, 1].any()


@pytest.mark.parametrize("side", [60, 63, 65, 100, 223])
def test_sides_at_which_it_would_be_wrong_are_refused(side: int, checkpoint: Path) -> None:
    """By what a plan asks, and when it is made."""
    known = read_catalogue()["sre_resnet18"]
    expected = rf"a multiple of 8 px, not of {side} px: set tiles\.tile_px to {round(side / 8) * 8}"
    with pytest.raises(EncoderError, match=expected):
        known.check_tile_px(side)
    with pytest.raises(EncoderError, match=expected):
        encoder(checkpoint, side)
    known.check_tile_px(224)


# What is loaded ----------------------------------------------------------------------------------


def refused(weights: dict[str, torch.Tensor], folder: Path, **section: Any) -> str:
    path = folder / "refused.pth"
    torch.save({"state_dict": weights, "cur_ep": 3}, path)
    with pytest.raises(EncoderError) as raised:
        encoder(path, 64, **section)
    return str(raised.value)


def test_other_kernels_are_loaded_where_they_are_configured(tmp_path: Path) -> None:
    """As training writes them: beside the number of the epoch."""
    small = random_tensors(sre_resnet18((5, 5, 3, 3), 5), seed=1)
    torch.save({"state_dict": small, "cur_ep": 3}, tmp_path / "small.pth")
    model = encoder(tmp_path / "small.pth", 64, kernels=[5, 5, 3, 3], first=5)
    lying = tiles(64)
    np.testing.assert_allclose(model.encode(lying[:, ::-1]), model.encode(lying), rtol=1e-4)
    assert (model.name, model.width) == ("sre_resnet18", 512)


def test_kernels_of_another_size_are_refused(tmp_path: Path) -> None:
    small = random_tensors(sre_resnet18((3, 3, 3, 3), 7), seed=0)
    expected = "its layer1.0.conv1 has kernels of 3 × 3, not of 9 × 9 (encoder.kernels"
    assert expected in refused(small, tmp_path)
    other_first = random_tensors(sre_resnet18(first=5), seed=0)
    assert "its conv1 has kernels of 5 × 5, not of 7 × 7" in refused(other_first, tmp_path)


def test_rings_of_another_layout_are_refused(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    """One cell belongs to another ring; or the corners are a ring of their own."""
    name = f"layer3.1.conv2.{RINGS}"
    moved = weights[name].clone()
    moved[0, 0, :2, 0] = torch.tensor([1.0, 0.0])
    expected = "its layer3.1.conv2 has other rings (weight_index_mat) than 3 bands"
    assert expected in refused(weights | {name: moved}, tmp_path)
    corners = torch.cat([weights[name], 1 - weights[name].sum(dim=2, keepdim=True)], dim=2)
    weight = torch.zeros(512 // 2, 512 // 2, 4)
    with_corners = weights | {name: corners, "layer3.1.conv2.weight": weight}
    assert expected in refused(with_corners, tmp_path)


def test_ordinary_convolutions_and_other_networks_are_refused(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    ordinary = random_tensors(PUBLISHED["resnet50"], seed=0)
    assert "its conv1 is an ordinary convolution" in refused(ordinary, tmp_path)
    without = {name: tensor for name, tensor in weights.items() if RINGS not in name}
    assert "its conv1 is an ordinary convolution" in refused(without, tmp_path)
    lacking = {name: tensor for name, tensor in weights.items() if name != "conv1.weight"}
    assert "1 missing: conv1.weight" in refused(lacking, tmp_path)
    vit = {"cls_token": torch.zeros(1, 1, 8)}
    assert "missing: bn1.bias" in refused(vit, tmp_path)


def test_it_needs_a_file() -> None:
    with pytest.raises(EncoderError, match=r"'sre_resnet18' needs encoder\.checkpoint"):
        entry_of(EncoderSettings(name="sre_resnet18"), read_catalogue())
    mine = EncoderSettings(kind="sre_resnet18", name="mine", first=9, checkpoint="mine.pth")
    found = entry_of(mine, read_catalogue())
    assert (found.name, found.weights) == ("mine", "mine.pth")
    assert found.arguments == {"kernels": (9, 9, 5, 5), "first": 9}
