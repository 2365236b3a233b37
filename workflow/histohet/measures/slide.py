"""What is measured on one slide, and how the cohort reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from histohet.clustering.file import ClusteredTiles
from histohet.clustering.result import UNKNOWN, Certainty
from histohet.common.arrays import Floats
from histohet.common.files import read_json, write_json
from histohet.common.outcome import Outcome, SlideLost, Status, attempt
from histohet.common.provenance import Provenance
from histohet.measures.heterogeneity import (
    HTA_PERMUTATIONS,
    Base,
    ClusterRow,
    SetMeasures,
    cluster_scores,
    cluster_table,
    measures_above,
    nested_measures,
    trait_hti,
)
from histohet.measures.settings import MeasuresSettings
from histohet.measures.traits import read_traits
from histohet.tiles.neighbours import adjacent_edges

Column = npt.NDArray[np.floating]

NO_ATTENTION = "no attention: all clusters count"
NO_THRESHOLD = "no threshold: all clusters count"


@dataclass(frozen=True)
class SlideMeasures:
    """Everything measured on a slide under one clustering, whatever the tumour threshold will be.

    Attributes
    ----------
    slide, outcome
        Id, and how far the slide came.
    tissue_mm2, epithelium_mm2
        Areas; None where the slide did not come so far.
    n_tissue_tiles, n_clustered_tiles
        Tiles on tissue, and those that were clustered.
    has_attention
        Whether clusters have tumour scores.
    certainty
        Figures on the clustering, whatever the tumour filter.
    clusters
        One row per cluster.
    sets
        Measures of the nested sets of clusters, see `heterogeneity.nested_measures`.
    traits
        HTI of the slide's trait maps by base; empty without any.
    tiles_from
        Where the tiles come from and how they were chosen, if not from the slide itself.
    """

    slide: str
    outcome: Outcome
    tissue_mm2: float | None
    epithelium_mm2: float | None
    n_tissue_tiles: int
    n_clustered_tiles: int
    has_attention: bool
    certainty: Certainty
    clusters: tuple[ClusterRow, ...]
    sets: tuple[SetMeasures, ...]
    traits: Mapping[str, float]
    tiles_from: str | None = None

    @property
    def tumour_scores(self) -> list[float]:
        """Tumour scores of the clusters; none without attention."""
        return [row.tumour_score for row in self.clusters if row.tumour_score is not None]

    def tumour_filter(self, threshold: float | None) -> str:
        """Say which clusters count under a threshold."""
        if not self.has_attention:
            return NO_ATTENTION
        return NO_THRESHOLD if threshold is None else f"score > {threshold:.4g}"

    def slide_row(self, threshold: float | None) -> dict[str, Any]:
        """Return the slide's row of the cohort table, all clusters counting without threshold."""
        row: dict[str, Any] = {
            "slide": self.slide,
            "status": str(self.outcome.status),
            "reason": self.outcome.reason,
            "tiles_from": self.tiles_from,
            "tissue_mm2": self.tissue_mm2,
            "epithelium_mm2": self.epithelium_mm2,
            "n_tissue_tiles": self.n_tissue_tiles,
            "n_clustered_tiles": self.n_clustered_tiles,
            "n_all_clusters": len(self.clusters),
            **asdict(self.certainty),
            "tumour_filter": self.tumour_filter(threshold) if self.outcome.ok else "",
        }
        names = SetMeasures.__dataclass_fields__
        if self.outcome.ok:
            chosen = measures_above(self.sets, threshold if self.has_attention else None)
            row |= {name: getattr(chosen, name) for name in names}
        else:
            row |= dict.fromkeys(names)
        return row | {f"trait_hti_{base}": self.traits.get(base) for base in get_args(Base)}

    def cluster_rows(self, threshold: float | None) -> list[dict[str, Any]]:
        """Return one row per cluster, with ``counted`` telling whether it counts as tumour."""
        everything = threshold is None or not self.has_attention
        return [
            {
                "slide": self.slide,
                **asdict(row),
                "counted": everything
                or (row.tumour_score is not None and row.tumour_score > (threshold or 0.0)),
            }
            for row in self.clusters
        ]


def measure_slide(
    slide: str,
    clustered: ClusteredTiles,
    coverage: tuple[Column, Outcome],
    tumour: tuple[Column, Outcome] | None,
    traits: str | None,
    settings: MeasuresSettings,
    seed: int,
) -> SlideMeasures:
    """Measure everything on one slide.

    Parameters
    ----------
    slide
        Its id.
    clustered
        Its clusters.
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
    """
    tiles, found = clustered.tiles, clustered.clustering
    scores, outcome = attempt(lambda: _cluster_scores(clustered, tumour), None)
    no_traits: dict[str, float] = {}
    trait_scores, trait_outcome = attempt(lambda: _trait_scores(traits), no_traits)
    outcome = trait_outcome if outcome.ok else outcome
    rows: list[ClusterRow] = []
    sets: list[SetMeasures] = []
    epithelium_mm2 = None
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
        epithelium_mm2 = float(coverage[0].sum(dtype=float)) * tiles.spec.step_um**2 / 1e6
    return SlideMeasures(
        slide=slide,
        outcome=outcome,
        tissue_mm2=tiles.attributes.get("tissue_mm2"),
        epithelium_mm2=epithelium_mm2,
        n_tissue_tiles=len(coverage[0]),
        n_clustered_tiles=len(found.labels),
        has_attention=scores is not None,
        certainty=found.certainty if outcome.ok else UNKNOWN,
        clusters=tuple(rows),
        sets=tuple(sets),
        traits=trait_scores,
        tiles_from=tiles.attributes.get("tiles_from"),
    )


def _cluster_scores(
    clustered: ClusteredTiles, tumour: tuple[Column, Outcome] | None
) -> Floats | None:
    """Return the tumour score of each cluster, None without attention."""
    clustered.tiles.outcome.raise_if_lost()
    if tumour is None:
        return None
    tile_scores, outcome = tumour
    outcome.raise_if_lost()
    return cluster_scores(clustered.clustering.labels, tile_scores[clustered.tile_index])


def _trait_scores(path: str | None) -> dict[str, float]:
    """Return the HTI of the slide's trait maps by base."""
    if path is None:
        return {}
    try:
        _, traits = read_traits(path)
    except ValueError as error:
        raise SlideLost(f"traits: {error}") from error
    return {base: trait_hti(traits, base) for base in get_args(Base)}


def write_measures(path: str | Path, measures: SlideMeasures, provenance: Provenance) -> None:
    """Write what was measured on a slide, as JSON."""
    write_json(path, {"provenance": provenance.as_dict(), "measures": asdict(measures)})


def read_measures(path: str | Path) -> SlideMeasures:
    """Read what `write_measures` wrote."""
    data = read_json(path)["measures"]
    outcome = data["outcome"]
    return SlideMeasures(
        **{
            **data,
            "outcome": Outcome(Status(outcome["status"]), outcome["reason"]),
            "certainty": Certainty(**data["certainty"]),
            "clusters": tuple(ClusterRow(**row) for row in data["clusters"]),
            "sets": tuple(SetMeasures(**row) for row in data["sets"]),
        }
    )
