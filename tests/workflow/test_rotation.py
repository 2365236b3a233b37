"""Clusters of turned tiles, from slides to the figure: on real cores, and where nothing is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.slidefiles import gradient, write_plain
from histohet.common.tables import read_tsv
from histohet.features.file import open_features
from histohet.tiles.file import read_tiles

D4 = {"name": "stain_texture", "symmetry": "d4"}
ROTATION = {"encoders": ["stain_texture", D4], "angles": [30, 90, 180, 270], "cores": "all"}
PER_CORE = {"turn_tiles": 4, "compare_rotation": 4, "draw_rotation": 2}
CORES = ("slide001_core059", "slide003_core055")


@pytest.fixture(scope="module")
def cores(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Two real cores, the upper half of each known to be another class than the lower."""
    folder = tmp_path_factory.mktemp("rotation")
    rows = ["slide\tpath\tmpp\ttruth\ttissue_preset"]
    for name in CORES:
        truth = [
            f"{x}\t{y}\t{1 + (y > 480)}" for x in range(0, 1024, 32) for y in range(0, 1024, 32)
        ]
        (folder / f"{name}.tsv").write_text("x\ty\tsubclone\n" + "\n".join(truth) + "\n")
        path = real_data / f"cores/gleason2019/{name}.png"
        rows.append(f"{name}\t{path}\t1.2\t{name}.tsv\tbwh_biopsy")
    (folder / "slides.tsv").write_text("\n".join(rows) + "\n")
    config = {
        "slides": "slides.tsv",
        "tiles": {"tile_um": 115.2, "tile_px": 96},
        "rotation": ROTATION,
    }
    cohort = Cohort(folder, ROOT / "workflow", config)
    cohort.run("rotation")
    return cohort


def test_without_the_section_nothing_is_turned(tmp_path: Path) -> None:
    write_plain(tmp_path / "a.png", gradient(50, 50))
    (tmp_path / "slides.tsv").write_text("slide\tpath\tmpp\na\ta.png\t0.5\n")
    rules = Cohort(tmp_path, ROOT / "workflow", {"slides": "slides.tsv"}).rules()
    assert not {*PER_CORE, "share_clusters", "collect_rotation"} & set(rules)


@pytest.mark.real
def test_with_d4_right_angles_change_no_label(cores: Cohort) -> None:
    results = cores.folder / "results/rotation"
    table = read_tsv(results / "consistency.tsv")
    assert len(table) == 2 * 2 * 2 * 5
    assert (table["status"] == "ok").all()
    own = table.set_index(["encoder", "angle"]).sort_index()
    for angle in (0, 90, 180, 270):
        assert (own.loc[("stain_texture_d4", angle), ["agreement", "ari", "dice"]] == 1).all(
            axis=None
        )
    oblique = own.xs(30, level="angle")
    assert oblique["agreement"].between(0.6, 0.999).all()
    assert (oblique["ari"] > 0.3).all()
    assert (oblique["ceiling_ari"] > 0.3).all()
    assert own["chance_ari"].abs().max() < 0.02
    assert (own["n_labelled"] == own["n_tiles"]).all()
    shared = read_tsv(results / "inter_subject.tsv")
    assert sorted(shared.groupby("slide")["fold"].unique().map(list)) == [[1], [2]]
    for name in ("by_angle.svg", "by_angle.png", *(f"pictures/{core}.png" for core in CORES)):
        assert (results / name).stat().st_size > 10_000


@pytest.mark.real
def test_tables_are_those_of_the_labels(cores: Cohort) -> None:
    results = cores.folder / "results/rotation"
    table = read_tsv(results / "cores/stain_texture" / f"{CORES[0]}.tsv")
    labels = read_tsv(results / "cores/stain_texture" / f"{CORES[0]}.labels.tsv")
    tiles = read_tiles(cores.folder / "results/tiles" / f"{CORES[0]}.h5")
    np.testing.assert_array_equal(labels[["x", "y"]], tiles.coords)
    known = 1 + (labels["y"] > 480)
    for row in table.to_dict("records"):
        before, after = (labels[f"{row['smoothing']}_{a:g}"] for a in (0, row["angle"]))
        assert row["agreement"] == pytest.approx((before == after).mean())
        assert row["ari"] == pytest.approx(adjusted_rand_score(before, after))
        assert row["label_ari"] == pytest.approx(adjusted_rand_score(known, after))
    with open_features(results / "tiles/stain_texture_d4" / f"{CORES[0]}.h5") as turned:
        views = np.split(turned.features[:], 6, axis=1)
    for view in views[2:5]:
        np.testing.assert_array_equal(view, views[0])


@pytest.mark.real
def test_what_changes_runs_again_and_nothing_else(cores: Cohort) -> None:
    def rules(**changes: Any) -> dict[str, int]:
        return dict(cores.rules("rotation", rotation=ROTATION | changes))

    assert rules() == {}
    fewer = {"compare_rotation": 4, "share_clusters": 2, "collect_rotation": 1, "draw_rotation": 2}
    assert rules(clusters=2) == fewer
    assert rules(angles=[45, 90]) == fewer | {"turn_tiles": 4}
    assert rules(encoders=["stain_texture"]) == {"collect_rotation": 1, "draw_rotation": 2}


def test_cores_without_tissue_stop_nothing(tmp_path: Path) -> None:
    for name in "ab":
        write_plain(tmp_path / f"{name}.png", gradient(50, 50))
    (tmp_path / "slides.tsv").write_text("slide\tpath\tmpp\na\ta.png\t0.5\nb\tb.png\t0.5\n")
    rotation = ROTATION | {"encoders": ["stain_texture"]}
    cohort = Cohort(tmp_path, ROOT / "workflow", {"slides": "slides.tsv", "rotation": rotation})
    cohort.run("rotation")
    for name in ("consistency", "inter_subject"):
        table = read_tsv(tmp_path / f"results/rotation/{name}.tsv")
        assert sorted(table["slide"]) == [*"ab"]
        assert table["status"].str.startswith("no_t").all()
        assert table["reason"].str.len().gt(0).all()
    assert (tmp_path / "results/rotation/by_angle.png").is_file()
    assert (tmp_path / "results/rotation/pictures/a.png").is_file()


def test_a_single_patient_is_refused_before_anything_runs(tmp_path: Path) -> None:
    write_plain(tmp_path / "a.png", gradient(50, 50))
    (tmp_path / "slides.tsv").write_text("slide\tpath\tmpp\na\ta.png\t0.5\n")
    cohort = Cohort(tmp_path, ROOT / "workflow", {"slides": "slides.tsv", "rotation": ROTATION})
    done = cohort.snakemake("--dry-run", "rotation")
    assert done.returncode != 0
    assert "config, rotation.folds" in done.stdout + done.stderr
    assert "set folds to null" in done.stdout + done.stderr
