"""The specification curve: every combination once, estimates as one by one, the figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from histohet.clinical.formats import clinical_sources
from histohet.clinical.join import read_clinical
from histohet.clinical.table import ClinicalTable
from histohet.cohort.select import build_cohort, of_endpoint
from histohet.cohort.settings import AnalysisSettings, TrimSettings
from histohet.survival.cox import fit_cox
from histohet.survival.endpoint import HIGH_VS_LOW
from histohet.survival.figures.specification_curve import draw_specification_curve
from histohet.survival.settings import CurveSettings
from histohet.survival.specification_curve import curve_summary, specification_curve, specifications

N = 80
GRID: dict[str, Any] = {
    "scores": ["n_clusters", "scaled_count"],
    "groupings": ["median", "none", {"cut": 4}],
    "trims": ["none", [5, 95]],
    "adjusted": [False, True],
}
SPEC = AnalysisSettings.model_validate(
    {"name": "main", "grouping": "median", "covariates": [{"column": "age", "kind": "numeric"}]}
)


@pytest.fixture(scope="module")
def clinical(tmp_path_factory: pytest.TempPathFactory) -> ClinicalTable:
    rng = np.random.default_rng(0)
    clusters = np.arange(N) % 8 + 1
    table = pd.DataFrame(
        {
            "patient": [f"p{i}" for i in range(N)],
            "t": rng.exponential(40 * np.exp(-0.3 * clusters)).round(3),
            "e": rng.integers(0, 4, N) > 0,
            "age": rng.integers(40, 80, N),
        }
    )
    path = Path(tmp_path_factory.mktemp("clinical")) / "c.tsv"
    table.astype({"e": int}).to_csv(path, sep="\t", index=False)
    endpoint = {"time": "t", "unit": "months", "event": "e", "events": ["1"], "censored": ["0"]}
    source = {"table": str(path), "patient": "patient", "endpoints": {"OS": endpoint}}
    return read_clinical(clinical_sources([source]), (), SPEC.covariates)


@pytest.fixture(scope="module")
def slides() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(1)
    clusters = np.arange(N) % 8 + 1
    tiles = rng.integers(100, 3000, N)
    table = pd.DataFrame(
        {
            "slide": [f"s{i}" for i in range(N)],
            "patient": [f"p{i}" for i in range(N)],
            "status": "ok",
            "reason": "",
            "n_clusters": clusters,
            "n_tiles": tiles,
            "scaled_count": clusters * np.sqrt(tiles),
        }
    )
    return {"full": table, "full_q20": table.assign(n_clusters=np.minimum(clusters, 5))}


WORDS = {"full": {"variant": "full", "q": "–"}, "full_q20": {"variant": "full", "q": "20"}}


@pytest.fixture(scope="module")
def curve(slides: dict[str, pd.DataFrame], clinical: ClinicalTable) -> pd.DataFrame:
    choices = CurveSettings(**GRID)
    return specification_curve(slides.items(), WORDS, clinical, SPEC, choices)


def test_every_combination_is_there_once(curve: pd.DataFrame) -> None:
    factors = ["variant", "q", "score", "grouping", "trim", "adjusted"]
    assert len(curve) == 2 * 2 * 3 * 2 * 2
    assert not curve.duplicated(factors).any()
    assert set(curve["grouping"]) == {"median", "per SD", "cut 4"}
    assert set(curve["trim"]) == {"none", "5–95 %"}


def test_an_estimate_is_that_of_the_analysis_alone(
    curve: pd.DataFrame, slides: dict[str, pd.DataFrame], clinical: ClinicalTable
) -> None:
    spec = AnalysisSettings.model_validate(
        {
            "name": "one",
            "score": "scaled_count",
            "grouping": {"cut": 4},
            "trim": {"measure": "n_tiles", "percentiles": [5, 95]},
            "covariates": [{"column": "age", "kind": "numeric"}],
        }
    )
    patients = build_cohort(slides["full"], clinical, spec).patients
    model = fit_cox(of_endpoint(patients, "OS"), [HIGH_VS_LOW, *spec.covariates])
    row = curve.query(
        "q == '–' and score == 'scaled_count' and grouping == 'cut 4' and trim == '5–95 %'"
        " and adjusted == 'yes'"
    ).iloc[0]
    assert (row["n"], row["events"], row["status"]) == (model.n, model.events, model.status)
    if model.terms:
        assert row["hazard_ratio"] == model.terms[0].hazard_ratio
        assert row["p"] == model.terms[0].p


def test_per_sd_is_per_sd_whatever_the_unit_of_the_score(
    slides: dict[str, pd.DataFrame], clinical: ClinicalTable
) -> None:
    choices = CurveSettings(groupings=["none"], adjusted=[False])
    larger = slides["full"].assign(n_clusters=slides["full"]["n_clusters"] * 1000)
    words = {"a": {}, "b": {}}
    found = specification_curve(
        [("a", slides["full"]), ("b", larger)], words, clinical, SPEC, choices
    )
    ratios = found["hazard_ratio"].to_numpy(dtype=float)
    assert ratios[0] == pytest.approx(ratios[1])
    assert ratios[0] > 1


def test_by_default_only_the_analysis_itself(
    slides: dict[str, pd.DataFrame], clinical: ClinicalTable
) -> None:
    choices = CurveSettings(analysis="main")
    found = specification_curve([("full", slides["full"])], WORDS, clinical, SPEC, choices)
    assert len(found) == 1
    assert found.iloc[0][["grouping", "trim", "adjusted"]].tolist() == ["median", "none", "yes"]


def test_trims_take_the_measure_of_the_analysis() -> None:
    spec = AnalysisSettings.model_validate({"name": "a", "trim": {"measure": "tissue_mm2"}})
    choices = CurveSettings(trims=["none", [10, 90]])
    trims = [one.trim for _, one, _ in specifications(choices, spec)]
    assert trims == [None, TrimSettings(measure="tissue_mm2", percentiles=(10, 90))]


def test_a_searched_cut_is_no_choice() -> None:
    with pytest.raises(ValueError, match="should be 'quartiles', 'median' or 'none'"):
        CurveSettings(groupings=["best_cut"])
    searched = AnalysisSettings.model_validate({"name": "a", "grouping": "best_cut"})
    with pytest.raises(ValueError, match=r"best_cut.* has no p-value but that of its search"):
        CurveSettings(analysis="a").check_against(searched)


def test_adjusting_changes_neither_patients_nor_groups(
    slides: dict[str, pd.DataFrame], clinical: ClinicalTable
) -> None:
    """A code that a covariate drops costs the unadjusted model its patients too, as in
    estimates.tsv; else its quartiles would be those of other patients."""
    frame = clinical.frame.assign(stage=np.where(np.arange(N) % 4, "I", "X"))
    stage = {"column": "stage", "kind": "categorical", "reference": "I", "drop": ["X"]}
    age = {"column": "age", "kind": "numeric"}
    spec = AnalysisSettings.model_validate({"name": "a", "covariates": [age, stage]})
    choices = CurveSettings(groupings=["none"], adjusted=[False, True])
    words = next(iter(specifications(choices, spec)))
    assert words[1].covariates == spec.covariates
    table = replace(clinical, frame=frame)
    found = specification_curve([("full", slides["full"])], WORDS, table, spec, choices)
    assert found["n"].tolist() == [60, 60]


def test_pooled_patients_have_no_slide_to_choose(
    slides: dict[str, pd.DataFrame], clinical: ClinicalTable
) -> None:
    table = slides["full"].assign(slide=slides["full"]["patient"])
    spec = AnalysisSettings.model_validate(
        {"name": "a", "slides": "first_diagnostic", "grouping": "median"}
    )
    choices = CurveSettings(analysis="a")
    for pooled, n in (((), 0), (("full",), N)):
        found = specification_curve([("full", table)], WORDS, clinical, spec, choices, pooled)
        assert found["n"].tolist() == [n]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"adjusted": [False, True]}, "analysis 'bare' has no covariates"),
        ({"groupings": [{"cut": 3}, {"cut": 3.0}]}, "comes twice"),
        ({"trims": [[95, 5]]}, "percentiles 95, 5 must be ordered"),
        ({"groupings": [{"cut": 3, "above": 2}]}, "above"),
    ],
)
def test_choices_that_are_none_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CurveSettings(**config).check_against(AnalysisSettings(name="bare"))


def test_summary_counts_what_was_estimated(curve: pd.DataFrame) -> None:
    some = curve.copy()
    some.loc[0, ["hazard_ratio", "p"]] = None
    summary = curve_summary(some).set_index("contrast")
    assert list(summary.index) == ["high vs low", "per SD"]
    for contrast, row in summary.iterrows():
        found = some[some["contrast"] == contrast]
        ratios = found["hazard_ratio"].dropna().astype(float)
        assert (row["specifications"], row["estimated"]) == (len(found), len(ratios))
        assert row["median_hazard_ratio"] == np.median(ratios)
        assert row["share_above_1"] == (ratios > 1).mean()
        assert row["share_p_below_0.05"] == (found["p"].dropna() < 0.05).mean()


def texts(figure: Figure) -> str:
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    for axes in figure.axes:
        found += [label.get_text() for label in axes.get_yticklabels()]
        found.append(axes.get_title(loc="left"))
    return "\n".join([*found, figure.get_suptitle()])


def test_figure_shows_estimates_in_order_and_choices(curve: pd.DataFrame) -> None:
    estimated = curve.dropna(subset=["hazard_ratio"])
    figure = draw_specification_curve(curve, "Curve")
    written = texts(figure)
    assert f"OS: {len(estimated)} of {len(curve)} specifications" in written
    for choice in ("score: scaled_count", "grouping: per SD", "trim: none", "q: 20"):
        assert choice in written
    assert "variant: full" not in written
    assert "median" not in figure.axes[0].get_title(loc="left")
    of_groups = curve[curve["contrast"] == "high vs low"]
    median = of_groups["hazard_ratio"].astype(float).median()
    assert f"median {median:.2f}" in texts(draw_specification_curve(of_groups, ""))
    points = np.concatenate(
        [line.get_ydata() for line in figure.axes[0].lines if line.get_marker() == "o"]
    )
    np.testing.assert_allclose(np.sort(points), np.sort(estimated["hazard_ratio"].astype(float)))


def test_an_endpoint_without_estimates_is_named(curve: pd.DataFrame) -> None:
    without = curve.assign(endpoint="PFS", hazard_ratio=np.nan, reason="no event")
    figure = draw_specification_curve(pd.concat([curve, without], ignore_index=True), "Curve")
    assert "nothing could be estimated for PFS" in figure.get_suptitle()


def test_nothing_estimated_is_a_message(curve: pd.DataFrame) -> None:
    nothing = curve.assign(hazard_ratio=np.nan, reason="no event")
    figure = draw_specification_curve(nothing, "Curve")
    assert "no event" in "".join(text.get_text() for text in figure.axes[0].texts)
