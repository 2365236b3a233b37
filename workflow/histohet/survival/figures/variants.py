"""What each variant finds, side by side: hazard ratio, concordance, clusters."""

from __future__ import annotations

import textwrap
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from histohet.common.arrays import Floats
from histohet.drawing.palette import FAINT, INK
from histohet.drawing.style import message_figure, new_figure, style
from histohet.survival.figures.ratios import (
    p_text,
    ratio_ticks,
    row_edges,
    table_columns,
    write_cell,
    write_heading,
    write_title,
)

WIDTHS = (1.6, 2.0, 2.6, 1.6, 2.3, 1.3, 1.6)
NAME_LETTERS = 20


def draw_ablation(results: pd.DataFrame, differences: pd.DataFrame, title: str) -> Figure:
    """Draw one row for every endpoint and variant.

    Parameters
    ----------
    results
        From `histohet.survival.variants.variant_results`.
    differences
        From `histohet.survival.variants.variant_differences`: written below each value.
    title
        Heading.
    """
    if results.empty:
        return message_figure(title, "There are no clinical data, so no variant was analysed.")
    rows = results.sort_values("endpoint", kind="stable", ignore_index=True)
    edges = row_edges([3] * len(rows))
    centres = (edges[:-1] + edges[1:]) / 2
    records = rows.to_dict("records")
    several = rows["endpoint"].nunique() > 1
    with style():
        figure = new_figure(sum(WIDTHS), 1.1 + edges[-1])
        blocks = rows.groupby("endpoint", sort=False).ngroup() if several else range(len(rows))
        columns = table_columns(figure, WIDTHS, edges, list(blocks))
        for y, row in zip(centres, records, strict=True):
            name = textwrap.fill(str(row["variant"]), NAME_LETTERS)
            write_cell(columns[0], 0.02, y, name + (f"\n{row['endpoint']}" if several else ""))
        ratios = rows[["hazard_ratio", "lower", "upper"]].to_numpy(dtype=float)
        _draw_points(columns[1], ratios, centres, 1.0)
        known = ratios[~np.isnan(ratios).any(axis=1)]
        ticks = ratio_ticks(known.min(initial=0.9), known.max(initial=1.1))
        columns[1].set(xscale="log", xlabel="log scale", xlim=(ticks[0], ticks[-1]))
        columns[1].xaxis.set_major_locator(FixedLocator(ticks))
        columns[1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        columns[1].xaxis.set_minor_locator(NullLocator())
        concordances = rows[["c_index", "c_lower", "c_upper"]].to_numpy(dtype=float)
        _draw_points(columns[3], concordances, centres, 0.5)
        clusters = rows["mean_clusters"].to_numpy(dtype=float)
        _draw_points(columns[5], np.stack([clusters] * 3, axis=1), centres, None)
        for place, heading in (
            (1, "Hazard ratio per SD"),
            (3, "Harrell's C"),
            (5, "Clusters per slide"),
        ):
            write_heading(columns[place], 0.5, heading, "center")
        for y, row in zip(centres, records, strict=True):
            own = differences[
                (differences["variant"] == row["variant"])
                & (differences["endpoint"] == row["endpoint"])
            ].set_index("quantity")
            colour = INK if row["status"] == "ok" else FAINT
            for column, text in zip(columns[2::2], _cells(row, own), strict=True):
                write_cell(column, 0.04, y, text, color=colour)
        write_title(figure, title)
    return figure


def _draw_points(
    axes: Axes, values: Floats, centres: Sequence[float], nothing: float | None
) -> None:
    """Draw values (n, 3) with their limits, and a line where there is no effect."""
    if nothing is not None:
        axes.axvline(nothing, color=FAINT, linewidth=0.8, zorder=1)
    for (value, lower, upper), y in zip(values, centres, strict=True):
        if np.isnan(value):
            continue
        axes.plot([lower, upper], [y, y], color=INK, linewidth=1.3, solid_capstyle="butt")
        axes.plot(value, y, marker="s", color=INK, markersize=5)


def _cells(row: Mapping[Hashable, Any], differences: pd.DataFrame) -> tuple[str, str, str]:
    """Return the texts beside the three plots of a row."""
    clusters = "–" if np.isnan(row["mean_clusters"]) else f"{row['mean_clusters']:.2f}"
    if row["status"] != "ok":
        return textwrap.fill(str(row["reason"]), 38), "", clusters
    ratio = f"{_interval(row['hazard_ratio'], row['lower'], row['upper'])}, p {p_text(row['p'])}"
    ratio += f"\n{row['n']} patients, {row['events']} events"
    found = _difference(differences, "log hazard ratio per SD")
    if found is not None:
        ratio += f"\n× {_interval(*np.exp(found))}"
    concordance = _interval(row["c_index"], row["c_lower"], row["c_upper"])
    found = _difference(differences, "C")
    if found is not None:
        concordance += f"\n{_interval(*found, sign=True)}"
    return ratio, concordance, clusters


def _difference(differences: pd.DataFrame, quantity: str) -> list[float] | None:
    found = differences.loc[differences.index == quantity, ["difference", "lower", "upper"]]
    if found.empty or found["difference"].isna().any():
        return None
    return found.iloc[0].astype(float).tolist()


def _interval(value: float, lower: float, upper: float, *, sign: bool = False) -> str:
    shown = "+.2f" if sign else ".2f"
    if np.isnan(lower):  # no bootstrap was wanted
        return f"{value:{shown}}"
    return f"{value:{shown}} ({lower:{shown}} to {upper:{shown}})"
