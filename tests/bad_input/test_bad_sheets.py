"""Slide sheets as people, spreadsheets and attackers write them, and what each is told."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from histohet.common.sheets import SheetError
from histohet.slides.sheet import read_slide_sheet

ID_RULE = "must be letters, digits, '.', '_' or '-'"
NO_TABLE = "save it as .tsv or .csv with the encoding UTF-8"

TABLES = {
    "empty": ("slides.tsv", b"", "slides.tsv is empty"),
    "blank lines": ("slides.tsv", b" \n\t\t\n\n", "slides.tsv is empty"),
    "header only": ("slides.tsv", b"slide\tpath\n", "slides.tsv names no slide: add one row per"),
    "no id column": ("slides.tsv", b"name\tpath\na\tb\n", "column 'slide' is missing; there are"),
    "no path column": (
        "slides.tsv",
        b"slide\tmpp\na\t0.5\n",
        "column 'path' is missing; there are slide, mpp",
    ),
    "capitals in the header": (
        "slides.tsv",
        b"Slide\tPath\na\tb\n",
        "column 'slide' is missing; there are Slide, Path",
    ),
    "unknown column": (
        "slides.tsv",
        b"slide\tpath\tatention\na\ta.svs\tx\n",
        "unknown column 'atention'; known are slide, patient, path",
    ),
    "column twice": ("slides.tsv", b"slide\tpath\tpath\na\ta\ta\n", "column 'path' comes twice"),
    "two empty columns": ("slides.csv", b"slide,path,,\na,b,,\n", "column '' comes twice"),
    "too many cells": (
        "slides.tsv",
        b"slide\tpath\na\ta.svs\textra\n",
        "row 2: more cells than columns",
    ),
    "semicolons": (
        "slides.csv",
        b"slide;path\na;a.svs\n",
        "cells are separated by ';': tabs are expected in .tsv and .txt, commas in all others",
    ),
    "semicolons and decimal commas": (
        "slides.csv",
        b"slide;path;mpp\na;a.svs;0,5\n",
        "slides.csv, row 2: cells are separated by ';'",
    ),
    "commas in .tsv": ("slides.tsv", b"slide,path\na,b\n", "cells are separated by ','"),
    "tabs in .csv": ("slides.csv", b"slide\tpath\na\tb\n", "cells are separated by tabs"),
    "quote that ends in another row": (
        "slides.tsv",
        b'slide\tpath\na\t"a.svs\nb\tb.svs"\n',
        "slides.tsv, row 2: a quote that does not end before row 3",
    ),
    "quote that never ends": (
        "slides.tsv",
        b'slide\tpath\na\t"a.svs\nb\tb.svs\nc\tc.svs\n',
        "slides.tsv, row 4: unexpected end of data (an unpaired quote?)",
    ),
    "line end in quotes": (
        "slides.tsv",
        b'slide\tpath\n"a\nb"\tc.svs\n',
        "slides.tsv: row 2: a line end in slide: does a quote not end?",
    ),
    "carriage return in quotes": (
        "slides.tsv",
        b'slide\tpatient\tpath\na\t"p\rq"\tc.svs\n',
        "slides.tsv: row 2: a line end in patient: does a quote not end?",
    ),
    "cell of 200,000 characters": (
        "slides.tsv",
        b"slide\tpath\na\t" + b"x" * 200_000,
        "slides.tsv, row 2: field larger than field limit",
    ),
    "UTF-16 with its mark": ("slides.tsv", "slide\tpath\na\tb\n".encode("utf-16"), NO_TABLE),
    "UTF-16 without its mark": (
        "slides.tsv",
        "slide\tpath\na\tb\n".encode("utf-16-le"),
        NO_TABLE,
    ),
    "Latin-1": ("slides.tsv", "slide\tpath\na\tMüller.svs\n".encode("latin-1"), NO_TABLE),
    "NUL in a path": ("slides.tsv", b"slide\tpath\na\ta.svs\0.png\n", NO_TABLE),
    "NUL in a patient": ("slides.tsv", b"slide\tpatient\tpath\na\tp\0q\tb\n", NO_TABLE),
    "workbook": ("slides.xlsx", b"PK\x03\x04\x14\x00\x06\x00\x08\x00\xff\xfe", NO_TABLE),
    "cut compressed file": (
        "slides.tsv.gz",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
        "slides.tsv.gz is not sound gzip",
    ),
    "gigabytes in kilobytes": (
        "slides.tsv.gz",
        gzip.compress(b"slide\tpath\na\t" + bytes(2**25), 9),
        "slides.tsv.gz has a line of 16 or lines of 64 million characters, so it is no table",
    ),
    "gigabytes of long lines": (
        "slides.tsv.gz",
        gzip.compress(b"slide\tpath\n" + (b"a\t" + b" " * 2**16 + b"\n") * 2**10, 9),
        "lines of 64 million characters, so it is no table: if it is the right file, leave "
        "out what is not needed",
    ),
    "millions of short lines": (
        "slides.csv.gz",
        gzip.compress(b"1,2\n" * (2**20 + 1), 9),
        "slides.csv.gz has more than 1048576 rows, so it is no table: if it is the right "
        "file, leave out what is not needed",
    ),
    "path and features missing": (
        "slides.tsv",
        b"slide\tpath\na\t\n",
        "row 2: slide 'a' has no path (and no features)",
    ),
    "id missing": ("slides.tsv", b"slide\tpath\n\ta.svs\n", f"row 2: slide id '' {ID_RULE}"),
    "id too long for a file": (
        "slides.tsv",
        b"slide\tpath\n" + b"a" * 201 + b"\tb\n",
        f"row 2: slide id '{'a' * 20}…' has 201 characters, names of files have room for 200",
    ),
    "ids that differ in case": (
        "slides.tsv",
        b"slide\tpath\nS1\ta\ns1\tb\n",
        "row 3: slide 's1' differs from 'S1' in row 2 by capitals only",
    ),
    "wildcards in paths": (
        "slides.tsv",
        b"slide\tpath\tmask\na\t{slide}.svs\t<m>.tif\n",
        "row 2: path '{slide}.svs' has {} or <>, which the workflow takes for variables: rename "
        "it, or make a link to it; row 2: mask '<m>.tif' has {} or <>",
    ),
    "several bad rows": (
        "slides.tsv",
        b"slide\tpath\n/a\tx\na b\ty\n",
        f"row 2: slide id '/a' {ID_RULE}, beginning with a letter or digit; row 3: slide id 'a b'",
    ),
}

IDS = {
    "parent folder": "..",
    "path traversal": "../../x",
    "path traversal in the middle": "a/../../b",
    "subfolder": "a/b",
    "absolute path": "/etc/passwd",
    "Windows path": "C:\\x",
    "option": "-rf",
    "hidden file": ".a",
    "command": "$(rm)",
    "command in backticks": "`rm`",
    "second command": "a;rm",
    "space": "a b",
    "quote": "a'b",
    "braces": "{slide}",
    "glob": "a*",
    "markup": "<script>",
    "accent": "Ä1",
    "Cyrillic letter that looks Latin": "а1",
    "full-width digits": "１２",
    "invisible space": "a\u200bb",
    "right-to-left mark": "a\u202eb",
    "control character": "a\x1bb",
}


@pytest.mark.parametrize("case", TABLES)
def test_a_bad_table_is_told_what_and_where(tmp_path: Path, case: str) -> None:
    name, content, message = TABLES[case]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SheetError, match=re.escape(message)) as caught:
        read_slide_sheet(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", IDS)
def test_an_id_that_could_leave_the_results_folder_or_reach_a_shell_is_refused(
    tmp_path: Path, case: str
) -> None:
    path = tmp_path / "slides.tsv"
    path.write_text(f"slide\tpath\ngood\tgood.svs\n{IDS[case]}\ta.svs\n", encoding="utf-8")
    message = re.escape(f"row 3: slide id '{IDS[case]}' {ID_RULE}")
    with pytest.raises(SheetError, match=message):
        read_slide_sheet(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [("absent.tsv", "does not exist"), (".", "is not a file"), ("x" * 300, "cannot be opened: ")],
)
def test_what_is_no_file_is_named(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(SheetError, match=message):
        read_slide_sheet(tmp_path / name)


def test_the_longest_id_names_every_file_of_its_slide(tmp_path: Path) -> None:
    """200 characters leave room for what is put before and behind them."""
    path = tmp_path / "slides.tsv"
    path.write_text("slide\tpath\n" + "a" * 200 + "\tb\n")
    (slide,) = read_slide_sheet(path).slides
    for name in (f".partial-.partial-{slide}.h5.part", f"{slide}.json.provenance.json"):
        (tmp_path / name).touch()
