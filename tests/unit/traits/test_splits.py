"""Splits: nobody on two sides, shares, the same whatever the order, sites kept together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histohet.traits.cohort import TraitCohort, trait_cohort
from histohet.traits.expression import Expression, TraitError
from histohet.traits.settings import PatientSettings
from histohet.traits.splits import make_splits, notes_on_splits, role_column

TABLE = {"table": "t.tsv", "id": "sample"}
SITE = "^(..)-"


def settings(**changes: Any) -> PatientSettings:
    return PatientSettings(**{"expression": [TABLE], "wanted": {"A": "A"}} | changes)


def people(sizes: list[int]) -> list[str]:
    """Return patients of so many sites of these sizes."""
    return [f"{site:02d}-{n:03d}" for site, size in enumerate(sizes) for n in range(size)]


def roles(table: pd.DataFrame, fold: int, number: int) -> pd.Series:
    return table.set_index("patient")[role_column(fold, number)]


@given(
    st.lists(st.integers(1, 30), min_size=8, max_size=30),
    st.sampled_from(["cross_fitted", "published"]),
    st.integers(0, 5),
    st.randoms(),
)
def test_no_site_is_on_two_sides(sizes: list[int], scheme: str, seed: int, random: Any) -> None:
    patients = people(sizes)
    one = settings(scheme=scheme, site_pattern=SITE, folds=4, rounds=3)
    try:
        found = make_splits(patients, one, seed)
    except TraitError as error:  # all sites may be larger than a test set
        assert scheme == "published"
        assert "no site is small enough" in str(error)  # noqa: PT017
        return
    site = found["patient"].str[:2]
    for column in found.columns[2:]:
        assert found.groupby(site)[column].nunique().max() == 1
    random.shuffle(patients)
    pd.testing.assert_frame_equal(make_splits(patients * 2, one, seed), found)


def test_cross_fitting_tests_and_validates_everybody_once() -> None:
    table = make_splits(people([1] * 103), settings(), 1)
    assert table["fold"].value_counts().tolist() == [21, 21, 21, 20, 20]
    for fold in range(1, 6):
        of_fold = table[[role_column(fold, number) for number in range(1, 6)]]
        tested = table["fold"] == fold
        assert (of_fold[tested] == "test").all(axis=None)
        assert ((of_fold[~tested] == "validation").sum(axis=1) == 1).all()
        assert (of_fold == "validation").sum().max() <= 17


def test_published_shares_are_of_all_patients() -> None:
    table = make_splits(people([1] * 703), settings(scheme="published"), 1)
    assert (table["fold"] == 1).sum() == 70
    first, second = roles(table, 1, 1), roles(table, 1, 2)
    assert first.value_counts().to_dict() == {"train": 563, "test": 70, "validation": 70}
    assert (first != second).any()
    # TensorFlow's floats gave 40 of 410.
    assert (
        make_splits(people([1] * 410), settings(scheme="published"), 1)["fold"] == 1
    ).sum() == 41


def test_sites_stay_together_only_where_they_are_named() -> None:
    patients = people([10] * 10)
    split = make_splits(patients, settings(keep_together="patient", site_pattern=SITE), 1)
    assert split.groupby("site")["fold"].nunique().max() > 1
    unnamed = settings()
    split = make_splits(patients, unnamed, 1)
    assert set(split["site"]) == {""}
    ((*_, words, _),) = notes_on_splits(split, unnamed)
    assert words.startswith("no site_pattern")
    assert not notes_on_splits(split, settings(keep_together="patient"))


def test_a_site_larger_than_a_fold_is_named_with_the_folds() -> None:
    one = settings(site_pattern=SITE)
    notes = notes_on_splits(make_splits(people([40] + [5] * 12), one, 1), one)
    ((_, _, _, problem, consequence),) = notes
    assert problem == "site '00' has 40 patients, more than a fold's 20"
    assert consequence == "folds have 40, 15, 15, 15, 15 patients"


@pytest.mark.parametrize(
    ("patients", "changes", "message"),
    [
        (people([9, 9]), {"site_pattern": "^TCGA-(..)"}, "does not match patient '00-000'"),
        (people([9]), {"site_pattern": SITE}, "gives all patients the site '00'"),
        (people([9, 9, 9]), {"site_pattern": SITE}, "3 sites .* cannot be dealt into 5 sets"),
        (
            people([30, 30, 30]),
            {"site_pattern": SITE, "scheme": "published"},
            "no site is small enough for a set of 9 patients, the smallest has 30",
        ),
    ],
)
def test_impossible_splits_are_named(
    patients: list[str], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TraitError, match=message):
        make_splits(patients, settings(**changes), 1)


def cohort_of(values: dict[str, list[float]], **changes: Any) -> TraitCohort:
    n = len(next(iter(values.values())))
    names = people([1] * n)
    expression = Expression(pd.DataFrame(values, index=pd.Index(names, name="patient")), [])
    wanted = {name: name for name in values}
    return trait_cohort(expression, names, settings(wanted=wanted, **changes), 1)


def test_every_trait_has_the_same_split_and_another_moves_none() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 120))
    one, two = cohort_of({"A": list(a)}), cohort_of({"A": list(a), "B": list(b)})
    pd.testing.assert_frame_equal(one.splits, two.splits)
    of_a = two.labels[two.labels["trait"] == "A"]
    pd.testing.assert_frame_equal(one.labels, of_a)


def test_thresholds_are_learned_without_the_tested() -> None:
    values = list(np.random.default_rng(2).normal(size=120))
    before = cohort_of({"A": values})
    moved = before.splits.index[before.splits["fold"] == 2][0]
    values[moved] = 1e6
    after = cohort_of({"A": values})
    same = (before.thresholds == after.thresholds).all(axis=1)
    assert same.tolist() == [False, True, False, False, False]
    everyone = cohort_of({"A": values}, labels={"from": "all"}).thresholds
    assert everyone["low"].nunique() == 1


def test_patients_without_expression_are_kept_and_counted() -> None:
    values = [np.nan, *np.random.default_rng(3).normal(size=119)]
    found = cohort_of({"A": values})
    assert found.labels["label"].value_counts()["none"] == 1
    assert (found.problems["problem"] == "no expression").sum() == 1


def test_no_patient_in_common_shows_both_spellings() -> None:
    known = pd.DataFrame({"A": [1.0]}, index=["TCGA-01"])
    with pytest.raises(TraitError, match=r"\('00-000', .*\) is in .* \('TCGA-01'\)"):
        trait_cohort(Expression(known, []), people([9]), settings(), 1)


def test_rounds_without_both_labels_are_refused() -> None:
    # All high patients are of one site, so some round trains on none.
    names = people([12] * 6)
    values = pd.DataFrame({"A": [float(name.startswith("00")) * 9 for name in names]}, index=names)
    values["A"] += np.arange(72) / 100
    one = settings(site_pattern=SITE, folds=3, rounds=3)
    with pytest.raises(
        TraitError, match=r"none of the \d+ train patients of fold \d, round \d is (low|high)"
    ):
        trait_cohort(Expression(values, []), names, one, 1)
