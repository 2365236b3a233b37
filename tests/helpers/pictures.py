"""Pictures of what scanners and people put into a cohort."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from histohet.common.arrays import Float32, UInt8
from histohet.tissue.stain import EOSIN, HEMATOXYLIN

Picture = UInt8

GLASS = 243
DAB = np.array([0.27, 0.57, 0.78])
"""Optical density of diaminobenzidine in red, green and blue (Ruifrok & Johnston 2001)."""

INKS = {"green": (1.5, 0.35, 1.0), "blue": (1.6, 1.0, 0.2), "black": (0.9, 0.9, 0.85)}
"""Optical density of felt-tip ink on glass."""


def smooth(side_px: int, grain_px: int, rng: np.random.Generator) -> Float32:
    """Return a square of noise between 0 and 1 that varies over `grain_px` pixels."""
    coarse = rng.random((side_px // grain_px + 2,) * 2).astype(np.float32)
    return cv2.resize(coarse, (side_px, side_px), interpolation=cv2.INTER_LINEAR)


def expose(density: npt.ArrayLike) -> Picture:
    """Return the pixels of optical densities (..., 3), on glass."""
    return (GLASS * 10 ** -np.asarray(density)).astype(np.uint8)


def section(side_px: int, margin_px: int, seed: int = 0) -> Picture:
    """Return a square section, hematoxylin and eosin, with glass around it."""
    rng = np.random.default_rng(seed)
    inner = side_px - 2 * margin_px
    nuclei = (smooth(inner, 8, rng) > 0.55) * 0.7
    hematoxylin = 0.2 + 0.25 * smooth(inner, 300, rng) + nuclei
    eosin = 0.15 + 0.3 * smooth(inner, 200, rng)
    picture = plain(side_px, GLASS)
    tissue = slice(margin_px, side_px - margin_px)
    picture[tissue, tissue] = expose(
        hematoxylin[..., None] * HEMATOXYLIN + eosin[..., None] * EOSIN
    )
    return picture


def plain(side_px: int, grey: int) -> Picture:
    """Return one grey: a slide without tissue, or a scan that failed."""
    return np.full((side_px, side_px, 3), grey, np.uint8)


def pen_marks(side_px: int) -> Picture:
    """Return glass with broad strokes of three markers."""
    picture = plain(side_px, GLASS)
    width = side_px // 5
    for number, ink in enumerate(INKS.values(), start=1):
        y = side_px * number // 4
        cv2.line(picture, (width, y), (side_px - width, y), expose(ink).tolist(), width)
    return picture


def fluorescence(side_px: int) -> Picture:
    """Return blue nuclei and green membranes on black."""
    rng = np.random.default_rng(0)
    picture = plain(side_px, 4)
    picture[..., 2] = np.where(smooth(side_px, 16, rng) > 0.6, 190, 12)
    picture[..., 1] = 90 * smooth(side_px, 60, rng)
    return picture


def light(
    side_px: int,
    colour: tuple[int, int, int],
    *,
    ground: int = 0,
    noise: float = 0,
    share: float = 0.5,
) -> Picture:
    """Return cells that give light of one colour on a dark ground."""
    rng = np.random.default_rng(0)
    amount = (0.7 + 0.3 * smooth(side_px, 8, rng)) * (smooth(side_px, side_px // 8, rng) < share)
    levels = ground + amount[..., None] * (np.array(colour) - ground)
    return (levels + rng.normal(0, noise, levels.shape)).clip(0, 255).astype(np.uint8)


def immunostaining(side_px: int) -> Picture:
    """Return a section with brown cytoplasm (diaminobenzidine) and pale blue nuclei."""
    rng = np.random.default_rng(0)
    nuclei = (smooth(side_px, 8, rng) > 0.55) * 0.25
    brown = (smooth(side_px, 200, rng) > 0.4) * (0.2 + 0.5 * smooth(side_px, 10, rng))
    picture = expose(nuclei[..., None] * HEMATOXYLIN + brown[..., None] * DAB)
    margin = side_px // 10
    picture[:margin] = picture[-margin:] = picture[:, :margin] = picture[:, -margin:] = GLASS
    return picture


def photo(side_px: int) -> Picture:
    """Return a landscape: sky above, grass below, and shadows."""
    light = 0.6 + 0.4 * smooth(side_px, 40, np.random.default_rng(0))[..., None]
    sky = np.linspace(0, 1, side_px)[:, None, None] < 0.5
    return (np.where(sky, (110, 165, 225), (80, 130, 45)) * light).astype(np.uint8)
