"""What heterogeneity adds: planted, absent, not estimable; and the figure (about 20 s)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lifelines.utils import concordance_index

from histohet.common.provenance import Provenance
from histohet.drawing.style import save_figure
from histohet.prognosis.added_value import (
    MODELS,
    AddedValue,
    compare_models,
    patient_embeddings,
)
from histohet.prognosis.figures import draw_added_value
from histohet.prognosis.settings import AddedValueSettings

QUICK = AddedValueSettings(folds=3, repeats=1, horizons=(12, 24))
COVARIATES = ("age", "stage")


def make(
    seed: int, n: int = 90, of_score: float = 0.0, of_embedding: float = 0.0, of_age: float = 0.0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Patients and embeddings with planted log hazard ratios per standard deviation."""
    rng = np.random.default_rng(seed)
    embedding = rng.normal(size=(n, 3)) @ rng.normal(size=(3, 24)) + rng.normal(size=(n, 24)) / 2
    score, age = rng.normal(size=n), rng.normal(size=n)
    hazard = (
        of_score * score + of_age * age + of_embedding * embedding[:, 0] / embedding[:, 0].std()
    )
    time, censoring = rng.exponential(np.exp(-hazard)) * 25, rng.uniform(5, 70, n)
    patients = pd.DataFrame(
        {
            "patient": [f"P{i:03d}" for i in rng.permutation(n)],
            "score": score,
            "time_months": np.minimum(time, censoring),
            "event": (time <= censoring).astype(float),
            "age": 60 + 10 * age,
            "stage": rng.choice(["T1-2", "T3-4"], n),
        }
    )
    patients.loc[3, "age"], patients.loc[4, "stage"] = np.nan, np.nan
    return patients, pd.DataFrame(embedding, index=patients["patient"].to_numpy())


def compare(
    data: tuple[pd.DataFrame, pd.DataFrame],
    settings: AddedValueSettings = QUICK,
    covariates: Sequence[str] = COVARIATES,
    seed: int = 1,
) -> AddedValue:
    return compare_models(*data, covariates, settings, seed)


def of_measure(found: AddedValue, measure: str) -> pd.DataFrame:
    table = found.estimates
    return table[table["measure"] == measure].set_index("model")


@pytest.fixture(scope="module")
def data() -> tuple[pd.DataFrame, pd.DataFrame]:
    return make(1, n=150, of_score=0.9, of_embedding=0.9, of_age=0.6)


@pytest.fixture(scope="module")
def found(data: tuple[pd.DataFrame, pd.DataFrame]) -> AddedValue:
    return compare(data, AddedValueSettings(folds=3, repeats=2, horizons=(12, 24)))


def test_every_model_and_measure_is_there(found: AddedValue) -> None:
    table = found.estimates
    assert (table["status"] == "ok").all()
    assert (table["reason"] == "").all()
    counts = table.groupby("measure").size().to_dict()
    assert counts == {
        "auc": 14,
        "auc_gain": 6,
        "c_index": 7,
        "c_index_gain": 3,
        "calibration_slope": 7,
        "observed_over_predicted": 14,
        "observed_risk": 56,
        "penalty": 4,
        "predicted_risk": 56,
    }
    assert list(of_measure(found, "c_index").index) == list(MODELS)
    inside = table.dropna(subset=["lower", "upper"])
    assert (inside["lower"] <= inside["estimate"]).all()
    assert (inside["estimate"] <= inside["upper"]).all()


def test_what_is_planted_adds_to_everything(found: AddedValue) -> None:
    ranked = of_measure(found, "c_index")["estimate"]
    gain = of_measure(found, "c_index_gain")
    assert (gain["lower"] > 0).all()
    assert ranked.idxmax() == "clinical + embedding + heterogeneity"
    assert ranked["clinical + embedding"] > max(ranked["clinical"], ranked["embedding"])
    for model, row in gain.iterrows():
        assert row["estimate"] == pytest.approx(ranked[model] - ranked[row["against"]])
        assert row["against"] == str(model).removesuffix(" + heterogeneity")
    slope = of_measure(found, "calibration_slope")
    assert ((slope["lower"] < 1) & (slope["upper"] > 1)).all()


def test_the_c_index_is_the_mean_over_folds_by_their_pairs(
    data: tuple[pd.DataFrame, pd.DataFrame], found: AddedValue
) -> None:
    risks = found.risks.merge(data[0], on="patient")
    assert risks.groupby(["model", "repeat"])["patient"].nunique().eq(150).all()
    shares = []
    for _, repeat in risks[risks["model"] == "clinical"].groupby("repeat"):
        right, total = 0.0, 0.0
        for _, fold in repeat.groupby("fold"):
            time, event = fold["time_months"].to_numpy(), fold["event"].to_numpy() == 1
            # No ties in time, so every event is compared with all who are followed longer.
            pairs = float(sum(np.sum(time > t) for t in time[event]))
            right += pairs * concordance_index(time, -fold["linear_predictor"], event)
            total += pairs
        shares.append(right / total)
    assert of_measure(found, "c_index").loc["clinical", "estimate"] == pytest.approx(
        np.mean(shares)
    )


def test_groups_of_risk_hold_everybody_once(found: AddedValue) -> None:
    groups = of_measure(found, "predicted_risk").query("horizon_months == 24")
    for _, of_model in groups.groupby(level=0):
        assert list(of_model["risk_group"]) == [1, 2, 3, 4]
        assert of_model["estimate"].is_monotonic_increasing
        assert of_model["n"].sum() == 150
    risks = found.risks.groupby(["model", "patient"])["risk_24"].mean().groupby("model").mean()
    overall = groups["estimate"].mul(groups["n"]).groupby(level=0).sum() / 150
    pd.testing.assert_series_equal(overall, risks, check_names=False)


def test_a_score_that_carries_nothing_adds_nothing() -> None:
    gains = []
    for seed in range(4):
        nothing = compare(make(seed + 20, n=80, of_embedding=1.0, of_age=0.7))
        gains.append(of_measure(nothing, "c_index_gain"))
    table = pd.concat(gains)
    covers = (table["lower"] <= 0) & (table["upper"] >= 0)
    assert covers.mean() >= 0.8
    assert abs(table["estimate"].mean()) < 0.02


def test_order_of_rows_does_not_matter_and_the_seed_does() -> None:
    patients, embeddings = make(7, n=60)
    first = compare((patients, embeddings))
    order = np.random.default_rng(0).permutation(len(patients))
    shuffled = compare((patients.iloc[order], embeddings.iloc[order[::-1]]))
    pd.testing.assert_frame_equal(shuffled.estimates, first.estimates, check_exact=True)
    pd.testing.assert_frame_equal(shuffled.risks, first.risks, check_exact=True)
    other = compare((patients, embeddings), seed=2)
    assert not other.risks.equals(first.risks)


def test_without_clinical_data_three_models_are_left() -> None:
    found = compare(make(7), covariates=())
    expected = ["embedding", "heterogeneity", "embedding + heterogeneity"]
    assert list(of_measure(found, "c_index").index) == expected
    assert list(of_measure(found, "c_index_gain").index) == expected[2:]
    assert draw_added_value(found.estimates.assign(endpoint="OS"), title="no clinical data").axes


def test_patients_without_embedding_are_left_out_of_all_models_by_name() -> None:
    patients, embeddings = make(7)
    gone = sorted(patients["patient"].iloc[[5, 8]])
    found = compare((patients, embeddings.drop(index=gone)))
    row = found.estimates.iloc[0]
    assert row["measure"] == "left_out"
    assert row["n"] == row["estimate"] == 2
    assert row["reason"] == f"no slide embedding: {gone[0]}, {gone[1]}"
    assert not set(gone) & set(found.risks["patient"])
    assert (of_measure(found, "c_index")["n"] == 88).all()
    same = compare((patients[~patients["patient"].isin(gone)], embeddings))
    pd.testing.assert_frame_equal(found.risks, same.risks)


def test_too_few_events_are_a_result_with_a_reason(tmp_path: Path) -> None:
    patients, embeddings = make(7)
    patients["event"] = [1.0] * 5 + [0.0] * 85
    found = compare((patients, embeddings))
    assert found.risks.empty
    assert list(found.estimates["model"]) == list(MODELS)
    assert (found.estimates["status"] == "not_estimable").all()
    reason = "5 events among 90 patients: 3 folds need at least 6"
    assert (found.estimates["reason"] == reason).all()
    figure = draw_added_value(found.estimates.assign(endpoint="OS"), title="x")
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts == ["OS: 90 patients, 5 events", f"No model could be validated: {reason}."]
    save_figure(figure, [tmp_path / "a.png"], Provenance())
    nobody = compare((patients, embeddings.iloc[:0]))
    assert set(nobody.estimates["measure"]) == {"left_out", "c_index"}
    assert nobody.estimates["reason"].iloc[1].startswith("0 events among 0 patients")


def test_horizons_out_of_reach_are_not_estimable() -> None:
    settings = AddedValueSettings(folds=3, repeats=1, horizons=(500, 24, 0.0001))
    found = compare(make(7), settings, covariates=())
    table = found.estimates.set_index(["measure", "horizon_months"]).sort_index()
    for months in (0.0001, 500.0):
        out = table.loc[[("auc", months), ("auc_gain", months)]]
        assert (out["status"] == "not_estimable").all()
        assert out["reason"].str.contains(f"by {months:g} months and somebody followed").all()
    far = table.loc[[("observed_over_predicted", 500.0)]]
    assert (far["status"] == "not_estimable").all()
    assert far["reason"].str.startswith("nobody is followed for 500").all()
    assert (table.loc[[("auc", 24.0)], "status"] == "ok").all()
    only_far = AddedValueSettings(folds=3, repeats=1, horizons=(500,))
    estimates = compare(make(7), only_far, ()).estimates.assign(endpoint="OS")
    figure = draw_added_value(estimates, title="x")
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts.count("no horizon can be estimated") == 1  # of the AUC


def test_unfit_patients_are_errors() -> None:
    patients, embeddings = make(7)
    with pytest.raises(ValueError, match="no column 'stage', 'grade'"):
        compare_models(patients.drop(columns="stage"), embeddings, ["stage", "grade"], QUICK, 1)
    twice = pd.concat([patients, patients.iloc[[2]]])
    name = patients["patient"].iloc[2]
    with pytest.raises(ValueError, match=f"'{name}' has two rows"):
        compare((twice, embeddings))
    for column in ("score", "time_months", "event"):
        with pytest.raises(ValueError, match=f"'{name}' has no {column}"):
            compare((patients.assign(**{column: patients[column].drop(index=2)}), embeddings))


def test_embeddings_of_patients_are_means_over_their_slides() -> None:
    table = pd.DataFrame(
        {"wsi": ["A1", "A2", "B", "X"], "feat_0": [1.0, 3.0, 5.0, 0.0], "feat_1": [0, 1, 2, 9]}
    )
    patients = pd.DataFrame({"patient": ["b", "a", "c", "d"], "slide": ["B", "A1, A2", "C", None]})
    found = patient_embeddings(patients, table)
    assert list(found.index) == ["b", "a"]
    np.testing.assert_array_equal(found.to_numpy(), [[5, 2], [2, 0.5]])
    only_one = patient_embeddings(patients.assign(slide="A2, gone"), table)
    np.testing.assert_array_equal(only_one.to_numpy(), [[3, 1]] * 4)
    assert patient_embeddings(patients, pd.DataFrame({"wsi": []})).empty
    with pytest.raises(ValueError, match="slide 'B' has two rows"):
        patient_embeddings(patients, pd.concat([table, table.iloc[[2]]]))
    with pytest.raises(ValueError, match="patient 'b' has two rows"):
        patient_embeddings(pd.concat([patients, patients.iloc[[0]]]), table)
    with pytest.raises(ValueError, match="slide 'A2' is not finite"):
        patient_embeddings(patients, table.replace(3.0, np.nan))


def test_the_figure_has_a_block_per_endpoint_and_the_same_bytes_again(
    found: AddedValue, tmp_path: Path
) -> None:
    both = pd.concat([found.estimates.assign(endpoint=name) for name in ("OS", "DSS")])
    for name in ("a", "b"):
        figure = draw_added_value(both, title="n_clusters, variant full")
        texts = [text.get_text() for axes in figure.axes for text in axes.texts]
        assert [text for text in texts if "patients" in text] == [
            f"{name}: 150 patients, {both['events'].max()} events" for name in ("OS", "DSS")
        ]
        save_figure(figure, [tmp_path / f"{name}.svg", tmp_path / f"{name}.png"], Provenance())
    for kind in ("svg", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
