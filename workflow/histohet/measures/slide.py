"""What was measured on one slide, and how the cohort reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from histohet.clustering.result import UNKNOWN, Certainty
from histohet.common.files import read_json, write_json
from histohet.common.outcome import Outcome, Status
from histohet.common.provenance import Provenance
from histohet.measures.heterogeneity import (
    ClusterRow,
    SetMeasures,
    measures_above,
)
from histohet.measures.traits import TRAIT_MEASURES

NO_ATTENTION = "no attention: all clusters count"
TRAIT_COLUMNS = ("traits", "trait_status", *(f"trait_{name}" for name in TRAIT_MEASURES))
"""Columns of trait maps that every table has; others are those of the traits that there are."""

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
    n_tissue_tiles, n_clustered_tiles, n_outlier_tiles
        Tiles on tissue, those in clusters, and those set aside as outliers.
    has_attention
        Whether clusters have tumour scores.
    certainty
        Figures on the clustering, whatever the tumour filter.
    clusters
        One row per cluster.
    sets
        Measures of the nested sets of clusters, see `heterogeneity.nested_measures`.
    traits
        Measures of the slide's trait maps by column, see `traits.trait_measures`; empty without
        any.
    coverage_explains
        Share of the leading components of the embeddings that coverage explains, see
        `coverage.explained_by_coverage`; None where it is not known.
    tiles_from
        Where the tiles come from and how they were chosen, if not from the slide itself.
    n_glass_tiles
        Tiles left out because they are mostly glass; None where nobody looked.
    """

    slide: str
    outcome: Outcome
    tissue_mm2: float | None
    epithelium_mm2: float | None
    n_tissue_tiles: int
    n_clustered_tiles: int
    n_outlier_tiles: int
    has_attention: bool
    certainty: Certainty
    clusters: tuple[ClusterRow, ...]
    sets: tuple[SetMeasures, ...]
    traits: Mapping[str, Any]
    coverage_explains: float | None = None
    tiles_from: str | None = None
    n_glass_tiles: int | None = None

    @property
    def tumour_scores(self) -> list[float]:
        """Tumour scores of the clusters; none without attention."""
        return [row.tumour_score for row in self.clusters if row.tumour_score is not None]

    def refused(self, reason: str) -> SlideMeasures:
        """Return the slide without what was measured, as one that is refused."""
        outcome = Outcome(Status.REFUSED, reason)
        return replace(
            self,
            outcome=outcome,
            certainty=UNKNOWN,
            clusters=(),
            sets=(),
            coverage_explains=None,
        )

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
            "n_glass_tiles": self.n_glass_tiles,
            "n_clustered_tiles": self.n_clustered_tiles,
            "n_outlier_tiles": self.n_outlier_tiles,
            "coverage_explains": self.coverage_explains,
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
        return row | dict.fromkeys(TRAIT_COLUMNS) | dict(self.traits)

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
