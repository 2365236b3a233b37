"""Figure of a fusion: what blocks add, calibration, decisions, incidence by risk, importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from histohet.drawing.palette import FAINT, INK
from histohet.drawing.style import SMALL_FONT_SIZE, message_figure, new_figure, style
from histohet.fusion.comparison import LATE
from histohet.fusion.competing_risks import COMPETING, EVENT
from histohet.fusion.estimates import NOTHING
from histohet.fusion.evaluation import TREAT_ALL

GROUPS = {"low": "#0072B2", "middle": "#E69F00", "high": "#D55E00"}
"""Colours of risk groups, from the lowest."""

MODEL_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7")
"""Of models with a line of their own: all blocks, their late fusion, clinical data, volume."""

_ROW_INCH = 0.27

_CROSS_VALIDATED = (
    "All risks were predicted by models that had not seen the patient. AUC compares patients of "
    "the same fold."
)
_APPLIED = "All risks are those of a model of another run, which was not fitted to these patients."
_FOOTNOTE = (
    " Intervals: 95 %, by resampling patients.\nObserved: Aalen–Johansen, which counts who had "
    "the competing event as never having this one."
)


def draw_fusion(tables: Mapping[str, pd.DataFrame], *, title: str) -> Figure:
    """Draw a comparison of models by the last horizon.

    Parameters
    ----------
    tables
        By name, from `histohet.fusion.comparison.Comparison.tables`.
    title
        Heading.
    """
    estimates = tables["estimates"]
    of_all = estimates[estimates["patients"] == "all"]
    ranked = of_all[(of_all["measure"] == "auc") & (of_all["status"] == "ok")]
    if ranked.empty:
        return message_figure(title, f"Nothing can be compared: {of_all['reason'].iloc[0]}.")
    months = ranked["horizon_months"].max()
    at_last = estimates[estimates["horizon_months"] == months]
    models = [name for name in ranked["model"].unique() if name != NOTHING]
    gains = at_last[(at_last["measure"] == "auc_gain") & (at_last["patients"] == "all")]
    height = _ROW_INCH * max(len(models), len(gains)) + 1.0
    with style():
        figure = new_figure(12.0, height + 7.4)
        rows = figure.add_gridspec(3, 1, height_ratios=[height, 3.2, 3.2])
        forest, gain = rows[0].subgridspec(1, 2).subplots(squeeze=False)[0]
        calibration, decision = rows[1].subgridspec(1, 2).subplots(squeeze=False)[0]
        incidence, importance = rows[2].subgridspec(1, 2).subplots(squeeze=False)[0]
        _draw_models(forest, at_last, models, months)
        _draw_gains(gain, gains, months)
        _draw_calibration(calibration, of_all, _lines(models), months)
        _draw_decision(decision, tables["decision"], _lines(models), months)
        _draw_incidence(incidence, tables["curves"], months)
        _draw_importance(importance, tables["fits"], _lines(models)[0])
        figure.suptitle(f"{title}: {_counts(ranked, at_last)}", x=0.01, ha="left", weight="bold")
        source = _APPLIED if tables["fits"].empty else _CROSS_VALIDATED
        figure.supxlabel(source + _FOOTNOTE, x=0.01, ha="left", size=SMALL_FONT_SIZE, color=FAINT)
    return figure


def _counts(ranked: pd.DataFrame, at_last: pd.DataFrame) -> str:
    counted = f"{ranked['n'].iloc[0]} patients, {ranked['events'].iloc[0]} events"
    p = at_last[at_last["measure"] == "permutation_p"]
    return counted + (f"; permutation p {p['estimate'].iloc[0]:.3g}" if len(p) else "")


def _lines(models: Sequence[str]) -> list[str]:
    """Return the models that have a line: all blocks first, which is the longest name."""
    plain = [name for name in models if not name.startswith(LATE)]
    full = max(plain, key=lambda name: name.count(" + "))
    wanted = (full, LATE + full, "clinical", "volume")
    return list(dict.fromkeys(name for name in wanted if name in models))


def _draw_models(axes: Axes, table: pd.DataFrame, models: Sequence[str], months: float) -> None:
    """Draw the AUC of every model, for all patients and for those who lack no block."""
    axes.set_title(f"AUC by {months:g} months")
    axes.axvline(0.5, color=FAINT, linewidth=0.8, zorder=1)
    known = table[(table["measure"] == "auc") & (table["status"] == "ok")]
    both = known["patients"].nunique() > 1
    looks = {"all": (INK, -0.14 if both else 0.0), "complete": (FAINT, 0.14)}
    for patients, (colour, shift) in looks.items():
        rows = known[(known["patients"] == patients) & known["model"].isin(models)]
        at = [models.index(name) + shift for name in rows["model"]]
        label = f"{patients} patients (n = {rows['n'].iloc[0]})" if len(rows) else None
        axes.hlines(at, rows["lower"], rows["upper"], color=colour, linewidth=1.2)
        axes.plot(rows["estimate"], at, "o", markersize=4, color=colour, label=label)
    axes.set_yticks(range(len(models)), models)
    axes.set_ylim(len(models) - 0.4, -0.6)
    axes.set_xlim(max(0.0, axes.get_xlim()[0]), min(1.0, axes.get_xlim()[1]))
    if both:
        axes.legend(loc="lower right", frameon=True, edgecolor="none")
    _without_rim(axes)


def _draw_gains(axes: Axes, gains: pd.DataFrame, months: float) -> None:
    """Draw what models gain over others."""
    axes.set_title(f"Gain in AUC by {months:g} months")
    known = gains[gains["status"] == "ok"].reset_index(drop=True)
    axes.axvline(0, color=FAINT, linewidth=0.8, zorder=1)
    axes.hlines(known.index, known["lower"], known["upper"], color=INK, linewidth=1.2)
    axes.plot(known["estimate"], known.index, "o", markersize=4, color=INK)
    labels = [_versus(row["model"], row["against"]) for _, row in known.iterrows()]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(max(len(labels), 1) - 0.4, -0.6)
    _without_rim(axes)


def _versus(model: str, against: str) -> str:
    """Say what a model has that the other has not."""
    if model.startswith(LATE):
        return "late against early fusion"
    parts, others = model.split(" + "), against.split(" + ")
    added = [part for part in parts if part not in others]
    if added and set(others) <= set(parts):
        return f"{' + '.join(added)}, added to {against}"
    return f"all blocks, against {against}"


def _without_rim(axes: Axes) -> None:
    axes.spines["left"].set_visible(False)
    axes.tick_params(left=False)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def _draw_calibration(
    axes: Axes, estimates: pd.DataFrame, models: Sequence[str], months: float
) -> None:
    """Draw observed incidence against predicted risk in quarters of it."""
    axes.set_title(f"Calibration by {months:g} months")
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, zorder=1)
    known = estimates[estimates["status"] == "ok"]
    slopes = known[known["measure"] == "calibration_slope"].set_index("model")["estimate"]
    at = known[known["horizon_months"] == months]
    highest = 0.0
    for model, colour in zip(models[:2], MODEL_COLOURS, strict=False):
        groups = at[at["model"] == model].dropna(subset="risk_group").set_index("risk_group")
        seen = groups[groups["measure"] == "observed_risk"].sort_index()
        predicted = groups.loc[groups["measure"] == "predicted_risk", "estimate"]
        predicted = predicted.reindex(seen.index)
        reach = [seen["estimate"] - seen["lower"], seen["upper"] - seen["estimate"]]
        slope = f"{slopes[model]:.2f}" if model in slopes else "not estimable"
        axes.errorbar(
            predicted,
            seen["estimate"],
            yerr=np.nan_to_num(np.array(reach, dtype=float)),
            fmt="o-",
            markersize=4,
            elinewidth=0.9,
            color=colour,
            label=f"{_short(model)}: slope {slope}",
        )
        limits = [*predicted, *seen["estimate"], *seen["upper"].dropna()]
        highest = max(highest, *limits) if limits else highest
    end = min(1.0, 1.05 * highest or 1.0)
    axes.set(xlim=(0, end), ylim=(0, end), xlabel="Predicted risk", ylabel="Observed incidence")
    axes.legend(loc="upper left", frameon=True, edgecolor="none")


def _short(model: str) -> str:
    if " + " not in model:
        return model
    return "all, late fusion" if model.startswith(LATE) else "all blocks"


def _draw_decision(
    axes: Axes, decision: pd.DataFrame, models: Sequence[str], months: float
) -> None:
    """Draw net benefit against the risk from which on one would treat."""
    axes.set_title(f"Decision curve by {months:g} months")
    axes.axhline(0, color=FAINT, linewidth=0.8)
    if decision.empty:
        return
    at = decision[decision["horizon_months"] == months]
    of_all = at[at["model"] == TREAT_ALL]
    axes.plot(of_all["threshold"], of_all["net_benefit"], color=FAINT, label="treat all")
    for model, colour in zip(models, MODEL_COLOURS, strict=False):
        rows = at[at["model"] == model]
        axes.plot(rows["threshold"], rows["net_benefit"], color=colour, label=_short(model))
        if model == models[0]:
            limits = rows["lower"], rows["upper"]
            axes.fill_between(rows["threshold"], *limits, color=colour, alpha=0.15, linewidth=0)
    top = float(at["upper"].max())
    axes.set(xlabel="Threshold of risk", ylabel="Net benefit per patient")
    axes.set_ylim(-0.15 * top, 1.05 * top)
    axes.legend(loc="upper right")


def _draw_incidence(axes: Axes, curves: pd.DataFrame, months: float) -> None:
    """Draw the incidence of both events in groups of predicted risk."""
    axes.set_title(f"Incidence in thirds of the risk predicted by {months:g} months")
    for number, (name, colour) in enumerate(GROUPS.items(), start=1):
        of_group = curves[curves["risk_group"] == number]
        for cause, line in ((EVENT, "-"), (COMPETING, ":")):
            curve = of_group[of_group["cause"] == cause]
            label = f"{name} (n = {curve['n'].iloc[0]})" if cause == EVENT and len(curve) else None
            axes.step(
                curve["time_months"],
                curve["share"],
                where="post",
                color=colour,
                linestyle=line,
                label=label,
            )
        known = of_group[of_group["cause"] == EVENT]
        limits = known["lower"], known["upper"]
        axes.fill_between(
            known["time_months"], *limits, step="post", color=colour, alpha=0.12, linewidth=0
        )
    if (curves.loc[curves["cause"] == COMPETING, "share"] > 0).any():
        axes.plot([], [], color=FAINT, ls=":", label="competing event")
    axes.axvline(months, color=FAINT, linewidth=0.8)
    axes.set(xlabel="Months", ylabel="Cumulative incidence", ylim=(0, None), xlim=(0, None))
    axes.legend(loc="upper left", frameon=True, edgecolor="none")


def _draw_importance(axes: Axes, fits: pd.DataFrame, full: str) -> None:
    """Draw how much of the log hazards each block makes, over all fits of the model of all."""
    axes.set_title("What each block moves the log hazard by")
    if fits.empty:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "nothing was fitted", ha="center", transform=axes.transAxes)
        return
    of_full = fits[(fits["model"] == full)]
    blocks = list(of_full["block"].unique())
    looks = {EVENT: (INK, -0.17, "the event"), COMPETING: (FAINT, 0.17, "the competing event")}
    for cause, (colour, shift, label) in looks.items():
        spreads = [
            of_full.loc[(of_full["block"] == name) & (of_full["cause"] == cause), "spread"]
            for name in blocks
        ]
        at = np.arange(len(blocks)) + shift
        means = [float(one.mean()) for one in spreads]
        axes.barh(at, means, height=0.3, color=colour, label=label)
        limits = [np.percentile(one, [10, 90]) for one in spreads]
        axes.hlines(at, [low for low, _ in limits], [high for _, high in limits], color="#777777")
    axes.set_yticks(range(len(blocks)), blocks)
    axes.set_ylim(len(blocks) - 0.4, -0.6)
    axes.set_xlabel("Standard deviation among training patients (mean; line: 10–90 % of fits)")
    axes.legend(loc="lower right", frameon=True, edgecolor="none")
    _without_rim(axes)
