"""How well the clusters agree with planted subclones."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from histohet.drawing.style import FAINT, cluster_colour, message_figure, new_figure, style

STAGES = {"ari_start": "k-means", "ari_raw": "before smoothing", "ari": "result"}


def draw_agreement(agreement: pd.DataFrame, title: str) -> Figure:
    """Draw planted against found numbers, and the adjusted Rand index at each stage.

    Parameters
    ----------
    agreement
        One row per slide: ``n_subclones``, ``n_clusters``, ``ari_start``, ``ari_raw``, ``ari``.
    """
    if agreement.empty:
        return message_figure(title, "No slide with a known truth has clusters.")
    with style():
        figure = new_figure(8.4, 3.8)
        figure.suptitle(title, x=0.01, ha="left", weight="bold")
        numbers, index = figure.subplots(1, 2)
        counts = agreement.groupby(["n_subclones", "n_clusters"]).size()
        planted, found = (counts.index.get_level_values(i) for i in range(2))
        highest = max(planted.max(), found.max()) + 0.5
        numbers.plot([0, highest], [0, highest], color=FAINT, linewidth=0.8, linestyle="--")
        numbers.scatter(planted, found, s=30 * counts, color=cluster_colour(0), alpha=0.7)
        numbers.set(xlabel="Planted subclones", ylabel="Tumour clusters found")
        numbers.set(xlim=(0, planted.max() + 0.5), ylim=(-0.3, highest))
        for position, column in enumerate(STAGES):
            values = agreement[column].dropna().to_numpy()
            # Spread sideways by rank, so that equal values stay visible without random jitter.
            spread = np.argsort(np.argsort(values)) / max(1, len(values) - 1) - 0.5
            index.scatter(position + 0.5 * spread, values, s=14, color=cluster_colour(1), zorder=2)
            index.hlines(np.median(values), position - 0.35, position + 0.35, color="black")
            index.text(position, 1.02, f"{np.median(values):.2f}", ha="center")
        index.set_xticks(range(len(STAGES)), list(STAGES.values()))
        index.set(ylabel="Adjusted Rand index with the subclones", ylim=(-0.1, 1.1))
        index.axhline(0, color=FAINT, linewidth=0.8)
    return figure
