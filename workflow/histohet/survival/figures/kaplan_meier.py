"""Kaplan–Meier curves: a panel per endpoint, with bands, censoring ticks and numbers at risk."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from histohet.drawing.palette import GROUP_COLOURS, cluster_colour
from histohet.drawing.style import SMALL_FONT_SIZE, message_figure, new_figure, style
from histohet.survival.curves import KaplanMeier
from histohet.survival.endpoint import EndpointAnalysis
from histohet.survival.figures.ratios import p_text, ratio_text

PANELS_PER_ROW = 2

_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 36, 60, 120)
_CURVES_INCH = 5.2


def draw_kaplan_meier(analyses: Mapping[str, EndpointAnalysis], *, title: str) -> Figure:
    """Draw the survival curves of every endpoint.

    Parameters
    ----------
    analyses
        By name of the endpoint, which names the vertical axis.
    title
        Heading.
    """
    shown = {
        endpoint: analysis
        for endpoint, analysis in analyses.items()
        if any(curve.n for curve in analysis.curves)
    }
    if not shown:
        return message_figure(title, "No patient is in a group: there is no curve to draw.")
    groups = max(len(analysis.curves) for analysis in shown.values())
    across = min(PANELS_PER_ROW, len(shown))
    down = -(-len(shown) // across)
    heights = [4.3, 0.2 * (groups + 0.8)]
    with style():
        figure = new_figure(6.6 * across, (_CURVES_INCH + 0.4 * groups) * down)
        grid = figure.add_gridspec(2 * down, across, height_ratios=heights * down)
        for place, (endpoint, analysis) in enumerate(shown.items()):
            row, column = 2 * (place // across), place % across
            above = figure.add_subplot(grid[row, column])
            below = figure.add_subplot(grid[row + 1, column], sharex=above)
            _draw_endpoint(above, below, endpoint, analysis)
        figure.suptitle(textwrap.fill(title, 70 * across), x=0.01, ha="left", weight="bold")
    return figure


def _draw_endpoint(above: Axes, below: Axes, endpoint: str, analysis: EndpointAnalysis) -> None:
    curves = analysis.curves
    drawn = [curve for curve in curves if curve.n]
    colours = {
        curve.label: GROUP_COLOURS.get(curve.label, cluster_colour(i))
        for i, curve in enumerate(curves)
    }
    ticks = _month_ticks(max(curve.time[-1] for curve in drawn))
    for curve in drawn:
        _draw_curve(above, curve, colours[curve.label])
    # Above the curves, where it hides none of them.
    legend = above.legend(
        handles=[
            Line2D([], [], color=colours[curve.label], label=_describe(curve)) for curve in curves
        ],
        title=_statistics(analysis),
        loc="lower left",
        bbox_to_anchor=(0, 1),
        alignment="left",
    )
    legend.get_title().set_linespacing(1.4)
    above.set(ylim=(0, 1.02), yticks=np.linspace(0, 1, 6), ylabel=endpoint)
    above.set(xlim=(0, ticks[-1]), xticks=ticks, xlabel="Months")
    above.tick_params(labelbottom=True)
    _draw_numbers_at_risk(below, curves, colours, ticks)


def _statistics(analysis: EndpointAnalysis) -> str:
    """Return what was found for the head of the legend, or why there is nothing."""
    if analysis.best_cut is not None:
        found = analysis.best_cut
        if found.permutation_p is None:
            return textwrap.fill(f"no cut: {found.reason}", 60)
        return (
            f"best of {found.n_cuts} cuts: low ≤ {found.cut:.4g}\n"
            f"permutation p of the search {p_text(found.permutation_p)}"
        )
    if analysis.log_rank is None:
        return ""
    model, test = analysis.models["high vs low"], analysis.log_rank
    if model.cox.terms:
        term = model.cox.terms[0]
        lines = [f"HR high vs low {ratio_text(term, '95 % CI ')}, p {p_text(term.p)}"]
    else:
        lines = [f"no hazard ratio: {model.cox.reason}"]
    if test.p is None:
        lines.append(f"no log-rank test: {test.reason}")
    else:
        lines.append(f"log-rank p {p_text(test.p)}")
    if analysis.log_rank_permutation_p is not None:
        lines[-1] += f", permutation p {p_text(analysis.log_rank_permutation_p)}"
    return "\n".join(textwrap.fill(line, 60) for line in lines)


def _draw_curve(axes: Axes, curve: KaplanMeier, colour: str) -> None:
    """Draw curve, band and censoring ticks as vertices, which the legend can keep clear of."""
    time, survival = _steps(curve.time, curve.survival)
    _, lower = _steps(curve.time, _with_gaps(curve.lower))
    _, upper = _steps(curve.time, _with_gaps(curve.upper))
    axes.fill_between(time, lower, upper, color=colour, alpha=0.13, linewidth=0)
    for limit in (lower, upper):
        axes.plot(time, limit, color=colour, alpha=0.35, linewidth=0.5)
    axes.plot(time, survival, color=colour, solid_joinstyle="miter")
    censored = np.asarray(curve.censored) > 0
    axes.plot(
        np.asarray(curve.time)[censored],
        np.asarray(curve.survival)[censored],
        linestyle="none",
        marker="|",
        markersize=6,
        markeredgewidth=0.9,
        color=colour,
    )


def _steps(time: Sequence[float], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the corners of a right-continuous step curve."""
    return np.repeat(time, 2)[1:].tolist(), np.repeat(values, 2)[:-1].tolist()


def _with_gaps(values: Sequence[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in values]


def _draw_numbers_at_risk(
    axes: Axes, curves: Sequence[KaplanMeier], colours: Mapping[str, str], ticks: Sequence[float]
) -> None:
    axes.set(ylim=(len(curves) - 0.5, -0.5), yticks=range(len(curves)))
    axes.set_yticklabels([curve.label for curve in curves])
    axes.tick_params(left=False, bottom=False, labelbottom=False, pad=14)
    axes.spines[:].set_visible(False)
    axes.set_title("Number at risk", size=SMALL_FONT_SIZE, weight="normal", pad=3)
    for row, (curve, label) in enumerate(zip(curves, axes.get_yticklabels(), strict=True)):
        label.set_color(colours[curve.label])
        for tick, count in zip(ticks, curve.numbers_at_risk(ticks), strict=True):
            axes.text(tick, row, str(count), ha="center", va="center", size=SMALL_FONT_SIZE)


def _describe(curve: KaplanMeier) -> str:
    if not curve.n:
        return f"{curve.label}: no patient"
    median = "median not reached"
    if curve.median is not None:
        limits = (
            "NR" if limit is None else f"{limit:.1f}"
            for limit in (curve.median_lower, curve.median_upper)
        )
        median = f"median {curve.median:.1f} mo ({'–'.join(limits)})"
    return f"{curve.label}: n = {curve.n}, {curve.events} events, {median}"


def _month_ticks(longest: float) -> list[float]:
    """Return at most 9 ticks that cover `longest`, every so many months or years."""
    step = next((step for step in _MONTH_STEPS if longest <= 8 * step), 240)
    last = max(1, int(np.ceil(longest / step)))
    return [float(step * i) for i in range(last + 1)]
