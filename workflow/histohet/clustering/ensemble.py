"""Clusterings of parts of a slide: draws of a partition, whose consensus is the result.

Every draw clusters other tiles from another start, so draws differ by as much as the slide leaves
open. They differ in their space as well: the leading 5, 8, 13 or 20 components with spatial
structure. Components that the clusters do not need cost evidence (Raftery and Dean, Journal of the
American Statistical Association 101:168, 2006), so the spaces in which clusters gain most over one
cluster are kept, and further draws are made in these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from sklearn.cluster import KMeans

from histohet.clustering.evidence import TileField
from histohet.clustering.mixture import nearest
from histohet.clustering.number_of_clusters import most_evident
from histohet.clustering.potts.model import edges_within, neighbour_lists
from histohet.clustering.result import OUTLIER, Step, compact
from histohet.clustering.space import structured
from histohet.clustering.stability import DRAWN_SHARE, resample
from histohet.clustering.tiles import OrderedTiles
from histohet.common.arrays import Bools, Floats, Ints
from histohet.common.logs import logger

# Leading components of the spaces that are tried, no more than the tiles can support.
SPACES = (5, 8, 13, 20)
TILES_PER_COMPONENT = 25
# Draws in every space before some are kept, and the least share of the best space's gain in these.
SCOUTS = 2
KEPT_GAIN = 0.8
# Log evidence that clusters must gain over one cluster. Of noise and of drift, the best of many
# starts gains up to some 20, and regions of a few dozen tiles gain more.
LEAST_GAIN = 20.0
# Of large slides so many tiles are drawn at most, in square blocks of this many pitches a side:
# enough to know the clusters by.
DRAWN_TILES = 6_000
BLOCK_PITCHES = 16
# Starts of k-means: one, for draws are to differ.
K_MEANS_STARTS = 1


@dataclass(frozen=True)
class Draw:
    """One clustering.

    Attributes
    ----------
    rows
        (M,) int64 sorted rows of the tiles that were drawn.
    labels
        (N,) int64 in 0..K-1, each used.
    odd
        (O,) int64 rows of drawn tiles that were too few for a cluster; like those that were not
        drawn, they have the label that suits them best.
    n_components
        Width of its space.
    gain
        Log evidence of its clusters above that of one cluster.
    steps
        From the start to one cluster.
    k_means
        The start.
    """

    rows: Ints
    labels: Ints
    odd: Ints
    n_components: int
    gain: float
    steps: tuple[Step, ...]
    k_means: KMeans


@dataclass(frozen=True)
class Ensemble:
    """Draws in the spaces that were kept.

    Attributes
    ----------
    draws
        At least one.
    components
        (N, d) float64 components with spatial structure.
    n_components
        Leading ones that make the space of the largest gain.
    """

    draws: Sequence[Draw]
    components: Floats
    n_components: int

    @property
    def is_odd(self) -> Bools:
        """(N,) bool, tiles that more than half of the draws with them have in no cluster."""
        n = len(self.components)
        times_drawn, times_odd = np.zeros(n), np.zeros(n)
        for draw in self.draws:
            times_drawn[draw.rows] += 1
            times_odd[draw.odd] += 1
        return np.asarray(times_odd > times_drawn / 2)


def draw_ensemble(
    tiles: OrderedTiles, edges: Ints, q: int, n_draws: int, smoothed: bool, seed: int
) -> Ensemble | None:
    """Draw partitions of N tiles.

    Parameters
    ----------
    tiles, edges
        The tiles, and the (E, 2) int64 pairs of neighbours.
    q
        Clusters at the start of a draw, 2 or more.
    n_draws
        Draws in the spaces that are kept; 0 for one of all tiles in each space.
    smoothed
        Whether neighbours attract each other's labels.
    seed
        Of k-means and of what is drawn.

    Returns
    -------
    Ensemble or None
        None where no component has spatial structure: one cluster.
    """
    components = structured(tiles.components, edges)
    widest = min(components.shape[1], max(1, min(len(tiles), DRAWN_TILES) // TILES_PER_COMPONENT))
    if not widest:
        return None
    widths = sorted({min(width, widest) for width in SPACES})

    def draws(of_widths: Sequence[int], first: int) -> Iterator[Draw]:
        for number, width in enumerate(cycle(of_widths), first):
            space = np.ascontiguousarray(components[:, :width])
            rows = _drawn(tiles, seed, number) if n_draws else np.arange(len(tiles))
            graphs = edges_within(edges, rows), tiles.subset(rows).vicinity()
            field = TileField.of(space[rows], *(neighbour_lists(of, len(rows)) for of in graphs))
            yield _draw(space, rows, field, q, smoothed, seed + number)

    scouts = draws(widths, 0)
    found = [next(scouts) for _ in range(len(widths) * (SCOUTS if n_draws else 1))]
    gain = {
        width: float(np.mean([draw.gain for draw in found if draw.n_components == width]))
        for width in widths
    }
    best = max(widths, key=lambda width: (gain[width], -width))
    logger.info("gain in evidence over one cluster, by components: %s", gain)
    kept = [width for width in widths if gain[width] >= KEPT_GAIN * gain[best]]
    if not n_draws:
        kept = [best]
    more = draws(kept, len(found))
    found = [draw for draw in found if draw.n_components in kept]
    while len(found) < n_draws:
        found.append(next(more))
    return Ensemble(found, components, best)


def _draw(space: Floats, rows: Ints, field: TileField, q: int, smoothed: bool, seed: int) -> Draw:
    """Cluster the tiles `rows`, whose field it is; the others join what suits them best."""
    drawn = np.ascontiguousarray(space[rows])
    k_means = KMeans(q, n_init=K_MEANS_STARTS, random_state=seed).fit(drawn)
    chosen = most_evident(field, compact(k_means.labels_), smoothed)
    if chosen.gain < LEAST_GAIN:
        chosen = chosen._replace(labels=np.zeros(len(rows), np.int64), gain=0.0)
    clustered = chosen.labels != OUTLIER
    known = rows[clustered]
    others = np.setdiff1d(np.arange(len(space)), known)
    labels = np.empty(len(space), np.int64)
    labels[known] = chosen.labels[clustered]
    labels[others] = nearest(space[others], drawn[clustered], labels[known])
    odd = rows[~clustered]
    return Draw(rows, labels, odd, space.shape[1], chosen.gain, chosen.steps, k_means)


def _drawn(tiles: OrderedTiles, seed: int, number: int) -> Ints:
    """Return the sorted rows of 80 % of the tiles, or of some blocks of a large slide."""
    if DRAWN_SHARE * len(tiles) <= DRAWN_TILES:
        return resample(len(tiles), seed, number)
    rng = np.random.default_rng([seed, number])
    block = tiles.blocks(BLOCK_PITCHES)
    sizes = np.bincount(block)
    order = rng.permutation(len(sizes))
    chosen = order[: int(np.searchsorted(np.cumsum(sizes[order]), DRAWN_TILES)) + 1]
    return np.flatnonzero(np.isin(block, chosen)).astype(np.int64)
