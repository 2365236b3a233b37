"""Specification curve: the hazard ratio under every declared combination of analysis choices.

One analysis out of many that could have been made says little if another choice, as defensible,
had said the opposite (Simonsohn, Simmons and Nelson, Nature Human Behaviour 4:1208, 2020).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd

from histohet.clinical.settings import Covariate
from histohet.clinical.table import ClinicalTable
from histohet.cohort.select import build_cohort, of_endpoint
from histohet.cohort.settings import AnalysisSettings, Cut, Grouping, TrimSettings, TwoCuts
from histohet.survival.cox import fit_cox
from histohet.survival.design import per_standard_deviation
from histohet.survival.endpoint import HIGH_VS_LOW, SCORE
from histohet.survival.settings import CurveSettings

CURVE_COLUMNS = (
    "endpoint",
    "contrast",
    "n",
    "events",
    "hazard_ratio",
    "lower",
    "upper",
    "p",
    "status",
    "reason",
)


def specification_curve(
    slides: Iterable[tuple[str, pd.DataFrame]],
    upstream: Mapping[str, Mapping[str, str]],
    clinical: ClinicalTable,
    spec: AnalysisSettings,
    choices: CurveSettings,
    pooled: Collection[str] = (),
) -> pd.DataFrame:
    """Estimate the hazard ratio under every combination of choices.

    Parameters
    ----------
    slides
        Name and table of slides of every way in which slides were measured.
    upstream
        What was chosen in each of them, in words, by the same names.
    clinical
        Clinical data.
    spec
        The analysis that the choices vary.
    choices
        Those that need nothing but the table of slides are gone through, each with all others.
    pooled
        Names of the ways that pool the slides of a patient, who then has one row, and none to
        choose.

    Returns
    -------
    DataFrame
        One row per endpoint and specification: the choices in words, then `CURVE_COLUMNS`.
        ``contrast`` is ``high vs low``, or ``per SD`` where there are no groups.
    """
    rows = []
    for name, table in slides:
        common = spec.model_copy(update={"slides": "first"}) if name in pooled else spec
        for words, one, adjusted in specifications(choices, common):
            patients = build_cohort(table, clinical, one).patients
            covariates = one.adjusted_for if adjusted else ()
            for endpoint in one.endpoints_among(clinical.endpoints):
                estimate = _estimate(
                    of_endpoint(patients, endpoint), covariates, grouped=one.grouping != "none"
                )
                rows.append({**upstream[name], **words, "endpoint": endpoint, **estimate})
    return pd.DataFrame(rows)


def specifications(
    choices: CurveSettings, spec: AnalysisSettings
) -> Iterator[tuple[dict[str, str], AnalysisSettings, bool]]:
    """Yield what is chosen, in words, the analysis that it makes, and whether it adjusts.

    What is not chosen is as analysed. Who is analysed, and in which group, does not depend on
    whether hazard ratios are adjusted: the covariates stay in the analysis, and exclude whom they
    exclude.

    Raises
    ------
    ValueError
        If the choices cannot be made in the analysis.
    """
    choices.check_against(spec)
    measure = spec.trim.measure if spec.trim else "n_tiles"
    trims = [
        None if one == "none" else TrimSettings(measure=measure, percentiles=one)
        for one in choices.trims or ()
    ]
    for score, grouping, trim, adjusted in product(
        choices.scores or (spec.score,),
        choices.groupings or (spec.grouping,),
        trims or (spec.trim,),
        choices.adjusted or (bool(spec.adjusted_for),),
    ):
        words = {
            "score": score,
            "grouping": _words(grouping),
            "trim": f"{trim.percentiles[0]:g}–{trim.percentiles[1]:g} %" if trim else "none",
            "adjusted": "yes" if adjusted else "no",
        }
        changes = {"score": score, "grouping": grouping, "trim": trim}
        yield words, spec.model_copy(update=changes), adjusted


def _words(grouping: Grouping) -> str:
    if isinstance(grouping, Cut):
        return f"cut {grouping.cut:g}"
    if isinstance(grouping, TwoCuts):
        return f"≤ {grouping.low_at_most:g}, > {grouping.high_above:g}"
    return "per SD" if grouping == "none" else grouping


def curve_summary(curve: pd.DataFrame) -> pd.DataFrame:
    """Return, for every endpoint, how far the specifications agree.

    Hazard ratios of groups and those per SD are on different scales, so each contrast has a row.

    Returns
    -------
    DataFrame
        ``endpoint``, ``contrast``, ``specifications``, ``estimated``, ``median_hazard_ratio``,
        ``lowest``, ``highest``, ``share_above_1``, and ``share_p_below_0.05`` in either direction.
    """
    rows = []
    for (endpoint, contrast), found in curve.groupby(["endpoint", "contrast"], sort=False):
        ratios = found["hazard_ratio"].dropna().astype(float)
        rows.append(
            {
                "endpoint": endpoint,
                "contrast": contrast,
                "specifications": len(found),
                "estimated": len(ratios),
                "median_hazard_ratio": ratios.median(),
                "lowest": ratios.min(),
                "highest": ratios.max(),
                "share_above_1": (ratios > 1).mean(),
                "share_p_below_0.05": (found["p"].dropna().astype(float) < 0.05).mean(),
            }
        )
    return pd.DataFrame(rows)


def _estimate(
    frame: pd.DataFrame, covariates: Sequence[Covariate], *, grouped: bool
) -> dict[str, Any]:
    exposure: Covariate = HIGH_VS_LOW if grouped else SCORE
    if not grouped:
        frame = frame.assign(score=per_standard_deviation(frame["score"])[0])
    model = fit_cox(frame, [exposure, *covariates])
    found: dict[str, Any] = {
        "contrast": "high vs low" if grouped else "per SD",
        "n": model.n,
        "events": model.events,
        "status": model.status,
        "reason": model.reason,
    }
    term = model.terms[0] if model.terms else None
    for name in ("hazard_ratio", "lower", "upper", "p"):
        found[name] = getattr(term, name) if term else None
    return {name: found[name] for name in CURVE_COLUMNS if name != "endpoint"}
