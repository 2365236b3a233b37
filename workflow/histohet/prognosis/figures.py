"""Figure of what heterogeneity adds: ranking, gain, AUC over time, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

from histohet.drawing.palette import FAINT
from histohet.drawing.style import SMALL_FONT_SIZE, TITLE_FONT_SIZE, new_figure, style

COLOURS: Mapping[str, str] = {
    "heterogeneity": FAINT,
    "clinical": "#009E73",
    "embedding": "#0072B2",
    "clinical + embedding": "#CC79A7",
}
"""By what a model has besides heterogeneity, which makes its marks filled and its lines full."""


_HEADING_INCH = 0.35
_LOWER_INCH = 3.4

_FOOTNOTE = (
    "All risks were predicted by models that had not seen the patient. C-index and AUC compare "
    "patients of the same fold.\nFilled marks, full lines: with heterogeneity. Intervals: 95 %."
)


def draw_added_value(estimates: pd.DataFrame, *, title: str) -> Figure:
    """Draw a comparison of models, one block per endpoint.

    Parameters
    ----------
    estimates
        From `histohet.prognosis.added_value.compare_models`, with a column ``endpoint``.
    title
        Heading.
    """
    endpoints = list(estimates["endpoint"].unique())
    ranked = (estimates["measure"] == "c_index") & (estimates["status"] == "ok")
    rows = [0.3 * ranked[estimates["endpoint"] == name].sum() for name in endpoints]
    # Heading, ranking, the rest, each with the labels of its axes.
    heights = [
        height
        for row in rows
        for height in (_HEADING_INCH, *((row + 0.6, _LOWER_INCH + 0.8) if row else (0.3, 0.1)))
    ]
    with style():
        figure = new_figure(9.6, sum(heights) + 0.8)
        grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
        for i, endpoint in enumerate(endpoints):
            heading, above, below = (grid[3 * i + j] for j in range(3))
            of_endpoint = estimates[estimates["endpoint"] == endpoint]
            _write(figure, heading, _heading(of_endpoint, endpoint), size=TITLE_FONT_SIZE)
            _draw_endpoint(figure, of_endpoint, above, below)
        figure.suptitle(title, x=0.01, ha="left", weight="bold")
        figure.supxlabel(_FOOTNOTE, x=0.01, ha="left", size=SMALL_FONT_SIZE, color=FAINT)
    return figure


def _write(figure: Figure, place: SubplotSpec, text: str, **look: Any) -> None:
    axes = figure.add_subplot(place)
    axes.set_axis_off()
    # From the left edge of the figure, wherever the layout puts the axes.
    across = blended_transform_factory(figure.transFigure, axes.transAxes)
    axes.text(0.01, 0.5, text, va="center", transform=across, in_layout=False, **look)


def _draw_endpoint(
    figure: Figure, estimates: pd.DataFrame, above: SubplotSpec, below: SubplotSpec
) -> None:
    known = estimates[estimates["status"] == "ok"]
    ranked = known[known["measure"] == "c_index"]
    models = [
        model
        for without in COLOURS
        for model in (without, f"{without} + heterogeneity")
        if model in set(ranked["model"])
    ]
    if not models:
        reason = estimates.loc[estimates["measure"] == "c_index", "reason"].iloc[0]
        _write(figure, above, f"No model could be validated: {reason}.", color=FAINT)
        return
    columns = above.subgridspec(1, 4, width_ratios=[1, 0.75, 1, 0.9], wspace=0)
    ranking, ranking_text, gain, gain_text = columns.subplots(squeeze=False)[0]
    halves = below.subgridspec(1, 2, width_ratios=[1.15, 1])
    auc, calibration = halves.subplots(squeeze=False)[0]
    gains = known[known["measure"] == "c_index_gain"]
    _draw_intervals(ranking, ranking_text, ranked, models, "C-index", 0.5)
    _draw_intervals(gain, gain_text, gains, models, "Gain in C-index by heterogeneity", 0.0)
    ranking.set_yticks(range(len(models)), models)
    _draw_auc(auc, known[known["measure"] == "auc"], models)
    _draw_calibration(calibration, known, models)


def _look(model: str) -> dict[str, Any]:
    """Return mark, colour, fill and line of a model."""
    colour, full = COLOURS[model.removesuffix(" + heterogeneity")], "heterogeneity" in model
    return {
        "marker": "o",
        "markersize": 5,
        "color": colour,
        "markerfacecolor": colour if full else "white",
        "linestyle": "-" if full else "--",
    }


def _draw_intervals(
    axes: Axes, beside: Axes, table: pd.DataFrame, models: Sequence[str], label: str, neutral: float
) -> None:
    """Draw the estimates that there are in the rows of their models, with the numbers beside."""
    axes.axvline(neutral, color=FAINT, linewidth=0.8, zorder=1)
    sign = "" if neutral else "+"
    for _, row in table.iterrows():
        y, look = models.index(row["model"]), _look(row["model"])
        axes.plot([row["lower"], row["upper"]], [y, y], color=look["color"], linewidth=1.4)
        axes.plot(row["estimate"], y, **look)
        numbers = [f"{row[name]:{sign}.3f}" for name in ("estimate", "lower", "upper")]
        text = "{} ({} to {})".format(*numbers).replace("-", "−")
        beside.text(
            0.02,
            y,
            text,
            va="center",
            size=SMALL_FONT_SIZE,
            transform=beside.get_yaxis_transform(),
            in_layout=False,
        )
    for one in (axes, beside):
        one.set_ylim(len(models) - 0.5, -0.5)
    beside.set_axis_off()
    axes.set(xlabel=label, yticks=[])
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.spines["left"].set_visible(False)
    axes.tick_params(left=False)


def _draw_auc(axes: Axes, table: pd.DataFrame, models: Sequence[str]) -> None:
    axes.set_title("Time-dependent AUC (marks as above)")
    months = sorted(table["horizon_months"].unique())
    if not months:
        _say_nothing(axes)
        return
    axes.axhline(0.5, color=FAINT, linewidth=0.8, zorder=1)
    for model in models:
        of_model = table[table["model"] == model]
        axes.plot(of_model["horizon_months"], of_model["estimate"], **_look(model))
    margin = 0.06 * (months[-1] - months[0]) or 1.0
    axes.set(xlabel="Months", ylabel="AUC", xticks=months)
    axes.set_xlim(months[0] - margin, months[-1] + margin)


def _draw_calibration(axes: Axes, known: pd.DataFrame, models: Sequence[str]) -> None:
    """Draw observed against predicted risk of the largest model, with and without heterogeneity."""
    months = sorted(known.loc[known["measure"] == "observed_risk", "horizon_months"].unique())
    axes.set_title("Calibration")
    if not months:
        _say_nothing(axes)
        return
    # Neither the horizon with few events nor the one at which few are still followed.
    middle = months[len(months) // 2]
    axes.set_title(f"Calibration at {middle:g} months")
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, zorder=1)
    slopes = known[known["measure"] == "calibration_slope"].set_index("model")["estimate"]
    at = known[known["horizon_months"] == middle]
    for model in dict.fromkeys([models[-1].removesuffix(" + heterogeneity"), models[-1]]):
        groups = at[at["model"] == model].dropna(subset="risk_group").set_index("risk_group")
        seen = groups[groups["measure"] == "observed_risk"].sort_index()
        predicted = groups.loc[groups["measure"] == "predicted_risk", "estimate"].reindex(
            seen.index
        )
        reach = [seen["estimate"] - seen["lower"], seen["upper"] - seen["estimate"]]
        slope = f"{slopes[model]:.2f}" if model in slopes else "not estimable"
        axes.errorbar(
            predicted,
            seen["estimate"],
            yerr=np.nan_to_num(np.array(reach, dtype=float)),
            elinewidth=0.9,
            label=f"{model}\nslope {slope}",
            **_look(model),
        )
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set(xlabel="Foretold risk", ylabel="Observed risk (Kaplan–Meier)")
    # On white, because intervals may lie below.
    axes.legend(loc="upper left", borderaxespad=0.2, frameon=True, edgecolor="none")


def _say_nothing(axes: Axes) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, "no horizon can be estimated", ha="center", transform=axes.transAxes)


def _heading(estimates: pd.DataFrame, endpoint: str) -> str:
    of_models = estimates[estimates["measure"] == "c_index"].iloc[0]
    left_out = estimates.loc[estimates["measure"] == "left_out", "n"].sum()
    heading = f"{endpoint}: {of_models['n']} patients, {of_models['events']} events"
    return f"{heading}; {left_out} without slide embedding left out" if left_out else heading
