"""How certain the clusters of a slide are, as the cohort reads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Certainty:
    """Figures on all clusters of a slide, whether they count as tumour or not.

    Attributes
    ----------
    energy, lower_bound, gap_percent, coupling
        See `histohet.clustering.result.Certificate`; None without smoothing.
    stability_ari
        Mean adjusted Rand index between restarts, see `stability`; None without restarts.
    n_all_clusters_low, n_all_clusters_high
        Fewest and most clusters in a restart.
    """

    energy: float | None = None
    lower_bound: float | None = None
    gap_percent: float | None = None
    coupling: float | None = None
    stability_ari: float | None = None
    n_all_clusters_low: int | None = None
    n_all_clusters_high: int | None = None


UNKNOWN = Certainty()
"""Of a slide without clusters."""
