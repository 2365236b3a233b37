"""The published network from slides to maps, on pictures of 75 px: every step as a job."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.slidefiles import write_plain
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.common.tables import read_tsv, write_tsv
from histohet.measures.traits import read_trait_map
from histohet.slides.record import SlideRecord, write_record
from histohet.tiles.file import read_tiles
from histohet.tissue.file import write_tissue
from histohet.tissue.segmentation import Tissue

N, SIDE = 24, 75
LOST, COARSE = "lost", "coarse"
TRAITS: dict[str, Any] = {
    "expression": [{"table": "expression.tsv", "id": "patient"}],
    "wanted": {"A": "GENE"},
    "labels": {"low": 45, "high": 55, "from": "all"},
    "scheme": "published",
    "test": 0.25,
    "validation": 0.25,
    "rounds": 2,
    "best": 1,
    "keep_together": "patient",
    "model": "inception",
    "tiles": "whole",
    "threshold": 0.5,
    "inception": {
        "tile_um": SIDE / 2,
        "tile_px": SIDE,
        "batch": 8,
        "part": 4,
        "norm_momentum": 0.5,
        "most_evaluations": 2,
    },
}
STEPS = (
    *("label_traits", "cut_inception_tiles", "train_inception", "choose_inception_rounds"),
    *("score_inception_tiles", "map_traits"),
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Slides of 2 x 2 tiles, the last of which is glass; coarse noise in those of high patients."""
    folder = tmp_path_factory.mktemp("inception")
    rng = np.random.default_rng(1)
    patients = [f"p{number:02d}" for number in range(N)]
    slides = {f"s_{one}": one for one in patients} | {LOST: "p00", COARSE: "p01"}
    for slide, patient in slides.items():
        block = 5 if int(patient[1:]) >= N // 2 else 1
        grain = rng.integers(60, 200, (2 * SIDE // block, 2 * SIDE // block, 3), np.uint8)
        image = grain.repeat(block, axis=0).repeat(block, axis=1)
        image[SIDE:, SIDE:] = 245
        write_plain(folder / f"{slide}.png", image)
        mpp = 2.0 if slide == COARSE else 0.5
        results, size = folder / "results", {"width": 2 * SIDE, "height": 2 * SIDE}
        record = SlideRecord(slide, f"{slide}.png", mpp=mpp, **size)
        write_record(results / f"preflight/slides/{slide}.json", record)
        tissue = Tissue([shapely.box(0, 0, 2 * SIDE, 2 * SIDE)], 1.0, (245, 245, 245))
        outcome = Outcome(Status.NO_TISSUE, "white") if slide == LOST else OK
        write_tissue(results / f"tissue/{slide}.geojson", slide, tissue, outcome, Provenance())
    sheet = pd.DataFrame({"slide": list(slides), "patient": list(slides.values())})
    sheet["path"] = sheet["slide"] + ".png"
    sheet.to_csv(folder / "slides.tsv", sep="\t", index=False)
    values = pd.DataFrame({"patient": patients, "GENE": range(N)})
    values.to_csv(folder / "expression.tsv", sep="\t", index=False)
    preflight = sheet[["slide", "patient"]].assign(consequence="")
    write_tsv(folder / "results/preflight/slides.tsv", preflight, Provenance())
    return Cohort(folder, ROOT / "workflow", {"slides": "slides.tsv", "traits": TRAITS})


def maps(*slides: str) -> list[str]:
    return [f"results/traits/maps/{slide}.h5" for slide in slides]


def test_a_job_for_every_network(cohort: Cohort) -> None:
    folds = {"scheme": "cross_fitted", "folds": 3, "labels": {"low": 50, "high": 50}}
    traits = TRAITS | folds | {"wanted": {"A": "GENE", "B": "GENE"}}
    found = cohort.rules("--allowed-rules", *STEPS, "--", *maps("s_p03"), traits=traits)
    assert found["train_inception"] == 2 * 3 * 2
    assert found["cut_inception_tiles"] == N + 2
    assert found["choose_inception_rounds"] == 2
    assert "train_traits" not in found


def test_from_slides_to_maps(cohort: Cohort) -> None:
    only = ("--allowed-rules", *STEPS, "--", *maps("s_p03", LOST, COARSE))
    cohort.run("--set-threads", "cut_inception_tiles=1", *only)
    folder = cohort.folder / "results/traits"
    tiles = read_tiles(folder / "inception/tiles/s_p03.h5")
    assert tiles.coords.tolist() == [[0, 0], [SIDE, 0], [0, SIDE]]
    history = read_tsv(folder / "inception/rounds/A/fold_1_round_2.tsv")
    assert len(history) == 2
    assert history["learning_rate"].eq(1e-3).all()
    found = read_trait_map(folder / "maps/s_p03.h5")
    assert found.coords.tolist() == tiles.coords.tolist()
    assert found.logits is not None
    np.testing.assert_array_equal(found.votes, found.logits > 0)
    for slide, reason in ((LOST, "white"), (COARSE, "too coarse")):
        lost = read_trait_map(folder / f"maps/{slide}.h5")
        assert reason in lost.outcome.reason
        assert not len(lost.votes)
    assert not list((cohort.folder / "results").rglob(".partial*"))


def test_what_networks_do_not_depend_on_trains_none_again(cohort: Cohort) -> None:
    only = ("--allowed-rules", *STEPS, "--", *maps("s_p03"))
    changed = cohort.rules(*only, traits=TRAITS | {"threshold": 0.6})
    assert set(changed) == {"choose_inception_rounds", "map_traits"}
    recipe = TRAITS["inception"] | {"learning_rate": 0.01}
    changed = cohort.rules(*only, traits=TRAITS | {"inception": recipe})
    assert changed["train_inception"] == 2
    assert "cut_inception_tiles" not in changed


def test_finished_features_have_no_pixels(cohort: Cohort) -> None:
    sheet = (cohort.folder / "slides.tsv").read_text().splitlines()
    column = ["features", "f.h5"] + [""] * (len(sheet) - 2)
    rows = [f"{line}\t{cell}" for line, cell in zip(sheet, column, strict=True)]
    (cohort.folder / "with_features.tsv").write_text("\n".join(rows))
    (cohort.folder / "f.h5").write_bytes(b"read by nobody here")
    said = cohort.refusal(slides="with_features.tsv")
    assert "traits.model: slide 's_p00' brings finished features" in said


def test_a_network_that_is_trained_again_is_the_same(cohort: Cohort) -> None:
    first = cohort.digests()
    network = "results/traits/inception/rounds/A/fold_1_round_2.h5"
    assert "traits/inception/rounds/A/fold_1_round_2.h5" in first
    cohort.run("--force", "--allowed-rules", "train_inception", "--", network)
    assert cohort.digests() == first
