"""Measures of predicted risk under competing events, by hand and by brute force (about 2 s)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from helpers.competing import BMT
from histohet.common.arrays import Floats, Ints
from histohet.fusion.competing_risks import aalen_johansen
from histohet.fusion.performance import auc, brier, concordance, known_by, net_benefit
from histohet.survival.ranking import dynamic_auc

TIME, STATE = BMT["years"].to_numpy(), BMT["state"].to_numpy()
RISK = np.random.default_rng(8).uniform(size=len(TIME))
EVERYBODY = np.ones((1, len(TIME)))
TOGETHER = np.zeros(len(TIME), int)


def uncensored(n: int, seed: int) -> tuple[Floats, Ints, Floats]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 10, n), rng.choice([1, 2], n), rng.normal(size=n)


@pytest.mark.parametrize("years", [0.2, 1.0, 2.5])
def test_the_weighted_share_of_cases_is_aalen_johansen(years: float) -> None:
    known = known_by(TIME, STATE, years)
    assert known.weight.sum() == pytest.approx(len(TIME), abs=1e-9)
    share = np.sum(known.weight * known.case) / len(TIME)
    assert share == pytest.approx(aalen_johansen(TIME, STATE).by(years).share, abs=1e-12)


def test_without_censoring_the_auc_is_mann_whitney() -> None:
    time, state, risk = uncensored(50, 1)
    case = (state == 1) & (time <= 6)
    expected = mannwhitneyu(risk[case], risk[~case]).statistic / (case.sum() * (~case).sum())
    found = auc(known_by(time, state, 6), risk, np.zeros(50, int), np.ones((1, 50)))
    assert found == pytest.approx(expected, abs=1e-12)


def test_without_competing_events_it_is_the_dynamic_auc() -> None:
    state = (STATE > 0).astype(int)
    counts = np.random.default_rng(2).integers(0, 3, (5, len(TIME))).astype(float)
    stratum = np.arange(len(TIME)) % 4
    found = auc(known_by(TIME, state, 1.0), RISK, stratum, counts)
    expected = dynamic_auc(TIME, state == 1, RISK, 1.0, counts=counts, stratum=stratum)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_who_had_the_competing_event_is_no_case() -> None:
    # Blanche 2013: those with the competing event by the horizon are controls.
    time, state = np.array([1.0, 2.0, 3.0, 9.0]), np.array([1, 2, 1, 0])
    known = known_by(time, state, 5)
    assert known.case.tolist() == [True, False, True, False]
    found = auc(known, np.array([4.0, 3.0, 1.0, 2.0]), np.zeros(4, int), np.ones((1, 4)))
    assert found == pytest.approx(0.5)  # the first before both others, the third behind both


def test_concordance_by_brute_force() -> None:
    risk, horizon = np.round(RISK, 1), 1.5
    right = total = 0.0
    cases = known_by(TIME, STATE, horizon).case
    for i in np.flatnonzero(cases):
        for j in range(len(TIME)):
            longer = TIME[j] > TIME[i] or (TIME[j] == TIME[i] and STATE[j] == 0)
            if j != i and (longer or STATE[j] == 2):
                total += 1
                right += (risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j])
    found = concordance(TIME, STATE, risk, horizon, TOGETHER, EVERYBODY)
    assert found == pytest.approx(right / total, abs=1e-12)


def test_the_brier_score_is_a_mean_square_and_best_for_the_truth() -> None:
    time, state, _ = uncensored(40, 3)
    known = known_by(time, state, 5)
    risk = np.linspace(0, 1, 40)
    twice = np.vstack([np.ones(40), 2 * np.ones(40)])
    expected = np.mean((known.case - risk) ** 2)
    np.testing.assert_allclose(brier(known, risk, twice), expected)
    assert brier(known, known.case.astype(float), twice[:1]) == 0
    # Of constants, the incidence is the best.
    of_bmt = known_by(TIME, STATE, 1.0)
    incidence = aalen_johansen(TIME, STATE).by(1.0).share
    scores = [
        brier(of_bmt, np.full(len(TIME), one), EVERYBODY)[0]
        for one in (incidence - 0.05, incidence, incidence + 0.05)
    ]
    assert scores[1] == min(scores)
    assert scores[1] == pytest.approx(incidence * (1 - incidence), abs=1e-12)


def test_net_benefit_by_hand() -> None:
    # Eight patients, all followed: at 0.25, four are treated, of whom two have the event, so
    # 2/8 − 2/8 · 1/3; at 0.5 two are, of whom one has it, so 1/8 − 1/8.
    time, state = np.full(8, 2.0), np.array([1, 1, 1, 0, 0, 2, 2, 0])
    time[3:5] = time[7] = 9.0
    risk = np.array([0.6, 0.3, 0.1, 0.5, 0.25, 0.2, 0.1, 0.0])
    found = net_benefit(known_by(time, state, 5), risk, np.array([0.25, 0.5]), np.ones((1, 8)))
    np.testing.assert_allclose(found[0], [2 / 8 - 2 / 8 / 3, 0])


def test_to_treat_all_is_worth_the_incidence_less_the_others_at_the_odds() -> None:
    thresholds = np.array([0.05, 0.2, 0.5])
    found = net_benefit(known_by(TIME, STATE, 1.0), np.ones(len(TIME)), thresholds, EVERYBODY)
    incidence = aalen_johansen(TIME, STATE).by(1.0).share
    expected = incidence - (1 - incidence) * thresholds / (1 - thresholds)
    np.testing.assert_allclose(found[0], expected, atol=1e-12)


def test_a_resample_is_what_it_says() -> None:
    counts = np.random.default_rng(5).integers(0, 3, (1, len(TIME))).astype(float)
    rows = np.repeat(np.arange(len(TIME)), counts[0].astype(int))
    many = np.ones((1, len(rows)))
    # C and the Brier score of the drawn patients; weights stay those of everybody.
    drawn = concordance(TIME[rows], STATE[rows], RISK[rows], 1.0, TOGETHER[rows], many)
    assert concordance(TIME, STATE, RISK, 1.0, TOGETHER, counts) == pytest.approx(drawn)
    known = known_by(TIME, STATE, 1.0)
    of_rows = type(known)(known.case[rows], known.weight[rows])
    for measure in (brier, lambda *of: auc(of[0], of[1], np.zeros(len(of[1]), int), of[2])):
        assert measure(known, RISK, counts) == pytest.approx(measure(of_rows, RISK[rows], many))


def test_nothing_to_compare_is_nan() -> None:
    known = known_by(np.array([1.0, 2.0]), np.array([0, 0]), 1.5)
    assert not known.compares
    assert np.isnan(auc(known, np.zeros(2), np.zeros(2, int), np.ones((1, 2)))).all()
