"""Survival figures: Kaplan–Meier curves, forest plots, and hazard ratios of the variants."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import blended_transform_factory

from histohet.cox import CoxResult, CoxTerm
from histohet.drawing.figures import (
    FAINT,
    GROUP_COLOURS,
    INK,
    SMALL_FONT_SIZE,
    TITLE_FONT_SIZE,
    message_figure,
    new_figure,
    style,
)
from histohet.drawing.palette import cluster_colour
from histohet.survival import Analysis, KaplanMeier, LogRank

_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 36, 60, 120)
_RATIO_SCALES = (
    (0.98, 0.99, 1, 1.01, 1.02),
    (0.9, 0.95, 1, 1.05, 1.1),
    (0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.4),
    (0.5, 0.7, 1, 1.4, 2),
    (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20),
    (0.01, 0.1, 1, 10, 100),
)
"""Ticks of the log axis, from narrow to wide. An interval beyond the last is cut with an arrow."""

_LINE_INCH = 0.15
_ROW_PADDING_INCH = 0.13
_SHADE = "#F4F4F4"


def draw_kaplan_meier(
    curves: Sequence[KaplanMeier],
    test: LogRank,
    model: CoxResult,
    *,
    title: str,
    endpoint: str,
) -> Figure:
    """Draw survival curves with 95 % bands, censoring ticks and numbers at risk.

    Parameters
    ----------
    curves
        One per group; named and coloured by their label.
    test
        Log-rank test of the groups.
    model
        Cox model whose first term compares the groups; further terms are named as adjustment.
    title, endpoint
        Heading, and the name of the vertical axis ("Overall survival").
    """
    drawn = [curve for curve in curves if curve.n]
    if not drawn:
        return message_figure(title, "No patient is in a group: there is no curve to draw.")
    colours = {
        curve.label: GROUP_COLOURS.get(curve.label, cluster_colour(i))
        for i, curve in enumerate(curves)
    }
    ticks = _month_ticks(max(curve.time[-1] for curve in drawn))
    with style():
        figure = new_figure(6.6, 5.2 + 0.4 * len(curves))
        axes, below = figure.subplots(
            2, 1, sharex=True, gridspec_kw={"height_ratios": [4.3, 0.2 * (len(curves) + 0.8)]}
        )
        for curve in drawn:
            _draw_curve(axes, curve, colours[curve.label])
        handles = [
            Line2D([], [], color=colours[curve.label], label=_describe(curve)) for curve in curves
        ]
        # Above the curves, where it hides none of them.
        legend = axes.legend(
            handles=handles,
            title=_statistics(test, model),
            loc="lower left",
            bbox_to_anchor=(0, 1),
            alignment="left",
        )
        legend.get_title().set_linespacing(1.4)
        axes.set(ylim=(0, 1.02), yticks=np.linspace(0, 1, 6), ylabel=endpoint)
        axes.set(xlim=(0, ticks[-1]), xticks=ticks, xlabel="Months")
        axes.tick_params(labelbottom=True)
        figure.suptitle(textwrap.fill(title, 70), x=0.01, ha="left", weight="bold")
        _draw_numbers_at_risk(below, curves, colours, ticks)
    return figure


def draw_forest(model: CoxResult, *, title: str) -> Figure:
    """Draw a Cox model: one row per term with n, events, hazard ratio, interval and p."""
    if model.status != "ok":
        return message_figure(title, f"The model could not be estimated: {model.reason}.")
    rows = _forest_rows(model)
    edges = _edges([row.lines for row in rows])
    centres = (edges[:-1] + edges[1:]) / 2
    with style():
        figure = new_figure(8.6, 1.2 + edges[-1])
        left, plot, right = _columns(figure, [3.5, 3.0, 2.1], edges, [row.block for row in rows])
        for row, y in zip(rows, centres, strict=True):
            _cell(left, 0.01, y, row.name, weight="bold")
            _cell(left, 0.55, y, row.level)
            _cell(left, 0.97, y, f"{row.n} ({row.events})", ha="right")
            _cell(right, 0.05, y, "reference" if row.term is None else _ratio(row.term))
            if row.term is not None:
                _cell(right, 0.98, y, _p(row.term.p).removeprefix("= "), ha="right")
        _draw_ratios(plot, [row.term for row in rows], centres)
        plot.plot(
            [1 for row in rows if row.term is None],
            [y for row, y in zip(rows, centres, strict=True) if row.term is None],
            linestyle="none",
            marker="D",
            markersize=4,
            markerfacecolor="white",
            color=FAINT,
        )
        _heading(left, 0.97, "n (events)", "right")
        _heading(right, 0.05, "HR (95 % CI)", "left")
        _heading(right, 0.98, "p", "right")
        _title(figure, title)
        figure.supxlabel(_footnote(model), x=0.01, ha="left", size=SMALL_FONT_SIZE, color=FAINT)
    return figure


def draw_variant_comparison(
    analyses: Mapping[str, Analysis], *, title: str, adjusted: bool = False
) -> Figure:
    """Draw the hazard ratios of several variants: one row each, high vs low and per unit.

    Parameters
    ----------
    analyses
        Analysis of each variant, in the order wanted.
    title
        Heading.
    adjusted
        Show the models with clinical covariates instead of those without.
    """
    if not analyses:
        return message_figure(title, "No variant was analysed.")
    panels = {
        "High vs low": [a.groups_adjusted if adjusted else a.groups for a in analyses.values()],
        "Per unit of the score": [
            a.score_adjusted if adjusted else a.score for a in analyses.values()
        ],
    }
    names = [textwrap.fill(name, 18) for name in analyses]
    texts = [[_estimate(model) for model in models] for models in panels.values()]
    lines = [1 + max(cell.count("\n") for cell in row) for row in zip(names, *texts, strict=True)]
    edges = _edges(lines)
    centres = (edges[:-1] + edges[1:]) / 2
    with style():
        figure = new_figure(10.5, 1.1 + edges[-1])
        first, *columns = _columns(figure, [1.5, 2.4, 2.1, 2.4, 2.1], edges, range(len(names)))
        for name, y in zip(names, centres, strict=True):
            _cell(first, 0.02, y, name, weight="bold")
        for heading, plot, column, models, cells in zip(
            panels, columns[::2], columns[1::2], panels.values(), texts, strict=True
        ):
            terms = [model.terms[0] if model and model.terms else None for model in models]
            _draw_ratios(plot, terms, centres)
            _heading(plot, 0.5, heading, "center")
            _heading(column, 0.05, "HR (95 % CI)", "left")
            for term, cell, y in zip(terms, cells, centres, strict=True):
                _cell(column, 0.05, y, cell, color=FAINT if term is None else INK)
        _title(figure, title)
    return figure


@dataclass(frozen=True)
class _Row:
    """A line of a forest plot; a row without term is a reference level."""

    block: int
    name: str
    level: str
    n: int
    events: int
    term: CoxTerm | None

    @property
    def lines(self) -> int:
        return 1 + max(self.name.count("\n"), self.level.count("\n"))


def _forest_rows(model: CoxResult) -> list[_Row]:
    rows: list[_Row] = []
    references = {reference.term: reference for reference in model.references}
    covariates = dict.fromkeys(term.term for term in model.terms)
    for block, covariate in enumerate(covariates):
        name = textwrap.fill(covariate, 24)
        if covariate in references:
            base = references[covariate]
            level = textwrap.fill(base.level, 14)
            rows.append(_Row(block, name, level, base.n, base.events, None))
            name = ""
        for term in model.terms:
            if term.term == covariate:
                level = textwrap.fill(term.level, 14) or "per unit"
                rows.append(_Row(block, name, level, term.n, term.events, term))
    return rows


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


def _statistics(test: LogRank, model: CoxResult) -> str:
    """Return hazard ratio and log-rank test for the head of the legend, or why there is none."""
    if model.terms:
        first = model.terms[0]
        compared = f"{first.level} vs {first.reference}" if first.level else "per unit"
        lines = [f"HR {compared} {_ratio(first, '95 % CI ')}, p {_p(first.p)}"]
        others = dict.fromkeys(term.term for term in model.terms if term.term != first.term)
        if others:
            lines.append("adjusted for " + ", ".join(others))
    else:
        lines = [f"no hazard ratio: {model.reason}"]
    lines.append(
        f"no log-rank test: {test.reason}" if test.p is None else f"log-rank p {_p(test.p)}"
    )
    return "\n".join(textwrap.fill(line, 60) for line in lines)


def _estimate(model: CoxResult | None) -> str:
    """Return the first estimate of a model in two lines, or why there is none."""
    if model is None:
        return "no covariates configured"
    if not model.terms:
        return textwrap.fill(model.reason, 34)
    term = model.terms[0]
    return f"{_ratio(term)}, p {_p(term.p)}\nn = {model.n}, {model.events} events"


def _draw_ratios(axes: Axes, terms: Sequence[CoxTerm | None], centres: Sequence[float]) -> None:
    """Draw hazard ratios with their intervals on a log axis."""
    known = [term for term in terms if term is not None]
    lowest = min((term.lower for term in known), default=0.5)
    highest = max((term.upper for term in known), default=2.0)
    ticks = _ratio_ticks(lowest, highest)
    axes.set(xscale="log", xlim=(ticks[0], ticks[-1]), xlabel="Hazard ratio (log scale)")
    axes.axvline(1, color=FAINT, linewidth=0.8, zorder=1)
    for term, y in zip(terms, centres, strict=True):
        if term is None:
            continue
        left, ratio, right = np.clip(
            [term.lower, term.hazard_ratio, term.upper], ticks[0], ticks[-1]
        )
        axes.plot([left, right], [y, y], color=INK, linewidth=1.3, solid_capstyle="butt")
        for cut, arrow in ((left > term.lower, "<"), (right < term.upper, ">")):
            if cut:
                edge = left if arrow == "<" else right
                axes.plot(edge, y, marker=arrow, color=INK, markersize=5, clip_on=False)
        axes.plot(ratio, y, marker="s", color=INK, markersize=5.5, clip_on=False)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _ratio_ticks(lowest: float, highest: float) -> list[float]:
    """Return ticks of the narrowest scale that holds both, and of that only what is needed."""
    scale = next(
        (scale for scale in _RATIO_SCALES if scale[0] <= lowest and highest <= scale[-1]),
        _RATIO_SCALES[-1],
    )
    first = max((tick for tick in scale if tick <= lowest and tick < 1), default=scale[0])
    last = min((tick for tick in scale if tick >= highest and tick > 1), default=scale[-1])
    return [tick for tick in scale if first <= tick <= last]


def _edges(lines: Sequence[int]) -> Any:
    """Return where rows of so many lines begin and end, in inches from the top."""
    heights = _ROW_PADDING_INCH + _LINE_INCH * np.asarray(lines)
    return np.concatenate([[0.0], np.cumsum(heights)])


def _columns(
    figure: Figure, widths: Sequence[float], edges: Sequence[float], blocks: Sequence[int]
) -> list[Axes]:
    """Make the columns of a table: text, plot, text, …, every other block of rows shaded."""
    columns = figure.subplots(1, len(widths), sharey=True, gridspec_kw={"width_ratios": widths})
    figure.set_layout_engine("constrained", wspace=0, w_pad=0)
    columns[0].set_ylim(edges[-1], 0)
    across = blended_transform_factory(figure.transFigure, columns[0].transData)
    for block, top, bottom in zip(blocks, edges[:-1], edges[1:], strict=True):
        if block % 2 == 0:
            band = Rectangle((0, top), 1, bottom - top, transform=across, color=_SHADE, lw=0)
            band.set(clip_on=False, in_layout=False, zorder=0)
            columns[0].add_artist(band)
    for i, axes in enumerate(columns):
        axes.set_facecolor("none")
        if i % 2 == 0:
            axes.set_axis_off()
        axes.tick_params(left=False, labelleft=False)
        axes.spines["left"].set_visible(False)
    return list(columns)


def _cell(axes: Axes, x: float, y: float, text: str, **look: Any) -> None:
    axes.text(
        x, y, text, va="center", size=SMALL_FONT_SIZE, transform=axes.get_yaxis_transform(), **look
    )


def _heading(axes: Axes, x: float, text: str, ha: str) -> None:
    """Write the heading of a column just above it."""
    axes.annotate(
        text,
        (x, 1),
        xytext=(0, 4),
        xycoords="axes fraction",
        textcoords="offset points",
        ha=ha,
        size=SMALL_FONT_SIZE,
        color=FAINT,
    )


def _title(figure: Figure, title: str) -> None:
    figure.suptitle(
        textwrap.fill(title, 90), x=0.01, ha="left", weight="bold", size=TITLE_FONT_SIZE
    )


def _month_ticks(longest: float) -> list[float]:
    """Return at most 9 ticks that cover `longest`, every so many months or years."""
    step = next((step for step in _MONTH_STEPS if longest <= 8 * step), 240)
    last = max(1, int(np.ceil(longest / step)))
    return [float(step * i) for i in range(last + 1)]


def _ratio(term: CoxTerm, interval: str = "") -> str:
    """Write a hazard ratio and its interval, with a third decimal where the interval is narrow."""
    decimals = 3 if term.upper - term.lower < 0.1 else 2
    ratio, lower, upper = (
        _digits(value, decimals) for value in (term.hazard_ratio, term.lower, term.upper)
    )
    return f"{ratio} ({interval}{lower}–{upper})"


def _digits(ratio: float, decimals: int) -> str:
    if ratio < 0.01 and decimals == 2:
        return "<0.01"
    if ratio > 1000:
        return ">1000"
    return (
        f"{ratio:.{decimals}f}" if ratio < 10 else f"{ratio:.1f}" if ratio < 100 else f"{ratio:.0f}"
    )


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _footnote(model: CoxResult) -> str:
    note = f"{model.n} patients, {model.events} events; ties by {model.ties.capitalize()}'s method"
    if model.left_out:
        left_out = ", ".join(f"{name} {count}" for name, count in model.left_out.items())
        note += f"; left out for a missing or excluded value: {left_out}"
    return textwrap.fill(note, 110)
