"""Typical tiles of every cluster, to be seen at full resolution."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from histohet.common.arrays import Ints
from histohet.features.file import FeatureRows
from histohet.slides.frame import Frame
from histohet.slides.reader import SlideError
from histohet.slides.region import open_region
from histohet.slides.sampling import read_tile

MOST_PX = 512
"""Longer side of an exemplar: 112 µm are 448 px at 40x."""

QUALITY = 80


class Exemplar(NamedTuple):
    """A typical tile: its cluster, from 0 on, and its row among the tiles given."""

    cluster: int
    row: int


def typical_tiles(
    features: FeatureRows | npt.NDArray[np.floating], labels: npt.NDArray[np.integer], n: int
) -> list[Exemplar]:
    """Return the tiles whose embeddings are nearest to the mean of their cluster, nearest first.

    Parameters
    ----------
    features
        (N, D).
    labels
        (N,) cluster of each tile, from 0 on; those below are in none.
    n
        Tiles wanted of each cluster, which may have fewer. Of equal ones the first are taken.
    """
    found = []
    for cluster in np.unique(labels[labels >= 0]).tolist():
        rows = np.flatnonzero(labels == cluster)
        own = np.asarray(features[rows], np.float64)
        distance = np.linalg.norm(own - own.mean(axis=0), axis=1)
        # Rounded, so that the last bits of a sum decide nothing.
        nearest = np.argsort(np.round(distance, 9), kind="stable")[:n]
        found += [Exemplar(cluster, row) for row in rows[nearest].tolist()]
    return found


def write_exemplars(
    folder: Path,
    slide: str | Path,
    region: Frame | None,
    coords: Ints,
    side_px: float,
    exemplars: list[Exemplar],
) -> Iterator[tuple[Exemplar, str | None, str]]:
    """Write the pixels of exemplars into a folder.

    Parameters
    ----------
    coords
        int64 (N, 2), corners of the tiles that exemplars are rows of, level-0 px.

    Yields
    ------
    tuple
        Each exemplar, the name of its file, and "". Of one that cannot be read, None and why.

    Raises
    ------
    SlideError
        If the slide cannot be opened.
    """
    shown_px = min(round(side_px), MOST_PX)
    numbers = dict.fromkeys((one.cluster for one in exemplars), 0)
    with open_region(slide, region) as opened:
        for one in exemplars:
            x, y = coords[one.row].tolist()
            try:
                pixels = read_tile(opened, x, y, side_px, shown_px)
            except SlideError as error:
                yield one, None, str(error)
                continue
            numbers[one.cluster] += 1
            name = f"{one.cluster + 1}_{numbers[one.cluster]}.webp"
            Image.fromarray(pixels).save(folder / name, quality=QUALITY)
            yield one, name, ""
