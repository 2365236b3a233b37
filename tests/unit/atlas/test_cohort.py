"""The cohort as the page takes it is that of the tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.atlases import NO_REGIONS, Cohort
from histohet.atlas.cohort import arrays_of, cohort_data


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    cohort = Cohort(tmp_path)
    for number in range(6):
        patient = "same" if number < 2 else None
        cohort.add(f"s{number}", columns=4, rows=3, n_clusters=1 + number, patient=patient)
    cohort.refuse("bad", "no scale")
    return cohort


def test_every_cell_is_that_of_the_table(cohort: Cohort) -> None:
    (variant,) = cohort_data([cohort.tables], NO_REGIONS, None, [])["variants"]
    table = cohort.table
    assert [column["name"] for column in variant["columns"]] == list(table)
    for column in variant["columns"]:
        for value, wanted in zip(column["values"], table[column["name"]].tolist(), strict=True):
            assert value is None if pd.isna(wanted) else value == wanted
    assert {c["name"] for c in variant["columns"] if c["number"]} == {
        *("n_clusters", "n_tiles", "hti_observed", "hta")
    }
    assert variant["person"] == [0, 0, 1, 2, 3, 4, 5]
    counted = [one["counted"] for one in variant["clusters"]["s3"]]
    assert counted == [True, True, True, False]
    assert "bad" not in variant["clusters"]


def test_patients_bring_their_columns_to_each_of_their_slides(cohort: Cohort) -> None:
    analysis = cohort.analysis()
    tables = replace(cohort.tables, analyses=[analysis])
    (variant,) = cohort_data([tables], NO_REGIONS, None, [])["variants"]
    columns = {column["name"]: column["values"] for column in variant["columns"]}
    patients = analysis.patients.set_index("patient")
    for place, patient in enumerate(cohort.table["patient"]):
        assert columns["main: OS_months"][place] == patients.loc[patient, "OS_months"]
        assert columns["main: group"][place] == patients.loc[patient, "group"]
    assert columns["main: analysed"][-1] is False


def test_curves_and_estimates_are_the_published_ones(cohort: Cohort) -> None:
    analysis = cohort.analysis()
    tables = replace(cohort.tables, analyses=[analysis])
    (found,) = cohort_data([tables], NO_REGIONS, None, [])["variants"][0]["analyses"]
    assert (found["name"], found["endpoints"]) == ("main", ["OS"])
    for curve in found["curves"]:
        own = analysis.curves[analysis.curves["group"] == curve["group"]]
        assert curve["survival"] == own["survival"].tolist()
        assert curve["time"] == own["time"].tolist()
        lower = [None if np.isnan(value) else value for value in own["lower"]]
        assert curve["lower"] == lower
    assert len(found["estimates"]) == len(analysis.estimates)
    ratios = [one["hazard_ratio"] for one in found["estimates"]]
    assert [one for one in ratios if one] == analysis.estimates["hazard_ratio"].dropna().tolist()


def test_columns_that_may_not_leave_the_house_do_not(cohort: Cohort) -> None:
    tables = replace(cohort.tables, analyses=[cohort.analysis()])
    data = cohort_data([tables], NO_REGIONS, ["n_clusters", "main: group"], [])
    names = [column["name"] for column in data["variants"][0]["columns"]]
    assert names == ["slide", "status", "n_clusters", "main: group"]
    # Slides of a patient still belong together, under a number.
    assert data["variants"][0]["person"][:3] == [0, 0, 1]
    assert "patient_3" not in str(data)


def test_an_unknown_column_is_named_with_the_nearest(cohort: Cohort) -> None:
    with pytest.raises(ValueError, match=r"atlas.columns: .*'n_cluster'.*n_clusters"):
        cohort_data([cohort.tables], NO_REGIONS, ["n_cluster"], [])


def test_regions_of_one_file_are_an_array() -> None:
    preflight = pd.DataFrame(
        {
            "slide": ["a", "b", "whole", "alone"],
            "path": ["x.svs", "x.svs", "y.svs", "z.svs"],
            "region_x": [0, 100, 0, 5],
            "region_y": [50, 0, 0, 5],
            "width": [40, 40, 9, 1],
            "height": [20, 20, 9, 1],
            "file_width": [400, 400, np.nan, 10],
            "file_height": [200, 200, np.nan, 10],
        }
    )
    (array,) = arrays_of(preflight)
    assert array == {
        "slides": ["a", "b"],
        "shape": 2.0,
        "x": [0.0, 0.25],
        "y": [0.25, 0.0],
        "width": [0.1, 0.1],
        "height": [0.1, 0.1],
    }
