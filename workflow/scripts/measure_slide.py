"""Measure the heterogeneity of one slide under one clustering."""

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.clustering.file import read_clusters
from histohet.clustering.result import UNKNOWN
from histohet.common.outcome import SlideLost, attempt
from histohet.measures.heterogeneity import (
    HTA_PERMUTATIONS,
    ClusterRow,
    SetMeasures,
    cluster_table,
    nested_measures,
    trait_hti,
)
from histohet.measures.slide import SlideMeasures, write_measures
from histohet.measures.traits import read_traits
from histohet.tiles.file import read_column
from histohet.tiles.neighbours import adjacent_edges
from histohet.tumour.attention import cluster_scores


def tumour_scores() -> np.ndarray | None:
    """Return the tumour score of each cluster, None without attention."""
    tiles.outcome.raise_if_lost()
    if not snakemake.input.get("tumour"):
        return None
    scores_of_tiles, outcome = read_column(snakemake.input.tumour, "tumour_score")
    outcome.raise_if_lost()
    return cluster_scores(found.labels, scores_of_tiles[clustered.tile_index])


def trait_measures() -> dict[str, float]:
    """Return the HTI of the slide's trait maps by base."""
    if not snakemake.input.get("traits"):
        return {}
    try:
        _, traits = read_traits(snakemake.input.traits)
    except ValueError as error:
        raise SlideLost(f"traits: {error}") from error
    return {base: trait_hti(traits, base) for base in ("possible", "observed")}


def measure() -> tuple[list[ClusterRow], list[SetMeasures]]:
    """Return what is measured of each cluster, and of the nested sets of clusters."""
    rows = cluster_table(found.labels, scores, adjacent_edges(tiles.coords, tiles.pitch_px))
    sets = nested_measures(
        found.labels,
        tiles.coords,
        scores,
        n_possible=found.settings.q,
        region_px=snakemake.params.measures["hta_region_um"] / tiles.mpp,
        permutations=HTA_PERMUTATIONS,
        seed=snakemake.params.seed,
    )
    return rows, sets


with job_log(snakemake) as log:
    clustered = read_clusters(snakemake.input.clusters)
    tiles, found = clustered.tiles, clustered.clustering
    coverage, of_coverage = read_column(snakemake.input.coverage, "coverage")
    scores, outcome = attempt(tumour_scores, None)
    traits, of_traits = attempt(trait_measures, {})
    outcome = of_traits if outcome.ok else outcome
    rows, sets = measure() if outcome.ok else ([], [])
    epithelium_mm2 = None
    if outcome.ok and of_coverage.ok:
        # Tiles that overlap share their area: each stands for one cell of the lattice.
        epithelium_mm2 = float(coverage.sum(dtype=float)) * tiles.spec.step_um**2 / 1e6
    measures = SlideMeasures(
        slide=snakemake.wildcards.slide,
        outcome=outcome,
        tissue_mm2=tiles.attributes.get("tissue_mm2"),
        epithelium_mm2=epithelium_mm2,
        n_tissue_tiles=len(coverage),
        n_clustered_tiles=len(found.labels),
        has_attention=scores is not None,
        certainty=found.certainty if outcome.ok else UNKNOWN,
        clusters=tuple(rows),
        sets=tuple(sets),
        traits=traits,
        tiles_from=tiles.attributes.get("tiles_from"),
    )
    log.info("%d clusters, %s", len(rows), outcome)
    write_measures(snakemake.output.measures, measures, provenance_of(snakemake))
