"""How stable the features of each family are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from histohet.drawing.palette import CLUSTER_COLOURS, FAINT
from histohet.drawing.style import message_figure, new_figure, style

GOOD_ICC = 0.75
"""Where reliability begins to be good: Koo & Li, Journal of Chiropractic Medicine 15:155 (2016)."""

ROW_INCH, WIDTH_INCH = 0.34, 6.4
SOURCES = {"reader": "other readers", "perturbation": "boundary moved"}


def draw_stability(stability: pd.DataFrame) -> Figure:
    """Draw the lower end of the interval of ICC of every feature, by family and source of masks.

    Parameters
    ----------
    stability
        Of `histohet.radiomics.stability.measure_stability`.
    """
    if stability.empty:
        return message_figure("Stability of features", "no two scans have several masks")
    families = list(dict.fromkeys(stability["family"]))
    with style():
        height = ROW_INCH * len(families) + 1.4
        figure = new_figure(WIDTH_INCH, height)
        axes = figure.add_subplot()
        for number, (source, rows) in enumerate(stability.groupby("source", sort=False)):
            centre = rows["family"].map(families.index).to_numpy(float)
            place = centre + 0.22 * (number - (stability["source"].nunique() - 1) / 2)
            n_stable, n = int((rows["low"] >= GOOD_ICC).sum()), len(rows)
            axes.plot(
                rows["low"].clip(lower=0),
                place + _spread(len(rows)),
                "o",
                markersize=3.5,
                alpha=0.6,
                markeredgewidth=0,
                color=CLUSTER_COLOURS[number],
                label=f"{SOURCES[str(source)]}, {rows['n_scans'].iloc[0]} scans: {n_stable} of {n} "
                f"at {GOOD_ICC} or above",
            )
        axes.axvline(GOOD_ICC, color=FAINT, linestyle="--", linewidth=1)
        axes.set(
            yticks=range(len(families)),
            yticklabels=families,
            ylim=(len(families) - 0.5, -0.5),
            xlim=(-0.02, 1.02),
            xlabel="ICC(1,1), lower end of its 95 % interval",
            title="Stability of features",
        )
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.6 / height))
    return figure


def _spread(n: int) -> np.ndarray:
    """Return small offsets, so that equal values are seen; the same for the same number."""
    return 0.08 * (np.arange(n) % 5 - 2) / 2
