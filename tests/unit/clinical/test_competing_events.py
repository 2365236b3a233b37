"""Endpoints with events after which they cannot happen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histohet.clinical.endpoints import read_endpoint
from histohet.clinical.follow_up import latest
from histohet.clinical.formats import ClinicalError, clinical_sources
from histohet.clinical.join import read_clinical
from histohet.clinical.settings import EndpointSettings
from histohet.clinical.table import ClinicalTable, read_clinical_tsv
from histohet.common.provenance import Provenance
from histohet.common.tables import write_tsv

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


# --- in columns of their own ----------------------------------------------------------------------

DEATH = {"column": "vital", "events": ["Dead"], "censored": ["Alive"], "time": "days_to_death"}
OF_TCGA = LM | {
    "time": {"event": "days_to_new_tumor", "censored": "days_to_last_contact"},
    "event": "new_tumor",
    "events": ["YES"],
    "censored": ["NO"],
    "competing": DEATH,
}
HEADER = "id\tnew_tumor\tvital\tdays_to_new_tumor\tdays_to_last_contact\tdays_to_death"


def of_tcga(
    folder: Path, *forms: tuple[str, ...], follow_up: bool = False, **changed: Any
) -> ClinicalTable:
    """Read tables with columns ``days_to_…``."""
    tables = []
    for number, rows in enumerate(forms):
        path = folder / f"form_{number}.tsv"
        path.write_text("\n".join([HEADER, *("\t".join(row.split(",")) for row in rows)]) + "\n")
        endpoints = {"LM": OF_TCGA | changed}
        tables.append({"table": str(path), "patient": "id", "endpoints": endpoints})
        tables[-1]["follow_up"] = follow_up
    return read_clinical(clinical_sources(tables))


def outcomes(table: ClinicalTable) -> dict[str, tuple[float, int, int]]:
    """Return days, event, competing event of those of whom they are known."""
    frame = table.frame.dropna()
    rows = frame[["patient", "LM_months", "LM_event", "LM_competing"]].itertuples(index=False)
    return {who: (round(months * 30.4375, 6), *states) for who, months, *states in rows}


def problems(table: ClinicalTable) -> list[tuple[str, str, str, str]]:
    columns = ["patient", "column", "problem", "consequence"]
    return list(table.problems[columns].itertuples(index=False, name=None))


def test_a_death_without_the_event_is_competing(tmp_path: Path) -> None:
    table = of_tcga(
        tmp_path,
        (
            "a,YES,Dead,30,90,200",  # the event came first
            "b,NO,Dead,,,150",
            "c,NO,Alive,,400,",
            "d,YES,Alive,70,80,",
            "e,NO,Dead,,500,",
            "f,NO,,,500,",
            "g,,Dead,,,60",
            "h,YES,,20,80,",
            "i,YES,Dead,50,,40",
        ),
    )
    assert outcomes(table) == {
        "a": (30, 1, 0),
        "b": (150, 0, 1),
        "c": (400, 0, 0),
        "d": (70, 1, 0),
        "h": (20, 1, 0),
        "i": (50, 1, 0),
    }
    assert problems(table) == [
        ("e", "days_to_death", "competing event without a time", "left out of LM"),
        ("f", "vital", "event missing", "left out of LM"),
        ("g", "days_to_last_contact", "time missing", "left out of LM"),
        ("g", "new_tumor", "event missing", "left out of LM"),
        ("i", "days_to_death", "competing event before the event", "row used"),
    ]


def test_without_a_time_of_its_own_it_is_that_of_the_last_contact(tmp_path: Path) -> None:
    death = {key: value for key, value in DEATH.items() if key != "time"}
    rows = ("b,NO,Dead,,300,150", "c,NO,Alive,,400,", "a,YES,Alive,5,400,")
    table = of_tcga(tmp_path, rows, competing=death)
    assert outcomes(table)["b"] == (300, 0, 1)


def test_unfit_columns_of_competing_events_are_refused(tmp_path: Path) -> None:
    rows = ("b,NO,dead,,300,150", "c,NO,Alive,,400,", "a,YES,Alive,5,400,")
    message = "no row has a code of 'competing.events' of LM, 'Dead': column 'vital' has 'Alive'"
    with pytest.raises(ClinicalError, match=message):
        of_tcga(tmp_path, rows)
    with pytest.raises(ValueError, match="column 'new_tumor' is that of the event"):
        EndpointSettings(**OF_TCGA | {"competing": DEATH | {"column": "new_tumor"}})
    with pytest.raises(ValueError, match=r"'Dead' stand in 'competing\.events' and in 'comp"):
        EndpointSettings(**OF_TCGA | {"competing": DEATH | {"censored": ["Dead"]}})


# --- forms of follow-up ---------------------------------------------------------------------------


def test_forms_of_a_patient_are_an_event_a_competing_one_or_the_latest_contact(
    tmp_path: Path,
) -> None:
    first = ("a,NO,Alive,,100,", "b,NO,Alive,,110,", "c,NO,Alive,,120,", "d,YES,Alive,30,130,")
    second = (
        "a,YES,Alive,150,160,",
        "a,NO,Dead,,,300",  # after the event
        "b,NO,Dead,,,310",
        "b,NO,Alive,,330,",
        "c,NO,Alive,,320,",
        "c,,Dead,,,500",  # of whom it is not known whether the event came before
        "d,NO,Dead,,,20",
    )
    for tables in ((first, second), (second, first)):
        read = of_tcga(tmp_path, *tables, follow_up=True)
        assert dict(sorted(outcomes(read).items())) == {
            "a": (150, 1, 0),
            "b": (310, 0, 1),
            "c": (320, 0, 0),
            "d": (30, 1, 0),
        }
        assert sorted(problems(read)) == [
            (
                *("b", "new_tumor"),
                "in contact after the competing event that another form reports",
                "row used",
            ),
            ("c", "days_to_last_contact", "time missing", "row left out"),
            ("c", "new_tumor", "event missing", "row left out"),
            (
                *("d", "new_tumor"),
                "competing event before the event that another form reports",
                "row used",
            ),
        ]


def test_codes_of_one_column_do_in_forms_as_well(tmp_path: Path) -> None:
    path = tmp_path / "forms.tsv"
    rows = ("a\talive\t\t50", "a\tdead\t\t80", "b\tmetastasis\t20\t", "b\tdead\t\t90")
    path.write_text("\n".join([ROWS[0], *rows]) + "\n")
    table = {"table": str(path), "patient": "id", "follow_up": True, "endpoints": {"LM": LM}}
    assert outcomes(read_clinical(clinical_sources([table]))) == {"a": (80, 0, 1), "b": (20, 1, 0)}


form = st.tuples(
    st.sampled_from("abc"),
    st.sampled_from(["NO", "YES", ""]),
    st.sampled_from(["Alive", "Dead", ""]),
    st.integers(1, 9),
)
# One of each kind, so that every code stands in some row.
KINDS = (("x", "YES", "Dead", 1), ("y", "NO", "Dead", 1), ("z", "NO", "Alive", 1))


def by_hand(forms: Sequence[tuple[str, str, str, int]]) -> dict[str, tuple[float, int, int]]:
    """The rule, patient by patient."""
    found: dict[str, tuple[float, int, int]] = {}
    for patient in {who for who, *_ in forms}:
        own = [(status, vital, days) for who, status, vital, days in forms if who == patient]
        events = [days for status, _, days in own if status == "YES"]
        deaths = [days + 10 for status, vital, days in own if (status, vital) == ("NO", "Dead")]
        contacts = [days + 20 for status, vital, days in own if (status, vital) == ("NO", "Alive")]
        for times, event, competing in ((events, 1, 0), (deaths, 0, 1), (contacts, 0, 0)):
            if times:
                found[patient] = max(times), event, competing
                break
    return found


@settings(max_examples=40)
@given(st.lists(form, max_size=8))
def test_any_forms_are_read_as_by_hand(forms: list[tuple[str, str, str, int]]) -> None:
    whole = [*forms, *KINDS]
    rows = [(who, a, b, str(d), str(d + 20), str(d + 10)) for who, a, b, d in whole]
    cells = pd.DataFrame(rows, columns=HEADER.split("\t"))
    outcome, _ = read_endpoint("LM", EndpointSettings(**OF_TCGA), cells)
    found = latest(outcome.assign(patient=cells["id"]), "LM")[0].rename_axis("patient")
    table = ClinicalTable(found.reset_index(), pd.DataFrame())
    assert outcomes(table) == by_hand(whole)
