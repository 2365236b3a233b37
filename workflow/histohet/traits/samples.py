"""Slides as models are trained on them: mean embeddings in memory, tiles read where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from histohet.common.arrays import Floats
from histohet.features.file import open_tiles
from histohet.features.slide_vectors import read_slide_embedding
from histohet.traits.expression import TraitError
from histohet.traits.training import Slides, spread_of


def read_slides(
    vectors: Sequence[str | Path],
    features: Sequence[str | Path],
    coverage: Sequence[str | Path],
    least: float | None,
    patients: Mapping[str, str],
) -> tuple[Slides, list[str]]:
    """Read the mean vectors of the slides that have one.

    Parameters
    ----------
    vectors, features
        Files of the same slides in the same order.
    coverage, least
        See `open_tiles`; no files if all encoded tiles count.
    patients
        Whose slides they are; slides that are not named are left out.

    Returns
    -------
    slides, names

    Raises
    ------
    TraitError
        If no slide has a vector.
    """
    found, names, places = [], [], []
    for place, path in enumerate(vectors):
        one = read_slide_embedding(path)
        if one.outcome.ok and one.slide in patients:
            found.append(one.vector)
            names.append(one.slide)
            places.append(place)
    if not found:
        raise TraitError("no slide has features to learn traits from; see results/preflight")

    def tiles(slide: int, most: int, rng: np.random.Generator | None) -> Floats:
        place = places[slide]
        beside = coverage[place] if coverage else None
        with open_tiles(features[place], beside, least) as table:
            n = len(table.features)
            if rng is None:
                rows = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))
            else:
                rows = np.sort(rng.permutation(n)[:most])
            return table.features[rows].astype(np.float64)

    stacked = np.stack(found).astype(np.float64)
    owners = [patients[name] for name in names]
    return Slides(owners, stacked, tiles, spread_of(len(names), tiles)), names
