"""The step that compares risk models: what it depends on, and what it writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.slidefiles import gradient, write_plain
from histohet.common.provenance import Provenance
from histohet.common.tables import write_tsv

N = 48
OS = {"time": "months", "unit": "months", "event": "dead", "events": [1], "censored": [0]}
COVARIATES = [
    {"column": "age", "kind": "numeric"},
    {"column": "grade", "kind": "categorical", "reference": "2"},
]
COMPARISON = {"folds": 2, "repeats": 1, "horizons": [12, 24]}


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    write_plain(tmp_path / "a.png", gradient(50, 50))
    (tmp_path / "slides.tsv").write_text("slide\tpath\tmpp\na\ta.png\t0.5\n")
    (tmp_path / "clinical.csv").write_text("id,months,dead,age,grade\np,10,1,60,2\n")
    config = {
        "slides": "slides.tsv",
        "clinical": [{"table": "clinical.csv", "patient": "id", "endpoints": {"OS": OS}}],
        "analyses": [{"name": "other"}, {"name": "main", "covariates": COVARIATES}],
        "added_value": {"analysis": "main", **COMPARISON},
    }
    return Cohort(tmp_path, ROOT / "workflow", config)


def test_it_waits_for_its_analysis_and_pools_what_it_needs(cohort: Cohort) -> None:
    found = cohort.rules(variants=["full", "no_mask"])
    assert found["assess_added_value"] == found["collect_slide_embeddings"] == 2
    job = "results/added_value/no_mask/estimates.tsv"
    printed = cohort.snakemake("--dry-run", "--printshellcmds", job, variants=["no_mask"])
    text = printed.stdout + printed.stderr
    assert "results/survival/main/no_mask/patients.tsv" in text
    assert "results/slide_embeddings/stain_texture/whole/mean.tsv" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"added_value": {"analysis": "mian"}}, "no analysis is called 'mian', there are 'other'"),
        ({"added_value": {"pooling": "chief"}}, "set attention.from to chief"),
        ({"added_value": {"pooling": "attention"}}, "no slide has any"),
        ({"added_value": {"fold": 3}}, "fold"),
        ({"added_value": {"folds": 1}}, "folds"),
        ({"added_value": {"horizons": [0]}}, "horizons"),
    ],
)
def test_mistakes_in_the_configuration_are_named(
    cohort: Cohort, change: dict[str, Any], message: str
) -> None:
    done = cohort.snakemake("--dry-run", **change)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr


def write_patients(folder: Path) -> None:
    """Write the inputs of the step, as the steps before it do."""
    rng = np.random.default_rng(3)
    score, age = rng.integers(1, 8, N), rng.normal(60, 10, N).round(1)
    time = rng.exponential(30 * np.exp(-0.4 * (score - 4)))
    event = (time < 40).astype(int)
    names = [f"P{i:02d}" for i in range(N)]
    table = pd.DataFrame(
        {
            "patient": names,
            "slide": [f"S{i:02d}" for i in range(N)],
            "n_slides": 1,
            "n_scored": 1,
            "score": score.astype(float),
            "n_tiles": 100,
            "group": "low",
            "analysed": [i != 5 for i in range(N)],
            "excluded_because": ["no" if i == 5 else "" for i in range(N)],
            "OS_months": np.minimum(time, 40),
            "OS_event": event,
            "DSS_months": np.minimum(time, 40),
            "DSS_event": [int(i in (1, 2)) for i in range(N)],
            "age": age,
            "grade": rng.choice(["1", "2", "3"], N),
        }
    )
    table.loc[0, "slide"] = "S00, extra"
    table.loc[3, "age"] = np.nan
    patients = folder / "results/survival/main/full/patients.tsv"
    patients.parent.mkdir(parents=True)
    write_tsv(patients, table, Provenance())
    embeddings = pd.DataFrame(rng.normal(size=(N, 12))).add_prefix("feat_")
    embeddings.insert(0, "wsi", [f"S{i:02d}" for i in range(N)])
    pooled = folder / "results/slide_embeddings/stain_texture/masked/mean.tsv"
    pooled.parent.mkdir(parents=True)
    write_tsv(pooled, embeddings[embeddings["wsi"] != "S07"], Provenance())


def test_it_writes_a_comparison_per_endpoint(cohort: Cohort) -> None:
    write_patients(cohort.folder)
    target = "results/added_value/full/estimates.tsv"
    only = ("--allowed-rules", "assess_added_value", "--", target)
    cohort.run(*only)
    folder = cohort.folder / "results/added_value/full"
    estimates = pd.read_csv(folder / "estimates.tsv", sep="\t")
    ranked = estimates[estimates["measure"] == "c_index"].set_index(["endpoint", "model"])
    assert len(ranked) == 14
    assert (ranked.loc["OS", "status"] == "ok").all()
    assert (ranked.loc["OS", "n"] == N - 2).all()  # one is not analysed, one has no embedding
    assert (ranked.loc["DSS", "status"] == "not_estimable").all()
    assert ranked.loc["DSS", "reason"].str.startswith("2 events among").all()
    left_out = estimates[estimates["measure"] == "left_out"]
    assert list(left_out["reason"]) == ["no slide embedding: P07"] * 2
    risks = pd.read_csv(folder / "risks.tsv", sep="\t")
    assert set(risks["endpoint"]) == {"OS"}
    assert risks["risk_24"].between(0, 1).all()
    source = json.loads((folder / "estimates.tsv.provenance.json").read_text())
    assert source["parameters"]["comparison"]["folds"] == 2
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {"added_value.svg", "added_value.png", "risks.tsv"} <= set(first)
    cohort.run("--force", *only)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
