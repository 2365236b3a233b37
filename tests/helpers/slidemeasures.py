"""Measures of a slide of three clusters."""

from __future__ import annotations

import numpy as np

from helpers.lattices import lattice
from histohet.clustering.result import Certainty
from histohet.common.outcome import OK
from histohet.measures.heterogeneity import cluster_table, nested_measures
from histohet.measures.slide import SlideMeasures
from histohet.measures.traits import TRAIT_MEASURES
from histohet.tiles.neighbours import adjacent_edges

COORDS = lattice(6, 6, 100)
LABELS = np.repeat([0, 1, 2], [18, 12, 6])
CERTAINTY = Certainty(-5.5, -5.6, 0.125, 1.5, 0.75, 2, 4)


def measured(scores: list[float] | None) -> SlideMeasures:
    """Return the measures of a slide whose clusters have these tumour scores, if any."""
    edges = adjacent_edges(COORDS, 100)
    values = None if scores is None else np.array(scores)
    return SlideMeasures(
        slide="a",
        outcome=OK,
        tissue_mm2=1.5,
        epithelium_mm2=0.5,
        n_tissue_tiles=40,
        n_glass_tiles=3,
        n_clustered_tiles=36,
        n_outlier_tiles=4,
        has_attention=scores is not None,
        certainty=CERTAINTY,
        clusters=tuple(cluster_table(LABELS, values, edges)),
        sets=tuple(nested_measures(LABELS, COORDS, values, 20, 300, 19, 1)),
        traits={
            "traits": "A, B",
            "trait_status": "ok",
            "trait_n_positive": 3,
            **{f"trait_{name}": 0.25 for name in TRAIT_MEASURES if name != "n_positive"},
        },
        coverage_explains=0.125,
    )
