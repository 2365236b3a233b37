"""Finished features of patients, such as radiomics of their CTs: a table, and what made it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from histohet.clinical.endpoints import DAYS_PER_MONTH
from histohet.common.files import read_json
from histohet.common.sheets import (
    SheetError,
    is_missing,
    number_of,
    one_line,
    read_lines,
    rows_under,
)
from histohet.fusion.blocks import FusionError

ABOUT = ("scan", "patient", "phase", "batch", "scan_day", "status", "reason")
"""Columns that are no features."""

COMMENT = "#"


class FeatureTable(NamedTuple):
    """Features of patients.

    Attributes
    ----------
    features
        float64, indexed by patient, one row each; NaN where there is none.
    identity
        What made them: ``engine`` and ``settings``, or what the table's leading lines say.
    scan_day
        Of patients whose table tells it, days from time zero of the endpoint.
    without
        Why a patient of the table has no features, by patient.
    """

    features: pd.DataFrame
    identity: dict[str, str]
    scan_day: pd.Series[float]
    without: dict[str, str]


def read_feature_table(path: str | Path) -> FeatureTable:
    """Read a table with ``patient`` and a column per feature, tab- or comma-separated.

    Of several rows of a patient, such as scans, the first with features counts. A ``status`` other
    than ``ok`` means that there are none. What made the features stands in
    ``<path>.provenance.json``, under ``parameters``, as ``engine`` and ``settings``, or in leading
    lines ``# key: value``.

    Raises
    ------
    FusionError
        If the file cannot be read, has no patients or features, or a cell is no number.
    """
    try:
        lines = list(read_lines(path))
        comments = [cells for _, cells in lines if cells[0].startswith(COMMENT)]
        table = [line for line in lines if not line[1][0].startswith(COMMENT)]
        if not table:
            raise SheetError(f"{path} is empty")
        header = [one_line(name) for name in table[0][1]]
        rows = list(rows_under(header, table[1:], path))
    except SheetError as error:
        raise FusionError(f"feature table: {error}") from error
    names = [name for name in header if name not in ABOUT]
    if "patient" not in header or not names:
        lacking = "features" if "patient" in header else "column 'patient'"
        raise FusionError(f"feature table: {path} has no {lacking}")
    values: dict[str, list[float]] = {}
    days: dict[str, float] = {}
    without: dict[str, str] = {}
    for number, cells in rows:
        patient = cells["patient"]
        if is_missing(patient):
            raise FusionError(f"feature table: {path}, row {number}: no patient")
        found = [_number(cells[name], path, number, name) for name in names]
        usable = cells.get("status", "ok") == "ok" and not np.isnan(found).all()
        if patient in values:
            continue
        if not usable:
            without[patient] = cells.get("reason", "") or "no features"
            continue
        values[patient] = found
        without.pop(patient, None)
        if day := cells.get("scan_day", ""):
            days[patient] = _number(day, path, number, "scan_day")
    patients = [*values, *without]
    rows_of = [values.get(patient, [np.nan] * len(names)) for patient in patients]
    features = pd.DataFrame(
        np.array(rows_of, float).reshape(len(patients), len(names)),
        index=pd.Index(patients, name="patient", dtype=object),
        columns=names,
    )
    return FeatureTable(features, _identity(path, comments), pd.Series(days, dtype=float), without)


def _number(cell: str, path: str | Path, row: int, column: str) -> float:
    if is_missing(cell):
        return np.nan
    try:
        return number_of(cell)
    except ValueError as error:
        raise FusionError(
            f"feature table: {path}, row {row}, column '{column}': '{cell}' is {error}"
        ) from error


def _identity(path: str | Path, comments: Sequence[Sequence[str]]) -> dict[str, str]:
    beside = Path(f"{path}.provenance.json")
    if beside.is_file():
        try:
            parameters = read_json(beside).get("parameters", {})
        except ValueError as error:
            raise FusionError(f"feature table: {error}") from error
        return dict(_in_words(parameters, ("engine", "settings")))
    return dict(_comment(cells) for cells in comments)


def _in_words(parameters: Mapping[str, Any], keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    for key in keys:
        if key in parameters:
            value = parameters[key]
            yield key, value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _comment(cells: Sequence[str]) -> tuple[str, str]:
    text = " ".join(cell for cell in cells if cell).removeprefix(COMMENT)
    key, _, value = text.partition(":")
    return key.strip(), value.strip()


def scanned_after(table: FeatureTable, outcome: pd.DataFrame) -> dict[str, str]:
    """Return patients whose features come from a scan after what they are to predict, and why.

    Parameters
    ----------
    table
        With the days of scans.
    outcome
        ``time_months`` and ``state``, indexed by patient.
    """
    day = table.scan_day.reindex(outcome.index)
    late = (day - outcome["time_months"] * DAYS_PER_MONTH)[outcome["state"] > 0]
    return {
        str(patient): f"event {days:.0f} days before the scan"
        for patient, days in late[late > 0].items()
    }
