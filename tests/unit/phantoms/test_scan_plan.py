"""Cohorts with scans: who has what, what the hazard depends on, the sheets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from histohet.ct.sheet import read_scan_sheet
from histohet.phantoms.ct_files import scan_sheet
from histohet.phantoms.plan import plan_cohort
from histohet.phantoms.scan_plan import DEATH, FREE, METASTASIS, ScanCohort, plan_scans
from histohet.phantoms.settings import PhantomSettings


def cohort_of(n: int = 40, seed: int = 0, **scans: float) -> ScanCohort:
    settings = PhantomSettings(n_slides=n, epithelial_tiles=30, seed=seed, scans=scans)
    return plan_scans(settings, plan_cohort(settings))


def test_so_many_lack_a_ct_or_a_slide_and_nobody_both() -> None:
    cohort = cohort_of(40, missing_ct=0.2, missing_slide=0.25)
    assert len(cohort.scans) == 32
    assert len(cohort.slides) == 30
    has_ct, has_slide = cohort.planted["has_ct"], cohort.planted["has_slide"]
    assert ((has_ct + has_slide) > 0).all()
    assert [plan.patient for plan in cohort.scans] == cohort.planted["patient"][
        has_ct == 1
    ].tolist()
    assert [plan.patient for plan in cohort.slides] == cohort.planted["patient"][
        has_slide == 1
    ].tolist()


def test_a_plan_follows_from_its_seed_alone() -> None:
    one, again, other = cohort_of(8, seed=5), cohort_of(8, seed=5), cohort_of(8, seed=6)
    assert one.scans == again.scans
    assert one.training == again.training
    pd.testing.assert_frame_equal(one.clinical, again.clinical)
    assert one.scans != other.scans


def test_hazards_change_outcomes_and_no_scan() -> None:
    one, other = cohort_of(40), cohort_of(40, ct_hazard_ratio=5.0)
    assert one.scans == other.scans
    assert one.slides == other.slides
    assert not one.clinical["days"].equals(other.clinical["days"])


def test_training_scans_are_of_nobody_in_the_cohort() -> None:
    cohort = cohort_of(20, training=5)
    assert len(cohort.training) == 5
    patients = set(cohort.planted["patient"])
    assert not patients & {plan.patient for plan in cohort.training}
    assert not {plan.seed for plan in cohort.scans} & {plan.seed for plan in cohort.training}


def test_shares_of_readers() -> None:
    cohort = cohort_of(40, missing_ct=0, unread=0.5, second_reader=0.2)
    assert sum(plan.read for plan in cohort.scans) == 20
    assert sum(plan.read_twice for plan in cohort.scans) == 4
    assert all(plan.read for plan in cohort.scans if plan.read_twice)


def test_the_hazard_of_the_metastasis_has_the_planted_ratios() -> None:
    """A Cox model of 4,000 patients, deaths censored, within three standard errors."""
    wanted = {"ct_hazard_ratio": 2.2, "grade_hazard_ratio": 1.6, "age_hazard_ratio": 1.3}
    cohort = cohort_of(4000, seed=3, missing_ct=0, missing_slide=0, **wanted)
    table = cohort.planted[["ct_factor", "grade"]].assign(
        decade=cohort.planted["age"] / 10,
        days=cohort.clinical["days"],
        event=cohort.clinical["status"].eq(METASTASIS).astype(int),
    )
    found = CoxPHFitter().fit(table, "days", "event").summary
    for name, ratio in zip(("ct_factor", "grade", "decade"), wanted.values(), strict=True):
        assert abs(found.loc[name, "coef"] - np.log(ratio)) < 3 * found.loc[name, "se(coef)"]


def test_deaths_compete_and_some_stay_free() -> None:
    shares = cohort_of(400).clinical["status"].value_counts(normalize=True)
    assert set(shares.index) == {METASTASIS, DEATH, FREE}
    assert 0.35 < shares[METASTASIS] < 0.65
    assert shares[DEATH] > 0.08


def test_factors_do_not_depend_on_each_other_or_on_volume() -> None:
    cohort = cohort_of(400, missing_ct=0)
    numbers = cohort.planted[["ct_factor", "grade", "age"]].assign(
        volume=[plan.volume_ml for plan in cohort.scans]
    )
    apart = numbers.corr("spearman").to_numpy()[np.triu_indices(4, 1)]
    assert np.abs(apart).max() < 3 / np.sqrt(400)


def test_the_sheet_is_read_as_planned(tmp_path: Path) -> None:
    cohort = cohort_of(20, unread=0, second_reader=0.25)
    path = tmp_path / "scans.tsv"
    scan_sheet(cohort.scans, "ct").to_csv(path, sep="\t", index=False)
    rows = read_scan_sheet(path)
    assert list(rows) == [plan.scan for plan in cohort.scans]
    for plan in cohort.scans:
        row = rows[plan.scan]
        assert (row.patient, row.batch, row.scan_day) == (plan.patient, plan.scanner, plan.day)
        assert row.ct == f"ct/{plan.scan}.nii.gz"
        assert [mask.reader for mask in row.masks] == ["first", "second"][: 1 + plan.read_twice]


@pytest.mark.parametrize(
    ("scans", "said"),
    [
        (None, "phantoms.scans: is missing"),
        ({"missing_ct": 0.6, "missing_slide": 0.5}, "are more than 1 together"),
    ],
)
def test_what_cannot_be_planned(scans: dict[str, float] | None, said: str) -> None:
    settings = PhantomSettings(n_slides=8, epithelial_tiles=30, seed=0, scans=scans)
    with pytest.raises(ValueError, match=said):
        plan_scans(settings, plan_cohort(settings))
