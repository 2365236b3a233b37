"""How far the labels of a core stay the same when its tiles are turned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from histohet.agreement.truth import read_truth, subclone_of_tiles
from histohet.clustering.tiles import Graph
from histohet.common.arrays import Float32, Ints
from histohet.common.outcome import SlideLost, Status, attempt
from histohet.features.file import FeatureTable
from histohet.rotation.clusters import Means, draw, fit_means, smooth
from histohet.rotation.indices import Indices, by_chance, compare
from histohet.rotation.settings import ComparisonSettings, Smoothing
from histohet.rotation.turning import View, row_of_ceiling, views_of
from histohet.tiles.neighbours import adjacent_edges

TILES_PER_BLOCK = 512

MOST_FITTED = 2000
"""Tiles of a core that clusters of its own are fitted to; drawn where there are more."""

INDICES = [f"{prefix}{name}" for prefix in ("", "ceiling_", "chance_") for name in Indices._fields]
COUNTS = ["n_tiles", "n_clusters", "n_labelled"]
COLUMNS = {
    **dict.fromkeys(["slide", "encoder", "smoothing"], "object"),
    "angle": "float64",
    **dict.fromkeys(COUNTS, "Int64"),
    **dict.fromkeys([*INDICES, "moved_by_potts", "label_ari"], "float64"),
    **dict.fromkeys(["status", "reason"], "object"),
}
"""Of tables of consistency, with their types; docs/rotation.md explains them."""


class Labels(NamedTuple):
    """Labels of the tiles of a core under all views, int64 (V, N), by how they were smoothed."""

    views: tuple[View, ...]
    by_smoothing: dict[Smoothing, Ints]


def check_tiles(table: FeatureTable, settings: ComparisonSettings) -> None:
    """Check that a core has more tiles than clusters are wanted.

    Raises
    ------
    SlideLost
        If not.
    """
    table.tiles.outcome.raise_if_lost()
    n_tiles = len(table.tile_index)
    if n_tiles <= settings.clusters:
        wanted = f"{settings.clusters} clusters need more"
        raise SlideLost(f"{n_tiles} tiles: {wanted}", Status.TOO_FEW_TILES)


def vectors_at_rest(table: FeatureTable, settings: ComparisonSettings) -> Float32:
    """Return the vectors (N, D) of the tiles of a core at 0°.

    Raises
    ------
    SlideLost
        See `check_tiles`.
    """
    check_tiles(table, settings)
    width = table.features.shape[1] // len(views_of(settings.views))
    return table.features[:, :width]


def label_tiles(table: FeatureTable, means: Means, settings: ComparisonSettings) -> Labels:
    """Assign the tiles of a core, under all views, to means, and smooth their labels.

    Vectors are read by blocks of tiles.
    """
    views = views_of(settings.views)
    distances = np.concatenate(
        [
            means.distances(block.reshape(len(block) * len(views), -1)).reshape(
                len(block), len(views), -1
            )
            for block in _blocks(table)
        ]
    ).swapaxes(0, 1)
    found: dict[Smoothing, Ints] = {"none": np.asarray(distances.argmin(axis=2), np.int64)}
    if "potts" in settings.smooth:
        found["potts"] = smooth(distances, means.variance, _graph(table))
    return Labels(views, found)


def _blocks(table: FeatureTable) -> Iterator[Float32]:
    for first in range(0, len(table.features), TILES_PER_BLOCK):
        yield table.features[first : first + TILES_PER_BLOCK]


def _graph(table: FeatureTable) -> Graph:
    edges = adjacent_edges(table.tiles.coords, table.tiles.pitch_px)
    return Graph.of(edges, len(table.tiles.coords))


def compare_core(
    slide: str,
    encoder: str,
    table: FeatureTable,
    means: Callable[[], Means],
    settings: ComparisonSettings,
    seed: int,
    truth: str | Path | None = None,
) -> tuple[pd.DataFrame, Labels | None]:
    """Compare the labels of a core at every angle with those at 0°.

    Parameters
    ----------
    slide, encoder
        What the core and the encoder are called in the table.
    table
        What the encoder made of its turned tiles.
    means
        Returns the clusters; may raise `SlideLost`.
    seed
        Of the permutations that show what chance does.
    truth
        File of known labels of its tiles, see `histohet.agreement.truth`.

    Returns
    -------
    DataFrame
        A row for every smoothing and angle, with `COLUMNS`; a single one that says why there are
        none if the core gives no clusters.
    Labels
        None then.
    """

    def labelled() -> Labels | None:
        check_tiles(table, settings)
        return label_tiles(table, means(), settings)

    labels, outcome = attempt(labelled, None, table.tiles.outcome)
    rows: list[dict[str, Any]] = [{}]
    if labels is not None:
        known = None if truth is None else known_labels(truth, table)
        rows = [
            _row(labels, smoothing, angle, seed, known)
            for smoothing in settings.smooth
            for angle in settings.views
        ]
    about = {"slide": slide, "encoder": encoder}
    end = {"status": str(outcome.status), "reason": outcome.reason}
    return as_table([about | row | end for row in rows]), labels


def as_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows as a table with `COLUMNS`."""
    return pd.DataFrame(list(rows), columns=list(COLUMNS)).astype(COLUMNS)


def labels_table(table: FeatureTable, labels: Labels | None) -> pd.DataFrame:
    """Return the labels of the tiles of a core, numbered from 1; without labels, no rows.

    Columns ``tile`` (its row in the tile file), ``x``, ``y`` (its corner, level-0 px), and, by
    smoothing and angle, ``none_0``, ``none_30``, … and ``potts_0``, ….
    """
    if labels is None:
        return pd.DataFrame({"tile": [], "x": [], "y": []}, dtype=np.int64)
    x, y = table.tiles.coords.T
    columns = {"tile": table.tile_index, "x": x, "y": y}
    for smoothing, found in labels.by_smoothing.items():
        for view, row in zip(labels.views, found, strict=True):
            if not view.back:
                columns[f"{smoothing}_{view.angle:g}"] = row + 1
    return pd.DataFrame(columns)


def labels_by_angle(table: pd.DataFrame, smoothing: Smoothing = "none") -> dict[float, Ints]:
    """Return the labels (N,) at every angle, numbered from 0, of what `labels_table` made."""
    begin = f"{smoothing}_"
    return {
        float(name.removeprefix(begin)): table[name].to_numpy() - 1
        for name in map(str, table)
        if name.startswith(begin)
    }


def known_labels(truth: str | Path, table: FeatureTable) -> Ints:
    """Return the known label (N,) of every tile, 0 where none is known.

    Raises
    ------
    ValueError
        If the file cannot be used.
    """
    return subclone_of_tiles(read_truth(truth), table.tiles.coords, table.tiles.side_px)


def _row(
    labels: Labels, smoothing: Smoothing, angle: float, seed: int, truth: Ints | None
) -> dict[str, Any]:
    raw, compared = labels.by_smoothing["none"], labels.by_smoothing[smoothing]
    number = labels.views.index(View(angle))
    before, after = compared[0], compared[number]
    rng = np.random.default_rng([seed, number])
    found = {
        "": compare(before, after),
        "ceiling_": compare(before, compared[row_of_ceiling(labels.views, angle)]),
        "chance_": by_chance(before, after, rng),
    }
    return {
        "smoothing": smoothing,
        "angle": angle,
        "n_tiles": len(after),
        "n_clusters": len(np.unique(before)),
        **{
            f"{prefix}{name}": value
            for prefix, indices in found.items()
            for name, value in indices._asdict().items()
        },
        "moved_by_potts": None if smoothing == "none" else float((after != raw[number]).mean()),
        **_agreement_with(truth, after),
    }


def _agreement_with(truth: Ints | None, labels: Ints) -> dict[str, Any]:
    known = np.zeros(len(labels), np.bool_) if truth is None else truth > 0
    ari = None if truth is None or not known.any() else compare(truth[known], labels[known]).ari
    return {"label_ari": ari, "n_labelled": int(known.sum())}


def means_of_core(
    slide: str, table: FeatureTable, settings: ComparisonSettings, seed: int
) -> Means:
    """Fit clusters to a core itself, at 0°.

    Raises
    ------
    SlideLost
        See `vectors_at_rest`.
    """
    drawn = draw(slide, vectors_at_rest(table, settings), MOST_FITTED, seed)
    return fit_means([drawn], settings.clusters, seed)
