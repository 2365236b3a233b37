"""Models compared: planted, missing, too few, permuted (about 25 s)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.competing import blocks_of, noise, planted
from histohet.fusion.comparison import compare, models_of, pairs_of
from histohet.fusion.estimates import NOTHING
from histohet.fusion.evaluation import TREAT_ALL, Comparison
from histohet.fusion.settings import FusionSettings

NAMES = ("clinical", "ct", "slide", "heterogeneity")
FULL = "clinical + ct + slide + heterogeneity"
SMALL = FusionSettings(
    endpoint="LM",
    blocks=("clinical", "ct"),
    tables={"ct": "ct.tsv"},
    folds=3,
    repeats=2,
    horizons=(24, 36),
)


def two(n: int, seed: int, missing: float = 0.3) -> tuple[dict, pd.DataFrame]:
    tables, outcome = planted(n, seed, missing=missing)
    blocks = blocks_of(tables)
    return {name: blocks[name] for name in ("clinical", "ct")}, outcome


@pytest.fixture(scope="module")
def found() -> Comparison:
    blocks, outcome = two(90, 3)
    return compare(blocks, outcome, SMALL, 1)


def of(table: pd.DataFrame, measure: str, patients: str = "all") -> pd.DataFrame:
    chosen = table[(table["measure"] == measure) & (table["patients"] == patients)]
    return chosen.set_index("model")


def test_which_models_are_compared_with_which() -> None:
    models = models_of(NAMES, volume=True)
    assert len(models) == 15
    assert models[FULL].blocks == NAMES
    assert models[f"late: {FULL}"].how == "late"
    pairs = pairs_of(NAMES, models)
    assert pairs[:4] == [(FULL, FULL.replace(f"{name} + ", "")) for name in NAMES[:3]] + [
        (FULL, "clinical + ct + slide")
    ]
    assert (FULL, "volume") in pairs
    assert ("clinical + ct", "clinical") in pairs
    assert list(models_of(["ct"])) == [NOTHING, "ct"]
    assert pairs_of(["ct"], models_of(["ct"])) == []


def test_patients_without_a_block_stay_and_the_others_are_compared_too(found: Comparison) -> None:
    assert found.patterns["has"].tolist() == ["clinical, ct", "clinical"]
    assert found.patterns["n"].sum() == 90
    everybody, complete = (of(found.estimates, "auc", which) for which in ("all", "complete"))
    assert (everybody["n"] == 90).all()
    assert (complete["n"] == found.patterns["n"].iloc[0]).all()
    assert set(everybody.index) == set(complete.index)
    assert found.risks.groupby(["model", "repeat"])["patient"].nunique().eq(90).all()


def test_every_number_has_its_interval(found: Comparison) -> None:
    table = found.estimates
    assert (table["status"] == "ok").all()
    inside = table.dropna(subset=["lower", "upper"])
    assert (inside["lower"] <= inside["estimate"] + 1e-12).all()
    assert (inside["estimate"] <= inside["upper"] + 1e-12).all()
    ranked = of(table, "c_index").query("horizon_months == 36")["estimate"]
    gain = of(table, "c_index_gain").query("horizon_months == 36")
    for model, row in gain.iterrows():
        assert row["estimate"] == pytest.approx(ranked[model] - ranked[row["against"]])


def test_curves_and_decisions_are_tables_of_their_own(found: Comparison) -> None:
    assert found.curves.groupby("cause")["risk_group"].unique().map(list).tolist() == [
        [1, 2, 3],
        [1, 2, 3],
    ]
    starts = found.curves.groupby(["risk_group", "cause"]).first()
    assert (starts[["time_months", "share"]] == 0).all(axis=None)
    assert set(found.decision["model"]) == {*models_of(("clinical", "ct")), TREAT_ALL} - {NOTHING}
    assert (found.decision["lower"] <= found.decision["upper"]).all()


def test_order_of_rows_does_not_matter_and_the_seed_does() -> None:
    blocks, outcome = noise(30, 4, 2)
    settings = SMALL.model_copy(update={"blocks": ("ct",), "repeats": 1})
    first = compare(blocks, outcome, settings, 1)
    order = np.random.default_rng(0).permutation(30)
    shuffled = {"ct": type(blocks["ct"])("ct", blocks["ct"].table.iloc[order], "features")}
    again = compare(shuffled, outcome.iloc[order], settings, 1)
    pd.testing.assert_frame_equal(again.estimates, first.estimates, check_exact=True)
    pd.testing.assert_frame_equal(again.risks, first.risks, check_exact=True)
    assert not compare(blocks, outcome, settings, 2).risks.equals(first.risks)


def test_too_few_events_are_a_result_with_a_reason() -> None:
    blocks, outcome = noise(30, 4, 2)
    outcome["state"] = [1] * 5 + [0] * 25
    found = compare(blocks, outcome, SMALL, 1)
    assert (found.estimates["status"] == "not_estimable").all()
    reason = "5 events among 30 patients: 3 folds need at least 6"
    assert (found.estimates["reason"] == reason).all()
    assert found.risks.empty


def test_a_horizon_beyond_the_follow_up_is_not_estimable() -> None:
    blocks, outcome = noise(40, 4, 2)
    settings = SMALL.model_copy(update={"blocks": ("ct",), "repeats": 1, "horizons": (12, 900)})
    outcome.loc[outcome["time_months"].idxmax(), "state"] = 0  # somebody is still followed
    table = compare(blocks, outcome, settings, 1).estimates.set_index("measure")
    far = table[table["horizon_months"] == 900]
    measures = ["auc", "brier", "c_index", "observed_over_predicted"]
    assert (far.loc[measures, "status"] == "not_estimable").all()
    assert far.loc[measures, "reason"].str.startswith("nobody is followed for 900").all()


def test_the_whole_procedure_is_permuted() -> None:
    settings = SMALL.model_copy(update={"repeats": 1, "permutations": 9})
    tables, outcome = planted(70, 5, {"clinical": 1.5, "ct": 1.5})
    blocks = {name: block for name, block in blocks_of(tables).items() if name in settings.blocks}
    planted_p = of(compare(blocks, outcome, settings, 1).estimates, "permutation_p")
    assert planted_p["estimate"].tolist() == [0.1]  # the smallest that nine can give
    nothing, other = noise(40, 4, 6)
    alone = settings.model_copy(update={"blocks": ("ct",)})
    p = of(compare(nothing, other, alone, 1).estimates, "permutation_p")["estimate"].iloc[0]
    assert 0.1 <= p <= 1
