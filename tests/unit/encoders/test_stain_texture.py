"""Stain texture encoder: what it measures is right, and nothing else about a tile matters."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histohet.common.arrays import Floats, Ints, UInt8
from histohet.encoders.base import Encoder
from histohet.encoders.stain_texture.descriptor import (
    FEATURES,
    LIMIT,
    StainTexture,
    describe,
    scale,
)
from histohet.encoders.stain_texture.features import PATTERN_OF_CODE, PIXEL_UM, RING
from histohet.encoders.stain_texture.layers import LEVELS, separate
from histohet.encoders.stain_texture.nuclei import Nuclei, find_nuclei
from histohet.tissue.stain import EOSIN, HEMATOXYLIN

Tile = UInt8
SIDE = 224
WHITE = 245.0
NUCLEUS, CYTOPLASM = (0.8, 0.2), (0.1, 0.5)  # optical density of hematoxylin and eosin


def expose(hematoxylin: Floats, eosin: Floats) -> Tile:
    density = hematoxylin[..., None] * HEMATOXYLIN + eosin[..., None] * EOSIN
    return np.clip(np.rint((WHITE + 1) * 10.0**-density - 1), 0, 255).astype(np.uint8)


def draw(nuclei: UInt8, noise: float = 0.0, seed: int = 0) -> Tile:
    """Tile with nuclei where the mask is set, cytoplasm elsewhere, and noise in density."""
    rng = np.random.default_rng(seed)
    inside = nuclei > 0
    stains = [np.where(inside, n, c) for n, c in zip(NUCLEUS, CYTOPLASM, strict=True)]
    h, e = (np.clip(s + rng.normal(0, noise, s.shape), 0, None) for s in stains)
    return expose(h, e)


def discs(centres: npt.ArrayLike, radius_px: int) -> UInt8:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for x, y in np.asarray(centres).astype(int):
        cv2.circle(mask, (int(x), int(y)), radius_px, 1, -1)
    return mask


def lattice(pitch: int, margin: int = 20) -> Ints:
    at = np.arange(margin, SIDE - margin + 1, pitch)
    return np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)


def tissue_like(seed: int, radius: float = 9.0, number: int = 60) -> Tile:
    """Ellipses of several sizes and directions on textured cytoplasm, with a lumen."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for x, y in rng.uniform(0, SIDE, (number, 2)):
        axes = radius * rng.uniform(0.6, 1.2, 2)
        cv2.ellipse(mask, ((x, y), (2 * axes[0], 2 * axes[1]), rng.uniform(0, 180)), 1, -1)
    coarse = cv2.resize(rng.uniform(0.6, 1.4, (30, 30)), (SIDE, SIDE))
    h = np.where(mask > 0, 0.8, 0.12) * coarse + rng.normal(0, 0.03, mask.shape)
    e = np.where(mask > 0, 0.2, 0.5) * coarse[::-1] + rng.normal(0, 0.03, mask.shape)
    h[:50, 90:150] = e[:50, 90:150] = 0
    return expose(np.clip(h, 0, None), np.clip(e, 0, None))


def nuclei_of(tile: Tile) -> Nuclei:
    layers = separate(tile)
    return find_nuclei(layers.hematoxylin, LEVELS, layers.inside, layers.tissue)


def masked(tile: Tile, value: int = 0) -> Tile:
    y, x = np.mgrid[:SIDE, :SIDE]
    outside = (x - 105) ** 2 + (y - 120) ** 2 > 108**2
    tile = tile.copy()
    tile[outside] = value
    return tile


TISSUE = np.stack([tissue_like(seed) for seed in range(4)])
PLAIN = {
    "black": np.zeros((SIDE, SIDE, 3), np.uint8),
    "white": np.full((SIDE, SIDE, 3), 255, np.uint8),
    "glass": np.full((SIDE, SIDE, 3), 243, np.uint8),
    "pink": np.full((SIDE, SIDE, 3), (220, 140, 190), np.uint8),
    "almost black": np.full((SIDE, SIDE, 3), 1, np.uint8),
    "noise": np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8),
    "ink": np.full((SIDE, SIDE, 3), (20, 60, 160), np.uint8),
    "dots": np.where(np.indices((SIDE, SIDE)).sum(0) % 3, 255, 90)[..., None]
    .repeat(3, 2)
    .astype(np.uint8),
}


# --- the interface --------------------------------------------------------------------------------


def test_it_is_an_encoder_of_stated_width() -> None:
    encoder: Encoder = StainTexture()
    assert encoder.name == "stain_texture"
    assert 48 <= encoder.width <= 96
    vectors = encoder.encode(TISSUE)
    assert vectors.shape == (4, encoder.width)
    assert vectors.dtype == np.float32
    assert encoder.encode(TISSUE[:0]).shape == (0, encoder.width)


def test_every_feature_is_computed_and_has_a_scale() -> None:
    names = [feature.name for feature in FEATURES]
    assert len(set(names)) == len(names)
    assert set(describe(TISSUE[0])) == set(names)
    assert all(feature.spread > 0 for feature in FEATURES)


def test_scale_in_closed_form() -> None:
    first, second, third = FEATURES[:3]
    values = {
        first.name: first.centre + 0.5 * first.spread,
        second.name: second.centre - 99 * second.spread,
    }
    scaled = scale(values)
    assert scaled[0] == pytest.approx(0.5)
    assert scaled[1] == -LIMIT
    assert third.name not in values
    assert not scaled[2:].any()


@pytest.mark.parametrize(
    "tiles",
    [
        np.zeros((SIDE, SIDE, 3), np.uint8),
        np.zeros((2, SIDE, SIDE, 5), np.uint8),
        np.zeros((2, SIDE, SIDE, 3), np.float32),
    ],
)
def test_tiles_of_another_shape_are_refused(tiles: Tile) -> None:
    with pytest.raises(ValueError, match="tiles are uint8"):
        StainTexture().encode(tiles)


def test_tiny_tiles_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 are needed"):
        StainTexture().encode(np.zeros((1, 15, 40, 3), np.uint8))
    assert StainTexture().encode(np.zeros((1, 16, 41, 3), np.uint8)).shape[0] == 1


# --- what must not matter -------------------------------------------------------------------------


def test_batch_size_order_and_threads_do_not_change_a_byte() -> None:
    encoder = StainTexture()
    together = encoder.encode(TISSUE)
    assert encoder.encode(TISSUE).tobytes() == together.tobytes()
    assert encoder.encode(TISSUE[::-1])[::-1].tobytes() == together.tobytes()
    alone = np.concatenate([encoder.encode(tile[None]) for tile in TISSUE])
    assert alone.tobytes() == together.tobytes()
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(encoder.encode, [TISSUE[:1], TISSUE[1:]]))
    assert np.concatenate(parts).tobytes() == together.tobytes()


@pytest.mark.parametrize("offset", [1, 3, 8, 17])
def test_the_place_in_memory_does_not_change_a_byte(offset: int) -> None:
    """Vector instructions treat unaligned arrays differently; sums of integers do not care."""
    buffer = np.zeros(TISSUE.nbytes + offset, np.uint8)
    shifted = buffer[offset:].reshape(TISSUE.shape)
    shifted[:] = TISSUE
    expected = StainTexture().encode(TISSUE)
    kept = []
    for size in range(1, 40):
        kept.append(np.zeros(size * 1000 + offset, np.uint8))  # moves what is allocated next
        row = StainTexture().encode(shifted[size % 4][None])[0]
        assert row.tobytes() == expected[size % 4].tobytes()


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("mask", [False, True])
def test_quarter_turns_and_flips_do_not_matter(turn: int, flip: bool, mask: bool) -> None:
    tiles = np.stack([masked(tile) for tile in TISSUE]) if mask else TISSUE
    turned = np.rot90(tiles, turn, axes=(1, 2))
    turned = turned[:, :, ::-1] if flip else turned
    difference = np.abs(StainTexture().encode(turned) - StainTexture().encode(tiles))
    assert difference.max() < 1e-4


def test_a_mask_that_goes_with_its_tile_is_black_outside() -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    inside = np.zeros((2, SIDE, SIDE, 1), np.uint8)
    inside[0, :, :100] = inside[1, 20:90] = 255
    apart = np.concatenate([tiles, inside], axis=3)
    black = np.where(inside > 0, tiles, np.uint8(0))
    np.testing.assert_array_equal(StainTexture().encode(apart), StainTexture().encode(black))


def test_black_and_white_outside_are_the_same() -> None:
    black = np.stack([masked(tile, 0) for tile in TISSUE])
    white = np.stack([masked(tile, 255) for tile in TISSUE])
    np.testing.assert_array_equal(StainTexture().encode(black), StainTexture().encode(white))


def test_outside_takes_no_part() -> None:
    """A homogeneous tile and the part of it that a mask leaves look alike."""
    whole = draw(discs(lattice(14, margin=0), 4), noise=0.03)
    values, part = describe(whole), describe(masked(whole))
    for name, centre, spread in FEATURES:
        if not name.startswith("alignment"):
            assert (values[name] - part[name]) / spread == pytest.approx(0, abs=0.75), (
                name,
                centre,
            )
    assert part["glass"] == 0


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_odd_tiles_give_finite_vectors(name: str) -> None:
    vector = StainTexture().encode(PLAIN[name][None])[0]
    assert np.isfinite(vector).all()
    assert np.abs(vector).max() <= LIMIT
    if name in ("black", "white", "glass"):
        assert not vector.any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(16, 60), st.integers(16, 60))
def test_random_tiles_give_finite_vectors(seed: int, height: int, width: int) -> None:
    """Few grey levels, holes, any shape: what breaks a division."""
    rng = np.random.default_rng(seed)
    palette = rng.integers(0, 256, (rng.integers(1, 5), 3), np.uint8)
    tile = palette[rng.integers(0, len(palette), (height, width))]
    tile[rng.uniform(size=(height, width)) < rng.uniform()] = rng.choice([0, 255])
    vector = StainTexture().encode(tile[None])
    assert np.isfinite(vector).all()


# --- what is measured -----------------------------------------------------------------------------


@pytest.mark.parametrize(("pitch", "radius"), [(20, 6), (26, 8), (36, 11), (46, 16)])
def test_density_area_and_spacing_of_discs(pitch: int, radius: int) -> None:
    centres = lattice(pitch)
    mask = discs(centres, radius)
    tile = draw(mask, noise=0.03)
    nuclei = nuclei_of(tile)
    values = describe(tile)
    tile_mm2 = (SIDE * PIXEL_UM / 1000) ** 2
    assert len(nuclei.area_px) == len(centres)
    assert np.exp(values["nuclear_density"]) - 200 == pytest.approx(len(centres) / tile_mm2)
    assert np.exp(values["area_mean"]) == pytest.approx(
        mask.sum() / len(centres) * PIXEL_UM**2, rel=0.05
    )
    assert np.exp(values["spacing"]) == pytest.approx(pitch * PIXEL_UM, rel=0.02)
    assert values["nuclear_share"] == pytest.approx(mask.mean(), rel=0.05)
    assert values["area_cv"] < 0.06
    assert values["elongation_mean"] < 0.06
    assert np.exp(values["chromatin_mean"]) == pytest.approx(NUCLEUS[0], rel=0.05)


def test_touching_nuclei_are_told_apart() -> None:
    pairs = np.concatenate([lattice(40), lattice(40) + np.array([13, 0])])
    nuclei = nuclei_of(draw(discs(pairs, 7), noise=0.03))
    assert len(nuclei.area_px) == len(pairs)
    assert nuclei.area_px.std() / nuclei.area_px.mean() < 0.12


def test_nuclei_cut_by_a_border_count_half() -> None:
    tile = draw(discs([(60, 60), (0, 120), (120, 223), (150, 150)], 8), noise=0.02)
    nuclei = nuclei_of(tile)
    assert len(nuclei.area_px) == 4
    assert nuclei.number == 3.0
    # So does the border of the mask.
    tile[:, :60] = 0
    assert nuclei_of(tile).number == 0.5 + 0.5 + 1


@pytest.mark.parametrize("degrees", [0, 30, 90, 135])
def test_elongation_and_alignment_of_ellipses(degrees: float) -> None:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for x, y in lattice(34).tolist():
        cv2.ellipse(mask, ((x, y), (10, 20), degrees), 1, -1)
    values = describe(draw(mask, noise=0.02))
    assert values["elongation_mean"] == pytest.approx(0.5, abs=0.06)
    assert values["alignment"] > 0.98
    mixed = np.zeros_like(mask)
    for i, (x, y) in enumerate(lattice(34).tolist()):
        cv2.ellipse(mixed, ((x, y), (10, 20), degrees + 90 * (i % 2)), 1, -1)
    assert describe(draw(mixed, noise=0.02))["alignment"] < 0.1


def test_no_nuclei_means_zero_density_and_no_shape() -> None:
    values = describe(draw(np.zeros((SIDE, SIDE), np.uint8), noise=0.02))
    assert values["nuclear_share"] == 0
    assert np.exp(values["nuclear_density"]) == pytest.approx(200)
    assert "area_mean" not in values
    assert "chromatin_mean" not in values


def test_stain_amounts_and_glass() -> None:
    tile = draw(np.zeros((SIDE, SIDE), np.uint8))
    tile[: SIDE // 4] = 244
    values = describe(tile)
    assert values["glass"] == pytest.approx(0.25)
    assert np.exp(values["hematoxylin_mean"]) == pytest.approx(CYTOPLASM[0] + 0.05, abs=0.01)
    assert np.exp(values["eosin_mean"]) == pytest.approx(CYTOPLASM[1] + 0.05, abs=0.01)
    density = CYTOPLASM[0] * HEMATOXYLIN + CYTOPLASM[1] * EOSIN
    assert values["red_mean"] == pytest.approx(density[0] / density.sum(), abs=0.01)
    assert values["blue_mean"] == pytest.approx(density[2] / density.sum(), abs=0.01)


def test_quantiles_are_those_of_the_pixels() -> None:
    tile = TISSUE[0]
    layers = separate(tile)
    pixels = layers.hematoxylin[layers.tissue > 0]
    values = describe(tile)
    for name, share in (("low", 0.1), ("median", 0.5), ("high", 0.9)):
        expected = np.quantile(pixels, share)
        found = values[f"hematoxylin_{name}"] * (pixels.mean() + 5)
        assert found == pytest.approx(expected, abs=0.6)


def test_bands_follow_the_size_of_the_texture() -> None:
    rng = np.random.default_rng(3)
    strongest = []
    for grain in (1, 5, 12):
        small = rng.normal(0, 1, (SIDE // grain + 2, SIDE // grain + 2))
        field = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        tile = expose(np.clip(0.5 + 0.1 * field, 0, None), np.full((SIDE, SIDE), 0.3))
        values = describe(tile)
        strongest.append(int(np.argmax([values[f"band_{width}"] for width in (3, 7, 15)])))
    assert strongest[0] == 0
    assert all(a <= b for a, b in pairwise(strongest))
    assert strongest[-1] == 2


def test_pattern_table_by_brute_force() -> None:
    """Uniform patterns are the 58 with at most two changes around the ring (Ojala 2002)."""
    assert (PATTERN_OF_CODE < 9).sum() == 58
    for code in range(256):
        ring = f"{code:08b}"
        turns = [ring[i:] + ring[:i] for i in range(8)]
        ones = ring.count("1")
        one_arc = "1" * ones + "0" * (8 - ones) in turns
        assert PATTERN_OF_CODE[code] == (ones if one_arc else 9)
    # The ring goes round once, one step of 45 degrees after the other.
    angles = np.unwrap([np.arctan2(dy, dx) for dy, dx in RING])
    np.testing.assert_allclose(np.abs(np.diff(angles)), np.pi / 4)


def test_fibres_are_coherent_and_noise_is_not() -> None:
    rng = np.random.default_rng(4)
    stripes = 0.4 + 0.2 * np.sin(np.arange(SIDE) / 4)[:, None].repeat(SIDE, 1)
    h = np.full((SIDE, SIDE), 0.05)
    assert describe(expose(h, stripes))["fibres"] > 0.95
    noise = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE)), (0, 0), 2)
    assert describe(expose(h, np.clip(0.4 + 0.5 * noise, 0, None)))["fibres"] < 0.4


# --- what it is good for --------------------------------------------------------------------------


def test_different_nuclei_give_different_directions() -> None:
    small = np.stack([tissue_like(seed, 6.0, 90) for seed in range(10, 16)])
    large = np.stack([tissue_like(seed, 12.0, 35) for seed in range(20, 26)])
    vectors = StainTexture().encode(np.concatenate([small, large]))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = vectors @ vectors.T
    within = np.concatenate(
        [cosine[:6, :6][np.triu_indices(6, 1)], cosine[6:, 6:][np.triu_indices(6, 1)]]
    )
    between = cosine[:6, 6:]
    assert between.max() < within.min()


@pytest.mark.real
def test_real_epithelium_and_stroma_differ(real_data: Path) -> None:
    """Skin: epidermis and dermis, four tiles each, are told apart by the nearest neighbour."""
    openslide = pytest.importorskip("openslide")
    slide = openslide.OpenSlide(str(real_data / "slides" / "CMU-1-Small-Region.svs"))
    corners = {
        "epidermis": [(1100, 900), (1100, 1850), (1130, 2050), (600, 2650)],
        "dermis": [(800, 900), (800, 1500), (1000, 2600), (1500, 1900)],
    }
    tiles, kind = [], []
    for name, places in corners.items():
        for place in places:
            tiles.append(np.array(slide.read_region(place, 0, (SIDE, SIDE)).convert("RGB")))
            kind.append(name)
    vectors = StainTexture().encode(np.stack(tiles))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = vectors @ vectors.T
    np.fill_diagonal(cosine, -1)
    assert [kind[i] for i in cosine.argmax(axis=1)] == kind


def test_where_in_memory_things_lie_does_not_show() -> None:
    rng = np.random.default_rng(8)
    tiles = rng.integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
    expected = StainTexture().encode(tiles)
    for offset in range(1, 33, 3):
        moved = np.empty(tiles.size + offset, np.uint8)[offset:].reshape(tiles.shape)
        moved[:] = tiles
        np.testing.assert_array_equal(StainTexture().encode(moved), expected)
