"""What belongs to a slide on disk, by names alone: no file of thousands is opened."""

from __future__ import annotations

import os
from glob import escape
from itertools import islice
from pathlib import Path

MIRAX = ".mrxs"
HAMAMATSU = {".vms", ".vmu"}
DICOM = ".dcm"

MOST_OF_A_SERIES = 50
"""A folder with more files than that holds more than one DICOM slide."""

GEOJSON, GZIP, ZIP = {".geojson", ".json"}, ".gz", ".zip"
"""Suffixes of polygons, and of either way in which QuPath packs them."""

LARGEST_GEOJSON = 256 * 2**20
"""Bytes, unpacked. Some twelve times as much memory is needed, and outlines of epithelium are
smaller."""


def files_of(slide: Path) -> list[Path]:
    """List the files of a slide, itself first.

    MIRAX has a folder of the slide's name, Hamamatsu's indexes have files that begin with it. A
    DICOM series has a folder of its own; in one where too many others lie, no other is listed.

    Raises
    ------
    OSError
        If a folder cannot be read.
    """
    kind = slide.suffix.lower()
    beside: list[Path] = []
    if kind == MIRAX:
        beside = sorted(slide.with_suffix("").rglob("*"))
    elif kind in HAMAMATSU:
        beside = sorted(slide.parent.glob(f"{escape(slide.stem)}*"))
    elif kind == DICOM:
        with os.scandir(slide.parent) as entries:
            found = [Path(entry.path) for entry in islice(entries, MOST_OF_A_SERIES + 1)]
        if len(found) <= MOST_OF_A_SERIES:
            beside = sorted(file for file in found if file.suffix.lower() == DICOM)
    return [slide, *(file for file in beside if file != slide and file.is_file())]


def is_geojson(path: str | Path) -> bool:
    """Whether a mask is polygons, by its suffix; else it is a label image."""
    kind = Path(path).suffix.lower()
    if kind == GZIP:
        return Path(Path(path).stem).suffix.lower() in GEOJSON
    return kind in GEOJSON or kind == ZIP
