"""Harrell's C against R, lifelines and a count of all pairs.

R values were printed by R 4.2.2 with survival 3.5.3, by the calls beside them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines.utils import concordance_index

from histohet.clinical.covariates import Covariate
from histohet.survival.cox import fit_design
from histohet.survival.design import make_design
from histohet.survival.ranking import Concordance, Pairs, comparable_pairs, concordance

PATIENTS = st.lists(
    st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 4)), min_size=2, max_size=25
)


def share(pairs: Pairs) -> float:
    total = pairs.concordant + pairs.discordant + pairs.tied
    return (pairs.concordant + pairs.tied / 2) / total


@settings(max_examples=60, deadline=None)
@given(patients=PATIENTS)
def test_every_pair_is_counted_once(patients: list[tuple[int, bool, int]]) -> None:
    time, event, risk = zip(*patients, strict=True)
    counted = [0, 0, 0]
    for t1, e1, r1 in patients:
        for t2, e2, r2 in patients:
            if e1 and (t1 < t2 or (t1 == t2 and not e2)):
                counted[0 if r1 > r2 else 1 if r1 < r2 else 2] += 1
    assert comparable_pairs(time, event, risk) == Pairs(*counted)
    found = concordance(time, event, risk, replicates=0, seed=0)
    if sum(counted):
        assert found.c == pytest.approx(concordance_index(time, [-r for r in risk], event))
    else:
        assert found == Concordance(None, None, None, 0)


@settings(max_examples=30, deadline=None)
@given(patients=PATIENTS, seed=st.integers(0, 99))
def test_order_of_rows_and_scale_of_risk_do_not_matter(
    patients: list[tuple[int, bool, int]], seed: int
) -> None:
    time, event, risk = (np.array(column) for column in zip(*patients, strict=True))
    other = np.random.default_rng(seed).permutation(len(time))
    pairs = comparable_pairs(time, event, risk)
    assert comparable_pairs(time[other] * 30.4, event[other], np.exp(risk[other])) == pairs
    turned = comparable_pairs(time, event, -risk)
    assert turned == Pairs(pairs.discordant, pairs.concordant, pairs.tied)


def planted(log_hazard_ratio: float, n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    risk = rng.normal(size=n)
    death = rng.exponential(1 / np.exp(log_hazard_ratio * risk))
    censored = rng.exponential(1.5, n)
    return np.minimum(death, censored), death < censored, risk


def test_a_higher_risk_with_a_higher_hazard_is_above_one_half() -> None:
    harmful = concordance(*planted(0.8), replicates=300, seed=1)
    assert harmful.c is not None
    assert harmful.lower is not None
    assert harmful.upper is not None
    assert 0.5 < harmful.lower < harmful.c < harmful.upper
    protective = concordance(*planted(-0.8), replicates=300, seed=1)
    assert (protective.upper or 1) < 0.5


def test_the_bootstrap_is_a_bootstrap() -> None:
    """Replicates made by hand, by drawing patients, have the same percentiles up to noise."""
    time, event, risk = planted(0.5, 80)
    found = concordance(time, event, risk, replicates=4000, seed=2)
    rng = np.random.default_rng(9)
    drawn = []
    for _ in range(1500):
        rows = rng.integers(0, 80, 80)
        drawn.append(share(comparable_pairs(time[rows], event[rows], risk[rows])))
    lower, upper = np.percentile(drawn, [2.5, 97.5])
    assert found.lower == pytest.approx(lower, abs=0.01)
    assert found.upper == pytest.approx(upper, abs=0.01)


def test_the_same_seed_gives_the_same_interval() -> None:
    cohort = planted(0.5, 60)
    first = concordance(*cohort, replicates=130, seed=3)
    assert first == concordance(*cohort, replicates=130, seed=3)
    assert first != concordance(*cohort, replicates=130, seed=4)


def test_nobody_to_compare() -> None:
    assert concordance([], [], [], replicates=10, seed=0).c is None
    assert concordance([1, 2], [0, 0], [1, 2], replicates=10, seed=0).c is None


@pytest.mark.real
def test_lung_with_ties_everywhere(real_data: Path) -> None:
    """R: concordance(Surv(time, status) ~ ph.karno, lung, reverse = TRUE)."""
    lung = pd.read_csv(real_data / "survival" / "lung.csv").dropna(subset=["ph.karno"])
    pairs = comparable_pairs(lung["time"], lung["status"], lung["ph.karno"])
    assert pairs == Pairs(concordant=5741, discordant=9611, tied=4436)
    found = concordance(lung["time"], lung["status"], lung["ph.karno"], replicates=0, seed=0)
    assert found.c == pytest.approx(0.402213462705, rel=1e-11)


@pytest.mark.real
@pytest.mark.parametrize(
    ("table", "time", "event", "names", "expected"),
    [
        # R: concordance(coxph(Surv(week, arrest) ~ fin + age + race + wexp + mar + paro + prio))
        (
            "rossi",
            "week",
            "arrest",
            "fin age race wexp mar paro prio",
            Pairs(27242, 15291, 49),
        ),
        # R: concordance(coxph(Surv(time, death) ~ age + Stage_II + Stage_III + Stage_IV, larynx))
        ("larynx", "time", "death", "age Stage_II Stage_III Stage_IV", Pairs(1928, 896, 13)),
    ],
)
def test_of_a_cox_model(
    real_data: Path, table: str, time: str, event: str, names: str, expected: Pairs
) -> None:
    frame = pd.read_csv(real_data / "survival" / f"{table}.csv").rename(
        columns={time: "time_months", event: "event"}
    )
    design = make_design(frame, [Covariate(name, "numeric", name) for name in names.split()])
    coefficients = [term.coefficient for term in fit_design(design).terms]
    # Equal patients have equal hazards, whatever the last digit of their sums.
    hazard = (design.matrix @ coefficients).round(10)
    assert comparable_pairs(frame["time_months"], frame["event"], hazard) == expected
