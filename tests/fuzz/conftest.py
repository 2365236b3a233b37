"""How long the fuzzing lasts, and how much memory a reader may take.

``FUZZ`` is the number of inputs per reader: a few hundred, always the same, otherwise;
with ``make fuzz FUZZ=20000`` that many, others each time.
"""

from __future__ import annotations

import faulthandler
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

FUZZ = int(os.environ.get("FUZZ", "0"))
MEMORY = 2**30
SECONDS = 600

settings.register_profile(
    "fuzz",
    max_examples=FUZZ or 200,
    derandomize=not FUZZ,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def limits() -> Iterator[None]:
    """Memory beyond another gibibyte is a `MemoryError`; what hangs is killed with a traceback."""
    statm = Path("/proc/self/statm")
    used = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else None
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if used is not None:
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    faulthandler.dump_traceback_later(max(SECONDS, FUZZ), exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
