"""A cohort in batches gives what one run gives."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.cohorts import CONFIG, Cohort


@pytest.fixture
def fresh(finished: Cohort, tmp_path: Path) -> Cohort:
    """The slides of the finished cohort, and nothing computed."""
    phantoms = Path("results/phantoms")
    shutil.copytree(finished.folder / phantoms, tmp_path / phantoms)
    return Cohort(tmp_path, finished.workflow, CONFIG)


def test_batches_and_then_the_cohort_give_the_same_bytes(finished: Cohort, fresh: Cohort) -> None:
    early = fresh.snakemake("--cores", "1", "slides", "--batch", "slides=2/2")
    assert early.returncode != 0
    assert "not all previous batches have been completed" in early.stdout + early.stderr
    for batch in ("slides=1/2", "slides=2/2"):
        planned = len(fresh.jobs("slides", "--batch", batch))
        assert planned > 0
        fresh.run("slides", "--batch", batch)
    left = fresh.jobs()
    assert left
    # A map has the threshold of the cohort.
    assert {job.rule for job in left if "slide=" in job.wildcards} == {"draw_map"}
    fresh.run()
    # Tests of what a configuration adds leave it in the finished cohort.
    assert fresh.digests().items() <= finished.digests().items()
    assert fresh.jobs() == []
