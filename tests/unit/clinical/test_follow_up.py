"""Forms of follow-up: an event in any of them, else the latest contact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from histohet.clinical.formats import ClinicalError, clinical_sources
from histohet.clinical.join import read_clinical
from histohet.clinical.settings import Covariate
from histohet.clinical.table import ClinicalTable
from histohet.common.resources import read_resource

COLUMNS = "bcr_patient_barcode\tvital_status\tlast_contact_days_to\tdeath_days_to\tstage\n"
CDE = "CDE_ID:1\tCDE_ID:2\tCDE_ID:3\tCDE_ID:4\tCDE_ID:5\n"
NO = "[Not Available]"
MONTH = 30.4375
LACKS = read_resource("clinical_formats")["gdc"][0]["lacks"]
PATIENTS = (
    ("a", "Alive", "100", NO, "I"),
    ("b", "Alive", "200", NO, "II"),
    ("c", "Dead", NO, "300", "I"),
    ("d", "Alive", NO, NO, "I"),
    ("e", "Alive", "50", NO, "I"),
)


def gdc(path: Path, rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    path.write_text(COLUMNS + COLUMNS + CDE + "".join("\t".join(row) + "\n" for row in rows))
    return {"table": str(path), "format": "gdc"}


def outcome(table: ClinicalTable) -> dict[str, tuple[float, int]]:
    rows = table.frame[["patient", "OS_months", "OS_event"]].itertuples(index=False)
    return {who: (round(months * MONTH, 6), event) for who, months, event in rows}


def test_a_death_in_any_form_counts_and_else_the_latest_contact(tmp_path: Path) -> None:
    first = gdc(tmp_path / "patient.txt", PATIENTS)
    second = gdc(
        tmp_path / "follow_up_v1.txt",
        [
            ("a", "Dead", NO, "6972", NO),
            ("b", "Alive", "1819", NO, NO),
            ("b", "Alive", "7081", NO, NO),
            ("d", "Alive", "40", NO, NO),
        ],
    )
    third = gdc(tmp_path / "follow_up_v2.txt", [("b", "Alive", "900", NO, NO)])
    stage = Covariate(column="stage", kind="categorical", reference="I")
    for tables in ([first, second, third], [third, second, first]):
        read = read_clinical(clinical_sources(tables), (), [stage])
        expected = {"a": (6972, 1), "b": (7081, 0), "c": (300, 1), "d": (40, 0), "e": (50, 0)}
        assert dict(sorted(outcome(read).items())) == expected
        of_rows = read.problems[read.problems["patient"] != ""]
        listed = of_rows[["patient", "problem", "consequence"]].values.tolist()
        assert ["d", "time missing", "row left out"] in listed
        assert not (of_rows["consequence"] == "left out of OS").any()
        assert LACKS not in set(read.problems["problem"])


def test_a_first_form_alone_says_what_it_lacks(tmp_path: Path) -> None:
    read = read_clinical(clinical_sources([gdc(tmp_path / "patient.txt", PATIENTS)]))
    table = read.problems[read.problems["patient"] == ""]
    assert table["problem"].tolist() == [LACKS]
    assert "clinical_follow_up" in LACKS
    assert outcome(read)["c"] == (300, 1)


def test_forms_that_contradict_each_other_are_noted(tmp_path: Path) -> None:
    follow_up = gdc(
        tmp_path / "follow_up.txt",
        [
            ("a", "Dead", "90", "80", NO),
            ("b", "Alive", "150", "140", NO),
            ("c", "Alive", "400", NO, NO),
            ("e", "Dead", NO, "60", NO),
            ("e", "Dead", NO, "70", NO),
            ("d", "Dead", NO, NO, NO),
        ],
    )
    read = read_clinical(clinical_sources([gdc(tmp_path / "patient.txt", PATIENTS), follow_up]))
    months, event = (read.frame.set_index("patient")[f"OS_{what}"] for what in ("months", "event"))
    assert event.to_dict() == {"a": 1, "b": 0, "c": 1, "d": 1, "e": 1}
    np.testing.assert_allclose(months * MONTH, [80, 200, 300, np.nan, 70])
    noted = read.problems[["patient", "row", "problem", "consequence"]].values.tolist()
    after = "in contact after the event that another form reports"
    assert ["a", 4, after, "row used"] in noted
    assert ["a", 4, "last contact after the death", "row used"] in noted
    assert ["b", 5, "alive, with a time of death", "row used"] in noted
    assert ["c", 6, after, "row used"] in noted
    assert ["e", 7, "another form reports a later event", "row used"] in noted
    assert ["d", 9, "event without a time", "left out of OS"] in noted


@pytest.mark.parametrize(
    ("lines", "row"),
    [
        (["id\tday\tdead", "a\t10\t0", "b\t30\t1", "c\t9\t0"], 2),
        (["id\tday\tdead", "ID:1\tID:2\tID:3", "a\t10\t1.0", "b\t30\t1"], 3),
        (["id\tday\tdead", "", "", "ID:1\tID:2\tID:3", "a\t10\tNA", "b\t30\t1"], None),
        (["id\tday\tdead", "ID:1", "x\tdays\tstatus", "a\t10\t1"], None),
    ],
)
def test_no_patient_is_passed_over_as_a_line_of_the_header(
    tmp_path: Path, lines: Sequence[str], row: int | None
) -> None:
    path = tmp_path / "table.tsv"
    path.write_text("\n".join(lines) + "\n")
    os = {"time": "day", "unit": "days", "event": "dead", "events": [1], "censored": [0]}
    table = {"table": str(path), "patient": "id", "endpoints": {"OS": os}, "header_lines": 3}
    if row is None:
        assert len(read_clinical(clinical_sources([table])).frame) == 1
        return
    with pytest.raises(ClinicalError, match=rf"row {row}: .* it is of a patient, but 3 lines"):
        read_clinical(clinical_sources([table]))


def test_a_table_of_the_gdc_with_one_header_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "patients.txt"
    header = "bcr_patient_barcode\tvital_status\tlast_contact_days_to\tdeath_days_to"
    path.write_text(f"{header}\na\tAlive\t10\t\nb\tDead\t\t20\nc\tDead\t\t30\n")
    with pytest.raises(ClinicalError, match="row 2: has 'Alive' in column 'vital_status'"):
        clinical_sources([{"table": str(path), "format": "gdc"}])


def test_own_forms_are_read_alike_and_tables_that_are_none_are_still_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "visits.csv"
    path.write_text("id,day,dead\np,10,0\np,30,0\nq,5,0\nq,25,1\n")
    os = {"time": "day", "unit": "days", "event": "dead", "events": [1], "censored": [0]}
    visits = {"table": str(path), "patient": "id", "endpoints": {"OS": os}, "follow_up": True}
    read = read_clinical(clinical_sources([visits]))
    assert outcome(read) == {"p": (30, 0), "q": (25, 1)}
    assert read.problems.empty
    other = visits | {"table": str(tmp_path / "other.csv"), "follow_up": False}
    with pytest.raises(ClinicalError, match="'OS' is in"):
        clinical_sources([visits, other])


@pytest.mark.real
def test_lung_cancers_with_follow_up_have_the_deaths_of_the_clinical_data_resource(
    real_data: Path, tmp_path: Path
) -> None:
    """The follow-up tables of the GDC are not there: TCGA-CDR, which was made of them, is one."""
    luad = {"table": f"{real_data}/clinical/OpenOmics_clinical_patient_luad.txt", "format": "gdc"}
    cdr = {
        "table": f"{real_data}/clinical/TCGA-CDR-SupplementalTableS1.xlsx",
        "format": "tcga_cdr",
        "endpoints": ["OS"],
    }
    alone = read_clinical(clinical_sources([luad])).frame.set_index("patient")
    right = read_clinical(clinical_sources([cdr])).frame.set_index("patient")
    right = right.loc[right.index.intersection(alone.index)].dropna()
    forms = [
        (who, "Dead" if event else "Alive")
        + ((NO, f"{months * MONTH:.0f}") if event else (f"{months * MONTH:.0f}", NO))
        + (NO,)
        for who, months, event in right.itertuples()
    ]
    both = read_clinical(clinical_sources([luad, gdc(tmp_path / "follow_up.txt", forms)]))
    joined = both.frame.set_index("patient").loc[right.index]
    known = joined[alone.loc[right.index].notna().all(axis="columns")]
    assert int(known["OS_event"].sum()) == 180
    assert int(alone.loc[known.index, "OS_event"].sum()) == 123
    assert pd.Series(joined["OS_event"] >= right["OS_event"]).all()
