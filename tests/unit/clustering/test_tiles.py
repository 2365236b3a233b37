from __future__ import annotations

import h5py
import numpy as np
import pytest
from scipy.spatial.distance import pdist

from histohet.clustering import tiles as ordered_tiles
from histohet.clustering.tiles import (
    EXACT_WIDTH,
    FITTED_TILES,
    ROWS_PER_CHUNK,
    principal_components,
    unit_rows,
)


def exact_components(features: np.ndarray) -> np.ndarray:
    """Principal components of the standardised unit rows in double precision, all of them."""
    rows = features.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    axes = np.linalg.svd(scaled, full_matrices=False)[2]
    return scaled @ axes.T


def up_to_sign(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return expected * np.sign((found * expected).sum(axis=0))


def low_rank(n: int, width: int, rank: int, noise: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scales = 1.0 / np.arange(1, rank + 1)
    features = rng.standard_normal((n, rank)) * scales @ rng.standard_normal((rank, width))
    return (features + noise * rng.standard_normal((n, width)) + 1).astype(np.float32)


def test_unit_rows_have_length_one_and_zeros_stay_zeros():
    features = np.array([[3, 4], [0, 0], [-2, 0], [1e-20, 0], [1e18, 1e18]], np.float32)
    rows = unit_rows(features, np.arange(5))
    assert rows.dtype == np.float32
    np.testing.assert_allclose(
        rows[[0, 1, 2, 4]], [[0.6, 0.8], [0, 0], [-1, 0], [0.5**0.5, 0.5**0.5]], rtol=1e-6
    )


def test_unit_rows_come_in_the_order_asked_for():
    features = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    tiles = np.random.default_rng(1).permutation(30)[:12]
    expected = features[tiles] / np.linalg.norm(features[tiles], axis=1, keepdims=True)
    np.testing.assert_allclose(unit_rows(features, tiles), expected, rtol=1e-6)
    assert unit_rows(features, tiles[:0]).shape == (0, 4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_are_refused_with_the_first_tile(bad):
    features = np.ones((20, 3), np.float32)
    features[[17, 4, 11], 1] = bad
    with pytest.raises(ValueError, match="tile 4 is not finite; encode the slide again"):
        unit_rows(features, np.random.default_rng(0).permutation(20))
    with pytest.raises(ValueError, match="tile 11 is not finite"):
        unit_rows(features, np.array([17, 3, 11]))
    with pytest.raises(ValueError, match="tile 4 is not finite"):
        principal_components(features, np.arange(20), 2, 0)


@pytest.mark.parametrize("shape", [(200, 12), (40, 60), (300, EXACT_WIDTH)])
def test_components_of_narrow_features_are_exact(shape):
    features = low_rank(*shape, rank=10, noise=0.05)
    expected = exact_components(features)[:, :10]
    found = principal_components(features, np.arange(len(features)), 10, 0)
    assert found.dtype == np.float64
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, up_to_sign(found, expected), atol=1e-4)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    assert (np.diff(found.var(axis=0)) < 0).all()


def test_components_of_wide_features_are_near_the_exact_ones():
    features = low_rank(500, 700, rank=8, noise=0.002)
    expected = exact_components(features)[:, :20]
    found = principal_components(features, np.arange(500), 20, 0)
    # The leading ones one by one, the noise as a whole.
    np.testing.assert_allclose(found[:, :8], up_to_sign(found, expected)[:, :8], atol=1e-4)
    assert found.var(axis=0).sum() == pytest.approx(expected.var(axis=0).sum(), rel=1e-3)
    np.testing.assert_allclose(pdist(found), pdist(expected), rtol=1e-2)


def test_seed_of_wide_features_hardly_matters():
    features = low_rank(400, 600, rank=8, noise=0.01)
    first, again, other = (
        principal_components(features, np.arange(400), 8, seed) for seed in (0, 0, 1)
    )
    assert first.tobytes() == again.tobytes()
    np.testing.assert_allclose(up_to_sign(first, other), first, atol=1e-4)


def test_rows_belong_to_the_tiles_asked_for():
    features = low_rank(150, 20, rank=6, noise=0.05)
    tiles = np.random.default_rng(0).permutation(150)[:90]
    found = principal_components(features, tiles, 6, 0)
    expected = exact_components(features[tiles])[:, :6]
    np.testing.assert_allclose(found, up_to_sign(found, expected), atol=1e-5)


def test_length_of_embeddings_does_not_matter():
    features = low_rank(100, 10, rank=5, noise=0.05)
    lengths = 2.0 ** np.random.default_rng(0).integers(-5, 6, (100, 1)).astype(np.float32)
    tiles = np.arange(100)
    first = principal_components(features, tiles, 5, 0)
    assert principal_components(features * lengths, tiles, 5, 0).tobytes() == first.tobytes()


def test_as_many_components_as_the_rows_span():
    rng = np.random.default_rng(0)
    tiles = np.arange(100)
    flat = (rng.standard_normal((100, 3)) @ rng.standard_normal((3, 30))).astype(np.float32)
    # Unit rows of a space of three dimensions span all three of them.
    assert principal_components(flat, tiles, 64, 0).shape == (100, 3)
    kinds = rng.standard_normal((4, 30)).astype(np.float32)[rng.integers(4, size=100)]
    assert principal_components(kinds, tiles, 64, 0).shape == (100, 3)
    assert principal_components(flat[:2], tiles[:2], 64, 0).shape == (2, 1)
    assert principal_components(flat[:1], tiles[:1], 64, 0).shape == (1, 0)
    assert principal_components(flat[:0], tiles[:0], 64, 0).shape == (0, 0)


@pytest.mark.parametrize("n", [2, 131, 758, 4000])
@pytest.mark.parametrize("width", [1, 11, 132, 446])
def test_equal_rows_have_no_components(n, width):
    row = np.random.default_rng(width).standard_normal(width)
    features = np.tile(row, (n, 1)).astype(np.float32)
    assert principal_components(features, np.arange(n), 64, 0).shape == (n, 0)
    # Nor do rows that differ in length only.
    assert principal_components(
        features * 2.0 ** (np.arange(n) % 5)[:, None], np.arange(n), 64, 0
    ).shape == (n, 0)


def test_rows_of_zeros_have_no_components():
    features = np.zeros((50, 7), np.float32)
    assert principal_components(features, np.arange(50), 64, 0).shape == (50, 0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_types_make_no_difference_to_the_result_s(dtype):
    features = low_rank(120, 16, rank=5, noise=0.05)
    found = principal_components(features.astype(dtype), np.arange(120), 5, 0)
    expected = exact_components(features)[:, :5]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, up_to_sign(found, expected), atol=5e-3)


def test_files_give_what_arrays_give(tmp_path):
    features = low_rank(300, 24, rank=5, noise=0.05)
    tiles = np.random.default_rng(0).permutation(300)[:200]
    expected = principal_components(features, tiles, 5, 0)
    np.save(tmp_path / "features.npy", features)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    assert principal_components(mapped, tiles, 5, 0).tobytes() == expected.tobytes()
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file["features"] = features
    with h5py.File(tmp_path / "features.h5") as file:
        assert principal_components(file["features"], tiles, 5, 0).tobytes() == expected.tobytes()
    assert np.load(tmp_path / "features.npy").tobytes() == features.tobytes()


def test_more_tiles_than_one_chunk_and_than_the_axes_are_fitted_to():
    n = FITTED_TILES + ROWS_PER_CHUNK + 7
    features = low_rank(n, 6, rank=5, noise=0.05)
    tiles = np.random.default_rng(0).permutation(n)
    found = principal_components(features, tiles, 4, 0)
    expected = exact_components(features)[tiles, :4]
    # Axes from every second tile: near those of all, in every chunk alike.
    np.testing.assert_allclose(found - found.mean(axis=0), up_to_sign(found, expected), atol=0.1)
    rows = features[tiles] / np.linalg.norm(features[tiles], axis=1, keepdims=True)
    scaled = (rows - rows[::2].mean(axis=0)) / rows[::2].std(axis=0)
    axes = np.linalg.eigh(np.cov(scaled[::2].T))[1][:, :-5:-1].T
    projected = scaled @ axes.T
    np.testing.assert_allclose(found, up_to_sign(found, projected), atol=1e-4)


def test_chunks_do_not_show(monkeypatch):
    features = low_rank(90, 12, rank=5, noise=0.05)
    tiles = np.random.default_rng(0).permutation(90)
    monkeypatch.setattr(ordered_tiles, "FITTED_TILES", 45)
    whole = principal_components(features, tiles, 5, 0)
    monkeypatch.setattr(ordered_tiles, "ROWS_PER_CHUNK", 7)
    np.testing.assert_allclose(principal_components(features, tiles, 5, 0), whole, atol=1e-6)
