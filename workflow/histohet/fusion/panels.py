"""Panels of figures of a fusion: forests, calibration, decisions, incidence, importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from histohet.drawing.palette import FAINT, INK
from histohet.fusion.comparison import LATE
from histohet.fusion.competing_risks import COMPETING, EVENT
from histohet.fusion.evaluation import TREAT_ALL

GROUPS = {"low": "#0072B2", "middle": "#E69F00", "high": "#D55E00"}
"""Colours of risk groups, from the lowest."""

MODEL_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7")
"""Of models with a line of their own: all blocks, their late fusion, clinical data, volume."""


def lines_of(models: Sequence[str]) -> dict[str, str]:
    """Return the models that have a line, with its colour; all blocks first, the longest name."""
    plain = [name for name in models if not name.startswith(LATE)]
    full = max(plain, key=lambda name: name.count(" + "))
    wanted = zip((full, LATE + full, "clinical", "volume"), MODEL_COLOURS, strict=True)
    found: dict[str, str] = {}
    for name, colour in wanted:
        if name in models:
            found.setdefault(name, colour)
    return found


def draw_models(axes: Axes, table: pd.DataFrame, models: Sequence[str], months: float) -> None:
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
        _legend_below(axes)
    without_rim(axes)


def draw_gains(axes: Axes, gains: pd.DataFrame, labels: Sequence[str]) -> None:
    """Draw what models gain over others, a row for each."""
    axes.axvline(0, color=FAINT, linewidth=0.8, zorder=1)
    at = range(len(gains))
    axes.hlines(at, gains["lower"], gains["upper"], color=INK, linewidth=1.2)
    axes.plot(gains["estimate"], at, "o", markersize=4, color=INK)
    axes.set_yticks(at, labels)
    axes.set_ylim(max(len(labels), 1) - 0.4, -0.6)
    without_rim(axes)


def draw_forest(
    axes: Axes, table: pd.DataFrame, models: Sequence[str], horizons: Sequence[float]
) -> None:
    """Draw estimates in the rows of their models, those by the last horizon darkest.

    Parameters
    ----------
    axes
        Where.
    table
        Estimates of one measure.
    models
        Rows, from the top.
    horizons
        In months, from the first.
    """
    shifts = 0.3 * (np.arange(len(horizons)) - (len(horizons) - 1) / 2) / max(len(horizons) - 1, 1)
    for months, shift in zip(horizons, shifts, strict=True):
        colour = INK if months == horizons[-1] else FAINT
        rows = table[table["horizon_months"] == months]
        at = [models.index(name) + shift for name in rows["model"]]
        axes.hlines(at, rows["lower"], rows["upper"], color=colour, linewidth=1.2)
        label = f"by {months:g} months"
        axes.plot(rows["estimate"], at, "o", markersize=4, color=colour, label=label)
    axes.set_yticks(range(len(models)), models)
    axes.set_ylim(len(models) - 0.4, -0.6)
    without_rim(axes)


def versus(model: str, against: str) -> str:
    """Say what a model has that the other has not."""
    if model.startswith(LATE):
        return "late against early fusion"
    parts, others = model.split(" + "), against.split(" + ")
    added = [part for part in parts if part not in others]
    if added and set(others) <= set(parts):
        return f"{' + '.join(added)}, added to {against}"
    return f"all blocks, against {against}"


def _legend_below(axes: Axes) -> None:
    """Put the legend under the last row, where it hides none."""
    low, high = axes.get_ylim()
    axes.set_ylim(low + 0.11 * (low - high), high)
    axes.legend(loc="lower right", ncols=2, borderpad=0)


def without_rim(axes: Axes) -> None:
    """Take the left edge away, of rows that labels name."""
    axes.spines["left"].set_visible(False)
    axes.tick_params(left=False)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def draw_calibration(
    axes: Axes, estimates: pd.DataFrame, models: Mapping[str, str], months: float
) -> None:
    """Draw observed incidence against predicted risk in quarters of it, by models' colours."""
    axes.set_title(f"Calibration by {months:g} months")
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, zorder=1)
    known = estimates[estimates["status"] == "ok"]
    slopes = known[known["measure"] == "calibration_slope"].set_index("model")["estimate"]
    at = known[known["horizon_months"] == months]
    highest = 0.0
    for model, colour in models.items():
        groups = at[at["model"] == model].dropna(subset="risk_group").set_index("risk_group")
        seen = groups[groups["measure"] == "observed_risk"].sort_index()
        predicted = groups.loc[groups["measure"] == "predicted_risk", "estimate"]
        predicted = predicted.reindex(seen.index)
        reach = [seen["estimate"] - seen["lower"], seen["upper"] - seen["estimate"]]
        slope = f"{slopes[model]:.2f}".replace("-", "−") if model in slopes else "not estimable"
        axes.errorbar(
            predicted,
            seen["estimate"],
            yerr=np.nan_to_num(np.array(reach, dtype=float)),
            fmt="o-",
            markersize=4,
            elinewidth=0.9,
            color=colour,
            label=f"{short(model)}: slope {slope}",
        )
        limits = [*predicted, *seen["estimate"], *seen["upper"].dropna()]
        highest = max(highest, *limits) if limits else highest
    end = min(1.0, 1.05 * highest or 1.0)
    axes.set(xlim=(0, end), ylim=(0, end), xlabel="Predicted risk", ylabel="Observed incidence")
    axes.legend(loc="upper left", frameon=True, edgecolor="none")


def short(model: str) -> str:
    """Return what legends call a model."""
    if " + " not in model:
        return model
    return "all, late fusion" if model.startswith(LATE) else "all blocks"


def draw_decision(
    axes: Axes, decision: pd.DataFrame, models: Mapping[str, str], months: float
) -> None:
    """Draw net benefit against the risk from which on one would treat, by models' colours.

    The band is that of the first model.
    """
    axes.set_title(f"Decision curve by {months:g} months")
    axes.axhline(0, color=FAINT, linewidth=0.8, linestyle="--", label="treat nobody")
    at = decision[decision["horizon_months"] == months]
    if at.empty:
        return
    of_all = at[at["model"] == TREAT_ALL]
    axes.plot(of_all["threshold"], of_all["net_benefit"], color=FAINT, label="treat all")
    for model, colour in models.items():
        rows = at[at["model"] == model]
        axes.plot(rows["threshold"], rows["net_benefit"], color=colour, label=short(model))
        if model == next(iter(models)):
            limits = rows["lower"], rows["upper"]
            axes.fill_between(rows["threshold"], *limits, color=colour, alpha=0.15, linewidth=0)
    top = float(at["upper"].max())
    axes.set(xlabel="Threshold of risk", ylabel="Net benefit per patient")
    axes.set_ylim(-0.15 * top, 1.05 * top)
    axes.legend(loc="upper right")


def draw_incidence(axes: Axes, curves: pd.DataFrame, months: float) -> None:
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


def draw_importance(axes: Axes, fits: pd.DataFrame, full: str) -> None:
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
    _legend_below(axes)
    without_rim(axes)


def draw_kept(axes: Axes, kept: pd.DataFrame) -> None:
    """Draw the share of fits that kept each feature, from the most to the least often kept."""
    axes.set_title("How often features were kept")
    if kept.empty:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no features were chosen", ha="center", transform=axes.transAxes)
        return
    for number, (name, part) in enumerate(kept.groupby("block", sort=False)):
        share = np.sort(part["share"].to_numpy(float))[::-1]
        always, never = int((share == 1).sum()), int((share == 0).sum())
        label = f"{name}: {len(share)} features, {always} in all fits, {never} in none"
        colour = MODEL_COLOURS[number % len(MODEL_COLOURS)]
        axes.step(np.arange(1, len(share) + 1), share, where="mid", color=colour, label=label)
    axes.set(xlabel="Features, the most often kept first", ylabel="Share of fits")
    axes.set_ylim(-0.03, 1.25)
    axes.legend(loc="upper right", frameon=True, edgecolor="none")
