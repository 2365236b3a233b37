"""What nnU-Net prints and warns of, in the log of the job."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import TextIOBase

from histohet.common.logs import logger


class _Lines(TextIOBase):
    """A console whose lines are entries of the log."""

    def __init__(self) -> None:
        self._begun = ""

    def write(self, text: str) -> int:
        """Take in text, whole lines at a time."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in filter(None, map(str.strip, lines)):
            logger.info("nnU-Net: %s", line)
        return len(text)


@contextmanager
def chatter_in_log() -> Iterator[None]:
    """Send what nnU-Net prints, and what it warns of, to the log of the job."""
    with redirect_stdout(_Lines()), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        yield
    for text in dict.fromkeys(str(one.message) for one in said):
        logger.info("nnU-Net: %s", text)
