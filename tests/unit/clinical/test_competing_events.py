"""Endpoints with events after which they cannot happen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from histohet.clinical.formats import ClinicalError, clinical_sources
from histohet.clinical.join import read_clinical
from histohet.clinical.settings import EndpointSettings
from histohet.clinical.table import ClinicalTable, read_clinical_tsv
from histohet.common.provenance import Provenance
from histohet.common.tables import write_tsv
from histohet.config import read_config

LM = {
    "time": {"event": "relapse", "censored": "last"},
    "unit": "days",
    "event": "status",
    "events": ["metastasis"],
    "censored": ["alive"],
    "competing": ["dead"],
}
ROWS = (
    "id\tstatus\trelapse\tlast",
    "a\tmetastasis\t30.4375\t100",
    "b\tdead\t\t60.875",
    "c\talive\t\t365.25",
    "d\t\t\t10",
)


def read(tmp_path: Path, *rows: str, **changed: Any) -> ClinicalTable:
    path = tmp_path / "clinical.tsv"
    path.write_text("\n".join(rows or ROWS) + "\n")
    table = {"table": str(path), "patient": "id", "endpoints": {"LM": LM | changed}}
    return read_clinical(clinical_sources([table]))


def test_a_competing_event_is_no_event_and_has_the_time_of_the_censored(tmp_path: Path) -> None:
    table = read(tmp_path)
    frame = table.frame.set_index("patient")
    assert list(frame.columns) == ["LM_months", "LM_event", "LM_competing"]
    assert frame["LM_months"].tolist()[:3] == [1.0, 2.0, 12.0]
    assert frame["LM_event"].tolist()[:3] == [1, 0, 0]
    assert frame["LM_competing"].tolist()[:3] == [0, 1, 0]
    assert frame.loc["d", ["LM_event", "LM_competing"]].isna().all()
    write_tsv(tmp_path / "frame.tsv", table.frame, Provenance())
    write_tsv(tmp_path / "problems.tsv", table.problems, Provenance())
    again = read_clinical_tsv(tmp_path / "frame.tsv", tmp_path / "problems.tsv")
    pd.testing.assert_frame_equal(again.frame, table.frame)
    assert again.where({}).loc["b", "LM_competing"] == 1


def test_without_competing_codes_the_table_is_as_before(tmp_path: Path) -> None:
    table = read(tmp_path, censored=["alive", "dead"], competing=[])
    assert list(table.frame.columns) == ["patient", "LM_months", "LM_event"]


def test_a_code_means_one_thing() -> None:
    with pytest.raises(ValueError, match="'dead' stand in 'censored' and in 'competing'"):
        EndpointSettings(**LM | {"censored": ["alive", "dead"]})
    with pytest.raises(ValueError, match="'metastasis' stand in 'events' and in 'competing'"):
        EndpointSettings(**LM | {"competing": ["metastasis"]})


def test_competing_codes_that_match_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ClinicalError, match="no row has a code of 'competing' of LM, 'died'"):
        read(tmp_path, competing=["died"])


def test_forms_of_follow_up_have_none() -> None:
    table = {"table": "c.tsv", "patient": "id", "follow_up": True, "endpoints": {"LM": LM}}
    with pytest.raises(
        ValueError, match="endpoint 'LM' has 'competing' events, which need one row"
    ):
        read_config({"slides": "slides.tsv", "clinical": [table]})
