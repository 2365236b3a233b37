"""Where nuclei, mucin and red cells lie and what each looks like."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from histohet.common.arrays import UInt8
from histohet.phantoms.fields import (
    Field,
    Numbers,
    Points,
    sample,
    slope,
    smooth_noise,
    throw_darts,
)
from histohet.phantoms.layout import PITCH_UM, Layout, discs, scatter, trait_of_kind
from histohet.phantoms.phenotype import CELLULAR, N_NUCLEAR, NAMES, Scores, value

# What blurs the subclones' differences, in units of a trait's score: from cell to cell, and
# smoothly over the slide at the scale of a tile and of a field of view.
CELL_SPREAD = 1.0
DRIFT = ((130.0, 0.3), (600.0, 0.2))
DRIFT_PITCH_UM = 16.0


class Nuclei(NamedTuple):
    """One row per nucleus, float32 columns.

    Attributes
    ----------
    x, y
        Centre, µm.
    along, across
        Semi-axes, µm.
    angle
        Direction of the long axis, radians.
    hematoxylin
        Concentration of hematoxylin in it.
    coarseness
        Contrast of the chromatin, 0 to 1.
    nucleolus
        Prominence of the nucleoli, 0 to 1.
    vesicular
        How empty the middle is, 0 to 1.
    roughness
        How far the outline departs from an ellipse.
    """

    x: Numbers
    y: Numbers
    along: Numbers
    across: Numbers
    angle: Numbers
    hematoxylin: Numbers
    coarseness: Numbers
    nucleolus: Numbers
    vesicular: Numbers
    roughness: Numbers


class Discs(NamedTuple):
    """Round things (red cells, mucin): centre and radius in µm, float32 columns."""

    x: Numbers
    y: Numbers
    radius: Numbers


def drift_maps(shape: tuple[int, ...], rng: np.random.Generator) -> Field:
    """Draw the smooth variation of cellular traits; (traits, height, width), `DRIFT_PITCH_UM`."""
    size = tuple(int(n * PITCH_UM / DRIFT_PITCH_UM) + 1 for n in shape)
    return np.stack(
        [
            sum(
                (
                    spread * smooth_noise((size[0], size[1]), um / DRIFT_PITCH_UM, rng)
                    for um, spread in DRIFT
                ),
                start=np.zeros(size, np.float32),
            )
            for _ in CELLULAR
        ]
    )


def make_nuclei(
    layout: Layout,
    scores: Scores,
    drift: Field,
    mucin: Discs,
    rng: np.random.Generator,
) -> Nuclei:
    """Populate epithelium and stroma; rows are sorted by y."""
    groups = [
        _epithelial(layout, scores, drift, mucin, rng),
        _fibroblasts(layout, rng),
        _lymphocytes(layout, rng),
        _endothelium(layout, rng),
        _debris(layout, rng),
    ]
    columns = [np.concatenate(column).astype(np.float32) for column in zip(*groups, strict=True)]
    order = np.argsort(columns[1], kind="stable")
    return Nuclei(*(column[order] for column in columns))


def _sorted_discs(points: Points, radius: Numbers) -> Discs:
    order = np.argsort(points[:, 1], kind="stable")
    x, y = points[order].astype(np.float32).T
    return Discs(x, y, radius[order].astype(np.float32))


def make_mucin(layout: Layout, scores: Scores, rng: np.random.Generator) -> Discs:
    """Fill the apical part of glands with goblet cells: many in normal ones, in most tumour few."""
    points = scatter((layout.gland > 14) & (layout.lumen < -4), 8, rng)
    share = trait_of_kind("mucin", scores)[sample(layout.kind, points, PITCH_UM)]
    points = points[rng.random(len(points)) < share]
    radius = rng.uniform(4.4, 7.0, len(points))
    kept = discs(points, radius + 0.3)
    kept &= rng.random(len(points)) < 0.93
    return _sorted_discs(points[kept], radius[kept])


def _angle(x: Numbers, y: Numbers, points: Points) -> Numbers:
    """Direction of a vector field at the points, radians."""
    angle: Numbers = np.arctan2(sample(y, points, PITCH_UM), sample(x, points, PITCH_UM))
    return angle


def _epithelial_sites(
    layout: Layout, scores: Scores, rng: np.random.Generator
) -> tuple[Points, Numbers, UInt8]:
    """Propose places for epithelial nuclei: a basal row in normal glands, a layer in tumour.

    Returns
    -------
    points, angle, kind
        (n, 2) µm; (n,) radians, along the cell; (n,) kind of gland.
    """
    points = scatter(layout.gland > 1, 14, rng)
    depth = sample(layout.gland, points, PITCH_UM)
    normal = sample(layout.kind, points, PITCH_UM) == 1
    angle = _angle(layout.along_x, layout.along_y, points)
    shift = np.where(normal, rng.normal(7.0, 1.0, len(points)) - depth, 0.0)
    points = points + shift[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    to_lumen = np.where(normal, 6.0, rng.uniform(5.0, 10.0, len(points)))
    kind = sample(layout.kind, points, PITCH_UM)
    layer = trait_of_kind("nuclear_layer_um", scores)[kind] * rng.uniform(0.8, 1.2, len(kind))
    fits = (kind > 0) & (np.abs(shift) < 9)
    fits &= normal | (depth < layer)
    fits &= sample(layout.gland, points, PITCH_UM) > 2
    fits &= sample(layout.lumen, points, PITCH_UM) < -to_lumen
    return points[fits], angle[fits], kind[fits]


def _epithelial(
    layout: Layout, scores: Scores, drift: Field, mucin: Discs, rng: np.random.Generator
) -> Nuclei:
    """Nuclei of glands, each with the traits of its subclone, drift and chance."""
    points, angle, kind = _epithelial_sites(layout, scores, rng)
    n, normal = len(points), kind == 1
    spread = np.where(normal, 0.6, CELL_SPREAD)
    trait = {}
    for i, name in enumerate(NAMES[:N_NUCLEAR]):
        score = scores[kind.astype(int) - 1, i] + sample(drift[i], points, DRIFT_PITCH_UM)
        trait[name] = value(name, score + spread * rng.standard_normal(n))
    elongation = np.maximum(trait["elongation"], 1.0)
    across = np.sqrt(trait["area_um2"] / np.pi / elongation)
    along = across * elongation
    angle = angle + trait_of_kind("tilt_rad", scores)[kind] * rng.standard_normal(n)
    # Mucin was there first.
    goblets = np.stack([mucin.x, mucin.y], 1)
    kept = throw_darts(
        np.concatenate([goblets, points]),
        np.concatenate([0.8 * mucin.radius, along * trait["spacing"]]),
        np.concatenate([0.8 * mucin.radius, across * trait["spacing"]]),
        np.concatenate([np.zeros(len(goblets)), angle]),
    )[len(goblets) :]
    columns = (
        points[:, 0],
        points[:, 1],
        along,
        across,
        angle,
        1.25 * trait["chromaticity"],
        trait["coarseness"],
        trait["nucleolus"],
        trait["vesicular"],
        np.where(normal, 0.03, 0.07),
    )
    return Nuclei(*(column[kept] for column in columns))


def _stroma_points(
    layout: Layout, area_um2_per_point: float, margin_um: float, rng: np.random.Generator
) -> Points:
    return scatter((layout.matter > margin_um) & (layout.gland < -2), area_um2_per_point, rng)


def _plain(
    points: Points,
    along: Numbers,
    across: Numbers,
    angle: Numbers,
    hematoxylin: Numbers,
    coarseness: float,
    roughness: float,
) -> Nuclei:
    """Nuclei without nucleoli or empty middles."""
    n = len(points)
    none, coarse, rough = np.zeros(n), np.full(n, coarseness), np.full(n, roughness)
    return Nuclei(
        points[:, 0], points[:, 1], along, across, angle, hematoxylin, coarse, none, none, rough
    )


def _fibroblasts(layout: Layout, rng: np.random.Generator) -> Nuclei:
    """Spindle nuclei along the fibres, denser in some places."""
    points = _stroma_points(layout, 200, 1.5, rng)
    density = smooth_noise(layout.gland.shape, 200 / PITCH_UM, rng)
    points = points[rng.random(len(points)) < 0.55 + 0.25 * sample(density, points, PITCH_UM)]
    n = len(points)
    along = rng.uniform(4.5, 9.5, n)
    across = rng.uniform(1.0, 2.1, n)
    angle = _angle(layout.along_x, layout.along_y, points) + 0.2 * rng.standard_normal(n)
    kept = throw_darts(points, 0.8 * along, 0.9 * across, angle)
    strength = rng.uniform(0.8, 1.5, n)
    return _plain(points[kept], along[kept], across[kept], angle[kept], strength[kept], 0.35, 0.1)


def _lymphocytes(layout: Layout, rng: np.random.Generator) -> Nuclei:
    """Small round dark nuclei, scattered and in clusters."""
    points = _stroma_points(layout, 40, 2.5, rng)
    crowd = smooth_noise(layout.gland.shape, 110 / PITCH_UM, rng)
    crowd += smooth_noise(layout.gland.shape, 400 / PITCH_UM, rng)
    wanted = 0.03 + 0.3 * np.clip(sample(crowd, points, PITCH_UM) - 1.2, 0, 1.5)
    # The stroma of normal mucosa is full of them.
    wanted += 0.3 * (sample(layout.kind, points, PITCH_UM) == 1)
    points = points[rng.random(len(points)) < wanted]
    n = len(points)
    radius = rng.uniform(2.5, 3.3, n)
    angle = rng.uniform(0, np.pi, n)
    kept = discs(points, 1.05 * radius)
    across, strength = radius * rng.uniform(0.85, 1.0, n), rng.uniform(1.5, 2.2, n)
    return _plain(points[kept], radius[kept], across[kept], angle[kept], strength[kept], 0.5, 0.04)


def _endothelium(layout: Layout, rng: np.random.Generator) -> Nuclei:
    """Flat nuclei around the vessels' lumina."""
    points = scatter(np.abs(layout.vessel + 1.6) < 1.0, 12, rng)
    rise_x, rise_y = slope(layout.vessel, 3)
    angle = _angle(-rise_y, rise_x, points)
    n = len(points)
    along, across = rng.uniform(3.5, 6.0, n), rng.uniform(1.0, 1.6, n)
    kept = throw_darts(points, 1.6 * along, 2.0 * across, angle)
    strength = rng.uniform(1.1, 1.6, n)
    return _plain(points[kept], along[kept], across[kept], angle[kept], strength[kept], 0.3, 0.08)


def _debris(layout: Layout, rng: np.random.Generator) -> Nuclei:
    """Shrunken dark fragments in lumina that hold secretion."""
    points = scatter((layout.lumen > 3) & (layout.secretion > 0.17), 220, rng)
    n = len(points)
    radius = rng.uniform(0.8, 2.4, n)
    across, angle = radius * rng.uniform(0.5, 1.0, n), rng.uniform(0, np.pi, n)
    return _plain(points, radius, across, angle, rng.uniform(0.9, 2.0, n), 0.2, 0.15)


def make_red_cells(layout: Layout, rng: np.random.Generator) -> Discs:
    """Fill part of the vessels with red cells."""
    fill = smooth_noise(layout.gland.shape, 120 / PITCH_UM, rng)
    points = scatter((layout.vessel > 1.5) & (fill > -0.2), 5, rng)
    radius = rng.uniform(2.2, 3.4, len(points))
    kept = discs(points, 0.65 * radius)
    return _sorted_discs(points[kept], radius[kept])
