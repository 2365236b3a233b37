"""Stain model: planted stains come back, implausible slides fall back, pixels stay independent."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gamma

from helpers.pictures import INKS
from histohet.common.arrays import Float32, Floats, UInt8
from histohet.tissue.stain import (
    EOSIN,
    HEMATOXYLIN,
    MIN_REFERENCE,
    StainModel,
    fit_stain,
    ink,
    optical_density,
    stained,
    unmix,
)

WHITE = np.array([241.0, 238.0, 244.0])


def unit(*vector: float) -> Floats:
    return np.array(vector) / np.linalg.norm(vector)


def angle_deg(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    cosine = np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def expose(density: Floats, white: npt.ArrayLike = WHITE) -> UInt8:
    """Invert `optical_density`: densities (..., 3) to the nearest grey levels."""
    light = (np.asarray(white) + 1) * 10.0**-density - 1
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


def section(
    hematoxylin: npt.ArrayLike, eosin: npt.ArrayLike, n: int = 20_000, seed: int = 1
) -> UInt8:
    """Pixels of glass, eosin-rich stroma and nuclei in equal parts, with sensor noise."""
    rng = np.random.default_rng(seed)
    h = np.concatenate([rng.gamma(2, 0.02, n), rng.gamma(8, 0.12, n), np.zeros(n)])
    e = np.concatenate([rng.gamma(9, 0.06, n), rng.gamma(2, 0.03, n), np.zeros(n)])
    density = h[:, None] * np.asarray(hematoxylin) + e[:, None] * np.asarray(eosin)
    noisy = expose(density).astype(float) + rng.normal(0, 1.0, (3 * n, 3))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("hematoxylin", "eosin"),
    [
        (HEMATOXYLIN, EOSIN),
        (unit(0.50, 0.82, 0.28), unit(0.10, 0.97, 0.22)),
        (unit(0.76, 0.57, 0.31), unit(0.25, 0.90, 0.35)),
    ],
)
def test_planted_vectors_are_found(hematoxylin: Floats, eosin: Floats) -> None:
    model = fit_stain(section(hematoxylin, eosin))
    assert model.estimated
    assert angle_deg(model.hematoxylin, hematoxylin) < 4
    assert angle_deg(model.eosin, eosin) < 4
    np.testing.assert_allclose(model.white, WHITE, atol=1.5)
    # Half of the tissue is nuclei, so its 99th percentile is their 98th.
    assert model.reference[0] == pytest.approx(gamma.ppf(0.98, 8, scale=0.12), rel=0.1)


@pytest.mark.parametrize("pen", sorted(INKS))
def test_a_pen_mark_does_not_move_the_vectors(pen: str) -> None:
    hematoxylin, eosin = unit(0.55, 0.78, 0.29), unit(0.10, 0.95, 0.30)
    clean = section(hematoxylin, eosin)
    strength = np.random.default_rng(2).uniform(0.5, 1.2, (9000, 1))
    marked = np.concatenate([clean, expose(strength * np.array(INKS[pen]))])
    model = fit_stain(marked)
    assert model.estimated
    assert angle_deg(model.hematoxylin, hematoxylin) < 4
    assert angle_deg(model.eosin, eosin) < 4


@pytest.mark.parametrize("vector", [HEMATOXYLIN, EOSIN, unit(0.58, 0.78, 0.24)])
def test_a_slide_of_one_stain_falls_back_to_the_published_vectors(vector: Floats) -> None:
    amount = np.random.default_rng(3).gamma(6, 0.12, 30_000)
    model = fit_stain(expose(amount[:, None] * vector))
    assert not model.estimated
    np.testing.assert_array_equal(model.hematoxylin, HEMATOXYLIN)
    np.testing.assert_array_equal(model.eosin, EOSIN)
    assert min(model.reference) >= MIN_REFERENCE


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((0, 3), np.uint8),
        np.full((50_000, 3), 255, np.uint8),
        np.full((50_000, 3), 242, np.uint8),
        np.zeros((50_000, 3), np.uint8),
        expose(np.tile(INKS["blue"], (50_000, 1))),
        section(HEMATOXYLIN, EOSIN)[:100],
    ],
    ids=["empty", "white fill", "glass", "black", "ink", "too few"],
)
def test_without_tissue_the_default_stands_in(pixels: UInt8) -> None:
    model = fit_stain(pixels)
    assert not model.estimated
    assert model.reference == StainModel().reference
    assert np.isfinite(model.white).all()


def test_white_is_the_glass_and_not_the_fill_of_unscanned_regions() -> None:
    fill = np.full((100_000, 3), 255, np.uint8)
    glass = np.tile(np.uint8([231, 236, 229]), (5000, 1))
    pale = np.tile(np.uint8([225, 205, 222]), (4000, 1))
    assert fit_stain(np.concatenate([fill, glass, pale])).white == (231, 236, 229)


def test_the_order_of_the_pixels_does_not_matter() -> None:
    pixels = section(HEMATOXYLIN, EOSIN, n=2000)
    shuffled = np.random.default_rng(4).permutation(pixels)
    assert fit_stain(pixels) == fit_stain(shuffled)


def amounts(rgb: UInt8, model: StainModel) -> Float32:
    """Hematoxylin and eosin as one array, (height, width, 2)."""
    return np.stack(unmix(rgb, model), axis=2)


def test_amounts_undo_the_exposure() -> None:
    model = StainModel(white=(240.0, 241.0, 239.0), reference=(1.1, 0.8))
    h, e = np.meshgrid(np.linspace(0, 1.0, 30), np.linspace(0, 0.7, 20))
    rgb = expose(h[..., None] * HEMATOXYLIN + e[..., None] * EOSIN, model.white)
    found = amounts(rgb, model)
    assert found.shape == (20, 30, 2)
    assert found.dtype == np.float32
    # Half a grey level is up to 0.014 in density where the light is down to 1/8.
    np.testing.assert_allclose(found[..., 0], h / 1.1, atol=0.03)
    np.testing.assert_allclose(found[..., 1], e / 0.8, atol=0.03)


def test_amounts_are_least_squares() -> None:
    model = fit_stain(section(unit(0.5, 0.8, 0.3), EOSIN, n=2000))
    rgb = np.random.default_rng(5).integers(0, 256, (6, 7, 3), np.uint8)
    vectors = np.array([model.hematoxylin, model.eosin]).T
    light = np.minimum((rgb + 1.0) / (np.array(model.white) + 1), 1)
    expected = np.linalg.lstsq(vectors, -np.log10(light).reshape(-1, 3).T, rcond=None)[0].T
    expected = np.maximum(expected / model.reference, 0).reshape(6, 7, 2)
    np.testing.assert_allclose(amounts(rgb, model), expected, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 60), st.integers(1, 60))
def test_a_pixel_depends_on_itself_alone(y: int, x: int, height: int, width: int) -> None:
    rgb = np.random.default_rng(6).integers(0, 256, (101, 103, 3), np.uint8)
    model = StainModel(white=(243.0, 240.0, 245.0))
    window = np.s_[y : y + height, x : x + width]
    part = np.ascontiguousarray(rgb[window])
    for function in (amounts, ink, stained):
        np.testing.assert_array_equal(function(part, model), function(rgb, model)[window])
    for mine, whole in zip(optical_density(part, model), optical_density(rgb, model), strict=True):
        np.testing.assert_array_equal(mine, whole[window])


def test_glass_is_not_stained_and_white_has_no_density() -> None:
    model = StainModel(white=(240.0, 240.0, 240.0))
    rgb = np.array([[[240, 240, 240], [255, 255, 255], [236, 236, 236], [225, 190, 215]]], np.uint8)
    np.testing.assert_array_equal(stained(rgb, model), [[False, False, False, True]])
    np.testing.assert_array_equal(np.array(optical_density(rgb, model))[:, 0, :2], np.zeros((3, 2)))
    np.testing.assert_array_equal(amounts(rgb, model)[0, :2], np.zeros((2, 2)))


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1.3), st.floats(0, 1.0))
def test_hematoxylin_and_eosin_are_not_ink(h: float, e: float) -> None:
    rgb = expose((h * HEMATOXYLIN + e * EOSIN)[None, None])
    assert not ink(rgb, StainModel(white=(241.0, 238.0, 244.0))).any()


@pytest.mark.parametrize("pen", sorted(INKS))
def test_ink_is_ink_on_glass_and_over_tissue(pen: str) -> None:
    over = np.stack([np.array(INKS[pen]), INKS[pen] + 0.3 * EOSIN])[None]
    assert ink(expose(over), StainModel(white=(241.0, 238.0, 244.0))).all()


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((5, 4), np.uint8), np.zeros((5, 3), np.float32), np.zeros((2, 2, 3), np.uint8)],
)
def test_pixels_of_another_shape_are_refused(pixels: UInt8) -> None:
    with pytest.raises(ValueError, match=r"uint8 pixels of shape \(n, 3\)"):
        fit_stain(pixels)


@pytest.mark.parametrize("function", [unmix, optical_density, ink, stained])
@pytest.mark.parametrize(
    "image", [np.zeros((5, 4), np.uint8), np.zeros((5, 4, 4), np.uint8), np.zeros((5, 4, 3))]
)
def test_an_image_of_another_shape_is_refused(function, image) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="an image is uint8"):
        function(image, StainModel())


@pytest.mark.real
def test_real_sections_have_plausible_stains(real_data) -> None:  # type: ignore[no-untyped-def]
    """Colon of six patients: every image is estimated, hematoxylin absorbs more red than eosin."""
    names = sorted((real_data / "epithelium" / "glas").glob("*_anno.bmp"))
    assert names
    for name in names:
        bgr = cv2.imread(str(name).replace("_anno", ""))
        model = fit_stain(np.ascontiguousarray(bgr[..., ::-1]).reshape(-1, 3))
        assert model.estimated, name
        assert model.hematoxylin[0] > model.eosin[0] + 0.2, name
        assert min(model.white) > 220, name
