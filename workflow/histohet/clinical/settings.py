"""Clinical tables, their endpoints and covariates: the list `clinical`, and `covariates`."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from histohet.common.settings import Code, FilePath, Settings, Text, quoted


def _endpoint_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name):
        raise ValueError(f"endpoint '{name}' must be named by letters and digits")
    return name


# Names columns, files and wildcards.
EndpointName = Annotated[str, AfterValidator(_endpoint_name)]
Codes = Annotated[tuple[Code, ...], Field(min_length=1)]


class TimeColumns(Settings):
    """Columns of the times where death and last contact have one each."""

    event: Text = Field(description="Time to the event.")
    censored: Text = Field(description="Time to the last contact of the others.")


class EndpointSettings(Settings):
    """Which columns of a clinical table hold the time and the status of an endpoint."""

    time: Text | TimeColumns = Field(
        description="Column with the times, or `{event: column, censored: column}`."
    )
    unit: Literal["days", "months", "years"] = Field(description="Unit of the times.")
    event: Text = Field(description="Column with the status.")
    events: Codes = Field(description="Codes that mean an event.")
    censored: Codes = Field(description="Codes that mean censored, competing events among them.")

    @model_validator(mode="after")
    def _codes_mean_one_thing(self) -> Self:
        both = sorted(set(self.events) & set(self.censored))
        if both:
            raise ValueError(f"{quoted(both)} stand in 'events' and in 'censored'")
        return self


class ClinicalTable(Settings):
    """A clinical table: of a ready-made format, or spelled out."""

    table: FilePath = Field(description="TSV, CSV or workbook (.xlsx).")
    format: Literal["cbioportal", "tcga_cdr", "gdc"] | None = Field(
        None,
        description="A ready-made mapping. `cbioportal`: clinical data of a study as downloaded "
        "(OS, DSS, DFS, PFS, those that it has). `tcga_cdr`: TCGA Clinical Data Resource, "
        "supplementary table 1 of Liu 2018 (OS, DFI, PFI of sheet `TCGA-CDR`; DSS from `DSS_cr`, "
        "where 2, death of another cause, is censored, and PFS of sheet `ExtraEndpoints`). `gdc`: "
        "patient table of a TCGA project with its three header lines (OS: `death_days_to` of the "
        "dead, `last_contact_days_to` of the living).",
    )
    patient: Text | None = Field(
        None, description="Without a format: column with the patient's id."
    )
    endpoints: tuple[Code, ...] | dict[EndpointName, EndpointSettings] | None = Field(
        None,
        description="With a format, the list of those to take, all if absent. Without: of each "
        "endpoint its columns and codes.",
    )
    sheet: Text | None = Field(None, description="Sheet of a workbook; its first if absent.")
    header_lines: int | None = Field(
        None,
        ge=1,
        description="Lines before the first patient, 1 if absent; the first names the columns.",
    )

    @model_validator(mode="after")
    def _ready_made_or_spelled_out(self) -> Self:
        if (self.format is None) == (self.patient is None):
            raise ValueError("either 'format' or 'patient' must be given")
        if self.format is None and isinstance(self.endpoints, tuple):
            raise ValueError("without a 'format', say what the columns of its 'endpoints' are")
        if self.format is not None:
            if isinstance(self.endpoints, dict):
                raise ValueError("with a 'format', 'endpoints' is the list of those to take")
            if self.sheet is not None or self.header_lines is not None:
                raise ValueError("a 'format' knows its 'sheet' and its 'header_lines'")
        return self


class CovariateSettings(Settings):
    """What hazard ratios are adjusted for: a column of the clinical tables, and how it is coded."""

    column: Text = Field(description="Its header in the clinical table.")
    kind: Literal["numeric", "categorical"] = Field(
        description="Hazard ratio per unit, or of each level against the reference."
    )
    name: Text | None = Field(None, description="What tables and figures call it, if not `column`.")
    reference: Code | None = Field(None, description="Reference level of a categorical covariate.")
    levels: dict[Code, tuple[Code, ...]] | None = Field(
        None, description="Codes of each level; without, each code is a level of its own."
    )
    drop: tuple[Code, ...] = Field(
        (), description="Codes that exclude the patient; an empty one stands for a missing value."
    )
