"""Is heterogeneity just another word for a level of expression, a subtype, or the positive shares.

PathoMCH compares by eye (Figs. 5b and 6); here each comparison has a test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, kruskal, mannwhitneyu

from histohet.clinical.cells import is_missing
from histohet.clinical.settings import Covariate
from histohet.common.outcome import Status
from histohet.survival.cox import fit_cox

TEST_COLUMNS = (
    *("groups", "test", "n", "sizes", "medians", "p", "q", "p_given_shares", "q_given_shares"),
    "reason",
)
COX_COLUMNS = ("endpoint", "model", "term", "hazard_ratio", "lower", "upper", "p", "n", "events")

LEAST_OF_A_GROUP = 3


def hti_by_patient(slides: pd.DataFrame, suffix: str, traits: Sequence[str]) -> pd.DataFrame:
    """Return the heterogeneity and positive shares of every patient, the mean over its slides.

    Parameters
    ----------
    slides
        Table of slides (`results/cohort/<variant>/slides.tsv`).
    suffix
        Of the columns of the combination.
    traits
        The combination.

    Returns
    -------
    DataFrame
        By patient: ``hti``, ``excess`` (over what independent traits of the same shares give), and
        the share of each trait.
    """
    columns = {"hti": f"trait_hti_possible{suffix}", "excess": f"trait_hti_excess{suffix}"}
    columns |= {trait: f"trait_positive_{trait}" for trait in traits}
    there = {name: column for name, column in columns.items() if column in slides}
    known = slides[slides["status"] == Status.OK]
    table = known[["patient", *there.values()]].groupby("patient", sort=False).mean()
    return table.set_axis(list(there), axis="columns").reindex(columns=list(columns))


def bulk_groups(labels: pd.DataFrame, traits: Sequence[str]) -> dict[str, pd.Series[str]]:
    """Return groups of patients by what was measured in bulk: each trait, and all of them."""
    wide = labels.pivot(index="patient", columns="trait", values="label")[list(traits)]
    levels = wide.where(wide.isin(["low", "high"]), "")
    groups = {f"bulk {trait}": levels[trait] for trait in traits}
    if len(traits) > 1:
        together = pd.Series("", index=levels.index)
        for level in ("low", "high"):
            together = together.mask((levels == level).all(axis="columns"), f"all {level}")
        mixed = (levels != "").all(axis="columns") & (together == "")
        groups["bulk, together"] = together.mask(mixed, "low and high")
    return groups


def clinical_groups(clinical: pd.DataFrame, columns: Sequence[str]) -> dict[str, pd.Series[str]]:
    """Return groups of patients by columns of the clinical table, "" where there is no value."""
    rows = clinical.drop_duplicates("patient").set_index("patient")
    return {
        column: rows[column].astype(str).mask(is_missing(rows[column].astype(str)), "")
        for column in columns
    }


def compare_groups(hti: pd.DataFrame, groups: Mapping[str, pd.Series[str]]) -> pd.DataFrame:
    """Test whether heterogeneity differs between groups, as it is and given the positive shares.

    Mann and Whitney's test of two groups, Kruskal and Wallis' of more; given the shares, of
    ``excess``. The false discovery rate is over all groupings.

    Parameters
    ----------
    hti
        See `hti_by_patient`.
    """
    rows = []
    for name, group in groups.items():
        own = group.reindex(hti.index).fillna("")
        row = {"groups": name, **_tested(hti["hti"], own)}
        rows.append(row | {"p_given_shares": _tested(hti["excess"], own)["p"]})
    table = pd.DataFrame(rows, columns=[name for name in TEST_COLUMNS if not name.startswith("q")])
    for p, q in (("p", "q"), ("p_given_shares", "q_given_shares")):
        known = table[p].notna()
        table[q] = np.nan
        if known.any():
            table.loc[known, q] = false_discovery_control(table.loc[known, p].astype(float))
    return table[list(TEST_COLUMNS)]


def _tested(values: pd.Series[float], group: pd.Series[str]) -> dict[str, object]:
    known = values.notna() & (group != "")
    by_group = {str(name): one for name, one in values[known].groupby(group[known])}
    large = {name: one for name, one in by_group.items() if len(one) >= LEAST_OF_A_GROUP}
    row: dict[str, object] = {
        "test": "Mann-Whitney" if len(large) == 2 else "Kruskal-Wallis",
        "n": int(sum(map(len, large.values()))),
        "sizes": ", ".join(f"{name}: {len(one)}" for name, one in by_group.items()),
        "medians": ", ".join(f"{name}: {one.median():.3g}" for name, one in by_group.items()),
        "p": np.nan,
        "reason": "",
    }
    if len(large) < 2:
        return row | {"reason": f"fewer than two groups of {LEAST_OF_A_GROUP} patients"}
    if values[known].nunique() < 2:
        return row | {"reason": "all values are the same"}
    found = mannwhitneyu(*large.values()) if len(large) == 2 else kruskal(*large.values())
    return row | {"p": float(found.pvalue)}


def hti_given_shares(
    hti: pd.DataFrame, outcomes: Mapping[str, pd.DataFrame], traits: Sequence[str]
) -> pd.DataFrame:
    """Return hazard ratios of heterogeneity alone, and beside the positive shares of its traits.

    Per standard deviation; heterogeneity is mostly a function of the shares, so only what it says
    beside them is its own.

    Parameters
    ----------
    hti
        See `hti_by_patient`.
    outcomes
        By endpoint, ``time_months`` and ``event`` by patient.
    """
    rows = []
    scaled = (hti - hti.mean()) / hti.std()
    for endpoint, outcome in outcomes.items():
        frame = scaled.join(outcome, how="inner")
        for model, names in {"HTI": ["hti"], "HTI and shares": ["hti", *traits]}.items():
            covariates = [Covariate(column=name, kind="numeric") for name in names]
            fitted = fit_cox(frame.dropna(subset=names), covariates)
            rows += [
                {
                    "endpoint": endpoint,
                    "model": model,
                    "term": term.term,
                    "hazard_ratio": term.hazard_ratio,
                    "lower": term.lower,
                    "upper": term.upper,
                    "p": term.p,
                    "n": fitted.n,
                    "events": fitted.events,
                }
                for term in fitted.terms
            ]
    return pd.DataFrame(rows, columns=list(COX_COLUMNS))
