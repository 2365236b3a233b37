"""The naked-eye map of a slide: where the tissue lies, its zones and the subclones' regions."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from histohet.common.arrays import Bools, UInt8
from histohet.phantoms.fields import Field, Points, resize, signed_distance, smooth_noise

LAND_PITCH_UM = 8.0

# Zones
STROMA, NORMAL, TUMOUR, FAT = 0, 1, 2, 3

# Pieces smaller than this share of the tissue are dropped: they would be debris.
LEAST_PIECE = 0.03
# How often there are two, and the second one's share of the first.
TWO_PIECES = 0.35
SECOND_PIECE = 0.18
# Clear glass around the tissue.
GLASS_UM = (100.0, 220.0)
# Below this size structures of the naked-eye map shrink with the tissue.
FULL_SIZE_UM = 2600.0


class Territory(NamedTuple):
    """Maps on one grid of `LAND_PITCH_UM`, all (height, width).

    Attributes
    ----------
    depth
        float32, µm to the tissue's outline, positive in tissue.
    zone
        uint8, `STROMA`, `NORMAL`, `TUMOUR` or `FAT`; what would grow there.
    subclone
        uint8, 1 to the number of subclones: whose region it is, inside the tumour zone or not.
    """

    depth: Field
    zone: UInt8
    subclone: UInt8


def make_territory(area_um2: float, n_subclones: int, rng: np.random.Generator) -> Territory:
    """Lay out a piece of tissue of `area_um2`, and perhaps a fifth more as a second piece.

    Normal mucosa is the second piece, or else one end of the first.
    """
    tissue = _outline(area_um2, rng)
    scale = min(1.0, np.sqrt(area_um2) / FULL_SIZE_UM)
    zone = _zones(tissue, scale, rng)
    subclone = _subclone_regions(tissue & (zone == TUMOUR), n_subclones, scale, rng)
    depth = signed_distance(tissue, LAND_PITCH_UM)
    turns = int(rng.integers(4))
    zone, subclone = np.rot90(zone, turns).copy(), np.rot90(subclone, turns).copy()
    return Territory(np.rot90(depth, turns).copy(), zone, subclone)


def _outline(area_um2: float, rng: np.random.Generator) -> Bools:
    """Draw the tissue: a ragged superellipse, and perhaps a smaller one to its left."""
    two = rng.random() < TWO_PIECES
    aspect = rng.uniform(0.75, 1.15)
    b = np.sqrt(area_um2 / np.pi * aspect)
    a = b / aspect
    small = 0.26 * b
    margin = 0.35 * b + 120
    left = margin + (2 * small + 0.2 * b if two else 0.0)
    width, height = left + 2 * a + margin, 2 * b + 2 * margin
    shape = (int(height / LAND_PITCH_UM), int(width / LAND_PITCH_UM))
    y, x = (
        (np.arange(n, dtype=np.float32) + np.float32(0.5)) * np.float32(LAND_PITCH_UM)
        for n in shape
    )
    power, tilt = rng.uniform(2.0, 3.2), rng.uniform(-0.25, 0.25)

    def inside(cx: float, cy: float, rx: float, ry: float) -> Field:
        u = (x[None, :] - cx) / rx
        v = (y[:, None] - cy) / ry
        u, v = u + tilt * v, v - tilt * u
        norm = (np.abs(u) ** power + np.abs(v) ** power) ** (1 / power)
        return np.asarray((1 - norm) * min(rx, ry), np.float32)

    form = inside(left + a, height / 2, a, b)
    if two:
        form = np.maximum(form, inside(margin + small, height / 2, small, small * 2.4))
    for amplitude_um, scale_um in ((0.10 * b, 0.6 * b), (0.03 * b, 0.16 * b), (14, 80)):
        form += np.float32(amplitude_um) * smooth_noise(shape, scale_um / LAND_PITCH_UM, rng)
    wanted = area_um2 * (1 + SECOND_PIECE * two) / LAND_PITCH_UM**2 / form.size
    pieces = _large_pieces(form > np.quantile(form, 1 - wanted))
    rows, columns = (np.flatnonzero(pieces.any(axis)) for axis in (1, 0))
    framed = pieces[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.pad(framed, (rng.uniform(*GLASS_UM, (2, 2)) / LAND_PITCH_UM).astype(int))


def _large_pieces(mask: Bools, least_share: float = LEAST_PIECE) -> Bools:
    _, label, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    keep: Bools = stats[:, cv2.CC_STAT_AREA] > least_share * mask.sum()
    keep[0] = False
    large: Bools = keep[label]
    return large


def _zones(tissue: Bools, scale: float, rng: np.random.Generator) -> UInt8:
    """Divide the tissue from left to right: normal mucosa, a band of stroma, tumour."""
    shape = tissue.shape
    place_um = np.arange(shape[1], dtype=np.float32)[None, :] * np.float32(LAND_PITCH_UM)
    place_um = place_um + 110 * scale * smooth_noise(shape, 450 * scale / LAND_PITCH_UM, rng)
    main = _large_pieces(tissue, 0.5)
    mucosa = rng.uniform(0.12, 0.18) if (main == tissue).all() else 0.0
    border_um = np.quantile(place_um[main], mucosa) if mucosa else -np.inf
    zone = np.full(shape, TUMOUR, np.uint8)
    bands = smooth_noise(shape, 420 * scale / LAND_PITCH_UM, rng)
    zone[bands > np.quantile(bands, 0.95)] = STROMA
    fat = smooth_noise(shape, 500 * scale / LAND_PITCH_UM, rng)
    zone[fat > np.quantile(fat, rng.uniform(0.95, 0.985))] = FAT
    zone[place_um < border_um + rng.uniform(90, 220) * scale] = STROMA
    nearer_second = signed_distance(main, 1) < signed_distance(tissue & ~main, 1)
    zone[(place_um < border_um) | nearer_second] = NORMAL
    return zone


def _subclone_regions(
    tumour: Bools, n_subclones: int, scale: float, rng: np.random.Generator
) -> UInt8:
    """Divide the plane into regions of unequal size: a power diagram with wavy borders."""
    if n_subclones == 1:
        return np.ones(tumour.shape, np.uint8)
    step = 2
    coarse = tumour[::step, ::step]
    y, x = np.indices(coarse.shape, np.float32) * np.float32(step * LAND_PITCH_UM)
    wave = 260 * scale / (step * LAND_PITCH_UM)
    x += 55 * scale * smooth_noise(coarse.shape, wave, rng)
    y += 55 * scale * smooth_noise(coarse.shape, wave, rng)
    places = np.stack([x[coarse], y[coarse]], axis=1).astype(np.float64)
    centres = spread_points(places, n_subclones, rng)
    wanted = rng.uniform(0.6, 1.5, n_subclones)
    wanted /= wanted.sum()
    distance = ((places[:, None] - centres) ** 2).sum(2)
    weight = np.zeros(n_subclones)
    gain = 0.5 * np.median(distance)
    for _ in range(100):
        share = np.bincount((distance - weight).argmin(1), minlength=n_subclones) / len(places)
        weight += gain * (wanted - share)
        gain *= 0.97
    everywhere = (x[..., None] - centres[:, 0]) ** 2 + (y[..., None] - centres[:, 1]) ** 2 - weight
    region = everywhere.argmin(2).astype(np.float32) + 1
    return resize(region, tumour.shape, cv2.INTER_NEAREST).astype(np.uint8)


def spread_points(places: Points, n: int, rng: np.random.Generator) -> Points:
    """Pick `n` of the places far from each other, with some chance in it."""
    chosen = [places[rng.integers(len(places))]]
    for _ in range(n - 1):
        candidates = places[rng.integers(len(places), size=40)]
        gaps = np.linalg.norm(candidates[:, None] - np.array(chosen), axis=2).min(1)
        chosen.append(candidates[(gaps * rng.uniform(0.7, 1.0, len(gaps))).argmax()])
    return np.array(chosen)
