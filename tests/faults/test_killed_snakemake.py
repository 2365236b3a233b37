"""Snakemake itself is killed, with its jobs or without, and run again."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from helpers.faults import KILLS, SEED, Undisturbed, Watch, new_cohort, processes_in

logger = logging.getLogger("faults")

# Slides, a patient pooled, the threshold, tables, maps.
TARGETS = ("results/maps/full/whole.png", "results/maps/patients/one.png")


@pytest.mark.parametrize("with_its_jobs", [True, False])
def test_unlocking_and_the_same_command_are_enough(
    undisturbed: Undisturbed, tmp_path: Path, with_its_jobs: bool
) -> None:
    """Jobs that outlive their Snakemake work on beside those of the next one."""
    cohort = new_cohort(tmp_path / "cohort", undisturbed.cohort.workflow, undisturbed.given)
    rng = random.Random(SEED)
    moments = [rng.uniform(0, undisturbed.seconds / 2) for _ in range(KILLS)]
    command = cohort.command("--cores", "2", *TARGETS)
    kills = 0
    with Watch(cohort.folder, undisturbed.digests) as watch:
        for seconds in moments:
            snakemake = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                snakemake.wait(seconds)
            except subprocess.TimeoutExpired:
                kill = os.killpg if with_its_jobs else os.kill
                kill(snakemake.pid, signal.SIGKILL)
                snakemake.wait()
                kills += 1
                cohort.run("--unlock")
        cohort.run(*TARGETS)
    logger.info("FAULTS_SEED=%d: killed %d times, after %s s", SEED, kills, moments)
    assert watch.damaged == []
    assert undisturbed.damaged(cohort.folder) == []
    assert all((cohort.folder / target).is_file() for target in TARGETS)
    assert processes_in(cohort.folder) == []
    assert kills > 0
