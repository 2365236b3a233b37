"""The training of a segmentation in dry runs: only where it is asked for, and by what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.trainingsets import write_training_set


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    write_training_set(tmp_path, n_cases=5)
    section = {"dataset": "Dataset011_Phantom", "folds": [0, 2]}
    config = {"slides": "slides.tsv", "segmentation_training": section}
    return Cohort(tmp_path, ROOT / "workflow", config)


def test_a_job_for_each_fold(cohort: Cohort) -> None:
    jobs = cohort.jobs("train_segmentation")
    folds = [job.wildcards for job in jobs if job.rule == "train_segmentation_fold"]
    assert sorted(folds) == ["fold=0", "fold=2"]
    assert {job.rule for job in jobs} == {
        *("plan_segmentation", "train_segmentation_fold", "collect_segmentation_model"),
    }


def test_it_is_no_part_of_all(cohort: Cohort) -> None:
    (cohort.folder / "slides.tsv").write_text("slide\tpath\na\ta.png\n")
    assert not [rule for rule in cohort.rules() if "segmentation" in rule and "train" in rule]


def test_a_training_set_that_cannot_be_used(cohort: Cohort) -> None:
    (cohort.folder / "Dataset011_Phantom/labelsTr/case_01.nii.gz").unlink()
    done = cohort.snakemake("--dry-run", "train_segmentation")
    assert done.returncode != 0
    assert "segmentation_training.dataset: image of 'case_01' without" in done.stdout + done.stderr


def test_without_the_section(cohort: Cohort) -> None:
    (cohort.folder / "slides.tsv").write_text("slide\tpath\na\ta.png\n")
    del cohort.config["segmentation_training"]
    done = cohort.snakemake("--dry-run", "train_segmentation")
    assert done.returncode != 0
    assert "there is no section `segmentation_training`" in done.stdout + done.stderr
