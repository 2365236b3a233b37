"""The tumour threshold of a cohort, drawn over the scores it divides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from histohet.drawing.style import INK, NEUTRAL, cluster_colour, message_figure, new_figure, style

TITLE = "Tumour score of the clusters of all slides"


def draw_threshold(
    scores: Sequence[float], threshold: float | None, reason: str, source: str
) -> Figure:
    """Draw the histogram of cluster scores with the threshold, or say why there is none.

    Parameters
    ----------
    scores
        Mean tumour score of every cluster of every slide.
    threshold
        Clusters above it count.
    reason
        Why there is no threshold.
    source
        ``otsu``, ``configuration``, or the file of the cohort on which it was learned.
    """
    if threshold is None:
        return message_figure(TITLE, f"No threshold, so all clusters count: {reason}.")
    if not scores:
        return message_figure(TITLE, "No slide has tumour scores.")
    values = np.asarray(scores)
    name = {"otsu": "Otsu", "configuration": "as configured"}.get(source, "learned elsewhere")
    above = values > threshold
    with style():
        figure = new_figure(6.4, 3.4)
        axes = figure.add_subplot()
        bins = np.histogram_bin_edges(values, bins=min(40, max(10, len(values) // 4)))
        axes.hist(
            [values[~above], values[above]],
            bins=bins.tolist(),
            stacked=True,
            color=[NEUTRAL, cluster_colour(5)],
            label=[f"below: {(~above).sum()} clusters", f"tumour: {above.sum()} clusters"],
        )
        axes.axvline(threshold, color=INK, linestyle="--", label=f"{name}: {threshold:.4g}")
        axes.set(title=TITLE, xlabel="Mean attention of the cluster's tiles", ylabel="Clusters")
        axes.legend()
    return figure
