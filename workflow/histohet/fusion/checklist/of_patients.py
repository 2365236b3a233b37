"""Answers about patients: outcome, predictors, flow, missing data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from histohet.fusion.checklist.run import Run, listed, months
from histohet.fusion.flow import BLOCK, STEP


def outcome(run: Run) -> str:
    """Say what is predicted, by when, and how often it happened."""
    codes = next(_definitions(run), {})
    shown = ("events", "competing", "censored")
    defined = [f"{name} {_codes(codes[name])}" for name in shown if codes.get(name)]
    source = f"column '{codes['event']}': {', '.join(defined)}" if defined else ""
    counts = ", ".join(f"{name} {n}" for name, n in run.outcomes().items())
    return listed([run.settings.endpoint, source, f"by {months(run.settings.horizons)}", counts])


def _codes(codes: Sequence[Any] | Mapping[str, Any]) -> str:
    if isinstance(codes, Mapping):  # of columns of their own
        return f"{_codes(codes['events'])} in column '{codes['column']}'"
    return ", ".join(map(str, codes))


def _definitions(run: Run) -> Iterator[Mapping[str, Any]]:
    for table in run.clinical:
        endpoints = table.get("endpoints") or {}
        if run.settings.endpoint in endpoints:
            yield endpoints[run.settings.endpoint]


def predictors(run: Run) -> str:
    """Name the blocks that are put together, and how many columns each has."""
    return listed(f"{name}: {_columns(run, name)}" for name in run.settings.blocks)


def _columns(run: Run, block: str) -> str:
    table = run.block_rows(whole=False)
    few = table.loc[table["block"] == block, "column"].tolist()
    if few:
        return ", ".join(few)
    kept = run.tables["kept"]
    n = int((kept["block"] == block).sum()) or len(_saved(run, block))
    return f"{n} columns" if n else "numbers of a vector"


def _saved(run: Run, block: str) -> list[str]:
    return list(run.model.get("blocks", {}).get(block, {}).get("columns", []))


def other_predictors(run: Run) -> str:
    """Name the covariates, with their kinds."""
    if "clinical" not in run.settings.blocks:
        return "none: no block 'clinical'"
    return listed(
        f"{one.name}: {one.kind}" + (f", against {one.reference}" if one.reference else "")
        for one in run.analysis.covariates
    )


def measurement(run: Run) -> str:
    """Say what made the columns of each block."""
    rows = run.block_rows(whole=True)
    made_by = rows[(rows["summary"] != "") & rows["block"].isin(run.settings.blocks)]
    said = [f"{name}: {text}" for name, text in made_by[["block", "summary"]].to_numpy()]
    covariates = other_predictors(run) if "clinical" in run.settings.blocks else ""
    return listed([covariates, *said])


def eligibility(run: Run) -> str:
    """Return the conditions that patients had to meet."""
    conditions = [f"{name}: {', '.join(map(str, v))}" for name, v in run.analysis.where.items()]
    return listed([*conditions, f"{run.settings.endpoint} known", "some block"])


def flow(run: Run) -> str:
    """Return how many each step left, and why the others went."""
    table = run.tables["flow"]
    said = []
    for (kind, name), part in table.groupby(["kind", "step"], sort=False):
        if kind not in (STEP, BLOCK):
            continue
        lost = part[part["lost"] > 0]
        why = ", ".join(f"{why} (n = {n})" for why, n in lost[["why", "lost"]].to_numpy())
        label = f"{name} {part['left'].iloc[0]}"
        said.append(f"{'with ' if kind == BLOCK else ''}{label}" + (f", not: {why}" if why else ""))
    ended = ", ".join(f"{name} {n}" for name, n in run.outcomes().items())
    return listed([*said, ended, _follow_up(run)])


def _follow_up(run: Run) -> str:
    table = run.tables["characteristics"]
    rows = table[(table["block"] == "outcome") & (table["kind"] == "neither")]
    text = "".join(rows["summary"])
    return f"months of follow-up without either event {text}" if text else ""


def baseline(run: Run) -> str:
    """Return median (quartiles; range) or counts of what is known by name."""
    rows = run.block_rows(whole=False)
    said = [f"{name} {text}" for name, text in rows[["column", "summary"]].to_numpy() if text]
    return listed([*said, _follow_up(run)])


def missing(run: Run) -> str:
    """Return who lacks what, what stands in for it, and what complete cases say."""
    blocks, columns = run.block_rows(whole=True), run.block_rows(whole=False)
    n = sum(run.outcomes().values())
    lacking = [
        f"block {name} missing in {count} of {n}"
        for name, count in blocks[["block", "missing"]].to_numpy()
        if count and name in run.settings.blocks
    ]
    of_block = dict(blocks[["block", "missing"]].to_numpy())
    lacking += [
        f"{column} in {count - of_block[name]} of those with block {name}"
        for name, column, count in columns[["block", "column", "missing"]].to_numpy()
        if count > of_block[name] and name in run.settings.blocks
    ]
    if not lacking:
        return f"nothing is missing of {n} patients"
    filled = "a block counts as at the training mean, with an indicator; a number as the median"
    return listed([*lacking, filled, _complete(run)])


def _complete(run: Run) -> str:
    table = run.tables["estimates"]
    rows = table[(table["patients"] == "complete") & (table["model"] == run.full)]
    if rows.empty:
        return ""
    n, events = rows[["n", "events"]].iloc[0]
    ranked = run.estimates("auc", patients="complete")
    ranked = ranked[(ranked["model"] == run.full) & (ranked["horizon_months"] == run.last)]
    if ranked.empty:
        return f"complete cases: {n}, events {events}: {rows['reason'].iloc[0]}"
    return f"complete cases: {n}, events {events}, AUC {ranked['estimate'].iloc[0]:.2f}"


def preparation(run: Run) -> str:
    """Return how many scans were refused and why, and which values exclude patients."""
    table = run.tables["flow"]
    scans = table[table["kind"] == "scans"]
    said = []
    for name, part in scans.groupby("step", sort=False):
        left, lost = int(part["left"].iloc[0]), int(part["lost"].sum())
        gone = part[part["lost"] > 0]
        why = ", ".join(f"{why} (n = {n})" for why, n in gone[["why", "lost"]].to_numpy())
        said.append(
            f"{name}: {left} of {left + lost} in its table usable"
            + (f", not: {why}" if why else "")
        )
    excluded = table[table["step"].str.startswith("covariate ") & (table["lost"] > 0)]
    said += [f"{name}: {n} excluded" for name, n in excluded[["step", "lost"]].to_numpy()]
    return listed(said)


def centres(run: Run) -> str:
    """Return how many centres there are, where a column tells it."""
    if run.settings.centre is None:
        return ""
    table = run.tables["subgroups"]
    rows: pd.DataFrame = table[table["by"] == "centre"]
    if rows.empty:
        return ""
    counts = ", ".join(f"{name} {n}" for name, n in rows[["group", "n"]].to_numpy())
    return f"{len(rows)} centres by '{run.settings.centre}': {counts}"


def balance(run: Run) -> str:
    """Return the share of patients with the event; nothing is done about it."""
    trained = run.model.get("trained_on", {})
    known = dict(zip(trained.get("horizons", []), trained.get("incidence", []), strict=False))
    counts = run.outcomes()
    said = [f"{next(iter(counts))} {next(iter(counts.values()))} of {sum(counts.values())}"]
    if known and not run.applied:
        said += [f"incidence by {one:g} months {share:.2f}" for one, share in known.items()]
    return listed([*said, "no resampling, no weights by class"])


def analysed(run: Run) -> str:
    """Return patients and events of every analysis."""
    table = run.tables["estimates"].drop_duplicates("patients")
    said = [
        f"{who} patients {n}, events {m}"
        for who, n, m in table[["patients", "n", "events"]].to_numpy()
    ]
    if not run.applied and not run.tables["fits"].empty:
        k = run.settings.folds
        said.append(f"each of {k * run.settings.repeats} fits trained on {k - 1} of {k} folds")
    trained = run.model.get("trained_on", {})
    if trained:
        name = "applied model" if run.applied else "saved model"
        said.append(f"{name} trained on {trained['patients']}, events {trained['events']}")
    return listed(said)
