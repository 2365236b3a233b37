"""The slides of a patient as one: clusters are then shared, and a subclone counts once.

Tiles lie side by side, slide by slide, too far apart for tiles of two slides to be neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from PIL import Image

from histohet.common.arrays import Float32, Ints
from histohet.common.hdf5 import CHUNK_ROWS
from histohet.common.outcome import OK, Outcome, Status
from histohet.features.file import FeatureTable
from histohet.slides.reader import Pixels
from histohet.tiles.file import N_GLASS, TileTable


@dataclass(frozen=True)
class PooledPart:
    """What one slide brings.

    Attributes
    ----------
    slide
        Slide id.
    features
        Its embeddings; without rows if the slide gave none.
    coverage, tumour
        float32 (T,) of every tile of the slide, in the order of its tile file; `tumour` is None
        without attention.
    tumour_outcome
        How far the slide came there.
    """

    slide: str
    features: FeatureTable
    coverage: Float32
    tumour: Float32 | None = None
    tumour_outcome: Outcome = OK

    @property
    def outcome(self) -> Outcome:
        """Why the slide cannot take part, if it cannot."""
        encoded = self.features.tiles.outcome
        return self.tumour_outcome if encoded.ok and self.tumour is not None else encoded


@dataclass(frozen=True)
class Pool:
    """The slides of a patient as one.

    Attributes
    ----------
    patient
        Its id.
    parts
        The slides that take part, in the order of the sheet.
    tiles
        Tiles of all of them: their coordinates are level-0 px of the first slide. Rows of tiles
        that were not encoded are zero.
    tile_index, unreadable_index
        As in a feature file.
    coverage, tumour
        float32, one per row of `tiles`; `tumour` is None without attention.
    lefts_px
        Where each slide begins, level-0 px of the first.
    """

    patient: str
    parts: tuple[PooledPart, ...]
    tiles: TileTable
    tile_index: Ints
    unreadable_index: Ints
    coverage: Float32
    tumour: Float32 | None
    lefts_px: tuple[int, ...] = ()

    def features(self) -> Iterator[Float32]:
        """Yield the embeddings in the order of `tile_index`, a few thousand rows at a time."""
        for part in self.parts:
            for first in range(0, len(part.features.features), CHUNK_ROWS):
                yield part.features.features[first : first + CHUNK_ROWS]


def pool_slides(patient: str, slides: Sequence[PooledPart], gap_um: float) -> Pool:
    """Put the slides of a patient side by side.

    A slide that gave no result is left out, and named in the attribute ``tiles_from`` of the tiles;
    a patient without any other has the outcome of the first. Slides of different scale are brought
    to that of the first one. Slides of another encoder or tile size refuse the patient. Attention
    counts if all slides have it.

    Parameters
    ----------
    patient
        Its id.
    slides
        In the order of the sheet, at least one.
    gap_um
        Distance of one slide from the next.
    """
    parts = tuple(slide for slide in slides if slide.outcome.ok)
    lost = [slide for slide in slides if not slide.outcome.ok]
    if not parts:
        reasons = "; ".join(f"{slide.slide}: {slide.outcome.reason}" for slide in lost)
        return _nothing(patient, Outcome(lost[0].outcome.status, reasons))
    difference = _difference(parts)
    if difference:
        return _nothing(patient, Outcome(Status.REFUSED, difference))
    begins = [0, *accumulate(len(part.coverage) for part in parts)]
    coords = np.zeros((begins[-1], 2), np.int64)
    at_rim = np.zeros(len(coords), np.bool_)
    index, unreadable = [], []
    lefts = _lefts_px(parts, gap_um)
    for part, begin, left in zip(parts, begins, lefts, strict=False):
        rows = part.features.tile_index + begin
        own = part.features.tiles
        coords[rows] = np.rint(own.coords * (own.mpp / parts[0].features.tiles.mpp))
        coords[rows, 0] += left
        if own.at_rim is not None:
            at_rim[rows] = own.at_rim
        index.append(rows)
        unreadable.append(part.features.unreadable_index + begin)
    return Pool(
        patient,
        parts,
        TileTable(coords, _attributes(patient, parts, lost, lefts[-1]), OK, at_rim),
        np.concatenate(index),
        np.concatenate(unreadable),
        np.concatenate([part.coverage for part in parts]),
        _concatenated([part.tumour for part in parts]),
        tuple(lefts),
    )


def pooled_thumbnail(pool: Pool, thumbnails: Sequence[Pixels]) -> Pixels:
    """Return the pictures of the slides side by side, at the scale of the coarsest.

    Parameters
    ----------
    pool
        With at least one slide.
    thumbnails
        uint8 (H, W, 3) of every slide that takes part, each the whole slide.
    """
    tables = [part.features.tiles for part in pool.parts]
    sizes_um = [np.array(_size_px(table)) * table.mpp for table in tables]
    px_per_um = min(
        picture.shape[1] / size[0] for picture, size in zip(thumbnails, sizes_um, strict=True)
    )
    first_mpp = tables[0].mpp
    width_px, height_px = _size_px(pool.tiles)
    whole = Image.new(
        "RGB",
        (round(width_px * first_mpp * px_per_um), round(height_px * first_mpp * px_per_um)),
        "white",
    )
    for picture, size, left in zip(thumbnails, sizes_um, pool.lefts_px, strict=True):
        side = tuple(max(1, round(length * px_per_um)) for length in size.tolist())
        scaled = Image.fromarray(picture).resize((side[0], side[1]), Image.Resampling.BOX)
        whole.paste(scaled, (round(left * first_mpp * px_per_um), 0))
    return np.asarray(whole)


def _nothing(patient: str, outcome: Outcome) -> Pool:
    tiles = TileTable(np.empty((0, 2), np.int64), {"name": patient}, outcome)
    no_rows, no_values = np.empty(0, np.int64), np.empty(0, np.float32)
    return Pool(patient, (), tiles, no_rows, no_rows, no_values, None)


def _difference(parts: Sequence[PooledPart]) -> str:
    """Return why slides cannot be pooled, empty if they can."""
    first = parts[0]
    for part in parts[1:]:
        for what, own, other in (
            ("embeddings", part.features.features.shape[1], first.features.features.shape[1]),
            ("tiles", part.features.tiles.spec, first.features.tiles.spec),
        ):
            if own != other:
                return (
                    f"slides '{first.slide}' and '{part.slide}' cannot be pooled: {what} of "
                    f"{other} and of {own}"
                )
    return ""


def _size_px(tiles: TileTable) -> tuple[int, int]:
    """Return the width and height of level 0."""
    return int(tiles.attributes["level0_width"]), int(tiles.attributes["level0_height"])


def _lefts_px(parts: Sequence[PooledPart], gap_um: float) -> list[int]:
    """Return where each slide begins, in px of the first slide."""
    mpp = parts[0].features.tiles.mpp
    widths = [
        round((_size_px(part.features.tiles)[0] * part.features.tiles.mpp + gap_um) / mpp)
        for part in parts
    ]
    return [0, *accumulate(widths)][: len(parts)]


def _attributes(
    patient: str, parts: Sequence[PooledPart], lost: Sequence[PooledPart], last_left_px: int
) -> dict[str, object]:
    tables = [part.features.tiles for part in parts]
    mpp = tables[0].mpp
    heights = [_size_px(table)[1] * table.mpp / mpp for table in tables]
    last_width = _size_px(tables[-1])[0] * tables[-1].mpp / mpp
    named = ", ".join(part.slide for part in parts)
    without = ", ".join(f"{slide.slide} ({slide.outcome.status})" for slide in lost)
    attributes = {
        **tables[0].attributes,
        "name": patient,
        "level0_width": round(last_left_px + last_width),
        "level0_height": round(max(heights)),
        "tiles_from": f"slides {named}" + (f"; without {without}" if without else ""),
    }
    for name in ("tissue_mm2", N_GLASS):
        attributes.pop(name, None)
        amounts = [table.attributes[name] for table in tables if name in table.attributes]
        if len(amounts) == len(tables):
            attributes[name] = sum(amounts)
    return attributes


def _concatenated(columns: Sequence[Float32 | None]) -> Float32 | None:
    known = [column for column in columns if column is not None]
    return np.concatenate(known) if len(known) == len(columns) else None
