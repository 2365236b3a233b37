"""CHIEF's attention and slide embeddings through the workflow, on small drawn slides.

The encoder is a thin transformer of CTransPath's width with random weights, the network a random
checkpoint in the published layout.
"""

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
from helpers.encoders import THIN, write_thin_weights
from helpers.slidefiles import tissue_like, write_plain
from histohet.features.slide_vectors import softmax
from histohet.tumour.attention import read_attention, tile_scores
from histohet.tumour.chief import read_network

torch = pytest.importorskip("torch", reason="the encoders' requirements are not installed")

LAYERS = {
    "attention_net.0": (512, 768),
    "attention_net.3.attention_a.0": (256, 512),
    "attention_net.3.attention_b.0": (256, 512),
    "attention_net.3.attention_c": (1, 256),
    "classifiers": (2, 512),
}


def write_weights(folder: Path) -> None:
    write_thin_weights(folder)
    weights = {"organ_embedding": torch.zeros(19, 768)}
    for name, (n_out, n_in) in LAYERS.items():
        weights[f"{name}.weight"] = torch.randn(n_out, n_in) / n_in**0.5
        weights[f"{name}.bias"] = torch.randn(n_out)
    torch.save(weights, folder / "chief.pth")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """A slide that CHIEF scores, one that brings attention, one without tissue."""
    folder = tmp_path_factory.mktemp("attention")
    write_weights(folder)
    rng = np.random.default_rng(0)
    image = tissue_like(2000, 1400, [(100, 100, 1900, 1300)]).astype(float)
    image += rng.normal(0, 12, image.shape)
    write_plain(folder / "tissue.png", image.clip(0, 255).astype(np.uint8))
    write_plain(folder / "glass.png", tissue_like(1200, 1200, []))
    (folder / "own.csv").write_text("x_coord,y_coord,attention_value\n500,500,1\n1000,500,3\n")
    rows = [
        ("slide", "path", "mpp", "attention"),
        ("scored", "tissue.png", "0.5", ""),
        ("own", "tissue.png", "0.5", "own.csv"),
        ("glass", "glass.png", "0.5", ""),
    ]
    (folder / "slides.tsv").write_text("\n".join("\t".join(row) for row in rows) + "\n")
    config = {
        "slides": "slides.tsv",
        "tissue": {"preset": "bwh_biopsy"},
        "epithelium": {"without_mask": "whole"},
        "attention": {"from": "chief", "checkpoint": "chief.pth", "encoder": THIN},
        "slide_embeddings": ["mean", "attention", "chief"],
    }
    cohort = Cohort(folder, ROOT / "workflow", config)
    tables = [
        *(f"results/slide_embeddings/stain_texture/masked/{p}.tsv" for p in ("mean", "attention")),
        "results/slide_embeddings/thin/whole/chief.tsv",
    ]
    slides = ("scored", "own", "glass")
    cohort.run(
        *(f"results/attention/{slide}.{s}" for slide in slides for s in ("png", "geojson")), *tables
    )
    return cohort


def test_attention_is_the_networks_on_tiles_of_chiefs_size(cohort: Cohort) -> None:
    results = cohort.folder / "results/chief"
    with h5py.File(results / "features/scored.h5") as file:
        features, coords = file["features"][:], file["coords"][:]
        assert file["coords"].attrs["tile_um"] == 256
        assert file["coords"].attrs["patch_size"] == 224
        assert file["coords"].attrs["target_magnification"] == 10
    # 256 µm are 512 px; the lattice begins at the slide's corner, the right edge is left over.
    assert coords.tolist() == [[x, y] for y in (0, 512) for x in (0, 512, 1024)]
    xy, values = read_attention(results / "attention/scored.csv")
    np.testing.assert_array_equal(xy, coords)
    expected = read_network(cohort.folder / "chief.pth").raw_attention(features)
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    source = json.loads((results / "attention/scored.csv.provenance.json").read_text())
    assert source["status"] == "ok"
    assert len(source["parameters"]["checkpoint_sha256"]) == 64


def test_attention_of_the_sheet_wins(cohort: Cohort) -> None:
    """CHIEF scores the slide too, because its slide embedding is wanted, but nothing uses it."""
    with h5py.File(cohort.folder / "results/tumour/own.h5") as file:
        assert set(file["tumour_score"][:]) == {2.0}
    tiles = json.loads((cohort.folder / "results/attention/own.geojson").read_text())["features"]
    found = [tile["properties"]["measurements"]["attention"] for tile in tiles]
    assert found == [1.0, 3.0]


def test_tumour_scores_come_from_chief_where_the_sheet_has_none(cohort: Cohort) -> None:
    results = cohort.folder / "results"
    xy, values = read_attention(results / "chief/attention/scored.csv")
    with h5py.File(results / "tiles/scored.h5") as file:
        coords = file["coords"][:]
    with h5py.File(results / "tumour/scored.h5") as file:
        expected = tile_scores(coords, 224, xy, 512, values)
        np.testing.assert_array_equal(file["tumour_score"][:], expected)


def test_qupath_gets_attention_tiles_with_class_and_measurement(cohort: Cohort) -> None:
    data = json.loads((cohort.folder / "results/attention/scored.geojson").read_text())
    assert data["type"] == "FeatureCollection"
    assert len(data["features"]) == 6
    for tile in data["features"]:
        properties = tile["properties"]
        assert properties["objectType"] == "tile"
        assert len(properties["classification"]["color"]) == 3
        assert isinstance(properties["measurements"]["attention"], float)
        (ring,) = tile["geometry"]["coordinates"]
        assert ring[2] == [ring[0][0] + 512, ring[0][1] + 512]


def test_slide_without_tissue_has_empty_files_and_a_reason(cohort: Cohort) -> None:
    results = cohort.folder / "results"
    text = (results / "chief/attention/glass.csv").read_text()
    assert text == "x_coord,y_coord,attention_value\n"
    source = json.loads((results / "chief/attention/glass.csv.provenance.json").read_text())
    assert source["status"] == "no_tissue"
    assert json.loads((results / "attention/glass.geojson").read_text())["features"] == []
    assert Image.open(results / "attention/glass.png").size[0] > 500


def test_slide_embeddings_are_means_and_weighted_means(cohort: Cohort) -> None:
    results = cohort.folder / "results"
    folder = results / "slide_embeddings/stain_texture/masked"
    with h5py.File(results / "features/stain_texture/masked/scored.h5") as file:
        features, index = file["features"][:].astype(float), file["tile_index"][:]
    with h5py.File(results / "tumour/scored.h5") as file:
        weights = softmax(file["tumour_score"][:][index])
    for name, expected in (("mean", features.mean(axis=0)), ("attention", weights @ features)):
        table = pd.read_csv(folder / f"{name}.tsv", sep="\t").set_index("wsi")
        assert table.index.tolist() == ["scored", "own"]
        assert table.columns.tolist() == [f"feat_{i}" for i in range(features.shape[1])]
        np.testing.assert_allclose(table.loc["scored"], expected, rtol=1e-5, atol=1e-6)
        with h5py.File(folder / name / "scored.h5") as file:
            np.testing.assert_allclose(file["features"][:], expected, rtol=1e-5, atol=1e-6)
        slides = pd.read_csv(folder / f"{name}_slides.tsv", sep="\t").set_index("slide")
        assert slides["status"].to_dict() == {"scored": "ok", "own": "ok", "glass": "no_tissue"}


def test_chiefs_slide_embedding_weighs_its_own_features(cohort: Cohort) -> None:
    results = cohort.folder / "results"
    table = pd.read_csv(results / "slide_embeddings/thin/whole/chief.tsv", sep="\t")
    table = table.set_index("wsi")
    assert table.shape == (2, 768)
    with h5py.File(results / "chief/features/scored.h5") as file:
        features = file["features"][:].astype(float)
    raw = read_network(cohort.folder / "chief.pth").raw_attention(features)
    np.testing.assert_allclose(table.loc["scored"], softmax(raw) @ features, rtol=1e-4, atol=1e-6)
    # Both slides show the same image.
    np.testing.assert_array_equal(table.loc["scored"], table.loc["own"])


def test_without_the_section_nothing_is_added(cohort: Cohort) -> None:
    config = {k: v for k, v in cohort.config.items() if k not in {"attention", "slide_embeddings"}}
    plain = Cohort(cohort.folder, cohort.workflow, config)
    rules = plain.rules()
    new = {"encode_chief_tiles", "score_chief_attention", "draw_attention", "pool_slide"}
    assert not new & set(rules)
    assert rules["choose_tumour_threshold"] == 1
    of_sheet = plain.jobs("--forcerun", "draw_attention", attention={"from": "sheet"})
    drawn = [job.wildcards for job in of_sheet if job.rule == "draw_attention"]
    assert drawn == ["slide=own"]


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        ({"attention": {"from": "chief"}}, ["attention", "checkpoint"]),
        ({"attention": {"from": "clam"}}, ["clam", "chief"]),
        ({"attention": {"from": "sheet", "ordr": 1}}, ["ordr"]),
        ({"attention": {"from": "sheet"}}, ["'chief' needs CHIEF"]),
        ({"slide_embeddings": ["median"]}, ["median", "mean"]),
    ],
)
def test_mistakes_are_named(cohort: Cohort, change: dict[str, object], messages: list[str]) -> None:
    done = cohort.snakemake("--dry-run", **change)
    assert done.returncode != 0
    for message in messages:
        assert message in done.stdout + done.stderr
