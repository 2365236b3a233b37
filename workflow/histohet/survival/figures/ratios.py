"""Hazard ratios in figures: rows of a table beside intervals on a log axis, and numbers as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import blended_transform_factory

from histohet.drawing.palette import FAINT, INK
from histohet.drawing.style import SMALL_FONT_SIZE, TITLE_FONT_SIZE
from histohet.survival.cox import CoxTerm

_SCALES = (
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


def draw_ratios(axes: Axes, terms: Sequence[CoxTerm | None], centres: Sequence[float]) -> None:
    """Draw hazard ratios with their intervals on a log axis."""
    known = [term for term in terms if term is not None]
    lowest = min((term.lower for term in known), default=0.5)
    highest = max((term.upper for term in known), default=2.0)
    ticks = ratio_ticks(lowest, highest)
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


def ratio_ticks(lowest: float, highest: float) -> list[float]:
    """Return ticks of the narrowest scale that holds both, and of that only what is needed."""
    scale = next(
        (scale for scale in _SCALES if scale[0] <= lowest and highest <= scale[-1]),
        _SCALES[-1],
    )
    first = max((tick for tick in scale if tick <= lowest and tick < 1), default=scale[0])
    last = min((tick for tick in scale if tick >= highest and tick > 1), default=scale[-1])
    return [tick for tick in scale if first <= tick <= last]


def row_edges(lines: Sequence[int]) -> Any:
    """Return where rows of so many lines begin and end, in inches from the top."""
    heights = _ROW_PADDING_INCH + _LINE_INCH * np.asarray(lines)
    return np.concatenate([[0.0], np.cumsum(heights)])


def table_columns(
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


def write_cell(axes: Axes, x: float, y: float, text: str, **look: Any) -> None:
    """Write into a column of a table, at `x` of its width, in the row centred at `y` inches."""
    axes.text(
        x, y, text, va="center", size=SMALL_FONT_SIZE, transform=axes.get_yaxis_transform(), **look
    )


def write_heading(axes: Axes, x: float, text: str, ha: str) -> None:
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


def write_title(figure: Figure, title: str) -> None:
    """Write the heading of a table."""
    figure.suptitle(
        textwrap.fill(title, 90), x=0.01, ha="left", weight="bold", size=TITLE_FONT_SIZE
    )


def ratio_text(term: CoxTerm, interval: str = "") -> str:
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


def p_text(p: float) -> str:
    """Write a p-value as it follows the letter p."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
