"""Finished features of a scan, of another tool: a table, and the lines above that say which."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from histohet.common.annotated import AnnotatedTable, read_annotated
from histohet.common.outcome import SlideLost
from histohet.common.settings import quoted
from histohet.common.sheets import SheetError, is_missing, number_of, other_separator
from histohet.radiomics.engine import Identity
from histohet.radiomics.extract import Draw
from histohet.radiomics.table import OF_DRAW, OF_SCAN

LONG = ("name", "value")
"""Columns of a table with a row per feature."""

ENGINE, SETTINGS = "engine", "settings"

NO_FEATURES = "diagnostics_"
"""How columns begin that PyRadiomics writes of itself."""


UNKNOWN = Identity("unknown", {})
"""Of a table that cannot be read."""


class FinishedError(SlideLost):
    """Finished features cannot be used; the message says why."""


def read_finished(path: str, missing: Mapping[str, str]) -> tuple[Draw, Identity, str]:
    """Read the finished features of one scan.

    A row per feature, columns ``name`` and ``value``; or a column per feature, and one row.
    Leading lines say what made them: ``# engine: pyradiomics 3.0.1``, and its settings, such as
    ``# bins: 32`` or all in one as ``# settings: {"bins": 32}``. Columns ``diagnostics_…`` of
    PyRadiomics are no features.

    Parameters
    ----------
    path
        Tab-separated (``.tsv``, ``.txt``) or comma-separated.
    missing
        Files that are not there, and what is wrong with them.

    Returns
    -------
    draw, identity, note
        A cell without a value is NaN, and the note says how many there are.

    Raises
    ------
    FinishedError
        If it cannot be read, does not say what made it, a name is missing or comes twice, a value
        is no finite number, or there are none.
    """
    if path in missing:
        raise FinishedError(f"features: {path} {missing[path]}")
    try:
        table = read_annotated(path)
    except SheetError as error:
        raise FinishedError(f"features: {error}") from error
    identity = _identity(table.said, path)
    cells = _cells(table, path)
    _check_names([name for name, _, _ in cells], path)
    found = {
        name: _number(name, cell, where)
        for name, cell, where in cells
        if not name.startswith(NO_FEATURES)
    }
    empty = [name for name, value in found.items() if math.isnan(value)]
    if len(empty) == len(found):
        raise FinishedError(f"features: {path} has no value")
    note = f"{len(empty)} features without a value (first: {empty[0]})" if empty else ""
    return Draw("mask", 0, found), identity, note


def _identity(said: Mapping[str, str], path: str) -> Identity:
    if not said.get(ENGINE):
        raise FinishedError(
            f"features: {path} does not say what made it: put a line as "
            "'# engine: pyradiomics 3.0.1' above its header, and one for each setting as '# bins: "
            "32'"
        )
    settings = {key: _plain(value) for key, value in said.items() if key != ENGINE}
    together = settings.pop(SETTINGS, {})
    if not isinstance(together, dict):
        together = {SETTINGS: together}
    return Identity(said[ENGINE], {**together, **settings})


def _plain(text: str) -> Any:
    """Return a number, list or truth value as such; other text as it is.

    NaN is text, since it would not even equal itself.
    """
    try:
        return json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return text


def _cells(table: AnnotatedTable, path: str) -> list[tuple[str, str, str]]:
    """Return name and value of every feature, and where it stands."""
    header, rows, _ = table
    if problem := other_separator(header):
        raise FinishedError(f"features: {path}: {problem}")
    if set(LONG) <= set(header):
        others = [name for name in header if name not in LONG]
        if others:
            raise FinishedError(
                f"features: {path} has a column '{others[0]}' beside {quoted(LONG)}"
            )
        return [(row["name"], row["value"], f"{path}, row {number}") for number, row in rows]
    if len(rows) != 1:
        raise FinishedError(
            f"features: {path} has {len(rows)} rows and no columns 'name' and 'value': a scan has "
            "one row (a table of many patients is a block of its own, fusion.tables)"
        )
    ((number, row),) = rows
    return [(name, row[name], f"{path}, row {number}") for name in header]


def _check_names(names: Sequence[str], path: str) -> None:
    missing = sum(map(is_missing, names))
    if missing:
        raise FinishedError(f"features: {path}: {missing} of {len(names)} have no name")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise FinishedError(f"features: {path}: {quoted(twice[:3])} come more than once")
    taken = [name for name in names if name in {*OF_SCAN, *OF_DRAW}]
    if taken:
        raise FinishedError(f"features: {path}: '{taken[0]}' is a column of ours: leave it out")


def _number(name: str, cell: str, where: str) -> float:
    if is_missing(cell):
        return math.nan
    try:
        return number_of(cell)
    except ValueError as error:
        raise FinishedError(f"features: {where}: '{cell}' of '{name}' is {error}") from error
