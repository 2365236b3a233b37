"""The DAG entered with finished features: the same labels as from the slides themselves."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import adjusted_rand_score

from helpers import ROOT
from helpers.cohorts import CONFIG, Cohort
from helpers.featurefiles import write_clam, write_stamp, write_trident
from histohet.clustering.file import read_clusters
from histohet.common.tables import read_tsv

ENCODED, OWN, TRIDENT, STAMP, CLAM = "encoded", "own", "trident", "stamp", "clam"
ORIGIN = {
    ENCODED: "phantom_01",
    OWN: "phantom_02",
    TRIDENT: "phantom_03",
    STAMP: "phantom_03",
    CLAM: "phantom_04",
}
SETTINGS = {k: v for k, v in CONFIG.items() if k not in {"phantoms", "clinical", "variants"}}


@dataclass
class Encoded:
    """What a slide of the phantom cohort was encoded to, and its scale."""

    features: np.ndarray
    coords: np.ndarray
    attributes: dict[str, float]

    @property
    def side_px(self) -> int:
        side = float(self.attributes["side_level0_px"])
        assert side == round(side)
        return round(side)

    @property
    def size(self) -> tuple[int, int]:
        return int(self.attributes["level0_width"]), int(self.attributes["level0_height"])


def encoded(finished: Cohort, slide: str) -> Encoded:
    path = finished.folder / f"results/features/stain_texture/masked/{slide}.h5"
    with h5py.File(path) as file:
        return Encoded(file["features"][:], file["coords"][:], dict(file["coords"].attrs))


def write_sheet(folder: Path, rows: list[dict[str, object]]) -> None:
    pd.DataFrame(rows).to_csv(folder / "slides.tsv", sep="\t", index=False)


@pytest.fixture(scope="module")
def rows(finished: Cohort, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """Sheet of five slides: one to be encoded, four that bring features of four kinds."""
    folder = tmp_path_factory.mktemp("features")
    sheet = pd.read_csv(finished.folder / "results/phantoms/slides.tsv", sep="\t")
    sheet = sheet.set_index("slide")

    def named(slide: str, *columns: str) -> dict[str, object]:
        row = {column: finished.folder / sheet.loc[slide, column] for column in columns}
        return row | {"patient": slide}

    def shuffled(values: np.ndarray, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).permutation(values)

    tri, clam = encoded(finished, "phantom_03"), encoded(finished, "phantom_04")
    own = finished.folder / "results/features/stain_texture/masked/phantom_02.h5"
    trident = write_trident(
        folder / "trident.h5",
        tri.features.astype(np.float16),
        tri.coords,
        side_px=tri.side_px,
        patch_size=224,
        magnification=int(tri.attributes["level0_magnification"]),
        size=tri.size,
        encoder="stain_texture",
    )
    stamp = write_stamp(
        folder / "stamp.h5",
        shuffled(tri.features, 1),
        shuffled(tri.coords * float(tri.attributes["mpp"]), 1),
        tile_size_um=112.0,
        extractor="stain_texture",
    )
    # CLAM: column by column.
    order = np.lexsort((clam.coords[:, 1], clam.coords[:, 0]))
    features, patches = write_clam(
        folder,
        "clam",
        clam.features[order],
        clam.coords[order],
        patch_size=clam.side_px,
        size=clam.size,
    )
    return [
        {"slide": ENCODED, **named("phantom_01", "path", "mask", "attention", "truth")},
        {"slide": OWN, **named("phantom_02", "path", "mask", "attention"), "features": own},
        {"slide": TRIDENT, **named("phantom_03", "path"), "features": trident},
        {"slide": STAMP, **named("phantom_03", "path", "mask"), "features": stamp},
        {
            "slide": CLAM,
            **named("phantom_04", "attention"),
            "features": features,
            "tiles": patches,
            "mpp": clam.attributes["mpp"],
        },
    ]


@pytest.fixture(scope="module")
def cohort(rows: list[dict[str, object]], tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("imported")
    write_sheet(folder, rows)
    config = SETTINGS | {"slides": "slides.tsv", "variants": ["full", "no_mask"]}
    cohort = Cohort(folder, ROOT / "workflow", config)
    cohort.run()
    return cohort


def clusters(cohort: Cohort, slide: str, masking: str = "masked"):
    return read_clusters(
        cohort.folder / f"results/clusters/stain_texture/{masking}/potts/{slide}.h5"
    )


@pytest.mark.parametrize("slide", [ENCODED, OWN, CLAM])
def test_labels_are_those_of_the_encoded_slide(
    cohort: Cohort, finished: Cohort, slide: str
) -> None:
    before, after = clusters(finished, ORIGIN[slide]), clusters(cohort, slide)
    np.testing.assert_array_equal(after.tiles.coords, before.tiles.coords)
    for name in ("start", "raw", "labels", "agreement"):
        arrays = (getattr(found.clustering, name) for found in (before, after))
        assert len({array.tobytes() for array in arrays}) == 1


def test_half_precision_gives_the_same_labels_in_any_layout_and_order(
    cohort: Cohort, finished: Cohort
) -> None:
    trident, stamp = clusters(cohort, TRIDENT), clusters(cohort, STAMP)
    np.testing.assert_array_equal(trident.tiles.coords, stamp.tiles.coords)
    assert trident.clustering.labels.tobytes() == stamp.clustering.labels.tobytes()
    before = clusters(finished, "phantom_03")
    np.testing.assert_array_equal(trident.tiles.coords, before.tiles.coords)
    assert adjusted_rand_score(before.clustering.labels, trident.clustering.labels) > 0.9


def test_tables_say_where_the_tiles_come_from(cohort: Cohort) -> None:
    def column(variant: str) -> dict[str, str]:
        path = cohort.folder / f"results/cohort/{variant}/slides.tsv"
        table = pd.read_csv(path, sep="\t").set_index("slide")
        assert (table["status"] == "ok").all()
        return table["tiles_from"].fillna("").to_dict()

    chosen = "tiles chosen by the mask, their pixels as encoded"
    everything = "all tiles, as encoded"
    assert column("full") == {
        ENCODED: "",
        OWN: f"features of TRIDENT: {chosen}",
        TRIDENT: f"features of TRIDENT: {everything}",
        STAMP: f"features of STAMP: {chosen}",
        CLAM: f"features of CLAM: {everything}",
    }
    assert set(column("no_mask").values()) == {
        "",
        *(f"features of {layout}: {everything}" for layout in ("TRIDENT", "STAMP", "CLAM")),
    }


def test_nothing_is_computed_that_the_features_make_unnecessary(cohort: Cohort) -> None:
    results = cohort.folder / "results"
    for folder, suffix in (("tissue", "geojson"), ("tiles", "h5"), ("thumbnails", "jpg")):
        assert [path.name for path in (results / folder).glob(f"*.{suffix}")] == [
            f"{ENCODED}.{suffix}"
        ]
    assert not (results / "epithelium").exists()
    assert [path.stem for path in results.glob("features/*/*/*.h5")] == [ENCODED, ENCODED]
    assert cohort.jobs() == []


def test_preflight_lists_what_the_features_are(cohort: Cohort) -> None:
    table = pd.read_csv(cohort.folder / "results/preflight/slides.tsv", sep="\t")
    table = table.set_index("slide").fillna({"imported": "", "encoder": "", "path": ""})
    assert table["imported"].to_dict() == {
        ENCODED: "",
        OWN: "TRIDENT",
        TRIDENT: "TRIDENT",
        STAMP: "STAMP",
        CLAM: "CLAM",
    }
    assert table["encoder"].tolist() == ["", "stain_texture", "stain_texture", "stain_texture", ""]
    assert table.loc[CLAM, "mpp_source"] == "sheet"
    assert table.loc[CLAM, "path"] == ""


def test_a_slide_that_is_missing_has_blank_maps_and_qupath_tiles(cohort: Cohort) -> None:
    results = cohort.folder / "results"
    blank = np.asarray(Image.open(results / f"imported/thumbnails/{CLAM}.jpg"))
    assert blank.min() == blank.max() == 235
    assert np.ptp(np.asarray(Image.open(results / f"imported/thumbnails/{OWN}.jpg"))) > 50
    assert np.ptp(np.asarray(Image.open(results / f"imported/tiles/{CLAM}.jpg"))) > 50
    for slide in ORIGIN:
        assert (results / f"maps/full/{slide}.png").stat().st_size > 10_000
        tiles = json.loads((results / f"qupath/full/{slide}.geojson").read_text())["features"]
        assert len(tiles) == len(clusters(cohort, slide).clustering.labels)


def test_new_features_recompute_their_slide_alone(
    cohort: Cohort, rows: list[dict[str, object]]
) -> None:
    """A dry run of the finished cohort in which one feature file has been replaced."""
    path = Path(str(rows[2]["features"]))
    before, content = path.stat(), path.read_bytes()
    try:
        with h5py.File(path, "a") as file:
            file["features"][0] = 0
        jobs = cohort.jobs()
    finally:
        path.write_bytes(content)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    per_slide = [job for job in jobs if job.rule in {"check_slide", "import_tiles"}]
    assert {job.wildcards for job in per_slide} == {f"slide={TRIDENT}"}
    rules = Counter(job.rule for job in jobs)
    assert rules["import_features"] == rules["cluster_tiles"] == 2
    assert "encode_tiles" not in rules


def test_features_of_another_encoder_are_refused_and_stop_no_check(
    rows: list[dict[str, object]], tmp_path: Path
) -> None:
    other = write_trident(
        tmp_path / "uni.h5",
        np.zeros((4, 1024), "f4"),
        [[0, 0], [224, 0], [0, 224], [224, 224]],
        side_px=224,
        patch_size=224,
        magnification=20,
    )
    write_sheet(
        tmp_path,
        [
            {"slide": "encoded", "path": rows[0]["path"]},
            {"slide": "uni", "features": other, "mpp": 0.5},
        ],
    )
    config = SETTINGS | {"slides": "slides.tsv"}
    Cohort(tmp_path, ROOT / "workflow", config).run("preflight")
    slides = read_tsv(tmp_path / "results/preflight/slides.tsv").set_index("slide")
    assert slides["status"].to_dict() == {"encoded": "ok", "uni": "refused"}
    reason = slides.loc["uni", "reason"]
    assert "features are of uni_v2 with 1024 numbers per tile, those of 1 other slides" in reason
    assert "stain_texture" in reason


def test_features_that_cannot_be_used_are_refused_with_a_reason(
    tmp_path: Path,
) -> None:
    """Each for its own reason; the cohort goes on to its end with what remains."""
    grid = [[x * 224, y * 224] for y in range(6) for x in range(6)]
    vectors = np.random.default_rng(0).normal(size=(36, 8)).astype(np.float32)
    broken = vectors.copy()
    broken[7] = np.nan
    shape = {"side_px": 224, "patch_size": 224, "magnification": 20, "encoder": "x"}
    good = write_trident(tmp_path / "good.h5", vectors, grid, **shape)
    nan = write_trident(tmp_path / "nan.h5", broken, grid, **shape)
    empty = write_trident(tmp_path / "empty.h5", vectors[:0], np.empty((0, 2)), **shape)
    clam, _ = write_clam(tmp_path, "clam", vectors, np.array(grid))
    cases = {
        "good": ({"features": good}, "ok", ""),
        "nan": ({"features": nan}, "refused", "1 tiles are not finite"),
        "empty": ({"features": empty}, "no_tiles", "holds no tile"),
        "clam": ({"features": clam}, "refused", "`tiles`"),
        "by_sheet": ({"features": clam, "tile_px_level0": 224}, "ok", ""),
        "absent": ({"features": "no.h5"}, "refused", "features: no.h5 does not exist"),
    }
    sheet = [{"slide": name, "mpp": 0.5, **cells} for name, (cells, _, _) in cases.items()]
    write_sheet(tmp_path, sheet)
    cohort = Cohort(tmp_path, ROOT / "workflow", SETTINGS | {"slides": "slides.tsv"})
    cohort.run("maps")
    table = read_tsv(tmp_path / "results/cohort/full/slides.tsv").set_index("slide")
    assert table["status"].to_dict() == {name: status for name, (_, status, _) in cases.items()}
    for name, (_, status, reason) in cases.items():
        if status != "ok":
            assert reason in table.loc[name, "reason"], name
    np.testing.assert_array_equal(
        clusters(cohort, "good").clustering.labels,
        clusters(cohort, "by_sheet").clustering.labels,
    )
    maps = {path.stem for path in (tmp_path / "results/maps/full").glob("*.png")}
    assert maps == set(cases)
