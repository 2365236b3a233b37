"""Analyses: which score is tested, on whom, against which endpoints, in which groups."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from histohet.clinical.covariates import Covariate
from histohet.cohort.grouping import Grouping
from histohet.common.settings import check_keys, code, codes, quoted

How = Literal["first", "first_diagnostic", "max", "mean"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""Names of analyses: they name folders and wildcards."""

_AJCC = "American Joint Committee on Cancer"

HETMAP_STAD: Mapping[str, Any] = {
    "score": "n_clusters",
    "endpoints": ["OS", "DSS", "PFS"],
    "slides": "first_diagnostic",
    "where": {"Subtype": ["STAD_CIN"], f"{_AJCC} Metastasis Stage Code": ["M0"]},
    "trim": {"measure": "n_tiles", "percentiles": [5, 95]},
    "grouping": "quartiles",
    "covariates": [
        {"column": "Diagnosis Age", "kind": "numeric", "name": "age", "drop": [""]},
        {
            "column": f"{_AJCC} Tumor Stage Code",
            "kind": "categorical",
            "name": "T",
            "levels": {
                "T1-2": ["T1", "T1A", "T1B", "T2", "T2A", "T2B"],
                "T3-4": ["T3", "T4", "T4A", "T4B"],
            },
            "reference": "T1-2",
            "drop": ["TX"],
        },
        {
            "column": f"Neoplasm Disease Lymph Node Stage {_AJCC} Code",
            "kind": "categorical",
            "name": "N",
            "levels": {"N0": ["N0"], "N1": ["N1"], "N2": ["N2"], "N3": ["N3", "N3A", "N3B"]},
            "reference": "N0",
            "drop": ["NX"],
        },
    ],
}
"""HETMAP on TCGA-STAD. OS is from cBioPortal, DSS and PFS are from TCGA-CDR: `clinical` has to say
so, with `endpoints: [OS]` and `endpoints: [DSS, PFS]`."""

_PATHOMCH: Mapping[str, Any] = {
    "score": "trait_hti_possible",
    "endpoints": ["OS"],
    "slides": "first_diagnostic",
    "max_months": 120,
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "hetmap_stad": HETMAP_STAD,
    "pathomch_brca": {**_PATHOMCH, "grouping": {"cut": 0.5}},
    "pathomch_luad": {**_PATHOMCH, "grouping": {"low_at_most": 0.3, "high_above": 0.7}},
}
"""Published analyses by name; PathoMCH's test the heterogeneity of trait maps."""


@dataclass(frozen=True)
class Trim:
    """Leave out patients with an extreme measure: kept is what is strictly between percentiles.

    Percentiles interpolate linearly, over the patients that all other conditions leave.

    Raises
    ------
    ValueError
        If the percentiles are not ordered within 0 and 100.
    """

    measure: str
    percentiles: tuple[float, float]

    def __post_init__(self) -> None:
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(f"trim: percentiles {low:g}, {high:g} must be ordered, 0 to 100")


@dataclass(frozen=True)
class AnalysisSpec:
    """One analysis as it is configured.

    Attributes
    ----------
    name
        Names its results.
    score
        A measure of the slides.
    endpoints
        Endpoints it is tested against; empty for all that the clinical tables have.
    slides
        What counts of a patient with several slides (`histohet.cohort.patients`).
    where
        Clinical columns and the values that are kept.
    trim
        Measure whose extremes are left out.
    grouping
        How the score splits the patients.
    covariates
        What hazard ratios are adjusted for.
    max_months
        Follow-up beyond it is censored at it.

    Raises
    ------
    ValueError
        If the name cannot name a folder, the rule for slides is unknown, a condition has no value,
        two covariates share a name, or the cap is not positive.
    """

    name: str
    score: str = "n_clusters"
    endpoints: tuple[str, ...] = ()
    slides: How = "first"
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    trim: Trim | None = None
    grouping: Grouping = Grouping("quartiles")  # noqa: RUF009  # frozen
    covariates: tuple[Covariate, ...] = ()
    max_months: float | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"analysis '{self.name}': name it by letters, digits, '_' and '-'")
        if self.slides not in get_args(How):
            rules = " | ".join(get_args(How))
            raise ValueError(f"'{self.slides}' is not a rule for several slides: {rules}")
        for column, values in self.where:
            if not values:
                raise ValueError(f"where: '{column}' keeps nobody without values")
        names = [covariate.name for covariate in self.covariates]
        if len(set(names)) < len(names):
            raise ValueError(f"two covariates share a name: {quoted(names)}")
        if self.max_months is not None and not self.max_months > 0:
            raise ValueError(f"max_months must be positive, it is {self.max_months}")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read an analysis; with a ``preset``, its keys stand where the analysis has none.

        Raises
        ------
        ValueError
            If a key or the preset is unknown, or a value unfit; the message names the analysis.
        """
        name = str(config.get("name", config.get("preset", "")))
        try:
            return cls._from_keys(name, _with_preset(config))
        except ValueError as error:
            raise ValueError(f"analysis '{name}': {error}") from error

    @classmethod
    def _from_keys(cls, name: str, config: Mapping[str, Any]) -> Self:
        known = {"name", "preset", *cls.__dataclass_fields__}
        check_keys(config, required=(), known=known, where="it")
        trim = config.get("trim")
        if trim is not None:
            check_keys(trim, {"measure"}, {"measure", "percentiles"}, "'trim'")
            low, high = trim.get("percentiles", (5, 95))
            trim = Trim(str(trim["measure"]), (float(low), float(high)))
        cap = config.get("max_months")
        return cls(
            name=name,
            score=str(config.get("score", "n_clusters")),
            endpoints=codes(config.get("endpoints", ())),
            slides=config.get("slides", "first"),
            where=tuple(
                (str(column), codes(values)) for column, values in config.get("where", {}).items()
            ),
            trim=trim,
            grouping=Grouping.from_config(config.get("grouping", "quartiles")),
            covariates=tuple(Covariate.from_config(one) for one in config.get("covariates", ())),
            max_months=None if cap is None else float(cap),
        )

    @property
    def filter_columns(self) -> tuple[str, ...]:
        """The clinical columns of its conditions."""
        return tuple(column for column, _ in self.where)

    def endpoints_among(self, known: Sequence[str]) -> tuple[str, ...]:
        """Return its endpoints, given those that the clinical tables have.

        Raises
        ------
        ValueError
            If one is not among them, or there are none.
        """
        absent = [name for name in self.endpoints if name not in known]
        if absent or not known:
            there = quoted(known) or "none"
            raise ValueError(
                f"analysis '{self.name}': no clinical table has the endpoint {quoted(absent)}; "
                f"there are {there}"
            )
        return self.endpoints or tuple(known)


def read_analyses(config: Sequence[Mapping[str, Any]]) -> dict[str, AnalysisSpec]:
    """Read the list of analyses from the configuration, by name.

    Raises
    ------
    ValueError
        If an analysis is unfit, or two share a name.
    """
    analyses: dict[str, AnalysisSpec] = {}
    for one in config:
        analysis = AnalysisSpec.from_config(one)
        if analysis.name in analyses:
            raise ValueError(f"two analyses are called '{analysis.name}': give one another 'name'")
        analyses[analysis.name] = analysis
    return analyses


def _with_preset(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the keys of the preset that the analysis does not have."""
    if "preset" not in config:
        return dict(config)
    preset = code(config["preset"])
    if preset not in PRESETS:
        raise ValueError(f"preset '{preset}' is not one of {' | '.join(PRESETS)}")
    return {**PRESETS[preset], **config}
