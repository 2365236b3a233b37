"""Several rows of a patient: what is joined, what differs, and which row a condition chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from histohet.clinical.formats import ClinicalError, clinical_sources
from histohet.clinical.join import read_clinical
from histohet.clinical.settings import Covariate
from histohet.clinical.table import ClinicalTable

AGE = Covariate(column="age", kind="numeric")
ENDPOINT = {
    "time": {"event": "death", "censored": "last"},
    "unit": "months",
    "event": "status",
    "events": ["Dead", 1],
    "censored": ["Alive", 0],
}
HEADER = "id,status,death,last,type,age"


def read(
    tmp_path: Path,
    *rows: str,
    header: str = HEADER,
    conditions: Sequence[Mapping[str, Sequence[str]]] = (),
    covariates: Sequence[Covariate] = (),
    **changes: Any,
) -> ClinicalTable:
    path = tmp_path / "t.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    table = {"table": str(path), "patient": "id", "endpoints": {"OS": ENDPOINT}} | changes
    return read_clinical(clinical_sources([table]), conditions, covariates)


def noted(table: ClinicalTable) -> list[list[Any]]:
    return table.problems[["row", "column", "problem", "consequence"]].values.tolist()


REPEATED = {
    "a gap": ("Alive,,20,primary,60", "Alive,'--,'--,metastasis,"),
    "a gap first": ("'--,'--,Not Reported,primary,[Unknown]", "Alive,,20,primary,60"),
    "each a part": ("Alive,,NA,primary,60", "NA,,20,primary,NA"),
    "a point and zeros": ("Alive,,20,primary,60", "Alive,,20.0,primary,60.00"),
    "codes with points": ("0,,20,primary,60", "0.0,,20.,primary,60."),
    "columns that are not used": ("Alive,,20,primary,60", "Alive,,20,metastasis,60"),
    "no contact of the dead": ("Dead,20,5,primary,60", "Dead,20,7,primary,60"),
    "no death of the living": ("Alive,3,20,primary,60", "Alive,4,20,primary,60"),
}


@pytest.mark.parametrize("case", REPEATED)
def test_rows_that_do_not_contradict_each_other_are_one(tmp_path: Path, case: str) -> None:
    rows = [f"p,{row}" for row in REPEATED[case]]
    table = read(tmp_path, *rows, "q,Dead,9,,primary,50", covariates=[AGE])
    frame = table.frame.set_index("patient")
    assert frame.at["p", "OS_months"] == 20
    assert frame.at["p", "OS_event"] == int(rows[0].startswith("p,Dead"))
    assert frame.at["p", "age"] == "60"
    assert not table.problems["consequence"].str.contains("left out of").any()


def test_what_is_wrong_with_a_cell_names_its_row(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        *("p,Alive,,,x,60", "p,,,later,x,", "q,,3,,x,", "q,Dead,,,x,", "q,,,,x,60y"),
        "r,Alive,,7,x,50",
        covariates=[AGE],
    )
    assert [note[:3] for note in noted(table) if note[1] != "id"] == [
        [3, "last", "not a number"],
        [6, "age", "not a number"],
    ]
    frame = table.frame.set_index("patient")
    assert frame["OS_event"].tolist() == [0, 1, 0]


def test_what_several_cells_of_a_joined_row_cost_is_the_cost_of_one_row(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        *("p,,,,x,", "p,,,late,x,", "p,Alive,,9,y,"),
        "r,Alive,,7,x,50",
        conditions=[{"type": ["x"]}, {"type": ["y"]}],
    )
    chosen = "left out of OS where a condition chooses this row"
    assert [2, "status", "event missing", chosen] in noted(table)
    assert [3, "last", "not a number", chosen] in noted(table)


def test_what_differs_costs_what_it_is_used_for(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        *("p,Alive,,20,x,60", "p,Alive,,20,x,61", "q,Alive,,5,x,50", "q,Dead,,5,x,50"),
        *("r,Dead,7,,x,40", "r,Dead,8,,x,40", "s,Dead,7,,x,30"),
        covariates=[AGE],
    )
    assert noted(table) == [
        [2, "age", "rows 2, 3 of the patient differ", "left out of Cox models with this covariate"],
        [4, "status", "rows 4, 5 of the patient differ", "left out of OS"],
        [6, "death", "rows 6, 7 of the patient differ", "left out of OS"],
    ]
    assert table.problems["value"].tolist() == ["60 | 61", "Alive | Dead", "7 | 8"]
    frame = table.frame.set_index("patient")
    assert frame["age"].tolist() == ["", "50", "40", "30"]
    known = frame["OS_months"].notna() & frame["OS_event"].notna()
    assert known.tolist() == [True, False, False, True]


SAMPLES = (
    "p,Alive,,20,Primary,60",
    "p,Alive,,21,Metastasis,61",
    "q,Dead,9,,Metastasis,50",
    "r,Dead,8,,Primary,40",
    "r,Dead,8,,,40",
)


@pytest.mark.parametrize(
    ("where", "ages"),
    [
        ({"type": ["Primary"]}, {"p": "60", "q": "50", "r": "40"}),
        ({"type": ["Metastasis"]}, {"p": "61", "q": "50", "r": "40"}),
        ({"type": ["Primary", "Metastasis"]}, {"p": "", "q": "50", "r": "40"}),
        ({}, {"p": "", "q": "50", "r": "40"}),
    ],
)
def test_a_condition_applies_before_rows_are_joined(
    tmp_path: Path, where: Mapping[str, list[str]], ages: Mapping[str, str]
) -> None:
    table = read(tmp_path, *SAMPLES, conditions=[{}, {"type": ["Primary"]}], covariates=[AGE])
    assert len(table.frame) == 4
    rows = table.where(where)
    assert rows.index.is_unique
    assert rows["age"].to_dict() == ages
    months = {"60": 20.0, "61": 21.0, "": np.nan}[ages["p"]]
    np.testing.assert_array_equal(rows["OS_months"], [months, 9, 8])
    assert rows["OS_event"].tolist() == [0, 1, 1]
    chosen = table.problems[table.problems["consequence"].str.contains("condition")]
    assert chosen[["row", "column", "value"]].values.tolist() == [
        [2, "last", "20 | 21"],
        [2, "age", "60 | 61"],
    ]


def test_what_is_wrong_with_one_of_the_rows_costs_what_chooses_it(tmp_path: Path) -> None:
    rows = (
        *("p,Dead,20,,primary,60", "p,Dead,'--,'--,metastasis,'--"),
        *("q,Alive,,,primary,50", "q,NA,,,metastasis,50", "r,Alive,,9,primary,old"),
    )
    table = read(tmp_path, *rows, conditions=[{}, {"type": ["metastasis"]}], covariates=[AGE])
    chosen, cox = (
        " where a condition chooses this row",
        "left out of Cox models with this covariate",
    )
    assert noted(table) == [
        [3, "death", "event without a time", f"left out of OS{chosen}"],
        [3, "age", "covariate missing", f"{cox}{chosen}"],
        [4, "last", "time missing", "left out of OS"],
        [5, "last", "time missing", "left out of OS"],
        [5, "status", "event missing", "left out of OS"],
        [6, "age", "not a number", cox],
    ]
    for where, months in (
        ({}, 20.0),
        ({"type": ["primary"]}, 20.0),
        ({"type": ["metastasis"]}, None),
    ):
        found = table.where(where).at["p", "OS_months"]
        assert found == months or (months is None and np.isnan(found))


DIAGNOSES = (
    *("p,Alive,,20,primary,60", "p,Alive,'--,'--,prior,'--", "q,Alive,,'--,prior,50"),
    *("q,Alive,,9,primary,51", "q,Alive,,9,primary,52", "r,Dead,,,prior,40"),
)


@pytest.mark.parametrize(
    ("conditions", "rows"),
    [
        # Of q two rows are chosen, which differ; of r, none meets it, so its first.
        ([{"type": ["primary"]}], {(5, "age"), (7, "death")}),
        ([{"type": ["prior"]}], {(3, "last"), (3, "age"), (4, "last"), (7, "death")}),
        ([{"type": ["primary"]}, {}], {(3, "last"), (3, "age"), (4, "last"), (5, "age")}),
        ([{}], set()),
    ],
)
def test_listed_is_what_concerns_rows_that_are_used(
    tmp_path: Path, conditions: list[dict[str, list[str]]], rows: set[tuple[int, str]]
) -> None:
    """The GDC has a row per diagnosis: most of them lack most of it, and nobody asks for them."""
    table = read(tmp_path, *DIAGNOSES, conditions=conditions, covariates=[AGE])
    found = {tuple(note[:2]) for note in noted(table) if note[1] != "id"}
    assert rows <= found
    if {} not in conditions:
        assert found == rows
    for condition in conditions:
        lost = table.where(condition)["OS_months"].isna()
        assert set(lost.index[lost]) <= set(table.problems["patient"])


def test_a_condition_on_two_tables_may_choose_the_first_row(tmp_path: Path) -> None:
    """Row 4 of q meets what the first table has of the condition, and not what the second has."""
    other = tmp_path / "other.csv"
    other.write_text("id,site\np,lung\nq,liver\nr,lung\n")
    path = tmp_path / "t.csv"
    path.write_text("\n".join([HEADER, *DIAGNOSES]) + "\n")
    first = {"table": str(path), "patient": "id", "endpoints": {"OS": ENDPOINT}}
    sources = clinical_sources([first, {"table": str(other), "patient": "id"}])
    condition = {"type": ["primary"], "site": ["lung"]}
    table = read_clinical(sources, [condition], [AGE])
    assert np.isnan(table.where(condition).at["q", "OS_months"])
    assert [4, "last", "time missing"] in [note[:3] for note in noted(table)]


def test_a_value_of_a_condition_that_stands_nowhere_is_an_error(tmp_path: Path) -> None:
    table = read(tmp_path, *SAMPLES, conditions=[{"type": ["Primary"]}])
    with pytest.raises(ClinicalError, match=r"no row has 'primary' in column 'type', which has 'P"):
        table.where({"type": ["primary"]})
    assert len(table.where({"type": ["primary", "Primary"]})) == 3


def test_conditions_hold_for_the_same_row(tmp_path: Path) -> None:
    """Two rows that each meet one of two conditions are no row that meets both."""
    rows = ("p,Alive,,20,Primary,60", "p,Alive,,20,Metastasis,61", "q,Dead,9,,Primary,61")
    table = read(tmp_path, *rows, conditions=[{"type": ["Primary"], "age": ["61"]}])
    found = table.where({"type": ["Primary"], "age": ["61"]})
    assert found[["type", "age"]].values.tolist() == [["Primary", "60"], ["Primary", "61"]]


@pytest.mark.parametrize("codes", [(1, 0), ("1.0", "0.0"), ("1", "0.")])
@pytest.mark.parametrize("written", [("1.0", "0.0"), ("1", "0"), ("1.", "0."), ("1.00", "0")])
def test_codes_are_compared_by_value(
    tmp_path: Path, codes: tuple[Any, Any], written: tuple[str, str]
) -> None:
    """Columns of whole numbers with a gap are written 1.0; PORPOISE's status is 1.0, censored."""
    rows = [f"p{i},{written[i % 2]},{i + 1}.0,{written[i % 2]}" for i in range(8)]
    endpoint = {"time": "m", "unit": "months", "event": "censorship"}
    endpoint |= {"events": [codes[1]], "censored": [codes[0]]}
    grade = Covariate.model_validate(
        {"column": "grade", "kind": "categorical", "reference": codes[1]}
        | {"levels": {codes[1]: [codes[1]], "high": [codes[0]]}}
    )
    table = read(
        tmp_path,
        *(*rows, "x,,3,NA"),
        header="id,censorship,m,grade",
        covariates=[grade],
        conditions=[{"grade": ["1"]}],
        endpoints={"OS": endpoint},
    )
    assert table.frame["OS_event"].tolist() == [0, 1] * 4 + [pd.NA]
    assert noted(table) == [
        [10, "censorship", "event missing", "left out of OS"],
        [10, "grade", "covariate missing", "left out of Cox models with this covariate"],
    ]
    assert len(table.where({"grade": ["1"]})) == 9


def test_zeros_in_front_and_words_are_codes_of_their_own(tmp_path: Path) -> None:
    site = Covariate(column="site", kind="categorical", reference="01")
    rows = ("01,1,5,01", "1,0,6,1", "1.0,0,7,T1.0")
    table = read(
        tmp_path,
        *rows,
        header="id,e,m,site",
        covariates=[site],
        endpoints={
            "OS": {"time": "m", "unit": "months", "event": "e", "events": [1], "censored": [0]}
        },
    )
    assert table.frame["patient"].tolist() == ["01", "1", "1.0"]
    assert table.frame["site"].tolist() == ["01", "1", "T1.0"]


SPELLED_OTHERWISE = {
    "all": ("dead", "alive", r"'events' of OS, 'Dead', '1': column 'status' has 'alive' \(2\), 'd"),
    "events": ("DECEASED", "Alive", "no row has a code of 'events' of OS"),
    "censored": ("Dead", "LIVING", "no row has a code of 'censored' of OS, 'Alive', '0'"),
    "formulas": ("=IF(C2>0,1,0)", "=IF(C3>0,1,0)", "'=IF"),
}


@pytest.mark.parametrize("case", SPELLED_OTHERWISE)
def test_a_status_that_is_spelled_otherwise_stops_with_both_spellings(
    tmp_path: Path, case: str
) -> None:
    dead, alive, message = SPELLED_OTHERWISE[case]
    rows = [f'p{i},"{dead if i % 2 else alive}",{i + 1},{i + 1},x,50' for i in range(4)]
    with pytest.raises(ClinicalError, match=message):
        read(tmp_path, *rows)


def test_levels_that_no_code_is_in_stop_with_both_spellings(tmp_path: Path) -> None:
    levels = {"low": ["I"], "high": ["II", "III"]}
    stage = {"column": "type", "kind": "categorical", "reference": "low", "levels": levels}
    rows = ["p,Alive,,20,Stage I,60", "q,Dead,9,,Stage II,50"]
    message = (
        r"no code of column 'type' is in a level of 'type': it has 'Stage I' \(1\), 'Stage II'"
    )
    with pytest.raises(ClinicalError, match=message):
        read(tmp_path, *rows, covariates=[Covariate.model_validate(stage)])


def test_patients_that_are_spelled_otherwise_stop_with_both_spellings(tmp_path: Path) -> None:
    table = read(tmp_path, "p,Alive,,20,x,60", "q,Dead,9,,x,50")
    table.check_patients(["p", "z"])
    with pytest.raises(ClinicalError, match=r"sheet has 'p-01', 'q-01', the tables have 'p', 'q'"):
        table.check_patients(["p-01", "q-01", "p-01"])


def test_a_covariate_without_levels_lists_what_it_takes_for_levels(tmp_path: Path) -> None:
    stage = Covariate(column="type", kind="categorical", name="stage", reference="I", drop=("X",))
    codes = ["I", "I", "II", "X", "'--", "[Discrepancy]", "'--"]
    rows = [f"p{i},{'Dead,9,' if i % 2 else 'Alive,,9'},{code},50" for i, code in enumerate(codes)]
    table = read(tmp_path, *rows, covariates=[stage])
    (row, column, problem, consequence) = noted(table)[0]
    assert (row, column, consequence) == (1, "type", "used as they are")
    assert problem == (
        "levels of 'stage' are 'I' (2), 'II' (1); no value is ''--' (2), '[Discrepancy]' (1)"
    )


@pytest.mark.parametrize("form", ["spelled out", "format"])
def test_further_codes_can_mean_no_value(tmp_path: Path, form: str) -> None:
    rows = ["p,1,20,999", "q,0,-9,60", "r,0,30,999.0", "s,9,5,50"]
    header = "PATIENT_ID,OS_STATUS,OS_MONTHS,AGE"
    path = tmp_path / "t.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    endpoint = {"time": "OS_MONTHS", "unit": "months", "event": "OS_STATUS"}
    endpoint |= {"events": [1], "censored": [0]}
    table: dict[str, Any] = {"table": str(path), "missing": [999, -9, 9]}
    if form == "format":
        text = path.read_text().replace(",1,", ",DECEASED,").replace(",0,", ",LIVING,")
        path.write_text("#\n#\n#\n#\n" + text)
        table |= {"format": "cbioportal_study"}
    else:
        table |= {"patient": "PATIENT_ID", "endpoints": {"OS": endpoint}}
    age = Covariate(column="AGE", kind="numeric")
    read_table = read_clinical(clinical_sources([table]), (), [age])
    assert read_table.frame["AGE"].tolist() == ["", "60", "", "50"]
    assert read_table.problems[["patient", "value", "problem"]].values.tolist() == [
        ["p", "999", "covariate missing"],
        ["q", "-9", "time missing"],
        ["r", "999.0", "covariate missing"],
        ["s", "9", "event missing"],
    ]
