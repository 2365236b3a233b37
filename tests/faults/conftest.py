"""A cohort that goes through every step, and what an undisturbed run makes of it."""

from __future__ import annotations

import shutil

import pytest

from helpers.cohorts import CONFIG, PHANTOMS, Cohort, copy_workflow
from helpers.faults import Undisturbed, new_cohort, undisturbed_run

FEATURES = "results/features/stain_texture/masked/phantom_01.h5"
SHEET = """\
slide	patient	path	mask	attention	truth	features
whole	one	given/1.svs	given/1.labels.tif	given/1.attention.csv	given/1.truth.tsv
unmasked	two	given/2.svs
imported	three	given/1.svs		given/1.attention.csv		given/1.h5
"""
CLINICAL = """\
patient	os_months	os_event	age
one	10.5	1	60
two	31.0	1	71
three	40.0	0	55
"""
COUNTS = "slide\tn_subclones\nwhole\t1\nunmasked\t2\nimported\t1\n"


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The cohort after a run that nobody disturbed, with a record of what every job did."""
    folder = tmp_path_factory.mktemp("undisturbed")
    workflow = copy_workflow(folder)
    phantoms = Cohort(
        folder / "phantoms", workflow, CONFIG | {"phantoms": PHANTOMS | {"n_slides": 2}}
    )
    phantoms.run(snakefile="workflow/phantoms.smk")
    phantoms.run(FEATURES)
    given = folder / "given"
    given.mkdir()
    for file in (phantoms.folder / "results/phantoms/slides").iterdir():
        shutil.copy(file, given / file.name.removeprefix("phantom_0"))
    shutil.copy(phantoms.folder / FEATURES, given / "1.h5")
    (given / "slides.tsv").write_text(SHEET)
    (given / "clinical.tsv").write_text(CLINICAL)
    (given / "counts.tsv").write_text(COUNTS)
    truth = (given / "1.truth.tsv").read_text()
    (given / "spots.csv").write_text(truth.replace("\t", ","))
    cohort = new_cohort(folder / "cohort", workflow, given)
    return undisturbed_run(cohort, given, folder / "record")
