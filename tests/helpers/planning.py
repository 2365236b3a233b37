"""What the tests of the plan share: a folder with a sheet and files of some size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

OS = {"time": "t", "unit": "months", "event": "e", "events": [1], "censored": [0]}
CLINICAL: dict[str, Any] = {
    "clinical": [{"table": "clinical.tsv", "patient": "id", "endpoints": {"OS": OS}}]
}
POOLED = {"name": "together", "pooled": True}


def lay_out(folder: Path, sheets: Mapping[str, str], megabytes: Mapping[str, int]) -> None:
    """Write sheets by name, and files of so many MB that hold nothing."""
    for name, text in sheets.items():
        (folder / name).write_text(text)
    for name, size in megabytes.items():
        with (folder / name).open("wb") as file:
            file.truncate(size * 1_000_000)


def of(**wildcards: str) -> Any:
    """Return wildcards as Snakemake hands them on."""
    return SimpleNamespace(**wildcards)
