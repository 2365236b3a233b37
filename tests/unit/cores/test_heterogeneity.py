"""Heterogeneity of cores within and between patients: analysis of variance, tables, figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f as f_distribution
from scipy.stats import f_oneway

from histohet.common.provenance import Provenance
from histohet.cores.heterogeneity import (
    ALL_ALIKE,
    ONE_CORE_EACH,
    ONE_PATIENT,
    Icc,
    icc_table,
    intraclass_correlation,
    patient_table,
)
from histohet.cores.strip_plot import draw_cores
from histohet.drawing.style import save_figure

SHROUT_FLEISS = [
    (9, 2, 5, 8),
    (6, 1, 3, 2),
    (8, 4, 6, 8),
    (7, 1, 2, 6),
    (10, 5, 6, 9),
    (6, 2, 4, 7),
]
"""Table 2 of Shrout and Fleiss, Psychological Bulletin 1979, 86:420."""


def icc_of(*groups: tuple[float, ...]) -> Icc:
    owners = np.repeat(np.arange(len(groups)), list(map(len, groups)))
    return intraclass_correlation(np.concatenate(groups).astype(float), owners)


def test_published_table() -> None:
    """R 4, ``psych::ICC(sf)``: Single_raters_absolute ICC1 0.17, F 1.8, df 5 and 18, p 0.16477,
    lower bound -0.133, upper bound 0.72; mean squares 11.24 and 6.26 in the paper."""
    found = icc_of(*SHROUT_FLEISS)
    assert found.icc == pytest.approx(0.17, abs=0.005)
    assert found.f == pytest.approx(11.24 / 6.26, abs=0.001)
    assert found.p == pytest.approx(0.16477, abs=5e-6)
    assert found.low == pytest.approx(-0.133, abs=5e-4)
    assert found.high == pytest.approx(0.72, abs=0.005)
    assert found.variance_within == pytest.approx(6.26, abs=0.005)
    assert found.cores_per_patient == 4


def test_unbalanced_patients_by_hand() -> None:
    """Means 2, 6 and 9 of 2, 1 and 3 cores; grand mean 37/6. Within: (1+1 + 0 + 4+0+4)/3 = 10/3.
    Between: (2·(25/6)² + (1/6)² + 3·(17/6)²)/2 = 353/12. n₀ = (6 − 14/6)/2 = 11/6."""
    found = icc_of((1, 3), (6,), (7, 9, 11))
    assert found.variance_within == pytest.approx(10 / 3)
    assert found.cores_per_patient == pytest.approx(11 / 6)
    assert found.f == pytest.approx(353 / 12 / (10 / 3))
    assert found.variance_between == pytest.approx((353 / 12 - 10 / 3) / (11 / 6))
    assert found.icc == pytest.approx(
        found.variance_between / (found.variance_between + found.variance_within)
    )
    assert found.low < found.icc < found.high


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(2, 6), min_size=2, max_size=6),
    seed=st.integers(0, 1000),
    shift=st.floats(-50, 50),
    scale=st.floats(0.1, 50),
)
def test_variance_is_that_of_scipy_and_units_change_nothing(
    sizes: list[int], seed: int, shift: float, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    groups = [tuple(rng.normal(rng.normal(), 1, size)) for size in sizes]
    found = icc_of(*groups)
    oracle = f_oneway(*groups)
    assert found.f == pytest.approx(oracle.statistic)
    assert found.p == pytest.approx(oracle.pvalue)
    other = icc_of(*(tuple(shift + scale * value for value in group) for group in groups[::-1]))
    assert (other.icc, other.low, other.high) == pytest.approx((found.icc, found.low, found.high))
    assert found.low <= found.high <= 1


def test_the_interval_of_as_many_cores_each_is_that_of_the_textbook() -> None:
    """Shrout and Fleiss: F_L = F₀ / F(.975; n − 1, n(k − 1)), (F_L − 1) / (F_L + k − 1); F_U alike,
    with the degrees of freedom changed round."""
    values = np.random.default_rng(1).normal(size=(7, 3)) + np.arange(7)[:, None]
    found = icc_of(*map(tuple, values))
    low = found.f / f_distribution.ppf(0.975, 6, 14)
    high = found.f * f_distribution.ppf(0.975, 14, 6)
    assert (found.low, found.high) == pytest.approx(
        ((low - 1) / (low + 2), (high - 1) / (high + 2))
    )


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Patients of 1 to 4 cores, ICC 0.5."""
    rng = np.random.default_rng(3)
    sizes = np.tile([1, 2, 3, 4], 8)
    owners = np.repeat(np.arange(len(sizes)), sizes)
    held = []
    for _ in range(600):
        values = rng.normal(size=len(sizes))[owners] + rng.normal(size=len(owners))
        found = intraclass_correlation(values, owners)
        held.append(found.low <= 0.5 <= found.high)
    assert 0.925 <= np.mean(held) <= 0.975


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        ([], ONE_PATIENT),
        ([(1, 2, 3)], ONE_PATIENT),
        ([(1,), (2,), (3,)], ONE_CORE_EACH),
        ([(2, 2), (2, 2)], ALL_ALIKE),
    ],
)
def test_where_there_is_no_icc_it_says_why(groups: list[tuple[float, ...]], reason: str) -> None:
    found = icc_of(*groups) if groups else intraclass_correlation(np.empty(0), np.empty(0, int))
    assert found.reason == reason
    assert np.isnan([found.icc, found.low, found.high, found.p]).all()


def test_patients_whose_cores_are_alike_and_patients_who_are() -> None:
    alike = icc_of((1, 1), (2, 2, 2), (5, 5))
    assert (alike.icc, alike.low, alike.high, alike.p) == (1, 1, 1, 0)
    assert icc_of((1, 3), (1, 3), (1, 3)).icc == pytest.approx(-1)


def cores() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "slide": ["a1", "a2", "a3", "b1", "b2", "c1"],
            "patient": ["A", "A", "A", "B", "B", "C"],
            "status": ["ok", "ok", "no_tissue", "ok", "ok", "too_few_tiles"],
            "n_clusters": pd.array([2, 4, None, 1, 1, None], dtype="Int64"),
            "hta": [0.2, np.nan, np.nan, 0.4, 0.6, np.nan],
        }
    )


def test_patients_are_summed_up_over_the_cores_that_were_measured() -> None:
    pooled = pd.DataFrame(
        {"patient": ["A", "B", "C"], "status": ["ok", "ok", "no_tissue"], "n_clusters": [5, 1, 3]}
    )
    table = patient_table(cores(), ["n_clusters", "hta"], pooled)
    of_a, of_b, of_c = table[table["score"] == "n_clusters"].drop(columns="score").to_numpy()
    assert of_a.tolist() == pytest.approx(["A", 3, 2, 3.0, 4.0, 2.0, 2**0.5, 5.0])
    assert of_b.tolist() == ["B", 2, 2, 1.0, 1.0, 1.0, 0.0, 1.0]
    assert of_c[:3].tolist() == ["C", 1, 0]
    assert np.isnan(of_c[3:].astype(float)).all()
    hta = table[table["score"] == "hta"].set_index("patient")
    assert hta["n_measured"].to_dict() == {"A": 1, "B": 2, "C": 0}
    assert np.isnan(hta.loc["A", "sd_within"])
    assert hta["pooled"].isna().all()


def test_the_table_of_icc_takes_the_cores_that_have_the_score() -> None:
    found = icc_table(cores(), ["n_clusters", "hta"]).set_index("score")
    assert found["n_cores"].to_dict() == {"n_clusters": 4, "hta": 3}
    assert found.loc["n_clusters", "icc"] == icc_of((2, 4), (1, 1)).icc
    # The order of rows is nobody's business.
    again = icc_table(cores()[::-1], ["n_clusters", "hta"]).set_index("score")
    pd.testing.assert_frame_equal(again, found)


@pytest.mark.parametrize("n_patients", [0, 3, 120])
def test_the_figure_is_drawn_for_few_and_many_patients(tmp_path: Path, n_patients: int) -> None:
    rng = np.random.default_rng(0)
    owners = [f"P{number:03}" for number in range(n_patients) for _ in range(3)]
    table = pd.DataFrame(
        {
            "patient": pd.Series(owners, dtype=str),
            "status": pd.Series(["ok"] * len(owners), dtype=str),
            "n_clusters": rng.integers(1, 6, len(owners)).astype(float),
            "hta": rng.random(len(owners)),
        }
    )
    scores = ["n_clusters", "hta"]
    figure = draw_cores(table, icc_table(table, scores), scores, "Cores")
    headings = [axes.get_title(loc="left") for axes in figure.axes]
    for score, heading in zip(scores, headings, strict=True):
        assert heading.startswith(f"{score}: " + ("ICC " if n_patients else "no ICC, fewer than"))
        assert f"{3 * n_patients} cores of {n_patients} patients" in heading
    save_figure(figure, [tmp_path / "a.png"], Provenance())
    assert (tmp_path / "a.png").stat().st_size > 5000
