"""What the fusion refuses or says of scans and outcomes, word for word (about 5 s)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from helpers.competing import blocks_of, planted
from histohet.clinical.settings import EndpointSettings
from histohet.fusion.blocks import Block, Filters, FusionError, aligned, learn_encoding
from histohet.fusion.comparison import compare
from histohet.fusion.feature_table import read_feature_table, scanned_after
from histohet.fusion.settings import FusionSettings


def test_patients_of_the_scans_that_nobody_knows() -> None:
    features = pd.DataFrame({"f": range(40)}, index=[f"P{n:03d}" for n in range(1, 41)])
    with pytest.raises(FusionError) as error:
        aligned("ct", features, [f"TCGA-{letter}" for letter in "ABCD"], "features")
    assert str(error.value) == (
        "block 'ct': none of 40 patients is in the clinical tables (first: P001; there: TCGA-A, "
        "TCGA-B, TCGA-C): spell them alike"
    )


def test_an_event_before_the_scan(tmp_path: Path) -> None:
    rows = "scan\tpatient\tscan_day\tf\ns1\ta\t42\t1\ns2\tb\t30\t2\n"
    (tmp_path / "f.tsv").write_text(rows)
    outcome = pd.DataFrame({"time_months": [30 / 30.4375, 2.0], "state": [1, 1]}, index=["a", "b"])
    late = scanned_after(read_feature_table(tmp_path / "f.tsv"), outcome)
    assert late == {"a": "event 12 days before the scan"}


def test_features_that_are_not_finite_or_constant() -> None:
    """Infinite ones are refused; those without a value or without any change are left out."""
    table = pd.DataFrame(
        {"f": [1.0, 2, 4, 3], "g": 5.0, "h": np.nan, "i": [np.nan, 1, 2, 1]}, index=list("abcd")
    )
    everybody = np.ones(4, bool)
    found = learn_encoding(
        Block("ct", table, "features"), everybody, np.arange(4.0), everybody, Filters()
    )
    assert found.columns == ("f", "i")
    with pytest.raises(FusionError) as error:
        Block("ct", table.assign(f=[1, np.inf, 2, 3]), "features")
    assert str(error.value) == (
        "block 'ct': f of patient 'b' is infinite: leave the cell empty, or make it anew"
    )


def reasons(n: int, **changes: object) -> pd.DataFrame:
    tables, outcome = planted(n, 1)
    blocks = {"clinical": blocks_of(tables)["clinical"]}
    given: dict[str, object] = {"endpoint": "LM", "blocks": ("clinical",), "repeats": 1, "folds": 2}
    settings = FusionSettings(**(given | changes))
    return compare(blocks, outcome, settings, 1).estimates


def test_too_few_events() -> None:
    found = reasons(12, folds=5)
    assert set(found["reason"]) == {"6 events among 12 patients: 5 folds need at least 10"}
    assert found["estimate"].isna().all()


def test_a_horizon_that_nobody_is_followed_to() -> None:
    found = reasons(60, horizons=(24, 600))
    late = found[(found["horizon_months"] == 600) & (found["measure"] != "predicted_risk")]
    assert late["estimate"].isna().all()
    assert {reason.split(":")[0] for reason in late["reason"]} == {"nobody is followed for 600"}


def test_a_competing_code_that_is_also_censored() -> None:
    with pytest.raises(ValidationError, match="'2' stand in 'censored' and in 'competing'"):
        EndpointSettings(
            time="t", unit="days", event="s", events=["1"], censored=["0", "2"], competing=["2"]
        )
