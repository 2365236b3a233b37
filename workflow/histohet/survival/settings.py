"""How much statistics, and under which choices: `statistics` and `specification_curve`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from histohet.cohort.settings import AnalysisSettings, Cut, Measure, Percentiles, TwoCuts
from histohet.common.settings import FaultyKeyError, Settings, Several


class StatisticsSettings(Settings):
    """How often outcomes are permuted and patients drawn."""

    permutations: int = Field(
        999,
        ge=19,
        description="Permutations of the outcomes behind every permutation p, which is at least "
        "1 / (1 + permutations).",
    )
    bootstrap_replicates: int = Field(
        1000,
        ge=0,
        description="Replicates (of patients) behind the intervals of Harrell's C and of "
        "differences between variants; 0: no intervals.",
    )


class CurveSettings(Settings):
    """Choices under all of which the hazard ratio is estimated, each with all others.

    What is left out stays as it is configured.
    """

    analysis: str | None = Field(
        None, description="The analysis that is varied; the first if not given."
    )
    variants: Several[str] | None = Field(
        None, description="Variants of the method; the configured ones if not given."
    )
    q: Several[Annotated[int, Field(ge=1)]] | None = Field(
        None, description="Values of `clustering.q`."
    )
    k: Several[Annotated[int, Field(ge=1)]] | None = Field(
        None, description="Values of `clustering.k`."
    )
    min_coverage: Several[Annotated[float, Field(ge=0, lt=1)]] | None = Field(
        None, description="Values of `epithelium.min_coverage`."
    )
    scores: Several[Measure] | None = Field(None, description="Scores of the analysis.")
    groupings: Several[Literal["quartiles", "median", "none"] | Cut | TwoCuts] | None = Field(
        None, description="Groupings of the analysis, other than `best_cut`."
    )
    trims: Several[Literal["none"] | Percentiles] | None = Field(
        None, description="`none`, or percentiles such as `[5, 95]`."
    )
    adjusted: Several[bool] | None = Field(
        None,
        description="Whether hazard ratios are adjusted for the covariates of the analysis, which "
        "changes neither patients nor groups.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("it names no choice")
        return self

    def check_against(self, analysis: AnalysisSettings) -> None:
        """Check that the choices can be made in an analysis.

        Raises
        ------
        FaultyKeyError
            If there is nothing to adjust for, or the cut is searched.
        """
        if any(self.adjusted or ()) and not analysis.adjusted_for:
            raise FaultyKeyError("adjusted", f"analysis '{analysis.name}' has no covariates")
        if self.groupings is None and analysis.grouping == "best_cut":
            raise FaultyKeyError(
                "groupings",
                f"best_cut, as in analysis '{analysis.name}', has no p-value but that of its "
                "search, and no interval; it cannot be one of many choices",
            )
