"""Finished features of patients: radiomics of CTs, vectors of slides, and what made them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from histohet.fusion.blocks import Kind
from histohet.fusion.errors import FusionError, in_words

ABOUT = ("scan", "patient", "phase", "batch", "scan_day", "status", "reason")
"""Columns that are no features."""

OF_DRAW = ("scan", "patient", "source", "draw")
"""Columns of draws that are no features."""

COMMENT = "#"

SLIDE = "wsi"
"""Column that vectors of slides are told by, in place of patients."""

NAMED = ("encoder", "weights")
"""What tables of vectors must name: 1,024 numbers of one network look like those of another."""


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
    kind
        As of a block.
    unused
        What the table has and the cohort has not, in words; "" if nothing.
    """

    features: pd.DataFrame
    identity: dict[str, str]
    scan_day: pd.Series[float]
    without: dict[str, str]
    draws: pd.DataFrame | None = None
    kind: Kind = "features"
    unused: str = ""


class _Rows(NamedTuple):
    """A table as it stands in its file: names of its columns, cells by row, what made it."""

    header: list[str]
    rows: list[tuple[int, dict[str, str]]]
    identity: dict[str, str]


def read_feature_table(
    path: str | Path,
    draws: str | Path | None = None,
    patients: Mapping[str, str] | None = None,
) -> FeatureTable:
    """Read a table with ``patient`` and a column per feature, tab- or comma-separated.

    With ``wsi`` in place of ``patient`` its rows are vectors of slides, which must name their
    encoder and its weights; of several slides of a patient the mean counts.

    Of several rows of a patient, such as scans, the first with features counts. A ``status`` other
    than ``ok`` means that there are none. What made the features stands in
    ``<path>.provenance.json``, under ``parameters``, as ``engine`` and ``settings`` or all of
    ``made_by``, or in leading lines ``# key: value``.

    Parameters
    ----------
    path
        The table.
    draws
        The same features under several masks, as `histohet.radiomics.table` writes them.
    patients
        Whose the slides of the slide sheet are.

    Raises
    ------
    FusionError
        If a file cannot be read, has no patients or features, a cell is no number, or the draws are
        of another make or lack a feature.
    """
    header, rows, identity = _read(path)
    if SLIDE in header and "patient" not in header:
        return _vectors(_Rows(header, rows, identity), path, patients or {})
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
    everybody = [*values, *without]
    rows_of = [values.get(patient, [np.nan] * len(names)) for patient in everybody]
    features = pd.DataFrame(
        np.array(rows_of, float).reshape(len(everybody), len(names)),
        index=pd.Index(everybody, name="patient", dtype=object),
        columns=names,
    )
    drawn = None if draws is None else _read_draws(draws, names, identity, path)
    return FeatureTable(features, identity, pd.Series(days, dtype=float), without, drawn)


def _vectors(table: _Rows, path: str | Path, patients: Mapping[str, str]) -> FeatureTable:
    """Return the mean vector of the slides of each patient."""
    lacking = [key for key in NAMED if not table.identity.get(key)]
    if lacking:
        raise FusionError(
            f"feature table: {path} does not say of which {' and '.join(lacking)} its vectors are, "
            f"and width is no identity: write '# {lacking[0]}: …' above its header (docs/fusion.md)"
        )
    names = [name for name in table.header if name != SLIDE]
    slides: dict[str, list[float]] = {}
    for number, cells in table.rows:
        slide = cells[SLIDE]
        if is_missing(slide) or slide in slides:
            raise FusionError(
                f"feature table: {path}, row {number}: "
                + ("no slide" if is_missing(slide) else f"slide '{slide}' has two rows")
            )
        slides[slide] = _numbers(cells, names, path, number)
        if not np.isfinite(slides[slide]).all():
            column = names[int(np.argmin(np.isfinite(slides[slide])))]
            raise FusionError(
                f"feature table: {path}, row {number}, column '{column}': a vector has all its "
                "numbers: make it anew, or take the row out"
            )
    unused = [slide for slide in slides if slide not in patients]
    if len(unused) == len(slides):
        raise FusionError(
            f"feature table: none of {len(slides)} slides of {path} is in the slide sheet "
            f"(first: {', '.join(unused[:1]) or 'none'}; there: "
            f"{', '.join(list(patients)[:3]) or 'none'}): spell them alike"
        )
    known = {slide: numbers for slide, numbers in slides.items() if slide in patients}
    vectors = pd.DataFrame.from_dict(known, orient="index", columns=names, dtype=float)
    owners = pd.Index([patients[slide] for slide in known], name="patient")
    return FeatureTable(
        vectors.groupby(owners, sort=False).mean(),
        table.identity,
        pd.Series(dtype=float),
        {},
        kind="vector",
        unused=f"not in the slide sheet: {', '.join(unused)}" if unused else "",
    )


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


def _read(path: str | Path) -> _Rows:
    """Read a table, whose leading lines may say what made it."""
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
    return _Rows(header, rows, _identity(path, comments))


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


def _identity(path: str | Path, comments: Sequence[Sequence[str]]) -> dict[str, str]:
    beside = Path(f"{path}.provenance.json")
    if beside.is_file():
        try:
            parameters = read_json(beside).get("parameters", {})
        except ValueError as error:
            raise FusionError(f"feature table: {error}") from error
        named = dict(_texts_of(parameters, ("engine", "settings")))
        made_by = parameters.get("made_by", {})
        return named | dict(_texts_of(made_by, made_by))
    return dict(_comment(cells) for cells in comments)


def _texts_of(parameters: Mapping[str, Any], keys: Iterable[str]) -> Iterator[tuple[str, str]]:
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
