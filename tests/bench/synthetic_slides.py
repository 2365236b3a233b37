"""Synthetic slides with planted regions, to measure how well clustering finds them.

A slide is an irregular piece of tissue on a lattice, cut into K kinds of region (a warped Voronoi
diagram with several sites per kind, so a kind may lie in several places and sizes differ). Its
embeddings have the width and the correlations of a foundation model's, and four parts:

- one mean vector common to all tiles (embeddings of one slide are similar, cosine about 0.7),
- a mean per kind, of length `separation`, in a space of 24 dimensions,
- noise of a tile: 400 directions with a power-law spectrum, partly the same directions as the
  means, with scales and a rotation of its leading part that differ between kinds,
- smooth fields over the slide (stain, thickness, focus) in the space of the means. They are what
  makes counting hard: they vary as much as the regions do, but without borders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter

from histohet.common.arrays import Float32, Floats, Ints

WIDTH = 1536
PITCH_PX = 448
SMALLEST_REGION = 0.03
MEAN_DIMENSIONS = 24
NOISE_DIMENSIONS = 400
ROTATED_DIMENSIONS = 40
# Variances, relative to embeddings of length 1.
COMMON, TILE_NOISE, FIELDS, ISOTROPIC = 0.64, 0.20, 0.055, 0.030
N_FIELDS = 12
SEPARATIONS = {"low": 0.18, "medium": 0.22, "high": 0.28}

Noise = Literal["gaussian", "heavy_tailed", "correlated"]


@dataclass(frozen=True)
class SyntheticSlide:
    """Tiles of a slide and the kind of region that each was planted in.

    Attributes
    ----------
    coords
        (N, 2) int64 level-0 positions (x, y), rows of the lattice from top to bottom.
    features
        (N, 1536) float32, each of length 1.
    regions
        (N,) int64 in 0..K-1.
    """

    coords: Ints
    features: Float32
    regions: Ints


def make_slide(
    n_tiles: int, n_regions: int, seed: int, separation: float = 0.22, noise: Noise = "gaussian"
) -> SyntheticSlide:
    """Return a slide of exactly `n_tiles` tiles and `n_regions` kinds of region.

    Every kind holds at least 3 % of the tiles. `heavy_tailed` multiplies the noise of each tile by
    a random scale (Student's t, 5 degrees of freedom); `correlated` doubles the variance of the
    smooth fields.
    """
    rng = np.random.default_rng([n_tiles, n_regions, seed])
    places, side = _tissue(n_tiles, rng)
    regions = _regions(places, side, n_regions, rng)
    features = _features(places, side, regions, separation, noise, rng)
    return SyntheticSlide(np.ascontiguousarray(places[:, ::-1]) * PITCH_PX, features, regions)


def _tissue(n: int, rng: np.random.Generator) -> tuple[Ints, int]:
    """Return (row, column) of the n places of a ragged piece with holes, and the lattice's side."""
    side = int(np.sqrt(n) * 1.75) + 12
    coarse, fine = _field(side, side / 9, rng), _field(side, max(1.5, side / 40), rng)
    rows, columns = np.mgrid[:side, :side]
    radius = np.hypot(rows - side / 2, columns - side / 2) / (side / 2)
    score = 0.8 * coarse + 0.55 * fine - 2.2 * radius**2
    chosen = np.sort(np.argsort(-score, axis=None, kind="stable")[:n])
    return np.stack(np.unravel_index(chosen, score.shape), axis=1).astype(np.int64), side


def _regions(places: Ints, side: int, k: int, rng: np.random.Generator) -> Ints:
    while True:
        warp = [_field(side, side / 25, rng) * side / 14 for _ in range(2)]
        warped = places + np.stack([field[tuple(places.T)] for field in warp], axis=1)
        sites = places[rng.choice(len(places), 3 * k, replace=False)]
        sites = sites + rng.standard_normal(sites.shape)
        kinds = np.concatenate([np.arange(k), rng.choice(k, 2 * k, p=rng.dirichlet(np.full(k, 3)))])
        nearest = ((warped[:, None] - sites) ** 2).sum(axis=2).argmin(axis=1)
        regions = kinds[nearest].astype(np.int64)
        if np.bincount(regions, minlength=k).min() >= SMALLEST_REGION * len(places):
            return regions


def _features(
    places: Ints,
    side: int,
    regions: Ints,
    separation: float,
    noise: Noise,
    rng: np.random.Generator,
) -> Float32:
    n = len(places)
    basis = np.linalg.qr(rng.standard_normal((WIDTH, 500)))[0].astype(np.float32)
    of_means = basis[:, 1 : 1 + MEAN_DIMENSIONS]
    of_noise = basis[:, 10 : 10 + NOISE_DIMENSIONS]
    means = rng.standard_normal((regions.max() + 1, MEAN_DIMENSIONS))
    means *= separation / np.linalg.norm(means, axis=1, keepdims=True)
    features = means[regions].astype(np.float32) @ of_means.T
    features += _tile_noise(regions, noise, rng) @ of_noise.T
    directions = rng.standard_normal((N_FIELDS, MEAN_DIMENSIONS)).astype(np.float32)
    directions = directions @ of_means.T
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    variance = FIELDS * (2 if noise == "correlated" else 1) / N_FIELDS
    fields = [_field(side, 3 + 2 * rng.random(), rng)[tuple(places.T)] for _ in range(N_FIELDS)]
    features += np.stack(fields, axis=1).astype(np.float32) * np.float32(variance**0.5) @ directions
    features += np.float32(COMMON**0.5) * basis[:, 0]
    features += np.float32((ISOTROPIC / WIDTH) ** 0.5) * rng.standard_normal(
        (n, WIDTH), dtype=np.float32
    )
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features


def _tile_noise(regions: Ints, noise: Noise, rng: np.random.Generator) -> Float32:
    spectrum = 1 / np.arange(1, NOISE_DIMENSIONS + 1)
    spectrum *= TILE_NOISE / spectrum.sum()
    z = rng.standard_normal((len(regions), NOISE_DIMENSIONS), dtype=np.float32)
    for kind in range(regions.max() + 1):
        scale = np.sqrt(spectrum * np.exp(0.35 * rng.standard_normal(NOISE_DIMENSIONS)))
        own = z[regions == kind] * scale.astype(np.float32)
        turn = np.linalg.qr(rng.standard_normal((ROTATED_DIMENSIONS, ROTATED_DIMENSIONS)))[0]
        own[:, :ROTATED_DIMENSIONS] = own[:, :ROTATED_DIMENSIONS] @ turn.astype(np.float32)
        z[regions == kind] = own
    if noise == "heavy_tailed":
        z *= np.sqrt(3 / rng.chisquare(5, len(z))).astype(np.float32)[:, None]
    return z


def _field(side: int, smoothness: float, rng: np.random.Generator) -> Floats:
    """Return a smooth random field of standard deviation 1; `smoothness` in tiles."""
    field = gaussian_filter(rng.standard_normal((side, side)), smoothness)
    return np.asarray(field / field.std())
