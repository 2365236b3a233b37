"""Generated arrays through the workflow: from dearraying to a row per patient."""

from __future__ import annotations

import pytest
import yaml

from helpers import ROOT
from helpers.cohorts import Cohort
from histohet.common.tables import read_tsv

DEMO = yaml.safe_load((ROOT / "config/demo_cores.yaml").read_text())
SMALL = {
    "n_slides": 3,
    "epithelial_tiles": 60,
    "arrays": {"n_arrays": 1, "diameter_um": 400, "blocks": 2, "columns": 2, "missing": 0.2},
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    config = DEMO | {
        "phantoms": DEMO["phantoms"] | SMALL,
        "tma": DEMO["tma"] | {"diameter_um": 400},
    }
    cohort = Cohort(tmp_path_factory.mktemp("demo_cores"), ROOT / "workflow", config)
    cohort.run(snakefile="workflow/phantoms.smk")
    cohort.run("dearray")
    made = cohort.folder / "results/tma/slides.tsv"
    (cohort.folder / DEMO["slides"]).write_bytes(made.read_bytes())
    cohort.run("cohort")
    return cohort


def test_cores_are_of_the_patients_that_they_were_punched_from(cohort: Cohort) -> None:
    spots = read_tsv(cohort.folder / "results/phantoms/spots.tsv")
    there = spots[(spots["kind"] == "tissue") & (spots["missing"].astype(int) == 0)]
    assert len(there) == 5
    slides = read_tsv(cohort.folder / "results/tma/slides.tsv")
    found = dict(zip(slides["slide"], slides["patient"], strict=True))
    names = there["array"] + "_" + there["core"]
    assert found == dict(zip(names, there["patient"], strict=True))


def test_the_cores_of_a_patient_are_measured_as_one(cohort: Cohort) -> None:
    [variant] = [one["name"] for one in DEMO["variants"]]
    table = read_tsv(cohort.folder / f"results/cohort/{variant}/slides.tsv")
    assert sorted(table["patient"]) == ["patient_01", "patient_02", "patient_03"]
    assert (table["status"] == "ok").all()
    assert (table["n_clustered_tiles"].astype(int) >= 20).all()


def test_a_second_run_has_nothing_to_do(cohort: Cohort) -> None:
    assert cohort.jobs("cohort") == []
    assert cohort.jobs(snakefile="workflow/phantoms.smk") == []
