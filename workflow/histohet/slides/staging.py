"""A slide on a disk of the node, for as long as it is read."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openslide

from histohet.common.logs import logger
from histohet.slides.files import files_of
from histohet.slides.reader import SlideError

SEVERAL_FILES = {"dicom", "hamamatsu", "trestle"}
"""OpenSlide's names of formats whose slides may consist of files that only it can tell."""


class StagingError(ValueError):
    """The folder for staged slides cannot be used; the message says which and why."""


@contextmanager
def staged(slide: str | Path, folder: str) -> Iterator[str]:
    """Copy a slide to a folder of its own in `folder`; the copy is gone after the block.

    MRXS slides are copied with their folder. Where a copy is not possible (a format whose files
    belong together in ways not known here, no room), the slide is read where it lies, and the log
    says why: that is slower, but the same.

    Parameters
    ----------
    folder
        May name environment variables, such as ``$TMPDIR``. Empty: nothing is copied.

    Yields
    ------
    Path of the slide to read.

    Raises
    ------
    StagingError
        If an environment variable is not set, or the folder does not exist.
    SlideError
        If the slide does not exist.
    """
    slide = Path(slide)
    if not folder:
        yield str(slide)
        return
    target = Path(os.path.expandvars(folder))
    if "$" in str(target):
        raise StagingError(f"encoding.stage '{folder}' names a variable that is not set")
    if not target.is_dir():
        raise StagingError(f"encoding.stage '{folder}': {target} is not a folder on this machine")
    if not slide.is_file():
        raise SlideError(f"{slide} does not exist")
    problem = _why_not(slide, target)
    if problem:
        logger.warning("%s is not staged: %s; it is read where it lies", slide, problem)
        yield str(slide)
        return
    with tempfile.TemporaryDirectory(prefix="histohet-", dir=target) as copy:
        for file in files_of(slide):
            place = Path(copy) / file.relative_to(slide.parent)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
        yield str(Path(copy) / slide.name)


def _why_not(slide: Path, target: Path) -> str | None:
    vendor = openslide.OpenSlide.detect_format(slide)
    several = vendor in SEVERAL_FILES and slide.suffix.lower() not in {".ndpi"}
    if several and not (vendor == "dicom" and len(list(slide.parent.iterdir())) == 1):
        return f"a slide of format {vendor} may consist of several files"
    size = sum(file.stat().st_size for file in files_of(slide))
    free = shutil.disk_usage(target).free
    if size > free:
        return f"it has {size / 1e9:.1f} GB, {target} has {free / 1e9:.1f} GB left"
    return None
