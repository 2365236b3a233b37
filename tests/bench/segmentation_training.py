"""`snakemake train_segmentation` on phantoms, or on real scans: time, memory, Dice.

    .venv/bin/python tests/bench/segmentation_training.py phantoms|sarcomas [--plan small|default]
        [--epochs 3] [--iterations 20] [--data F] [--keep FOLDER] [--out FILE]

Fold 0 alone. F is the folder that HISTOHET_DATA names; of it `ct/sts` are CTs that are cut out
around a sarcoma. What is in the middle of such a scan is the tumour, so an ellipsoid there is
judged as well: its axes are four fifths of the sides.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.running import ROOT, circumstances, one_thread, say
from helpers.cohorts import Cohort
from helpers.trainingsets import write_about, write_training_set
from histohet.common.files import write_json
from histohet.common.tables import read_tsv
from histohet.segmentation.training import dice
from histohet.segmentation.training_cases import read_case
from histohet.segmentation.training_set import read_training_set

SCANS = "ct/sts"
STAGES = {"plan": "results/segmentation/training/folds.json", "train": "train_segmentation"}


def sarcomas(folder: Path, data: Path) -> Path:
    """Lay real scans out as a training set."""
    dataset = folder / "Dataset012_Sarcomas"
    scans = sorted((data / SCANS).glob("*_ct.nii.gz"))
    for part in ("imagesTr", "labelsTr"):
        (dataset / part).mkdir(parents=True)
    for scan in scans:
        name = scan.name.removesuffix("_ct.nii.gz")
        (dataset / f"imagesTr/{name}_0000.nii.gz").symlink_to(scan)
        (dataset / f"labelsTr/{name}.nii.gz").symlink_to(scan.with_name(f"{name}_mask.nii.gz"))
    write_about(dataset, labels={"background": 0, "tumour": 1}, numTraining=len(scans))
    return dataset


def in_the_middle(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Return an ellipsoid, bool of this shape."""
    axes = [np.linspace(-1, 1, n) / 0.8 for n in shape]
    return np.sum(np.square(np.meshgrid(*axes, indexing="ij")), axis=0) < 1


def run_stages(cohort: Cohort) -> dict[str, dict[str, float]]:
    """Plan, then train; CPU seconds and most memory of any process, Snakemake's included."""
    took = {}
    for name, target in STAGES.items():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        cohort.run(target)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took[name] = {"cpu_s": after.ru_utime - before.ru_utime, "gb": after.ru_maxrss / 1e6}
        say(f"{name}: {took[name]['cpu_s']:.0f} CPU s, at most {took[name]['gb']:.2f} GB so far")
    return took


def main() -> None:
    """Train, and write what it took and what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["phantoms", "sarcomas"])
    parser.add_argument("--plan", choices=["small", "default"], default="small")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=20)
    shared = os.environ.get("HISTOHET_DATA", ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(shared))
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    one_thread()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (args.keep or Path(scratch)).resolve()
        real = args.what == "sarcomas"
        dataset = sarcomas(folder, args.data) if real else write_training_set(folder)
        section = {key: getattr(args, key) for key in ("plan", "epochs", "iterations")}
        training = section | {"dataset": str(dataset), "folds": [0]}
        config = {"slides": "none.tsv", "segmentation_training": training}
        took = run_stages(Cohort(folder / "run", ROOT / "workflow", config))
        found = read_tsv(folder / "run/results/segmentation/validation.tsv")
        cases = {case.name: case for case in read_training_set(dataset).cases}
        truth = [read_case(cases[name], [0, 1]).labels[0] == 1 for name in found["case"]]
        found["ellipsoid"] = [dice(one, in_the_middle(one.shape)) for one in truth]
    say(found.drop(columns="fold").to_string(index=False))
    results = {"stages": took, "cases": found.to_dict("records"), **circumstances(args)}
    name = f"segmentation_training_{args.what}_{args.plan}.json"
    write_json(args.out or ROOT / "results/bench" / name, results)


if __name__ == "__main__":
    main()
