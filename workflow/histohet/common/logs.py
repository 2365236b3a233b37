"""The library's log: one file per job, with the traceback of whatever ended it, and progress."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from histohet.common.files import StorageError

T = TypeVar("T")

logger = logging.getLogger("histohet")


class _LogFile(logging.FileHandler):
    """A log that a full disk cuts short; what the job was to write says so, once."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing."""

    def close(self) -> None:
        with suppress(OSError):
            super().close()


@contextmanager
def log_to(path: str | Path) -> Iterator[logging.Logger]:
    """Send the library's log to `path` and its warnings to the terminal as well.

    An exception that leaves the block is written to the log with its traceback and raised again;
    of a `StorageError`, which is nobody's mistake, only the message.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    to_file = _LogFile(path, mode="w", encoding="utf-8")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setLevel(logging.WARNING)
    to_terminal.setFormatter(logging.Formatter(f"{Path(path).stem}: %(message)s"))
    logger.setLevel(logging.INFO)
    logger.handlers = [to_file, to_terminal]
    try:
        yield logger
    except SystemExit as stop:
        # A decision, not a bug: the message is enough, and the interpreter prints it.
        to_terminal.setLevel(logging.CRITICAL)
        logger.error("%s", stop)
        raise
    except StorageError as error:
        to_terminal.setLevel(logging.CRITICAL)
        logger.error("%s", error)
        raise SystemExit(str(error)) from error
    except BaseException:
        logger.exception("the job failed (log: %s)", path)
        raise
    finally:
        logger.handlers = []
        to_file.close()


def track(
    items: Iterable[T],
    total: int,
    what: str,
    every_s: float = 5.0,
    done: int = 0,
    size: Callable[[T], int] | None = None,
) -> Iterator[T]:
    """Yield `items` unchanged while logging how many are done, the rate and the time left.

    Parameters
    ----------
    done
        How many of the `total` were done before; they do not count for the rate.
    size
        How many of the `total` an item is; 1 if not given.
    """
    start = last = time.monotonic()
    before = done
    for item in items:
        now = time.monotonic()
        if done > before and now - last >= every_s:
            last = now
            rate = (done - before) / (now - start)
            logger.info(
                "%s %d/%d, %.1f/s, %.0f s left", what, done, total, rate, (total - done) / rate
            )
        yield item
        done += size(item) if size else 1
