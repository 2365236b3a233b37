"""All models of one score and one endpoint, and their table; R values by the calls beside them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from histohet.clinical.settings import Covariate
from histohet.cohort.settings import AnalysisSettings
from histohet.common.provenance import Provenance
from histohet.common.tables import read_tsv, write_tsv
from histohet.survival.cox import fit_cox
from histohet.survival.curves import log_rank
from histohet.survival.endpoint import (
    BEST_CUT,
    HIGH_VS_LOW,
    EndpointAnalysis,
    analyse_endpoint,
    analyse_endpoints,
)
from histohet.survival.estimates import (
    ESTIMATE_COLUMNS,
    LOG_RANK,
    WHOLE_MODEL,
    add_q_values,
    estimate_table,
)
from histohet.survival.settings import StatisticsSettings

AGE = Covariate(column="age", kind="numeric", name="age")
NODES = Covariate(column="n", kind="categorical", name="N", reference="N0", drop=("NX",))
EFFORT: dict[str, Any] = {"permutations": 99, "replicates": 40, "seed": 1}


def simulate(log_hazard_ratio: float, n: int, seed: int) -> pd.DataFrame:
    """Exponential survival whose hazard grows with the score; about a third censored."""
    rng = np.random.default_rng(seed)
    score = rng.integers(1, 6, n).astype(float)
    death = rng.exponential(30 / np.exp(log_hazard_ratio * (score - 3)))
    censored = rng.uniform(0, 90, n)
    return pd.DataFrame(
        {
            "patient": [f"P{i:03}" for i in range(n)],
            "score": score,
            "n_tiles": np.exp(rng.normal(6, 1, n)).round() + 1,
            "group": np.where(score <= 2, "low", np.where(score > 4, "high", "middle")),
            "time_months": np.minimum(death, censored),
            "event": (death < censored).astype(int),
            "age": rng.normal(65, 9, n),
            "N": rng.choice(["N0", "N1", "N2"], n),
        }
    )


@pytest.fixture(scope="module")
def cohort() -> pd.DataFrame:
    return simulate(0.4, 150, seed=2)


@pytest.fixture(scope="module")
def analysis(cohort: pd.DataFrame) -> EndpointAnalysis:
    return analyse_endpoint(cohort, [AGE, NODES], **EFFORT)


def test_a_maximum_that_only_follows_the_number_of_slides_tells_nothing_beside_it() -> None:
    rng = np.random.default_rng(4)
    count = rng.integers(1, 7, 800)
    frame = simulate(0, 800, seed=5).assign(
        score=[rng.normal(size=one).max() for one in count], slide_count=count.astype(float)
    )
    death = rng.exponential(30 / np.exp(0.4 * (count - 3)))
    patients = frame.rename(columns={"time_months": "OS_months"}).assign(
        OS_months=np.minimum(death, 60.0), OS_event=(death < 60).astype(int), analysed=True
    )
    wald = {}
    for adjusted in (False, True):
        spec = AnalysisSettings(name="a", grouping="none", slide_count=adjusted)
        effort = StatisticsSettings(permutations=19, bootstrap_replicates=0)
        found = analyse_endpoints(patients.drop(columns=["age", "N", "event"]), spec, effort, 0)
        terms = found["OS"].models[found["OS"].fullest].cox.terms
        assert [term.term for term in terms][1:] == ["slide_count"] * adjusted
        wald[adjusted] = terms[0].coefficient / terms[0].se
    assert wald[False] > 4
    assert abs(wald[True]) < 2.5


def test_planted_hazard_ratio_per_sd_is_found_with_the_right_sign() -> None:
    frame = simulate(np.log(1.5), 2000, seed=1)
    result = analyse_endpoint(frame, **EFFORT)
    term = result.models["per SD"].cox.terms[0]
    planted = np.log(1.5) * frame["score"].std()
    assert result.score_sd == pytest.approx(frame["score"].std())
    assert term.coefficient == pytest.approx(planted, abs=3 * term.se)
    assert term.se < 0.05
    low, high = result.curves
    assert (low.label, high.label) == ("low", "high")
    assert low.median is not None
    assert high.median is not None
    assert low.median > high.median
    assert result.models["high vs low"].cox.terms[0].lower > 1
    assert (result.models["per SD"].concordance.lower or 0) > 0.5
    assert result.log_rank is not None
    assert (result.log_rank.p or 1) < 1e-6
    assert result.log_rank_permutation_p == 0.01
    turned = analyse_endpoint(frame.assign(score=-frame["score"]), groups="none", **EFFORT)
    model = turned.models["per SD"]
    assert model.cox.terms[0].coefficient == pytest.approx(-term.coefficient, rel=1e-7)
    assert (model.concordance.upper or 1) < 0.5
    assert model.permutation_p == 0.01


def test_every_exposure_is_adjusted_in_every_way(
    cohort: pd.DataFrame, analysis: EndpointAnalysis
) -> None:
    assert list(analysis.models) == [
        f"{exposure}{adjustment}"
        for exposure in ("high vs low", "per SD")
        for adjustment in ("", ", tile count", ", adjusted", ", adjusted, tile count")
    ]
    assert analysis.primary == analysis.fullest == "high vs low, adjusted"
    terms = {name: [t.term for t in m.cox.terms] for name, m in analysis.models.items()}
    assert terms["per SD"] == ["score"]
    assert terms["high vs low, tile count"] == ["group", "n_tiles"]
    assert terms["per SD, adjusted, tile count"] == ["score", "age", "N", "N", "n_tiles"]
    direct = fit_cox(cohort, [HIGH_VS_LOW, AGE, NODES])
    assert analysis.models["high vs low, adjusted"].cox == direct
    extremes = cohort[cohort["group"] != "middle"]
    assert analysis.log_rank == log_rank(
        extremes["time_months"], extremes["event"], extremes["group"]
    )
    assert analysis.models["high vs low"].cox.left_out == {"group": 150 - len(extremes)}
    assert analysis.models["per SD"].cox.n == analysis.n == 150
    bare = analyse_endpoint(cohort, **EFFORT)
    assert bare.primary == "high vs low"
    assert list(bare.models) == [name for name in analysis.models if "adjusted" not in name]
    assert bare.models["per SD"] == analysis.models["per SD"]
    json.dumps(asdict(analysis), allow_nan=False)


def test_the_unit_is_a_standard_deviation_whatever_the_score(cohort: pd.DataFrame) -> None:
    one = analyse_endpoint(cohort, [AGE], **EFFORT)
    other = analyse_endpoint(
        cohort.assign(score=1e4 + 365 * cohort["score"], n_tiles=4 * (1 + cohort["n_tiles"]) - 1),
        [AGE],
        **EFFORT,
    )
    for name, model in one.models.items():
        same = other.models[name]
        assert same.cox.terms[0].hazard_ratio == pytest.approx(model.cox.terms[0].hazard_ratio)
        assert same.permutation_p == model.permutation_p
    assert other.score_sd == pytest.approx(365 * one.score_sd)
    # Four times the tissue is a shift of the logarithm.
    assert other.log_tiles_sd == pytest.approx(one.log_tiles_sd)


def test_a_score_that_only_counts_tissue_is_found_out() -> None:
    """Tissue kills, and the score is tissue with noise."""
    rng = np.random.default_rng(3)
    log_tiles = rng.normal(6, 1, 600)
    death = rng.exponential(30 / np.exp(0.7 * (log_tiles - 6)))
    frame = simulate(0, 600, seed=3).assign(
        n_tiles=np.exp(log_tiles),
        score=log_tiles + rng.normal(0, 0.5, 600),
        time_months=death,
        event=1,
    )
    models = analyse_endpoint(frame, groups="none", **EFFORT).models
    assert models["per SD"].permutation_p == 0.01
    assert models["per SD"].cox.terms[0].lower > 1.3
    beside = models["per SD, tile count"]
    assert (beside.permutation_p or 0) > 0.05
    assert beside.cox.terms[0].lower < 1 < beside.cox.terms[0].upper
    assert beside.cox.terms[1].lower > 1.3


def test_searched_groups_have_no_p_but_that_of_the_search(cohort: pd.DataFrame) -> None:
    frame = cohort.assign(group="")
    result = analyse_endpoint(frame, [AGE], groups="searched", **EFFORT)
    assert result.primary == BEST_CUT
    assert result.fullest == "per SD, adjusted"
    assert result.log_rank is result.log_rank_permutation_p is None
    assert not any("high vs low" in name for name in result.models)
    assert result.best_cut is not None
    low, high = result.curves
    assert low.n == (frame["score"] <= result.best_cut.cut).sum()
    assert low.n + high.n == 150
    table = estimate_table(result, "OS")
    row = table[table["model"] == BEST_CUT].iloc[0]
    assert row["permutation_p"] == result.best_cut.permutation_p
    assert row[["lower", "upper", "p", "c_index"]].isna().all()
    assert row["hazard_ratio"] == result.best_cut.hazard_ratio
    assert not (table["term"] == "group")[table["model"] != BEST_CUT].any()
    nothing = analyse_endpoint(frame.assign(score=3.0), groups="searched", **EFFORT)
    assert [curve.n for curve in nothing.curves] == [0, 0]
    assert estimate_table(nothing, "OS").iloc[0]["status"] == "not_estimable"


def test_without_groups_there_is_one_curve(cohort: pd.DataFrame) -> None:
    result = analyse_endpoint(cohort.assign(group=np.nan), groups="none", **EFFORT)
    assert [curve.label for curve in result.curves] == ["all"]
    assert result.curves[0].n == 150
    assert result.primary == "per SD"
    assert list(result.models) == ["per SD", "per SD, tile count"]


def test_trouble_is_in_the_table(cohort: pd.DataFrame) -> None:
    nobody = analyse_endpoint(cohort.iloc[:0], [AGE], **EFFORT)
    table = estimate_table(nobody, "OS")
    assert set(table["status"]) == {"not_estimable"}
    assert table["reason"].str.contains("0 events among 0 patients|there is no patient").all()
    assert table["primary"].sum() == 1
    constant = analyse_endpoint(cohort.assign(n_tiles=400, score=2.0, group="low"), **EFFORT)
    reasons = estimate_table(constant, "OS").set_index("model")["reason"]
    assert reasons["per SD"] == "all 150 patients have the same score, 2.0"
    assert reasons["high vs low"] == "all 150 patients have the same group, low"
    varied = analyse_endpoint(cohort.assign(n_tiles=400), **EFFORT)
    reasons = estimate_table(varied, "OS").set_index("model")["reason"]
    assert reasons["per SD, tile count"] == "all 150 patients have the same n_tiles, 400"


def test_a_patient_without_any_tile_that_counts_takes_part(cohort: pd.DataFrame) -> None:
    frame = cohort.assign(n_tiles=np.where(cohort.index < 3, 0, cohort["n_tiles"]))
    model = analyse_endpoint(frame, **EFFORT).models["per SD, tile count"].cox
    assert (model.status, model.n) == ("ok", 150)


def test_a_row_per_estimate(analysis: EndpointAnalysis) -> None:
    table = estimate_table(analysis, "DSS")
    assert tuple(table.columns) == ESTIMATE_COLUMNS
    assert (table["endpoint"] == "DSS").all()
    expected = 1 + sum(len(model.cox.terms) + 1 for model in analysis.models.values())
    assert len(table) == expected
    assert not table.duplicated(["model", "term", "level"]).any()
    primary = table[table["primary"]]
    assert len(primary) == 1
    model = analysis.models["high vs low, adjusted"]
    term, row = model.cox.terms[0], primary.iloc[0]
    assert (row["model"], row["term"], row["level"]) == ("high vs low, adjusted", "group", "high")
    assert (row["n"], row["events"]) == (term.n, term.events)
    for name in ("hazard_ratio", "lower", "upper", "p", "ph_p"):
        assert row[name] == getattr(term, name)
    assert row["permutation_p"] == model.permutation_p
    assert (row["c_index"], row["c_lower"]) == (model.concordance.c, model.concordance.lower)
    whole = table[(table["model"] == row["model"]) & (table["term"] == WHOLE_MODEL)].iloc[0]
    assert (whole["n"], whole["events"]) == (model.cox.n, model.cox.events)
    assert (whole["p"], whole["ph_p"]) == (model.cox.likelihood_ratio_p, model.cox.ph_p)
    assert set(table.loc[table["term"] == "n_tiles", "level"]) == {"per SD of the logarithm"}
    assert set(table.loc[table["term"] == "age", "level"]) == {"per unit"}
    ranked = table[table["model"] == LOG_RANK].iloc[0]
    assert analysis.log_rank is not None
    assert ranked["p"] == analysis.log_rank.p
    # Only the exposure has a permutation p.
    assert table["permutation_p"].notna().sum() == 1 + len(analysis.models)


def test_few_events_are_told_in_the_table(cohort: pd.DataFrame) -> None:
    table = estimate_table(analyse_endpoint(cohort[:30], [AGE, NODES], **EFFORT), "OS")
    row = table[table["primary"]].iloc[0]
    assert row["status"] == "ok"
    assert row["events_per_variable"] < 10
    assert row["reason"].endswith("events per variable, below 10")


def test_results_do_not_depend_on_the_order_of_rows_nor_on_what_else_is_asked(
    cohort: pd.DataFrame, analysis: EndpointAnalysis
) -> None:
    assert analyse_endpoint(cohort, [AGE, NODES], **EFFORT) == analysis
    shuffled = cohort.sample(frac=1, random_state=4)
    other = analyse_endpoint(shuffled, [AGE, NODES], **EFFORT)
    for name, model in analysis.models.items():
        term, same = model.cox.terms[0], other.models[name].cox.terms[0]
        assert same.hazard_ratio == pytest.approx(term.hazard_ratio, rel=1e-9)
        assert other.models[name].concordance.c == pytest.approx(model.concordance.c, abs=1e-12)
    alone = analyse_endpoint(cohort.drop(columns=["age"]), **EFFORT)
    assert alone.models["per SD"] == analysis.models["per SD"]


def test_q_values_are_rs(analysis: EndpointAnalysis, tmp_path: Path) -> None:
    """R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.005, 0.2), "BH")."""
    p = [0.01, 0.02, 0.03, np.nan, 0.04, 0.005, 0.2, 0.001, np.nan]
    table = pd.DataFrame(
        {
            "primary": [True] * 7 + [False, True],
            "p": p,
            "permutation_p": [0.5, 0.5, 0.5, np.nan, 0.5, 0.5, 0.5, 0.5, np.nan],
        }
    )
    q = add_q_values(table)["q"]
    expected = [0.030, 0.040, 0.045, np.nan, 0.048, 0.030, 0.200, np.nan, np.nan]
    np.testing.assert_allclose(q, expected, rtol=1e-12)
    # A searched cut enters with the p of its search.
    searched = add_q_values(table.assign(p=table["p"].mask(table["p"] == 0.2)))["q"]
    assert searched[6] == pytest.approx(0.5)
    none = add_q_values(table.assign(primary=False))
    assert none["q"].isna().all()
    real = estimate_table(analysis, "OS")
    both = pd.concat([real, real.assign(endpoint="DSS")], ignore_index=True)
    write_tsv(tmp_path / "estimates.tsv", both, Provenance({}, {}))
    found = add_q_values(read_tsv(tmp_path / "estimates.tsv"))
    assert found["q"].notna().sum() == 2
    assert (found["q"][found["primary"]] == found["p"][found["primary"]]).all()


@pytest.mark.real
def test_lung_per_sd_beside_r(real_data: Path) -> None:
    """R: coxph(Surv(time, status) ~ scale(ph.karno) + scale(log(age)), lung)."""
    lung = pd.read_csv(real_data / "survival" / "lung.csv").dropna(subset=["ph.karno"])
    frame = pd.DataFrame(
        {
            "patient": lung.index.astype(str),
            "score": lung["ph.karno"],
            # Its logarithm is of 1 + the number.
            "n_tiles": lung["age"] - 1,
            "group": "",
            "time_months": lung["time"],
            "event": lung["status"],
        }
    )
    terms = analyse_endpoint(frame, groups="none", **EFFORT).models["per SD, tile count"].cox.terms
    found = [(term.hazard_ratio, term.lower, term.upper, term.p) for term in terms]
    expected = [
        (0.8384231191, 0.7246178173, 0.9701021833, 0.0178948771),
        (1.1288833032, 0.9514389313, 1.3394212391, 0.1647025608),
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
