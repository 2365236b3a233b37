"""Agreement of the clusters of tiles with expression clusters of spots on the same section.

Both maps are smooth: neighbours are mostly alike in either, and even if the maps have nothing to do
with each other, large patches fall on large patches. Shuffling the labels of spots destroys this
and calls far too much significant. Here the map of tiles stays as it is, the labelled spots stay as
they are, and only the one is moved over the other as a whole: by a random turn, mirrored or not,
and a shift. If the maps are independent and the law of one does not change when it is moved
(stationary and isotropic), all placements are equally likely, and each keeps both as smooth as they
are.

Shifts within an irregular window lose spots at its edge, and with fewer spots indices scatter more.
Mrkvička, Dvořák, González and Mateu (2021, Spatial Statistics 42:100430) therefore standardise by
the variance, which for a covariance goes as 1/n. The adjusted Rand index is quadratic in the
deviations from independence, so under independence its mean and its standard deviation both go as
1/n: n times the index is compared. So should mutual information, but of smooth maps it is large by
chance and falls more slowly with n; times the square root of n, simulations find it on the safe
side at every smoothness (tests/bench/placements.py, docs/agreement.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from histohet.agreement.spots import Spots
from histohet.clustering.file import ClusteredTiles
from histohet.clustering.result import OUTLIER
from histohet.common.arrays import Bools, Floats, Int32, Ints
from histohet.tiles.lattice import Coords

Clusters = Int32

MIN_OVERLAP = 0.8
"""Number of spots that a placement has to keep on tiles, as a share of those compared. With half of
them, tests of very smooth maps reject too often (docs/agreement.md)."""

N_PLACEMENTS = 999
"""Random placements of the spots behind a p-value, which is at least 0.001."""

MAX_TRIES_PER_PLACEMENT = 200
QUERIES_PER_BATCH = 200_000

OUTSIDE = OUTLIER
"""Of a point without a cluster: on no tile, or on one that is an outlier."""

STAGES = ("start", "raw", "labels")
"""Clusterings that are compared: the k-means start, before the last smoothing, the result."""


@dataclass(frozen=True)
class SpotAgreement:
    """How clusters of tiles agree with labels of spots.

    Attributes
    ----------
    n_spots, n_unlabelled, n_outside, n_on_outliers, n_compared
        Spots; those without a label; labelled ones on no clustered tile; those on an outlier; the
        rest.
    n_labels, n_clusters
        Different labels and clusters among the compared spots.
    ari, nmi
        Adjusted Rand index (Hubert and Arabie 1985); mutual information over the mean of the two
        entropies. None without two compared spots.
    ari_p, nmi_p
        Share of placements whose index is at least as large, the observed one counted among them;
        the index times the number of spots, or times its square root (`nmi`). None where one map
        has only one label or too few placements keep enough spots.
    ari_null, nmi_null
        Mean index of the placements.
    n_placements
        Placements drawn.
    reason
        Why there are no p-values; "" if there are.
    """

    n_spots: int
    n_unlabelled: int
    n_outside: int = 0
    n_on_outliers: int = 0
    n_compared: int = 0
    n_labels: int = 0
    n_clusters: int = 0
    ari: float | None = None
    nmi: float | None = None
    ari_p: float | None = None
    nmi_p: float | None = None
    ari_null: float | None = None
    nmi_null: float | None = None
    n_placements: int = 0
    reason: str = ""


@dataclass(frozen=True, eq=False)
class SectionAgreement:
    """How the clusters of a slide agree with the spots on the same section.

    Attributes
    ----------
    stages
        At each of `STAGES`.
    clusters
        Cluster of the result under every spot, int32 (N,), -1 on no tile or an outlier.
    labels, numbers, counts
        See `confusion`.
    """

    stages: Mapping[str, SpotAgreement]
    clusters: Clusters
    labels: list[str]
    numbers: list[int]
    counts: Ints

    @property
    def result(self) -> SpotAgreement:
        """Of the result."""
        return self.stages["labels"]


class TileMap:
    """Clusters of tiles, which can be asked for at any point of the slide.

    Parameters
    ----------
    coords
        int64 (M, 2) corners, level-0 px.
    side_px
        Side of a tile, level-0 px.
    clusters
        int (M,), 0 and above; -1 of outliers.
    """

    def __init__(self, coords: Coords, side_px: float, clusters: npt.NDArray[np.integer]) -> None:
        self._tree = cKDTree(coords + side_px / 2)
        self._clusters = np.append(clusters.astype(np.int32), np.int32(OUTSIDE))
        # Corners are rounded, which opens gaps of a pixel between some tiles.
        self._reach = side_px / 2 + 0.5

    def at(self, points: Floats) -> Clusters:
        """Return the cluster (int32) of the tile that contains each point (N, 2), -1 without one.

        Of overlapping tiles it is the one whose centre is nearest.
        """
        found: Clusters = self._clusters[self._rows(points)]
        return found

    def contains(self, points: Floats) -> Bools:
        """Return whether each point (N, 2) lies on a tile, be it in a cluster or an outlier."""
        return self._rows(points) < len(self._clusters) - 1

    def _rows(self, points: Floats) -> Ints:
        """Return the tile that contains each point; of one too far from all, the row after them."""
        near: Ints = self._tree.query(points, p=np.inf, distance_upper_bound=self._reach)[1]
        return near


def agree_with_spots(found: ClusteredTiles, spots: Spots, seed: int) -> SectionAgreement:
    """Compare expression clusters with the clusters of a slide, if it has any.

    Parameters
    ----------
    found
        Clusters of the tiles.
    spots
        Centres and labels on the same section, in the same pixels.
    seed
        Seed of the placements.
    """
    tiles, outcome = found.tiles, found.outcome
    if not outcome.ok:
        nothing = no_agreement(spots, f"{outcome.status}: {outcome.reason}")
        nowhere = np.full(len(spots.labels), OUTSIDE, np.int32)
        empty = np.empty((0, 0), np.int64)
        return SectionAgreement(dict.fromkeys(STAGES, nothing), nowhere, [], [], empty)
    maps = {
        stage: TileMap(tiles.coords, tiles.side_px, getattr(found.clustering, stage))
        for stage in STAGES
    }
    stages = {stage: compare_spots(spots, one, N_PLACEMENTS, seed) for stage, one in maps.items()}
    result = maps["labels"]
    return SectionAgreement(stages, result.at(spots.centres), *confusion(spots, result))


def no_agreement(spots: Spots, reason: str) -> SpotAgreement:
    """Return what can be said of the spots of a slide that has no clusters."""
    labelled = int((spots.labels != "").sum())
    return SpotAgreement(
        len(spots.labels), len(spots.labels) - labelled, n_outside=labelled, reason=reason
    )


def compare_spots(spots: Spots, tiles: TileMap, n_placements: int, seed: int) -> SpotAgreement:
    """Compare expression clusters with the clusters of the tiles on which the spots lie.

    Parameters
    ----------
    spots
        Centres and labels.
    tiles
        Clusters of the same section, in the same pixels.
    n_placements
        Random placements for the p-values.
    seed
        Seed of the placements.
    """
    labelled = spots.labels != ""
    centres = spots.centres[labelled]
    codes = np.unique(spots.labels[labelled], return_inverse=True)[1].astype(np.int64)
    found = tiles.at(centres)
    inside = found != OUTSIDE
    on_outliers = ~inside & tiles.contains(centres)
    n_compared = int(inside.sum())
    counts: dict[str, Any] = {
        "n_spots": len(labelled),
        "n_unlabelled": int((~labelled).sum()),
        "n_outside": int((~inside & ~on_outliers).sum()),
        "n_on_outliers": int(on_outliers.sum()),
        "n_compared": n_compared,
        "n_labels": len(np.unique(codes[inside])),
        "n_clusters": len(np.unique(found[inside])),
    }
    if n_compared < 2:
        reason = (
            f"{n_compared} of {len(centres)} labelled spots lie on clustered tiles: are their "
            "positions pixels of level 0 of this slide?"
        )
        return SpotAgreement(**counts, reason=reason)
    ari, nmi = (float(index[0]) for index in indices(contingencies(codes, found[None])))
    if min(counts["n_labels"], counts["n_clusters"]) < 2:
        reason = "all compared spots have one label, or lie in one cluster"
        return SpotAgreement(**counts, ari=ari, nmi=nmi, reason=reason)
    placed = place(centres, tiles, MIN_OVERLAP * n_compared, n_placements, seed)
    if reason := too_few_placements(len(placed), n_placements):
        return SpotAgreement(**counts, ari=ari, nmi=nmi, reason=reason)
    return SpotAgreement(**counts, **asdict(against_placements(codes, found, placed)))


@dataclass(frozen=True)
class Indices:
    """Observed indices, their p-values and the means of their placements; see `SpotAgreement`."""

    ari: float
    nmi: float
    ari_p: float
    nmi_p: float
    ari_null: float
    nmi_null: float
    n_placements: int


def against_placements(
    labels: Ints, found: npt.NDArray[np.integer], placed: npt.NDArray[np.integer]
) -> Indices:
    """Compare the indices of what was found with those of placements.

    Parameters
    ----------
    labels
        int64 (N,) labels of spots, 0 and above.
    found
        int (N,) clusters where the spots are, -1 without one.
    placed
        int (P, N) clusters where placements would have them.
    """
    tables = contingencies(labels, np.vstack([found, placed]))
    ari, nmi = indices(tables)
    n = tables.sum(axis=(1, 2))
    return Indices(
        ari=float(ari[0]),
        nmi=float(nmi[0]),
        ari_p=share_at_least_first(n * ari),
        nmi_p=share_at_least_first(np.sqrt(n) * nmi),
        ari_null=float(ari[1:].mean()),
        nmi_null=float(nmi[1:].mean()),
        n_placements=len(placed),
    )


def share_at_least_first(values: Floats) -> float:
    """Return the share of values (P,) that reach the first; sums in another order are equal."""
    return float((values >= values[0] - 1e-9).mean())


def place(
    centres: Floats, tiles: TileMap, min_inside: float, n_placements: int, seed: int
) -> Clusters:
    """Move the spots as a whole, at random, and look up the clusters where they come to lie.

    Every placement turns the spots about their mean by any angle, mirrors them or not, and shifts
    them by up to half their extent; those that leave fewer than `min_inside` spots in clusters are
    drawn again.

    Returns
    -------
    int32 (P, N)
        Cluster of every spot, -1 without one. P is less than `n_placements` if
        `MAX_TRIES_PER_PLACEMENT` times as many tries give no more.
    """
    middle = centres.mean(axis=0)
    arms = centres - middle
    largest = np.abs(arms).max(axis=0)
    rng = np.random.default_rng(seed)
    kept: list[Clusters] = []
    size = max(1, QUERIES_PER_BATCH // len(centres))
    for first in range(0, MAX_TRIES_PER_PLACEMENT * n_placements, size):
        turns = _turns(rng, min(size, MAX_TRIES_PER_PLACEMENT * n_placements - first))
        shifts = rng.uniform(-largest, largest, (len(turns), 2))
        points = arms @ turns + (middle + shifts)[:, None]
        found = tiles.at(points.reshape(-1, 2)).reshape(len(turns), -1)
        kept += list(found[(found != OUTSIDE).sum(axis=1) >= min_inside])
        if len(kept) >= n_placements:
            break
    return np.array(kept[:n_placements], np.int32).reshape(-1, len(centres))


def too_few_placements(n: int, wanted: int) -> str:
    """Say that of the placements that were wanted too few keep enough spots; "" if all do."""
    tries = MAX_TRIES_PER_PLACEMENT * wanted
    few = f"{n} of {tries} random placements keep {MIN_OVERLAP:.0%} of the spots"
    return few if n < wanted else ""


def _turns(rng: np.random.Generator, n: int) -> Floats:
    """Return random rotations and reflections, (n, 2, 2)."""
    angle = rng.uniform(0, 2 * np.pi, n)
    mirror = rng.choice([-1.0, 1.0], n)
    cosine, sine = np.cos(angle), np.sin(angle)
    rows = np.stack([cosine, sine], axis=1), np.stack([-mirror * sine, mirror * cosine], axis=1)
    return np.stack(rows, axis=1)


def contingencies(labels: Ints, found: npt.NDArray[np.integer]) -> Ints:
    """Count spots by label and cluster.

    Parameters
    ----------
    labels
        int64 (N,), 0 and above.
    found
        int (P, N) clusters, -1 where a spot takes no part.

    Returns
    -------
    int64 (P, R, C)
    """
    rows, columns = int(labels.max()) + 1, max(int(found.max()) + 1, 1)
    tables = np.empty((len(found), rows * columns), np.int64)
    # One by one: of sections with many spots, the cells of all placements would fill the memory.
    for table, clusters in zip(tables, found, strict=True):
        inside = clusters != OUTSIDE
        cells = labels[inside] * columns + clusters[inside]
        table[:] = np.bincount(cells, minlength=rows * columns)
    return tables.reshape(len(found), rows, columns)


def indices(tables: Ints) -> tuple[Floats, Floats]:
    """Return adjusted Rand index and normalised mutual information of contingency tables.

    Two labellings without any structure agree perfectly, as in scikit-learn.

    Parameters
    ----------
    tables
        int64 (P, R, C), each with two spots or more.

    Returns
    -------
    ari, nmi
        float64 (P,) each.
    """
    n = tables.sum(axis=(1, 2)).astype(np.float64)
    rows, columns = tables.sum(axis=2), tables.sum(axis=1)
    together = _pairs(tables).sum(axis=(1, 2))
    in_rows, in_columns = _pairs(rows).sum(axis=1), _pairs(columns).sum(axis=1)
    expected = in_rows * in_columns / _pairs(n)
    most = (in_rows + in_columns) / 2
    ari = _ratio(together - expected, most - expected)
    of_rows, of_columns = _entropy(rows, n), _entropy(columns, n)
    shared = of_rows + of_columns - _entropy(tables.reshape(len(tables), -1), n)
    return ari, _ratio(shared.clip(min=0), (of_rows + of_columns) / 2)


def _pairs(counts: npt.NDArray[np.integer] | Floats) -> Floats:
    return counts * (counts - 1) / 2.0


def _entropy(counts: Ints, n: Floats) -> Floats:
    shares = counts / n[:, None]
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy: Floats = -(shares * logs).sum(axis=1)
    return entropy


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.ones_like(above), where=np.abs(below) > 1e-12)


def confusion(spots: Spots, tiles: TileMap) -> tuple[list[str], list[int], Ints]:
    """Count compared spots by expression cluster and cluster of the tile.

    Returns
    -------
    labels, clusters, counts
        Sorted labels and clusters that occur, and int64 (labels, clusters).
    """
    found = tiles.at(spots.centres)
    compared = (spots.labels != "") & (found != OUTSIDE)
    labels, row = np.unique(spots.labels[compared], return_inverse=True)
    clusters, column = np.unique(found[compared], return_inverse=True)
    counts = np.zeros((len(labels), len(clusters)), np.int64)
    np.add.at(counts, (row, column), 1)
    return labels.tolist(), clusters.tolist(), counts
