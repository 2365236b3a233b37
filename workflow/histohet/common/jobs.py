"""What every script shares: the log of its job, what its output came from, and its manners.

Scripts import this module before anything else of the library, and only scripts import it: OpenCV
and libvips read how many threads they may take when they are imported.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from histohet.common.logs import log_to
from histohet.common.provenance import Provenance

# Snakemake tells OpenMP and BLAS how many threads a job has; OpenCV and libvips would take all.
for _variable in ("OPENCV_FOR_THREADS_NUM", "VIPS_CONCURRENCY"):
    os.environ.setdefault(_variable, os.environ.get("OMP_NUM_THREADS", "1"))


@contextmanager
def job_log(job: Any, *, network: bool = False) -> Iterator[logging.Logger]:
    """Keep the log of a job, which fails if an input is gone when it ends, whatever it has made.

    A file that is missing from the beginning is no input, and is the slide's own trouble; one that
    goes while jobs run is on a disk that is gone, and no slide is refused for that.

    Parameters
    ----------
    job
        The object ``snakemake`` of the script.
    network
        Whether the hub may be asked. Only `prefetch` does: what jobs need, it has fetched. The
        hub's client reads this once, when it is imported, so that is left to the block.

    Raises
    ------
    SystemExit
        If an input is gone.
    """
    if not network:
        os.environ["HF_HUB_OFFLINE"] = "1"
    with log_to(job.log[0]) as log:
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
