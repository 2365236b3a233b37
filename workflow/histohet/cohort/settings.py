"""What is tested, on whom, in which groups: the list `analyses`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from histohet.clinical.settings import Covariate
from histohet.common.resources import read_resource
from histohet.common.settings import Code, Name, Settings, did_you_mean, quoted

SLIDE_MEASURES = (
    "n_clusters",
    "n_tiles",
    "scaled_count",
    "hti_possible",
    "hti_observed",
    "hta",
    "hta_p",
    "lowest_score",
    "n_all_clusters",
    "tissue_mm2",
    "epithelium_mm2",
    "n_tissue_tiles",
    "n_glass_tiles",
    "n_clustered_tiles",
    "trait_hti_possible",
    "trait_hti_observed",
    "trait_hti_soft",
    "trait_hti_excess",
    "trait_hta",
    "trait_hta_p",
    "trait_n_positive",
)
"""Measures of the slides, columns of slides.tsv."""

OF_TRAITS = re.compile(
    r"trait_(?:hti_possible|hti_observed|hti_soft|hti_excess|hta_p|hta(?!_p$)|n_positive)"
    r"((?:_[A-Za-z0-9-]+)+)|(?:trait_positive|expression)(_[A-Za-z0-9-]+)"
)
"""Those that are there of the traits that are wanted (section `traits`): of a combination, which is
the first group, or of one trait, the second."""


def _measure(name: str) -> str:
    if name not in SLIDE_MEASURES and not OF_TRAITS.fullmatch(name):
        hint = did_you_mean(name, SLIDE_MEASURES)
        raise ValueError(f"'{name}' is none of {quoted(SLIDE_MEASURES)}{hint}")
    return name


Measure = Annotated[
    str,
    Field(
        json_schema_extra={
            "anyOf": [{"enum": list(SLIDE_MEASURES)}, {"pattern": f"^({OF_TRAITS.pattern})$"}]
        }
    ),
    AfterValidator(_measure),
]
Percent = Annotated[float, Field(ge=0, le=100)]
How = Literal["first", "first_diagnostic", "max", "mean"]

PATIENT_COLUMNS = (
    "patient",
    "slide",
    "n_slides",
    "n_scored",
    "score",
    "n_tiles",
    "group",
    "analysed",
    "excluded_because",
)
"""Columns of the table of patients (`cohort.select`), before those of endpoints and so on."""

N_POOLED = "n_pooled"
"""Column of the table of slides, where those of a patient are pooled: how many they are."""

SLIDE_COUNT = Covariate(column="slide_count", kind="numeric")
"""How many slides of a patient were measured; no clinical table has it."""

RESERVED = (*PATIENT_COLUMNS, "time_months", "event", SLIDE_COUNT.name)
"""What no covariate may be called: statistics take its column beside these."""


def _in_order(percentiles: tuple[float, float]) -> tuple[float, float]:
    low, high = percentiles
    if low >= high:
        raise ValueError(f"percentiles {low:g}, {high:g} must be ordered")
    return percentiles


Percentiles = Annotated[tuple[Percent, Percent], AfterValidator(_in_order)]


class Cut(Settings):
    """Low is at most the cut, high is above."""

    cut: float

    @property
    def limits(self) -> tuple[float, float]:
        """The largest score that is low, and the score above which it is high."""
        return self.cut, self.cut


class TwoCuts(Settings):
    """Low and high, and between them patients in neither."""

    low_at_most: float
    high_above: float

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low_at_most > self.high_above:
            raise ValueError(
                f"low_at_most {self.low_at_most:g} is above high_above {self.high_above:g}"
            )
        return self

    @property
    def limits(self) -> tuple[float, float]:
        """The largest score that is low, and the score above which it is high."""
        return self.low_at_most, self.high_above


Grouping = Literal["quartiles", "median", "best_cut", "none"] | Cut | TwoCuts
"""How a score splits patients. Without an outcome: at percentiles, which interpolate linearly
between order statistics (numpy's ``linear``, R's type 7) over the patients that are analysed, or at
fixed cuts. ``none`` forms no groups, nor does ``best_cut``, whose cut is chosen by the outcome and
belongs to the statistics, with its correction."""


class TrimSettings(Settings):
    """Leave out extremes: kept is what is strictly between the percentiles."""

    measure: Measure = Field(description="Measure whose extremes are left out.")
    percentiles: Percentiles = Field((5, 95), description="HETMAP: 5 and 95.")


class AnalysisSettings(Settings):
    """One analysis; the keys of a published one hold where it has none of its own."""

    model_config = ConfigDict(
        json_schema_extra={
            "required": [],
            "anyOf": [{"required": ["name"]}, {"required": ["preset"]}],
        }
    )

    preset: str | None = Field(
        None,
        description="A published analysis, whose keys hold where the analysis has none of its own. "
        "`hetmap_stad`: HETMAP on TCGA-STAD (tumour clusters, DX1, `STAD_CIN` and `M0`, 5–95 % of "
        "the tumour tiles, quartiles, adjusted for age, T1–2/T3–4 and N; OS from cBioPortal, DSS "
        "and PFS from TCGA-CDR). `pathomch_brca`, `pathomch_luad`: HTI of trait maps, > 0.5 "
        "against ≤ 0.5 and > 0.7 against ≤ 0.3, DX1, OS, capped at 10 years.",
    )
    name: Name = Field(
        description="Names its results: letters, digits, `_`, `-`. By default that of the preset."
    )
    score: Measure = Field(
        "n_clusters",
        description="Any measure of the slide in the cohort table, such as `scaled_count` or "
        "`hti_possible`; not the columns on the certainty of the clusters. With the section "
        "`traits` also `trait_positive_<trait>` and `expression_<trait>`, and `trait_…_<A>_<B>` of "
        "further combinations (docs/traits.md).",
    )
    endpoints: tuple[Code, ...] = Field(
        (), description="Endpoints of the clinical tables; none named: all."
    )
    slides: How = Field(
        "first",
        description="For patients with several slides: `first` measured one in the sheet, `max` or "
        "`mean` of the measured ones, or `first_diagnostic`: TCGA's `-01Z-00-DX1`, without it the "
        "lowest `DX`, by the id alone. If that slide could not be measured, the patient has no "
        "score.",
    )
    where: dict[Code, Annotated[tuple[Code, ...], Field(min_length=1)]] = Field(
        {},
        description="Clinical columns and the values that are kept: `{Subtype: [STAD_CIN]}`. "
        "Conditions hold together.",
    )
    trim: TrimSettings | None = Field(
        None,
        description="`{measure: n_tiles, percentiles: [5, 95]}`: kept is what is strictly between "
        "the percentiles, over the patients that all other conditions leave.",
    )
    grouping: Grouping = Field(
        "quartiles",
        description="`quartiles` (low ≤ 25th, high > 75th percentile, HETMAP), `median`, "
        "`{cut: 0.5}` (low ≤ 0.5), `{low_at_most: 0.3, high_above: 0.7}`. `none` (the score as a "
        "number) and `best_cut` (by the outcome, with its correction) form no groups beforehand.",
    )
    among: Literal["all", "unseen"] = Field(
        "all",
        description="`unseen`: only patients whose trait maps come from models that have not seen "
        "them (section `traits`); of maps that the sheet names nobody knows, and they stay. Under "
        "`cross_fitted` all are.",
    )
    covariates: tuple[Covariate, ...] = Field(
        (),
        description="What hazard ratios are adjusted for: `{column, kind: numeric}` or `{column, "
        "kind: categorical, reference: N0}`; `name` for another name in tables; `levels: {T1-2: "
        '[T1, T2], T3-4: [T3, T4]}` to recode; `drop: [TX]` excludes patients with a code (`""`: '
        "with none), other missing values only leave them out of the adjusted models. With "
        "`levels`, a code that is in none of them and not in `drop` excludes the patient and is "
        "listed as a problem of its row.",
    )
    slide_count: bool = Field(
        False,
        description="Whether hazard ratios are adjusted for the number of measured slides of a "
        "patient, such as cores of a tissue microarray, too: the more there are, the larger is "
        "the largest, and what is counted in all of them together (docs/cores.md).",
    )
    max_months: float | None = Field(
        None, gt=0, description="Follow-up beyond it is censored at it."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: object) -> object:
        if not isinstance(values, Mapping) or "preset" not in values:
            return values
        published, preset = read_resource("analyses"), values["preset"]
        if preset not in published:
            hint = did_you_mean(preset, published)
            raise ValueError(f"preset '{preset}' is none of {quoted(published)}{hint}")
        own = {key: value for key, value in values.items() if key != "preset"}
        return {"name": preset} | published[preset] | own

    @model_validator(mode="after")
    def _covariates_have_names_of_their_own(self) -> Self:
        names = [covariate.name for covariate in self.covariates]
        if len(set(names)) < len(names):
            raise ValueError(f"two covariates share a name: {quoted(names)}")
        for name in names:
            if name in RESERVED:
                raise ValueError(
                    f"covariate '{name}': the cohort table has a column of that name; give it "
                    "another 'name'"
                )
        return self

    @property
    def adjusted_for(self) -> tuple[Covariate, ...]:
        """What hazard ratios are adjusted for: clinical covariates, and the count of slides."""
        return (*self.covariates, *([SLIDE_COUNT] if self.slide_count else []))

    def endpoints_among(self, known: Sequence[str]) -> tuple[str, ...]:
        """Return its endpoints, given those that the clinical tables have.

        Raises
        ------
        ValueError
            If one is not among them, or there are none.
        """
        if not known:
            raise ValueError(
                "no clinical table has an endpoint: say which of their columns hold its time and "
                "status, under `endpoints` of a table in section `clinical`"
            )
        absent = [name for name in self.endpoints if name not in known]
        if absent:
            raise ValueError(
                f"analysis '{self.name}': no clinical table has the endpoint {quoted(absent)}; "
                f"there are {quoted(known)}"
            )
        return self.endpoints or tuple(known)
