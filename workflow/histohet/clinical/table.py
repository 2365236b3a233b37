"""What the clinical tables say of every patient, and which patients they know."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from histohet.clinical.cells import counted, is_missing
from histohet.clinical.endpoints import (
    competing_column,
    endpoints_of,
    event_column,
    months_column,
)
from histohet.clinical.formats import ClinicalError
from histohet.clinical.rows import first_known
from histohet.common.settings import quoted
from histohet.common.sheets import one_line
from histohet.common.tables import read_tsv

PATIENT = "patient"

MOST_SHOWN = 3
"""So many ids are shown of those that do not match."""


@dataclass(frozen=True)
class ClinicalTable:
    """What the clinical tables say of every patient, after all checks.

    Attributes
    ----------
    frame
        One row per patient of any table, or several where columns of conditions tell the rows of a
        patient apart: ``patient``; for every endpoint E ``E_months`` (float64) and ``E_event``
        (Int8, 1 or 0), each missing where it is not known, and where E has competing events
        ``E_competing`` in the same way; then the columns that analyses ask for,
        as text under their own names ("" where the patient has none).
    problems
        ``table``, ``row`` (of the file, from 1), ``patient``, ``column``, ``value``, ``problem``,
        ``consequence``. A row that is in no row of `frame` is in here.
    """

    frame: pd.DataFrame
    problems: pd.DataFrame

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Names of the endpoints."""
        return endpoints_of(self.frame)

    def check_patients(self, patients: Iterable[str]) -> None:
        """Refuse tables that know none of the patients.

        Raises
        ------
        ClinicalError
            With ids of both sides, which are spelled differently.
        """
        wanted, known = list(dict.fromkeys(patients)), self.frame[PATIENT].drop_duplicates()
        if not known.isin(wanted).any():
            there = quoted(map(one_line, known.head(MOST_SHOWN))) or "none"
            raise ClinicalError(
                "no patient of the slides is in the clinical tables: the slide sheet has "
                f"{quoted(wanted[:MOST_SHOWN])}, the tables have {there}; spell them alike: by the "
                "column 'patient' of the sheet, by patient_pattern, or by another column as "
                "'patient' of a table"
            )

    def where(self, conditions: Mapping[str, Collection[str]]) -> pd.DataFrame:
        """Return one row per patient, indexed by patient, of those that meet all conditions.

        A patient of whom none does has the first row. What several rows of a patient disagree on
        is missing.

        Parameters
        ----------
        conditions
            Values of columns.

        Raises
        ------
        ClinicalError
            If no row has any of the values of a column.
        """
        frame = self.frame
        meets = pd.Series(True, index=frame.index)
        for column, values in conditions.items():
            meet, known = frame[column].isin(list(values)), ~is_missing(frame[column])
            if known.any() and not meet.any():
                raise ClinicalError(
                    f"no row has {quoted(values)} in column '{column}', which has "
                    f"{counted(frame.loc[known, column])}"
                )
            meets &= meet
        without = ~frame[PATIENT].isin(frame.loc[meets, PATIENT])
        rows = frame[meets | (without & ~frame[PATIENT].duplicated())]
        patients = rows.pop(PATIENT)
        if not patients.duplicated().any():
            return rows.set_axis(pd.Index(patients, name=PATIENT))
        texts = [column for column in rows.columns if column not in self._of_endpoints]
        gaps = rows.isna()
        gaps[texts] = rows[texts].apply(is_missing)
        one, differ = first_known(rows, [patients], gaps)
        differ[list(conditions)] = False
        one = one.mask(differ)
        one[texts] = one[texts].fillna("")
        return one.set_axis(pd.Index(patients.drop_duplicates(), name=PATIENT))

    @property
    def _of_endpoints(self) -> set[str]:
        names = (months_column, event_column, competing_column)
        return {name(one) for one in self.endpoints for name in names}


def read_clinical_tsv(frame: str | Path, problems: str | Path) -> ClinicalTable:
    """Read clinical data back from the TSV files of its `frame` and its `problems`."""
    return ClinicalTable(read_tsv(frame), read_tsv(problems))
