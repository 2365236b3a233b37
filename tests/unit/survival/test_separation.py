"""Separation: told from a finite maximum by likelihood alone, and what is estimated beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import CoxPHFitter
from scipy.optimize import minimize_scalar

from histohet.clinical.settings import Covariate
from histohet.common.arrays import Bools, Floats
from histohet.survival.cox import CoxResult, fit_cox
from histohet.survival.design import make_design
from histohet.survival.endpoint import EndpointAnalysis, analyse_endpoint
from histohet.survival.estimates import estimate_table
from histohet.survival.partial_likelihood import (
    NoMaximumError,
    RiskSets,
    log_likelihood,
    maximise,
)
from histohet.survival.permutation import exposure_permutation_p
from histohet.survival.separation import TooFarApartError, separation, supremum

pytestmark = pytest.mark.filterwarnings("error")

SCORE = Covariate(column="score", kind="numeric", name="score")
MARKER = Covariate(column="marker", kind="numeric", name="marker")
STAGE = Covariate(column="stage", kind="categorical", name="stage", reference="I")

Data = tuple[Floats, Floats, Bools]


@st.composite
def small_cohorts(draw: st.DrawFn) -> Data:
    """Few patients with few values: separated, flat or neither, with ties of time."""
    n, p = draw(st.integers(3, 14)), draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    event = rng.random(n) < 0.6
    event[0] = True
    design = rng.integers(0, draw(st.integers(2, 5)), (n, p)).astype(float)
    return design, rng.integers(1, 8, n).astype(float), event


def comparisons(design: Floats, time: Floats, event: Bools) -> Floats:
    """Everybody who dies less everybody at risk then."""
    rows = [
        design[i] - design[j]
        for i in np.flatnonzero(event)
        for j in np.flatnonzero(time >= time[i])
    ]
    return np.array(rows)


def rising(rows: Floats) -> Floats:
    """Directions that no row points against, as many as there are extreme ones, (k, p).

    In a plane an extreme direction stands on a row, or, where all rows are parallel, is one.
    """
    if rows.shape[1] == 1:
        candidates = np.array([[1.0], [-1.0]])
    else:
        across = rows @ np.array([[0.0, 1.0], [-1.0, 0.0]])
        candidates = np.concatenate([rows, -rows, across, -across])
    along = candidates @ rows.T
    return candidates[(along >= 0).all(axis=1) & (along > 0).any(axis=1)]


@settings(max_examples=300, deadline=None)
@given(small_cohorts())
def test_separation_is_what_trying_every_direction_finds(data: Data) -> None:
    rows = comparisons(*data)
    found = separation(data[0], RiskSets(*data[1:]))
    directions = rising(rows)
    assert found.direction.any() == bool(len(directions))
    assert (rows @ found.direction >= -1e-6).all()
    equal = rows if not len(directions) else rows[(rows @ directions.T <= 0).all(axis=1)]
    # A coefficient is told if it follows from the differences that are left.
    rank = np.linalg.matrix_rank(equal) if len(equal) else 0
    told = [
        np.linalg.matrix_rank(np.vstack([equal, unit])) == rank for unit in np.eye(rows.shape[1])
    ]
    assert found.finite.tolist() == told
    assert len(found.kept) == rank
    assert set(np.flatnonzero(found.finite)) <= set(found.kept)


@settings(max_examples=300, deadline=None)
@given(small_cohorts())
def test_there_is_a_maximum_if_and_only_if_nothing_separates(data: Data) -> None:
    design, time, event = data
    risk = RiskSets(time, event)
    if not separation(design, risk).finite.all():
        with pytest.raises(NoMaximumError):
            maximise(design, risk)
        return
    fitted = maximise(design, risk)
    assert np.abs(fitted.at.score).max() < 1e-7
    assert np.isfinite(fitted.covariance).all()


@settings(max_examples=200, deadline=None)
@given(small_cohorts())
def test_the_supremum_is_neared_on_the_way_and_never_passed(data: Data) -> None:
    design, time, event = data
    risk = RiskSets(time, event)
    found = supremum(design, risk)
    best = found.maximum.at.log_value
    rng = np.random.default_rng(0)
    for coefficients in rng.normal(0, 2, (20, design.shape[1])):
        assert log_likelihood(design @ coefficients, risk) <= best + 1e-9
    coefficients = np.zeros(design.shape[1])
    coefficients[found.kept] = found.maximum.coefficients
    if found.separation is not None:
        far = np.abs(comparisons(*data) @ found.separation.direction)
        shortest = far[far > 1e-6].min(initial=np.inf)
        coefficients = coefficients + 200 / shortest * found.separation.direction
    assert log_likelihood(design @ coefficients, risk) == pytest.approx(best, abs=1e-7)


def scored(seed: int, n: int) -> pd.DataFrame:
    """Patients whose score is worth a hazard ratio of 1.5, in three stages."""
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    death, censored = rng.exponential(20 / np.exp(0.4 * score)), rng.uniform(3, 60, n)
    return pd.DataFrame(
        {
            "patient": [f"P{i:03}" for i in range(n)],
            "score": score,
            "group": np.where(score > 0, "high", "low"),
            "n_tiles": rng.integers(100, 9000, n),
            "time_months": np.minimum(death, censored).round(1) + 0.1,
            "event": death <= censored,
            "stage": rng.choice(["I", "II", "III"], n),
            "marker": rng.gamma(2, 4, n).round(1),
        }
    )


def assert_same(found: CoxResult, expected: CoxResult) -> None:
    """Terms are those of another model, as far as R's stopping rule goes."""
    others = {(term.term, term.level): term for term in expected.terms}
    assert found.status == "ok", found.reason
    for term in found.terms:
        other = others[term.term, term.level]
        np.testing.assert_allclose(
            [term.coefficient, term.se], [other.coefficient, other.se], rtol=1e-5
        )
        # Of two statistics z that differ by a share, the p-values differ by about z^2 times it.
        z = other.coefficient / other.se
        np.testing.assert_allclose(term.p, other.p, rtol=1e-5 * max(1, z**2))


# --- a value far out ------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [200.0, 400.0, 4000.0, 1e6])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_value_far_out_does_not_make_a_hazard_ratio_infinite(value: float, sign: int) -> None:
    """Who dies first, and sure to, says nothing of the others: the model is that without him."""
    data = scored(3, 80)
    data["time_months"] /= np.exp(0.12 * (data["marker"] - 8))
    data["marker"] *= sign
    data.loc[0, ["marker", "time_months", "event"]] = [sign * value, 0.001, True]
    found = fit_cox(data, [MARKER, SCORE])
    assert_same(found, fit_cox(data[1:], [MARKER, SCORE]))
    assert (found.n, found.untold) == (80, ())
    assert sign * found.terms[0].coefficient > 0.05


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(1, 5), st.floats(0.5, 3), st.integers(0, 59))
def test_heavy_tails_have_the_maximum_that_a_search_finds(
    seed: int, power: float, tail: float, who: int
) -> None:
    """Any patient may have the value far out, whether and whenever he dies."""
    data = scored(seed, 60)
    values = np.exp(np.random.default_rng(seed).normal(3, tail, 60))
    values[who] = values.max() * 10**power
    risk = RiskSets(data["time_months"], data["event"])
    design = values[:, None]
    if not separation(design, risk).finite.all():
        return
    found = supremum(design, risk)
    at = float(found.maximum.coefficients[0])
    best = found.maximum.at.log_value
    spread = found.maximum.covariance[0, 0] ** 0.5
    search = minimize_scalar(
        lambda beta: -log_likelihood(values * beta, risk),
        bounds=(at - 9 * spread, at + 9 * spread),
        method="bounded",
        options={"xatol": 1e-9 * spread},
    )
    assert best >= -search.fun - 1e-9
    assert at == pytest.approx(search.x, abs=1e-3 * spread)


def test_a_value_too_far_out_to_compute_with_is_named() -> None:
    data = scored(3, 80)
    data["time_months"] /= np.exp(0.12 * (data["marker"] - 8))
    data.loc[0, ["marker", "time_months", "event"]] = [1e13, 0.001, True]
    model = fit_cox(data, [SCORE, MARKER])
    assert model.status == "not_estimable"
    assert model.reason.startswith("marker of one patient is 1e+13, of the others 0")
    with pytest.raises(TooFarApartError, match="column 1"):
        supremum(data[["score", "marker"]].to_numpy(), RiskSets(data["time_months"], data["event"]))
    assert (
        exposure_permutation_p(make_design(data, [SCORE, MARKER]), permutations=9, seed=0) is None
    )


# --- a rare level ---------------------------------------------------------------------------------


def with_stage(data: pd.DataFrame, where: Bools, stage: str = "IV") -> pd.DataFrame:
    return data.assign(stage=data["stage"].mask(where, stage))


@pytest.mark.parametrize("fate", ["censored", "dies first", "dies last", "censored at once"])
def test_a_level_of_one_patient_does_not_cost_the_others_their_estimates(fate: str) -> None:
    data = scored(1, 90)
    one = np.arange(90) == 7
    first, last = data["time_months"].min() / 2, data["time_months"].max() + 1
    time = {"dies first": first, "dies last": last, "censored at once": first / 2}
    data.loc[one, "event"] = fate.startswith("dies")
    data.loc[one, "time_months"] = time.get(fate, 25.0)
    model = fit_cox(with_stage(data, one), [SCORE, STAGE])
    # In the limit nobody is compared with him.
    assert_same(model, fit_cox(data[~one], [SCORE, STAGE]))
    assert [term.level for term in model.terms] == ["", "II", "III"]
    (untold,) = model.untold
    assert (untold.label, untold.n, untold.events) == (
        "stage: IV vs I",
        1,
        int(fate.startswith("dies")),
    )
    reason = "separates" if fate.startswith("dies") else "no event among the 1 patients"
    assert reason in untold.reason
    assert model.n == 90
    assert "no estimate of stage: IV vs I" in model.warning
    assert model.ph_p is not None


def test_those_with_a_level_may_all_die_before_the_others() -> None:
    """Then the others are estimated as with a baseline hazard for each."""
    data = scored(2, 90)
    early = np.arange(90) % 9 == 0
    data.loc[early, "event"] = True
    data.loc[early, "time_months"] = 0.01 + 0.001 * np.arange(10)
    data = with_stage(data, early)
    model = fit_cox(data, [SCORE, STAGE])
    assert [term.label for term in model.untold] == ["stage: IV vs I"]
    frame = pd.DataFrame(
        {
            "t": data["time_months"],
            "e": data["event"],
            "score": data["score"],
            "II": data["stage"] == "II",
            "III": data["stage"] == "III",
            "IV": data["stage"] == "IV",
        }
    ).astype(float)
    theirs = CoxPHFitter().fit(frame, "t", "e", strata=["IV"], fit_options={"precision": 1e-12})
    found = [(term.coefficient, term.se) for term in model.terms]
    expected = theirs.summary[["coef", "se(coef)"]].loc[["score", "II", "III"]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert model.log_likelihood == pytest.approx(theirs.log_likelihood_, rel=1e-9)


def test_a_reference_without_event_costs_its_own_term_alone() -> None:
    data = scored(4, 90)
    event = data["event"] & (data["stage"] != "I")
    data = data.assign(event=event)
    model = fit_cox(data, [SCORE, STAGE])
    assert [term.term for term in model.terms] == ["score"]
    other = STAGE.model_copy(update={"reference": "II"})
    assert_same(model, fit_cox(data[data["stage"] != "I"], [SCORE, other]))
    assert [term.level for term in model.untold] == ["II", "III"]
    n = (data["stage"] == "I").sum()
    for term in model.untold:
        assert term.reason.startswith(f"no event among the {n} patients with stage I:")


def test_two_levels_and_a_marker_may_be_lost_at_once() -> None:
    data = scored(5, 90)
    data.loc[[3, 4], "event"] = False
    data = with_stage(with_stage(data, np.arange(90) == 3), np.arange(90) == 4, "X")
    data["marker"] = (np.arange(90) == 8).astype(float)
    data.loc[8, ["time_months", "event"]] = [data["time_months"].max() + 9, False]
    model = fit_cox(data, [SCORE, STAGE, MARKER])
    assert [term.label for term in model.untold] == ["stage: IV vs I", "stage: X vs I", "marker"]
    assert_same(model, fit_cox(data.drop([3, 4, 8]), [SCORE, STAGE]))


def test_what_is_asked_about_has_to_be_told() -> None:
    order = np.arange(40.0)
    data = scored(6, 40).assign(time_months=1 + order)
    model = fit_cox(data.assign(event=True, marker=-order), [SCORE, MARKER])
    assert model.status == "not_estimable"
    assert model.reason == (
        "nothing is left to estimate score from: marker separates those with an event from the "
        "others at risk (infinite hazard ratio)"
    )
    both = data.assign(event=True, marker=data["score"] - order)
    model = fit_cox(both, [SCORE, MARKER])
    assert model.status == "not_estimable"
    assert model.reason.startswith("score and marker together separate those with an event")
    late = data.assign(
        event=data["time_months"] > 5, marker=(data["time_months"] < 5).astype(float)
    )
    model = fit_cox(late, [MARKER])
    assert model.reason == "patients at risk together do not differ in marker"
    assert fit_cox(late, [SCORE, MARKER]).untold[0].reason == model.reason


@pytest.fixture(scope="module")
def rare() -> tuple[EndpointAnalysis, EndpointAnalysis]:
    """With a patient of a rare level, and without him."""
    data = scored(7, 90)
    one = np.arange(90) == 11
    data.loc[one, ["time_months", "event"]] = [25.0, False]
    effort = {"permutations": 99, "replicates": 20, "seed": 1}
    return (
        analyse_endpoint(with_stage(data, one), [STAGE], **effort),
        analyse_endpoint(data[~one], [STAGE], **effort),
    )


def test_the_primary_estimate_outlives_a_rare_level(
    rare: tuple[EndpointAnalysis, EndpointAnalysis],
) -> None:
    table, without = (estimate_table(one, "OS") for one in rare)
    primary, expected = (one[one["primary"]].iloc[0] for one in (table, without))
    assert primary["status"] == "ok"
    assert primary["hazard_ratio"] == pytest.approx(expected["hazard_ratio"])
    assert primary["permutation_p"] == pytest.approx(expected["permutation_p"], abs=0.1)
    assert "no estimate of stage: IV vs I" in primary["reason"]
    rows = table[(table["model"] == "high vs low, adjusted") & (table["level"] == "IV")]
    (row,) = rows.to_dict("records")
    assert (row["status"], row["n"], row["events"]) == ("not_estimable", 1, 0)
    assert row["reason"].startswith("no event among the 1 patients with stage IV")
    assert rows[["hazard_ratio", "lower", "upper", "p"]].isna().all(axis=None)


def test_concordance_ranks_the_infinite_beyond_all_others(
    rare: tuple[EndpointAnalysis, EndpointAnalysis],
) -> None:
    data = scored(7, 90)
    one = np.arange(90) == 11
    data.loc[one, ["time_months", "event"]] = [25.0, False]
    found = make_design(with_stage(data, one), [SCORE, STAGE]).fitted
    assert found.ranking.argmin() == 11
    others = (found.ranking - found.maximum.at.predictor)[~one]
    assert np.ptp(others) < 1e-9
    c, without = (each.models["high vs low, adjusted"].concordance.c for each in rare)
    assert c == pytest.approx(without, abs=0.02)
