"""`snakemake train_segmentation`: a model that nnU-Net reads, the same one after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.scans import write_volume
from helpers.trainingsets import SPACING, phantom_case, write_training_set
from histohet.common.tables import read_tsv
from histohet.segmentation.model import read_model
from histohet.segmentation.predictor import Predictor
from histohet.segmentation.training import dice

TRAINING = {"plan": "small", "epochs": 3, "iterations": 20, "folds": [0]}
UNSEEN = 99
PART = "training/fold_0/.partial-checkpoint_final.pth.part"
MOST_S = 300


def new_cohort(folder: Path, dataset: Path, **changes: Any) -> Cohort:
    section = TRAINING | {"dataset": str(dataset)} | changes
    config = {"slides": "slides.tsv", "seed": 3, "segmentation_training": section}
    return Cohort(folder, ROOT / "workflow", config)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def trained(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    cohort = new_cohort(tmp_path_factory.mktemp("trained"), dataset)
    cohort.run("train_segmentation")
    return cohort


def files_of(cohort: Cohort) -> set[str]:
    """Files of the training, apart from prepared cases and what is beside tables."""
    results = cohort.folder / "results/segmentation"
    found = (path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file())
    return {
        file
        for file in found
        if not file.startswith("training/cases/")
        and not file.endswith((".provenance.json", ".snakemake_timestamp"))
    }


def test_nothing_but_the_model_and_its_tables_is_left(trained: Cohort) -> None:
    assert files_of(trained) == {
        *("history.tsv", "history.svg", "history.png", "validation.tsv"),
        *("model/plans.json", "model/dataset.json", "model/fold_0/checkpoint_final.pth"),
        *("training/plans.json", "training/dataset.json", "training/folds.json"),
        *("training/fold_0/history.tsv", "training/fold_0/validation.tsv"),
        "training/fold_0/checkpoint_final.pth",
    }
    folder = str(trained.folder)
    for file in files_of(trained):
        content = (trained.folder / "results/segmentation" / file).read_bytes()
        assert folder.encode() not in content


def test_it_finds_what_it_has_not_seen(trained: Cohort) -> None:
    results = trained.folder / "results/segmentation"
    validation = read_tsv(results / "validation.tsv")
    assert set(validation["fold"]) == {"0"}
    assert len(validation) == 2
    assert validation["dice"].gt(0.7).all()
    image, organ = phantom_case(UNSEEN)
    found = Predictor(read_model(results / "model")).segment(image, SPACING)
    assert dice(found == 1, organ) > 0.7
    log = (trained.folder / "results/logs/train_segmentation_fold/0.log").read_text()
    assert "epoch 3 of 3: loss " in log


def test_nnunet_reads_it(trained: Cohort, tmp_path: Path) -> None:
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    model = trained.folder / "results/segmentation/model"
    image, _ = phantom_case(UNSEEN)
    file = write_volume(tmp_path / "unseen_0000.nii.gz", image, SPACING)
    predictor = nnUNetPredictor(
        use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu")
    )
    predictor.initialize_from_trained_model_folder(str(model), (0,), "checkpoint_final.pth")
    (theirs,) = predictor.predict_from_files_sequential([[file]], None, False, True, None)
    ours = Predictor(read_model(model)).segment(image, SPACING)
    np.testing.assert_array_equal(ours, theirs)


def test_a_killed_training_ends_with_the_same_bytes(
    trained: Cohort, dataset: Path, tmp_path: Path
) -> None:
    cohort = new_cohort(tmp_path / "killed", dataset)
    command = cohort.command("--cores", "1", "train_segmentation")
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    snakemake = subprocess.Popen(command, start_new_session=True, **silent)
    part, until = cohort.folder / "results/segmentation" / PART, time.monotonic() + MOST_S
    while not list(part.glob("*/checkpoint.pt")):
        assert snakemake.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    os.killpg(snakemake.pid, signal.SIGKILL)
    snakemake.wait()
    assert not (cohort.folder / "results/segmentation/model").exists()
    cohort.run("--unlock")
    cohort.run("train_segmentation")
    log = (cohort.folder / "results/logs/train_segmentation_fold/0.log").read_text()
    assert "going on after " in log
    assert cohort.digests() == trained.digests()
    assert files_of(cohort) == files_of(trained)


def test_what_a_key_trains_again(trained: Cohort) -> None:
    def rules(**changes: Any) -> dict[str, int]:
        section = trained.config["segmentation_training"] | changes
        return dict(trained.rules("train_segmentation", segmentation_training=section))

    fold, collect = "train_segmentation_fold", "collect_segmentation_model"
    assert rules() == {}
    assert rules(epochs=4) == rules(iterations=21) == {fold: 1, collect: 1}
    assert rules(folds=[0, 2]) == {fold: 1, collect: 1}
    assert rules(folds="all") == {fold: 1, collect: 1}
    assert rules(plan="default") == {"plan_segmentation": 1, fold: 1, collect: 1}
    everything = {"plan_segmentation": 1, fold: 1, collect: 1}
    assert dict(trained.rules("train_segmentation", seed=4)) == everything


def test_a_case_that_cannot_be_used_stops_it(tmp_path: Path) -> None:
    dataset = write_training_set(tmp_path, n_cases=5)
    _, organ = phantom_case(3)
    write_volume(dataset / "labelsTr/case_03.nii.gz", organ, SPACING, origin=(0, 0, 0))
    cohort = new_cohort(tmp_path / "cohort", dataset)
    done = cohort.snakemake("--cores", "1", "train_segmentation")
    assert done.returncode != 0
    assert f"{dataset}: case 'case_03': mask: origin differs by " in done.stdout + done.stderr
    assert not (cohort.folder / "results/segmentation").exists()
