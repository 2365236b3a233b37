"""From a plan to a slide with its truth, and to their files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyvips

from histohet.common.arrays import UInt8
from histohet.common.files import atomic_path, write_text
from histohet.phantoms.cells import drift_maps, make_mucin, make_nuclei, make_red_cells
from histohet.phantoms.colour import draw_marks, expose
from histohet.phantoms.fields import fibre_texture, grain_texture
from histohet.phantoms.layout import PITCH_UM, Layout, make_layout
from histohet.phantoms.paint import Canvas, make_maps, paint_block
from histohet.phantoms.phenotype import Scores, subclone_scores
from histohet.phantoms.plan import TILE_UM, PhantomPlan, Section
from histohet.phantoms.territory import Territory, make_territory
from histohet.phantoms.truth import LABEL_OF_CODE, attention_table, tissue_codes, truth_table

# A tile counts as epithelial above this share (METHODS: more than a quarter).
EPITHELIAL = 0.25
# Area of tissue for each wanted tile; stroma, lumina and edges take their part.
TISSUE_PER_TILE = 1.12
# Less tissue than this would not hold six subclones.
LEAST_TILES = 40
# How much more than the missing share the next trial is larger by, and the most that it may be.
MARGIN, MOST_GROWTH = 1.05, 2.0
TRIALS = 12
TIFF_TILE_PX = 256


class Design(NamedTuple):
    """Where everything lies on a slide, before anything is painted.

    Attributes
    ----------
    land, layout, scores
        Zones, glands, and the subclones' traits.
    shape
        Height and width of level 0.
    codes
        uint8 picture at the scale of the label image, see `truth.tissue_codes`.
    truth
        See `truth.truth_table`.
    """

    land: Territory
    layout: Layout
    scores: Scores
    shape: tuple[int, int]
    codes: UInt8
    truth: pd.DataFrame


class Phantom(NamedTuple):
    """A generated slide and what was planted in it.

    Attributes
    ----------
    image
        uint8 (height, width, 3), RGB at level 0.
    labels
        uint8 picture of the classes at the label scale: 0 background, 1 stroma, 3 normal
        epithelium, 12 tumour epithelium.
    attention
        See `truth.attention_table`.
    truth
        See `truth.truth_table`.
    """

    image: UInt8
    labels: UInt8
    attention: pd.DataFrame
    truth: pd.DataFrame


def render_phantom(plan: PhantomPlan) -> Phantom:
    """Generate a slide; the same plan gives the same slide.

    Raises
    ------
    ValueError
        If the plan is impossible; see `design_phantom`.
    """
    _, for_cells, for_paint, for_score = generators(plan)
    design = design_phantom(plan)
    attention = attention_table(design.codes, design.shape, plan.mpp, for_score)
    canvas = make_canvas(design.layout, design.scores, for_cells)
    marks = draw_marks(plan, design.land.depth, for_paint)
    image = expose(plan, partial(paint_block, canvas), design.shape, for_paint, marks)
    return Phantom(image, LABEL_OF_CODE[design.codes], attention, design.truth)


def generators(plan: PhantomPlan) -> list[np.random.Generator]:
    """One stream for each step, so that a change in one step leaves the others alone."""
    return [np.random.default_rng(seed) for seed in np.random.SeedSequence(plan.seed).spawn(4)]


def planned_scores(plan: PhantomPlan) -> Scores:
    """Return the subclones' traits of a slide, which `design_phantom` draws before all else."""
    return subclone_scores(plan.n_subclones, plan.separation, generators(plan)[0], plan.grade)


def design_phantom(plan: PhantomPlan) -> Design:
    """Lay out tissue, larger until it holds the epithelial tiles the plan asks for.

    Raises
    ------
    ValueError
        If a dozen trials, each larger than the one before, do not reach them.
    """
    area_um2 = TISSUE_PER_TILE * max(plan.epithelial_tiles, LEAST_TILES) * TILE_UM**2
    rng = generators(plan)[0]
    scores = subclone_scores(plan.n_subclones, plan.separation, rng, plan.grade)
    for _ in range(TRIALS):
        land = make_territory(area_um2, plan.n_subclones, rng)
        layout = make_layout(land, scores, rng)
        height_um, width_um = (n * PITCH_UM for n in layout.gland.shape)
        shape = (int(height_um / plan.mpp), int(width_um / plan.mpp))
        label_shape = (
            round(shape[0] / plan.label_downsample),
            round(shape[1] / plan.label_downsample),
        )
        codes = tissue_codes(layout, label_shape, (height_um, width_um))
        truth = truth_table(codes, shape, plan.mpp)
        found = int((truth["epithelium_fraction"] > EPITHELIAL).sum())
        if found >= plan.epithelial_tiles:
            return Design(land, layout, scores, shape, codes, truth)
        area_um2 *= min(MARGIN * plan.epithelial_tiles / max(found, 1), MOST_GROWTH)
    raise ValueError(
        f"{plan.slide}: {plan.epithelial_tiles} epithelial tiles were not reached; try another seed"
    )


def make_canvas(layout: Layout, scores: Scores, rng: np.random.Generator) -> Canvas:
    """Place and shape all that is painted."""
    drift = drift_maps(layout.gland.shape, rng)
    mucin = make_mucin(layout, scores, rng)
    return Canvas(
        maps=make_maps(layout, scores, drift, rng),
        fibre=fibre_texture(
            (layout.along_x, layout.along_y), layout.matter, layout.gland, PITCH_UM, rng
        ),
        grain=grain_texture(rng),
        nuclei=make_nuclei(layout, scores, drift, mucin, rng),
        mucin=mucin,
        red_cells=make_red_cells(layout, rng),
    )


def write_phantom(
    phantom: Phantom,
    plan: PhantomPlan,
    *,
    slide: str | Path,
    labels: str | Path,
    attention: str | Path,
    truth: str | Path,
) -> None:
    """Write the four files of a slide, each complete or absent."""
    write_slide(slide, phantom.image, plan)
    write_labels(labels, phantom.labels, plan.mpp * plan.label_downsample)
    write_text(attention, phantom.attention.to_csv(index=False, lineterminator="\n"))
    write_text(truth, phantom.truth.to_csv(sep="\t", index=False, lineterminator="\n"))


def write_slide(path: str | Path, image: UInt8, plan: Section) -> None:
    """Write a pyramidal, JPEG-compressed TIFF that OpenSlide reads as Aperio.

    The levels are pages (OpenSlide sees only one level of an Aperio file with SubIFDs), and the
    image description carries objective power and pixel size.
    """
    height, width = image.shape[:2]
    picture = _picture(image, plan.mpp)
    description = (
        f"Aperio Image Library histohet phantom\r\n"
        f"{width}x{height} [0,0 {width}x{height}] ({TIFF_TILE_PX}x{TIFF_TILE_PX}) "
        f"JPEG/RGB Q={plan.scanner.jpeg_quality}|AppMag = {plan.objective}|MPP = {plan.mpp}"
    )
    picture.set_type(pyvips.GValue.gstr_type, "image-description", description)
    with atomic_path(path) as partial:
        picture.tiffsave(
            str(partial),
            tile=True,
            tile_width=TIFF_TILE_PX,
            tile_height=TIFF_TILE_PX,
            pyramid=True,
            subifd=False,
            compression="jpeg",
            Q=plan.scanner.jpeg_quality,
        )


def write_labels(path: str | Path, labels: UInt8, mpp: float) -> None:
    """Write a label image as a tiled, deflate-compressed TIFF of one uint8 band."""
    with atomic_path(path) as partial:
        _picture(labels, mpp).tiffsave(
            str(partial),
            tile=True,
            tile_width=TIFF_TILE_PX,
            tile_height=TIFF_TILE_PX,
            compression="deflate",
        )


def _picture(pixels: UInt8, mpp: float) -> pyvips.Image:
    """Wrap an array without copying; vips wants the resolution in pixels per millimetre."""
    height, width = pixels.shape[:2]
    bands = pixels.shape[2] if pixels.ndim == 3 else 1
    picture = pyvips.Image.new_from_memory(
        np.ascontiguousarray(pixels).data, width, height, bands, "uchar"
    )
    return picture.copy(
        xres=1000 / mpp, yres=1000 / mpp, interpretation="srgb" if bands == 3 else "b-w"
    )
