"""The steps that put blocks together: what they depend on, what they write, a model elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.competing import planted
from helpers.slidefiles import gradient, write_plain
from histohet.common.tables import read_tsv
from plan.paths import FUSION_FIGURES

LM = {
    "time": "time_months",
    "unit": "months",
    "event": "state",
    "events": [1],
    "censored": [0],
    "competing": [2],
}
COVARIATES = [
    {"column": "age", "kind": "numeric"},
    {"column": "grade", "kind": "categorical", "reference": "low"},
]
FUSION = {
    "endpoint": "LM",
    "blocks": ["clinical", "ct"],
    "tables": {"ct": "ct.tsv"},
    "volume": "ct:f_0",
    "horizons": [12, 24],
    "folds": 2,
    "repeats": 1,
}
FOLDER = "results/fusion"
SHOWN = {"draw_fusion", "draw_fusion_flow", "write_checklist"}


def write_tables(folder: Path, n: int, seed: int) -> None:
    """Write clinical data, and features of most patients with what made them."""
    tables, outcome = planted(n, seed, missing=0.25)
    clinical = outcome.join(tables["clinical"]).reset_index(names="id")
    clinical.to_csv(folder / "clinical.tsv", sep="\t", index=False)
    known = tables["ct"].dropna().iloc[:, :8]
    known.insert(0, "batch", ["A", "B"] * (len(known) // 2) + ["A"] * (len(known) % 2))
    features = known.reset_index().to_csv(sep="\t", index=False)
    (folder / "ct.tsv").write_text("# engine: z-rad 26.9.0\n" + features)


def cohort_in(folder: Path, n: int, seed: int, **fusion: Any) -> Cohort:
    folder.mkdir(exist_ok=True)
    write_plain(folder / "a.png", gradient(50, 50))
    (folder / "slides.tsv").write_text("slide\tpath\tmpp\na\ta.png\t0.5\n")
    write_tables(folder, n, seed)
    config = {
        "slides": "slides.tsv",
        "clinical": [{"table": "clinical.tsv", "patient": "id", "endpoints": {"LM": LM}}],
        "analyses": [{"name": "main", "covariates": COVARIATES}],
        "fusion": FUSION | fusion,
    }
    return Cohort(folder, ROOT / "workflow", config)


def test_it_takes_slides_only_where_a_block_is_made_of_them(tmp_path: Path) -> None:
    cohort = cohort_in(tmp_path, 20, 1)
    alone = {"read_clinical", "fuse", "save_fusion_model"} | SHOWN
    assert set(cohort.rules("fusion")) == alone
    of_slide = set(cohort.rules("fusion", fusion=FUSION | {"blocks": ["ct", "slide"]}))
    assert of_slide > alone | {"encode_tiles", "collect_slide_embeddings"}
    assert not of_slide & {"cluster_tiles", "measure_slide", "collect_slides"}
    blocks = ["clinical", "ct", "slide", "heterogeneity"]
    found = set(cohort.rules("fusion", fusion=FUSION | {"blocks": blocks}))
    assert found > alone | {"collect_slide_embeddings", "collect_slides"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"analyses": [{"name": "main"}]}, "covariates of analysis 'main', which has none"),
        ({"fusion": FUSION | {"pooling": "attention"}}, "fusion.pooling: 'attention' weighs"),
        ({"fusion": FUSION | {"blocks": ["ct", "clinic"]}}, "'clinic' is none of"),
    ],
)
def test_mistakes_in_the_configuration_are_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    assert message in cohort_in(tmp_path, 20, 1).refusal(**change)


def test_a_run_fuses_and_another_applies_its_model(tmp_path: Path) -> None:
    cohort = cohort_in(tmp_path / "first", 80, 3)
    cohort.run("fusion")
    folder = cohort.folder / FOLDER
    estimates = pd.read_csv(folder / "cross_validated/estimates.tsv", sep="\t")
    assert (estimates["status"] == "ok").all()
    assert set(estimates["patients"]) == {"all", "complete"}
    patterns = pd.read_csv(folder / "cross_validated/patterns.tsv", sep="\t")
    assert patterns["n"].sum() == 80
    subgroups = pd.read_csv(folder / "cross_validated/subgroups.tsv", sep="\t")
    assert subgroups["group"].tolist() == ["A", "B", "unknown"]
    assert subgroups["n"].sum() == 80
    pictures = {f"{name}.{kind}" for name in FUSION_FIGURES for kind in ("png", "svg")}
    there = {file.name for file in (folder / "cross_validated").iterdir()}
    assert there > pictures | {"flow.tsv", "flow.png", "checklist.html", "features.html"}
    checklist = read_tsv(folder / "cross_validated/checklist.tsv").set_index(["checklist", "item"])
    assert checklist.loc[("TRIPOD+AI", "23b"), "answer"].startswith("batch A: n ")
    assert "MIT" in checklist.loc[("METRICS", "29"), "answer"]
    assert checklist.loc[("METRICS", "27"), "status"] == "open"
    assert checklist.loc[("CLEAR", "22"), "status"] == "open"  # features come from elsewhere
    model = json.loads((folder / "model.json").read_text())
    assert model["blocks"]["ct"]["made_by"] == {"engine": "z-rad 26.9.0"}

    named = str(folder / "model.json")
    other = cohort_in(tmp_path / "second", 60, 4, model=named)
    assert set(other.rules("fusion")) == {"read_clinical", "apply_fusion_model"} | SHOWN
    other.run("fusion")
    applied = pd.read_csv(other.folder / FOLDER / "applied/estimates.tsv", sep="\t")
    assert set(applied["model"]) == {"nothing", "clinical + ct"}
    assert (other.folder / FOLDER / "applied/fusion.png").stat().st_size > 10_000
    answers = read_tsv(other.folder / FOLDER / "applied/checklist.tsv")
    answers = answers.set_index(["checklist", "item"])["answer"]
    assert "trained on 80 patients; applied to 60 here" in answers[("METRICS", "27")]

    features = (other.folder / "ct.tsv").read_text()
    (other.folder / "ct.tsv").write_text(features.replace("z-rad 26.9.0", "pyradiomics 3.0.1"))
    failed = other.snakemake("--cores", "1", "fusion")
    assert failed.returncode != 0
    assert "features of block 'ct' come from engine pyradiomics 3.0.1" in failed.stderr
