"""Does each p-value reject as often as it says, and does each interval cover as often?

    .venv/bin/python tests/bench/calibration.py [--replicates N] [--planted N]

Cohorts are simulated (`simulated_cohorts`) at the size of the published one. Without an effect,
every analysis is tested at 5 %:

- `high vs low`: the published procedure, from Otsu's threshold over trimming and quartiles to the
  Cox model of the two groups; `log-rank` and `adjusted` (for a covariate that matters) beside it;
- `per SD`: the score as it is;
- `best cut`: the cut with the largest log-rank statistic, whose naive p-value exists only here;
- `best of 12`: four scores against three endpoints, the best one reported.

With a planted hazard ratio, the 95 % interval of the score's should cover it in 95 % of the
cohorts, and every estimate should have its sign.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

from bench.running import circumstances, say
from bench.simulated_cohorts import ENDPOINTS, PATIENTS, SCORES, Simulated, simulate
from histohet.clinical.settings import Covariate
from histohet.common.files import write_json
from histohet.survival.cox import fit_design
from histohet.survival.curves import log_rank
from histohet.survival.design import make_design
from histohet.survival.endpoint import HIGH_VS_LOW, SCORE
from histohet.survival.partial_likelihood import RiskSets, maximise
from histohet.survival.permutation import (
    best_cut,
    exposure_permutation_p,
    log_rank_scores,
    permutation_p,
)
from histohet.survival.ranking import concordance

LEVEL = 0.05
HAZARD_RATIOS = (1.5, 2.0, 3.0)
STAGE = Covariate(column="stage", kind="numeric", name="stage")

Json = dict[str, Any]


def p_values(cohort: Simulated, permutations: int, seed: int) -> Iterator[tuple[str, float, float]]:
    """Yield the name of each analysis of a cohort, its naive and its permutation p."""
    settings = {"permutations": permutations, "seed": seed}
    frame = cohort.frame
    for name, terms in {
        "high vs low": [HIGH_VS_LOW],
        "high vs low, adjusted": [HIGH_VS_LOW, STAGE],
        "per SD": [SCORE],
        "per SD, adjusted": [SCORE, STAGE],
    }.items():
        design = make_design(frame, terms)
        permuted = exposure_permutation_p(design, **settings)
        yield name, fit_design(design).terms[0].p, permuted or 1.0
    extremes = frame[frame["group"].isin(["low", "high"])]
    outcome = extremes["time_months"], extremes["event"]
    naive = log_rank(*outcome, extremes["group"]).p or 1.0
    residuals = log_rank_scores(*outcome)
    yield "log-rank", naive, permutation_p(extremes["group"] == "high", residuals, **settings)
    found = best_cut(frame["score"], frame["time_months"], frame["event"], **settings)
    naive = 2 * norm.sf(abs(found.statistic or 0))
    yield "best cut", float(naive), found.permutation_p or 1.0
    wald, residuals_of = [], []
    for endpoint in range(len(ENDPOINTS)):
        times, events = cohort.times[:, endpoint], cohort.events[:, endpoint]
        residuals_of.append(log_rank_scores(times, events))
        risk = RiskSets(times, events)
        for score in range(len(SCORES)):
            fitted = maximise(cohort.scores[:, [score]], risk)
            wald.append(fitted.coefficients[0] / np.sqrt(fitted.covariance[0, 0]))
    permuted = permutation_p(cohort.scores, np.column_stack(residuals_of), **settings)
    yield "best of 12", float(2 * norm.sf(np.abs(wald).max())), permuted


def rejection(replicates: int, permutations: int, seed: int) -> Json:
    """Return how often each analysis rejects without an effect."""
    rejected: dict[str, list[tuple[bool, bool]]] = {}
    events = []
    for replicate in range(replicates):
        cohort = simulate([seed, replicate])
        events.append(cohort.frame["event"].mean())
        for name, naive, permuted in p_values(cohort, permutations, seed + replicate):
            rejected.setdefault(name, []).append((naive <= LEVEL, permuted <= LEVEL))
    rates = {name: np.mean(found, axis=0) for name, found in rejected.items()}
    return {
        "mean_event_share": float(np.mean(events)),
        "analyses": {
            name: {
                "naive_rejection_rate": float(naive),
                "naive_monte_carlo_error": error(naive, replicates),
                "permutation_rejection_rate": float(permuted),
                "permutation_monte_carlo_error": error(permuted, replicates),
            }
            for name, (naive, permuted) in rates.items()
        },
    }


def coverage(hazard_ratio: float, replicates: int, seed: int) -> Json:
    """Return how often the interval covers a planted hazard ratio, and which sign estimates have.

    The model has the covariate that matters: without it the hazard ratio of the marginal model is
    another, nearer to 1.
    """
    covers, ratios, of_groups, concordances = [], [], [], []
    for replicate in range(replicates):
        frame = simulate([seed, replicate, 1], np.log(hazard_ratio)).frame
        score = frame["score"]
        scaled = frame.assign(score=(score - score.mean()) / score.std())
        term = fit_design(make_design(scaled, [SCORE, STAGE])).terms[0]
        covers.append(term.lower <= hazard_ratio <= term.upper)
        ratios.append(term.hazard_ratio)
        of_groups.append(fit_design(make_design(frame, [HIGH_VS_LOW])))
        outcome = frame["time_months"], frame["event"]
        concordances.append(concordance(*outcome, score, replicates=0, seed=0).c or 0.0)
    known = [model.terms[0].hazard_ratio > 1 for model in of_groups if model.terms]
    covered = float(np.mean(covers))
    return {
        "coverage_95": covered,
        "monte_carlo_error": error(covered, replicates),
        "median_hazard_ratio": float(np.median(ratios)),
        "score_above_1": float(np.mean(np.asarray(ratios) > 1)),
        "groups_above_1": float(np.mean(known)),
        "groups_not_estimable": replicates - len(known),
        "c_above_half": float(np.mean(np.asarray(concordances) > 0.5)),
    }


def error(rate: float, replicates: int) -> float:
    """Return the standard error of a rate."""
    return float(np.sqrt(rate * (1 - rate) / replicates))


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--replicates", type=int, default=1000, help="cohorts without an effect")
    parser.add_argument("--planted", type=int, default=500, help="cohorts per hazard ratio")
    parser.add_argument("--permutations", type=int, default=499)
    parser.add_argument("--seed", type=int, default=314)
    parser.add_argument("--out", type=Path, default=Path("results/bench/calibration.json"))
    args = parser.parse_args()
    start = time.perf_counter()
    say(f"{args.replicates} cohorts of {PATIENTS} patients without an effect, tested at 5 %\n")
    null = rejection(args.replicates, args.permutations, args.seed)
    say(f"{'rejected':24}{'naive':>16}{'permutation':>16}")
    for name, row in null["analyses"].items():
        cells = [
            f"{100 * row[f'{kind}_rejection_rate']:.1f} ± "
            f"{100 * row[f'{kind}_monte_carlo_error']:.1f} %"
            for kind in ("naive", "permutation")
        ]
        say(f"{name:24}{cells[0]:>16}{cells[1]:>16}")
    say(f"\n{args.planted} cohorts per planted hazard ratio (per SD of the score)\n")
    say(f"{'planted':>8}{'median found':>14}{'interval covers':>18}{'above 1':>10}{'C > 0.5':>10}")
    planted = {}
    for ratio in HAZARD_RATIOS:
        row = planted[str(ratio)] = coverage(ratio, args.planted, args.seed)
        covers = f"{100 * row['coverage_95']:.1f} ± {100 * row['monte_carlo_error']:.1f} %"
        say(
            f"{ratio:8}{row['median_hazard_ratio']:14.3f}{covers:>18}"
            f"{100 * row['score_above_1']:8.1f} %{100 * row['c_above_half']:8.1f} %"
        )
    paper = null["analyses"]["high vs low"]
    write_json(
        args.out,
        {
            "permutation_rejection_rate": paper["permutation_rejection_rate"],
            "naive_rejection_rate": paper["naive_rejection_rate"],
            "monte_carlo_error": paper["permutation_monte_carlo_error"],
            "coverage_95": {ratio: row["coverage_95"] for ratio, row in planted.items()},
            "of": "the published procedure: high against low quartile, Cox model; Wald p is naive",
            "level": LEVEL,
            "no_effect": null,
            "planted": planted,
            "seconds": time.perf_counter() - start,
            "cpu_seconds": time.process_time(),
            "circumstances": circumstances(args),
        },
    )
    seconds = time.perf_counter() - start
    say(f"\n{seconds:.0f} s, {time.process_time():.0f} s of one core; {args.out}")


if __name__ == "__main__":
    main()
