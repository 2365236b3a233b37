"""Checksums of large files, computed once for every state of a file."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from pathlib import Path

SHA256 = re.compile(r"[0-9a-f]{64}")

SETTLED_S = 2.0
"""A file changed less than this many seconds ago may change again without its times showing it."""


def file_sha256(path: str | Path) -> str:
    """Return the sha256 of a file's content.

    The checksum is remembered in the user's cache folder under the file's place, inode, size and
    times. Replacing or rewriting a file changes its inode or its change time, which, unlike the
    modification time, no program can set; so a remembered checksum is that of the content, and a
    job that uses gigabytes of weights does not read them twice. Where the cache folder cannot be
    written, every call reads the file.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    OSError
        If the file is missing or cannot be read.
    """
    path = Path(path).resolve()
    state = _state(path)
    record = _memory(state)
    known = _remembered(record)
    if known is not None:
        return known
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if _state(path) == state and time.time() - path.stat().st_ctime > SETTLED_S:
        _remember(record, digest)
    return digest


def _state(path: Path) -> str:
    """Everything that tells one state of a file from the next."""
    status = path.stat()
    numbers = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return "\0".join([str(path), *map(str, numbers)])


def _memory(state: str) -> Path | None:
    """File in which the checksum of a state is kept; None for a user without a home."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    return folder / "histohet" / "checksums" / hashlib.sha256(state.encode()).hexdigest()


def _remembered(record: Path | None) -> str | None:
    try:
        digest = record.read_text(encoding="ascii") if record else ""
    except (OSError, UnicodeDecodeError):
        return None
    return digest if SHA256.fullmatch(digest) else None


def _remember(record: Path | None, digest: str) -> None:
    """Keep a checksum if possible. Jobs that do so at once write the same, each its own file."""
    if record is None:
        return
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=record.parent, delete=False) as partial:
            partial.write(digest)
        Path(partial.name).replace(record)
    except OSError:
        # Only time is lost: the next call computes it again.
        return
