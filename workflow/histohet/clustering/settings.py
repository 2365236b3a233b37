"""How the tiles of a slide are clustered, and how they were published to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field, model_validator

from histohet.clustering.annealing import AnnealingSchedule
from histohet.common.settings import Settings


@dataclass(frozen=True)
class ClusteringParams:
    """How the tiles of a slide are clustered.

    Attributes
    ----------
    q
        Clusters at the start, and the most there can be (published: 20).
    k
        Neighbours per tile in the graph.
    reach
        Neighbours are at most this many tile pitches apart; None for any distance (published).
    energy
        ``calibrated`` or ``cosine`` (published).
    minimiser
        ``expansion`` or ``annealing`` (published).
    model_choice
        ``evidence`` or ``bic_full`` (published).
    n_init
        Starts of the first k-means; None for `q` of them (published).
    variance
        Share of the variance that the embedding of ``bic_full`` explains.
    restarts
        Clusterings of resampled tiles that tell how stable the result is; 0 for none.
    schedule
        Cooling of ``annealing``.
    """

    q: int = 30
    k: int = 8
    reach: float | None = 1.5
    energy: Literal["calibrated", "cosine"] = "calibrated"
    minimiser: Literal["expansion", "annealing"] = "expansion"
    model_choice: Literal["evidence", "bic_full"] = "evidence"
    n_init: int | None = 5
    variance: float = 0.8
    restarts: int = 8
    schedule: AnnealingSchedule = field(default_factory=AnnealingSchedule)

    def __post_init__(self) -> None:
        if self.q < 1 or self.k < 1 or (self.n_init is not None and self.n_init < 1):
            raise ValueError(f"q, k and n_init must be at least 1: {self}")
        if not 0 < self.variance <= 1:
            raise ValueError(f"variance is a share in (0, 1], got {self.variance}")
        if self.restarts < 0 or (self.reach is not None and not self.reach > 0):
            raise ValueError(f"reach must be positive and restarts 0 or more: {self}")


PUBLISHED = ClusteringParams(
    q=20,
    reach=None,
    energy="cosine",
    minimiser="annealing",
    model_choice="bic_full",
    n_init=None,
    restarts=0,
)
"""HETMAP's clustering, its defects mended."""


HETMAP: dict[str, float | None] = {"q": 20, "k": 8, "reach": None, "restarts": 0}
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
        30,
        ge=1,
        description="k-means clusters at the start, one per 10 tiles at most (HETMAP: 20); merging "
        "only lowers the number. Also C of HTI in base `possible`.",
    )
    k: int = Field(8, ge=1, description="Neighbours of a tile in the graph (HETMAP: 8).")
    reach: float | None = Field(
        1.5,
        gt=0,
        description="Neighbours are at most so many tile pitches apart, so no edge bridges a gap "
        "in the tissue; 1.5 keeps the eight tiles around a tile. `null`: any distance (HETMAP).",
    )
    restarts: int = Field(
        8,
        ge=0,
        description="Clusterings of 80 % of the tiles that tell how stable the clusters are, at "
        "least 2 for a meaningful stability; each takes about as long as the clustering. 0: none "
        "(HETMAP).",
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
