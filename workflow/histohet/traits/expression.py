"""Measured expression of patients: tables in both layouts, joined by patient."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from histohet.common.settings import did_you_mean, quoted
from histohet.common.sheets import is_missing, number_of, read_lines, rows_under, what_there_is
from histohet.traits.settings import ExpressionTable

LARGEST = 2**33
"""Characters: PanCanAtlas' table of all genes has two thousand million."""

MOST_SHOWN = 3

PROBLEM_COLUMNS = ("table", "patient", "trait", "problem", "consequence")
NO_VALUE = "no value"

Problem = tuple[str, str, str, str, str]
"""By `PROBLEM_COLUMNS`."""


class TraitError(ValueError):
    """Expression, labels or splits cannot be used; the message says which table, trait, patient."""


class Cell(NamedTuple):
    """One measured value: of which sample and trait, where it stands."""

    sample: str
    trait: str
    text: str
    place: str


class Expression(NamedTuple):
    """Expression of patients.

    Attributes
    ----------
    values
        float64, patients by traits; NaN where nothing is known.
    problems
        What was left out.
    """

    values: pd.DataFrame
    problems: list[Problem]


def read_expression(tables: Sequence[ExpressionTable], wanted: Mapping[str, str]) -> Expression:
    """Read the wanted traits of all patients.

    Parameters
    ----------
    tables
        Each trait stands in one of them.
    wanted
        Names of traits in the tables, by ours.

    Raises
    ------
    TraitError
        If a table cannot be used: no such column, a trait in none or in two of them, a value that
        is no number, or negative among counts, no sample that is a patient's.
    """
    found: dict[str, pd.Series[float]] = {}
    source: dict[str, str] = {}
    problems: list[Problem] = []
    names: dict[str, None] = {}
    for table in tables:
        there, cells = _read(table, set(wanted.values()))
        names |= dict.fromkeys(there)
        ours = {theirs: name for name, theirs in wanted.items() if theirs in set(there)}
        for name in ours.values():
            if name in source:
                raise TraitError(
                    f"trait '{name}' ({wanted[name]}) stands in {source[name]} and in "
                    f"{table.table}: name one of them"
                )
            source[name] = table.table
        by_patient, left_out = _by_patient(table, cells, ours)
        problems += left_out
        for name in ours.values():
            found[name], differing = _one_value(table, name, by_patient[name])
            problems += differing
    for name, theirs in wanted.items():
        if name not in found:
            hint = did_you_mean(theirs, names) or f"; such as {quoted(list(names)[:MOST_SHOWN])}"
            raise TraitError(
                f"trait '{name}': '{theirs}' is in none of "
                f"{', '.join(table.table for table in tables)}{hint}"
            )
    values = pd.DataFrame({name: found[name] for name in wanted}, dtype=float)
    values.index.name = "patient"
    return Expression(values.sort_index(), problems)


def _read(table: ExpressionTable, wanted: Collection[str]) -> tuple[list[str], list[Cell]]:
    """Return the names of all traits of a table, and the cells of the wanted ones."""
    lines = read_lines(table.table, LARGEST)
    _, header = next(lines, (0, []))
    if table.id not in header:
        what = what_there_is(header) if header else "it is empty"
        raise TraitError(f"{table.table} has no column '{table.id}'; {what}")
    others = [name for name in header if name != table.id]
    names, cells = dict.fromkeys(others), []
    if table.layout == "traits_in_rows":
        names = {}
    for number, row in rows_under(header, lines, table.table):
        where, name = f"{table.table}, row {number}", row[table.id]
        if table.layout == "patients_in_rows":
            cells += [
                Cell(name, one, row[one], f"{where}, {one}") for one in names if one in wanted
            ]
            continue
        if name in names and name in wanted:
            raise TraitError(f"{where}: '{name}' stands in an earlier row too")
        names[name] = None
        if name in wanted:
            cells += [Cell(one, name, row[one], f"{where}, {one}") for one in others]
    return list(names), cells


def _by_patient(
    table: ExpressionTable,
    cells: Iterable[Cell],
    ours: Mapping[str, str],
) -> tuple[dict[str, dict[str, dict[str, float]]], list[Problem]]:
    """Return the values of each trait by patient and place, and which samples are nobody's."""
    pattern = re.compile(table.sample_pattern or "^(.*)$")
    values: dict[str, defaultdict[str, dict[str, float]]] = {
        name: defaultdict(dict) for name in ours.values()
    }
    others: dict[str, None] = {}
    for cell in cells:
        match = pattern.search(cell.sample)
        patient = match[1] if match else ""
        if not patient:
            others[cell.sample] = None
            continue
        value = _value(table, cell)
        if not math.isnan(value):
            values[ours[cell.trait]][patient][cell.place] = value
    if ours and not any(values.values()):
        unlike = (
            f"no sample matches sample_pattern '{table.sample_pattern}': samples are "
            f"{quoted(list(others)[:MOST_SHOWN])}"
        )
        raise TraitError(f"{table.table}: {unlike if others else f'no value of {quoted(ours)}'}")
    problem = f"{len(others)} samples that do not match sample_pattern, {quoted(list(others)[:1])}"
    left_out = [(table.table, "", "", problem, "left out")] if others else []
    return {name: dict(of_trait) for name, of_trait in values.items()}, left_out


def _value(table: ExpressionTable, cell: Cell) -> float:
    if is_missing(cell.text):
        return math.nan
    try:
        value = number_of(cell.text)
    except ValueError as error:
        raise TraitError(f"{cell.place}: '{cell.text}' is {error}") from error
    if table.counts and value < 0:
        raise TraitError(
            f"{cell.place}: {cell.text} is negative, and `counts` says that none is: are these "
            "z-scores or logarithms?"
        )
    return value


def _one_value(
    table: ExpressionTable, trait: str, values: Mapping[str, Mapping[str, float]]
) -> tuple[pd.Series[float], list[Problem]]:
    """Return one value per patient; samples that differ give none, unless their mean is wanted."""
    problems: list[Problem] = []
    one = {}
    for patient, places in values.items():
        if len(set(places.values())) == 1 or table.several == "mean":
            one[patient] = math.fsum(places.values()) / len(places)
            continue
        shown = "; ".join(f"{place}: {value:g}" for place, value in places.items())
        problems.append(
            (table.table, patient, trait, f"{len(places)} samples that differ ({shown})", NO_VALUE)
        )
    return pd.Series(one, dtype=float), problems
