"""The low-power view: glands, lumina, vessels, fat and clefts as distance maps."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from scipy.special import ndtri

from histohet.common.arrays import Bools, Int32, UInt8
from histohet.phantoms.fields import (
    Field,
    Numbers,
    Points,
    blur,
    distance_inside,
    nearest_seed,
    resize,
    sample,
    signed_distance,
    slope,
    smooth_noise,
    throw_darts,
)
from histohet.phantoms.phenotype import NAMES, Scores, value
from histohet.phantoms.territory import FAT, LAND_PITCH_UM, NORMAL, TUMOUR, Territory

PITCH_UM = 2.0
FLOW_PITCH_UM = 16.0

CRYPT_RADIUS_UM = 52.0
CRYPT_WALL_UM = 30.0
# Glands end before the section's edge.
EDGE_UM = 8.0
# A cord goes on to one of as many neighbours.
NEIGHBOURS = 6
# Cosine of the sharpest turn.
STRAIGHT = 0.6


class Layout(NamedTuple):
    """Maps on a grid of `PITCH_UM`; float32 maps are signed distances in µm, positive inside.

    Attributes
    ----------
    matter
        Inside tissue that was cut and stained; outside are glass, lumina, vessels, fat, tears.
    gland
        Inside glands, their lumina included.
    lumen
        Inside the lumina of glands.
    vessel
        Inside the lumina of blood vessels.
    kind
        uint8: 0 where no gland grows, 1 for normal glands, 1 + k for glands of subclone k.
    secretion
        float32: eosin concentration of what fills the lumen.
    along_x, along_y
        float32, unit vector of the fibres in stroma and of the cells' long axis in glands.
    """

    matter: Field
    gland: Field
    lumen: Field
    vessel: Field
    kind: UInt8
    secretion: Field
    along_x: Field
    along_y: Field


def make_layout(land: Territory, scores: Scores, rng: np.random.Generator) -> Layout:
    """Fill the zones of `land` with glands whose architecture follows their subclone's traits."""
    fold = int(LAND_PITCH_UM / PITCH_UM)
    height, width = land.depth.shape
    tissue = resize(land.depth, (fold * height, fold * width))
    tissue += 3 * smooth_noise(tissue.shape, 14 / PITCH_UM, rng)
    ripple = _ripple(tissue.shape, 4.0, 30.0, rng)

    seeds, seed_kind = _gland_seeds(land, scores, rng)
    gland, index = _glands(tissue, seeds, seed_kind, scores, rng)
    kind = seed_kind[index]
    wall = _wall_um(kind, index, scores, rng)
    lumen = np.maximum(gland - wall, _cribriform(gland, kind, ripple, scores, rng))
    lumen = blur(np.where(gland > 0, lumen, gland), 2.5 / PITCH_UM)
    vessel = _vessels(land, gland, ripple, rng)

    clear = np.maximum(lumen, vessel)
    for gap in (
        _fat(land, gland, ripple, rng),
        _tears(gland, rng),
        _retraction(gland, kind, scores, rng),
    ):
        np.maximum(clear, gap, out=clear)
    matter = np.minimum(tissue, -clear)
    secretion = _secretion(lumen, index, seed_kind, rng)
    along_x, along_y = _directions(gland, rng)
    return Layout(matter, gland, lumen, vessel, kind, secretion, along_x, along_y)


def trait_of_kind(name: str, scores: Scores) -> Numbers:
    """Return the trait of kinds 0, 1, ... (kind 0 is no gland; it repeats the normal value)."""
    of_row = value(name, scores[:, NAMES.index(name)])
    return np.concatenate([of_row[:1], of_row])


def scatter(where: Bools, area_um2_per_point: float, rng: np.random.Generator) -> Points:
    """Throw points at random over the marked pixels of the grid; (n, 2), x and y in µm."""
    pixels = np.flatnonzero(where)
    if not len(pixels):
        return np.empty((0, 2))
    n = int(len(pixels) * PITCH_UM**2 / area_um2_per_point)
    row, column = np.divmod(pixels[rng.integers(len(pixels), size=n)], where.shape[1])
    return (np.stack([column, row], axis=1) + rng.random((n, 2))) * PITCH_UM


def discs(points: Points, reach: Numbers) -> Bools:
    """Keep points whose discs of radius `reach` do not overlap those kept before."""
    return throw_darts(points, reach, reach, np.zeros(len(points)))


def _nowhere(shape: tuple[int, ...]) -> Field:
    return np.full(shape, -1e3, np.float32)


def _ripple(
    shape: tuple[int, ...], amplitude_um: float, scale_um: float, rng: np.random.Generator
) -> Int32:
    """Draw a smooth random displacement: for each pixel the flat index of where it comes from."""
    height, width = shape
    shift_y, shift_x = (
        smooth_noise((height, width), scale_um / PITCH_UM, rng)
        * np.float32(amplitude_um / PITCH_UM)
        for _ in range(2)
    )
    shift_y += np.arange(height, dtype=np.float32)[:, None]
    shift_x += np.arange(width, dtype=np.float32)
    row, column = np.clip(shift_y, 0, height - 1), np.clip(shift_x, 0, width - 1)
    return np.asarray(row.astype(np.int32) * width + column.astype(np.int32), np.int32)


def _gland_seeds(land: Territory, scores: Scores, rng: np.random.Generator) -> tuple[Points, UInt8]:
    """Place the middles of glands, and of patches of stroma between them (kind 0)."""
    extent = np.array(land.depth.shape[::-1]) * LAND_PITCH_UM
    points = rng.random((int(extent.prod() / 250), 2)) * extent
    points = points[sample(land.depth, points, LAND_PITCH_UM) > -60]
    zone = sample(land.zone, points, LAND_PITCH_UM)
    subclone = sample(land.subclone, points, LAND_PITCH_UM).astype(int)
    kind = np.select([zone == NORMAL, zone == TUMOUR], [1, subclone + 1], 0)
    radius = trait_of_kind("gland_radius_um", scores)
    radius[:2] = 45.0, CRYPT_RADIUS_UM
    reach = radius[kind] * np.where(kind > 1, rng.uniform(0.5, 1.15, len(kind)), 0.9)
    kept = discs(points, reach)
    points, kind = points[kept], kind[kept]
    bare = rng.random(len(kind)) < np.where(kind > 1, 0.09, 0.0)
    return points, np.where(bare, 0, kind).astype(np.uint8)


def _glands(
    tissue: Field, seeds: Points, seed_kind: UInt8, scores: Scores, rng: np.random.Generator
) -> tuple[Field, Int32]:
    """Grow a gland around each seed up to a septum; some neighbours of a kind fuse.

    Returns
    -------
    gland
        Signed distance to the basement membrane, µm.
    index
        Row number of the seed that stands for the gland the pixel belongs to.
    """
    index, distance = nearest_seed(seeds, tissue.shape, PITCH_UM)
    ripple = _ripple(tissue.shape, 17.0, 75.0, rng)
    index, distance = index.ravel()[ripple], distance.ravel()[ripple]
    index = _join(seeds, seed_kind, scores, rng)[index]
    kind = seed_kind[index]
    apart = (kind > 0) & ~_borders(index)
    septum = trait_of_kind("septum_um", scores)[kind].astype(np.float32)
    septum *= np.exp(0.3 * smooth_noise(tissue.shape, 70 / PITCH_UM, rng))
    gland = distance_inside(apart, PITCH_UM) - septum
    crypt_radius = rng.normal(CRYPT_RADIUS_UM - 3, 4, len(seeds)).astype(np.float32)
    np.minimum(gland, crypt_radius[index] - distance, out=gland, where=kind == 1)
    np.minimum(gland, tissue - EDGE_UM, out=gland)
    gland = blur(gland, 3 / PITCH_UM)
    np.minimum(gland, _cores(kind, index, scores, rng), out=gland)
    gland += 1.5 * smooth_noise(tissue.shape, 18 / PITCH_UM, rng)
    inside = gland > 0
    return np.where(inside, gland, -distance_inside(~inside, PITCH_UM)), index


def _borders(index: Int32) -> Bools:
    """Mark pixels whose left or upper neighbour belongs to another seed."""
    border = np.zeros(index.shape, bool)
    border[:, 1:] |= index[:, 1:] != index[:, :-1]
    border[1:] |= index[1:] != index[:-1]
    return border


def _join(seeds: Points, seed_kind: UInt8, scores: Scores, rng: np.random.Generator) -> Int32:
    """Join tumour seeds to cords: each to at most one ahead, in the direction of growth.

    Returns
    -------
    int32 (n,), the seed that stands for the gland of each.
    """
    n = len(seeds)
    if n <= NEIGHBOURS:
        return np.arange(n, dtype=np.int32)
    near = cKDTree(seeds).query(seeds, k=NEIGHBOURS + 1)[1][:, 1:]
    step = seeds[near] - seeds[:, None]
    straight = (step * _flow(seeds, rng)[:, None]).sum(2) / np.linalg.norm(step, axis=2)
    straight[seed_kind[near] != seed_kind[:, None]] = -1
    best = straight.argmax(1)
    head, straight = near[np.arange(n), best], straight[np.arange(n), best]
    joined = (seed_kind > 1) & (straight > STRAIGHT)
    joined &= rng.random(n) < trait_of_kind("cords", scores)[seed_kind]
    # Cords do not branch: of several that go on to one, the straightest does.
    tail = np.flatnonzero(joined)
    tail = tail[np.argsort(-straight[tail])]
    tail = tail[np.unique(head[tail], return_index=True)[1]]
    links = coo_array((np.ones(len(tail)), (tail, head[tail])), shape=(n, n))
    _, cord = connected_components(links, directed=False)
    _, first = np.unique(cord, return_index=True)
    return np.asarray(first[cord], np.int32)


def _flow(points: Points, rng: np.random.Generator) -> Points:
    """Direction in which cords grow, a unit vector at each point; it turns over some 300 µm."""
    size = (points.max(axis=0)[::-1] / FLOW_PITCH_UM).astype(int) + 2
    turn = np.pi * smooth_noise((size[0], size[1]), 300 / FLOW_PITCH_UM, rng)
    angle = sample(turn, points, FLOW_PITCH_UM)
    return np.stack([np.cos(angle), np.sin(angle)], 1)


def _cores(kind: UInt8, index: Int32, scores: Scores, rng: np.random.Generator) -> Field:
    """Distance (µm) from the fibrovascular cores that wind through papillary glands."""
    share = trait_of_kind("papillae", scores)
    share[:2] = 0
    papillary = share[kind] > rng.random(index.max() + 1)[index]
    winding = smooth_noise(kind.shape, 18 / PITCH_UM, rng) > 0
    away = np.abs(signed_distance(winding, PITCH_UM))
    width = 3 + 1.3 * smooth_noise(kind.shape, 40 / PITCH_UM, rng)
    return np.where(papillary, away - width, np.float32(1e3))


def _wall_um(kind: UInt8, index: Int32, scores: Scores, rng: np.random.Generator) -> Field:
    """Thickness of the epithelium around the central lumen; the lumen is what remains."""
    of_kind = trait_of_kind("wall_um", scores)
    of_kind[:2] = CRYPT_WALL_UM
    folds = smooth_noise(kind.shape, 26 / PITCH_UM, rng)
    folds *= np.where(kind > 1, np.float32(5), np.float32(1.5))
    per_gland = np.exp(0.16 * rng.standard_normal(index.max() + 1)).astype(np.float32)
    return np.asarray(of_kind[kind] * per_gland[index] + folds, np.float32)


def _cribriform(
    gland: Field, kind: UInt8, ripple: Int32, scores: Scores, rng: np.random.Generator
) -> Field:
    """Round secondary lumina punched into tumour glands; signed distance."""
    points = scatter((gland > 18) & (kind > 1), 250, rng)
    of = sample(kind, points, PITCH_UM)
    spacing = rng.uniform(15, 26, len(points))
    kept = discs(points, spacing)
    kept &= rng.random(len(points)) < trait_of_kind("cribriform", scores)[of]
    if not kept.any():
        return _nowhere(gland.shape)
    radius = (spacing[kept] * rng.uniform(0.2, 0.65, kept.sum())).astype(np.float32)
    index, distance = nearest_seed(points[kept], gland.shape, PITCH_UM)
    hole = (radius[index] - distance).ravel()[ripple]
    return np.asarray(np.minimum(hole, gland - 12), np.float32)


def _secretion(lumen: Field, index: Int32, seed_kind: UInt8, rng: np.random.Generator) -> Field:
    """Fill some lumina with clumps of secretion; eosin concentration."""
    filled = rng.random(len(seed_kind)) < np.where(seed_kind > 1, 0.3, 0.08)
    amount = np.where(filled, rng.uniform(0.06, 0.3, len(seed_kind)), 0.0).astype(np.float32)
    clumps = 0.6 + 0.9 * smooth_noise(lumen.shape, 45 / PITCH_UM, rng)
    clumps += 0.35 * smooth_noise(lumen.shape, 10 / PITCH_UM, rng)
    return np.where(lumen > -2, amount[index] * np.clip(clumps, 0, 1), np.float32(0))


def _vessels(land: Territory, gland: Field, ripple: Int32, rng: np.random.Generator) -> Field:
    """Blood vessels where the stroma is wide enough; signed distance to their lumina."""
    points = scatter(gland < -11, 400, rng)
    fits = sample(land.depth, points, LAND_PITCH_UM) > 25
    fits &= sample(land.zone, points, LAND_PITCH_UM) != FAT
    points = points[fits]
    room = -sample(gland, points, PITCH_UM)
    kept = discs(points, rng.uniform(45, 160, len(points)))
    if not kept.any():
        return _nowhere(gland.shape)
    radius = np.clip(room[kept] * rng.uniform(0.25, 0.6, kept.sum()), 4, 30).astype(np.float32)
    index, distance = nearest_seed(points[kept], gland.shape, PITCH_UM)
    tube = (radius[index] - distance).ravel()[ripple]
    return np.asarray(np.minimum(tube, -gland - 4), np.float32)


def _fat(land: Territory, gland: Field, ripple: Int32, rng: np.random.Generator) -> Field:
    """Adipocytes packed in the fat zone; signed distance to their content."""
    points = scatter(gland < 0, 400, rng)
    points = points[sample(land.zone, points, LAND_PITCH_UM) == FAT]
    if not len(points):
        return _nowhere(gland.shape)
    points = points[discs(points, rng.uniform(20, 34, len(points)))]
    index, distance = nearest_seed(points, gland.shape, PITCH_UM)
    index, distance = index.ravel()[ripple], distance.ravel()[ripple]
    cell = (distance < 40) & ~_borders(index)
    depth = blur(distance_inside(cell, PITCH_UM), 4 / PITCH_UM) - 3.2
    return np.asarray(np.minimum(depth, -gland - 3), np.float32)


def _tears(gland: Field, rng: np.random.Generator) -> Field:
    """Draw a few cracks through the section, mostly along the stroma; signed distance."""
    ridge = smooth_noise(gland.shape, 260 / PITCH_UM, rng)
    where = smooth_noise(gland.shape, 600 / PITCH_UM, rng)
    width_um = 9 * (where - 1.7) + 2.0 * smooth_noise(gland.shape, 20 / PITCH_UM, rng)
    crack = width_um - np.abs(ridge) * 90
    return np.asarray(np.minimum(crack, np.maximum(-gland, crack - 14)), np.float32)


def _retraction(gland: Field, kind: UInt8, scores: Scores, rng: np.random.Generator) -> Field:
    """Clefts between tumour glands and their stroma (shrinkage); signed distance."""
    share = ndtri(trait_of_kind("retraction", scores)).astype(np.float32)
    width = 3.5 * (smooth_noise(gland.shape, 130 / PITCH_UM, rng) + share[kind])
    width += 1.2 * smooth_noise(gland.shape, 15 / PITCH_UM, rng)
    width[kind < 2] = -9
    return np.asarray(np.minimum(-gland, gland + width), np.float32)


def _directions(gland: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    """Fibres follow the glands' surface and wander elsewhere; cells stand on it upright."""
    pitch_um = 2 * PITCH_UM
    coarse = resize(gland, tuple(n // 2 for n in gland.shape), cv2.INTER_AREA)
    rise_x, rise_y = slope(coarse, 8 / pitch_um)
    normal = np.arctan2(rise_y, rise_x)
    wander = np.float32(np.pi) * smooth_noise(coarse.shape, 700 / pitch_um, rng)
    wave = np.float32(0.35) * smooth_noise(coarse.shape, 45 / pitch_um, rng)
    # Directions have no sign, so they are mixed at twice their angle.
    hold = np.exp(-np.abs(coarse) / np.float32(22))
    twice_x = (1 - hold) * np.cos(2 * wander) - hold * np.cos(2 * normal)
    twice_y = (1 - hold) * np.sin(2 * wander) - hold * np.sin(2 * normal)
    fibre = np.arctan2(twice_y, twice_x) / 2 + wave
    # Far from the basement membrane cells lose their orientation.
    stray = np.float32(1.3) * smooth_noise(coarse.shape, 30 / pitch_um, rng)
    cell = normal + np.clip((coarse - 14) / 25, 0.1, 1) * stray
    angle = np.where(coarse > 0, cell, fibre)
    return (
        resize(np.cos(angle), gland.shape, cv2.INTER_NEAREST),
        resize(np.sin(angle), gland.shape, cv2.INTER_NEAREST),
    )
