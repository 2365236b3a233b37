"""Mappings of clinical tables: as configured, and as cBioPortal, TCGA-CDR and GDC write them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from histohet.clinical.formats import ClinicalError, clinical_sources
from histohet.clinical.join import read_clinical
from histohet.common.resources import read_resource

OS: dict[str, Any] = {"time": "t", "unit": "days", "event": "e", "events": [1], "censored": [0]}


def table(**changes: Any) -> dict[str, Any]:
    config = {"table": "t.tsv", "patient": "id", "endpoints": {"OS": OS}} | changes
    return {key: value for key, value in config.items() if value is not None}


def os_with(**changes: Any) -> dict[str, Any]:
    return table(endpoints={"OS": OS | changes})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (table(patient=None), r"clinical, \[0\]: either 'format' or 'patient'"),
        (table(pateint="x"), "pateint: unknown key; did you mean patient"),
        ({"patient": "id"}, r"\[0\]\.table: is missing"),
        (table(endpoints=["OS"]), r"endpoints: \['OS'\] is no section with keys"),
        (table(endpoints={"OS": {"time": "t"}}), "endpoints.OS.unit: is missing"),
        (table(endpoints={"O S": OS}), "'O S' must be named by letters and digits"),
        (os_with(tiem=1), "endpoints.OS.tiem: unknown key; did you mean time"),
        (os_with(unit="weeks"), "OS.unit: 'weeks' is none of 'days', 'months', 'years'"),
        (os_with(censored=[]), "OS.censored: must not be empty"),
        (os_with(events="1"), "OS.events: '1' is no list"),
        (os_with(censored=[1, 0]), "OS: '1' stand in 'events' and in 'censored'"),
        (os_with(events=[True]), "quotes"),
        (os_with(time={"event": "d"}), "OS.time.censored: is missing"),
        (
            {"table": "t", "format": "cbio"},
            "format 'cbio' is none of 'cbioportal', 'cbioportal_study', 'tcga_cdr', 'gdc'",
        ),
        (
            {"table": "t", "format": "gdc", "patient": "id"},
            "patient: unknown key; there are 'table', 'format', 'endpoints', 'missing'",
        ),
        ({"table": "t", "format": "gdc", "endpoints": ["PFS"]}, "'gdc' has no endpoint 'PFS'"),
    ],
)
def test_configuration_errors_say_what_to_change(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ClinicalError, match=message):
        clinical_sources([config])


def test_only_endpoints_that_a_study_has_are_taken_unless_they_are_named(tmp_path: Path) -> None:
    path = tmp_path / "study.tsv"
    path.write_text(
        "Patient ID\tOverall Survival (Months)\tOverall Survival Status\tDisease Free Status\n"
        "a\t3\tDECEASED\t0:DiseaseFree\nb\t4\t0:LIVING\tNA\n"
    )
    config = {"table": str(path), "format": "cbioportal"}
    frame = read_clinical(clinical_sources([config])).frame
    assert list(frame.columns) == ["patient", "OS_months", "OS_event"]
    assert frame["OS_event"].tolist() == [1, 0]
    with pytest.raises(ClinicalError, match=r"no column 'Disease Free \(Months\)'"):
        read_clinical(clinical_sources([config | {"endpoints": ["DFS"]}]))


LACKS = read_resource("clinical_formats")["gdc"][0]["lacks"]
GDC = (
    "bcr_patient_barcode\tvital_status\tlast_contact_days_to\tdeath_days_to\tx\tx\n"
    "bcr_patient_barcode\tvital_status\tdays_to_last_followup\tdays_to_death\tx1\tx2\n"
    "CDE_ID:2673794\tCDE_ID:5\tCDE_ID:3008273\tCDE_ID:3165475\tCDE_ID:\tCDE_ID:\n"
    "a\tAlive\t304.375\t[Not Applicable]\tp\tq\n"
    "b\tDead\t10\t608.75\tr\ts\n"
    "c\tDead\t70\t[Not Available]\tt\tu\n"
    "d\tAlive\t[Not Available]\t5\tv\tw\n"
)


def test_the_gdc_has_three_header_lines_and_two_columns_of_times(tmp_path: Path) -> None:
    path = tmp_path / "clinical_patient.txt"
    path.write_text(GDC)
    read = read_clinical(clinical_sources([{"table": str(path), "format": "gdc"}]), [{"x2": ["q"]}])
    assert read.frame["patient"].tolist() == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(read.frame["OS_months"], [10, 20, np.nan, np.nan])
    assert read.frame["OS_event"].tolist() == [0, 1, 1, 0]
    assert read.frame["x2"].tolist() == ["q", "s", "u", "w"]
    columns = ["row", "patient", "column", "value", "problem"]
    assert read.problems[columns].values.tolist() == [
        [1, "", "", "", LACKS],
        [6, "c", "death_days_to", "[Not Available]", "event without a time"],
        [7, "d", "last_contact_days_to", "[Not Available]", "time missing"],
        [7, "d", "death_days_to", "5", "alive, with a time of death"],
    ]


def test_a_file_shorter_than_its_header_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "clinical_patient.txt"
    path.write_text("".join(GDC.splitlines(keepends=True)[:2]))
    with pytest.raises(ClinicalError, match="is empty"):
        clinical_sources([{"table": str(path), "format": "gdc"}])


@pytest.mark.real
def test_the_lung_cancers_of_the_gdc(real_data: Path) -> None:
    path = real_data / "clinical" / "OpenOmics_clinical_patient_luad.txt"
    read = read_clinical(clinical_sources([{"table": str(path), "format": "gdc"}]))
    raw = pd.read_csv(path, sep="\t", header=0, skiprows=[1, 2], dtype=str)
    assert len(raw) == len(read.frame) == 522
    dead = raw["vital_status"] == "Dead"
    days = raw["last_contact_days_to"].mask(dead, raw["death_days_to"])
    days = pd.to_numeric(days, errors="coerce")
    expected = days.mask(days < 0) / 30.4375
    np.testing.assert_allclose(read.frame["OS_months"], expected, rtol=1e-12)
    assert read.frame["OS_event"].tolist() == dead.astype(int).tolist()
    assert read.problems["problem"].value_counts().to_dict() == {
        "time is zero: no follow-up": 19,
        "time missing": 16,
        "event without a time": 4,
        LACKS: 1,
    }


@pytest.mark.real
def test_everything_cbioportal_has_of_stomach_cancer(real_data: Path) -> None:
    path = real_data / "clinical" / "stad_tcga_pan_can_atlas_2018_clinical_data.tsv"
    read = read_clinical(clinical_sources([{"table": str(path), "format": "cbioportal"}]))
    assert read.endpoints == ("OS", "DSS", "DFS", "PFS")
    assert not read.problems["problem"].str.contains("unknown event code").any()
    events = {name: int(read.frame[f"{name}_event"].sum()) for name in read.endpoints}
    raw = pd.read_csv(path, sep="\t", dtype=str)
    assert events["OS"] == (raw["Overall Survival Status"] == "1:DECEASED").sum() == 171
    assert events["PFS"] == (raw["Progression Free Status"] == "1:PROGRESSION").sum() == 142
    assert events["DFS"] == 46


STUDY = (
    "#Patient Identifier\tSex\tOverall Survival Status\tOverall Survival (Months)\n"
    "#Identifier\tSex\tStatus\tMonths\n#STRING\tSTRING\tSTRING\tNUMBER\n#1\t1\t1\t1\n"
    "PATIENT_ID\tSEX\tOS_STATUS\tOS_MONTHS\na\tMale\t1:DECEASED\t3\nb\tMale\t0:LIVING\t4.5\n"
)
WITHOUT_MONTHS = "Patient ID\tOverall Survival Status\tAge\na\t1:DECEASED\t50\nb\t0:LIVING\t60\n"
MISFITS = {
    "study of the Datahub": (
        STUDY,
        {"format": "cbioportal"},
        "format 'cbioportal', but 'cbioportal_study': it has no column 'Patient ID' (the patient); "
        "there are '#Patient Identifier', 'Sex'",
    ),
    "no months": (
        WITHOUT_MONTHS,
        {"format": "cbioportal"},
        "format 'cbioportal': it has no column 'Overall Survival (Months)' (OS); there are",
    ),
    "no months, endpoint named": (
        WITHOUT_MONTHS,
        {"format": "cbioportal", "endpoints": ["OS"]},
        "format 'cbioportal': it has no column 'Overall Survival (Months)' (OS); there are",
    ),
    "no endpoint at all": (
        "bcr_patient_barcode\tgender\na\tF\n",
        {"format": "tcga_cdr"},
        "format 'tcga_cdr': it has no column 'OS.time', 'OS' (OS), 'DFI.time', 'DFI' (DFI)",
    ),
    "a table of the portal": (
        "cases.submitter_id\tdemographic.vital_status\na\tDead\nb\tAlive\nc\tAlive\n",
        {"format": "gdc"},
        "format 'gdc': it has no column 'bcr_patient_barcode' (the patient); there are 'cases.s",
    ),
    "thousands of genes": (
        "case_id\t" + "\t".join(f"gene{n}" for n in range(5000)) + "\na\n",
        {"format": "cbioportal"},
        "'gene38' and 4961 more",
    ),
}


@pytest.mark.parametrize("case", MISFITS)
def test_a_table_of_another_format_names_the_format_and_what_it_lacks(
    tmp_path: Path, case: str
) -> None:
    text, config, message = MISFITS[case]
    path = tmp_path / "study.txt"
    path.write_text(text)
    with pytest.raises(ClinicalError, match=re.escape(message)):
        read_clinical(clinical_sources([{"table": str(path)} | config]))


def test_an_endpoint_that_an_analysis_asks_for_must_be_whole(tmp_path: Path) -> None:
    path = tmp_path / "study.tsv"
    path.write_text(
        "Patient ID\tOverall Survival Status\tProgress Free Survival (Months)\t"
        "Progression Free Status\na\t1:DECEASED\t5\t1:PROGRESSION\nb\t0:LIVING\t6\t0:CENSORED\n"
    )
    config = [{"table": str(path), "format": "cbioportal"}]
    assert read_clinical(clinical_sources(config, ["DSS"])).endpoints == ("PFS",)
    with pytest.raises(ClinicalError, match=r"no column 'Overall Survival \(Months\)' \(OS\)"):
        clinical_sources(config, ["OS"])


def test_the_study_of_the_datahub_is_read_by_its_own_format_and_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "data_clinical_patient.txt"
    path.write_text(STUDY)
    ready_made = {"table": str(path), "format": "cbioportal_study"}
    os = {"time": "OS_MONTHS", "unit": "months", "event": "OS_STATUS"}
    os |= {"events": ["1:DECEASED"], "censored": ["0:LIVING"]}
    own = {"table": str(path), "patient": "PATIENT_ID", "skip_lines": 4, "endpoints": {"OS": os}}
    for config in (ready_made, own):
        found = read_clinical(clinical_sources([config])).frame
        assert found.values.tolist() == [["a", 3, 1], ["b", 4.5, 0]]
    with pytest.raises(ClinicalError, match=r"'PATIENT_ID'.*: if the columns .* \(`skip_lines`\)"):
        read_clinical(clinical_sources([own | {"skip_lines": 0}]))


def test_what_the_clinical_data_resource_remarks_and_contradicts_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "cdr.tsv"
    path.write_text(
        "bcr_patient_barcode\tOS\tOS.time\tRedaction\tdeath_days_to\tlast_contact_days_to\n"
        "a\t1.0\t100.0\tRedacted\t100\t#N/A\nb\t0.0\t300.0\t#N/A\t[Not Available]\t300\n"
        "c\t1\t50\t\t50\t60\nd\t0\t70\t\t80\t70\n"
    )
    read = read_clinical(clinical_sources([{"table": str(path), "format": "tcga_cdr"}]))
    assert read.endpoints == ("OS",)
    assert read.frame["OS_event"].tolist() == [1, 0, 1, 0]
    columns = ["row", "patient", "column", "value", "problem", "consequence"]
    expected = [
        [2, "a", "Redaction", "Redacted", "noted in the table", "row used"],
        [4, "c", "last_contact_days_to", "60", "last contact after the death", "row used"],
        [5, "d", "death_days_to", "80", "alive, with a time of death", "row used"],
    ]
    assert read.problems[columns].values.tolist() == expected
