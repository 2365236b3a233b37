"""Several rows of a patient: joined to one, where they do not contradict each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from histohet.clinical.cells import is_missing
from histohet.common.settings import by_value

Keys = Sequence["pd.Series[str]"]


class Rows(NamedTuple):
    """Rows of a clinical table, all indexed by the row in the file; joined ones by the first.

    Attributes
    ----------
    raw
        Cells as they stand in the file; of joined rows the first that has a value.
    values
        The same as they are compared, "" for further codes of a missing value and where joined rows
        differ.
    differ
        Of cells that joined rows differ in, which rows those are; "" of all others.
    place
        Row of the file that each cell comes from.
    """

    raw: pd.DataFrame
    values: pd.DataFrame
    differ: pd.DataFrame
    place: pd.DataFrame

    def of(self, rows: pd.Series[bool], columns: Sequence[str]) -> Rows:
        """Return some rows and columns."""
        return Rows(*(part.loc[rows, list(columns)] for part in self))


def as_compared(raw: pd.DataFrame, patient: str, missing: Sequence[str]) -> Rows:
    """Return rows as they are compared: 1.0 as 1, all but the patient's id.

    Parameters
    ----------
    raw
        Cells, as text.
    patient
        Column with the id.
    missing
        Further codes of a missing value.
    """
    values = raw.apply(lambda column: column.map(by_value))
    values = values.mask(values.isin(list(missing)), "")
    values[patient] = raw[patient]
    differ = pd.DataFrame("", index=raw.index, columns=raw.columns)
    place = pd.DataFrame(dict.fromkeys(raw.columns, raw.index), index=raw.index)
    return Rows(raw, values, differ, place)


def apart_by(values: pd.DataFrame, patient: str, columns: Sequence[str]) -> Keys:
    """Return what tells rows apart: the patient, and the values of some columns.

    A gap contradicts nothing: a patient with one value elsewhere has that.
    """
    keys = [values[patient]]
    for column in columns:
        known = values[column].mask(is_missing(values[column]))
        of_patient = known.groupby(values[patient])
        only = of_patient.transform("first").where(of_patient.transform("nunique") == 1, "")
        keys.append(known.fillna(only))
    return keys


def chosen(
    values: pd.DataFrame,
    patient: str,
    columns: Collection[str],
    condition: Mapping[str, Collection[str]],
) -> pd.Series[bool]:
    """Return which rows a condition chooses: those that meet it, else the first of the patient.

    Of a condition on other columns too, those of further tables, which rows it may choose.

    Parameters
    ----------
    columns
        Of conditions, and taken from this table.
    """
    here = [column for column in condition if column in columns]
    meets = pd.Series(True, index=values.index)
    for column in here:
        meets &= values[column].isin(list(condition[column]))
    patients = values[patient]
    without = ~patients.isin(patients[meets]) | (len(here) < len(condition))
    return meets | (without & ~patients.duplicated())


def joined(rows: Rows, keys: Keys) -> Rows:
    """Join the rows of the same keys; a gap contradicts nothing, and what differs is missing."""
    gaps = rows.values.apply(is_missing)
    values, differ = first_known(rows.values, keys, gaps)
    raw, _ = first_known(rows.raw, keys, gaps)
    place, _ = first_known(rows.place, keys, gaps)
    words = pd.DataFrame("", index=values.index, columns=values.columns)
    number = numbered(keys)
    for column in differ.columns:
        for first in differ.index[differ[column]]:
            cells = rows.raw[column].loc[(number == number[first]) & ~gaps[column]]
            raw.at[first, column] = " | ".join(cells.unique())
            named = ", ".join(map(str, cells.index))
            words.at[first, column] = f"rows {named} of the patient differ"
    return Rows(raw, values.mask(differ, ""), words, place.astype(int))


def first_known(
    cells: pd.DataFrame, keys: Keys, gaps: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join rows of the same keys: of each column the first cell that is no gap.

    Returns
    -------
    joined
        Indexed by the first of the rows.
    differ
        Which cells of it are not the same in all rows, gaps aside.
    """
    groups = cells.mask(gaps).groupby(numbered(keys).to_numpy(), sort=False)
    first = cells[~numbered(keys).duplicated()]
    found = groups.first().set_axis(first.index)
    return found.where(found.notna(), first), (groups.nunique() > 1).set_axis(first.index)


def numbered(keys: Keys) -> pd.Series[int]:
    """Return a number for each row, the same for the same keys, in the order of the rows."""
    return keys[0].groupby([key.to_numpy() for key in keys], sort=False).ngroup()
