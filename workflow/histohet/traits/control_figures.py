"""Pictures of heterogeneity by groups of patients; they need no slides."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histohet.drawing.palette import GROUP_COLOURS, INK, NEUTRAL
from histohet.drawing.style import new_figure, style


def draw_controls(
    slides: pd.DataFrame, groups: Mapping[str, pd.Series[str]], tests: pd.DataFrame
) -> Figure:
    """Draw heterogeneity by groups of patients, a panel per grouping (Figs. 5b and 6).

    Parameters
    ----------
    slides
        ``hti`` by patient.
    groups
        By name, the group of every patient, "" for none.
    tests
        See `histohet.traits.controls.compare_groups`.
    """
    with style():
        columns = min(max(len(groups), 1), 4)
        rows = -(-max(len(groups), 1) // columns)
        figure = new_figure(max(6.4, 2.8 * columns), 3.0 * rows)
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(groups) :]:
            axes.set_axis_off()
        for axes, (name, group) in zip(grid.flat, groups.items(), strict=False):
            by_group = slides["hti"].groupby(group.reindex(slides.index).fillna(""))
            boxes(axes, {str(one): values for one, values in by_group if one})
            row = tests[tests["groups"] == name].iloc[0]
            said = f"p {row['p']:.2g}, q {row['q']:.2g}" if pd.notna(row["p"]) else row["reason"]
            given = row["p_given_shares"]
            given = "" if pd.isna(given) else f"\ngiven shares p {given:.2g}"
            axes.set_title(f"{name}\n{said}{given}", fontsize=8.5)
            axes.set_ylabel("HTI")
    return figure


def boxes(axes: Axes, groups: Mapping[str, pd.Series[float]]) -> None:
    """Draw boxes with whiskers of 1.5 times the quartile range, and every value."""
    known = {name: values.dropna() for name, values in groups.items()}
    known = {name: values for name, values in known.items() if len(values)}
    if not known:
        axes.set_axis_off()
        return
    colours = [GROUP_COLOURS.get(name, NEUTRAL) for name in known]
    drawn = axes.boxplot(
        list(known.values()),
        tick_labels=[f"{name}\n{len(values)}" for name, values in known.items()],
        patch_artist=True,
        showfliers=False,
        medianprops={"color": INK},
    )
    for box, colour in zip(drawn["boxes"], colours, strict=True):
        box.set(facecolor=colour, alpha=0.45)
    for number, values in enumerate(known.values(), start=1):
        # Beside each other by their order, so that the same values give the same picture.
        across = number + 0.25 * (np.linspace(0, 1, len(values) + 2)[1:-1] - 0.5)
        axes.plot(across, values, ".", color=INK, markersize=2.5, alpha=0.6)
