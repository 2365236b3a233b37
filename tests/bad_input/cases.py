"""What a case of bad input is: a row of the sheet, and what must become of the slide."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Cells = dict[str, object]


@dataclass(frozen=True)
class Case:
    """A slide of the cohort.

    Attributes
    ----------
    cells
        Its row of the sheet, without the id.
    status
        In the table of the cohort.
    message
        What its reason there must contain; of a slide that is used all the same and that preflight
        tells of, what the list of problems must contain.
    told_by
        What tells it already in the list of problems of preflight: the files themselves, or the
        tiles that they give; "" if only the run does.
    """

    cells: Cells
    status: str = "ok"
    message: str = ""
    told_by: Literal["files", "tiles", ""] = "files"


def refused(message: str, **cells: object) -> Case:
    """Return a case that preflight refuses for its files."""
    return Case(cells, "refused", message)


def foreseen(status: str, message: str, **cells: object) -> Case:
    """Return a case that tells once preflight has its tissue, tiles and mask."""
    return Case(cells, status, message, told_by="tiles")


def later(status: str, message: str, **cells: object) -> Case:
    """Return a case that tells once its pixels or embeddings are read."""
    return Case(cells, status, message, told_by="")


def written(path: Path, content: bytes | str) -> Path:
    """Write a file with this content."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def first_half(path: Path, copy: str) -> Path:
    """Write the first half of a file beside it."""
    content = path.read_bytes()
    return written(path.with_name(copy), content[: len(content) // 2])
