"""Clinical tables: what is read and joined, what is refused, and that no row vanishes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from histohet.clinical.formats import ClinicalError, clinical_sources
from histohet.clinical.join import read_clinical
from histohet.clinical.settings import Covariate
from histohet.clinical.table import ClinicalTable, read_clinical_tsv
from histohet.common.provenance import Provenance
from histohet.common.tables import write_tsv

OS = {
    "time": "OS",
    "unit": "months",
    "event": "Status",
    "events": ["1:DECEASED"],
    "censored": ["0:LIVING"],
}
PFS = {"time": "PFS", "unit": "months", "event": "P", "events": [1], "censored": [0, 2]}
COVARIATES = (
    Covariate(column="Age", kind="numeric", name="age"),
    Covariate(column="N", kind="categorical", name="N", reference="N0", drop=("NX",)),
)
HEADER = "Patient ID\tOS\tStatus\tAge\tN"
GOOD = ("a\t10\t1:DECEASED\t60\tN0", "b\t12.5\t0:LIVING\t71\tN1")
NOT_IN_COX = "left out of Cox models with this covariate"
EXCLUDED = "patient excluded from analyses with this covariate"


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def read(
    tmp_path: Path,
    *rows: str,
    header: str = HEADER,
    covariates: Sequence[Covariate] = COVARIATES,
    conditions: Sequence[Mapping[str, Sequence[str]]] = (),
    **endpoints: dict[str, Any],
) -> ClinicalTable:
    path = write(tmp_path / "clinical.tsv", *rows, header=header)
    table = {"table": str(path), "patient": "Patient ID", "endpoints": endpoints or {"OS": OS}}
    return read_clinical(clinical_sources([table]), conditions, covariates)


def found(table: ClinicalTable) -> list[tuple[int, str, str, str, str]]:
    """Problems of rows, not of whole tables."""
    columns = ["row", "patient", "column", "problem", "consequence"]
    of_rows = table.problems[table.problems["consequence"] != "used as they are"]
    return list(of_rows[columns].itertuples(index=False, name=None))


def test_good_rows_are_read_as_they_stand(tmp_path: Path) -> None:
    table = read(tmp_path, *GOOD)
    expected = pd.DataFrame(
        {
            "patient": ["a", "b"],
            "OS_months": [10.0, 12.5],
            "OS_event": pd.array([1, 0], dtype="Int8"),
            "Age": ["60", "71"],
            "N": ["N0", "N1"],
        }
    )
    pd.testing.assert_frame_equal(table.frame, expected)
    assert found(table) == []
    assert table.endpoints == ("OS",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_byte_order_mark_line_ends_and_separator_do_not_matter(
    tmp_path: Path, encoding: str, line_end: str
) -> None:
    path = tmp_path / "clinical.csv"
    lines = [line.replace("\t", ",") for line in [HEADER, *GOOD]]
    path.write_bytes((line_end.join(lines) + line_end).encode(encoding))
    config = [{"table": str(path), "patient": "Patient ID", "endpoints": {"OS": OS}}]
    table = read_clinical(clinical_sources(config), (), COVARIATES)
    pd.testing.assert_frame_equal(table.frame, read(tmp_path, *GOOD).frame)


@pytest.mark.parametrize(
    ("unit", "months"), [("days", 1.0), ("months", 30.4375), ("years", 365.25)]
)
def test_times_become_months_of_30_4375_days(tmp_path: Path, unit: str, months: float) -> None:
    table = read(tmp_path, "a\t30.4375\t1:DECEASED\t60\tN0", OS=OS | {"unit": unit})
    assert table.frame["OS_months"].tolist() == pytest.approx([months])


@pytest.mark.parametrize(
    ("row", "column", "problem"),
    [
        ("x\tNA\t1:DECEASED\t60\tN0", "OS", "event without a time"),
        ("x\t\t0:LIVING\t60\tN0", "OS", "time missing"),
        ("x\t-3\t0:LIVING\t60\tN0", "OS", "negative time"),
        ("x\tsoon\t0:LIVING\t60\tN0", "OS", "not a number"),
        ("x\tinf\t0:LIVING\t60\tN0", "OS", "not a number that can be measured: infinite"),
        ("x\t1_0\t0:LIVING\t60\tN0", "OS", "not a number"),
        ("x\t12,5\t0:LIVING\t60\tN0", "OS", "not a number: write a decimal point, not a comma"),
        ("x\t10\t[Not Available]\t60\tN0", "Status", "event missing"),
        ("x\t10\tDECEASED\t60\tN0", "Status", "unknown event code (known: 1:DECEASED, 0:LIVING)"),
    ],
)
def test_an_unusable_outcome_leaves_the_patient_out_of_its_endpoint(
    tmp_path: Path, row: str, column: str, problem: str
) -> None:
    table = read(tmp_path, GOOD[0], row, GOOD[1])
    assert found(table) == [(3, "x", column, problem, "left out of OS")]
    values = table.problems.loc[table.problems["row"] == 3, "value"]
    assert values.tolist() == [row.split("\t")[HEADER.split("\t").index(column)]]
    assert table.frame["patient"].tolist() == ["a", "x", "b"]
    outcome = table.frame[["OS_months", "OS_event"]].isna()
    assert outcome.iloc[1].tolist() == [column == "OS", column == "Status"]
    assert not outcome.iloc[[0, 2]].any(axis=None)


def test_a_problem_of_one_endpoint_leaves_the_others_alone(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "a\t-1\t1:DECEASED\t7\t2",
        "b\t5\t0:LIVING\t\t1",
        header="Patient ID\tOS\tStatus\tPFS\tP",
        covariates=(),
        OS=OS,
        PFS=PFS,
    )
    assert found(table) == [
        (2, "a", "OS", "negative time", "left out of OS"),
        (3, "b", "PFS", "event without a time", "left out of PFS"),
    ]
    assert table.frame["PFS_months"].tolist()[0] == 7
    assert table.frame["PFS_event"].tolist() == [0, 1]  # 2, a competing event, is censored
    assert table.frame["OS_months"].isna().tolist() == [True, False]


def test_every_problem_of_a_row_is_named(tmp_path: Path) -> None:
    table = read(tmp_path, *GOOD, "x\t-1\tdead\told\tNX")
    assert [(problem[2], problem[4]) for problem in found(table)] == [
        ("OS", "left out of OS"),
        ("Status", "left out of OS"),
        ("Age", NOT_IN_COX),
        ("N", EXCLUDED),
    ]


def test_time_zero_is_noted_and_kept(tmp_path: Path) -> None:
    table = read(tmp_path, "a\t0\t0:LIVING\t60\tN0", "b\t0.0\t1:DECEASED\t60\tN0")
    noted = ("time is zero: no follow-up", "row used")
    assert [problem[3:] for problem in found(table)] == [noted] * 2
    assert table.frame["OS_months"].tolist() == [0.0, 0.0]


def test_covariates_are_checked_with_their_rows(tmp_path: Path) -> None:
    stage = Covariate(
        column="N",
        kind="categorical",
        name="stage",
        reference="low",
        drop=("NX",),
        levels={"low": ("N0",)},
    )
    table = read(
        tmp_path,
        "a\t5\t0:LIVING\tNA\tN0",
        "b\t6\t1:DECEASED\told\t[Unknown]",
        "c\t7\t1:DECEASED\t3\tN4",
        covariates=(COVARIATES[0], stage, stage),
    )
    assert found(table) == [
        (2, "a", "Age", "covariate missing", NOT_IN_COX),
        (3, "b", "Age", "not a number", NOT_IN_COX),
        (3, "b", "N", "covariate missing", NOT_IN_COX),
        (4, "c", "N", "code in no level of 'stage' ('low') and not in 'drop'", EXCLUDED),
    ]
    assert table.frame["N"].tolist() == ["N0", "[Unknown]", "N4"]


def test_rows_without_patient_are_left_out(tmp_path: Path) -> None:
    table = read(tmp_path, "\t10\t0:LIVING\t60\tN0", "NA\t10\t0:LIVING\t60\tN0", *GOOD)
    assert [(p[0], p[3], p[4]) for p in found(table)] == [
        (2, "patient identifier missing", "row left out"),
        (3, "patient identifier missing", "row left out"),
    ]
    assert len(table.frame) == 2


def test_identical_rows_count_once_and_are_all_listed(tmp_path: Path) -> None:
    table = read(tmp_path, GOOD[0], GOOD[1], GOOD[0])
    problem = "2 rows that agree in every column used"
    assert found(table) == [
        (2, "a", "Patient ID", problem, "row used"),
        (4, "a", "Patient ID", problem, "row left out"),
    ]
    assert table.frame["patient"].tolist() == ["a", "b"]


def test_rows_that_differ_only_in_unused_columns_are_identical(tmp_path: Path) -> None:
    table = read(tmp_path, GOOD[0], GOOD[0].replace("60", "61"), covariates=())
    assert table.frame["patient"].tolist() == ["a"]


def test_cells_that_differ_between_the_rows_of_a_patient_are_missing(tmp_path: Path) -> None:
    table = read(tmp_path, *GOOD, "a\t11\t1:DECEASED\t60\tN2")
    problem = "rows 2, 4 of the patient differ"
    assert found(table) == [
        (2, "a", "OS", problem, "left out of OS"),
        (2, "a", "N", problem, NOT_IN_COX),
    ]
    assert table.problems.loc[table.problems["row"] == 2, "value"].tolist() == [
        "10 | 11",
        "N0 | N2",
    ]
    assert table.frame["patient"].tolist() == ["a", "b"]
    assert table.frame["OS_event"].tolist() == [1, 0]
    assert table.frame["OS_months"].isna().tolist() == [True, False]
    assert table.frame["N"].tolist() == ["", "N1"]


def test_row_numbers_count_empty_lines(tmp_path: Path) -> None:
    table = read(tmp_path, GOOD[0], "", "x\t-3\t0:LIVING\t60\tN0")
    assert found(table)[0][0] == 4


def test_a_single_implausible_time_leaves_out_its_patient(tmp_path: Path) -> None:
    rows = [f"p{i}\t{i + 1}\t0:LIVING\t60\tN0" for i in range(19)]
    table = read(tmp_path, *rows, "x\t601\t0:LIVING\t60\tN0")
    assert found(table) == [(21, "x", "OS", "longer than 50 years", "left out of OS")]
    assert table.frame["OS_months"].isna().sum() == 1


def test_many_implausible_times_mean_a_wrong_unit(tmp_path: Path) -> None:
    rows = [f"p{i}\t{300 * i}\t0:LIVING\t60\tN0" for i in range(1, 5)]
    message = r"clinical\.tsv: 2 of 4 times of OS exceed 50 years.* row 4.* really 'months'"
    with pytest.raises(ClinicalError, match=message):
        read(tmp_path, *rows)
    assert len(read(tmp_path, *rows, OS=OS | {"unit": "days"}).frame) == 4


@pytest.mark.parametrize(
    ("times", "why"),
    [
        (("=B2/30", "=B3/30", ""), r"row 2 has '=B2/30' in column 'OS', a formula without a value"),
        (
            ("", "2020-01-02", "2020-01-03"),
            "row 3 has '2020-01-02' in column 'OS', not a number, but",
        ),
        (("NA", "-5", "-7"), "row 3 has '-5' in column 'OS', negative time"),
    ],
)
def test_times_of_which_none_can_be_used_stop_with_the_cause(
    tmp_path: Path, times: Sequence[str], why: str
) -> None:
    rows = [f"p{i}\t{time}\t{GOOD[i % 2].split()[2]}\t60\tN0" for i, time in enumerate(times)]
    with pytest.raises(ClinicalError, match=rf"clinical\.tsv: no time of OS can be used: {why}"):
        read(tmp_path, *rows)


def test_an_endpoint_without_any_time_is_noted(tmp_path: Path) -> None:
    table = read(tmp_path, "a\tNA\t1:DECEASED\t60\tN0", "b\t\t0:LIVING\t60\tN0")
    noted = table.problems[table.problems["consequence"] == "no analysis of OS"]
    assert noted[["row", "problem"]].values.tolist() == [
        [1, "no patient has both a time and a status"]
    ]


@pytest.mark.parametrize(
    ("unit", "times", "doubted"),
    [
        ("days", range(10, 110, 10), True),  # months, surely: a median of 55 days
        ("days", range(100, 1100, 100), False),
        ("months", [0.5 * year for year in range(1, 11)], True),  # years: a median of 2.75
        ("months", range(10), False),  # median 4.5
        ("years", range(1, 11), False),
        ("days", range(1, 10), False),  # nine times say nothing
    ],
)
def test_times_that_look_too_short_for_their_unit_are_a_warning(
    tmp_path: Path, unit: str, times: Sequence[float], doubted: bool
) -> None:
    rows = [f"p{i}\t{time}\t0:LIVING" for i, time in enumerate(times)]
    header = "Patient ID\tOS\tStatus"
    table = read(tmp_path, *rows, header=header, covariates=(), OS=OS | {"unit": unit})
    warnings = table.problems[table.problems["consequence"] == "used as they are"]
    assert len(warnings) == doubted
    if doubted:
        assert warnings[["row", "column"]].values.tolist() == [[1, "OS"]]
        assert f"if their unit is '{unit}': is it?" in warnings["problem"].iloc[0]
    assert table.frame["OS_months"].notna().all()


@pytest.mark.parametrize(
    ("dead", "living", "problem"),
    [
        # As clinical.tsv of the GDC's portal, whose contacts are in another table.
        (["3"] * 9, ["NA"] * 12, "12 of 12 patients without an event .*of those with .* 0 of 9"),
        (["-1"] * 7 + ["9"] * 2, ["5"] * 12, "7 of 9 patients with an event .* 0 of 12"),
        (["3"] * 9, ["NA"] * 4, ""),  # too few to tell
        (["NA"] * 8 + ["3"], ["NA"] * 8 + ["5"], ""),  # both lack it
        (["NA"] * 9, [], ""),
    ],
)
def test_times_that_one_status_lacks_are_a_warning(
    tmp_path: Path, dead: list[str], living: list[str], problem: str
) -> None:
    rows = [f"d{i}\t{time}\t1:DECEASED" for i, time in enumerate(dead)]
    rows += [f"l{i}\t{time}\t0:LIVING" for i, time in enumerate(living)]
    table = read(tmp_path, *rows, header="Patient ID\tOS\tStatus", covariates=())
    warnings = table.problems[table.problems["consequence"] == "used as they are"]
    assert len(warnings) == bool(problem)
    assert warnings["problem"].str.match(problem).all()


def test_a_table_without_rows_is_an_empty_table(tmp_path: Path) -> None:
    table = read(tmp_path)
    assert table.frame.empty
    assert list(table.frame.columns) == ["patient", "OS_months", "OS_event", "Age", "N"]


def test_missing_columns_are_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ClinicalError, match=r"no column 'PFS', 'P'; there are 'Patient ID', 'OS'"):
        read(tmp_path, *GOOD, PFS=PFS)
    with pytest.raises(ClinicalError, match=r"column 'Subtype' is in none of .*clinical\.tsv"):
        read(tmp_path, *GOOD, conditions=[{"Subtype": ["x"]}])
    with pytest.raises(ClinicalError, match="called 'patient'"):
        read(tmp_path, *GOOD, conditions=[{"patient": ["x"]}])


def test_columns_of_one_name_matter_where_they_are_read(tmp_path: Path) -> None:
    rows = ("a\t10\t1:DECEASED\tx\ty\t60", "b\t12\t0:LIVING\tx\t\t70")
    header = "Patient ID\tOS\tStatus\tComment\tComment\tAge"
    age = COVARIATES[:1]
    table = read(tmp_path, *rows, header=header, covariates=age)
    assert table.frame["Age"].tolist() == ["60", "70"]
    with pytest.raises(ClinicalError, match="column 'Age' comes twice"):
        read(tmp_path, *rows, header=header.replace("Comment\tAge", "Age\tAge"), covariates=age)
    with pytest.raises(ClinicalError, match="column 'Comment' comes twice"):
        read(tmp_path, *rows, header=header, conditions=[{"Comment": ["x"]}], covariates=age)


def test_semicolons_in_a_csv_show_as_one_column(tmp_path: Path) -> None:
    path = write(tmp_path / "clinical.csv", header=HEADER.replace("\t", ";"))
    config = [{"table": str(path), "patient": "Patient ID", "endpoints": {"OS": OS}}]
    with pytest.raises(ClinicalError, match="there are 'Patient ID;OS;Status;Age;N'"):
        read_clinical(clinical_sources(config))


def two_tables(tmp_path: Path) -> list[dict[str, Any]]:
    first = write(
        tmp_path / "one.tsv",
        "a\t10\t1:DECEASED\tx",
        "b\t20\t0:LIVING\ty",
        header="id\tOS\tStatus\tS",
    )
    second = write(
        tmp_path / "two.csv", "c,5,1,g,2", "b,6,0,h,3", "a,7,2,i,4", header="who,PFS,P,S,grade"
    )
    return [
        {"table": str(first), "patient": "id", "endpoints": {"OS": OS}},
        {"table": str(second), "patient": "who", "endpoints": {"PFS": PFS}},
    ]


def test_tables_are_joined_by_patient_and_columns_come_from_the_first(tmp_path: Path) -> None:
    sources = clinical_sources(two_tables(tmp_path))
    frame = read_clinical(sources, [{"S": ["x"], "grade": ["x"]}]).frame.set_index("patient")
    assert frame.index.tolist() == ["a", "b", "c"]
    assert frame["S"].tolist() == ["x", "y", ""]
    assert frame["grade"].tolist() == ["4", "3", "2"]
    np.testing.assert_array_equal(frame["OS_months"], [10, 20, np.nan])
    np.testing.assert_array_equal(frame["PFS_months"], [7, 6, 5])
    assert frame["PFS_event"].tolist() == [0, 0, 1]
    assert frame["OS_event"].isna().tolist() == [False, False, True]
    turned = read_clinical(sources[::-1], [{"S": ["x"]}]).frame.set_index("patient")
    assert turned.loc[["a", "b", "c"], "S"].tolist() == ["i", "h", "g"]


def test_rows_that_conflict_in_one_table_leave_the_other_alone(tmp_path: Path) -> None:
    config = two_tables(tmp_path)
    with (tmp_path / "two.csv").open("a") as handle:
        handle.write("a,8,1,i,4\n")
    table = read_clinical(clinical_sources(config))
    row = table.frame.set_index("patient").loc["a"]
    assert row["OS_months"] == 10
    assert pd.isna(row["PFS_months"])
    assert table.problems["table"].unique().tolist() == [str(tmp_path / "two.csv")]
    differ = ("rows 4, 5 of the patient differ", "left out of PFS")
    assert found(table) == [(4, "a", "PFS", *differ), (4, "a", "P", *differ)]


def test_an_endpoint_of_two_tables_is_an_error(tmp_path: Path) -> None:
    config = two_tables(tmp_path)
    config[1]["endpoints"] = {"OS": PFS}
    with pytest.raises(ClinicalError, match=r"'OS' is in .*one\.tsv and in .*two\.csv: name those"):
        clinical_sources(config)


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    book = Workbook()
    book.active.title = "Notes"
    sheet = book.create_sheet("Data")
    rows: list[tuple[Any, ...]] = [
        (None, "Patient ID", "OS", "Status", None),
        (1, "a", 10, "1:DECEASED", " "),
        (2, "b", 12.5, "0:LIVING"),
        (),
        (3.0, 7.0, "#N/A", "0:LIVING"),
    ]
    for row in rows:
        sheet.append(row)
    path = tmp_path / "book.xlsx"
    book.save(path)
    return path


def test_workbooks_are_read_with_the_rows_of_the_editor(workbook: Path) -> None:
    table = {"table": str(workbook), "sheet": "Data", "patient": "Patient ID"}
    read_table = read_clinical(clinical_sources([table | {"endpoints": {"OS": OS}}]))
    assert read_table.frame["patient"].tolist() == ["a", "b", "7"]
    np.testing.assert_array_equal(read_table.frame["OS_months"], [10, 12.5, np.nan])
    assert found(read_table) == [(5, "7", "OS", "time missing", "left out of OS")]
    assert read_table.problems["table"].tolist() == [f"{workbook}, sheet Data"]


@pytest.mark.parametrize("above", [("Table S1. Patients",), ("#Patient", "#OS", "#Status")])
def test_lines_above_the_header_can_be_skipped(tmp_path: Path, above: Sequence[str]) -> None:
    book = Workbook()
    for row in (above, (), ("Patient ID", "OS\n(months)", "Status"), ("a", 10, "1:DECEASED")):
        book.active.append(row)
    book.active.append(("b", 12.5, "0:LIVING"))
    path = tmp_path / "book.xlsx"
    book.save(path)
    os = OS | {"time": "OS (months)"}
    table = {"table": str(path), "patient": "Patient ID", "endpoints": {"OS": os}}
    with pytest.raises(ClinicalError, match=r"say how many to skip \(`skip_lines`\)"):
        read_clinical(clinical_sources([table]))
    frame = read_clinical(clinical_sources([table | {"skip_lines": 2}])).frame
    assert frame.values.tolist() == [["a", 10, 1], ["b", 12.5, 0]]


def test_a_stray_cell_costs_what_a_cell_costs(tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(("Patient ID", "OS", "Status"))
    for number in range(1500):
        book.active.append((f"p{number}", 10, "1:DECEASED"))
    book.active["XFD700"] = " "
    path = tmp_path / "book.xlsx"
    book.save(path)
    table = {"table": str(path), "patient": "Patient ID", "endpoints": {"OS": OS}}
    tracemalloc.start()
    try:
        assert len(read_clinical(clinical_sources([table])).frame) == 1500
        # Filled up to that cell, the rows would take 200 MB.
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
    book.active["XFD700"] = "note"
    book.save(path)
    with pytest.raises(ClinicalError, match=r"book\.xlsx, row 700: more cells than columns"):
        read_clinical(clinical_sources([table]))


def test_workbooks_that_cannot_be_read(workbook: Path, tmp_path: Path) -> None:
    table: dict[str, Any] = {"patient": "Patient ID", "endpoints": {"OS": OS}}
    (tmp_path / "text.xlsx").write_text("Patient ID\n")
    for change, message in (
        ({"table": str(workbook), "sheet": "Dat"}, "no sheet 'Dat'; there are 'Notes', 'Data'"),
        ({"table": str(workbook)}, "is empty"),
        ({"table": str(tmp_path / "absent.xlsx")}, "does not exist"),
        ({"table": str(tmp_path / "absent.tsv")}, "does not exist"),
        ({"table": str(tmp_path / "text.xlsx")}, "is no workbook"),
    ):
        with pytest.raises(ClinicalError, match=message):
            read_clinical(clinical_sources([table | change]))


def test_it_comes_back_from_its_files_as_it_was(tmp_path: Path) -> None:
    table = read(tmp_path, *GOOD, "07\t-1\t1:DECEASED\tNA\t1", "07b\t1\t?\t5\t")
    write_tsv(tmp_path / "f.tsv", table.frame, Provenance())
    write_tsv(tmp_path / "p.tsv", table.problems, Provenance())
    back = read_clinical_tsv(tmp_path / "f.tsv", tmp_path / "p.tsv")
    pd.testing.assert_frame_equal(back.frame, table.frame)
    pd.testing.assert_frame_equal(back.problems, table.problems, check_dtype=False)
    nothing = read(tmp_path)
    write_tsv(tmp_path / "f.tsv", nothing.frame, Provenance())
    write_tsv(tmp_path / "p.tsv", nothing.problems, Provenance())
    back = read_clinical_tsv(tmp_path / "f.tsv", tmp_path / "p.tsv")
    pd.testing.assert_frame_equal(back.frame, nothing.frame, check_dtype=False)


AGES = st.sampled_from(["", "NA", "5", "0", "-1", "7,5", "abc", "1e3", "12"])


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["", "a", "b", "c", "d", "e"]),
            st.sampled_from(["", "NA", "5", "0", "-1", "7,5", "abc", "12"]),
            st.sampled_from(["1:DECEASED", "0:LIVING", "", "dead"]),
            AGES,
            st.sampled_from(["N0", "N1", "NX", ""]),
        ),
        max_size=8,
    )
)
def test_no_row_vanishes(rows: list[tuple[str, ...]], tmp_path_factory: Any) -> None:
    """Every row is used by a patient of the frame, or listed among the problems."""
    folder = tmp_path_factory.mktemp("clinical")
    known = ("x\t10\t1:DECEASED\t60\tN0", "y\t12\t0:LIVING\t60\tN0")
    table = read(folder, *("\t".join(row) for row in rows), *known)
    frame = table.frame.set_index("patient")
    listed = set(table.problems["row"])
    for number, row in enumerate(rows, start=2):
        if any(row):
            assert row[0] in frame.index or number in listed
    assert frame.index.is_unique
    months = frame["OS_months"]
    assert (months.dropna() >= 0).all()
    left_out = table.problems[table.problems["consequence"] == "left out of OS"]
    unknown = frame.index[months.isna() | frame["OS_event"].isna()]
    assert set(unknown) == set(left_out["patient"])


@pytest.mark.real
def test_the_stomach_cancers_of_cbioportal_and_tcga_cdr(real_data: Path) -> None:
    """440 rows, 223 STAD_CIN, 196 of them M0; known are 193 (OS), 187 (DSS_cr), 196 (PFS).

    The last three count cells that are not empty: of OS the times, of DSS and PFS the statuses.
    Time and status together are known of 193, 184 and 194.
    """
    stad = real_data / "clinical" / "stad_tcga_pan_can_atlas_2018_clinical_data.tsv"
    cdr = real_data / "clinical" / "TCGA-CDR-SupplementalTableS1.xlsx"
    sources = clinical_sources(
        [
            {"table": str(stad), "format": "cbioportal", "endpoints": ["OS"]},
            {"table": str(cdr), "format": "tcga_cdr", "endpoints": ["DSS", "PFS"]},
        ]
    )
    m_stage = "American Joint Committee on Cancer Metastasis Stage Code"
    age = Covariate(column="Diagnosis Age", kind="numeric", name="age")
    table = read_clinical(sources, [{"Subtype": ["x"], m_stage: ["x"]}], [age])
    raw = pd.read_csv(stad, sep="\t", dtype=str)
    joined = table.frame.set_index("patient").loc[raw["Patient ID"]]
    assert len(raw) == len(joined) == 440
    assert joined["PFS_event"].notna().all()
    chromosomal = joined[joined["Subtype"] == "STAD_CIN"]
    selected = chromosomal[chromosomal[m_stage] == "M0"]
    assert (len(chromosomal), len(selected)) == (223, 196)
    assert selected["OS_months"].notna().sum() == 193
    assert selected["DSS_event"].notna().sum() == 187
    assert selected["PFS_event"].notna().sum() == 196
    known = {
        name: int((selected[f"{name}_months"].notna() & selected[f"{name}_event"].notna()).sum())
        for name in table.endpoints
    }
    assert known == {"OS": 193, "DSS": 184, "PFS": 194}
    assert joined["OS_event"][joined["OS_months"].notna()].sum() == 168
    of_stad = table.problems[table.problems["table"] == str(stad)]
    assert of_stad["problem"].value_counts().to_dict() == {
        "time is zero: no follow-up": 19,
        "covariate missing": 4,
        "event without a time": 3,
        "time missing": 2,
    }
    months = raw.set_index("Patient ID")["Overall Survival (Months)"].astype(float)
    np.testing.assert_array_equal(joined["OS_months"], months[joined.index])


@pytest.mark.real
def test_disease_specific_survival_is_the_same_on_both_sheets(real_data: Path) -> None:
    """DSS_cr with its code 2 censored is the DSS of the main sheet; days become months."""
    cdr = str(real_data / "clinical" / "TCGA-CDR-SupplementalTableS1.xlsx")
    main = {"time": "DSS.time", "unit": "days", "event": "DSS", "events": [1], "censored": [0]}
    spelled_out = {
        "table": cdr,
        "sheet": "TCGA-CDR",
        "patient": "bcr_patient_barcode",
        "endpoints": {"MAIN": main},
    }
    ready_made = {"table": cdr, "format": "tcga_cdr", "endpoints": ["DSS"]}
    frame = read_clinical(clinical_sources([ready_made, spelled_out])).frame
    assert len(frame) == 11160
    pd.testing.assert_series_equal(frame["DSS_event"], frame["MAIN_event"], check_names=False)
    pd.testing.assert_series_equal(frame["DSS_months"], frame["MAIN_months"], check_names=False)
    assert frame["DSS_months"].max() == pytest.approx(11252 / 30.4375)
    assert frame["DSS_event"].sum() == 2499
