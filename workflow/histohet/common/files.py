"""Files that are either complete or absent."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
"""What a file system says that takes no more."""


class StorageError(OSError):
    """A disk takes no file, or fails to read one at times; the message names it and says why."""


NOT_REACHED = {errno.ENAMETOOLONG, errno.EACCES, errno.ELOOP}
"""What is wrong with a path, not with the machine or its network."""


def why_no_file(path: str | Path) -> str:
    """Say why there is no file to read at `path`, such as "does not exist"; "" if there is one.

    Raises
    ------
    OSError
        If the file system fails: then nobody knows.
    """
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist"
    except OSError as error:
        if error.errno not in NOT_REACHED:
            raise
        return f"cannot be opened: {error.strerror}"
    if not stat.S_ISREG(mode):
        return "is not a file"
    return "" if os.access(path, os.R_OK) else "cannot be opened: Permission denied"


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield what is put before the name of `path` until it is complete, and name it in errors.

    Raises
    ------
    StorageError
        If the file system does not take what the block writes.
    """
    partial = path.with_name(f".partial-{path.name}")
    try:
        yield partial
    except StorageError:
        raise
    except OSError as error:
        if error.errno in NO_ROOM or str(error.filename).startswith(str(partial)):
            reason = os.strerror(error.errno or 0)
            raise StorageError(f"{path} cannot be written: {reason}") from error
        raise


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path; rename it to `path` when the block ends without error.

    The temporary file is removed when the block raises, so nobody reads half a file. It lies in a
    folder beside `path` that every attempt finds by its name and empties: nothing that killed jobs
    left stays. An attempt that is still at work while the next one begins, since only its Snakemake
    was killed, loses its file, and cannot give the name to what the other is writing.

    Raises
    ------
    StorageError
        If the file system does not take the file.
    """
    path = Path(path)
    with writing(path) as folder:
        partial = folder / f"{uuid4().hex}{path.suffix}"
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            yield partial
            partial.replace(path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
                folder.rmdir()


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty folder; give it the name `path` when the block ends without error.

    As `atomic_path`. A folder that is there already is replaced.
    """
    path = Path(path)
    with atomic_path(path) as partial, ExitStack() as undo:
        partial.mkdir()
        undo.callback(shutil.rmtree, partial, ignore_errors=True)
        yield partial
        shutil.rmtree(path, ignore_errors=True)
        undo.pop_all()


def write_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8) atomically."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: str | Path, data: Mapping[str, Any]) -> None:
    """Write `data` as indented JSON, atomically. NaN and infinity are errors: they are not JSON."""
    write_text(path, json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    ValueError
        If the file is not valid JSON or holds something other than an object; the message names it.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path} does not hold a JSON object")
    return data
