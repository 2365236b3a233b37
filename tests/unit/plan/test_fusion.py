"""Networks and vectors in the plan of a fusion."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plan.interface import PlanError
from plan.plan import Plan, make_plan

CLINICAL = {
    "table": "clinical.tsv",
    "patient": "id",
    "endpoints": {
        "LM": {"time": "t", "unit": "days", "event": "s", "events": [1], "censored": [0]}
    },
}
FUSION = {"endpoint": "LM", "blocks": ["slide", "mil"], "folds": 2, "repeats": 2}
MIL = "results/fusion/mil"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slides.tsv").write_text("slide\tpatient\tpath\na\tp\ta.svs\nb\tp\tb.svs\n")
    for name in ("a.svs", "b.svs"):
        (tmp_path / name).touch()
    return tmp_path


def planned(*, blocks: tuple[str, ...] = ("slide", "mil"), **fusion: Any) -> Plan:
    section = FUSION | {"blocks": list(blocks)} | fusion
    return make_plan({"slides": "slides.tsv", "clinical": [CLINICAL], "fusion": section})


def of(**wildcards: str) -> Any:
    return SimpleNamespace(**wildcards)


def test_there_are_networks_for_every_split_and_for_the_model_that_is_kept() -> None:
    fusion = planned().fusion
    assert fusion.networks(of(repeat="2")) == [
        f"{MIL}/networks/2_1.safetensors",
        f"{MIL}/networks/2_2.safetensors",
    ]
    assert fusion.networks(of(repeat="0")) == fusion.network(of())
    assert fusion.predicted(of()) == [f"{MIL}/predicted/{number}.tsv" for number in (0, 1, 2)]
    assert fusion.predicted_of_everybody(of()) == fusion.predicted(of())[:1]
    assert fusion.features(of()) == [
        f"results/features/stain_texture/masked/{slide}.h5" for slide in "ab"
    ]
    assert fusion.features_of_slide(of(slide="b")) == fusion.features(of())[1]
    assert fusion.attention(of()) == [f"{MIL}/attention/{slide}.png" for slide in "ab"]
    assert fusion.slides(of()) == ["results/slide_embeddings/stain_texture/masked/mean_slides.tsv"]


def test_without_the_block_there_is_none_of_it() -> None:
    fusion = planned(blocks=("slide",)).fusion
    for files in (fusion.bags, fusion.predicted, fusion.network, fusion.applied):
        assert files(of()) == []
    with pytest.raises(PlanError, match=r"fusion\.blocks: there is no 'mil'"):
        fusion.attention(of())
    assert planned(blocks=("mil",)).fusion.slides(of()) == []


def test_folds_depend_on_nothing_that_deals_nobody_anew() -> None:
    of_folds = planned().fusion.of_folds
    assert planned(horizons=[12], mil={"epochs": 3}, combine="late").fusion.of_folds == of_folds
    assert planned(folds=3).fusion.of_folds != of_folds
    assert planned(blocks=("mil",)).fusion.of_folds != of_folds


def test_what_makes_vectors_of_slides_is_said() -> None:
    made = planned().fusion.made_by(of())
    expected = {
        "encoder": "stain_texture",
        "weights": "none",
        "tile_um": "112",
        "tile_px": "224",
        "masking": "masked",
        "pooling": "mean",
    }
    assert made["slide"] == expected
    assert made["mil"] == {"masking": "masked"}
    wildcards = of(encoder="stain_texture", masking="masked", pooling="mean")
    assert planned().encoders.made_vectors(wildcards) == expected


def test_vectors_of_others_are_told_by_the_slide_sheet() -> None:
    assert planned().fusion.patients == {}
    tables = {"uni": "vectors.tsv"}
    assert planned(blocks=("uni",), tables=tables).fusion.patients == {"a": "p", "b": "p"}
