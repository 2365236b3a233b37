"""What every script shares: the library on the import path, the log of its job, its provenance."""

from __future__ import annotations

import os
import sys
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

from histohet.logs import job_log  # noqa: E402
from histohet.provenance import Provenance  # noqa: E402

__all__ = ["allow_network", "job_log", "provenance_of"]


def allow_network() -> None:
    """Leave the network to the user's own setting; for the one script that fetches."""
    os.environ["HF_HUB_OFFLINE"] = _USERS_OFFLINE


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
