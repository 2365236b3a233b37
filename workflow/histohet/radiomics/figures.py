"""How stable the features of each family are, and which of them say the same."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from histohet.common.arrays import Floats
from histohet.drawing.palette import CLUSTER_COLOURS, FAINT, INK
from histohet.drawing.style import SMALL_FONT_SIZE, message_figure, new_figure, style
from histohet.radiomics.names import FAMILIES, OTHER, family_of
from histohet.radiomics.stability import lowest_icc

ROW_INCH, WIDTH_INCH = 0.34, 6.4
SOURCES = {"reader": "other readers", "perturbation": "boundary moved"}
MAP_INCH, STRIP = 5.0, 4
"""Side of the map of correlations; width of the strip of families beside it, in features."""


def draw_stability(stability: pd.DataFrame, min_icc: float | None) -> Figure:
    """Draw the lower end of the interval of ICC of every feature, by family and source of masks.

    Parameters
    ----------
    stability
        Of `histohet.radiomics.stability.measure_stability`.
    min_icc
        Which features are stable, under every source; None where nobody asks.
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
            axes.plot(
                rows["low"].clip(lower=0),
                place + _spread(len(rows)),
                "o",
                markersize=3.5,
                alpha=0.6,
                markeredgewidth=0,
                color=CLUSTER_COLOURS[number],
                label=f"{SOURCES[str(source)]}, {rows['n_scans'].iloc[0]} scans",
            )
        axes.set(
            yticks=range(len(families)),
            yticklabels=families,
            ylim=(len(families) - 0.5, -0.5),
            xlim=(-0.02, 1.02),
            xlabel="ICC(1,1), lower end of its 95 % interval",
            title="Stability of features",
        )
        if min_icc is not None:
            _draw_threshold(axes, stability, families, min_icc)
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.6 / height))
    return figure


def _draw_threshold(
    axes: Axes, stability: pd.DataFrame, families: list[str], min_icc: float
) -> None:
    """Draw a line at the least ICC, and beside each family how many features reach it."""
    axes.axvline(min_icc, color=FAINT, linestyle="--", linewidth=1)
    lowest = lowest_icc(stability)
    family = stability.drop_duplicates("feature").set_index("feature")["family"]
    reached = (lowest >= min_icc).groupby(family)
    counts = [(family, reached.sum()[family], reached.size()[family]) for family in families]
    for row, (_, n_stable, n) in enumerate(counts):
        axes.text(1.05, row, f"{n_stable} of {n}", va="center", size=SMALL_FONT_SIZE)
    total = f"{int((lowest >= min_icc).sum())} of {len(lowest)} features at {min_icc:g} or above"
    axes.plot([], [], "--", color=FAINT, linewidth=1, label=total)


def _spread(n: int) -> np.ndarray:
    """Return small offsets, so that equal values are seen; the same for the same number."""
    return 0.08 * (np.arange(n) % 5 - 2) / 2


def draw_correlation(values: pd.DataFrame, max_correlation: float) -> Figure:
    """Draw how strongly every two features correlate, with those together that do.

    Parameters
    ----------
    values
        One row per scan, one column per feature; constant ones and those with gaps are left out.
    max_correlation
        Spearman correlation above which two features say the same. Outlined are groups of which
        every two do.
    """
    known = values.loc[:, values.notna().all() & (values.nunique() > 1)]
    if len(known) < 3 or known.shape[1] < 2:
        return message_figure("Correlation of features", "no three scans with two features")
    rho = known.rank().corr().abs().clip(upper=1).to_numpy()
    tree = hierarchy.linkage(squareform(1 - rho, checks=False), "complete")
    order = hierarchy.leaves_list(tree)
    groups = hierarchy.fcluster(tree, 1 - max_correlation, "distance")
    families = [family_of(str(known.columns[i])) for i in order]
    with style():
        figure = new_figure(MAP_INCH + 1.6, MAP_INCH + 0.3)
        axes = figure.add_subplot()
        _draw_map(axes, rho[np.ix_(order, order)], groups[order])
        _draw_families(axes, families)
        axes.set_title(
            f"{len(order)} features, {groups.max()} groups with |ρ| of {max_correlation:g} or above"
        )
    return figure


def _draw_map(axes: Axes, rho: Floats, groups: np.ndarray) -> None:
    shades = LinearSegmentedColormap.from_list("rho", ["white", CLUSTER_COLOURS[0]])
    picture = axes.imshow(rho, cmap=shades, vmin=0, vmax=1, interpolation="nearest")
    starts = np.flatnonzero(np.diff(groups, prepend=0, append=0)).tolist()
    for first, end in pairwise(starts):
        if end - first > 1:
            corner, side = (first - 0.5, first - 0.5), end - first
            axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=INK, linewidth=0.6))
    bar = axes.figure.colorbar(picture, cax=axes.inset_axes((1.04, 0.6, 0.03, 0.4)))
    bar.set_label("|ρ| (Spearman)")


def _draw_families(axes: Axes, families: list[str]) -> None:
    """Draw a strip beside the map with the family of every feature, and its key."""
    names = [name for name in (*FAMILIES.values(), OTHER) if name in families]
    colours = dict(zip(names, CLUSTER_COLOURS, strict=False))
    for row, family in enumerate(families):
        corner = (-0.5 - STRIP * len(families) / 100, row - 0.5)
        width = 0.8 * STRIP * len(families) / 100
        axes.add_patch(Rectangle(corner, width, 1, color=colours[family], linewidth=0))
    axes.set_xlim(-0.5 - STRIP * len(families) / 100, len(families) - 0.5)
    axes.set_axis_off()
    key = [Rectangle((0, 0), 1, 1, color=colours[name], label=name) for name in names]
    axes.legend(handles=key, loc="lower left", bbox_to_anchor=(1.01, -0.02), handlelength=1)
