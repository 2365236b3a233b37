"""Labels: percentiles, ties, what is near, and the numbers of real tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histohet.traits.cohort import trait_cohort
from histohet.traits.expression import TraitError, read_expression
from histohet.traits.labels import (
    check_numbers,
    is_high,
    labels_of,
    percentiles_of,
    thresholds_of,
)
from histohet.traits.settings import LabelSettings, PatientSettings

TEN = np.array([3.0, 1, 4, 1.5, 9, 2.6, 5, 3.5, 8, 7])
SETTINGS = LabelSettings()


def test_percentiles_are_those_of_r() -> None:
    # R 4: quantile(c(3,1,4,1.5,9,2.6,5,3.5,8,7), c(.2,.3,.5,.7,.8), type=7) gives
    # 2.38 2.88 3.75 5.60 7.20, by (n - 1) p + 1 between order statistics.
    found = thresholds_of(TEN, SETTINGS, "A")
    np.testing.assert_allclose(found, [2.38, 2.88, 3.75, 5.6, 7.2], rtol=1e-12)


def test_ten_patients_by_hand() -> None:
    labels = labels_of(np.append(TEN, np.nan), thresholds_of(TEN, SETTINGS, "A"))
    expected = ["middle", "low", "middle", "low", "high", "near", "middle", "middle", "high"]
    assert labels.tolist() == [*expected, "near", "none"]


def test_equality_with_a_threshold_is_low_or_high_as_published() -> None:
    values = np.arange(11.0)  # percentiles 20, 30, 70 and 80 are 2, 3, 7 and 8
    labels = labels_of(values, thresholds_of(values, SETTINGS, "A"))
    expected = ["low"] * 3 + ["near"] + ["middle"] * 4 + ["high"] * 3
    assert labels.tolist() == expected


def test_the_median_divides_all_patients() -> None:
    halves = LabelSettings(low=50, high=50)
    at = thresholds_of(TEN, halves, "A")
    assert sorted(labels_of(TEN, at)) == ["high"] * 5 + ["low"] * 5
    values = np.array([1.0, 2, 2, 2, 3])
    assert labels_of(values, thresholds_of(values, halves, "A")).tolist() == ["low"] * 4 + ["high"]


def test_between_low_and_high_the_median_tells() -> None:
    at = thresholds_of(TEN, SETTINGS, "A")
    found = is_high(TEN, labels_of(TEN, at), at)
    np.testing.assert_array_equal(found, TEN > 3.75)


@pytest.mark.parametrize("values", [[2.0] * 9 + [3], [5.0] * 4, [0.0] * 80 + [1] * 10])
def test_ties_that_leave_no_room_are_refused(values: list[float]) -> None:
    share = f"{np.mean(np.array(values) == min(values)):.0%}"
    with pytest.raises(TraitError, match=f"trait 'A': percentiles 20 and 80.*{share}"):
        thresholds_of(np.array(values), SETTINGS, "A")


def test_no_values_and_too_few_patients_are_refused() -> None:
    with pytest.raises(TraitError, match="no patient with a slide has a value"):
        thresholds_of(np.full(4, np.nan), SETTINGS, "A")
    few = r"2 low and 2 high patients in all.*nearer to the median \(they are low: 20, high: 80\)"
    with pytest.raises(TraitError, match=few):
        check_numbers(labels_of(TEN, thresholds_of(TEN, SETTINGS, "A")), "A", SETTINGS)


def test_percentile_ranks_share_ties() -> None:
    found = percentiles_of(np.array([3.0, 1, 3, np.nan, 9]))
    np.testing.assert_array_equal(found, [50, 12.5, 50, np.nan, 87.5])


@pytest.fixture(scope="module")
def slides_of_brca(real_data: Path) -> pd.DataFrame:
    folder = real_data / "traits"
    if not folder.is_dir():
        pytest.skip(f"no folder traits in {real_data}")
    slides = pd.read_csv(folder / "gdc_manifest_brca.txt", sep="\t")
    return slides.assign(patient=slides["filename"].str[:12])


MIRNA = {
    "table": "brca_mirna_rpm_01A.tsv",
    "id": "aliquot",
    "sample_pattern": "^(TCGA-..-....)-01A",
    "counts": True,
    "several": "mean",
}
MRNA = {"table": "brca_mrna_zscores.tsv", "id": "patient"}


@pytest.mark.real
@pytest.mark.parametrize(
    ("table", "trait", "patients", "slides", "numbers"),
    [
        (MIRNA, "hsa-mir-17", 680, 738, (152, 143, 147, 443)),
        (MRNA, "ERBB2", 631, 685, (137, 139, 133, 409)),
        (MRNA, "EGFR", 631, 685, (140, 134, 132, 411)),
    ],
)
def test_the_sets_of_the_published_cohort(
    slides_of_brca: pd.DataFrame,
    real_data: Path,
    table: dict[str, str],
    trait: str,
    patients: int,
    slides: int,
    numbers: tuple[int, ...],
) -> None:
    """Slides that are low, high, near and neither low nor high: within the paper's Table 1, which
    gives 140-158 near and 423-454 out of distribution over its traits."""
    path = str(real_data / "traits" / table["table"])
    settings = PatientSettings(
        expression=[table | {"table": path}],
        wanted={"A": trait},
        labels={"from": "all"},
        site_pattern="^TCGA-(..)",
    )
    expression = read_expression(settings.expression, settings.wanted)
    cohort = trait_cohort(expression, slides_of_brca["patient"], settings, seed=314)
    known = cohort.labels[cohort.labels["label"] != "none"]
    assert len(known) == patients
    found = slides_of_brca.merge(known, on="patient")["label"].value_counts()
    assert found.sum() == slides
    low, high, near, middle = found[["low", "high", "near", "middle"]]
    assert (low, high, near, near + middle) == numbers
    if trait == "hsa-mir-17":
        at = cohort.thresholds.iloc[0]
        np.testing.assert_allclose(at[["low", "median", "high"]].astype(float), P_MIR17, atol=0.006)


P_MIR17 = (275.65, 487.16, 1020.14)
"""Percentiles 20, 50 and 80 of the 680 patients, reads per million."""
