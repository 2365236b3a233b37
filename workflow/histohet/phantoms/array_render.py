"""From the plan of an array to its slide: cores are punched from tissue, and painted in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from histohet.common.arrays import Floats, UInt8
from histohet.phantoms.array_plan import ArrayPlan, Spot
from histohet.phantoms.colour import Marks, expose
from histohet.phantoms.fields import Field, blur, smooth_noise
from histohet.phantoms.layout import PITCH_UM, make_layout
from histohet.phantoms.paint import Canvas, paint_block
from histohet.phantoms.phenotype import Scores, subclone_scores
from histohet.phantoms.plan import MAX_SUBCLONES, TILE_UM, PhantomPlan
from histohet.phantoms.render import TISSUE_PER_TILE, generators, make_canvas
from histohet.phantoms.territory import (
    LAND_PITCH_UM,
    NORMAL,
    TUMOUR,
    Territory,
    make_territory,
    spread_points,
)
from histohet.phantoms.truth import FIRST_SUBCLONE, tissue_codes

# Glass around a core in what is painted of it.
RIM_UM = 40.0
# Cores are punched where the disc holds nearly as much tumour as anywhere in the block.
GOOD_PLACE = 0.93
# Outline of a core: how far it departs from a disc, and over which distance.
RAGGED_UM, RAGGED_OVER_UM = 7.0, 60.0
TORN_UM, TORN_OVER_UM = 18.0, 90.0


class Donor(NamedTuple):
    """A tissue block that cores are punched from.

    Attributes
    ----------
    land, scores
        Its zones, and the traits of its subclones.
    sites
        float64 (number of cores, 2), centres of the cores, x and y, px of the land.
    """

    land: Territory
    scores: Scores
    sites: Floats


class PaintedCore(NamedTuple):
    """A core ready to be painted, and its upper left corner in level-0 px of the slide."""

    canvas: Canvas
    x0: int
    y0: int


class PhantomArray(NamedTuple):
    """A generated array.

    Attributes
    ----------
    image
        uint8 (height, width, 3), RGB at level 0.
    truth
        One row per core that is not lost: ``core``, and ``subclone_1`` … ``subclone_6``, the shares
        of its tumour epithelium.
    """

    image: UInt8
    truth: pd.DataFrame


def render_array(plan: ArrayPlan, donors: Sequence[PhantomPlan]) -> PhantomArray:
    """Generate an array; the same plans give the same.

    Parameters
    ----------
    plan
        The array.
    donors
        Plans of its patients, or of more.
    """
    n_cores = 1 + max(spot.number for spot in plan.spots)
    wanted = {spot.patient for spot in plan.spots}
    tumours = {
        donor.patient: make_donor(donor, n_cores, plan.diameter_um)
        for donor in donors
        if donor.patient in wanted
    }
    cores, shares = [], {}
    for spot in plan.spots:
        if not spot.missing:
            core, shares[spot.name] = _make_core(spot, plan, tumours)
            cores.append(core)
    rng = np.random.default_rng(plan.seed)
    marks = Marks(ink=_dust(plan)) if plan.dust else Marks()
    image = expose(plan, partial(_paint_cores, cores), plan.shape, rng, marks)
    columns = [f"subclone_{number + 1}" for number in range(MAX_SUBCLONES)]
    truth = pd.DataFrame.from_dict(shares, orient="index", columns=columns).round(4)
    return PhantomArray(image, truth.rename_axis("core").reset_index())


def make_donor(plan: PhantomPlan, n_cores: int, diameter_um: float) -> Donor:
    """Lay out the tissue of a patient, and choose where cores are punched, far from each other."""
    rng = generators(plan)[0]
    scores = subclone_scores(plan.n_subclones, plan.separation, rng)
    area_um2 = TISSUE_PER_TILE * plan.epithelial_tiles * TILE_UM**2
    land = make_territory(area_um2, plan.n_subclones, rng)
    tumour = ((land.zone == TUMOUR) & (land.depth > 0)).astype(np.float32)
    share = cv2.filter2D(tumour, -1, _disc(diameter_um), borderType=cv2.BORDER_CONSTANT)
    good = np.argwhere(share >= GOOD_PLACE * share.max())[:, ::-1].astype(np.float64)
    return Donor(land, scores, spread_points(good, n_cores, rng))


def _disc(diameter_um: float) -> Field:
    radius = diameter_um / 2 / LAND_PITCH_UM
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (np.hypot(x, y) <= radius).astype(np.float32)
    return np.asarray(disc / disc.sum(), np.float32)


def _make_core(
    spot: Spot, plan: ArrayPlan, tumours: Mapping[str, Donor]
) -> tuple[PaintedCore, Floats]:
    """Grow what a core holds; return it and the shares of the subclones, (`MAX_SUBCLONES`,)."""
    rng = np.random.default_rng(spot.seed)
    side = 2 * int(np.ceil((plan.diameter_um / 2 + RIM_UM) / LAND_PITCH_UM))
    depth = core_depth(side, plan.diameter_um, spot.loss, rng)
    if spot.patient is None:
        # Controls are normal mucosa.
        zone = np.full((side, side), NORMAL, np.uint8)
        land, scores = Territory(depth, zone, np.ones_like(zone)), subclone_scores(1, 1.0, rng)
    else:
        donor = tumours[spot.patient]
        land, scores = _punch(donor.land, donor.sites[spot.number], depth), donor.scores
    layout = make_layout(land, scores, rng)
    size_um = side * LAND_PITCH_UM
    pixels = int(size_um / PITCH_UM)
    codes = tissue_codes(layout, (pixels, pixels), (size_um, size_um))
    counts = np.bincount(codes.ravel(), minlength=FIRST_SUBCLONE + MAX_SUBCLONES)[FIRST_SUBCLONE:]
    corner = (round((at - size_um / 2) / plan.mpp) for at in (spot.x_um, spot.y_um))
    canvas = make_canvas(layout, scores, rng)
    return PaintedCore(canvas, *corner), counts / max(counts.sum(), 1)


def core_depth(side: int, diameter_um: float, loss: float, rng: np.random.Generator) -> Field:
    """Draw the outline of a core: a ragged disc, of which a piece may have broken off.

    Parameters
    ----------
    side
        Of the square around it, px of the land.
    loss
        Depth of what broke off, in diameters.

    Returns
    -------
    float32 (side, side), µm to the outline, positive inside.
    """
    y, x = (np.mgrid[0:side, 0:side] + 0.5 - side / 2).astype(np.float32) * LAND_PITCH_UM
    depth = diameter_um / 2 - np.hypot(x, y)
    depth += RAGGED_UM * smooth_noise((side, side), RAGGED_OVER_UM / LAND_PITCH_UM, rng)
    if loss > 0:
        angle = rng.uniform(0, 2 * np.pi)
        edge = (0.5 - loss) * diameter_um - (x * np.cos(angle) + y * np.sin(angle))
        edge += TORN_UM * smooth_noise((side, side), TORN_OVER_UM / LAND_PITCH_UM, rng)
        depth = np.minimum(depth, edge)
    return np.asarray(depth, np.float32)


def _punch(land: Territory, centre: Floats, depth: Field) -> Territory:
    """Return the part of the land that a core takes; beyond its edge there is nothing."""
    half = depth.shape[0] // 2
    x, y = (int(at) for at in centre)

    def taken(of: np.ndarray) -> np.ndarray:
        return np.pad(of, half, mode="edge")[y : y + 2 * half, x : x + 2 * half]

    return Territory(np.minimum(depth, taken(land.depth)), taken(land.zone), taken(land.subclone))


def _paint_cores(
    cores: Sequence[PaintedCore], x0: int, y0: int, shape: tuple[int, int], mpp: float
) -> tuple[Field, Field]:
    """Paint a block of an array, see `paint.paint_block`: the cores that reach into it."""
    hematoxylin, eosin = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for core in cores:
        side = int(core.canvas.maps.shape[0] * PITCH_UM / mpp)
        left, top = max(core.x0 - x0, 0), max(core.y0 - y0, 0)
        right, bottom = min(core.x0 + side - x0, shape[1]), min(core.y0 + side - y0, shape[0])
        if right <= left or bottom <= top:
            continue
        painted = paint_block(
            core.canvas,
            x0 + left - core.x0,
            y0 + top - core.y0,
            (bottom - top, right - left),
            mpp,
        )
        hematoxylin[top:bottom, left:right] += painted[0]
        eosin[top:bottom, left:right] += painted[1]
    return hematoxylin, eosin


def _dust(plan: ArrayPlan) -> Field:
    """Draw the specks of dust as ink on the grid of `LAND_PITCH_UM`."""
    shape = (int(plan.height_um / LAND_PITCH_UM), int(plan.width_um / LAND_PITCH_UM))
    specks = np.zeros(shape, np.float32)
    for speck in plan.dust:
        x, y, radius = (int(value / LAND_PITCH_UM) for value in speck)
        cv2.circle(specks, (x, y), max(radius, 1), 1.0, -1)
    return blur(specks, 0.6)
