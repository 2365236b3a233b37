"""From an array to the slide sheet of its cores, and from there to slides."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from helpers import ROOT
from helpers.cohorts import Cohort
from histohet.common.tables import read_tsv

N_CORES = 22


@pytest.fixture(scope="module")
def cohort(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("dearray")
    array = real_data / "cores/he_array/ST221.jpg"
    (folder / "tma.tsv").write_text(f"array\tpath\tmpp\nST221\t{array}\t5\n")
    config = {
        "slides": "slides.tsv",
        "tma": {"sheet": "tma.tsv", "diameter_um": 1300},
        "tissue": {"preset": "bwh_biopsy"},
    }
    return Cohort(folder, ROOT / "workflow", config)


@pytest.mark.real
def test_cores_of_a_real_array_become_slides(cohort: Cohort) -> None:
    """The slide sheet does not exist until the cores have been found."""
    cohort.run("dearray")
    made = cohort.folder / "results/tma/slides.tsv"
    cores = read_tsv(made)
    assert len(cores) == N_CORES
    assert cores["core_diameter_um"].astype(float).eq(1300).all()
    assert cores["tissue_preset"].eq("core").all()
    settings = yaml.safe_load((cohort.folder / "results/tma/settings.yaml").read_text())
    assert settings["clustering"] == {"min_tiles": 20}
    (cohort.folder / "slides.tsv").write_bytes(made.read_bytes())
    cohort.run("preflight", **settings)
    slides = read_tsv(cohort.folder / "results/preflight/slides.tsv")
    assert slides["slide"].tolist() == cores["slide"].tolist()
    # Nothing can be encoded at that scale: each core says so, under its own name.
    assert slides["reason"].str.startswith("the slide has 5 µm per pixel").all()
    assert slides[["width", "height", "file_width"]].astype(int).eq([320, 320, 1600]).all(axis=None)


@pytest.mark.real
def test_what_contradicts_the_sheet_stops_after_the_pictures_are_drawn(cohort: Cohort) -> None:
    sheet = pd.read_csv(cohort.folder / "tma.tsv", sep="\t").assign(rows=3)
    sheet.to_csv(cohort.folder / "tma.tsv", sep="\t", index=False)
    done = cohort.snakemake("--cores", "1", "dearray")
    assert done.returncode != 0
    log = (cohort.folder / "results/logs/collect_cores.log").read_text()
    assert "array 'ST221'" in log
    assert "rows" in log
    assert (cohort.folder / "results/tma/ST221/overview.jpg").exists()
