"""How good the risks of one model are in groups of patients: who has what, batch, centre."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from histohet.common.arrays import Floats, Ints
from histohet.fusion.competing_risks import COMPETING, EVENT, aalen_johansen
from histohet.fusion.estimates import resamples
from histohet.fusion.performance import concordance

COLUMNS = (
    *("n", "events", "competing", "horizon_months", "predicted_risk"),
    *("observed_risk", "observed_lower", "observed_upper"),
    *("c_index", "c_lower", "c_upper"),
)


def in_groups(
    name: str, label: Sequence[str], risk: Floats, time: Floats, state: Ints, months: float
) -> pd.DataFrame:
    """Return how risks do in each group of patients, the largest first.

    Parameters
    ----------
    name
        Of the column of groups.
    label
        Group of each of n patients.
    risk
        Predicted by `months`, (n,); of several repetitions the mean.
    time, state
        Follow-up in months and how it ended, (n,).
    months
        The horizon.

    Returns
    -------
    DataFrame
        `name` and `COLUMNS`: patients and their events; mean predicted risk, and Aalen–Johansen's
        with its 95 % interval; C by the horizon with that of 1,000 resamples of the group's
        patients. NaN where it cannot be estimated.
    """
    labels = np.array(label, dtype=object)
    rows = []
    for group in sorted(set(labels), key=lambda one: (-int(np.sum(labels == one)), one)):
        here = labels == group
        n, observed = int(here.sum()), aalen_johansen(time[here], state[here]).by(months)
        counts = resamples(n, 0)
        ranked = concordance(time[here], state[here], risk[here], months, np.zeros(n, int), counts)
        limits = [np.nan, np.nan]
        if not np.isnan(ranked[1:]).all():
            limits = list(np.nanpercentile(ranked[1:], [2.5, 97.5]))
        events, competing = (int(np.sum(state[here] == one)) for one in (EVENT, COMPETING))
        seen = (observed.share, observed.lower, observed.upper)
        found = (n, events, competing, months, risk[here].mean(), *seen, ranked[0], *limits)
        rows.append({name: group, **dict(zip(COLUMNS, found, strict=True))})
    return pd.DataFrame(rows, columns=[name, *COLUMNS])


def subgroups(
    risks: pd.DataFrame, outcome: pd.DataFrame, groups: pd.DataFrame, model: str
) -> pd.DataFrame:
    """Return how the risks of a model do by the last horizon in each batch and each centre.

    Parameters
    ----------
    risks
        Of `histohet.fusion.evaluation.Comparison`.
    outcome
        ``time_months`` and ``state``, indexed by patient.
    groups
        Columns of groups, indexed by patient; "" where a patient's is unknown.
    model
        Whose risks.

    Returns
    -------
    DataFrame
        ``by`` (which column), ``group`` and `COLUMNS`; a column with one group alone is left out.
    """
    tables = [pd.DataFrame(columns=["by", "group", *COLUMNS])]
    of_model = risks[risks["model"] == model]
    if len(of_model):
        last = [str(name) for name in risks if str(name).startswith("risk_")][-1]
        risk = of_model.groupby("patient", sort=False)[last].mean()
        ended = outcome.loc[risk.index]
        time, state = ended["time_months"].to_numpy(float), ended["state"].to_numpy(np.int64)
        for name, column in groups.loc[risk.index].items():
            if column.nunique() > 1:
                label = column.replace("", "unknown").tolist()
                months = float(last.removeprefix("risk_"))
                found = in_groups("group", label, risk.to_numpy(), time, state, months)
                tables.append(found.assign(by=str(name)))
    return pd.concat(tables[1:] or tables, ignore_index=True)[["by", "group", *COLUMNS]]
