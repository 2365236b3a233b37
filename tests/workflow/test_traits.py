"""The steps of trait models on a cohort of embeddings, and what they depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.traits import Planted, planted
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.common.tables import read_tsv, write_tsv
from histohet.features.file import feature_file, write_no_features
from histohet.features.slide_vectors import write_slide_embedding
from histohet.measures.traits import read_trait_map
from histohet.slides.record import SlideRecord, write_record
from histohet.tiles.file import TileTable, tile_attributes
from histohet.tiles.settings import TileSpec

N, TILES, SIDE = 44, 100, 224
TRAITS: dict[str, Any] = {
    "expression": [{"table": "expression.tsv", "id": "patient"}],
    "wanted": {"A": "GENE"},
    "labels": {"low": 40, "high": 60},
    "folds": 2,
    "rounds": 2,
    "site_pattern": "^(..)-",
}
LOST = "lost"
STEPS = ("label_traits", "train_traits", "map_traits", "draw_trait_map", "evaluate_traits")


@pytest.fixture(scope="module")
def one() -> Planted:
    return planted(N, TILES, 8, 1, effect=3)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory, one: Planted) -> Cohort:
    folder = tmp_path_factory.mktemp("traits")
    slides = {f"s{patient}": patient for patient in one.patients} | {LOST: one.patients[0]}
    sheet = pd.DataFrame({"slide": list(slides), "patient": list(slides.values())})
    sheet["path"] = "slide.png"
    (folder / "slide.png").write_bytes(b"read by nobody here")
    sheet.to_csv(folder / "slides.tsv", sep="\t", index=False)
    values = pd.DataFrame({"patient": one.patients, "GENE": one.share})
    values.to_csv(folder / "expression.tsv", sep="\t", index=False)
    spec = TileSpec(tile_um=112, tile_px=SIDE)
    for slide, tiles in zip(slides, [*one.tiles, None], strict=True):
        write_slide(folder / "results", slide, tiles, spec)
    preflight = sheet[["slide", "patient"]].assign(consequence="")
    write_tsv(folder / "results/preflight/slides.tsv", preflight, Provenance())
    return Cohort(folder, ROOT / "workflow", {"slides": "slides.tsv", "traits": TRAITS})


def write_slide(results: Path, slide: str, tiles: np.ndarray | None, spec: TileSpec) -> None:
    """Write what the steps before write of a slide; of one without tissue, that it has none."""
    name, size = "stain_texture/masked", (10 * SIDE, 10 * SIDE)
    outcome = OK if tiles is not None else Outcome(Status.NO_TISSUE, "white")
    place = np.arange(TILES)
    coords = np.stack([place % 10, place // 10], axis=1) * SIDE
    table = TileTable(coords, tile_attributes(slide, spec, 0.5, size, ""), outcome)
    features = results / f"features/{name}/{slide}.h5"
    if tiles is None:
        write_no_features(features, table, outcome, "stain_texture", Provenance())
    else:
        with feature_file(features, table, place, 8, "stain_texture", Provenance()) as file:
            file.append(tiles.astype(np.float32))
    vector = np.empty(0) if tiles is None else tiles.mean(0)
    write_slide_embedding(
        results / f"slide_embeddings/{name}/mean/{slide}.h5",
        slide,
        vector.astype(np.float32),
        table,
        "stain_texture",
        Provenance(),
    )
    width, height = size
    record = SlideRecord(slide, "slide.png", width=width, height=height, mpp=0.5)
    write_record(results / f"preflight/slides/{slide}.json", record)
    picture = results / f"thumbnails/{slide}.jpg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (200, 200), (180, 120, 170)).save(picture)


def targets(one: Planted) -> list[str]:
    pictures = [f"results/traits/pictures/A/{name}.png" for name in (f"s{one.patients[3]}", LOST)]
    return ["results/traits/table_1.tsv", *pictures]


def test_from_expression_to_table_one(cohort: Cohort, one: Planted) -> None:
    only = ("--allowed-rules", *STEPS, "--", *targets(one))
    cohort.run(*only)
    folder = cohort.folder / "results/traits"
    table = read_tsv(folder / "table_1.tsv").set_index(["by", "set", "unit"])
    assert table.loc[("model", "test", "patient"), "auc"] > 0.9
    assert {by for by, *_ in table.index} == {
        "model",
        "site alone, leave one out",
        "number of tiles alone",
        "colour of the slide alone",
    }
    assert table.loc[("number of tiles alone", "test", "patient"), "auc"] == 0.5
    splits = read_tsv(folder / "splits.tsv")
    assert splits.groupby("site")["fold"].nunique().max() == 1
    slide = f"s{one.patients[3]}"
    found = read_trait_map(folder / f"maps/{slide}.h5")
    assert found.unseen == {"A": True}
    assert found.expression["A"] == pytest.approx(one.share[3])
    as_sheet = read_trait_map(folder / f"maps/{slide}.tsv")
    np.testing.assert_array_equal(as_sheet.votes, found.votes)
    lost = read_trait_map(folder / f"maps/{LOST}.h5")
    assert (lost.outcome.status, lost.outcome.reason) == (Status.NO_TISSUE, "white")
    first = cohort.digests()
    assert "traits/pictures/A/lost.geojson" in first
    cohort.run("--force", *only)
    assert cohort.digests() == first


def test_what_labels_do_not_depend_on_labels_nobody_again(cohort: Cohort, one: Planted) -> None:
    only = ("--allowed-rules", *STEPS, "--", *targets(one))
    changed = cohort.rules(*only, traits=TRAITS | {"threshold": 0.5})
    assert "label_traits" not in changed
    assert changed["train_traits"] == 1
    assert cohort.rules(*only, traits=TRAITS | {"rounds": 3})["label_traits"] == 1
    assert not cohort.rules(*only, traits=TRAITS | {"controls": ["sex"]})


def test_bad_expression_stops_before_anything_is_encoded(cohort: Cohort) -> None:
    traits = TRAITS | {"wanted": {"A": "GEN"}}
    done = cohort.snakemake(
        *("--cores", "1", "--allowed-rules", "label_traits", "--force"),
        *("--", "results/traits/labels.tsv"),
        traits=traits,
    )
    assert done.returncode != 0
    log = (cohort.folder / "results/logs/label_traits.log").read_text()
    assert "trait 'A': 'GEN' is in none of expression.tsv; did you mean GENE?" in log
