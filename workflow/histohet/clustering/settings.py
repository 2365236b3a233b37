"""How the tiles of a slide are clustered: the section `clustering`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from histohet.common.settings import Settings

HETMAP: Mapping[str, float | None] = {"q": 20, "k": 8, "reach": None, "restarts": 0}
"""The settings of HETMAP."""


class ClusteringSettings(Settings):
    """How the tiles of a slide are clustered."""

    procedure: Literal["histohet", "paper"] = Field(
        "histohet",
        description="`histohet`: likelihood of the tiles under the slide's clusters, a coupling of "
        "neighbours estimated from the slide, graph cuts with a proof of how near the minimum they "
        "came, the number of clusters by their evidence. `paper`: as published, cosine "
        "similarities, annealing, full-covariance BIC; the defaults of the other keys are then "
        "those of HETMAP.",
    )
    q: int = Field(
        20,
        ge=1,
        description="k-means clusters at the start, one per 10 tiles at most (HETMAP: 20); merging "
        "only lowers the number. Also C of HTI in base `possible`.",
    )
    k: int = Field(
        8,
        ge=1,
        description="Neighbours of a tile in the graph, the nearest; with `histohet` also those as "
        "far as the last (HETMAP: 8).",
    )
    reach: float | None = Field(
        1.5,
        gt=0,
        description="Neighbours are at most so many tile pitches apart, so no edge bridges a gap "
        "in the tissue; 1.5 keeps the eight tiles around a tile. `null`: any distance (HETMAP).",
    )
    restarts: int = Field(
        12,
        ge=0,
        description="Clusterings of 80 % of the tiles. The result is the partition nearest to all "
        "of them (`paper`: they only tell how stable it is), and what they leave open is its "
        "uncertainty. 0: one clustering of all tiles, without uncertainty (HETMAP).",
    )
    min_tiles: int = Field(
        20, ge=1, description="Slides with fewer epithelial tiles have no meaningful clusters."
    )

    @model_validator(mode="before")
    @classmethod
    def _of_procedure(cls, data: object) -> object:
        """Take the published defaults for what the published procedure is not told."""
        if isinstance(data, Mapping) and data.get("procedure") == "paper":
            return {**HETMAP, **data}
        return data
