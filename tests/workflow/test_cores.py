"""Cores that are regions of a real section: masks, heterogeneity within and between patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers import ROOT
from helpers.cohorts import Cohort
from histohet.clustering.file import read_clusters
from histohet.common.tables import read_tsv
from histohet.cores.heterogeneity import icc_table
from histohet.tiles.neighbours import adjacent_edges

SIDE = 2048
CORES = {
    "block_A-1": ("p", 3072, 4096),
    "block_A-2": ("p", 5120, 4096),
    "block_B-1": ("q", 3072, 6144),
    "block_B-2": ("q", 5120, 6144),
}
"""Patient and corner of each; regions touch, as cores of an array nearly do."""

TARGETS = ("cores", "core_masks", "results/cohort/together/slides.tsv")


@pytest.fixture(scope="module")
def cohort(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("cores")
    source = real_data / "slides/TCGA-C8-A1HN_part.tif"
    rows = ["slide\tpatient\tpath\tregion\tcore_diameter_um\ttissue_preset"]
    for name, (patient, x, y) in CORES.items():
        rows.append(f"{name}\t{patient}\t{source}\t{x},{y},{SIDE},{SIDE}\t900\tcore")
    (folder / "slides.tsv").write_text("\n".join(rows) + "\n")
    config = {
        "slides": "slides.tsv",
        "variants": ["full", {"name": "together", "pooled": True}],
        "clustering": {"restarts": 3},
    }
    cohort = Cohort(folder, ROOT / "workflow", config)
    cohort.run(*TARGETS)
    return cohort


@pytest.mark.real
def test_patients_have_the_scores_of_their_cores(cohort: Cohort) -> None:
    results = cohort.folder / "results"
    slides = read_tsv(results / "cohort/full/slides.tsv")
    # One has too few tiles for itself; in the pool it counts.
    assert sorted(slides["status"]) == ["ok", "ok", "ok", "too_few_tiles"]
    measured = slides[slides["status"] == "ok"]
    pooled = read_tsv(results / "cohort/together/slides.tsv").set_index("patient")
    assert pooled["n_pooled"].to_dict() == {"p": 2, "q": 2}
    table = read_tsv(results / "cores/full/heterogeneity.tsv")
    assert {"n_clusters", "hti_possible", "hti_observed", "hta"} <= set(table["score"])
    for row in table.itertuples():
        own = measured.loc[measured["patient"] == row.patient, row.score].astype(float)
        assert (row.n_cores, row.n_measured) == (2, own.count())
        np.testing.assert_allclose([row.max, row.mean], [own.max(), own.mean()])
        np.testing.assert_allclose(row.pooled, float(pooled.loc[row.patient, row.score]))
    found = read_tsv(results / "cores/full/icc.tsv")
    expected = icc_table(slides, found["score"].tolist())
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert (results / "cores/full/heterogeneity.png").stat().st_size > 5000


@pytest.mark.real
def test_pooled_cores_share_clusters_and_no_neighbours(cohort: Cohort) -> None:
    for patient in "pq":
        [path] = (cohort.folder / "results/clusters").glob(f"**/{patient}.h5")
        clustered = read_clusters(path)
        coords, labels = clustered.tiles.coords, clustered.clustering.labels
        # What follows the first core begins beyond its width and a gap.
        is_second = coords[:, 0] >= SIDE
        edges = adjacent_edges(coords, clustered.tiles.pitch_px)
        assert len(edges)
        assert (is_second[edges[:, 0]] == is_second[edges[:, 1]]).all()
        assert set(labels[is_second]) & set(labels[~is_second]) - {-1}


@pytest.mark.real
def test_masks_are_listed_with_pictures_of_the_same_pixels(cohort: Cohort) -> None:
    table = pd.read_csv(cohort.folder / "results/cores/masks.csv")
    assert table["slide"].eq("block").all()
    assert table["core"].tolist() == ["A-1", "A-2", "B-1", "B-2"]
    for row in table.itertuples():
        picture, mask = (Image.open(cohort.folder / path) for path in (row.path, row.mask_path))
        assert picture.size == mask.size
        tissue = np.asarray(mask) == 255
        assert row.tissue_mm2 == pytest.approx(tissue.sum() * row.mpp**2 / 1e6)
        # No more than the disc, whatever lies beside it in the section.
        assert 0.3 < row.tissue_mm2 <= np.pi * 0.45**2 * 1.01


@pytest.mark.real
def test_nothing_runs_again_and_a_patient_more_measures_nothing_again(cohort: Cohort) -> None:
    assert cohort.rules(*TARGETS) == {}
    sheet = (cohort.folder / "slides.tsv").read_text()
    try:
        (cohort.folder / "slides.tsv").write_text(sheet.replace("block_B-2\tq", "block_B-2\tr"))
        jobs = cohort.jobs("cores", "core_masks")
    finally:
        (cohort.folder / "slides.tsv").write_text(sheet)
    again = {job.rule for job in jobs}
    assert not {"mask_core", "encode_tiles"} & again
    assert {"compare_cores", "collect_core_masks"} <= again
    # Of the pools that are others now, and of no core.
    clustered = [job.wildcards for job in jobs if job.rule == "cluster_tiles"]
    assert sorted(one.split("slide=")[1].split(",")[0] for one in clustered) == ["q", "r"]


@pytest.mark.real
def test_slides_that_are_no_cores_have_no_tables_of_cores(cohort: Cohort) -> None:
    sheet = pd.read_csv(cohort.folder / "slides.tsv", sep="\t")
    plain = sheet.drop(columns=["region", "core_diameter_um"])
    plain.to_csv(cohort.folder / "plain.tsv", sep="\t", index=False)
    rules = cohort.rules("report", slides="plain.tsv")
    assert rules["collect_slides"] == 2
    assert not {"compare_cores", "mask_core", "collect_core_masks"} & set(rules)
