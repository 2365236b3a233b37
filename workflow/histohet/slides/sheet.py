"""The slide sheet: one row per slide, what to analyse and what is already known about it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

from histohet.common.files import why_no_file
from histohet.common.sheets import SheetError, is_missing, read_rows, what_there_is

SLIDE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Ids name files and wildcards: letters, digits, dot, underscore, hyphen."""

MOST_NAMED = 20
"""So many problems of a sheet are named in a message: one of all rows has as many as these."""

PLACEHOLDERS = frozenset("{}<>")
"""Snakemake takes what is between them in a path for the name of a wildcard or a pathvar."""

LONGEST_ID = 200
"""File names may have 255 bytes, and ids are only their middle."""

BY_CAPITALS = "by capitals only, and file systems of Windows and macOS do not tell them apart"


@dataclass(frozen=True)
class SlideRow:
    """One slide of the sheet. Cells without a value are None.

    Attributes
    ----------
    row
        Row number in the file as an editor shows it (the header is row 1).
    slide, patient
        Ids. The patient is the slide itself where the sheet does not say.
    path
        The slide file. May be missing for a slide that brings finished features.
    mpp
        Micrometres per pixel, as written; not yet judged.
    region
        The part of the file that is the slide, ``x,y,width,height`` in level-0 px; as written.
    core_diameter_um
        Diameter of a tissue core, in the middle of the slide; as written.
    mask
        Epithelium: label image, or polygons in GeoJSON.
    attention
        Tumour attention per tile, CSV.
    traits
        Binary trait maps, one row per tile, TSV.
    truth
        Known label per tile, TSV (phantoms).
    tissue_preset
        Tissue segmentation preset for this slide alone.
    features
        Finished features of another tool, HDF5.
    tiles
        Tiles of these features, where they do not say themselves how large they are (CLAM).
    tile_px_level0
        Side of these tiles in level-0 px, where no file says it; as written, not yet judged.
    """

    row: int
    slide: str
    patient: str
    path: str | None
    mpp: str | None = None
    region: str | None = None
    core_diameter_um: str | None = None
    mask: str | None = None
    attention: str | None = None
    traits: str | None = None
    truth: str | None = None
    tissue_preset: str | None = None
    features: str | None = None
    tiles: str | None = None
    tile_px_level0: str | None = None

    @property
    def files(self) -> dict[str, str]:
        """Files that this row names, by column."""
        named = {
            "path": self.path,
            "mask": self.mask,
            "attention": self.attention,
            "traits": self.traits,
            "truth": self.truth,
            "features": self.features,
            "tiles": self.tiles,
        }
        return {column: file for column, file in named.items() if file}

    def problems_of_files(self, missing: Mapping[str, str]) -> list[str]:
        """Say what is wrong with the files of this row, of which `missing_files` are missing."""
        problems = [
            f"{column}: {file} {missing[file]}"
            for column, file in self.files.items()
            if file in missing
        ]
        if self.mask is not None and self.path is None:
            problems.append(
                "a mask is placed by the size and bounds of its slide: give its path too"
            )
        return problems


NOT_THERE = "does not exist"
NOT_EXPANDED = {
    "://": "it is an address, and a path is needed: copy the file to a disk",
    "~": "~ is not expanded, write the whole path",
    "$": "variables are not expanded, write the whole path",
    "\\": "folders are separated by / here",
}
"""Signs of what a path is not, and what to do; said of files that are not there."""

COMPANIONS = ("mask", "attention", "traits", "truth")
"""Columns of files that lie beside a slide, and may change while it stays."""
REQUIRED = ("slide",)
STARTS = ("path", "features")
"""What a slide can be analysed from: one of them is needed."""
COLUMNS = tuple(field.name for field in fields(SlideRow) if field.name != "row")


@dataclass(frozen=True)
class SlideSheet:
    """Rows of the sheet: the first row of every id, and the row numbers of ids that come twice."""

    slides: dict[str, SlideRow]
    duplicates: dict[str, tuple[int, ...]]


class NamesFiles(Protocol):
    """A row of a sheet."""

    @property
    def files(self) -> dict[str, str]:
        """Files that it names, by column."""


def missing_files(rows: Iterable[NamesFiles]) -> dict[str, str]:
    """Return the files that rows name and that are not there, each with what is wrong with it."""
    named = sorted({file for row in rows for file in row.files.values()})
    return {
        file: f"{unfit}{_hint(file)}" if unfit == NOT_THERE else unfit
        for file in named
        if (unfit := why_no_file(file))
    }


def _hint(file: str) -> str:
    """Say what is likely wrong with the path of a file that does not exist; "" if nobody knows."""
    for sign, remedy in NOT_EXPANDED.items():
        if sign in file:
            return f": {remedy}"
    there = _spelt_otherwise(Path(file))
    if there is None:
        return ""
    if unicodedata.normalize("NFC", there) == unicodedata.normalize("NFC", file):
        return (
            ", but a file whose name looks the same: its letters are composed otherwise (Unicode, "
            "as macOS does): rename it, or copy its name from the folder"
        )
    return f"; there is {there}"


def _spelt_otherwise(file: Path) -> str | None:
    """Return the file whose path differs by capitals and by the form of Unicode alone, if any."""
    found = Path(file.anchor)
    for part in file.relative_to(file.anchor).parts:
        if not (found / part).exists():
            try:
                alike = [one.name for one in found.iterdir() if _plain(one.name) == _plain(part)]
            except OSError:
                return None
            if len(alike) != 1:
                return None
            part = alike[0]
        found /= part
    return str(found)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def read_slide_sheet(path: str | Path, patient_pattern: str | None = None) -> SlideSheet:
    """Read and check the slide sheet.

    Parameters
    ----------
    path
        The sheet.
    patient_pattern
        Regular expression with one group, which is the patient in the id of a slide, such as
        ``^(TCGA-..-....)``, for rows without a patient. Without it, each is a patient of its own.

    Raises
    ------
    SheetError
        If the pattern cannot be used, or a slide without patient does not match it.
        If a required column is missing, a column is unknown (a typo would otherwise be ignored),
        an id is empty, cannot name a file or is another's but for capitals, a row has neither path
        nor features, or a path has one of `PLACEHOLDERS`. The first `MOST_NAMED` are listed.
    """
    header, rows = read_rows(path)
    _check_header(header, path)
    pattern = _patient_pattern(patient_pattern)
    found = [_slide_row(number, cells, pattern) for number, cells in rows]
    slides: dict[str, SlideRow] = {}
    places: dict[str, list[int]] = {}
    for row in found:
        slides.setdefault(row.slide, row)
        places.setdefault(row.slide, []).append(row.row)
    problems = [
        f"row {row.row}: {problem}" for row in found for problem in _problems(row, patient_pattern)
    ]
    problems += [
        f"row {slides[one].row}: slide '{one}' differs from '{other}' in row {slides[other].row} "
        f"{BY_CAPITALS}"
        for one, other in alike(slides)
    ]
    if problems:
        more = len(problems) - MOST_NAMED
        named = "; ".join(problems[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
        raise SheetError(f"{path}: {named}")
    if not slides:
        raise SheetError(f"{path} names no slide: add one row per slide (config/README.md)")
    duplicates = {slide: tuple(rows) for slide, rows in places.items() if len(rows) > 1}
    return SlideSheet(slides, duplicates)


def _check_header(header: Sequence[str], path: str | Path) -> None:
    missing = [name for name in REQUIRED if name not in header]
    missing += [] if set(STARTS) & set(header) else STARTS[:1]
    if missing:
        raise SheetError(f"{path}: column '{missing[0]}' is missing; {what_there_is(header)}")
    unknown = [name for name in header if name not in COLUMNS]
    if unknown:
        raise SheetError(f"{path}: unknown column '{unknown[0]}'; known are {', '.join(COLUMNS)}")


def _slide_row(number: int, cells: Mapping[str, str], pattern: re.Pattern[str]) -> SlideRow:
    """Return a row as it is written, its patient found in its id if there is no other."""
    given = {name: None if is_missing(cells.get(name, "")) else cells[name] for name in COLUMNS[1:]}
    named = pattern.search(cells["slide"])
    patient = given.pop("patient") or (named[1] if named else "")
    return SlideRow(number, cells["slide"], patient or "", **given)


def _problems(row: SlideRow, patient_pattern: str | None) -> Iterator[str]:
    """Say why a row cannot be used whatever its files are."""
    slide, broken = row.slide, _broken_cells(row)
    if broken:
        yield f"a line end in {', '.join(broken)}: does a quote not end?"
    elif problem := problem_of_id(slide):
        yield f"slide id {problem}"
    elif row.path is None and row.features is None:
        yield f"slide '{slide}' has no path (and no features)"
    if not row.patient and not broken:
        yield (
            f"slide '{slide}' has no patient, and its id does not match "
            f"patient_pattern '{patient_pattern}'"
        )
    for column, file in row.files.items():
        if PLACEHOLDERS & set(file) and not broken:
            yield (
                f"{column} '{file}' has {{}} or <>, which the workflow takes for variables: rename "
                "it, or make a link to it"
            )


def _broken_cells(row: SlideRow) -> list[str]:
    """Return the columns whose cells go over several lines: no name of ours does."""
    cells = {"slide": row.slide, "patient": row.patient, **row.files}
    return [column for column, cell in cells.items() if "\n" in cell]


def problem_of_id(name: str) -> str | None:
    """Say why an id, which the message begins with, cannot name files; None if it can."""
    if not SLIDE_ID.fullmatch(name):
        return (
            f"'{name}' must be letters, digits, '.', '_' or '-', beginning with a letter or digit"
        )
    if len(name) > LONGEST_ID:
        room = f"names of files have room for {LONGEST_ID}"
        return f"'{name[:20]}…' has {len(name)} characters, {room}"
    return None


def alike(ids: Iterable[str]) -> list[tuple[str, str]]:
    """Return the ids that differ from an earlier one by capitals only, each with that one."""
    first: dict[str, str] = {}
    pairs = [(one, first.setdefault(one.lower(), one)) for one in ids]
    return [(one, other) for one, other in pairs if one != other]


def _patient_pattern(text: str | None) -> re.Pattern[str]:
    """Compile the pattern of patients; without one, the whole id of a slide is its patient."""
    try:
        pattern = re.compile("(.*)" if text is None else text)
    except re.error as error:
        raise SheetError(f"patient_pattern '{text}' is no regular expression: {error}") from error
    if pattern.groups != 1:
        raise SheetError(
            f"patient_pattern '{text}' needs one group, in (), for the patient; it has "
            f"{pattern.groups}"
        )
    return pattern
