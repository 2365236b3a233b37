"""Whether two folders of results say the same: every table, number, label and picture.

    python tests/bench/same_results.py <results of one version> <results of another>

Left out is what describes the run and not the slides: logs, benchmarks, wall times, provenance.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

OF_THE_RUN = {"benchmarks", "logs", "weights", "bench"}
WALL_TIMES = {"wall_seconds"}
COMPARED = (".tsv", ".json", ".h5", ".png", ".jpg", ".tif", ".geojson")


def compared_files(folder: Path) -> set[Path]:
    """Return the files of a folder of results that say something about slides, relative to it."""
    files = (file.relative_to(folder) for file in folder.rglob("*") if file.suffix in COMPARED)
    return {
        file
        for file in files
        if file.parts[0] not in OF_THE_RUN and not file.name.endswith(".provenance.json")
    }


def values(content: Any) -> Any:
    """Return JSON without wall times."""
    if isinstance(content, dict):
        return {key: values(value) for key, value in content.items() if key not in WALL_TIMES}
    return [values(value) for value in content] if isinstance(content, list) else content


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


def differences(one: Path, other: Path) -> Iterator[str]:
    """Name what two files of the same kind say otherwise."""
    if one.suffix == ".json":
        if values(json.loads(one.read_text())) != values(json.loads(other.read_text())):
            yield "values"
    elif one.suffix == ".h5":
        a, b = datasets(one), datasets(other)
        yield from sorted(a.keys() ^ b.keys())
        yield from (name for name in sorted(a.keys() & b.keys()) if not same(a[name], b[name]))
    elif one.read_bytes() != other.read_bytes():
        yield from columns(one, other) if one.suffix == ".tsv" else ["bytes"]


def same(one: Any, other: Any) -> bool:
    """Whether two datasets have the same type and values; NaN is equal to itself."""
    a, b = np.asarray(one), np.asarray(other)
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def columns(one: Path, other: Path) -> list[str]:
    """Name the columns that two tables do not share to the letter."""
    a, b = (pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False) for path in (one, other))
    if len(a) != len(b):
        return [f"{len(a)} and {len(b)} rows"]
    shared = [name for name in a if name in b and list(a[name]) != list(b[name])]
    return [*(f"column {name}" for name in sorted({*a} ^ {*b})), *shared] or ["order of columns"]


def main() -> None:
    """Compare, count, and exit with 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    arguments = parser.parse_args()
    one, other = (compared_files(folder) for folder in (arguments.one, arguments.other))
    found = {
        file: list(differences(arguments.one / file, arguments.other / file))
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
