"""What is planted is found, and no more (about 80 s of a core)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from helpers.competing import blocks_of, planted, planted_with_truth
from helpers.honesty import measured
from histohet.fusion.comparison import named
from histohet.fusion.competing_risks import aalen_johansen
from histohet.fusion.evaluation import TREAT_ALL, decision_curves
from histohet.fusion.performance import concordance

MONTHS = 36.0
NAMES = ("clinical", "ct", "slide", "heterogeneity")
FULL = named(NAMES)
WITHOUT = {name: named([other for other in NAMES if other != name]) for name in NAMES}
TWO = "ct + slide"


class Cohort(NamedTuple):
    """A planted cohort, and what was found.

    ``of_model``: estimates of the model of all blocks, by measure; ``gains``: over other models, by
    measure and model; ``decision``: net benefit by threshold, of the model and of treating all;
    ``predicted``, ``observed``: mean risk, and incidence; ``of_truth``: what each block adds to the
    C of the true log hazards.
    """

    of_model: pd.Series
    gains: pd.DataFrame
    decision: pd.DataFrame
    predicted: float
    observed: float
    of_truth: pd.Series


def planted_cohort(seed: int) -> Cohort:
    """Plant 400 patients, a fifth of them without CT."""
    tables, outcome, truth = planted_with_truth(400, seed, missing=0.2)
    time, state = outcome["time_months"].to_numpy(), outcome["state"].to_numpy()
    pairs = [(FULL, other) for other in (*NAMES, *WITHOUT.values())]
    found, table = measured(blocks_of(tables), outcome, pairs, seed, MONTHS)
    by_measure = table.set_index("measure")
    truth["ct"] *= tables["ct"].notna().any(axis=1)
    everybody = np.ones((1, len(time)))

    def ranked(log_hazard: pd.Series) -> float:
        together = np.zeros(len(time), int)
        return float(
            concordance(time, state, log_hazard.to_numpy(), MONTHS, together, everybody)[0]
        )

    whole = truth.sum(axis=1)
    decision = decision_curves(found, time, state, (0.3, 0.5), seed)
    return Cohort(
        of_model=by_measure[by_measure["model"] == FULL]["estimate"],
        gains=table.set_index(["measure", "against"])[["estimate", "lower"]],
        decision=decision.pivot_table(index="threshold", columns="model", values="net_benefit"),
        predicted=float(found.incidence[list(found.models).index(FULL), 0, 0].mean()),
        observed=aalen_johansen(time, state).by(MONTHS).share,
        of_truth=pd.Series({name: ranked(whole) - ranked(whole - truth[name]) for name in NAMES}),
    )


@pytest.fixture(scope="module")
def cohorts() -> list[Cohort]:
    return [planted_cohort(seed) for seed in range(5)]


def test_risks_are_calibrated(cohorts: list[Cohort]) -> None:
    for cohort in cohorts:
        assert 0.8 < cohort.of_model["calibration_slope"] < 1.2
        assert cohort.predicted == pytest.approx(cohort.observed, abs=0.03)


def test_all_blocks_together_beat_each(cohorts: list[Cohort]) -> None:
    for cohort in cohorts:
        for measure in ("c_index_gain", "auc_gain", "brier_gain"):
            assert (cohort.gains.loc[measure].loc[list(NAMES), "lower"] > 0).all()


def test_to_treat_by_their_risks_is_worth_more_than_to_treat_all_or_nobody(
    cohorts: list[Cohort],
) -> None:
    for cohort in cohorts:
        assert cohort.of_model["brier_skill"] > 0.1
        worth = cohort.decision
        assert (worth[FULL] > worth[TREAT_ALL].clip(lower=0)).all()


def test_each_block_adds_as_much_as_the_truth_allows(cohorts: list[Cohort]) -> None:
    # Age and score, 0.6 per standard deviation beside 0.8 twice, add 0.02 to 0.03 to the C of the
    # true log hazards; in 400 patients an interval of such a gain may well hold 0.
    of_truth = pd.DataFrame([cohort.of_truth for cohort in cohorts]).mean()
    gains = pd.DataFrame(
        [
            cohort.gains.loc["c_index_gain"].loc[list(WITHOUT.values()), "estimate"].set_axis(NAMES)
            for cohort in cohorts
        ]
    ).mean()
    assert of_truth.between(0.015, 0.08).all()
    assert (gains - of_truth).between(-0.01, 0.02).all()


# --- a radiomic and a pathomic factor, 200 patients -----------------------------------------------


def gains(of: dict[str, float], missing: float = 0.0) -> pd.DataFrame:
    """Return what both blocks gain over each alone, in ten cohorts: estimate, lower, by block."""
    rows = []
    for seed in range(10):
        effect = {"clinical": 0.0, "heterogeneity": 0.0} | of
        tables, outcome = planted(200, seed, effect, missing)
        blocks = {name: one for name, one in blocks_of(tables).items() if name in ("ct", "slide")}
        pairs = [(TWO, "ct"), (TWO, "slide")]
        _, table = measured(blocks, outcome, pairs, seed, MONTHS)
        found = table[table["measure"] == "c_index_gain"]
        rows.append(found.set_index("against")[["estimate", "lower"]].stack())
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def of_both() -> pd.DataFrame:
    return gains({"ct": 1.0, "slide": 1.0})


def test_two_factors_are_worth_more_than_either(of_both: pd.DataFrame) -> None:
    assert (of_both.xs("lower", axis=1, level=1) > 0).all(axis=None)


@pytest.mark.parametrize(("idle", "other"), [("ct", "slide"), ("slide", "ct")])
def test_a_factor_of_noise_gains_nothing(idle: str, other: str) -> None:
    of_noise = gains({idle: 0.0, other: 1.0})[other]
    assert of_noise["estimate"].mean() == pytest.approx(0, abs=0.01)
    assert (of_noise["lower"] <= 0).all()


def test_without_a_third_of_the_scans_half_of_their_gain_is_left(of_both: pd.DataFrame) -> None:
    of_some = gains({"ct": 1.0, "slide": 1.0}, missing=0.3)
    whole, left = (table["slide"]["estimate"].mean() for table in (of_both, of_some))
    assert left > whole / 2
