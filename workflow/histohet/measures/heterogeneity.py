"""Measures of heterogeneity of one slide, and the table of its possible sets of tumour clusters.

The tumour clusters of a slide are those whose score lies above a threshold that only the cohort
knows. Whatever the threshold, they are the j clusters with the highest scores for some j in 0..K.
`nested_measures` therefore measures all K + 1 sets of a slide once, and a cohort looks up one row
(`measures_above`): adding a slide moves the threshold but recomputes no other slide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from histohet.common.arrays import Bools, Floats, Ints

Base = Literal["possible", "observed"]

HTA_PERMUTATIONS = 999
"""Random rearrangements behind the p-value of HTA, which is at least 0.001."""


def hti(counts: npt.ArrayLike, n_possible: int | None) -> float:
    """Return the heterogeneity index -sum p_i log_C p_i, between 0 (one kind) and 1 (equal shares).

    Levy-Jurgenson et al., Scientific Reports 2020, doi:10.1038/s41598-020-75708-z.

    Parameters
    ----------
    counts
        Tiles of each kind; kinds without tiles may be listed or left out.
    n_possible
        C, the number of kinds there could be, which makes samples comparable. None for the number
        of kinds observed in this sample.

    Returns
    -------
    float
        0 if there are no tiles or only one kind is present.

    Raises
    ------
    ValueError
        If a count is negative or there are more kinds than `n_possible`.
    """
    present = np.asarray(counts, np.int64)
    if (present < 0).any():
        raise ValueError("counts of tiles cannot be negative")
    present = present[present > 0]
    c = _base(len(present), n_possible)
    if len(present) < 2:
        return 0.0
    share = present / present.sum()
    return min(1.0, float(-(share * np.log(share)).sum()) / math.log(c))


def trait_hti(traits: Bools, base: Base = "possible") -> float:
    """Return PathoMCH's heterogeneity index of binary trait maps.

    The kinds are the combinations of traits, the shares are among tiles with at least one trait,
    and C = 2^T - 1 combinations are possible.

    Parameters
    ----------
    traits
        (N, T) bool, one column per trait map.
    base
        ``possible`` or ``observed`` number of combinations.

    Returns
    -------
    float
        0 if no tile has a trait.
    """
    traits = np.asarray(traits)
    if traits.ndim != 2 or not traits.shape[1] or traits.dtype != np.bool_:
        raise ValueError(f"traits must be booleans (N, T), got {traits.dtype} {traits.shape}")
    if base not in ("possible", "observed"):
        raise ValueError(f"base is 'possible' or 'observed', not '{base}'")
    positive = traits[traits.any(axis=1)]
    counts = np.unique(positive, axis=0, return_counts=True)[1]
    return hti(counts, 2 ** traits.shape[1] - 1 if base == "possible" else None)


def scaled_count(n_clusters: int, n_tiles: int) -> float:
    """Return HETMAP's scaled score, n_clusters * sqrt(n_tiles)."""
    return n_clusters * math.sqrt(n_tiles)


class Hta(NamedTuple):
    """Spatial heterogeneity and how often chance alone makes it as small."""

    value: float
    p: float


def hta(
    labels: npt.NDArray[np.integer],
    coords: npt.NDArray[np.integer],
    region_px: float,
    n_possible: int | None,
    permutations: int,
    seed: int | Sequence[int],
) -> Hta:
    """Return the heterogeneity within regions, HTA, with its one-sided permutation p-value.

    The slide is cut into squares from the corner of the tiles' bounding box. HTA is the mean of
    `hti` over the squares, weighted by their tiles, all in one base, that of the slide. Clusters
    that lie apart give squares of one kind: a small HTA means spatial organisation. The p-value is
    the share of random rearrangements of the labels over the same positions, the observed one
    included, with an HTA as small as the observed one.

    Levy-Jurgenson et al., Bioinformatics 2021, doi:10.1093/bioinformatics/btab569, who approximate
    the permutation distribution by a normal one.

    Parameters
    ----------
    labels
        (N,) kind of each tile, N at least 1; any integers.
    coords
        (N, 2) integer level-0 positions.
    region_px
        Side of the squares in level-0 pixels.
    n_possible
        C, or None for the number of kinds on this slide.
    permutations
        Random rearrangements, at least 1.
    seed
        Seed of their generator.
    """
    if not len(labels) or len(labels) != len(coords):
        raise ValueError(f"HTA of {len(labels)} labels at {len(coords)} positions")
    if not region_px > 0 or permutations < 1:
        raise ValueError("HTA needs regions of positive size and at least one permutation")
    kinds, kind = np.unique(labels, return_inverse=True)
    c = _base(len(kinds), n_possible)
    if len(kinds) < 2:
        return Hta(0.0, 1.0)
    cell = np.floor((coords - coords.min(axis=0)) / region_px).astype(np.int64)
    region = np.unique(cell, axis=0, return_inverse=True)[1].ravel()
    # N log(C) HTA = sum of n log n over regions - sum of n log n over regions and kinds. The first
    # sum stays the same under permutation, so everything is decided by the second.
    n_log_n = _n_log_n(len(labels))
    slot = region * len(kinds)
    n_slots = int(slot.max()) + len(kinds)

    def order(kind_of_tile: Ints) -> float:
        return float(n_log_n[np.bincount(slot + kind_of_tile, minlength=n_slots)].sum())

    observed = order(kind)
    rng = np.random.default_rng(seed)
    # Equal arrangements may differ in the last digits, and must count as equal.
    limit = observed - 1e-9 * n_log_n[-1]
    as_ordered = sum(order(rng.permutation(kind)) >= limit for _ in range(permutations))
    disorder = float(n_log_n[np.bincount(region)].sum()) - observed
    value = max(0.0, disorder) / (len(labels) * math.log(c))
    return Hta(min(1.0, value), (1 + int(as_ordered)) / (1 + permutations))


class Components(NamedTuple):
    """Connected pieces of each cluster.

    ``number`` (K,) int64; ``largest_share`` (K,) float64, share of the cluster's tiles that the
    largest piece has.
    """

    number: Ints
    largest_share: Floats


def components(labels: npt.NDArray[np.integer], edges: Ints) -> Components:
    """Return how many connected pieces each cluster has and the share of its largest.

    Parameters
    ----------
    labels
        (N,) cluster of each tile, 0..K-1, each used.
    edges
        (E, 2) pairs of adjacent tiles, such as `histohet.tiles.neighbours.adjacent_edges`.
    """
    n = len(labels)
    u, v = edges[labels[edges[:, 0]] == labels[edges[:, 1]]].T
    adjacency = coo_array((np.ones(len(u), np.int8), (u, v)), shape=(n, n))
    n_pieces, piece = connected_components(adjacency, directed=False)
    piece_size = np.bincount(piece, minlength=n_pieces)
    cluster_of_piece = np.empty(n_pieces, np.int64)
    cluster_of_piece[piece] = labels
    sizes = np.bincount(labels)
    largest = np.zeros(len(sizes), np.int64)
    np.maximum.at(largest, cluster_of_piece, piece_size)
    return Components(np.bincount(cluster_of_piece, minlength=len(sizes)), largest / sizes)


def cluster_scores(labels: npt.NDArray[np.integer], scores: npt.NDArray[np.floating]) -> Floats:
    """Return the tumour score of each cluster, the mean of its tiles (HETMAP).

    Parameters
    ----------
    labels
        (N,) cluster of each tile, 0..K-1, each used.
    scores
        (N,) tumour scores.

    Returns
    -------
    ndarray
        (K,) float64.
    """
    if len(labels) != len(scores):
        raise ValueError(f"{len(scores)} scores for {len(labels)} tiles")
    sizes = np.bincount(labels)
    if not sizes.all():
        raise ValueError(f"no tile has label {int(np.argmin(sizes))}: labels have a gap")
    return np.bincount(labels, weights=scores) / sizes


@dataclass(frozen=True)
class ClusterRow:
    """One cluster of a slide; ``tumour_score`` is None on slides without attention."""

    cluster: int
    n_tiles: int
    proportion: float
    tumour_score: float | None
    components: int
    largest_share: float


def cluster_table(
    labels: npt.NDArray[np.integer], scores: npt.NDArray[np.floating] | None, edges: Ints
) -> list[ClusterRow]:
    """Return one row per cluster, in the order of their numbers.

    Parameters
    ----------
    labels
        (N,) cluster of each tile, 0..K-1, each used.
    scores
        (K,) tumour score of each cluster, or None.
    edges
        (E, 2) pairs of adjacent tiles.
    """
    sizes = np.bincount(labels)
    pieces = components(labels, edges)
    return [
        ClusterRow(
            cluster=k,
            n_tiles=int(sizes[k]),
            proportion=float(sizes[k] / len(labels)),
            tumour_score=None if scores is None else float(scores[k]),
            components=int(pieces.number[k]),
            largest_share=float(pieces.largest_share[k]),
        )
        for k in range(len(sizes))
    ]


@dataclass(frozen=True)
class SetMeasures:
    """Measures of the tiles of a set of clusters. Plain numbers; None where there is no value.

    Attributes
    ----------
    n_clusters, n_tiles
        Size of the set.
    scaled_count
        n_clusters * sqrt(n_tiles).
    hti_possible, hti_observed
        HTI over the clusters of the set, in base C = the most clusters there can be, and in base
        n_clusters.
    hta, hta_p
        HTA in base C and its p-value; None for the empty set.
    lowest_score
        Tumour score of the last cluster that came into the set; None for the empty set and on
        slides without scores.
    """

    n_clusters: int
    n_tiles: int
    scaled_count: float
    hti_possible: float
    hti_observed: float
    hta: float | None
    hta_p: float | None
    lowest_score: float | None


def nested_measures(
    labels: npt.NDArray[np.integer],
    coords: npt.NDArray[np.integer],
    scores: npt.NDArray[np.floating] | None,
    n_possible: int,
    region_px: float,
    permutations: int,
    seed: int,
) -> list[SetMeasures]:
    """Measure the sets of the j clusters with the highest tumour scores, for j = 0..K.

    Parameters
    ----------
    labels
        (N,) cluster of each tile, 0..K-1, each used; N may be 0.
    coords
        (N, 2) integer level-0 positions.
    scores
        (K,) tumour score of each cluster; None on slides without attention, where no threshold can
        choose: only the empty set and the set of all clusters are measured.
    n_possible
        The most clusters there can be (q of the clustering).
    region_px, permutations, seed
        Of `hta`; the generator of each set is seeded with (seed, j).

    Returns
    -------
    list of SetMeasures
        By growing set; the first is empty, the last has all clusters.
    """
    n_clusters = len(np.bincount(labels))
    if scores is None:
        by_score = np.arange(n_clusters)
        set_sizes = sorted({0, n_clusters})
    else:
        if len(scores) != n_clusters or not np.isfinite(scores).all():
            raise ValueError(f"{n_clusters} clusters need as many finite scores, got {scores}")
        by_score = np.argsort(-scores, kind="stable")
        set_sizes = list(range(n_clusters + 1))
    rows = []
    for j in set_sizes:
        inside = np.isin(labels, by_score[:j])
        counts = np.bincount(labels[inside])
        n_tiles = int(inside.sum())
        spatial = (
            hta(labels[inside], coords[inside], region_px, n_possible, permutations, (seed, j))
            if j
            else None
        )
        rows.append(
            SetMeasures(
                n_clusters=j,
                n_tiles=n_tiles,
                scaled_count=scaled_count(j, n_tiles),
                hti_possible=hti(counts, n_possible),
                hti_observed=hti(counts, None),
                hta=spatial.value if spatial else None,
                hta_p=spatial.p if spatial else None,
                lowest_score=None if scores is None or not j else float(scores[by_score[j - 1]]),
            )
        )
    return rows


def measures_above(rows: Sequence[SetMeasures], threshold: float | None) -> SetMeasures:
    """Return the measures of the clusters whose tumour score is above `threshold`.

    Parameters
    ----------
    rows
        Result of `nested_measures`.
    threshold
        Score that a tumour cluster exceeds; None to take all clusters.

    Raises
    ------
    ValueError
        If there is a threshold but the slide has clusters without scores.
    """
    if threshold is None:
        return rows[-1]
    if any(row.n_clusters and row.lowest_score is None for row in rows):
        raise ValueError("a tumour threshold cannot be applied to clusters without tumour scores")
    above = [row for row in rows if row.lowest_score is not None and row.lowest_score > threshold]
    return above[-1] if above else rows[0]


def _base(n_present: int, n_possible: int | None) -> int:
    if n_possible is None:
        return n_present
    if n_present > n_possible:
        raise ValueError(f"{n_present} kinds are present, but only {n_possible} are possible")
    return n_possible


def _n_log_n(n: int) -> Floats:
    """Return k log k for k = 0..n."""
    k = np.arange(n + 1, dtype=np.float64)
    return k * np.log(np.maximum(k, 1.0))
