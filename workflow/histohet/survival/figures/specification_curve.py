"""The specification curve: hazard ratios in order of size, and the choices behind each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from histohet.drawing.palette import FAINT, INK, cluster_colour
from histohet.drawing.style import SMALL_FONT_SIZE, message_figure, new_figure, style
from histohet.survival.figures.ratios import ratio_ticks
from histohet.survival.specification_curve import CURVE_COLUMNS

CURVE_INCH = 2.4
ROW_INCH = 0.17
WIDTH_INCH = 9.0


def draw_specification_curve(curve: pd.DataFrame, title: str) -> Figure:
    """Draw the specifications of every endpoint.

    Above: hazard ratios in ascending order with 95 % intervals, coloured where the interval
    excludes 1. Below: what was chosen; factors without a choice are left out.

    Parameters
    ----------
    curve
        From `histohet.survival.specification_curve.specification_curve`.
    title
        Heading.
    """
    estimated = curve.dropna(subset=["hazard_ratio"])
    if estimated.empty:
        reasons = ", ".join(curve["reason"].unique())
        return message_figure(title, f"No specification could be estimated: {reasons}")
    factors = [name for name in curve.columns if name not in CURVE_COLUMNS]
    factors = [name for name in factors if curve[name].nunique() > 1]
    levels = {name: list(dict.fromkeys(curve[name])) for name in factors}
    below_inch = max(0.3, ROW_INCH * sum(len(one) + 1 for one in levels.values()))
    endpoints = list(dict.fromkeys(estimated["endpoint"]))
    absent = [one for one in dict.fromkeys(curve["endpoint"]) if one not in endpoints]
    if absent:
        title += f"; nothing could be estimated for {', '.join(absent)}"
    with style():
        height = len(endpoints) * (CURVE_INCH + below_inch + 0.6) + 0.4
        figure = new_figure(WIDTH_INCH, height)
        figure.suptitle(title, x=0.01, ha="left", weight="bold")
        ratios = [CURVE_INCH, below_inch] * len(endpoints)
        axes = figure.subplots(2 * len(endpoints), 1, gridspec_kw={"height_ratios": ratios})
        for number, endpoint in enumerate(endpoints):
            found = estimated[estimated["endpoint"] == endpoint]
            found = found.sort_values("hazard_ratio", kind="stable", ignore_index=True)
            above, below = axes[2 * number], axes[2 * number + 1]
            tried = int((curve["endpoint"] == endpoint).sum())
            heading = f"{endpoint}: {len(found)} of {tried} specifications"
            # Groups and standard deviations are on different scales: no median of both.
            if found["contrast"].nunique() == 1:
                heading += f"; median {found['hazard_ratio'].median():.2f}"
            _draw_ratios(above, found, heading)
            _draw_choices(below, found, levels)
            for one in (above, below):
                one.set_xlim(-1, len(found))
    return figure


def _draw_ratios(axes: Axes, found: pd.DataFrame, title: str) -> None:
    ratio, lower, upper = (
        found[name].to_numpy(dtype=float) for name in ("hazard_ratio", "lower", "upper")
    )
    across = np.arange(len(found))
    clear = (lower > 1) | (upper < 1)
    ticks = ratio_ticks(float(ratio.min()) / 1.5, float(ratio.max()) * 1.5)
    axes.axhline(1, color=FAINT, linewidth=0.8)
    for rows, colour in ((~clear, FAINT), (clear, cluster_colour(5))):
        limits = np.clip([lower[rows], upper[rows]], ticks[0], ticks[-1])
        axes.vlines(across[rows], *limits, color=colour, linewidth=0.8, alpha=0.6)
        axes.plot(across[rows], ratio[rows], "o", color=colour, markersize=2.5)
    axes.set(yscale="log", ylim=(ticks[0], ticks[-1]), ylabel="Hazard ratio")
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(bottom=False, labelbottom=False)
    share = f"{(ratio > 1).mean():.0%} above 1, {clear.mean():.0%} of intervals exclude 1"
    axes.set_title(f"{title}; {share}", weight="normal")


def _draw_choices(axes: Axes, found: pd.DataFrame, levels: Mapping[str, Sequence[object]]) -> None:
    y, labels = 0.0, {}
    for name, choices in levels.items():
        for choice in choices:
            rows = np.flatnonzero(found[name] == choice)
            axes.plot(rows, np.full(len(rows), y), "|", color=INK, markersize=5)
            labels[y] = f"{name}: {choice}"
            y += 1
        y += 0.7
    axes.set(ylim=(max(y, 1), -1), xlabel="specifications, by hazard ratio")
    axes.set_yticks(list(labels), list(labels.values()), size=SMALL_FONT_SIZE)
    axes.tick_params(left=False)
    axes.spines["left"].set_visible(False)
