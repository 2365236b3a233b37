"""What is planted: tissue classes, subclone per tile, and a tumour score."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numba import njit

from histohet.common.arrays import Ints, UInt8
from histohet.phantoms.fields import Field
from histohet.phantoms.layout import PITCH_UM, Layout
from histohet.phantoms.plan import MAX_SUBCLONES, TILE_UM

# Codes inside this package: what a pixel is, subclone by subclone.
CLEAR, STROMA, NORMAL, FIRST_SUBCLONE = 0, 1, 2, 3
N_CODES = FIRST_SUBCLONE + MAX_SUBCLONES
# Classes of the label image. 3 (normal) and 12 (tumour epithelium) are PAGET's; 1 is our choice.
LABEL_OF_CODE = np.array([0, 1, 3] + [12] * MAX_SUBCLONES, np.uint8)

ATTENTION_TILE_UM = 256.0
LEAST_TISSUE = 0.05
ATTENTION_NOISE = 0.6


def tissue_codes(layout: Layout, shape: tuple[int, int], size_um: tuple[float, float]) -> UInt8:
    """Say what each pixel of a picture of the slide shows.

    Parameters
    ----------
    layout
        Where everything lies.
    shape
        Height and width of the picture.
    size_um
        Height and width of the slide.

    Returns
    -------
    uint8 of `shape`: `CLEAR`, `STROMA`, `NORMAL`, or `FIRST_SUBCLONE` + k - 1 for subclone k.
    """
    pixel_um = (size_um[0] / shape[0], size_um[1] / shape[1])
    return _codes(layout.matter, layout.gland, layout.kind, shape, pixel_um)


@njit(cache=True)
def _codes(
    matter: Field,
    gland: Field,
    kind: UInt8,
    shape: tuple[int, int],
    pixel_um: tuple[float, float],
) -> UInt8:
    codes = np.zeros(shape, np.uint8)
    height, width = matter.shape
    for i in range(shape[0]):
        y = min(max((i + 0.5) * pixel_um[0] / PITCH_UM - 0.5, 0.0), height - 1.001)
        r = int(y)
        v = np.float32(y - r)
        for j in range(shape[1]):
            x = min(max((j + 0.5) * pixel_um[1] / PITCH_UM - 0.5, 0.0), width - 1.001)
            c = int(x)
            u = np.float32(x - c)
            upper = matter[r, c] + u * (matter[r, c + 1] - matter[r, c])
            lower = matter[r + 1, c] + u * (matter[r + 1, c + 1] - matter[r + 1, c])
            if upper + v * (lower - upper) <= 0:
                continue
            upper = gland[r, c] + u * (gland[r, c + 1] - gland[r, c])
            lower = gland[r + 1, c] + u * (gland[r + 1, c + 1] - gland[r + 1, c])
            of = kind[int(y + 0.5), int(x + 0.5)]
            in_gland = of > 0 and upper + v * (lower - upper) > 0
            codes[i, j] = of + 1 if in_gland else STROMA
    return codes


def count_per_tile(
    codes: UInt8, slide_shape: tuple[int, int], tile_um: float, mpp: float
) -> tuple[Ints, Ints, Ints]:
    """Count the pixels of each code in the tiles of a lattice that starts at (0, 0).

    Tile (column, row) begins at level-0 pixel round(column · tile_um / mpp), likewise for rows;
    a pixel belongs to the tile that holds its centre. Only tiles wholly inside the slide count.

    Parameters
    ----------
    codes
        uint8 picture of the slide, at any scale.
    slide_shape
        Height and width of level 0.
    tile_um, mpp
        Size of a tile and of a level-0 pixel.

    Returns
    -------
    counts
        int64 (rows, columns, `N_CODES`).
    y, x
        int64 (rows,) and (columns,): top and left level-0 pixel of the tiles.
    """
    starts, places = [], []
    for length, pixels in zip(slide_shape, codes.shape, strict=True):
        n_tiles = int(length * mpp / tile_um) + 1
        start = np.round(np.arange(n_tiles + 1) * tile_um / mpp).astype(np.int64)
        start = start[: np.searchsorted(start, length, "right")]
        centre = (np.arange(pixels) + 0.5) * length / pixels
        starts.append(start[:-1])
        places.append(np.searchsorted(start, centre, "right") - 1)
    counts = np.zeros((len(starts[0]) + 1, len(starts[1]) + 1, N_CODES), np.int64)
    _count(codes, places[0], places[1], counts)
    return counts[:-1, :-1], starts[0], starts[1]


@njit(cache=True)
def _count(codes: UInt8, rows: Ints, columns: Ints, counts: Ints) -> None:
    for i in range(codes.shape[0]):
        for j in range(codes.shape[1]):
            counts[rows[i], columns[j], codes[i, j]] += 1


def truth_table(codes: UInt8, slide_shape: tuple[int, int], mpp: float) -> pd.DataFrame:
    """Return the planted truth of every 112 µm tile that holds any tissue.

    Returns
    -------
    DataFrame
        ``x``, ``y`` (level-0 pixels, top-left), ``epithelium_fraction``, ``tumour_fraction``,
        ``subclone``: the most common subclone among the tile's tumour epithelium, 0 where normal
        epithelium prevails, -1 where there is none. Ordered by row, then column.
    """
    counts, y, x = count_per_tile(codes, slide_shape, TILE_UM, mpp)
    row, column = np.nonzero(counts[..., STROMA:].any(2))
    tile = counts[row, column]
    normal, subclones = tile[:, NORMAL], tile[:, FIRST_SUBCLONE:]
    tumour, whole = subclones.sum(1), tile.sum(1)
    return pd.DataFrame(
        {
            "x": x[column],
            "y": y[row],
            "epithelium_fraction": np.round((normal + tumour) / whole, 4),
            "tumour_fraction": np.round(tumour / whole, 4),
            "subclone": np.select(
                [normal + tumour == 0, normal > tumour], [-1, 0], subclones.argmax(1) + 1
            ),
        }
    )


def attention_table(
    codes: UInt8,
    slide_shape: tuple[int, int],
    mpp: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Invent a tumour score per 256 µm tile over tissue, in the columns CHIEF's users write.

    The score imitates raw attention (no softmax): about 1 without tumour, rising steeply with the
    tumour's share of the tile to about 5, with noise.

    Returns
    -------
    DataFrame
        ``x_coord``, ``y_coord`` (level-0 pixels, top-left), ``attention_value``.
    """
    counts, y, x = count_per_tile(codes, slide_shape, ATTENTION_TILE_UM, mpp)
    share = counts / counts.sum(2, keepdims=True)
    row, column = np.nonzero(share[..., STROMA:].sum(2) > LEAST_TISSUE)
    tumour = share[row, column, FIRST_SUBCLONE:].sum(1)
    score = 1 + 5 * tumour / (tumour + 0.15) + ATTENTION_NOISE * rng.standard_normal(len(row))
    return pd.DataFrame(
        {"x_coord": x[column], "y_coord": y[row], "attention_value": np.round(score, 4)}
    )
