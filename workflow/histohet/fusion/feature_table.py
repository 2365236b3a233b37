"""Finished features of patients, such as radiomics of their CTs: a table, and what made it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from histohet.clinical.endpoints import DAYS_PER_MONTH
from histohet.common.annotated import read_annotated
from histohet.common.files import read_json
from histohet.common.sheets import SheetError, is_missing, number_of
from histohet.fusion.blocks import FusionError

ABOUT = ("scan", "patient", "phase", "batch", "scan_day", "region_from", "status", "reason")
"""Columns that are no features."""

OF_DRAW = ("scan", "patient", "source", "draw")
"""Columns of draws that are no features."""


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
    draws
        The features of scans under several masks, indexed by patient, with ``scan`` and ``source``;
        None without such a table.
    """

    features: pd.DataFrame
    identity: dict[str, str]
    scan_day: pd.Series[float]
    without: dict[str, str]
    draws: pd.DataFrame | None = None


class _Rows(NamedTuple):
    """A table as it stands in its file: names of its columns, cells by row, what made it."""

    header: list[str]
    rows: list[tuple[int, dict[str, str]]]
    identity: dict[str, str]


def read_feature_table(path: str | Path, draws: str | Path | None = None) -> FeatureTable:
    """Read a table with ``patient`` and a column per feature, tab- or comma-separated.

    Of several rows of a patient, such as scans, the first with features counts. A ``status`` other
    than ``ok`` means that there are none. What made the features stands in
    ``<path>.provenance.json``, under ``parameters``, as ``engine`` and ``settings``, or in leading
    lines ``# key: value``.

    Parameters
    ----------
    path
        The table.
    draws
        The same features under several masks, as `histohet.radiomics.table` writes them.

    Raises
    ------
    FusionError
        If a file cannot be read, has no patients or features, a cell is no number, or the draws are
        of another make or lack a feature.
    """
    header, rows, identity = _read(path)
    names = [name for name in header if name not in ABOUT]
    if "patient" not in header or not names:
        lacking = "features" if "patient" in header else "column 'patient'"
        raise FusionError(f"feature table: {path} has no {lacking}")
    values: dict[str, list[float]] = {}
    days: dict[str, float] = {}
    without: dict[str, str] = {}
    for number, cells in rows:
        patient = _patient(cells, path, number)
        found = _numbers(cells, names, path, number)
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
    drawn = None if draws is None else _read_draws(draws, names, identity, path)
    return FeatureTable(features, identity, pd.Series(days, dtype=float), without, drawn)


def _read_draws(
    path: str | Path, names: Sequence[str], identity: Mapping[str, str], features: str | Path
) -> pd.DataFrame:
    """Read the draws of features that were made in the same way."""
    header, rows, made_by = _read(path)
    lacking = [name for name in (*OF_DRAW, *names) if name not in header]
    if lacking:
        raise FusionError(f"feature table: {path} has no column '{lacking[0]}'")
    if made_by != identity:
        raise FusionError(
            f"features of {path} come from {in_words(made_by)}; those of {features} from "
            f"{in_words(identity)}: make both anew, or take {Path(path).name} away"
        )
    numbers = [_numbers(cells, names, path, number) for number, cells in rows]
    patients = [_patient(cells, path, number) for number, cells in rows]
    draws = pd.DataFrame(
        np.array(numbers, float).reshape(len(rows), len(names)),
        index=pd.Index(patients, name="patient", dtype=object),
        columns=list(names),
    )
    for name in ("scan", "source"):
        draws[name] = [cells[name] for _, cells in rows]
    return draws


def in_words(identity: Mapping[str, str]) -> str:
    """Return what made the columns of a block."""
    return ", ".join(f"{key} {value}" for key, value in identity.items()) or "an unknown source"


def _read(path: str | Path) -> _Rows:
    """Read a table, whose leading lines may say what made it."""
    try:
        header, rows, said = read_annotated(path)
    except SheetError as error:
        raise FusionError(f"feature table: {error}") from error
    return _Rows(header, rows, _identity(path, said))


def _patient(cells: Mapping[str, str], path: str | Path, row: int) -> str:
    if is_missing(cells["patient"]):
        raise FusionError(f"feature table: {path}, row {row}: no patient")
    return cells["patient"]


def _numbers(
    cells: Mapping[str, str], names: Sequence[str], path: str | Path, row: int
) -> list[float]:
    return [_number(cells[name], path, row, name) for name in names]


def _number(cell: str, path: str | Path, row: int, column: str) -> float:
    if is_missing(cell):
        return np.nan
    try:
        return number_of(cell)
    except ValueError as error:
        raise FusionError(
            f"feature table: {path}, row {row}, column '{column}': '{cell}' is {error}"
        ) from error


def _identity(path: str | Path, said: dict[str, str]) -> dict[str, str]:
    beside = Path(f"{path}.provenance.json")
    if beside.is_file():
        try:
            parameters = read_json(beside).get("parameters", {})
        except ValueError as error:
            raise FusionError(f"feature table: {error}") from error
        return dict(_texts_of(parameters, ("engine", "settings")))
    return said


def _texts_of(parameters: Mapping[str, Any], keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    for key in keys:
        if key in parameters:
            value = parameters[key]
            yield key, value if isinstance(value, str) else json.dumps(value, sort_keys=True)


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
