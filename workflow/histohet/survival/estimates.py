"""Estimates as a table, one row each, and what false discovery leaves of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd
from scipy.stats import false_discovery_control

from histohet.survival.endpoint import BEST_CUT, EndpointAnalysis, Model
from histohet.survival.permutation import BestCut

ESTIMATE_COLUMNS = (
    "endpoint",
    "model",
    "primary",
    "term",
    "level",
    "n",
    "events",
    "hazard_ratio",
    "lower",
    "upper",
    "p",
    "permutation_p",
    "ph_p",
    "c_index",
    "c_lower",
    "c_upper",
    "events_per_variable",
    "status",
    "reason",
)

WHOLE_MODEL = "(model)"
"""Term of the row about all terms of a model together."""

LOG_RANK = "log-rank"

UNITS = {"score": "per SD", "n_tiles": "per SD of the logarithm"}
"""What the hazard ratio of a numeric term is for; per unit of all others."""


def unit_of(term: str) -> str:
    """Return what the hazard ratio of a numeric term is for."""
    return UNITS.get(term, "per unit")


def estimates_of(analyses: Mapping[str, EndpointAnalysis], **about: str) -> pd.DataFrame:
    """Return the estimates of all endpoints (`estimate_table`), after columns that say of what.

    Parameters
    ----------
    analyses
        By endpoint, at least one.
    about
        Value of each of these columns, such as ``analysis``, ``variant`` and ``score``.
    """
    tables = [estimate_table(analysis, endpoint) for endpoint, analysis in analyses.items()]
    estimates = pd.concat(tables, ignore_index=True)
    return estimates.assign(**about)[[*about, *estimates.columns]]


def curves_of(analyses: Mapping[str, EndpointAnalysis]) -> pd.DataFrame:
    """Return the Kaplan–Meier curves of all endpoints, one row per time, endpoint and group."""
    curves = [
        curve.table().assign(endpoint=endpoint, group=curve.label)
        for endpoint, analysis in analyses.items()
        for curve in analysis.curves
    ]
    return pd.concat(curves, ignore_index=True)


def estimate_table(analysis: EndpointAnalysis, endpoint: str) -> pd.DataFrame:
    """Return the estimates of one endpoint, one row each, columns `ESTIMATE_COLUMNS`.

    The first row of a model is about its exposure, the score or the high group, with its
    permutation p; its last row, term `WHOLE_MODEL`, has all patients and events of the model, the
    likelihood-ratio p of all terms and ``ph_p`` of all terms. C and events per variable are those
    of the model, in each of its rows. A term that cannot be estimated has its own reason, after
    those that can. A model that cannot be estimated has one row with the reason.
    ``primary`` marks the one row that decides about the endpoint.
    """
    rows: list[dict[str, Any]] = []
    if analysis.log_rank is not None:
        test = analysis.log_rank
        rows.append(
            {
                "model": LOG_RANK,
                "term": "group",
                "level": "high",
                "n": sum(curve.n for curve in analysis.curves),
                "events": sum(curve.events for curve in analysis.curves),
                "p": test.p,
                "permutation_p": analysis.log_rank_permutation_p,
                "status": test.status,
                "reason": test.reason,
            }
        )
    if analysis.best_cut is not None:
        rows.append(_best_cut_row(analysis.best_cut, analysis))
    for name, model in analysis.models.items():
        found = _model_rows(model, name)
        found[0]["primary"] = name == analysis.primary
        rows += found
    for row in rows:
        row |= {"endpoint": endpoint, "primary": row.get("primary", False)}
    table = pd.DataFrame(rows, columns=list(ESTIMATE_COLUMNS))
    return table.astype({"n": "Int64", "events": "Int64"})


def add_q_values(estimates: pd.DataFrame) -> pd.DataFrame:
    """Add ``q``, the false discovery rate by Benjamini and Hochberg (1995), to a table.

    The family is the p-value of the primary row of every analysis, endpoint and variant in the
    table: each question asked is in it once. A searched cut has only its permutation p, and enters
    with that. A primary row that could not be estimated is not in the family. Rows that are not
    primary have no q: they are there to understand the primary ones.

    Parameters
    ----------
    estimates
        `estimate_table` of any number of analyses, with their columns added.
    """
    p = estimates["p"].astype(float).fillna(estimates["permutation_p"].astype(float))
    family = p[estimates["primary"] & p.notna()]
    q = pd.Series(false_discovery_control(family, method="bh"), index=family.index, dtype=float)
    return estimates.assign(q=q.reindex(estimates.index))


def _best_cut_row(found: BestCut, analysis: EndpointAnalysis) -> dict[str, Any]:
    return {
        "model": BEST_CUT,
        "primary": True,
        "term": "group",
        "level": "high",
        "n": analysis.n,
        "events": analysis.events,
        "hazard_ratio": found.hazard_ratio,
        "permutation_p": found.permutation_p,
        "status": found.status,
        "reason": found.reason
        or f"the best of {found.n_cuts} cuts: no interval, no p but that of the search",
    }


def _model_rows(model: Model, name: str) -> list[dict[str, Any]]:
    cox, c = model.cox, model.concordance
    shared = {
        "model": name,
        "c_index": c.c,
        "c_lower": c.lower,
        "c_upper": c.upper,
        "events_per_variable": cox.events_per_variable,
        "status": cox.status,
        "reason": cox.reason or cox.warning,
    }
    whole = {
        "term": WHOLE_MODEL,
        "n": cox.n,
        "events": cox.events,
        "p": cox.likelihood_ratio_p,
        "ph_p": cox.ph_p,
    }
    rows = [
        asdict(term)
        | shared
        | {
            "level": term.level or unit_of(term.term),
            "permutation_p": model.permutation_p if position == 0 else None,
        }
        for position, term in enumerate(cox.terms)
    ]
    untold = [
        shared
        | asdict(term)
        | {"level": term.level or unit_of(term.term), "status": "not_estimable"}
        for term in cox.untold
    ]
    return [*rows, *untold, shared | whole]
