"""Risks in groups of patients: the numbers of each group are those of its patients alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from histohet.fusion.competing_risks import aalen_johansen
from histohet.fusion.groups import in_groups, subgroups

TIME = np.array([1.0, 2, 3, 4, 5, 6, 7, 8])
STATE = np.array([1, 0, 2, 1, 1, 0, 0, 0])
RISK = np.array([0.9, 0.2, 0.3, 0.6, 0.1, 0.4, 0.3, 0.2])
LABEL = list("xxxxyyyz")


def test_a_group_is_measured_by_its_patients_alone() -> None:
    found = in_groups("batch", LABEL, RISK, TIME, STATE, 6).set_index("batch")
    assert found.index.tolist() == ["x", "y", "z"]
    assert found.loc["x", ["n", "events", "competing"]].tolist() == [4, 2, 1]
    assert found.loc["x", "predicted_risk"] == pytest.approx(0.5)
    seen = aalen_johansen(TIME[4:7], STATE[4:7]).by(6)
    row = found.loc["y", ["observed_risk", "observed_lower", "observed_upper"]]
    assert row.tolist() == [seen.share, seen.lower, seen.upper]
    # In x, the first patient outranks all; the fourth outranks the one who died before.
    assert found.loc["x", "c_index"] == 1
    assert found.loc["y", "c_index"] == 0  # who had the event has the lowest risk
    assert found.loc["x", "c_lower"] <= 1 <= found.loc["x", "c_upper"]
    assert found.loc["z", ["c_index", "c_lower"]].isna().all()  # one patient, who has no event


def test_subgroups_take_the_mean_over_repetitions_by_the_last_horizon() -> None:
    patients = [f"p{i}" for i in range(8)]
    outcome = pd.DataFrame({"time_months": TIME, "state": STATE}, index=patients)
    both = [
        pd.DataFrame(
            {"patient": patients, "model": "full", "repeat": r, "risk_3": 0.0, "risk_6": RISK + r}
        )
        for r in (-0.1, 0.1)
    ]
    risks = pd.concat([*both, both[0].assign(model="other")])
    groups = pd.DataFrame({"batch": ["", *LABEL[1:]], "centre": "one"}, index=patients)
    found = subgroups(risks, outcome, groups, "full")
    assert found["by"].unique().tolist() == ["batch"]  # one centre is no comparison
    assert found["group"].tolist() == ["x", "y", "unknown", "z"]
    assert (found["horizon_months"] == 6).all()
    of_x = found.set_index("group").loc["x", "predicted_risk"]
    assert of_x == pytest.approx(RISK[1:4].mean())


def test_nothing_predicted_or_no_groups_is_an_empty_table() -> None:
    outcome = pd.DataFrame({"time_months": TIME, "state": STATE}, index=list("abcdefgh"))
    nothing = pd.DataFrame(columns=["patient", "model", "repeat", "fold", "predictor"])
    empty = subgroups(nothing, outcome, pd.DataFrame(index=outcome.index), "full")
    assert empty.empty
    assert list(empty)[:3] == ["by", "group", "n"]
