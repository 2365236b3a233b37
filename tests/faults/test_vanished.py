"""Disks that go away while a cohort runs, and come back."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.cohorts import Cohort
from helpers.faults import Undisturbed, new_cohort

TARGET = "results/qupath/full/whole.geojson"


@pytest.fixture
def cohort(undisturbed: Undisturbed, tmp_path: Path) -> Cohort:
    return new_cohort(tmp_path / "cohort", undisturbed.cohort.workflow, undisturbed.given)


def run_until(cohort: Cohort, happened: Callable[[], bool], then: Callable[[], object]) -> str:
    """Run the workflow, do something as soon as something has happened; return what was said."""
    snakemake = subprocess.Popen(
        cohort.command("--cores", "1", TARGET),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not happened():
        assert snakemake.poll() is None
        time.sleep(0.01)
    then()
    said, _ = snakemake.communicate()
    assert snakemake.returncode == 1, said
    return said


def test_slides_that_go_in_mid_run_are_not_refused(
    undisturbed: Undisturbed, cohort: Cohort
) -> None:
    """Between two jobs Snakemake itself finds that a file is missing; here it is in the midst."""
    given = cohort.folder / "given"
    begun = (cohort.folder / "results/logs/encode_tiles/stain_texture_masked/whole.log").exists
    said = run_until(cohort, begun, given.unlink)
    assert re.search(
        r"given/1\.\S+ (and \d more )?was there when the run began and is gone", said
    ), said
    assert undisturbed.damaged(cohort.folder) == []

    # Nor by a run that begins before they are back.
    given.mkdir()
    for sheet in undisturbed.given.glob("*.tsv"):
        (given / sheet.name).write_bytes(sheet.read_bytes())
    again = cohort.snakemake("--cores", "1", TARGET)
    assert again.returncode == 1
    assert "slide 'whole': path: given/1.svs does not exist, but an earlier run has" in (
        again.stdout + again.stderr
    )
    assert undisturbed.damaged(cohort.folder) == []

    for file in given.iterdir():
        file.unlink()
    given.rmdir()
    given.symlink_to(undisturbed.given)
    cohort.run(TARGET)
    assert undisturbed.damaged(cohort.folder) == []
    assert (cohort.folder / TARGET).is_file()


def test_results_that_go_in_mid_run(undisturbed: Undisturbed, cohort: Cohort) -> None:
    results, away = cohort.folder / "results", cohort.folder / "away"

    def unmount() -> None:
        """Leave an empty folder, as an unmounted disk does."""
        results.rename(away)
        results.mkdir()

    begun = (results / "logs/encode_tiles/stain_texture_masked/whole.log").exists
    said = run_until(cohort, begun, unmount)
    assert re.search(r"results/\S+ (and \d more )?was there when the run began and is gone", said)
    shutil.rmtree(results)
    away.rename(results)
    assert undisturbed.damaged(cohort.folder) == []
    cohort.run(TARGET)
    assert undisturbed.damaged(cohort.folder) == []
    assert (cohort.folder / TARGET).is_file()
