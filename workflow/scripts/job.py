"""What every script shares: the library on the import path, the log of its job, its provenance."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Snakemake tells OpenMP and BLAS how many threads a job has; OpenCV and libvips would take all.
for _variable in ("OPENCV_FOR_THREADS_NUM", "VIPS_CONCURRENCY"):
    os.environ.setdefault(_variable, os.environ.get("OMP_NUM_THREADS", "1"))

# Jobs never use the network: what they need, `snakemake prefetch` has fetched. The hub's client
# reads this once, when it is imported.
_USERS_OFFLINE = os.environ.get("HF_HUB_OFFLINE", "")
os.environ["HF_HUB_OFFLINE"] = "1"

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from histohet.common import jobs as logs  # noqa: E402
from histohet.common.provenance import Provenance  # noqa: E402

__all__ = ["allow_network", "job_log", "provenance_of"]


def allow_network() -> None:
    """Leave the network to the user's own setting; for the one script that fetches."""
    os.environ["HF_HUB_OFFLINE"] = _USERS_OFFLINE


@contextmanager
def job_log(job: Any) -> Iterator[logging.Logger]:
    """Keep the log of a job, which fails if an input is gone when it ends, whatever it has made.

    A file that is missing from the beginning is no input, and is the slide's own trouble; one that
    goes while jobs run is on a disk that is gone, and no slide is refused for that.
    """
    with logs.job_log(job.log[0]) as log:
        try:
            yield log
        finally:
            gone = [str(name) for name in job.input if not os.path.exists(name)]  # noqa: PTH110
            if gone:
                others = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
                raise SystemExit(
                    f"{gone[0]}{others} was there when the run began and is gone. Is its disk "
                    "mounted? When it is back, run the same command again"
                )


def provenance_of(job: Any) -> Provenance:
    """Parameters and inputs of a job; of many inputs under one name only the number is kept."""
    parameters = {name: value for name, value in job.params.items() if name != "code"}
    inputs = {
        name: value
        if isinstance(value, str)
        else " ".join(value)
        if len(value) < 5
        else f"{len(value)} files"
        for name, value in job.input.items()
    }
    return Provenance(parameters, inputs)
