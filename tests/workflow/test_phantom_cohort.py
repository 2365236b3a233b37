"""The whole DAG on phantoms: what is there and what is said."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from helpers import ROOT
from helpers.cohorts import CONFIG, Cohort
from helpers.slidefiles import tissue_like, write_plain
from histohet.clustering.file import read_clusters
from histohet.clustering.settings import ClusteringSettings
from histohet.features.file import open_features
from histohet.tiles.file import read_column
from plan.variants import VARIANTS as DEFINITIONS

SLIDES = [f"phantom_{number:02d}" for number in range(1, 5)]
VARIANTS = CONFIG["variants"]


def read(cohort: Cohort, name: str) -> pd.DataFrame:
    return pd.read_csv(cohort.folder / "results" / name, sep="\t")


def test_everything_is_there(finished: Cohort) -> None:
    results = finished.folder / "results"
    for variant in VARIANTS:
        for slide in SLIDES:
            assert (results / f"maps/{variant}/{slide}.png").stat().st_size > 10_000
        for name in ("flow", "kaplan_meier", "forest"):
            for suffix in (".svg", ".png"):
                assert (results / f"survival/main/{variant}/{name}{suffix}").is_file()
        assert len(read(finished, f"cohort/{variant}/slides.tsv")) == len(SLIDES)
    assert (results / "ablation/configured_variants.png").is_file()
    leftovers = [path for path in results.rglob("*") if path.name.startswith(".partial")]
    assert leftovers == []


def test_slides_of_the_cohort_have_tiles_clusters_and_areas(finished: Cohort) -> None:
    slides = read(finished, "cohort/full/slides.tsv")
    assert (slides["status"] == "ok").all()
    left_out = slides["n_outlier_tiles"] + slides["n_glass_tiles"]
    assert (slides["n_clustered_tiles"] + left_out >= 60).all()
    # On so small a phantom the few tiles of normal glands are unlike all others.
    assert (slides["n_outlier_tiles"] < slides["n_clustered_tiles"] / 4).all()
    assert (slides["n_clusters"] <= slides["n_all_clusters"]).all()
    assert (slides["epithelium_mm2"] < slides["tissue_mm2"]).all()
    assert sorted(slides["mpp"].unique()) == [0.25, 0.5]


def test_masked_tiles_are_a_selection_of_the_tissue_tiles(finished: Cohort) -> None:
    results = finished.folder / "results"
    for slide in SLIDES:
        with h5py.File(results / f"tiles/{slide}.h5") as file:
            coords = file["coords"][:]
        with h5py.File(results / f"coverage/{slide}.h5") as file:
            coverage = file["coverage"][:]
        with h5py.File(results / f"features/stain_texture/masked/{slide}.h5") as file:
            index, kept = file["tile_index"][:], file["coords"][:]
            assert np.isfinite(file["features"][:]).all()
        np.testing.assert_array_equal(index, np.flatnonzero(coverage > 0.25))
        np.testing.assert_array_equal(kept, coords[index])


def test_coverage_agrees_with_the_planted_epithelium(finished: Cohort) -> None:
    results = finished.folder / "results"
    for slide in SLIDES:
        truth = read(finished, f"phantoms/slides/{slide}.truth.tsv").set_index(["x", "y"])
        with h5py.File(results / f"tiles/{slide}.h5") as file:
            coords = [tuple(corner) for corner in file["coords"][:].tolist()]
        with h5py.File(results / f"coverage/{slide}.h5") as file:
            coverage = pd.Series(file["coverage"][:], index=pd.MultiIndex.from_tuples(coords))
        planted = truth["epithelium_fraction"].reindex(coverage.index).fillna(0)
        assert (coverage - planted).abs().mean() < 0.01


def test_variants_share_what_their_factor_does_not_touch(finished: Cohort) -> None:
    """With and without smoothing begin with one k-means; the tumour filter changes no cluster."""
    for slide in SLIDES:
        potts, unsmoothed = (
            read_clusters(
                finished.folder / f"results/clusters/stain_texture/masked/{procedure}/{slide}.h5"
            ).clustering
            for procedure in ("potts", "unsmoothed")
        )
        np.testing.assert_array_equal(potts.start, unsmoothed.start)
        np.testing.assert_array_equal(unsmoothed.raw, unsmoothed.labels)
    full = read(finished, "cohort/full/slides.tsv")
    unfiltered = read(finished, "cohort/no_tumor_filter/slides.tsv")
    assert (full["n_all_clusters"] == unfiltered["n_all_clusters"]).all()
    assert (unfiltered["n_clusters"] == unfiltered["n_all_clusters"]).all()


def test_certainty_of_the_clusters_is_in_the_table_of_slides(finished: Cohort) -> None:
    full, unsmoothed, paper = (
        read(finished, f"cohort/{variant}/slides.tsv") for variant in ("full", "no_potts", "paper")
    )
    certificate, restarts = ["energy", "lower_bound", "gap_percent", "coupling"], "stability_ari"
    assert full[[*certificate, restarts]].notna().all(axis=None)
    assert (full["lower_bound"] <= full["energy"]).all()
    assert (full["n_all_clusters_low"] <= full["n_all_clusters_high"]).all()
    assert full[restarts].between(-0.5, 1).all()
    assert unsmoothed[certificate].isna().all(axis=None)
    assert unsmoothed[restarts].notna().all()
    assert paper[certificate].notna().all(axis=None)
    assert paper[[restarts, "n_all_clusters_low", "n_all_clusters_high"]].isna().all(axis=None)


def test_a_stricter_variant_clusters_some_of_the_encoded_tiles(finished: Cohort) -> None:
    strict = {"name": "strict", "epithelium": {"min_coverage": 0.4}}
    target = f"results/clusters/stain_texture/masked/potts_coverage0.4/{SLIDES[0]}.h5"
    finished.run(target, variants=[strict], clustering=CONFIG["clustering"] | {"min_tiles": 5})
    found = read_clusters(finished.folder / target)
    with h5py.File(finished.folder / f"results/coverage/{SLIDES[0]}.h5") as file:
        wanted = np.flatnonzero(file["coverage"][:] > 0.4)
    all_tiles = read_clusters(finished.folder / target.replace("_coverage0.4", ""))
    assert 0 < len(wanted) < len(all_tiles.tile_index)
    np.testing.assert_array_equal(found.tile_index, wanted)
    rows = np.flatnonzero(np.isin(all_tiles.tile_index, wanted))
    np.testing.assert_array_equal(found.tiles.coords, all_tiles.tiles.coords[rows])
    assert len(found.clustering.labels) == len(wanted)


def test_published_clustering_ignores_the_settings_of_ours(finished: Cohort) -> None:
    found = read_clusters(
        finished.folder / f"results/clusters/stain_texture/masked/paper/{SLIDES[0]}.h5"
    )
    assert found.clustering.settings.canonical() == {
        **ClusteringSettings(procedure="paper").canonical(),
        "min_tiles": CONFIG["clustering"].get("min_tiles", 20),
    }
    ours = read_clusters(
        finished.folder / f"results/clusters/stain_texture/masked/potts/{SLIDES[0]}.h5"
    )
    assert (ours.clustering.settings.q, ours.clustering.settings.procedure) == (8, "histohet")


def test_every_file_says_where_it_came_from(finished: Cohort) -> None:
    results = finished.folder / "results"
    with h5py.File(results / f"clusters/stain_texture/masked/potts/{SLIDES[0]}.h5") as file:
        source = json.loads(file.attrs["provenance"])
    assert source["parameters"]["clustering"]["q"] == 8
    assert source["inputs"]["features"].endswith(f"masked/{SLIDES[0]}.h5")
    assert source["software"].startswith("histohet ")
    geojson = json.loads((results / f"qupath/full/{SLIDES[0]}.geojson").read_text())
    assert "histohet" in geojson["histohet"]["software"]
    assert (results / "cohort/full/slides.tsv.provenance.json").is_file()


def test_summary(finished: Cohort) -> None:
    summary = json.loads((finished.folder / "results/summary.json").read_text())
    assert summary["slides"]["by_status"] == {"ok": 4}
    assert set(summary["variants"]) == set(VARIANTS)
    full = summary["variants"]["full"]
    for figures in summary["variants"].values():
        assert -1 <= figures["agreement"]["median_ari"] <= 1
    assert summary["variants"]["paper"]["median_stability_ari"] is None
    assert full["max_gap_percent"] >= 0
    assert set(full["hazard_ratios"]) == {"OS"}
    assert set(full["hazard_ratios"]["OS"]) == {
        "high_vs_low",
        "high_vs_low_adjusted",
        "per_sd",
        "per_sd_adjusted",
        "per_sd_tile_count",
    }
    assert summary["planted_hazard_ratio"] == 2.0
    assert summary["wall_seconds"]["encode_tiles"] > 0


def test_any_variant_can_be_shown_in_qupath(finished: Cohort) -> None:
    variants, slide = ("no_mask", "no_potts", "paper"), SLIDES[0]
    targets = {variant: f"results/qupath/{variant}/{slide}.geojson" for variant in variants}
    finished.run(*targets.values())
    clusters = finished.folder / "results/clusters/stain_texture"
    for variant, target in targets.items():
        tiles = json.loads((finished.folder / target).read_text())["features"]
        folder = clusters / DEFINITIONS[variant].masking / DEFINITIONS[variant].procedure
        # An outlier has no cluster to measure.
        found = [tile["properties"]["measurements"].get("cluster", 0) for tile in tiles]
        np.testing.assert_array_equal(
            found, read_clusters(folder / f"{slide}.h5").clustering.labels + 1
        )


def test_every_slide_can_be_had_as_anndata(finished: Cohort) -> None:
    results = finished.folder / "results"
    assert not (results / "anndata").exists()
    finished.run("anndata")
    for slide in SLIDES:
        clustered = read_clusters(results / f"clusters/stain_texture/masked/potts/{slide}.h5")
        found = anndata.read_h5ad(results / f"anndata/full/{slide}.h5ad")
        np.testing.assert_array_equal(
            found.obs["cluster"].astype(str).replace("outlier", "0").astype(int),
            clustered.clustering.labels + 1,
        )
        with open_features(results / f"features/stain_texture/masked/{slide}.h5") as features:
            rows = np.searchsorted(features.tile_index, clustered.tile_index)
            np.testing.assert_array_equal(found.X, features.features[rows])
        scores = read_column(results / f"tumour/{slide}.h5", "tumour_score")[0]
        np.testing.assert_array_equal(found.obs["tumour_score"], scores[clustered.tile_index])
        source = json.loads(found.uns["histohet"]["provenance"])
        assert source["inputs"]["features"].endswith(f"masked/{slide}.h5")


def test_report_holds_every_figure(finished: Cohort) -> None:
    report = finished.folder / "report.html"
    done = finished.snakemake("--report", str(report))
    assert done.returncode == 0, done.stderr
    text = report.read_text()
    for name in (
        "preflight.html",
        "kaplan_meier.png",
        "forest.png",
        "configured_variants.png",
        "slides.html",
    ):
        assert name in text
    for slide in SLIDES:
        assert f"{slide}.png" in text
    # Captions stand in the page as JSON, which escapes the micro sign.
    assert "m seen as 224 px" in text


@pytest.mark.parametrize("max_maps", [0, 2])
def test_report_shows_the_pictures_of_the_first_slides_only(
    finished: Cohort, tmp_path: Path, max_maps: int
) -> None:
    report = tmp_path / "report.html"
    done = finished.snakemake("--report", str(report), report={"max_maps": max_maps})
    assert done.returncode == 0, done.stderr
    shown = set(re.findall(r"results/(?:tiles|maps)/[\w/]*\.(?:jpg|png)", report.read_text()))
    pictures = ["tiles/{}.jpg", *(f"maps/{variant}/{{}}.png" for variant in VARIANTS)]
    first = SLIDES[:max_maps]
    assert shown == {f"results/{name.format(slide)}" for name in pictures for slide in first}


def test_one_core_and_two_give_the_same_bytes(finished: Cohort, tmp_path: Path) -> None:
    again = Cohort(tmp_path / "cohort", finished.workflow, CONFIG | {"variants": ["full"]})
    phantoms = again.folder / "results/phantoms"
    phantoms.parent.mkdir()
    phantoms.symlink_to(finished.folder / "results/phantoms")
    done = again.snakemake("--cores", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    # What depends on which variants there are.
    changing = ("summary.json", "survival/estimates.")
    found = again.digests().items()
    same = {name: digest for name, digest in found if not name.startswith(changing)}
    assert same
    assert same.items() <= finished.digests().items()


def test_demo_configuration_is_valid() -> None:
    demo = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    assert demo["phantoms"]["n_slides"] >= 24
    assert demo["phantoms"]["epithelial_tiles"] >= 400


def test_lost_slides_do_not_stop_the_others(finished: Cohort, tmp_path: Path) -> None:
    """A missing file, a duplicate id, blank glass, a broken file and a mask of another slide."""
    source = finished.folder / "results/phantoms/slides"
    shutil.copy(source / "phantom_01.svs", tmp_path / "sound.svs")
    whole = (source / "phantom_02.svs").read_bytes()
    (tmp_path / "broken.svs").write_bytes(whole[: len(whole) // 3])
    write_plain(tmp_path / "glass.png", tissue_like(3000, 3000, []))
    labels = source / "phantom_01.labels.tif"
    write_plain(tmp_path / "odd.tif", np.zeros((10, 99), np.uint8))
    rows = [
        ("slide", "path", "mpp", "mask"),
        ("sound", tmp_path / "sound.svs", "", labels),
        ("missing", tmp_path / "missing.svs", "", ""),
        ("twice", tmp_path / "sound.svs", "", labels),
        ("twice", tmp_path / "sound.svs", "", labels),
        ("glass", tmp_path / "glass.png", "0.5", ""),
        ("broken", tmp_path / "broken.svs", "", ""),
        ("odd_mask", tmp_path / "sound.svs", "", tmp_path / "odd.tif"),
        ("unscaled", tmp_path / "glass.png", "", ""),
    ]
    (tmp_path / "slides.tsv").write_text("\n".join("\t".join(map(str, row)) for row in rows) + "\n")
    config = {
        "slides": str(tmp_path / "slides.tsv"),
        "tissue": CONFIG["tissue"],
        "clustering": CONFIG["clustering"],
        "max_failed_fraction": 0.9,
    }
    cohort = Cohort(tmp_path / "cohort", finished.workflow, config)
    cohort.run()
    slides = read(cohort, "cohort/full/slides.tsv").set_index("slide")
    status = slides["status"].to_dict()
    assert status.pop("broken") in {"refused", "unreadable"}
    assert status == {
        "sound": "ok",
        "missing": "refused",
        "twice": "refused",
        "glass": "no_tissue",
        "odd_mask": "refused",
        "unscaled": "refused",
    }
    reasons = slides["reason"]
    assert "does not exist" in reasons["missing"]
    assert "rows 4, 5" in reasons["twice"]
    assert "proportions differ" in reasons["odd_mask"]
    assert "give `mpp` in the slide sheet" in reasons["unscaled"]
    assert len(read(cohort, "cohort/full/failures.tsv")) == 6
    problems = read(cohort, "preflight/problems.tsv")
    assert {"missing", "twice"} <= set(problems["subject"])
    page = (cohort.folder / "results/preflight/preflight.html").read_text()
    assert "proportions differ" in page
    assert "does not exist" in page

    strict = cohort.snakemake("--cores", "2", max_failed_fraction=0.5)
    assert strict.returncode != 0
    assert "6 of 7 slides gave no result (86%)" in strict.stdout + strict.stderr


def test_preflight_looks_at_tissue_tiles_and_masks_and_encodes_nothing(finished: Cohort) -> None:
    rules = finished.rules("--forceall", "preflight")
    assert rules == {
        "check_slide": 4,
        "check_companions": 4,
        "segment_tissue": 4,
        "tile_slide": 4,
        "measure_coverage": 4,
        "draw_mask": 4,
        "read_clinical": 1,
        "collect_preflight": 1,
        "list_problems": 1,
    }
