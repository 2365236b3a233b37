"""Clinical tables, their endpoints and covariates: the list `clinical`, and `covariates`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import combinations
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from histohet.common.resources import read_resource
from histohet.common.settings import Code, FilePath, Settings, Text, did_you_mean, quoted


def _endpoint_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name):
        raise ValueError(f"endpoint '{name}' must be named by letters and digits")
    return name


MISSING = (
    "Further codes that mean no value, such as 999; those of cBioPortal, TCGA, the GDC, R, pandas "
    "and spreadsheets are known (`[Discrepancy]`, `'--`, Not Reported, Unknown, NA, …)."
)

# Names columns, files and wildcards.
EndpointName = Annotated[str, AfterValidator(_endpoint_name)]
Codes = Annotated[tuple[Code, ...], Field(min_length=1)]
TimeUnit = Literal["days", "months", "years"]


class TimeColumns(Settings):
    """Columns of the times where death and last contact have one each."""

    event: Text = Field(description="Time to the event.")
    censored: Text = Field(description="Time to the last contact of the others.")


class CompetingEvents(Settings):
    """Competing events with columns of their own, such as death beside metastasis."""

    column: Text = Field(description="Column with their status.")
    events: Codes = Field(description="Codes that mean one of them.")
    censored: Codes = Field(description="Codes that mean none of them.")
    time: Text | None = Field(
        None, description="Column with the time to them; that of the last contact if absent."
    )


class EndpointSettings(Settings):
    """Which columns of a clinical table hold the time and the status of an endpoint."""

    time: Text | TimeColumns = Field(
        description="Column with the times, or `{event: column, censored: column}`."
    )
    unit: TimeUnit = Field(description="Unit of the times.")
    event: Text = Field(description="Column with the status.")
    events: Codes = Field(description="Codes that mean an event.")
    censored: Codes = Field(
        description="Codes that mean censored; competing events among them, where `competing` does "
        "not name them."
    )
    competing: tuple[Code, ...] | CompetingEvents = Field(
        (),
        description="Codes of events after which this one cannot happen, such as death before "
        "metastasis, or `{column, events, censored, time}` where they have columns of their own, "
        "of which those before the event count. Survival analyses take them as censored; the "
        "section `fusion` predicts risks beside them.",
    )

    @model_validator(mode="after")
    def _codes_mean_one_thing(self) -> Self:
        meanings = {"events": self.events, "censored": self.censored}
        meanings["competing"] = self.competing_codes
        _check_meanings(meanings)
        if self.competing_apart:
            if self.competing_apart.column == self.event:
                raise ValueError(
                    f"column '{self.event}' is that of the event: 'competing' needs its codes alone"
                )
            _check_meanings(
                {
                    "competing.events": self.competing_apart.events,
                    "competing.censored": self.competing_apart.censored,
                }
            )
        return self

    @property
    def competing_codes(self) -> tuple[str, ...]:
        """Codes of competing events in the column of the status."""
        return self.competing if isinstance(self.competing, tuple) else ()

    @property
    def competing_apart(self) -> CompetingEvents | None:
        """Competing events with columns of their own."""
        return None if isinstance(self.competing, tuple) else self.competing

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the status that are known."""
        return (*self.events, *self.censored, *self.competing_codes)

    @property
    def event_time(self) -> str:
        """Column with the time to the event."""
        return self.time if isinstance(self.time, str) else self.time.event

    @property
    def censored_time(self) -> str:
        """Column with the time to the last contact of the others; mostly the same."""
        return self.time if isinstance(self.time, str) else self.time.censored

    @property
    def competing_time(self) -> str:
        """Column with the time to competing events."""
        apart = self.competing_apart
        return apart.time if apart and apart.time else self.censored_time

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, each once."""
        apart = [self.competing_apart.column] if self.competing_apart else []
        named = [self.event_time, self.censored_time, self.competing_time, self.event, *apart]
        return tuple(dict.fromkeys(named))


def _check_meanings(meanings: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse codes that stand in two of some keys."""
    for one, other in combinations(meanings, 2):
        both = sorted(set(meanings[one]) & set(meanings[other]))
        if both:
            raise ValueError(f"{quoted(both)} stand in '{one}' and in '{other}'")


class ClinicalSource(Settings):
    """A clinical table, or one sheet of a workbook, and what its columns mean."""

    table: FilePath = Field(description="TSV, CSV or workbook (.xlsx).")
    patient: Text = Field(description="Column with the patient's id.")
    endpoints: dict[EndpointName, EndpointSettings] = Field(
        {}, description="Endpoints that are taken from it, and their columns."
    )
    sheet: str = Field("", description="Sheet of a workbook; its first if empty.")
    skip_lines: int = Field(
        0, ge=0, description="Lines above the header, such as a title; empty ones count."
    )
    header_lines: int = Field(
        1,
        ge=1,
        description="Lines of the header. The first names the columns; where it uses a name twice, "
        "the second does.",
    )
    missing: tuple[Code, ...] = Field((), description=MISSING)
    follow_up: bool = Field(
        False,
        description="Whether rows are forms of follow-up, of which a patient has several, here and "
        "in further tables: an event in any of them counts, else a competing one, else the latest "
        "contact.",
    )

    @property
    def name(self) -> str:
        """How messages call it; a table that is text, such as one exported, has no sheets."""
        in_workbook = self.sheet and self.table.lower().endswith((".xlsx", ".xlsm"))
        return f"{self.table}, sheet {self.sheet}" if in_workbook else self.table


class FormatTable(ClinicalSource):
    """A table, or sheet of one, of a ready-made format: also what a user need not say."""

    format: str
    lacks: str = Field(
        "", description="What such a table alone does not hold, and what to do about it."
    )
    noted: tuple[Text, ...] = Field(
        (), description="Columns whose entries are listed with their rows, where there are any."
    )
    dates: dict[EndpointName, TimeColumns] = Field(
        {},
        description="Columns of the times of the event and of the last contact, where an endpoint "
        "has its time from a third: what contradicts its status is listed.",
    )

    def endpoint_by_dates(self, name: str, header: Collection[str]) -> EndpointSettings | None:
        """Return an endpoint with the times of `dates`; None where the table has none."""
        dates = self.dates.get(name)
        if dates is None or not {dates.event, dates.censored} <= set(header):
            return None
        return self.endpoints[name].model_copy(update={"time": dates})


class ReadyMadeTable(Settings):
    """A clinical table of a ready-made format."""

    table: FilePath = Field(description="TSV, CSV or workbook (.xlsx).")
    format: str = Field(
        description="One of `resources/clinical_formats.yaml`, where more can be added. "
        "`cbioportal`: clinical data of a study as downloaded (OS, DSS, DFS, PFS, RFS, those that "
        "it has). `cbioportal_study`: `data_clinical_patient.txt` of a study of its Datahub. "
        "`tcga_cdr`: TCGA Clinical Data Resource, supplementary table 1 of Liu 2018 (OS, DFI, PFI "
        "of sheet `TCGA-CDR`; DSS from `DSS_cr`, where 2, death of another cause, is censored, and "
        "PFS of sheet `ExtraEndpoints`). `gdc`: tables of a TCGA project with their three header "
        "lines, the patient table and each of its `clinical_follow_up` tables (OS: "
        "`death_days_to` of whoever is dead in any, else the latest `last_contact_days_to`)."
    )
    endpoints: tuple[Code, ...] | None = Field(
        None, description="Endpoints to take of it; all whose columns are there, if absent."
    )
    missing: tuple[Code, ...] = Field((), description=MISSING)

    @field_validator("format")
    @classmethod
    def _is_known(cls, name: str) -> str:
        formats = read_resource("clinical_formats")
        if name not in formats:
            hint = did_you_mean(name, formats)
            raise ValueError(f"format '{name}' is none of {quoted(formats)}{hint}")
        return name

    @model_validator(mode="after")
    def _has_the_endpoints(self) -> Self:
        there = sorted(name for source in self.sources() for name in source.endpoints)
        unknown = [name for name in self.endpoints or () if name not in there]
        if unknown:
            raise ValueError(
                f"format '{self.format}' has no endpoint {quoted(unknown)}; it has {quoted(there)}"
            )
        return self

    def sources(self) -> list[FormatTable]:
        """Return the tables, or sheets, of the format, with all their endpoints."""
        return tables_of_format(self.format, self.table, self.missing)


def tables_of_format(name: str, table: str, missing: tuple[str, ...] = ()) -> list[FormatTable]:
    """Return what a file consists of if it is of a ready-made format."""
    parts = read_resource("clinical_formats")[name]
    return [FormatTable(table=table, format=name, missing=missing, **part) for part in parts]


def _kind_of_table(values: object) -> str | None:
    if isinstance(values, Mapping) and not {"format", "patient"} & set(values):
        return None
    ready_made = "format" in values if isinstance(values, Mapping) else hasattr(values, "format")
    return "ready-made" if ready_made else "spelled out"


ClinicalTableSettings = Annotated[
    Annotated[ReadyMadeTable, Tag("ready-made")] | Annotated[ClinicalSource, Tag("spelled out")],
    Discriminator(
        _kind_of_table,
        custom_error_type="no_kind",
        custom_error_message="either 'format' or 'patient' must be given",
    ),
]


class Covariate(Settings):
    """What hazard ratios are adjusted for: a column of the clinical tables, and how it is coded."""

    column: Text = Field(description="Its header in the clinical table.")
    kind: Literal["numeric", "categorical"] = Field(
        description="Hazard ratio per unit, or of each level against the reference."
    )
    name: Text = Field("", description="What tables and figures call it, if not `column`.")
    reference: Code = Field("", description="Reference level of a categorical covariate.")
    levels: dict[Code, tuple[Code, ...]] = Field(
        {},
        description="Codes of each level; without, each code is a level of its own, and the list "
        "of problems says which there are. A code in no level excludes the patient and is a "
        "problem of its row.",
    )
    drop: tuple[Code, ...] = Field(
        (),
        description="Codes that exclude the patient; an empty one stands for a missing value, "
        "which otherwise only leaves the patient out of the models with this covariate.",
    )

    @model_validator(mode="before")
    @classmethod
    def _is_called_as_its_column(cls, values: object) -> object:
        if isinstance(values, Mapping) and "column" in values:
            return {"name": values["column"], **values}
        return values

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "categorical" and not self.reference:
            raise ValueError(f"covariate '{self.name}' is categorical and needs a reference level")
        if self.kind == "numeric" and (self.reference or self.levels):
            what = "reference level" if self.reference else "levels"
            raise ValueError(f"covariate '{self.name}' is numeric and has no {what}")
        if self.reference and self.reference in self.drop:
            raise ValueError(f"covariate '{self.name}' drops its own reference level")
        if self.levels and self.reference not in self.levels:
            raise ValueError(
                f"covariate '{self.name}': reference '{self.reference}' is none of its levels "
                f"{quoted(self.levels)}"
            )
        meant = [one for level in self.levels.values() for one in level] + list(self.drop)
        twice = sorted({one for one in meant if meant.count(one) > 1})
        if twice:
            raise ValueError(
                f"covariate '{self.name}': {quoted(twice)} must be in one level, or in 'drop'"
            )
        return self
