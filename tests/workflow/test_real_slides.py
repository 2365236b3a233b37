"""The same DAG on real slides: skin (Aperio), breast tumour (plain JPEG), a too coarse DICOM."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers import ROOT
from helpers.cohorts import Cohort


@pytest.fixture(scope="module")
def cohort(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("real")
    rows = [
        ("slide", "path", "mpp", "tissue_preset"),
        ("cmu", real_data / "slides/CMU-1-Small-Region.svs", "", "bwh_biopsy"),
        ("her2st", real_data / "spatial/her2st_C2/HE.jpg", "0.78", "tcga"),
        ("camelyon", real_data / "slides/camelyon_jpeg.dcm", "", ""),
    ]
    (folder / "slides.tsv").write_text("\n".join("\t".join(map(str, row)) for row in rows) + "\n")
    config = {
        "slides": "slides.tsv",
        "scale": {"tolerance": 0.6},
        "tissue": {"overrides": {"sthresh": 25}},
    }
    cohort = Cohort(folder, ROOT / "workflow", config)
    cohort.run()
    return cohort


@pytest.mark.real
def test_coarse_dicom_is_refused_and_the_others_finish(cohort: Cohort) -> None:
    slides = pd.read_csv(cohort.folder / "results/cohort/full/slides.tsv", sep="\t")
    slides = slides.set_index("slide")
    assert slides["status"].to_dict() == {"cmu": "ok", "her2st": "ok", "camelyon": "refused"}
    assert "28.97 µm per pixel" in slides.loc["camelyon", "reason"]
    assert slides.loc["her2st", "n_clustered_tiles"] > 300
    assert slides.loc["cmu", "n_clustered_tiles"] >= 20
    assert 0.4 < slides.loc["cmu", "tissue_mm2"] < 0.8


@pytest.mark.real
def test_tiles_have_their_physical_size(cohort: Cohort) -> None:
    with h5py.File(cohort.folder / "results/tiles/her2st.h5") as file:
        attributes, coords = dict(file["coords"].attrs), file["coords"][:]
    assert attributes["side_level0_px"] == pytest.approx(112 / 0.78)
    assert attributes["patch_size_level0"] == 144
    steps = np.diff(np.unique(coords[:, 0]))
    assert set(steps) <= {143, 144}


@pytest.mark.real
def test_maps_show_more_than_one_colour(cohort: Cohort) -> None:
    for slide in ("cmu", "her2st"):
        picture = np.asarray(Image.open(cohort.folder / f"results/maps/full/{slide}.png"))
        assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 500


@pytest.mark.real
def test_summary_counts_what_happened(cohort: Cohort) -> None:
    summary = json.loads((cohort.folder / "results/summary.json").read_text())
    assert summary["slides"]["by_status"] == {"ok": 2, "refused": 1}
    assert cohort.jobs() == []
