"""What heterogeneity adds to other predictors: the section `added_value`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from histohet.common.settings import Settings, Several
from histohet.features.settings import Pooling


class AddedValueSettings(Settings):
    """Risk models with and without heterogeneity; without the section none are fitted."""

    pooling: Pooling = Field(
        "mean",
        description="What heterogeneity adds to a slide embedding and to clinical covariates, by "
        "nested cross-validation (docs/added_value.md). Which embedding: `mean`, `attention` or "
        "`chief`, as in `slide_embeddings`, where it need not be named.",
    )
    analysis: str | None = Field(
        None,
        description="Analysis whose patients, score and covariates are used; the first if not "
        "given.",
    )
    folds: int = Field(5, ge=2, description="Folds, outer and inner; every fold needs two events.")
    repeats: int = Field(
        5, ge=1, description="How often patients are dealt into folds anew; results are averages."
    )
    horizons: Several[Annotated[float, Field(gt=0)]] = Field(
        (12, 36, 60),
        description="Months at which AUC and calibration are taken, within the follow-up; "
        "calibration is drawn at the middle one.",
    )
