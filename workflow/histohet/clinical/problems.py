"""Problems of clinical tables, as they are listed: which cell of which row, and what it costs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from histohet.clinical.cells import Finding
from histohet.clinical.endpoints import ROW_USED, left_out
from histohet.clinical.rows import Rows
from histohet.clinical.settings import ClinicalSource

ROW_LEFT_OUT = "row left out"
USED_AS_THEY_ARE = "used as they are"
WHERE_CHOSEN = "used where a condition chooses among the rows, otherwise missing"
OF_ALL_ROWS = {ROW_USED, ROW_LEFT_OUT, USED_AS_THEY_ARE, WHERE_CHOSEN}

PROBLEM_COLUMNS = ("table", "row", "patient", "column", "value", "problem", "consequence")

Note = tuple[str, int, str, str, str, str, str]
"""A problem, by `PROBLEM_COLUMNS`."""


def listed(source: ClinicalSource, findings: Iterable[Finding], rows: Rows) -> list[Note]:
    """Return what was found as problems of the single rows.

    What is wrong with a cell in which joined rows differ is that they do.
    """
    notes: list[Note] = []
    for found in findings:
        raw, differ = rows.raw.loc[found.rows], rows.differ.loc[found.rows]
        for row, patient, cell, words in zip(
            raw.index.tolist(),
            raw[source.patient].tolist(),
            raw[found.column].tolist(),
            differ[found.column].tolist(),
            strict=True,
        ):
            place = (source.name, row, patient, found.column, cell)
            notes.append((*place, words or found.problem, found.consequence))
    return notes


def note_on_table(source: ClinicalSource, column: str, problem: str, consequence: str) -> Note:
    """Return what concerns a whole table, placed at its header."""
    return (source.name, source.skip_lines + 1, "", column, "", problem, consequence)


def of_chosen_rows(notes: Iterable[Note], used: Mapping[int, str]) -> list[Note]:
    """Leave out what rows cost that no condition chooses; say what is the cost of some rows alone.

    Parameters
    ----------
    used
        Rows that any condition chooses, and whose they are.
    """
    rows = Counter(used.values())
    kept = [note for note in notes if note[-1] in OF_ALL_ROWS or note[1] in used]
    affected: defaultdict[tuple[str, ...], set[int]] = defaultdict(set)
    costs = [_cost(note) for note in kept]
    for note, cost in zip(kept, costs, strict=True):
        affected[cost].add(note[1])
    return [
        (*note[:-1], f"{note[-1]} where a condition chooses this row")
        if note[-1] not in OF_ALL_ROWS and len(affected[cost]) < rows[note[2]]
        else note
        for note, cost in zip(kept, costs, strict=True)
    ]


def _cost(note: Note) -> tuple[str, ...]:
    """Return what a problem costs whom: an endpoint by any of its columns, or a covariate."""
    _, _, patient, column, _, _, consequence = note
    return patient, consequence, "" if consequence.startswith(left_out("")) else column


def at_their_cells(notes: Iterable[Note], rows: Rows) -> list[Note]:
    """Place what was found in joined rows, which go by the first, in the rows of the cells."""
    place = {column: rows.place[column].to_dict() for column in rows.place}
    return [(note[0], place.get(note[3], {}).get(note[1], note[1]), *note[2:]) for note in notes]
