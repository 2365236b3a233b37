"""Tables whose leading lines say what made them: ``# key: value``."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from histohet.common.sheets import SheetError, one_line, read_lines, rows_under

COMMENT = "#"


class AnnotatedTable(NamedTuple):
    """A table as it stands in its file.

    Attributes
    ----------
    header
        Names of its columns.
    rows
        Cells by column, each row with its number as an editor shows it.
    said
        Values of the leading lines, by key; lines without a colon are remarks.
    """

    header: list[str]
    rows: list[tuple[int, dict[str, str]]]
    said: dict[str, str]


def read_annotated(path: str | Path) -> AnnotatedTable:
    """Read a table (`histohet.common.sheets.read_lines`) and the lines above its header.

    Raises
    ------
    SheetError
        If it cannot be read, is empty, a column or a key comes twice, or a row has more cells than
        the header.
    """
    lines = list(read_lines(path))
    above = list(takewhile(lambda line: line[1][0].startswith(COMMENT), lines))
    table = lines[len(above) :]
    if not table:
        raise SheetError(f"{path} is empty")
    said: dict[str, str] = {}
    for number, cells in above:
        # A comma separates cells, and belongs to what the line says.
        text = ", ".join(filter(None, cells)).lstrip(COMMENT)
        key, colon, value = (part.strip() for part in text.partition(":"))
        if colon and key in said:
            raise SheetError(f"{path}, row {number}: '{key}' comes twice")
        if colon:
            said[key] = value
    header = [one_line(name) for name in table[0][1]]
    return AnnotatedTable(header, list(rows_under(header, table[1:], path)), said)
