"""Figures of a fusion: one with everything by the last horizon, and one for each question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histohet.drawing.palette import FAINT, INK
from histohet.drawing.style import SMALL_FONT_SIZE, message_figure, new_figure, style
from histohet.fusion import panels
from histohet.fusion.comparison import ALONE_BY_VOLUME, LATE
from histohet.fusion.estimates import NOTHING

Tables = Mapping[str, pd.DataFrame]

TABLES = ("estimates", "decision", "curves", "patterns", "subgroups", "fits", "kept")
"""That figures are drawn of, from `histohet.fusion.job.write_comparison`."""

MEASURES = {"auc": "AUC", "c_index": "C", "brier_skill": "Brier skill"}
GAINS = {"auc_gain": "AUC", "c_index_gain": "C", "brier_gain": "Brier score"}
NEUTRAL = {"auc": 0.5, "c_index": 0.5}

_ROW_INCH = 0.27

_CROSS_VALIDATED = "All risks were predicted by models that had not seen the patient."
_APPLIED = "All risks are those of a model of another run, which was not fitted to these patients."
_RANKED = "AUC and C compare patients of the same fold. Intervals: 95 %, by resampling patients."
_OBSERVED = (
    "Observed: Aalen–Johansen with its 95 % interval, which counts who had the competing event as "
    "never having this one."
)


@dataclass(frozen=True, eq=False)
class Shown:
    """What all figures show of a comparison.

    Attributes
    ----------
    known
        Estimates of all patients, where there are any.
    models
        All that predict something.
    horizons
        In months, from the first.
    lines
        Models with a line of their own, and its colour; the model of all blocks first.
    """

    known: pd.DataFrame
    models: list[str]
    horizons: list[float]
    lines: dict[str, str]

    @property
    def months(self) -> float:
        """The last horizon."""
        return self.horizons[-1]

    @property
    def full(self) -> str:
        """The model of all blocks."""
        return next(iter(self.lines))

    def of(self, measure: str, months: float | None = None) -> pd.DataFrame:
        """Return the estimates of a measure, by all horizons or one."""
        rows = self.known[self.known["measure"] == measure]
        return rows if months is None else rows[rows["horizon_months"] == months]


def draw(name: str, tables: Tables, *, title: str) -> Figure:
    """Draw one of `FIGURES`, or say why nothing can be compared.

    Parameters
    ----------
    name
        Which.
    tables
        `TABLES`, by name.
    title
        Heading.
    """
    estimates = tables["estimates"]
    known = estimates[(estimates["patients"] == "all") & (estimates["status"] == "ok")]
    ranked = known[known["measure"] == "auc"]
    if ranked.empty:
        return message_figure(title, f"Nothing can be compared: {estimates['reason'].iloc[0]}.")
    models = [str(model) for model in ranked["model"].unique() if model != NOTHING]
    horizons = sorted(ranked["horizon_months"].unique().tolist())
    shown = Shown(known, models, horizons, panels.lines_of(models))
    with style():
        figure, note = FIGURES[name](tables, shown)
        heading = f"{title}: {_counts(ranked, shown)}"
        figure.suptitle(heading, x=0.01, ha="left", weight="bold")
        source = _APPLIED if tables["fits"].empty else _CROSS_VALIDATED
        text = f"{source} {note}"
        figure.supxlabel(text, x=0.01, ha="left", size=SMALL_FONT_SIZE, color=FAINT)
    return figure


def _counts(ranked: pd.DataFrame, shown: Shown) -> str:
    counted = f"{ranked['n'].iloc[0]} patients, {ranked['events'].iloc[0]} events"
    p = shown.of("permutation_p")["estimate"]
    return counted + (f"; permutation p {p.iloc[0]:.3g}" if len(p) else "")


def _everything(tables: Tables, shown: Shown) -> tuple[Figure, str]:
    """Draw models, gains, calibration, decisions, incidence and importance by the last horizon."""
    months, models = shown.months, shown.models
    gains = shown.of("auc_gain", months)
    gains = gains[(gains["model"] == shown.full) | (gains["against"] == shown.full)]
    height = _ROW_INCH * max(len(models), len(gains)) + 1.0
    figure = new_figure(12.0, height + 7.4)
    rows = figure.add_gridspec(3, 1, height_ratios=[height, 3.2, 3.2])
    forest, gain = rows[0].subgridspec(1, 2).subplots(squeeze=False)[0]
    calibration, decision = rows[1].subgridspec(1, 2).subplots(squeeze=False)[0]
    incidence, importance = rows[2].subgridspec(1, 2).subplots(squeeze=False)[0]
    estimates = tables["estimates"]
    at_last = estimates[estimates["horizon_months"] == months]
    panels.draw_models(forest, at_last, models, months)
    labels = [panels.versus(row["model"], row["against"]) for _, row in gains.iterrows()]
    gain.set_title(f"Gain in AUC by {months:g} months")
    panels.draw_gains(gain, gains, labels)
    first = dict(islice(shown.lines.items(), 2))
    panels.draw_calibration(calibration, shown.known, first, months)
    panels.draw_decision(decision, tables["decision"], shown.lines, months)
    panels.draw_incidence(incidence, tables["curves"], months)
    panels.draw_importance(importance, tables["fits"], shown.full)
    return figure, f"{_RANKED}\n{_OBSERVED}"


def _models(tables: Tables, shown: Shown) -> tuple[Figure, str]:
    """Draw AUC, C and Brier skill of every model, and its gains over clinical data and volume."""
    there = set(shown.of("auc_gain")["against"])
    simple = [name for name in ("clinical", ALONE_BY_VOLUME) if name in there]
    rows = {"": shown.models} | {
        name: [model for model in shown.models if model != name] for name in simple
    }
    heights = [_ROW_INCH * len(models) * 1.2 + 0.7 for models in rows.values()]
    figure = new_figure(12.0, sum(heights) + 0.9)
    grid = figure.subplots(len(rows), 3, squeeze=False, gridspec_kw={"height_ratios": heights})
    for of_row, (against, models) in zip(grid, rows.items(), strict=True):
        names = GAINS if against else MEASURES
        for axes, (measure, name) in zip(of_row, names.items(), strict=True):
            table = shown.of(measure)
            table = table[table["model"].isin(models)]
            if against:
                table = table[table["against"] == against]
            axes.set_title(f"{name}, gain over {against}" if against else name)
            axes.axvline(NEUTRAL.get(measure, 0.0), color=FAINT, linewidth=0.8, zorder=1)
            panels.draw_forest(axes, table, models, shown.horizons)
            if axes is not of_row[0]:
                axes.set_yticklabels([])
    if len(shown.horizons) > 1:
        handles, names_of = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, names_of, loc="outside upper right", ncols=len(handles))
    return figure, _RANKED


def _calibrations(tables: Tables, shown: Shown) -> tuple[Figure, str]:
    """Draw calibration by every horizon, a panel for each model that has a line."""
    rows, columns = len(shown.horizons), len(shown.lines)
    figure = new_figure(3.1 * columns + 0.4, 3.1 * rows + 0.9)
    grid = figure.subplots(rows, columns, squeeze=False)
    for of_row, months in zip(grid, shown.horizons, strict=True):
        for axes, (model, colour) in zip(of_row, shown.lines.items(), strict=True):
            panels.draw_calibration(axes, shown.known, {model: colour}, months)
            (said,) = axes.get_legend_handles_labels()[1]
            axes.get_legend().remove()
            axes.set_title(said)
            axes.set_ylabel(f"Observed incidence by {months:g} months")
    end = max(axes.get_xlim()[1] for axes in grid.flat)
    for axes in grid.flat:
        axes.set(xlim=(0, end), ylim=(0, end))
    return figure, _OBSERVED


def _decisions(tables: Tables, shown: Shown) -> tuple[Figure, str]:
    """Draw decision curves by every horizon."""
    n = len(shown.horizons)
    figure = new_figure(5.4 * n + 0.4, 4.6)
    grid = figure.subplots(1, n, squeeze=False)
    for axes, months in zip(grid[0], shown.horizons, strict=True):
        panels.draw_decision(axes, tables["decision"], shown.lines, months)
    return figure, f"Band: 95 %, of {panels.short(shown.full)}, by resampling patients."


def _incidences(tables: Tables, shown: Shown) -> tuple[Figure, str]:
    """Draw the incidence of both events in thirds of predicted risk."""
    figure = new_figure(8.4, 4.8)
    panels.draw_incidence(figure.subplots(), tables["curves"], shown.months)
    model = f"Model: {panels.short(shown.full)}."
    return figure, f"{model}\nIncidence: Aalen–Johansen with its 95 % interval."


def _groups(tables: Tables, shown: Shown) -> tuple[Figure, str]:
    """Draw who has which blocks, and how risks do in these groups, batches and centres."""
    patterns, others = tables["patterns"], tables["subgroups"]
    labels = [f"has {one}" for one in patterns["has"]]
    labels += [f"{by} {group}" for by, group in others[["by", "group"]].to_numpy()]
    rows = pd.concat([one for one in (patterns, others) if len(one)], ignore_index=True)
    figure = new_figure(12.0, 0.42 * len(rows) + 2.3)
    counts, risks, ranks = figure.subplots(1, 3, sharey=True)
    _draw_counts(counts, rows)
    _draw_risks(risks, rows, shown.months)
    ranks.set_title(f"C by {shown.months:g} months")
    ranks.axvline(0.5, color=FAINT, linewidth=0.8, zorder=1)
    ranks.hlines(rows.index, rows["c_lower"], rows["c_upper"], color=INK, linewidth=1.2)
    ranks.plot(rows["c_index"], rows.index, "o", markersize=4, color=INK)
    ranks.set_xlim(0, 1)
    counts.set_yticks(range(len(labels)), labels)
    # A row more, for the legends.
    counts.set_ylim(len(labels) + 0.6, -0.6)
    for axes in (counts, risks, ranks):
        panels.without_rim(axes)
    model = f"Model: {panels.short(shown.full)}."
    ranked = "C compares all patients of a group; its interval: 95 %, by resampling them."
    return figure, f"{model} {ranked}\n{_OBSERVED}"


def _draw_counts(axes: Axes, rows: pd.DataFrame) -> None:
    axes.set_title("Patients")
    events, competing = (rows[name].to_numpy(float) for name in ("events", "competing"))
    axes.barh(rows.index, rows["n"], height=0.6, color="#d9d9d9", label="all")
    axes.barh(rows.index, events, height=0.6, color=panels.GROUPS["high"], label="event")
    axes.barh(rows.index, competing, 0.6, events, color=FAINT, label="competing event")
    for at, n in enumerate(rows["n"]):
        axes.annotate(f"{n}", (n, at), (3, 0), textcoords="offset points", va="center")
    axes.set_xlim(0, 1.6 * float(rows["n"].max()))
    axes.legend(loc="lower right", ncols=3)


def _draw_risks(axes: Axes, rows: pd.DataFrame, months: float) -> None:
    axes.set_title(f"Incidence by {months:g} months")
    low, high = rows["observed_lower"], rows["observed_upper"]
    axes.hlines(rows.index, low, high, color=INK, linewidth=1.2)
    axes.plot(rows["observed_risk"], rows.index, "o", markersize=4, color=INK, label="observed")
    colour, predicted = panels.GROUPS["high"], rows["predicted_risk"]
    axes.plot(predicted, rows.index, "d", markersize=5, color=colour, label="predicted")
    axes.set_xlim(0, 1)
    axes.legend(loc="lower right", ncols=2)


def _blocks(tables: Tables, shown: Shown) -> tuple[Figure, str]:
    """Draw what is lost without each block, what each moves, and how often features are kept."""
    parts = shown.full.removeprefix(LATE).split(" + ")
    height = 0.3 * len(parts) + 0.7
    figure = new_figure(12.0, height + 4.2)
    rows = figure.add_gridspec(2, 1, height_ratios=[height, 3.0])
    above = rows[0].subgridspec(1, 3).subplots(squeeze=False)[0]
    for axes, (measure, name) in zip(above, GAINS.items(), strict=True):
        gains = shown.of(measure, shown.months)
        lost = gains[gains["model"] == shown.full].set_index("against")
        simpler = {" + ".join(one for one in parts if one != block): block for block in parts}
        there = [other for other in simpler if other in lost.index]
        axes.set_title(f"{name}: lost without the block")
        panels.draw_gains(axes, lost.loc[there], [simpler[other] for other in there])
    spread, kept = rows[1].subgridspec(1, 2).subplots(squeeze=False)[0]
    panels.draw_importance(spread, tables["fits"], shown.full)
    panels.draw_kept(kept, tables["kept"])
    return figure, _RANKED


FIGURES: Mapping[str, Callable[[Tables, Shown], tuple[Figure, str]]] = {
    "fusion": _everything,
    "models": _models,
    "calibration": _calibrations,
    "decision": _decisions,
    "incidence": _incidences,
    "groups": _groups,
    "blocks": _blocks,
}
"""By the name of their files; each is drawn with a note of its own."""
