"""Pictures of slides and statistics."""

import time
from contextlib import suppress
from pathlib import Path

import matplotlib

STALE_S = 60.0
"""Writing the list of fonts takes less than a second."""


def remove_stale_lock() -> None:
    """Remove the lock that a process left which was killed while it wrote its list of fonts.

    matplotlib never does: every later process would wait five seconds for it and none keep a list.
    """
    for lock in Path(matplotlib.get_cachedir()).glob("fontlist-*.matplotlib-lock"):
        with suppress(OSError):
            if time.time() - lock.stat().st_mtime > STALE_S:
                lock.unlink()


remove_stale_lock()
