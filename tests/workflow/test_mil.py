"""Networks on tiles as jobs: what they depend on, reruns, a model elsewhere (four minutes)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from helpers import ROOT
from helpers.bags import needles
from helpers.cohorts import Cohort
from helpers.featurefiles import write_trident
from histohet.common.tables import read_tsv

LM = {
    "time": "time_months",
    "unit": "months",
    "event": "state",
    "events": [1],
    "censored": [0],
    "competing": [2],
}
FUSION = {
    "endpoint": "LM",
    "blocks": ["clinical", "mil"],
    "horizons": [12],
    "folds": 2,
    "repeats": 1,
    "mil": {"tiles": 48, "epochs": 6},
}
MIL = {"list_bags": 1, "deal_folds": 1, "train_mil": 3, "predict_mil": 2}
FUSED = {"fuse": 1, "save_fusion_model": 1, "draw_fusion": 1}
SLIDES, WITHOUT = 16, 2
FOLDER = "results/fusion"


def cohort_in(folder: Path, **fusion: Any) -> Cohort:
    """Patients with a slide each, the first with two, and two without any."""
    planted = needles(SLIDES + WITHOUT, 5, tiles=60, width=8)
    rows = []
    for number, (patient, tiles) in enumerate(list(planted.tiles.items())[:SLIDES]):
        for part, some in enumerate(np.array_split(tiles, 2 if number == 0 else 1)):
            slide = f"{patient}_{part}"
            coords = 448 * np.column_stack([np.arange(len(some)), np.zeros(len(some), int)])
            write_trident(
                folder / f"{slide}.h5",
                some,
                coords,
                side_px=448,
                patch_size=224,
                size=(40_000, 2_000),
                encoder="uni_v1",
            )
            rows.append({"slide": slide, "patient": patient, "features": f"{slide}.h5"})
    pd.DataFrame(rows).assign(mpp=0.25).to_csv(folder / "slides.tsv", sep="\t", index=False)
    clinical = planted.outcome.assign(age=np.arange(len(planted.outcome)) % 7 + 60)
    clinical.reset_index(names="id").to_csv(folder / "clinical.tsv", sep="\t", index=False)
    config = {
        "slides": "slides.tsv",
        "clinical": [{"table": "clinical.tsv", "patient": "id", "endpoints": {"LM": LM}}],
        "analyses": [{"name": "main", "covariates": [{"column": "age", "kind": "numeric"}]}],
        # Whole tiles, so that epithelium matters to no job.
        "variants": ["no_mask"],
        "fusion": FUSION | fusion,
    }
    return Cohort(folder, ROOT / "workflow", config)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    cohort = cohort_in(tmp_path_factory.mktemp("mil"))
    cohort.run("fusion")
    return cohort


def test_networks_are_trained_only_where_the_block_is_wanted(tmp_path: Path) -> None:
    cohort = cohort_in(tmp_path)
    found = cohort.rules("fusion")
    assert {rule: found[rule] for rule in MIL | FUSED} == MIL | FUSED
    assert not found.keys() & {"cluster_tiles", "pool_slide"}
    alone = cohort.rules("fusion", fusion=FUSION | {"blocks": ["clinical"]})
    assert set(alone) == {"read_clinical", *FUSED}
    words = cohort.refusal(fusion=FUSION | {"permutations": 9})
    assert "networks of block 'mil' would have to be trained anew" in words


def test_everybody_is_predicted_by_networks_that_had_not_seen_them(finished: Cohort) -> None:
    folder = finished.folder / FOLDER
    folds = read_tsv(folder / "folds.tsv")
    assert folds.groupby(["repeat", "fold"]).size().to_dict() == dict.fromkeys(
        [(0, 0), (1, 1), (1, 2)], SLIDES + WITHOUT
    )
    assert folds[folds["repeat"] == 1].groupby("patient")["part"].min().eq(0).all()
    predicted = read_tsv(folder / "mil/predicted/1.tsv").set_index(["fold", "patient"])
    assert len(predicted) == 2 * SLIDES
    dealt = folds[folds["repeat"] == 1].set_index(["fold", "patient"])["part"]
    assert (predicted["left_out"] == dealt.reindex(predicted.index).eq(0)).all()
    bags = read_tsv(folder / "mil/bags.tsv")
    assert len(bags) == SLIDES + 1
    assert bags["n_tiles"].sum() == 60 * SLIDES
    assert set(bags["encoder"]) == {"uni_v1"}
    patterns = read_tsv(folder / "cross_validated/patterns.tsv").set_index("has")
    assert patterns["n"].to_dict() == {"clinical, mil": SLIDES, "clinical": WITHOUT}
    estimates = read_tsv(folder / "cross_validated/estimates.tsv")
    assert {"mil", "clinical + mil", "late: clinical + mil"} <= set(estimates["model"])


def test_settings_that_deal_nobody_anew_train_no_network(finished: Cohort) -> None:
    assert finished.rules("fusion") == {}
    changed = finished.rules("fusion", fusion=FUSION | {"thresholds": [0.1, 0.4]})
    assert changed == FUSED
    epochs = FUSION | {"mil": {"tiles": 48, "epochs": 7}}
    changed = finished.rules("fusion", fusion=epochs)
    assert changed == {"train_mil": 3, "predict_mil": 2} | FUSED


def test_the_same_run_gives_the_same_bytes(finished: Cohort) -> None:
    networks = sorted((finished.folder / FOLDER / "mil/networks").iterdir())
    before = [file.read_bytes() for file in networks]
    assert len(before) == 3
    finished.run("--forcerun", "train_mil", "--until", "train_mil", "--", "fusion")
    assert before == [file.read_bytes() for file in networks]
    finished.run("--touch", "--", "fusion")


def test_attention_of_a_slide_is_of_the_network_that_had_not_seen_it(finished: Cohort) -> None:
    picture = f"{FOLDER}/mil/attention/P000_0.png"
    assert finished.rules(picture) == {"draw_mil_attention": 1}
    finished.run(picture)
    assert (finished.folder / picture).stat().st_size > 10_000


def test_a_model_with_a_network_is_applied(finished: Cohort) -> None:
    named = {"model": f"{FOLDER}/model.json"}
    applying = FUSION | named
    assert finished.rules("fusion", fusion=applying) == {
        "apply_mil": 1,
        "apply_fusion_model": 1,
        "draw_fusion": 1,
    }
    finished.run("fusion", fusion=applying)
    folder = finished.folder / FOLDER
    risks = read_tsv(folder / "applied/risks.tsv")
    assert risks[risks["model"] == "clinical + mil"]["risk_12"].between(0, 1).all()
    applied = read_tsv(folder / "mil/applied.tsv")
    assert len(applied) == SLIDES
    assert applied["mil"].mean() == pytest.approx(0, abs=0.2)
