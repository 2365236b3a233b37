"""One slide measured, from its clusters and what lies beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from histohet.clustering.file import ClusteredTiles
from histohet.clustering.result import OUTLIER, UNKNOWN
from histohet.common.arrays import Floats
from histohet.common.outcome import Outcome, attempt, joined
from histohet.features.file import FeatureTable
from histohet.measures.coverage import explained_by_coverage, warning_of
from histohet.measures.heterogeneity import (
    HTA_PERMUTATIONS,
    ClusterRow,
    SetMeasures,
    cluster_scores,
    cluster_table,
    nested_measures,
)
from histohet.measures.settings import MeasuresSettings
from histohet.measures.slide import SlideMeasures
from histohet.measures.traits import maps_of, trait_measures
from histohet.tiles.neighbours import adjacent_edges

Column = npt.NDArray[np.floating]


def measure_slide(
    slide: str,
    clustered: ClusteredTiles,
    embedded: FeatureTable,
    coverage: tuple[Column, Outcome],
    tumour: tuple[Column, Outcome] | None,
    traits: str | None,
    settings: MeasuresSettings,
    seed: int,
    combinations: Sequence[Sequence[str]] = (),
) -> SlideMeasures:
    """Measure everything on one slide; outliers are counted, and nothing else is said of them.

    Parameters
    ----------
    slide
        Its id.
    clustered
        Its clusters.
    embedded
        The embeddings of its tiles.
    coverage
        Share of epithelium of each tile of the tile file, and how far that came.
    tumour
        Tumour score of each tile of the tile file, and how far that came; None without attention.
    traits
        File of trait maps, if there is one.
    settings
        How heterogeneity is measured.
    seed
        Of permutations.
    combinations
        Traits that are looked at together, see `histohet.measures.traits.trait_measures`.
    """
    in_clusters = clustered.without_outliers()
    tiles, found = in_clusters.tiles, in_clusters.clustering
    scores, outcome = attempt(lambda: _cluster_scores(in_clusters, tumour), None, clustered.outcome)
    mpp = tiles.attributes.get("mpp")
    region_px = None if mpp is None else settings.hta_region_um / mpp
    no_traits: dict[str, Any] = {}
    # They need no clusters, so a slide that has none keeps them.
    trait_scores, of_traits = attempt(
        lambda: trait_measures(maps_of(traits), combinations, region_px, seed) if traits else {},
        no_traits,
    )
    outcome = outcome if of_traits.ok or not outcome.ok else of_traits
    rows: list[ClusterRow] = []
    sets: list[SetMeasures] = []
    epithelium_mm2 = explains = None
    if outcome.ok:
        rows = cluster_table(found.labels, scores, adjacent_edges(tiles.coords, tiles.pitch_px))
        sets = nested_measures(
            found.labels,
            tiles.coords,
            scores,
            n_possible=found.settings.q,
            region_px=settings.hta_region_um / tiles.mpp,
            permutations=HTA_PERMUTATIONS,
            seed=seed,
        )
    if outcome.ok and coverage[1].ok:
        # Tiles that overlap share their area: each stands for one cell of the lattice.
        outcome = outcome.with_note(coverage[1].reason)
        epithelium_mm2 = float(coverage[0].sum(dtype=float)) * tiles.spec.step_um**2 / 1e6
        explains = _explained(in_clusters, embedded, coverage[0])
        outcome = Outcome(outcome.status, joined([outcome.reason, warning_of(explains)]))
    return SlideMeasures(
        slide=slide,
        outcome=outcome,
        tissue_mm2=tiles.attributes.get("tissue_mm2"),
        epithelium_mm2=epithelium_mm2,
        n_tissue_tiles=len(coverage[0]),
        n_clustered_tiles=len(found.labels),
        n_outlier_tiles=clustered.clustering.n_outliers,
        has_attention=scores is not None,
        certainty=found.certainty if outcome.ok else UNKNOWN,
        clusters=tuple(rows),
        sets=tuple(sets),
        traits=trait_scores,
        coverage_explains=explains,
        tiles_from=tiles.attributes.get("tiles_from"),
        n_glass_tiles=tiles.n_glass,
    )


def tile_measurements(
    clustered: ClusteredTiles,
    coverage: tuple[Column, Outcome],
    tumour: tuple[Column, Outcome] | None,
) -> dict[str, Column]:
    """Return what other programs are to know of each clustered tile, (N,) by name.

    Outliers have a score of their own, but none of a cluster (NaN).

    Parameters
    ----------
    clustered, coverage, tumour
        As for `measure_slide`.
    """
    index, labels = clustered.tile_index, clustered.clustering.labels
    found: dict[str, Column] = {"epithelium": coverage[0][index]}
    if tumour is not None and tumour[1].ok:
        scores = tumour[0][index]
        found["tumour score"] = scores
        clusters = labels != OUTLIER
        # Outliers point to the last row, by their -1.
        of_clusters = np.append(cluster_scores(labels[clusters], scores[clusters]), np.nan)
        found["tumour score of cluster"] = of_clusters[labels]
    return found


def _explained(clustered: ClusteredTiles, embedded: FeatureTable, coverage: Column) -> float | None:
    """Return how far the embeddings of the clustered tiles follow their coverage."""
    rows = np.searchsorted(embedded.tile_index, clustered.tile_index)
    return explained_by_coverage(embedded.features.only(rows), coverage[clustered.tile_index])


def _cluster_scores(
    clustered: ClusteredTiles, tumour: tuple[Column, Outcome] | None
) -> Floats | None:
    """Return the tumour score of each cluster, None without attention."""
    if tumour is None:
        return None
    tile_scores, outcome = tumour
    outcome.raise_if_lost()
    return cluster_scores(clustered.clustering.labels, tile_scores[clustered.tile_index])
