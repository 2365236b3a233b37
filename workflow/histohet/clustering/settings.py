"""How the tiles of a slide are clustered, and how they were published to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from histohet.clustering.annealing import AnnealingSchedule


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
