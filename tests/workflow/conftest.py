"""The phantom cohort, run once for all tests of this folder."""

from __future__ import annotations

import os

import pytest
from filelock import FileLock

from helpers.cohorts import CONFIG, Cohort, copy_workflow


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """The phantom cohort after a complete run with all variants. Tests must leave it as it is.

    Run by the first of the processes that need it; the others wait.
    """
    parallel = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if parallel else base) / "finished"
    with FileLock(f"{folder}.lock"):
        first = not folder.exists()
        folder.mkdir(exist_ok=True)
        workflow = copy_workflow(folder) if first else folder / "workflow"
        cohort = Cohort(folder / "cohort", workflow, CONFIG)
        if first:
            cohort.run(snakefile="workflow/phantoms.smk")
            cohort.run()
    return cohort
