"""A score against a pathologist's count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from histohet.agreement.pathologist import RankEstimate, group_means
from histohet.common.arrays import Floats
from histohet.drawing.style import FAINT, INK, cluster_colour, message_figure, new_figure, style

NAMES = {
    "kendall_tau_b": "Kendall's τ-b",
    "spearman": "Spearman's ρ",
    "pearson_of_group_means": "Pearson's r of the means",
}
WIDEST = 0.28
"""Half the width that the points of one count may take, of the distance between counts."""


def draw_counts(
    pairs: pd.DataFrame, estimates: Sequence[RankEstimate], score: str, title: str
) -> Figure:
    """Draw every pair, the mean score of every count with its 95 % interval, and the estimates.

    Parameters
    ----------
    pairs
        ``count``, ``score``, ``left_out_because``.
    estimates
        See `histohet.agreement.pathologist.rank_agreement`.
    score
        Name of the score.
    """
    compared = pairs[pairs["left_out_because"] == ""]
    if compared.empty:
        return message_figure(title, "Nothing has both a score and a count.")
    means = group_means(compared["count"].to_numpy(), compared["score"].to_numpy())
    step = np.diff(means["count"]).min() if len(means) > 1 else 1.0
    with style():
        figure = new_figure(5.2, 4.4)
        axes = figure.add_subplot()
        axes.set_title(title)
        for count in means["count"].to_numpy():
            values = compared.loc[compared["count"] == count, "score"].to_numpy(np.float64)
            axes.scatter(
                count + step * _spread(values),
                values,
                s=16,
                color=cluster_colour(0),
                alpha=0.6,
                linewidths=0,
            )
        interval = means.dropna(subset="lower")
        axes.vlines(interval["count"], interval["lower"], interval["upper"], color=INK, zorder=3)
        axes.plot(means["count"], means["mean"], "D-", color=INK, markersize=5, linewidth=0.8)
        axes.set_xticks(
            means["count"], [f"{c:g}\nn = {n:g}" for c, n in means[["count", "n"]].values]
        )
        axes.set(xlabel="Subclones counted by the pathologist", ylabel=score)
        lines = [_line(estimate) for estimate in estimates]
        left_out = len(pairs) - len(compared)
        lines += [f"{left_out} left out"] if left_out else []
        figure.supxlabel("\n".join(lines), x=0.02, ha="left", size="small", color=FAINT)
    return figure


def _spread(values: Floats) -> Floats:
    """Spread equal scores of one count sideways, evenly about its place, instead of at random."""
    offsets = np.zeros(len(values))
    for value in np.unique(values):
        same = np.flatnonzero(values == value)
        places = np.arange(len(same)) - (len(same) - 1) / 2
        offsets[same] = places * min(0.05, 2 * WIDEST / max(1, len(same)))
    return offsets


def _line(estimate: RankEstimate) -> str:
    name = NAMES[estimate.statistic]
    if estimate.estimate is None:
        return f"{name}: {estimate.reason}"
    interval = "" if estimate.lower is None else f" ({estimate.lower:.2f} to {estimate.upper:.2f})"
    unit = "counts" if estimate.statistic == "pearson_of_group_means" else "pairs"
    return f"{name} {estimate.estimate:.2f}{interval}, p = {estimate.p:.2g}, {estimate.n} {unit}"
