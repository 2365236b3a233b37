"""What the networks of block `mil` cost: all splits of a cohort, trained and applied.

    .venv/bin/python tests/bench/mil.py [--patients 80] [--tiles 512] [--width 1024] [--splits 25]

Patients with a slide each, of random numbers; `--splits` of 5 × 5 outer folds are run, each with a
network by all training patients and five by four fifths of them, with the defaults of `fusion.mil`.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from helpers.bags import cross_fitted, needles
from histohet.fusion.folds import deal_splits
from histohet.fusion.settings import MilSettings

log = logging.getLogger("mil")


def time_mil(
    patients: int = 80, tiles: int = 512, width: int = 1024, splits: int = 25
) -> dict[str, float]:
    """Return CPU seconds of training and prediction, and the peak memory of this process in MB."""
    torch.set_num_threads(1)
    cohort = needles(patients, 1, tiles=tiles, width=width)
    dealt = deal_splits(cohort.outcome["state"].to_numpy(), 5, 5, 1)[:splits]
    with TemporaryDirectory() as folder:
        bags = cohort.bags(Path(folder))
        began = time.process_time()
        cross_fitted(cohort, bags, dealt, MilSettings())
        seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"mil_cpu_s": seconds, "mil_splits": len(dealt), "mil_peak_mb": peak}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in {"patients": 80, "tiles": 512, "width": 1024, "splits": 25}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    log.info("%s", json.dumps(time_mil(**vars(parser.parse_args()))))
