"""Variants compared: the table of results, differences from the first, the figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from histohet.survival.endpoint import analyse_endpoint
from histohet.survival.estimates import estimate_table
from histohet.survival.figures.variants import draw_ablation
from histohet.survival.variants import RESULT_COLUMNS, variant_differences, variant_results

N = 60


def patients(noise: float) -> pd.DataFrame:
    """Return a table of patients with two endpoints and a score that is more or less noisy."""
    rng = np.random.default_rng(1)
    clusters = rng.integers(1, 8, N)
    time = rng.exponential(40 * np.exp(-0.4 * clusters))
    score = clusters + np.rint(noise * np.random.default_rng(2).normal(size=N))
    return pd.DataFrame(
        {
            "patient": [f"p{i}" for i in range(N)],
            "slide": [f"s{i}" for i in range(N)],
            "n_slides": 1,
            "n_scored": 1,
            "score": score,
            "n_tiles": 500,
            "group": np.where(score > np.median(score), "high", "low"),
            "analysed": True,
            "excluded_because": "",
            "OS_months": time,
            "OS_event": 1,
            "PFS_months": np.where(np.arange(N) % 3, time, np.nan),
            "PFS_event": 1,
        }
    )


def estimates_of(table: pd.DataFrame) -> pd.DataFrame:
    found = []
    for endpoint in ("OS", "PFS"):
        frame = table.rename(columns={f"{endpoint}_months": "time_months"})
        frame = frame.assign(event=True)[frame["time_months"].notna()]
        analysis = analyse_endpoint(frame, permutations=9, replicates=9, seed=0)
        found.append(estimate_table(analysis, endpoint))
    return pd.concat(found, ignore_index=True)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {"full": patients(0), "no_potts": patients(3)}


@pytest.fixture(scope="module")
def results(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    slides = {
        name: pd.DataFrame({"status": ["ok", "ok", "refused"], "n_clusters": [2, 5, np.nan]})
        for name in tables
    }
    return variant_results({name: estimates_of(table) for name, table in tables.items()}, slides)


@pytest.fixture(scope="module")
def differences(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return variant_differences(tables, ("OS", "PFS"), replicates=50, seed=0)


def texts(figure: Figure) -> str:
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    return "\n".join([*found, figure.get_suptitle()])


def test_results_have_one_row_for_each_variant_and_endpoint(results: pd.DataFrame) -> None:
    assert list(results.columns) == list(RESULT_COLUMNS)
    assert list(zip(results["variant"], results["endpoint"], strict=True)) == [
        ("full", "OS"),
        ("full", "PFS"),
        ("no_potts", "OS"),
        ("no_potts", "PFS"),
    ]
    assert (results["mean_clusters"] == 3.5).all()
    assert (results["hazard_ratio"] > 1).all()
    assert results["n"].tolist() == [60, 40, 60, 40]


def test_differences_are_from_the_first_variant(
    results: pd.DataFrame, differences: pd.DataFrame
) -> None:
    assert set(differences["variant"]) == {"no_potts"}
    assert set(differences["reference"]) == {"full"}
    assert len(differences) == 2 * 3
    of_os = differences[differences["endpoint"] == "OS"].set_index("quantity")
    by_variant = results[results["endpoint"] == "OS"].set_index("variant")
    c = by_variant["c_index"]
    assert of_os.loc["C", "difference"] == pytest.approx(c["no_potts"] - c["full"])
    log_ratio = np.log(by_variant["hazard_ratio"].astype(float))
    assert of_os.loc["log hazard ratio per SD", "difference"] == pytest.approx(
        log_ratio["no_potts"] - log_ratio["full"]
    )


def test_figure_has_values_and_differences(
    results: pd.DataFrame, differences: pd.DataFrame
) -> None:
    written = texts(draw_ablation(results, differences, "Which step matters"))
    for row in results.itertuples():
        assert f"{row.hazard_ratio:.2f} ({row.lower:.2f} to {row.upper:.2f})" in written
        assert f"{row.c_index:.2f} ({row.c_lower:.2f} to {row.c_upper:.2f})" in written
    for row in differences[differences["quantity"] == "C"].itertuples():
        assert f"{row.difference:+.2f} ({row.lower:+.2f} to {row.upper:+.2f})" in written
    for word in ("full", "no_potts", "OS", "PFS", "60 patients", "Which step matters"):
        assert word in written


def test_a_variant_without_estimate_says_why(
    results: pd.DataFrame, differences: pd.DataFrame
) -> None:
    failed = results.assign(status="not_estimable", reason="no event among 3 patients")
    failed[["hazard_ratio", "lower", "upper", "c_index", "c_lower", "c_upper"]] = np.nan
    assert "no event among 3 patients" in texts(draw_ablation(failed, differences, ""))


def test_without_bootstrap_and_without_slides_nothing_is_called_nan(
    tables: dict[str, pd.DataFrame], results: pd.DataFrame
) -> None:
    differences = variant_differences(tables, ("OS", "PFS"), replicates=0, seed=0)
    bare = results.assign(c_lower=np.nan, c_upper=np.nan, mean_clusters=np.nan)
    written = texts(draw_ablation(bare, differences, "Which step matters"))
    assert "nan" not in written
    found = differences[differences["quantity"] == "C"].iloc[0]
    assert f"{found['difference']:+.2f}" in written


def test_without_clinical_data_the_figure_says_so() -> None:
    nothing = pd.DataFrame(columns=list(RESULT_COLUMNS))
    assert "no clinical data" in texts(draw_ablation(nothing, pd.DataFrame(), ""))
