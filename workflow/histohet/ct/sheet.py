"""The sheet of scans: one row per scan, or one for each mask of it.

A scan is a CT, a CT with masks of a region, or the finished features of another tool.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from histohet.common.sheets import SheetError, is_missing, number_of, read_rows, what_there_is
from histohet.slides.sheet import BY_CAPITALS, PLACEHOLDERS, alike, problem_of_id

OF_SCAN = ("patient", "ct", "features", "phase", "batch", "scan_day")
"""Columns that say the same in every row of a scan, or nothing after its first."""
OF_MASK = ("label", "reader")
FILES = ("ct", "mask", "features")
COLUMNS = ("scan", "patient", *FILES, *OF_MASK, "phase", "batch", "scan_day")


@dataclass(frozen=True)
class MaskRow:
    """One mask of a scan.

    Attributes
    ----------
    path
        Label image.
    labels
        Those that are the region; without any, the only one that it has.
    reader
        Whose it is; "" where the sheet does not say.
    """

    path: str
    labels: tuple[int, ...] = ()
    reader: str = ""


@dataclass(frozen=True)
class ScanRow:
    """One scan of the sheet. Cells without a value are None.

    Attributes
    ----------
    row
        Its first row in the file as an editor shows it.
    scan, patient
        Ids. The patient is the scan itself where the sheet does not say.
    ct
        The volume; None only where there are finished features.
    masks
        The first counts, the others say how stable features are; none where the CT is yet to be
        segmented, or features are finished.
    phase, batch, scan_day
        Contrast phase; scanner or site; day from time zero of the endpoint.
    features
        Table of finished features of another tool: where there is one, CT and masks are not read.
    """

    row: int
    scan: str
    patient: str
    ct: str | None
    masks: tuple[MaskRow, ...]
    phase: str | None = None
    batch: str | None = None
    scan_day: float | None = None
    features: str | None = None

    @property
    def files(self) -> dict[str, str]:
        """Files that are read of it, by column and reader."""
        if self.features is not None:
            return {"features": self.features}
        ct = {} if self.ct is None else {"ct": self.ct}
        return ct | {f"mask {mask.reader}".strip(): mask.path for mask in self.masks}


def read_scan_sheet(path: str | Path) -> dict[str, ScanRow]:
    """Read and check the sheet of scans.

    Raises
    ------
    SheetError
        If it cannot be read, lacks a column or has an unknown one; if a row has neither CT nor
        finished features, a mask without a CT, a label or reader without a mask, an id that cannot
        name files or is another's but for capitals, a label or a day that is none; if rows of a
        scan contradict each other, or its masks are not told apart by ``reader``.
    """
    header, rows = read_rows(path)
    _check_header(header, path)
    scans: dict[str, ScanRow] = {}
    for number, cells in rows:
        where = f"{path}, row {number}"
        row = _scan_row(number, cells, where)
        before = scans.get(row.scan)
        scans[row.scan] = row if before is None else _joined(before, row, where)
    if not scans:
        raise SheetError(f"{path} names no scan: add one row per scan (docs/radiopathomics.md)")
    for one, other in alike(scans):
        raise SheetError(
            f"{path}, row {scans[one].row}: scan '{one}' differs from '{other}' in row "
            f"{scans[other].row} {BY_CAPITALS}"
        )
    return {name: row if row.patient else replace(row, patient=name) for name, row in scans.items()}


def _check_header(header: Sequence[str], path: str | Path) -> None:
    if "scan" not in header:
        raise SheetError(f"{path}: column 'scan' is missing; {what_there_is(header)}")
    if not {"ct", "features"} & set(header):
        raise SheetError(
            f"{path}: there is neither a column 'ct' nor one of finished 'features'; "
            f"{what_there_is(header)}"
        )
    for name in header:
        if name not in COLUMNS:
            raise SheetError(f"{path}: unknown column '{name}'; known are {', '.join(COLUMNS)}")


def _scan_row(number: int, cells: Mapping[str, str], where: str) -> ScanRow:
    given = {name: cells[name] for name in COLUMNS if not is_missing(cells.get(name, ""))}
    for problem in _problems(given):
        raise SheetError(f"{where}: {problem}")
    labels = _labels(given.get("label"), where)
    mask = given.get("mask")
    return ScanRow(
        number,
        given["scan"],
        given.get("patient", ""),
        given.get("ct"),
        () if mask is None else (MaskRow(mask, labels, given.get("reader", "")),),
        given.get("phase"),
        given.get("batch"),
        _day(given.get("scan_day"), where),
        given.get("features"),
    )


def _problems(given: Mapping[str, str]) -> Iterator[str]:
    """Say why a row cannot be used, whatever its files are."""
    for name, cell in given.items():
        if "\n" in cell:
            yield f"a line end in {name}: does a quote not end?"
    if "scan" not in given:
        yield "no scan"
    elif problem := problem_of_id(given["scan"]):
        yield f"scan id {problem}"
    yield from _problems_of_files(given, f"scan '{given.get('scan')}'")


def _problems_of_files(given: Mapping[str, str], scan: str) -> Iterator[str]:
    if not {"ct", "features"} & set(given):
        yield f"{scan} has neither a ct nor finished features"
    elif "mask" in given and "ct" not in given:
        yield f"{scan} has a mask and no ct that it is of"
    for name in OF_MASK:
        if name in given and "mask" not in given:
            yield f"{scan} has a {name} and no mask that it is of"
    for name in FILES:
        if PLACEHOLDERS & set(given.get(name, "")):
            yield (
                f"{name} '{given[name]}' has {{}} or <>, which the workflow takes for variables: "
                "rename it, or make a link to it"
            )


def _labels(cell: str | None, where: str) -> tuple[int, ...]:
    if cell is None:
        return ()
    if not re.fullmatch(r"[1-9][0-9]*(\s*,\s*[1-9][0-9]*)*", cell):
        raise SheetError(f"{where}: label is '{cell}', not a label as 6, or several as 1,2")
    return tuple(sorted({int(label) for label in cell.split(",")}))


def _day(cell: str | None, where: str) -> float | None:
    if cell is None:
        return None
    try:
        return number_of(cell)
    except ValueError as error:
        raise SheetError(f"{where}: scan_day is '{cell}', not a number of days") from error


def _joined(scan: ScanRow, row: ScanRow, where: str) -> ScanRow:
    """Return a scan with one more of its masks."""
    there = f"row {scan.row}"
    for name in OF_SCAN:
        first, now = getattr(scan, name), getattr(row, name)
        if now not in (None, "", first):
            raise SheetError(
                f"{where}: {name} of scan '{scan.scan}' is '{now}', in {there} '{first or ''}'"
            )
    if not (scan.masks and row.masks):
        raise SheetError(
            f"{where}: scan '{scan.scan}' stands in {there} too: several rows of a scan are its "
            "masks, and one of them has none"
        )
    (mask,) = row.masks
    readers = [one.reader for one in scan.masks]
    if not mask.reader or not all(readers):
        raise SheetError(
            f"{where}: scan '{scan.scan}' stands in {there} too: name the reader of each of its "
            "masks in the column 'reader'"
        )
    if mask.reader in readers:
        raise SheetError(f"{where}: reader '{mask.reader}' of scan '{scan.scan}' comes twice")
    return replace(scan, masks=(*scan.masks, mask))
