"""Whole tiles encoded, and only their epithelium pooled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the encoders' requirements are not installed")

import safetensors.torch
import torch
from torch import Tensor

from histohet.encoders.base import SymmetryAverage
from histohet.encoders.catalogue import read_catalogue
from histohet.encoders.entry import EncoderEntry, EncoderError
from histohet.encoders.networks import create_architecture
from histohet.encoders.timm_model import TimmModel, means_inside

SIDE = 64
SMALL_SWIN = {"img_size": SIDE, "window_size": 4, "embed_dim": 24, "depths": [1, 1]} | {
    "num_heads": [1, 2]
}
SMALL_VIT = {"img_size": SIDE, "embed_dim": 48, "depth": 2, "num_heads": 3}
NETWORKS: dict[str, dict[str, Any]] = {
    "convolutions": {"model": "test_resnet", "width": 96},
    "inner_layer": {"model": "test_resnet", "width": 48, "stage": 2},
    "swin": {"model": "swin_tiny_patch4_window7_224", "width": 48, "arguments": SMALL_SWIN},
    "class_token": {"model": "vit_tiny_patch16_224", "width": 48, "arguments": SMALL_VIT},
    "registers": {
        "model": "vit_tiny_patch16_224",
        "width": 96,
        "arguments": SMALL_VIT | {"reg_tokens": 4},
        "pooling": "class_token_and_mean",
    },
}


def entry(name: str) -> EncoderEntry:
    return EncoderEntry(name=name, normalisation="half", input_px=None, **NETWORKS[name])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of every network."""
    folder = tmp_path_factory.mktemp("weights")
    for seed, name in enumerate(NETWORKS):
        torch.manual_seed(seed)
        weights = create_architecture(entry(name)).state_dict()
        safetensors.torch.save_file(weights, folder / f"{name}.safetensors")
    return folder


def encoder(folder: Path, name: str, pooled: bool = True) -> TimmModel:
    known = entry(name)
    chosen = known.of_epithelium() if pooled else known
    return TimmModel(chosen, folder / f"{name}.safetensors", SIDE)


def tiles(number: int = 2, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (number, side, side, 3), dtype=np.uint8)


def masked(pixels: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Tiles with one mask for all as their fourth channel."""
    channel = np.broadcast_to(inside[..., np.newaxis] * np.uint8(255), (*pixels.shape[:3], 1))
    return np.concatenate([pixels, channel], axis=3)


ALL = np.ones((SIDE, SIDE), np.bool_)
LEFT = np.arange(SIDE)[np.newaxis].repeat(SIDE, axis=0) < 32
BLOTCHES = np.random.default_rng(1).random((SIDE, SIDE)) < np.linspace(0, 1, SIDE)


# The mean ----------------------------------------------------------------------------------------


@given(
    parts=st.integers(1, 3),
    rows=st.integers(1, 2),
    columns=st.integers(1, 2),
    cell=st.integers(1, 4),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=40, deadline=None)
def test_every_pixel_inside_counts_its_position_once(
    parts: int, rows: int, columns: int, cell: int, seed: int
) -> None:
    """The mean over the pixels of a part of the vector of the cell that each lies in."""
    random = np.random.default_rng(seed)
    positions = random.normal(size=(3, 5, parts * rows, parts * columns))
    inside = random.random((3, parts * rows * cell, parts * columns * cell)) < 0.4
    spread = positions.repeat(cell, axis=2).repeat(cell, axis=3)
    masks = 255.0 * torch.tensor(inside[:, np.newaxis])
    found = means_inside(torch.tensor(positions), masks, parts)
    high, wide = rows * cell, columns * cell
    for one, i, j in np.ndindex(3, parts, parts):
        part = np.s_[one, ..., i * high : (i + 1) * high, j * wide : (j + 1) * wide]
        counted = inside[part]
        expected = spread[part][:, counted].mean(axis=1) if counted.any() else np.zeros(5)
        np.testing.assert_allclose(found[one, :, i, j], expected, atol=1e-5)


def test_a_mask_of_any_size_counts_by_the_share_of_a_cell() -> None:
    positions = torch.tensor([[[[1.0, 3.0]]]])
    inside = torch.zeros(1, 1, 10, 10)
    inside[..., :5] = 1
    inside[..., 5:6] = 1
    torch.testing.assert_close(means_inside(positions, inside)[..., 0, 0], torch.tensor([[8 / 6]]))


# Networks ----------------------------------------------------------------------------------------


def patches_by_hand(network: Any, pixels: np.ndarray) -> Tensor:
    """Tokens of the patches after the last norm, (B, patches, width)."""
    image = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        tokens: Tensor = network.norm(
            network.blocks(network._pos_embed(network.patch_embed(image)))
        )
    return tokens[:, network.num_prefix_tokens :]


@pytest.mark.parametrize("name", ["convolutions", "inner_layer", "swin"])
def test_all_epithelium_gives_the_mean_that_the_network_gives(folder: Path, name: str) -> None:
    whole = encoder(folder, name, pooled=False).encode(tiles())
    found = encoder(folder, name).encode(masked(tiles(), ALL))
    assert np.abs(whole).max() > 0.01
    np.testing.assert_allclose(found, whole, atol=1e-5)


@pytest.mark.parametrize("name", ["class_token", "registers"])
def test_of_a_transformer_it_is_the_mean_of_the_patches(folder: Path, name: str) -> None:
    """Neither class token nor registers, whatever the published pooling; cell by cell."""
    model = encoder(folder, name)
    patches = patches_by_hand(model._model, tiles())
    assert patches.shape == (2, 16, model.width) == (2, 16, 48)
    found = model.encode(masked(tiles(), ALL))
    np.testing.assert_allclose(found, patches.mean(dim=1), atol=1e-5)
    shares = BLOTCHES.reshape(4, 16, 4, 16).mean(axis=(1, 3)).ravel()
    expected = np.einsum("bpw,p->bw", patches, shares / shares.sum())
    np.testing.assert_allclose(model.encode(masked(tiles(), BLOTCHES)), expected, atol=1e-5)
    assert np.abs(expected - found).max() > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_only_the_part_inside_counts(folder: Path, name: str) -> None:
    """The two halves, by the area of each, make the whole; a part alone is something else."""
    model = encoder(folder, name)
    left, right, both = (model.encode(masked(tiles(), m)) for m in (LEFT, ~LEFT, ALL))
    np.testing.assert_allclose((left + right) / 2, both, atol=1e-5)
    assert np.abs(left - both).max() > 1e-3


def test_what_is_out_of_sight_of_the_epithelium_does_not_matter(folder: Path) -> None:
    """Positions of the third stage see less than 80 px; the mask ends 96 px before the change."""
    known = entry("inner_layer").of_epithelium()
    model = TimmModel(known, folder / "inner_layer.safetensors", 192)
    pixels = tiles(1, 192)
    inside = np.zeros((192, 192), np.bool_)
    inside[:, :64] = True
    changed = pixels.copy()
    changed[:, :, 160:] = 0
    near = pixels.copy()
    near[:, :, 64:] = 0
    found, far, beside = (model.encode(masked(p, inside)) for p in (pixels, changed, near))
    np.testing.assert_allclose(far, found, atol=1e-6)
    assert np.abs(beside - found).max() > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_mask_turns_with_its_tile(folder: Path, name: str) -> None:
    model = encoder(folder, name)
    averaged = SymmetryAverage(model)
    lying = masked(tiles(), BLOTCHES)
    found = averaged.encode(lying)
    for turned in (np.rot90(lying, axes=(1, 2)), lying[:, :, ::-1], lying[:, ::-1]):
        np.testing.assert_allclose(averaged.encode(turned), found, atol=1e-5)
    beside = np.concatenate([np.rot90(lying[..., :3], axes=(1, 2)), lying[..., 3:]], axis=3)
    assert np.abs(averaged.encode(beside) - found).max() > 1e-4


@pytest.mark.parametrize("name", NETWORKS)
def test_without_epithelium_the_vector_is_zero(folder: Path, name: str) -> None:
    model = encoder(folder, name)
    found = model.encode(masked(tiles(), np.zeros((SIDE, SIDE), np.bool_)))
    np.testing.assert_array_equal(found, np.zeros((2, model.width)))


# The catalogue -----------------------------------------------------------------------------------


def test_a_network_without_positions_is_refused() -> None:
    catalogue = read_catalogue()
    with pytest.raises(
        EncoderError, match=r"'conch_v1_5' gives one vector .*epithelium\.fill to z"
    ):
        catalogue["conch_v1_5"].of_epithelium()
    of_epithelium = {n: e.of_epithelium() for n, e in catalogue.items() if n != "conch_v1_5"}
    assert {n: e.width for n, e in of_epithelium.items() if e.width != catalogue[n].width} == {
        "virchow2": 1280
    }
