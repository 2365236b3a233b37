"""Time and memory of the statistics on a large cohort.

    .venv/bin/python tests/bench/survival.py [--patients N] [--permutations N]

Scores × endpoints, each with everything that `analyse_endpoint` does: Kaplan–Meier, log-rank, eight
Cox models with tests of proportional hazards, their permutation p-values and bootstrapped C. The
jobs share the processes as Snakemake would share them out.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.running import circumstances, say
from histohet.clinical.settings import Covariate
from histohet.common.files import write_json
from histohet.survival.endpoint import analyse_endpoint
from histohet.survival.estimates import estimate_table
from histohet.survival.permutation import best_cut

COVARIATES = (
    Covariate(column="age", kind="numeric", name="age"),
    Covariate(column="N", kind="categorical", name="N", reference="N0"),
)
SEED = 271


def cohort(patients: int, score: int, endpoint: int) -> pd.DataFrame:
    """Make a cohort whose times are whole days: most are tied."""
    rng = np.random.default_rng([SEED, score])
    tiles = np.exp(rng.normal(7.5, 0.9, patients)).round() + 20
    # Even scores are counts, odd ones have as many values as patients.
    values = rng.poisson(4, patients) + (rng.normal(size=patients) if score % 2 else 0.0)
    low, high = np.percentile(values, [25, 75])
    rng = np.random.default_rng([SEED, 99, endpoint])
    death = rng.exponential(2500, patients) / np.exp(0.05 * values)
    censored = rng.uniform(30, 3000, patients)
    return pd.DataFrame(
        {
            "patient": np.arange(patients).astype(str),
            "score": values,
            "n_tiles": tiles,
            "group": np.where(values <= low, "low", np.where(values > high, "high", "middle")),
            "time_months": np.ceil(np.minimum(death, censored)) / 30.4375,
            "event": (death < censored).astype(int),
            "age": rng.normal(65, 10, patients).round(),
            "N": rng.choice(["N0", "N1", "N2", "N3"], patients),
        }
    )


def analyse(task: tuple[int, int, int, int, int]) -> dict[str, Any]:
    """Analyse one score and endpoint; return seconds and the peak memory of the process."""
    patients, score, endpoint, permutations, replicates = task
    frame = cohort(patients, score, endpoint)
    start, cpu = time.perf_counter(), time.process_time()
    result = analyse_endpoint(
        frame, COVARIATES, permutations=permutations, replicates=replicates, seed=SEED
    )
    table = estimate_table(result, f"E{endpoint}")
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    start = time.perf_counter()
    searched = best_cut(
        frame["score"],
        frame["time_months"],
        frame["event"],
        permutations=permutations,
        seed=SEED,
    )
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "best_cut_seconds": time.perf_counter() - start,
        "cuts": searched.n_cuts,
        "events": result.events,
        "estimates": len(table),
        "not_estimable": int((table["status"] != "ok").sum()),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--scores", type=int, default=12)
    parser.add_argument("--endpoints", type=int, default=4)
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--replicates", type=int, default=1000, help="of the bootstrap of C")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("results/bench/survival.json"))
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    tasks = [
        (args.patients, score, endpoint, args.permutations, args.replicates)
        for score in range(args.scores)
        for endpoint in range(args.endpoints)
    ]
    start = time.perf_counter()
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(analyse, tasks))
    figures = {
        "seconds": time.perf_counter() - start,
        "peak_rss_mib": max(row["peak_rss_mib"] for row in found),
        "processes": args.jobs,
        "analyses": len(found),
        "estimates": sum(row["estimates"] for row in found),
        "not_estimable": sum(row["not_estimable"] for row in found),
        "mean_events": float(np.mean([row["events"] for row in found])),
        "mean_seconds_per_analysis": float(np.mean([row["seconds"] for row in found])),
        "mean_cpu_seconds_per_analysis": float(np.mean([row["cpu_seconds"] for row in found])),
        "mean_seconds_best_cut": float(np.mean([row["best_cut_seconds"] for row in found])),
        "most_cuts": max(row["cuts"] for row in found),
    }
    say(
        f"{args.patients} patients × {args.scores} scores × {args.endpoints} endpoints, "
        f"{args.permutations} permutations, {args.replicates} bootstrap replicates\n"
    )
    for name, value in figures.items():
        say(f"{name.replace('_', ' '):32}{value:10.1f}")
    write_json(args.out, {**figures, "circumstances": circumstances(args)})
    say(f"\n{args.out}")


if __name__ == "__main__":
    main()
