"""Whether two folders of results say the same: every table, number, label and picture.

    python tests/bench/same_results.py <results of one version> <results of another>

Tables and numbers are compared as they are written, HDF5 by dataset, pictures by pixel. Left out is
what describes the run and not the slides: logs, benchmarks, wall times, provenance. `--relative`
allows for another rounding.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pandas as pd

OF_THE_RUN = {"benchmarks", "logs", "weights", "bench"}
OF_THE_FILE = {"wall_seconds", "provenance", "software", "inputs", "parameters"}
PICTURES = (".png", ".jpg", ".tif")
COMPARED = (".tsv", ".json", ".geojson", ".h5", *PICTURES)


def compared_files(folder: Path) -> set[Path]:
    """Return the files of a folder of results that say something about slides, relative to it."""
    files = (file.relative_to(folder) for file in folder.rglob("*") if file.suffix in COMPARED)
    return {
        file
        for file in files
        if file.parts[0] not in OF_THE_RUN and not file.name.endswith(".provenance.json")
    }


def numbers_and_texts(content: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of JSON with its place, other than those on the run."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key not in OF_THE_FILE:
                yield from numbers_and_texts(value, f"{place}.{key}")
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from numbers_and_texts(value, f"{place}[{number}]")
    else:
        yield place, content


def equal(one: Any, other: Any, relative: float) -> bool:
    """Whether two values, or numbers written out, are equal but for rounding."""
    if one == other or not relative:
        return bool(one == other)
    try:
        return math.isclose(float(one), float(other), rel_tol=relative)
    except (TypeError, ValueError):
        return False


def datasets(path: Path) -> dict[str, Any]:
    """Return every dataset of an HDF5 file by its name."""
    found: dict[str, Any] = {}
    with h5py.File(path, locking=False) as file:
        file.visititems(
            lambda name, item: found.update(
                {name: item[()]} if isinstance(item, h5py.Dataset) else {}
            )
        )
    return found


def differences(one: Path, other: Path, relative: float) -> Iterator[str]:
    """Name what two files of the same kind say otherwise."""
    if one.suffix == ".tsv":
        yield from columns(one, other, relative)
    elif one.suffix in (".json", ".geojson"):
        a, b = (dict(numbers_and_texts(json.loads(path.read_text()))) for path in (one, other))
        yield from sorted(a.keys() ^ b.keys())
        yield from (key for key in a.keys() & b.keys() if not equal(a[key], b[key], relative))
    elif one.suffix == ".h5":
        a, b = datasets(one), datasets(other)
        yield from sorted(a.keys() ^ b.keys())
        yield from (name for name in sorted(a.keys() & b.keys()) if not same(a[name], b[name]))
    elif not same(*(cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (one, other))):
        yield "pixels"


def same(one: Any, other: Any) -> bool:
    """Whether two datasets have the same type and values; NaN is equal to itself."""
    a, b = np.asarray(one), np.asarray(other)
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def columns(one: Path, other: Path, relative: float) -> list[str]:
    """Name the columns that two tables do not share."""
    a, b = (pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False) for path in (one, other))
    if len(a) != len(b) or list(a) != list(b):
        return [f"{a.shape[0]} x {list(a)} and {b.shape[0]} x {list(b)}"]
    return [
        name
        for name in a
        if not all(equal(x, y, relative) for x, y in zip(a[name], b[name], strict=True))
    ]


def main() -> None:
    """Compare, count, and exit with 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--relative", type=float, default=0.0, help="of numbers in text and JSON")
    arguments = parser.parse_args()
    one, other = (compared_files(folder) for folder in (arguments.one, arguments.other))
    found = {
        file: list(differences(arguments.one / file, arguments.other / file, arguments.relative))
        for file in sorted(one & other)
    }
    for suffix in COMPARED:
        files = [file for file in found if file.suffix == suffix]
        equal = sum(not found[file] for file in files)
        sys.stdout.write(f"{suffix}: {equal} of {len(files)} equal\n")
    lines = [f"{file}: {', '.join(what)}" for file, what in found.items() if what]
    lines += [f"{file}: only in {arguments.one}" for file in sorted(one - other)]
    lines += [f"{file}: only in {arguments.other}" for file in sorted(other - one)]
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
