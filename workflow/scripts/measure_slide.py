"""Measure the heterogeneity of one slide under one clustering."""

import numpy as np

from histohet.common.jobs import job_log, provenance_of
from histohet.clustering.file import ClusteredTiles, read_clusters
from histohet.clustering.result import UNKNOWN
from histohet.common.files import write_json
from histohet.common.outcome import Outcome, Status
from histohet.measures.heterogeneity import (
    HTA_PERMUTATIONS,
    cluster_table,
    nested_measures,
    trait_hti,
)
from histohet.measures.slide import SlideMeasures
from histohet.measures.traits import read_traits
from histohet.tiles.file import read_column
from histohet.tiles.neighbours import adjacent_edges
from histohet.tumour.attention import cluster_scores


def tumour_scores(clusters: ClusteredTiles) -> tuple[np.ndarray | None, Outcome]:
    """Return the tumour score of each cluster, None without attention, and the outcome."""
    if not snakemake.input.get("tumour"):
        return None, clusters.tiles.outcome
    tile_scores, outcome = read_column(snakemake.input.tumour, "tumour_score")
    if not (clusters.tiles.outcome.ok and outcome.ok):
        return None, outcome if clusters.tiles.outcome.ok else clusters.tiles.outcome
    return cluster_scores(clusters.clustering.labels, tile_scores[clusters.tile_index]), outcome


def trait_measures() -> tuple[dict[str, float], Outcome | None]:
    """Return the HTI of the slide's trait maps by base, and what is wrong with them."""
    if not snakemake.input.get("traits"):
        return {}, None
    try:
        _, traits = read_traits(snakemake.input.traits)
    except ValueError as error:
        return {}, Outcome(Status.REFUSED, f"traits: {error}")
    return {base: trait_hti(traits, base) for base in ("possible", "observed")}, None


def measure(clusters: ClusteredTiles) -> SlideMeasures:
    """Measure everything."""
    coverage, coverage_outcome = read_column(snakemake.input.coverage, "coverage")
    scores, outcome = tumour_scores(clusters)
    traits, trait_problem = trait_measures()
    outcome = trait_problem if outcome.ok and trait_problem else outcome
    rows, sets, epithelium_mm2 = [], [], None
    tiles, found = clusters.tiles, clusters.clustering
    if outcome.ok:
        settings = snakemake.params.measures
        edges = adjacent_edges(tiles.coords, tiles.pitch_px)
        rows = cluster_table(found.labels, scores, edges)
        sets = nested_measures(
            found.labels,
            tiles.coords,
            scores,
            n_possible=found.settings.q,
            region_px=settings["hta_region_um"] / tiles.mpp,
            permutations=HTA_PERMUTATIONS,
            seed=snakemake.params.seed,
        )
    if outcome.ok and coverage_outcome.ok:
        # Tiles that overlap share their area: each stands for one cell of the lattice.
        epithelium_mm2 = float(coverage.sum(dtype=float)) * tiles.spec.step_um**2 / 1e6
    return SlideMeasures(
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


with job_log(snakemake) as log:
    measures = measure(read_clusters(snakemake.input.clusters))
    log.info("%d clusters, %s", len(measures.clusters), measures.outcome)
    write_json(
        snakemake.output.measures,
        {"provenance": provenance_of(snakemake).as_dict(), "measures": measures.as_dict()},
    )
