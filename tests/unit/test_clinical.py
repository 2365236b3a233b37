"""Clinical tables: what is read, what is refused, and that no row vanishes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histohet.clinical import ClinicalError, ClinicalSpec, ClinicalTable, read_clinical
from histohet.covariates import Covariate

CONFIG: dict[str, Any] = {
    "patient": "Patient ID",
    "time": {"column": "OS", "unit": "months"},
    "event": {"column": "Status", "event": ["1:DECEASED"], "censored": ["0:LIVING"]},
    "covariates": [
        {"column": "Age", "kind": "numeric", "name": "age"},
        {"column": "N", "kind": "categorical", "reference": "N0", "drop": ["NX"]},
    ],
}
HEADER = "Patient ID\tOS\tStatus\tAge\tN"
GOOD = ["a\t10\t1:DECEASED\t60\tN0", "b\t12.5\t0:LIVING\t71\tN1"]


def spec(**changes: Any) -> ClinicalSpec:
    return ClinicalSpec.from_config({**CONFIG, **changes})


def read(tmp_path: Path, *rows: str, how: ClinicalSpec | None = None) -> ClinicalTable:
    path = tmp_path / "clinical.tsv"
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return read_clinical(path, how or spec())


def found(table: ClinicalTable) -> list[tuple[int, str, str, str, str]]:
    columns = ["row", "patient", "column", "problem", "consequence"]
    return list(table.problems[columns].itertuples(index=False, name=None))


def test_good_rows_are_read_as_they_stand(tmp_path: Path) -> None:
    table = read(tmp_path, *GOOD)
    expected = pd.DataFrame(
        {
            "patient": ["a", "b"],
            "time_months": [10.0, 12.5],
            "event": [True, False],
            "age": [60.0, 71.0],
            "N": ["N0", "N1"],
        }
    )
    pd.testing.assert_frame_equal(table.frame, expected)
    assert table.problems.empty
    assert table.exclusions() == {}
    assert table.n_rows == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_byte_order_mark_line_ends_and_separator_do_not_matter(
    tmp_path: Path, encoding: str, line_end: str
) -> None:
    path = tmp_path / "clinical.csv"
    lines = [line.replace("\t", ",") for line in [HEADER, *GOOD]]
    path.write_bytes((line_end.join(lines) + line_end).encode(encoding))
    pd.testing.assert_frame_equal(read_clinical(path, spec()).frame, read(tmp_path, *GOOD).frame)


@pytest.mark.parametrize(
    ("unit", "months"), [("days", 1.0), ("months", 30.4375), ("years", 365.25)]
)
def test_times_become_months_of_30_4375_days(tmp_path: Path, unit: str, months: float) -> None:
    table = read(
        tmp_path,
        "a\t30.4375\t1:DECEASED\t60\tN0",
        how=spec(time={"column": "OS", "unit": unit}),
    )
    assert table.frame["time_months"].tolist() == pytest.approx([months])


@pytest.mark.parametrize(
    ("row", "column", "problem"),
    [
        ("x\tNA\t1:DECEASED\t60\tN0", "OS", "event without a time"),
        ("x\t\t0:LIVING\t60\tN0", "OS", "time missing"),
        ("x\t-3\t0:LIVING\t60\tN0", "OS", "negative time"),
        ("x\tsoon\t0:LIVING\t60\tN0", "OS", "not a number"),
        ("x\tinf\t0:LIVING\t60\tN0", "OS", "not a number"),
        ("x\t1_0\t0:LIVING\t60\tN0", "OS", "not a number"),
        ("x\t12,5\t0:LIVING\t60\tN0", "OS", "not a number: write a decimal point, not a comma"),
        ("x\t10\t[Not Available]\t60\tN0", "Status", "event missing"),
        (
            "x\t10\tDECEASED\t60\tN0",
            "Status",
            "unknown event code (known: 1:DECEASED, 0:LIVING)",
        ),
        ("x\t10\t0:LIVING\t60\tNX", "N", "value excluded by the configuration"),
    ],
)
def test_unusable_values_exclude_the_patient_with_row_and_reason(
    tmp_path: Path, row: str, column: str, problem: str
) -> None:
    table = read(tmp_path, GOOD[0], row, GOOD[1])
    assert found(table) == [(3, "x", column, problem, "patient excluded")]
    assert table.problems["value"].tolist() == [row.split("\t")[HEADER.split("\t").index(column)]]
    assert table.frame["patient"].tolist() == ["a", "b"]
    assert table.exclusions() == {"x": f"{column}: {problem}"}


def test_every_problem_of_a_row_is_named(tmp_path: Path) -> None:
    table = read(tmp_path, *GOOD, "x\t-1\tdead\told\tNX")
    assert [problem[2] for problem in found(table)] == ["OS", "Status", "Age", "N"]
    assert table.exclusions() == {
        "x": "OS: negative time; "
        "Status: unknown event code (known: 1:DECEASED, 0:LIVING); "
        "N: value excluded by the configuration"
    }


def test_time_zero_is_noted_and_kept(tmp_path: Path) -> None:
    table = read(tmp_path, "a\t0\t0:LIVING\t60\tN0", "b\t0.0\t1:DECEASED\t60\tN0")
    assert [problem[3:] for problem in found(table)] == [
        ("time is zero: no follow-up", "row used")
    ] * 2
    assert table.frame["time_months"].tolist() == [0.0, 0.0]


def test_missing_covariates_are_noted_and_kept(tmp_path: Path) -> None:
    table = read(tmp_path, "a\t5\t0:LIVING\tNA\tN0", "b\t6\t1:DECEASED\told\t[Unknown]")
    reason = "left out of Cox models with this covariate"
    assert found(table) == [
        (2, "a", "Age", "covariate missing", reason),
        (3, "b", "Age", "not a number", reason),
        (3, "b", "N", "covariate missing", reason),
    ]
    assert table.frame["age"].isna().all()
    assert table.frame["N"].isna().tolist() == [False, True]
    assert table.exclusions() == {}


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
    how = spec(covariates=[])
    table = read(tmp_path, GOOD[0], GOOD[0].replace("60", "61"), how=how)
    assert table.frame["patient"].tolist() == ["a"]


def test_conflicting_rows_exclude_the_patient(tmp_path: Path) -> None:
    table = read(tmp_path, *GOOD, "a\t11\t1:DECEASED\t60\tN2")
    problem = "2 rows that differ in 'OS', 'N'"
    assert found(table) == [
        (2, "a", "Patient ID", problem, "patient excluded"),
        (4, "a", "Patient ID", problem, "patient excluded"),
    ]
    assert table.frame["patient"].tolist() == ["b"]
    assert table.exclusions() == {"a": f"Patient ID: {problem}"}


def test_row_numbers_count_empty_lines(tmp_path: Path) -> None:
    table = read(tmp_path, GOOD[0], "", "x\t-3\t0:LIVING\t60\tN0")
    assert found(table)[0][0] == 4
    assert table.n_rows == 2


def test_a_single_implausible_time_excludes_its_patient(tmp_path: Path) -> None:
    rows = [f"p{i}\t{i + 1}\t0:LIVING\t60\tN0" for i in range(19)]
    table = read(tmp_path, *rows, "x\t601\t0:LIVING\t60\tN0")
    assert found(table) == [(21, "x", "OS", "longer than 50 years", "patient excluded")]


def test_many_implausible_times_mean_a_wrong_unit(tmp_path: Path) -> None:
    rows = [f"p{i}\t{300 * i}\t0:LIVING\t60\tN0" for i in range(1, 5)]
    with pytest.raises(ValueError, match=r"2 of 4 times in 'OS' .* row 4.* really 'months'"):
        read(tmp_path, *rows)
    assert len(read(tmp_path, *rows, how=spec(time={"column": "OS", "unit": "days"})).frame) == 4


def test_a_table_without_rows_is_an_empty_table(tmp_path: Path) -> None:
    table = read(tmp_path)
    assert table.frame.empty
    assert list(table.frame.columns) == ["patient", "time_months", "event", "age", "N"]
    assert table.n_rows == 0


def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path) -> None:
    how = spec(time={"column": "PFS", "unit": "months"})
    with pytest.raises(ClinicalError, match=r"no column 'PFS'; there are 'Patient ID', 'OS', "):
        read(tmp_path, *GOOD, how=how)


def test_semicolons_in_a_csv_show_as_one_column(tmp_path: Path) -> None:
    path = tmp_path / "clinical.csv"
    path.write_text(HEADER.replace("\t", ";") + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="there are 'Patient ID;OS;Status;Age;N'"):
        read_clinical(path, spec())


AGES = st.sampled_from(["", "NA", "5", "0", "-1", "7,5", "abc", "1e3", "12"])


@settings(max_examples=50, deadline=None)
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
    table = read(folder, *("\t".join(row) for row in rows))
    listed = set(table.problems["row"])
    usable = set(table.frame["patient"])
    for number, row in enumerate(rows, start=2):
        if any(row):
            assert row[0] in usable or number in listed
    assert usable.isdisjoint(table.exclusions())
    assert table.frame["patient"].is_unique
    assert (table.frame["time_months"] >= 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tiem": 1}, "the table has no key 'tiem'"),
        ({"time": {"column": "OS"}}, "'time' lacks 'unit'"),
        ({"time": {"column": "OS", "unit": "weeks"}}, "'weeks' is not one of days | months"),
        ({"event": {"column": "S", "event": ["1"]}}, "'event' lacks 'censored'"),
        ({"event": {"column": "S", "event": ["1"], "censored": []}}, "must both be given"),
        ({"event": {"column": "S", "event": "1", "censored": ["0"]}}, "must be a list"),
        ({"event": {"column": "S", "event": [1], "censored": [1, 0]}}, r"codes \['1'\]"),
        ({"event": {"column": "S", "event": [True], "censored": ["no"]}}, "quotes"),
        ({"covariates": [{"column": "Age"}]}, "a covariate lacks 'kind'"),
        ({"covariates": [{"column": "Age", "kind": "number"}]}, "'number' is not one of"),
        ({"covariates": [{"column": "N", "kind": "categorical"}]}, "needs a reference"),
        ({"covariates": [{"column": "A", "kind": "numeric", "reference": 1}]}, "has no reference"),
        (
            {"covariates": [{"column": "N", "kind": "categorical", "reference": 0, "drop": [0]}]},
            "drops its own reference",
        ),
        ({"covariates": [{"column": "score", "kind": "numeric"}]}, "another 'name'"),
        ({"covariates": [{"column": "A", "kind": "numeric"}] * 2}, "share a name"),
    ],
)
def test_configuration_errors_say_what_to_change(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec(**changes)


def test_numbers_in_the_configuration_are_codes() -> None:
    how = spec(event={"column": "S", "event": [1], "censored": [0, 2]})
    assert how.event_codes == ("1",)
    assert how.censored_codes == ("0", "2")
    named = Covariate.from_config({"column": "score", "kind": "numeric", "name": "Gleason score"})
    assert named.name == "Gleason score"


@pytest.mark.real
def test_the_stomach_cancer_table_of_cbioportal(real_data: Path) -> None:
    """Counts of ../shared/METHODS §1: 440 rows, 223 STAD_CIN, 196 of them M0, OS known for 193."""
    prefix = "American Joint Committee on Cancer"
    how = ClinicalSpec.from_config(
        {
            "patient": "Patient ID",
            "time": {"column": "Overall Survival (Months)", "unit": "months"},
            "event": {
                "column": "Overall Survival Status",
                "event": ["1:DECEASED"],
                "censored": ["0:LIVING"],
            },
            "covariates": [
                {"column": "Diagnosis Age", "kind": "numeric", "name": "age"},
                {
                    "column": f"{prefix} Metastasis Stage Code",
                    "kind": "categorical",
                    "name": "M",
                    "reference": "M0",
                },
                {
                    "column": "Subtype",
                    "kind": "categorical",
                    "name": "subtype",
                    "reference": "STAD_CIN",
                },
            ],
        }
    )
    path = real_data / "clinical" / "stad_tcga_pan_can_atlas_2018_clinical_data.tsv"
    table = read_clinical(path, how)
    raw = pd.read_csv(path, sep="\t")
    assert table.n_rows == 440
    chromosomal = raw[raw["Subtype"] == "STAD_CIN"]
    no_metastasis = chromosomal[chromosomal[f"{prefix} Metastasis Stage Code"] == "M0"]
    assert (len(chromosomal), len(no_metastasis)) == (223, 196)
    frame = table.frame
    assert len(frame) == 435
    assert ((frame["subtype"] == "STAD_CIN") & (frame["M"] == "M0")).sum() == 193
    assert frame["event"].sum() == 168
    counts = table.problems["problem"].value_counts().to_dict()
    assert counts == {
        "covariate missing": 4 + 57,
        "time is zero: no follow-up": 19,
        "event without a time": 3,
        "time missing": 2,
    }
    first = raw.set_index("Patient ID")["Overall Survival (Months)"]
    assert np.array_equal(frame["time_months"], first[frame["patient"]].to_numpy())
    assert math.isclose(frame["time_months"].median(), first.median())
