"""The cohort's plan and its simulated survival."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from lifelines import CoxPHFitter
from pydantic import ValidationError

from histohet.common.settings import explain
from histohet.phantoms.plan import (
    MAX_SUBCLONES,
    PEN_COLOURS,
    PhantomPlan,
    clinical_table,
    plan_cohort,
    plan_table,
)
from histohet.phantoms.settings import PhantomSettings


def plans_of(n_slides: int, epithelial_tiles: int = 60, **others: float) -> list[PhantomPlan]:
    values = {"n_slides": n_slides, "epithelial_tiles": epithelial_tiles, **others}
    return plan_cohort(PhantomSettings(**values))


def test_numbers_of_subclones_are_spread_evenly_in_random_order():
    plans = plans_of(24, seed=1)
    numbers = [plan.n_subclones for plan in plans]
    assert np.bincount(numbers).tolist() == [0, 4, 4, 4, 4, 4, 4]
    assert numbers != sorted(numbers)
    assert max(plan.n_subclones for plan in plans_of(7, seed=1)) <= MAX_SUBCLONES


@pytest.mark.parametrize(
    ("n_slides", "share", "expected"), [(24, 0.25, 6), (5, 0.25, 1), (4, 1, 4), (4, 0, 0)]
)
def test_share_of_40x_slides(n_slides, share, expected):
    plans = plans_of(n_slides, seed=3, share_40x=share)
    at_40x = [plan for plan in plans if plan.objective == 40]
    assert len(at_40x) == expected
    assert {plan.mpp for plan in at_40x} <= {0.25}
    assert {plan.mpp for plan in plans if plan.objective == 20} <= {0.5}
    assert len({plan.label_downsample for plan in plans}) == (2 if 0 < expected < n_slides else 1)


def test_slides_and_patients_are_unique_and_sort_in_order():
    for n_slides in (3, 120):
        plans = plans_of(n_slides, seed=0)
        assert len({plan.patient for plan in plans}) == n_slides
        slides = [plan.slide for plan in plans]
        assert slides == sorted(set(slides))
    assert plans_of(1, seed=0)[0].slide == "phantom_01"


def test_a_plan_follows_from_its_seed_alone():
    assert plans_of(8, seed=5) == plans_of(8, seed=5)
    assert plans_of(8, seed=5) != plans_of(8, seed=6)
    # Neither the size of a slide nor the separation changes what else is planned.
    other = plans_of(8, 400, seed=5, separation=2.0)
    assert [dataclasses.replace(p, epithelial_tiles=60, separation=1.0) for p in other] == (
        plans_of(8, seed=5)
    )


def test_stains_and_scanners_vary_and_stay_physical():
    plans = plans_of(200, seed=2)
    for plan in plans:
        for vector in (plan.stain.hematoxylin, plan.stain.eosin):
            assert np.linalg.norm(vector) == pytest.approx(1)
            assert min(vector) > 0 or vector is plan.stain.eosin
        # Hematoxylin takes more red light than eosin does: that is what makes it blue.
        assert plan.stain.hematoxylin[0] > plan.stain.eosin[0]
        assert 230 <= min(plan.scanner.white) <= max(plan.scanner.white) <= 255
    strengths = [plan.stain.hematoxylin_strength for plan in plans]
    assert 0.1 < np.std(np.log(strengths)) < 0.3
    assert {plan.pen for plan in plans} == {None, *PEN_COLOURS}
    assert {plan.blurred_patches > 0 for plan in plans} == {True, False}


def test_plan_table_has_one_flat_row_per_slide():
    plans = plans_of(6, seed=4)
    table = plan_table(plans)
    assert table["slide"].tolist() == [plan.slide for plan in plans]
    assert table["n_subclones"].tolist() == [plan.n_subclones for plan in plans]
    assert table["stain_eosin_g"].tolist() == [plan.stain.eosin[1] for plan in plans]
    assert table["scanner_white_b"].tolist() == [plan.scanner.white[2] for plan in plans]
    assert {"patient", "mpp", "objective", "pen", "blurred_patches", "seed"} <= set(table)
    assert table.map(np.isscalar).where(table.notna(), True).all(axis=None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_slides": 0}, "n_slides: 0 must be at least 1"),
        ({"epithelial_tiles": 0}, "epithelial_tiles: 0 must be at least 1"),
        ({"separation": -1}, "separation: -1 must be at least 0"),
        ({"share_40x": 1.5}, "share_40x: 1.5 must be at most 1"),
        ({"hazard_ratio": 0}, "hazard_ratio: 0 must be above 0"),
    ],
)
def test_impossible_cohorts_are_refused(wrong, message):
    values = {"n_slides": 2, "epithelial_tiles": 60, "seed": 0} | wrong
    with pytest.raises(ValidationError) as error:
        PhantomSettings(**values)
    assert message in explain(error.value, values)


@pytest.mark.parametrize("hazard_ratio", [1.0, 1.5, 2.0])
def test_cox_recovers_the_planted_hazard_ratio(hazard_ratio):
    plans = plans_of(4000, seed=11)
    table = clinical_table(plans, hazard_ratio, seed=7)
    table["n_subclones"] = [plan.n_subclones for plan in plans]
    columns = ["os_months", "os_event", "n_subclones", "age"]
    fit = CoxPHFitter().fit(table[columns], "os_months", "os_event")
    error = fit.standard_errors_["n_subclones"]
    assert fit.params_["n_subclones"] == pytest.approx(np.log(hazard_ratio), abs=2.6 * error)
    assert error < 0.02
    assert fit.params_["age"] * 10 == pytest.approx(
        np.log(1.2), abs=2.6 * 10 * fit.standard_errors_["age"]
    )


def test_clinical_table_is_plausible_and_reproducible():
    plans = plans_of(3000, seed=8)
    table = clinical_table(plans, 1.5, seed=1)
    assert list(table) == [
        "patient", "os_months", "os_event", "age", "sex", "t_stage", "n_stage",
    ]  # fmt: skip
    assert table["patient"].tolist() == [plan.patient for plan in plans]
    assert table["os_months"].between(0, 96, inclusive="right").all()
    assert set(table["os_event"]) == {0, 1}
    assert 0.30 <= 1 - table["os_event"].mean() <= 0.40
    assert table["age"].between(30, 92).all()
    assert set(table["t_stage"]) == {"T1", "T2", "T3", "T4"}
    assert set(table["n_stage"]) == {"N0", "N1", "N2", "N3"}
    assert table.equals(clinical_table(plans, 1.5, seed=1))
    assert not table.equals(clinical_table(plans, 1.5, seed=2))
