"""Specification curve: the hazard ratio under every declared combination of analysis choices.

One analysis out of many that could have been made says little if another choice, as defensible,
had said the opposite (Simonsohn, Simmons and Nelson, Nature Human Behaviour 4:1208, 2020).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pandas as pd

from histohet.analyses import AnalysisSpec, Trim
from histohet.clinical import ClinicalTable
from histohet.cohort import build_cohort, of_endpoint
from histohet.covariates import Covariate
from histohet.cox import fit_cox
from histohet.endpoint_analysis import HIGH_VS_LOW, SCORE
from histohet.grouping import Grouping

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


@dataclass(frozen=True)
class Choices:
    """Choices that need nothing but the table of slides; each is tried with all others.

    Attributes
    ----------
    scores
        Measures of slides.
    groupings
        How the score splits patients; a cut chosen by the outcome is not among them.
    trims
        Whether extremes are left out, and how; None for nobody.
    adjusted
        Whether for the covariates of the analysis.

    Raises
    ------
    ValueError
        If a grouping searches for its cut.
    """

    scores: tuple[str, ...]
    groupings: tuple[Grouping, ...]
    trims: tuple[Trim | None, ...]
    adjusted: tuple[bool, ...]

    def __post_init__(self) -> None:
        if any(grouping.how == "best_cut" for grouping in self.groupings):
            raise ValueError(
                "specification_curve: best_cut has no p-value but that of its search, and no "
                "interval; it cannot be one of many choices"
            )

    @classmethod
    def from_config(cls, config: Mapping[str, Any], spec: AnalysisSpec) -> Choices:
        """Read ``scores``, ``groupings``, ``trims`` and ``adjusted``, by default as analysed."""
        trims = [
            None
            if one == "none"
            else Trim(spec.trim.measure if spec.trim else "n_tiles", tuple(one))
            for one in config.get("trims", ())
        ]
        groupings = tuple(Grouping.from_config(one) for one in config.get("groupings", ()))
        return cls(
            tuple(config.get("scores", (spec.score,))),
            groupings or (spec.grouping,),
            tuple(trims or (spec.trim,)),
            tuple(config.get("adjusted", (bool(spec.covariates),))),
        )

    def specifications(self, spec: AnalysisSpec) -> Iterator[tuple[dict[str, str], AnalysisSpec]]:
        """Yield what is chosen, in words, and the analysis that it makes."""
        for score, grouping, trim, adjusted in product(
            self.scores, self.groupings, self.trims, self.adjusted
        ):
            words = {
                "score": score,
                "grouping": _words(grouping),
                "trim": f"{trim.percentiles[0]:g}–{trim.percentiles[1]:g} %" if trim else "none",
                "adjusted": "yes" if adjusted else "no",
            }
            covariates = spec.covariates if adjusted else ()
            yield (
                words,
                replace(spec, score=score, grouping=grouping, trim=trim, covariates=covariates),
            )


def specification_curve(
    slides: Iterable[tuple[str, pd.DataFrame]],
    upstream: Mapping[str, Mapping[str, str]],
    clinical: ClinicalTable,
    spec: AnalysisSpec,
    choices: Choices,
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
        Those that need nothing but the table of slides.

    Returns
    -------
    DataFrame
        One row per endpoint and specification: the choices in words, then `CURVE_COLUMNS`.
        ``contrast`` is ``high vs low``, or ``per SD`` where there are no groups.
    """
    rows = []
    for name, table in slides:
        for words, one in choices.specifications(spec):
            patients = build_cohort(table, clinical, one).patients
            for endpoint in one.endpoints_among(clinical.endpoints):
                estimate = _estimate(of_endpoint(patients, endpoint), one)
                rows.append({**upstream[name], **words, "endpoint": endpoint, **estimate})
    return pd.DataFrame(rows)


def curve_summary(curve: pd.DataFrame) -> pd.DataFrame:
    """Return, for every endpoint, how far the specifications agree.

    Returns
    -------
    DataFrame
        ``endpoint``, ``specifications``, ``estimated``, ``median_hazard_ratio``, ``lowest``,
        ``highest``, ``share_above_1``, and ``share_p_below_0.05`` in either direction.
    """
    rows = []
    for endpoint, found in curve.groupby("endpoint", sort=False):
        ratios = found["hazard_ratio"].dropna().astype(float)
        rows.append(
            {
                "endpoint": endpoint,
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


def _estimate(frame: pd.DataFrame, spec: AnalysisSpec) -> dict[str, Any]:
    grouped = spec.grouping.how != "none"
    exposure: Covariate = HIGH_VS_LOW if grouped else SCORE
    if not grouped:
        frame = frame.assign(score=_per_sd(frame["score"]))
    model = fit_cox(frame, [exposure, *spec.covariates])
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


def _per_sd(score: pd.Series[float]) -> pd.Series[float]:
    deviation = score.std()
    return (score - score.mean()) / deviation if deviation > 0 else score


def _words(grouping: Grouping) -> str:
    if grouping.how != "cut":
        return {"none": "per SD"}.get(grouping.how, grouping.how)
    if grouping.low_at_most == grouping.high_above:
        return f"cut {grouping.high_above:g}"
    return f"≤ {grouping.low_at_most:g}, > {grouping.high_above:g}"
