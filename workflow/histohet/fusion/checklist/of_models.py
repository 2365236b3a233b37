"""Answers about models: how they are made, how good they are, against which others."""

from __future__ import annotations

from histohet import __version__
from histohet.fusion.checklist.run import Run, listed, months, span, with_interval
from histohet.fusion.comparison import ALONE_BY_VOLUME
from histohet.fusion.competing_risks import EVENT
from histohet.fusion.estimates import NOTHING
from histohet.fusion.evaluation import THRESHOLDS
from histohet.fusion.models import FACTORS, LEAST_EVENTS
from histohet.prognosis.evaluation import RESAMPLES
from histohet.prognosis.models import PENALTIES, WEAK_PENALTY

DEVELOPED = "does not apply: models are developed here, none of another run is evaluated"


def sample_size(run: Run) -> str:
    """Return patients and events against the columns of a fit."""
    counts = ", ".join(f"{name} {n}" for name, n in run.outcomes().items())
    columns = _columns_kept(run)
    return listed([counts, f"columns per fit: {columns}" if columns else ""])


def _columns_kept(run: Run) -> str:
    fits = run.tables["fits"]
    if fits.empty:
        blocks = run.model.get("blocks", {})
        return ", ".join(f"{name} {len(one['columns'])}" for name, one in blocks.items())
    of_full = fits[(fits["model"] == run.full) & (fits["cause"] == EVENT)]
    parts = of_full.groupby("block", sort=False)["columns"]
    return ", ".join(f"{name} {span(columns)}" for name, columns in parts)


def partition(run: Run) -> str:
    """Say how patients are dealt into folds."""
    if run.applied:
        return "none: the model of another run is applied to all patients"
    s = run.settings
    kept = f"patients of one '{s.centre}' together" if s.centre else "by patient"
    inner = f"penalties and weights by {s.folds} inner folds"
    dealt = f"{s.repeats} × {s.folds} folds, {kept}, events dealt evenly, seed {run.seed}"
    return listed([dealt, inner, "all that is learnt, filters too, from the other folds alone"])


def handling(run: Run) -> str:
    """Say how columns enter the models."""
    said = "numbers scaled to mean 0 and deviation 1 of the training patients"
    levels = "levels of text as indicators against the most frequent"
    vector = any(run.block_rows(whole=True)["kind"] == "vector")
    return listed([said, levels, "linear", "vectors along their principal axes" if vector else ""])


def building(run: Run) -> str:
    """Name the model and its parts."""
    how = run.model.get("fusion", run.settings.combine)
    fusion = {
        "early": "columns of all blocks in one model, a penalty for each block",
        "late": "stacking: a Cox model of the blocks' own predictions",
    }
    causes = "Cox models with ridge penalty of the event and of the competing one, together "
    few = f"competing hazard the same for all below {LEAST_EVENTS} such events"
    saved = f"saved model: {fusion[how]}"
    tested = "" if run.applied else "early and late fusion are both cross-validated"
    return listed([causes + "the cumulative incidence", saved, tested, few])


def tuning(run: Run) -> str:
    """Return the penalties that were tried and chosen."""
    fits = run.tables["fits"]
    if fits.empty:
        return ""
    grid = f"penalties {span(PENALTIES)}, factors on all {span(FACTORS)}, weak {WEAK_PENALTY:g}"
    of_full = fits[(fits["model"] == run.full) & (fits["cause"] == EVENT)].dropna(subset="penalty")
    chosen = [
        f"{name}: {span(values, '.3g')}, median {values.median():.3g}"
        for name, values in of_full.groupby("block", sort=False)["penalty"]
    ]
    criterion = "chosen by the cross-validated partial likelihood of inner folds"
    return listed([grid, criterion, *chosen])


def models(run: Run) -> str:
    """Name the models that are compared."""
    names = [str(name) for name in run.tables["estimates"]["model"].unique() if name]
    return f"{len(names)}: {listed(names)}" if names else ""


def choice(run: Run) -> str:
    """Say which model is reported."""
    if run.applied:
        return f"one model was applied: {run.full}"
    said = f"fixed before: {run.full} by {run.settings.combine} fusion is saved"
    return listed([said, f"all {len(run.tables['estimates']['model'].unique())} are reported"])


def measures(run: Run) -> str:
    """Name the measures, and what they count."""
    low, high = run.settings.thresholds
    return listed(
        [
            f"by {months(run.settings.horizons)}: AUC and Brier score, weighted by the inverse "
            "probability of being uncensored, C of events by the horizon",
            "calibration: slope, observed over predicted, quarters of risk against Aalen–Johansen",
            f"net benefit at {THRESHOLDS} thresholds from {low:g} to {high:g}, against treating "
            "all and nobody",
        ]
    )


def output(run: Run) -> str:
    """Say what is predicted."""
    low, high = run.settings.thresholds
    horizons = months(run.settings.horizons)
    said = f"probability of {run.settings.endpoint} by {horizons}, beside the competing event"
    return listed([said, f"no classes; thresholds {low:g} to {high:g} in the decision curve"])


def performance(run: Run) -> str:
    """Return C, AUC and Brier skill of the model of all blocks, with intervals."""
    return listed(_of_model(run, run.full))


def _of_model(run: Run, model: str) -> list[str]:
    names = {"auc": "AUC", "c_index": "C", "brier_skill": "Brier skill"}
    table = run.estimates(*names)
    rows = table[table["model"] == model]
    said = [
        f"{names[row['measure']]} by {row['horizon_months']:g} months {with_interval(row)}"
        for _, row in rows.iterrows()
    ]
    return [f"{model}: {said[0]}", *said[1:]] if said else []


def uncertainty(run: Run) -> str:
    """Return how intervals come about, and what the procedure gives by chance."""
    said = f"95 % intervals by {RESAMPLES:,} resamples of patients, models and folds as they are"
    p = run.estimates("permutation_p")
    tested = [
        f"p {row['estimate']:.3g} by {run.settings.permutations} permutations of outcomes"
        for _, row in p.iterrows()
    ]
    estimated = not run.estimates("auc").empty
    return listed([said, "calibration slope: Wald", *tested]) if estimated else ""


def calibration(run: Run) -> str:
    """Return calibration slope and observed over predicted of the model of all blocks."""
    table = run.estimates("calibration_slope", "observed_over_predicted")
    rows = table[table["model"] == run.full]
    said = []
    for _, row in rows.iterrows():
        by = (
            ""
            if row["horizon_months"] != row["horizon_months"]
            else f" by {row['horizon_months']:g} months"
        )
        said.append(f"{row['measure'].replace('_', ' ')}{by} {with_interval(row)}")
    return listed(said)


def comparison(run: Run) -> str:
    """Say how models are compared, and which comparisons hold no 0."""
    table = run.estimates("auc_gain", "c_index_gain", "brier_gain")
    if table.empty:
        return ""
    apart = int(((table["lower"] > 0) | (table["upper"] < 0)).sum())
    said = f"paired differences, the same resamples for all: {len(table)} of AUC, C and Brier score"
    return listed([said, f"intervals without 0: {apart}", "not corrected for their number"])


def gains(run: Run) -> str:
    """Return what the model of all blocks gains over clinical data, volume and each block less."""
    table = run.estimates("auc_gain")
    rows = table[(table["model"] == run.full) & (table["horizon_months"] == run.last)]
    said = [f"over {row['against']} {with_interval(row)}" for _, row in rows.iterrows()]
    return listed([f"gain in AUC by {run.last:g} months: {said[0]}", *said[1:]] if said else [])


def simple(run: Run) -> str:
    """Return how simple models do: clinical data, volume, one risk for all."""
    table = run.estimates("auc")
    at_last = table[table["horizon_months"] == run.last]
    rows = at_last[at_last["model"].isin(["clinical", ALONE_BY_VOLUME, NOTHING])]
    said = [f"{row['model']} {with_interval(row)}" for _, row in rows.iterrows()]
    return listed([f"AUC by {run.last:g} months: {said[0]}", *said[1:]] if said else [])


def confounders(run: Run) -> str:
    """Return gains over the volume of the tumour, and how batches differ."""
    table = run.estimates("auc_gain")
    rows = table[(table["against"] == ALONE_BY_VOLUME) & (table["horizon_months"] == run.last)]
    of_full = rows[rows["model"] == run.full]
    said = [f"gain in AUC over the volume {with_interval(row)}" for _, row in of_full.iterrows()]
    return listed([*said, clusters(run)])


def clusters(run: Run) -> str:
    """Return how risks do in each batch and centre."""
    rows = run.tables["subgroups"]
    said = []
    for _, row in rows.iterrows():
        ranked = f", C {row['c_index']:.2f}" if row["c_index"] == row["c_index"] else ""
        seen = (
            f"{row['observed_risk']:.2f}"
            if row["observed_risk"] == row["observed_risk"]
            else "unknown"
        )
        risk = f"predicted {row['predicted_risk']:.2f}, observed {seen}"
        said.append(
            f"{row['by']} {row['group']}: n {row['n']}, events {row['events']}, {risk}{ranked}"
        )
    return listed(said)


def importance(run: Run) -> str:
    """Return how much each block moves the log hazard."""
    fits = run.tables["fits"]
    if fits.empty:
        return ""
    of_full = fits[(fits["model"] == run.full) & (fits["cause"] == EVENT)]
    spread = of_full.groupby("block", sort=False)["spread"].mean()
    moved = ", ".join(f"{name} {value:.2f}" for name, value in spread.items())
    return listed([f"standard deviation of log hazard by block: {moved}", gains(run)])


def testing(run: Run) -> str:
    """Say whether testing is internal or on another cohort."""
    return external(run) or internal(run)


def internal(run: Run) -> str:
    """Return the cross-validation."""
    if run.applied:
        return ""
    return f"nested cross-validation, {run.settings.repeats} × {run.settings.folds} folds"


def external(run: Run) -> str:
    """Return on how many patients the model of another run was tested."""
    if not run.applied:
        return ""
    trained, counts = run.model["trained_on"], run.outcomes()
    said = f"model of another run, trained on {trained['patients']} patients"
    return listed([said, f"applied to {sum(counts.values())} here", "nothing fitted"])


def elsewhere(run: Run) -> str:
    """Return training patients beside those that the model is applied to."""
    if not run.applied:
        return DEVELOPED
    trained, counts = run.model["trained_on"], list(run.outcomes().values())
    there = f"training: {trained['patients']} patients, events {trained['events']}"
    return listed(
        [
            f"{there}, competing {trained['competing']}",
            f"here: {sum(counts)} patients, events {counts[0]}, competing {counts[1]}",
        ]
    )


def updating(run: Run) -> str:
    """Say that a model that is applied is not updated."""
    return "none: applied as it is" if run.applied else DEVELOPED


def specification(run: Run) -> str:
    """Return where the model is, and how many numbers it has."""
    if not run.model:
        return ""
    columns = ", ".join(
        f"{name} {len(one['columns'])}" for name, one in run.model["blocks"].items()
    )
    numbers = run.model["numbers"]
    said = f"model.json with {numbers['file']} (SHA-256 {numbers['sha256'][:12]}…)"
    return listed([said, f"coefficients: {columns}", "baseline hazards of both events"])


def prediction(run: Run) -> str:
    """Say how a saved model is applied."""
    if not run.model:
        return ""
    version = run.model["software"]
    how = f"{run.settings.model} applied" if run.applied else "model.json is applied"
    return listed([f"{how} by the setting fusion.model", f"written by {version}"])


def poor_input(run: Run) -> str:
    """Say what becomes of missing blocks, unknown levels and columns of another make."""
    indicators = [
        name
        for name, one in run.model.get("blocks", {}).items()
        if one["missing_in_training"] is not None
    ]
    known = f"trained with patients who lack {', '.join(indicators)}" if indicators else ""
    return listed(
        [
            "a missing block counts as average, a missing number as the training median",
            known,
            "another engine, encoder or setting, or an absent column, is refused",
        ]
    )


def software(run: Run) -> str:
    """Return version, licence and seed."""
    return f"histohet {__version__} (MIT); seed {run.seed}; settings beside every table"
