"""Variants compared: the table of results, differences from the first, the figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from histohet.clinical.settings import Covariate
from histohet.survival.cox import fit_cox
from histohet.survival.endpoint import analyse_endpoint
from histohet.survival.estimates import estimate_table
from histohet.survival.figures.variants import draw_ablation
from histohet.survival.ranking import c_index, concordance
from histohet.survival.variants import (
    QUANTITIES,
    RESULT_COLUMNS,
    Difference,
    paired_differences,
    variant_differences,
    variant_results,
)

N = 60
SCORE = Covariate(column="score", kind="numeric", name="score")


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


def scored_patients(
    n: int, effect: float, noise: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a cohort with a score that acts on the hazard, and with a noisier one."""
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    time = rng.exponential(30 * np.exp(-effect * score))
    frame = pd.DataFrame(
        {
            "patient": [f"p{i}" for i in range(n)],
            "score": score,
            "time_months": np.minimum(time, 60),
            "event": time < 60,
        }
    )
    return frame, frame.assign(score=score + noise * rng.normal(size=n))


def by_quantity(found: list[Difference]) -> dict[str, Difference]:
    return {one.quantity: one for one in found}


def test_values_are_those_of_each_variant_alone() -> None:
    good, noisy = scored_patients(150, 0.8, 1.5, seed=1)
    found = by_quantity(paired_differences(good, noisy, replicates=50, seed=0))
    assert tuple(found) == QUANTITIES
    for frame, attribute in ((good, "value"), (noisy, "reference_value")):
        scaled = frame.assign(score=frame["score"] / frame["score"].std())
        expected = fit_cox(scaled, [SCORE]).terms[0].coefficient
        assert getattr(found["log hazard ratio per SD"], attribute) == pytest.approx(expected)
        c = c_index(frame["time_months"], frame["event"], frame["score"])[0]
        assert getattr(found["C"], attribute) == c
        assert getattr(found["score"], attribute) == pytest.approx(frame["score"].mean())
    for one in found.values():
        assert one.value is not None
        assert one.reference_value is not None
        assert one.difference == pytest.approx(one.value - one.reference_value)


def test_a_worse_score_is_worse() -> None:
    good, noisy = scored_patients(300, 1.0, 2.0, seed=2)
    found = by_quantity(paired_differences(good, noisy, replicates=200, seed=0))
    for name in ("log hazard ratio per SD", "C"):
        assert found[name].lower is not None
        assert found[name].lower > 0


def test_the_same_score_differs_by_nothing() -> None:
    good, _ = scored_patients(80, 0.5, 0, seed=3)
    for one in paired_differences(good, good, replicates=30, seed=0):
        assert (one.difference, one.lower, one.upper) == (0, 0, 0)


def test_pairing_narrows_the_interval() -> None:
    """Two nearly equal scores differ by much less than each is uncertain."""
    good, similar = scored_patients(150, 0.8, 0.1, seed=4)
    found = by_quantity(paired_differences(good, similar, replicates=300, seed=0))["C"]
    alone = concordance(good["time_months"], good["event"], good["score"], replicates=300, seed=0)
    assert found.upper is not None
    assert found.lower is not None
    assert alone.upper is not None
    assert alone.lower is not None
    assert found.upper - found.lower < 0.5 * (alone.upper - alone.lower)


def test_interval_covers_the_true_difference_of_means() -> None:
    """Of 95 % intervals of the mean difference, nearly all hold it."""
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        good, _ = scored_patients(60, 0, 0, seed=seed)
        shifted = good.assign(score=good["score"] + 0.3 + rng.normal(size=60))
        found = by_quantity(paired_differences(shifted, good, replicates=200, seed=seed))["score"]
        assert found.lower is not None
        assert found.upper is not None
        held += found.lower <= 0.3 <= found.upper
    assert held >= 51


def test_only_common_patients_count() -> None:
    good, noisy = scored_patients(100, 0.5, 1, seed=5)
    half = good.iloc[:50]
    some = noisy.assign(score=noisy["score"].where(noisy.index % 2 == 0))
    found = paired_differences(half, some, replicates=20, seed=0)
    assert {one.n for one in found} == {25}
    assert {one.events for one in found} == {int(half["event"][::2].sum())}


def test_same_seed_same_numbers_whatever_the_order() -> None:
    good, noisy = scored_patients(60, 0.5, 1, seed=6)
    first = paired_differences(good, noisy, replicates=40, seed=7)
    assert first == paired_differences(
        good, noisy.sample(frac=1, random_state=1), replicates=40, seed=7
    )


def test_a_constant_score_has_no_hazard_ratio() -> None:
    good, _ = scored_patients(40, 0.5, 0, seed=8)
    found = by_quantity(paired_differences(good.assign(score=1.0), good, replicates=20, seed=0))
    ratio = found["log hazard ratio per SD"]
    assert ratio.value is None
    assert ratio.difference is None
    assert ratio.samples == 0
    assert (found["C"].value, found["C"].samples) == (0.5, 20)


def test_nobody_in_common() -> None:
    good, _ = scored_patients(10, 0.5, 0, seed=9)
    other = good.assign(patient=[f"q{i}" for i in range(10)])
    for one in paired_differences(good, other, replicates=10, seed=0):
        assert (one.n, one.difference, one.samples) == (0, None, 0)


def test_samples_that_cannot_be_estimated_are_told() -> None:
    """One of 8 patients has an event, which a sample holds with probability 1 - (7/8)^8."""
    good, noisy = scored_patients(8, 0.5, 1, seed=11)
    first = good["time_months"] == good["time_months"].min()
    pair = (one.assign(event=first) for one in (good, noisy))
    found = by_quantity(paired_differences(*pair, replicates=400, seed=0))
    share = 1 - (7 / 8) ** 8
    spread = (share * (1 - share) / 400) ** 0.5
    assert found["C"].samples / 400 == pytest.approx(share, abs=4 * spread)
    assert found["log hazard ratio per SD"].samples <= found["C"].samples
    assert found["score"].samples == 400


def test_without_events_only_the_scores_compare() -> None:
    good, noisy = (one.assign(event=False) for one in scored_patients(20, 0.5, 1, seed=10))
    found = by_quantity(paired_differences(good, noisy, replicates=10, seed=0))
    assert found["log hazard ratio per SD"].difference is None
    assert found["C"].difference is None
    assert found["score"].difference is not None
