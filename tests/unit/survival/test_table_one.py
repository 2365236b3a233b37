"""Table 1: counts add up, and the tests are R's (4.2.2, calls beside the values)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from histohet.clinical.settings import Covariate
from histohet.survival.table_one import table_one

AGE = Covariate(column="age", kind="numeric", name="age")
NODES = Covariate(column="n", kind="categorical", name="N", reference="N0")
SEX = Covariate(column="sex", kind="categorical", name="sex", reference="F")
PATIENTS = pd.DataFrame(
    {
        "patient": [f"P{i}" for i in range(12)],
        "score": [1.0, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6],
        "n_tiles": [100, 210, 150, 90, 400, 330, 280, 500, 120, 610, 450, 700],
        "group": ["low"] * 5 + ["middle"] * 2 + ["high"] * 5,
        "age": [61, 55, np.nan, 70, 66, 52, 49, 75, 80, 71, 69, np.nan],
        "N": ["N0", "N1", "N0", None, "N2", "N0", "N1", "N1", "N2", "N2", "N1", "N0"],
        "sex": ["F", "M", "F", "F", "F", "M", "M", "M", "M", "M", "F", "M"],
    }
)


def cells(table: pd.DataFrame, variable: str, statistic: str, level: str = "") -> pd.Series:
    found = table[
        (table["variable"] == variable)
        & (table["statistic"] == statistic)
        & (table["level"] == level)
    ]
    assert len(found) == 1
    return found.iloc[0]


def test_counts_means_and_missing_values() -> None:
    table = table_one(PATIENTS, [AGE, NODES])
    groups = ["low", "middle", "high", "all"]
    assert list(table.columns) == ["variable", "level", "statistic", *groups, "p", "test"]
    assert list(cells(table, "patients", "n")[groups]) == ["5", "2", "5", "12"]
    assert cells(table, "age", "mean ± SD")["low"] == "63 ± 6.48"
    assert cells(table, "age", "median [quartiles]")["low"] == "63.5 [59.5–67]"
    assert list(cells(table, "age", "missing")[groups]) == ["1", "0", "1", "2"]
    assert cells(table, "N", "n (%)", "N0")["low"] == "2 (50.0 %)"
    assert cells(table, "N", "n (%)", "N2")["all"] == "3 (27.3 %)"
    assert list(cells(table, "N", "missing")[groups]) == ["1", "0", "0", "1"]
    assert not ((table["variable"] == "score") & table["p"].notna()).any()


def test_tests_are_named_and_those_of_r() -> None:
    table = table_one(PATIENTS, [AGE, NODES, SEX])
    # R, of n_tiles and of age: kruskal.test(values, factor(group))
    row = cells(table, "n_tiles", "mean ± SD")
    assert row["test"] == "Kruskal–Wallis"
    assert row["p"] == pytest.approx(0.0903697082158, rel=1e-8)
    assert cells(table, "age", "mean ± SD")["p"] == pytest.approx(0.0296533012771, rel=1e-8)
    # R, of N and group: chisq.test(table, correct = FALSE)
    row = cells(table, "N", "n (%)", "N0")
    assert row["test"] == "chi-squared"
    assert row["p"] == pytest.approx(0.77476849551, rel=1e-8)
    assert np.isnan(cells(table, "N", "n (%)", "N1")["p"])
    # R: fisher.test(table(sex, group)[, c("high", "low")])
    two = table_one(PATIENTS[PATIENTS["group"] != "middle"], [SEX])
    row = cells(two, "sex", "n (%)", "F")
    assert row["test"] == "Fisher's exact"
    assert row["p"] == pytest.approx(0.206349206349, rel=1e-8)
    # R, of the counts 30, 20, 15, 35: chisq.test(table, correct = FALSE)
    many = pd.DataFrame(
        {
            "patient": np.arange(100).astype(str),
            "score": 1.0,
            "n_tiles": 9,
            "group": ["low"] * 50 + ["high"] * 50,
            "sex": ["F"] * 30 + ["M"] * 20 + ["F"] * 15 + ["M"] * 35,
        }
    )
    row = cells(table_one(many, [SEX]), "sex", "n (%)", "F")
    assert (row["test"], row["p"]) == ("chi-squared", pytest.approx(0.00256883152702, rel=1e-8))


def test_events_of_the_patients_whose_endpoint_is_known() -> None:
    known = PATIENTS.iloc[[0, 1, 5, 8]].assign(event=[1, 0, 1, 1])
    row = cells(table_one(PATIENTS, [], {"OS": known}), "OS", "events / known")
    assert list(row[["low", "middle", "high", "all"]]) == ["1 / 2", "1 / 1", "1 / 1", "3 / 4"]


@pytest.mark.parametrize("group", ["", "low", np.nan])
def test_without_two_groups_there_is_no_test(group: object) -> None:
    table = table_one(PATIENTS.assign(group=group), [AGE, NODES, SEX])
    assert table.loc[table["variable"] != "score and n_tiles", "p"].isna().all()
    assert ("low" in table) == (group == "low")
    assert cells(table, "patients", "n")["all"] == "12"


def test_nobody_has_a_table_too() -> None:
    table = table_one(PATIENTS.iloc[:0], [AGE, NODES])
    assert cells(table, "patients", "n")["all"] == "0"
    assert table["p"].isna().all()


def test_correlation_with_the_amount_of_tissue_is_always_there() -> None:
    """R: cor.test(score, n_tiles, method = "spearman", exact = FALSE); by the t distribution."""
    row = cells(table_one(PATIENTS, []), "score and n_tiles", "Spearman's ρ")
    assert row["all"] == "0.69"
    assert row["p"] == pytest.approx(0.0125369062321, rel=1e-8)
    assert row["test"] == "Spearman, all patients"
    constant = cells(table_one(PATIENTS.assign(score=1.0), []), "score and n_tiles", "Spearman's ρ")
    assert constant["all"] == ""
    assert np.isnan(constant["p"])
