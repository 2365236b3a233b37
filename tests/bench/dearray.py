"""Find the cores of labelled overviews of arrays, and count how many are found, and found wrongly.

    .venv/bin/python tests/bench/dearray.py [FOLDER] [--output FILE]

FOLDER holds pictures (`*.png`) with the centres of their cores beside them (`*.json`: a list of
`x`, `y`, `radius` in px), as in Microarray-Dearraying; by default `$HISTOHET_DATA/cores/arrays`.
The finder is told twice the labelled radius, which is up to a third more than the cores are wide.
A core counts as found if a centre lies within one labelled radius; no centre counts twice.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from histohet.common.arrays import Floats
from histohet.common.files import write_json
from histohet.cores.dearray import take_apart
from histohet.cores.settings import ArraySettings
from histohet.cores.sheet import ArrayRow
from histohet.slides.reader import open_slide

MPP = 1.0
"""Nobody knows it; all lengths are those of the labels."""


def score(found: Floats, labelled: Floats, radius: float) -> dict[str, float]:
    """Return precision, recall and F1 of centres (N, 2) against labels (M, 2)."""
    distance = np.hypot(*(found[:, None] - labelled[None]).transpose(2, 0, 1))
    cost = np.where(distance <= radius, distance, 1e9)
    rows, columns = linear_sum_assignment(cost)
    hits = int((cost[rows, columns] < 1e9).sum())
    precision, recall = hits / len(found), hits / len(labelled)
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * hits / (len(found) + len(labelled)),
    }


def measure(path: Path) -> dict[str, Any]:
    """Take one array apart and compare it with its labels."""
    labels = json.loads(path.with_suffix(".json").read_text())
    radius = float(labels[0]["radius"])
    start = time.process_time()
    with open_slide(path) as slide:
        row = ArrayRow(2, path.stem, str(path), mpp=MPP)
        settings = ArraySettings.model_construct(sheet="", diameter_um=2 * radius * MPP)
        array = take_apart(slide, row, settings)
    seconds = time.process_time() - start
    found = np.array([(core.x, core.y) for core in array.cores if not core.missing])
    labelled = np.array([(one["x"], one["y"]) for one in labels])
    return {
        "array": path.stem,
        "labelled": len(labelled),
        "found": len(found),
        **score(found, labelled, radius),
        "cpu_s": round(seconds, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path(os.environ.get("HISTOHET_DATA", "../shared/data")) / "cores/arrays",
    )
    parser.add_argument("--output", type=Path, default=Path("results/bench/dearray.json"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    arrays = []
    for path in sorted(options.folder.glob("*.png")):
        arrays.append(measure(path))
        print(arrays[-1], flush=True)  # noqa: T201
    if not arrays:
        raise SystemExit(f"{options.folder} has no labelled overview (*.png with *.json)")
    f1 = [one["f1"] for one in arrays]
    result = {
        "dearray_f1_mean": round(float(np.mean(f1)), 4),
        "dearray_f1_min": round(min(f1), 4),
        "most_cpu_s": max(one["cpu_s"] for one in arrays),
        "arrays": arrays,
    }
    print({key: result[key] for key in list(result)[:3]})  # noqa: T201
    write_json(options.output, result)


if __name__ == "__main__":
    main()
