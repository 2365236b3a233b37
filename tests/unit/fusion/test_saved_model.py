"""A model on disk: the same again, applied elsewhere, and refused where it does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.competing import blocks_of, planted
from histohet.common.provenance import Provenance
from histohet.fusion.blocks import Block
from histohet.fusion.errors import FusionError
from histohet.fusion.estimates import NOTHING
from histohet.fusion.saved_model import (
    SavedModel,
    apply_model,
    fit_to_all,
    read_model,
    write_model,
)
from histohet.fusion.settings import FusionSettings

TABLES, OUTCOME = planted(120, 6, missing=0.2)
SETTINGS = FusionSettings(
    endpoint="LM", blocks=("clinical", "ct"), tables={"ct": "ct.tsv"}, folds=3, horizons=(24, 36)
)
MADE = {"engine": "z-rad 26.9.0", "bin_width_hu": "25"}


def two(tables: dict[str, pd.DataFrame]) -> dict[str, Block]:
    blocks = blocks_of(tables)
    ct = Block("ct", tables["ct"], "features", MADE)
    return {"clinical": blocks["clinical"], "ct": ct}


BLOCKS = two(TABLES)


@pytest.fixture(scope="module", params=["early", "late"])
def saved(request: pytest.FixtureRequest) -> SavedModel:
    combine = SETTINGS.model_copy(update={"combine": request.param})
    return fit_to_all(BLOCKS, OUTCOME, combine, 1)


@pytest.fixture
def path(saved: SavedModel, tmp_path: Path) -> Path:
    write_model(tmp_path / "model.json", saved, Provenance())
    return tmp_path / "model.json"


def test_it_is_read_as_it_was_written(saved: SavedModel, path: Path) -> None:
    again = read_model(path)
    before, after = (one.model.incidence(BLOCKS, [24, 36]) for one in (saved, again))
    np.testing.assert_array_equal(before, after)
    assert (again.name, again.endpoint, again.kinds) == (saved.name, "LM", saved.kinds)
    assert again.training == saved.training
    assert again.training["patients"] == 120
    content = path.read_bytes(), path.with_suffix(".safetensors").read_bytes()
    write_model(path, saved, Provenance())
    assert content == (path.read_bytes(), path.with_suffix(".safetensors").read_bytes())


def test_its_own_cohort_gets_the_risks_of_training(saved: SavedModel, path: Path) -> None:
    comparison, notes = apply_model(read_model(path), BLOCKS, OUTCOME, SETTINGS, 1)
    assert notes == []
    risks = comparison.risks.set_index("model").loc[saved.name, "risk_36"]
    expected = saved.model.incidence(BLOCKS, [36])[:, 0]
    np.testing.assert_allclose(risks, expected, atol=1e-12)
    ranked = comparison.estimates.query("measure == 'auc' and horizon_months == 36")
    by_model = ranked.set_index("model")["estimate"]
    assert by_model[saved.name] > 0.6
    assert by_model[NOTHING] == pytest.approx(0.5)


def test_another_cohort_is_predicted_and_not_fitted(path: Path) -> None:
    tables, outcome = planted(60, 9)
    tables["ct"].iloc[:4] = np.nan
    blocks = two(tables)
    first, notes = apply_model(read_model(path), blocks, outcome, SETTINGS, 1)
    turned = outcome.assign(state=outcome["state"].map({0: 0, 1: 2, 2: 1}))
    other, _ = apply_model(read_model(path), blocks, turned, SETTINGS, 1)
    pd.testing.assert_frame_equal(first.risks, other.risks)
    assert not first.estimates.equals(other.estimates)
    assert all("log hazard outside of" in note for note in notes)


def test_what_the_training_patients_never_lacked_is_noted() -> None:
    everybody = planted(80, 3)
    model = fit_to_all(two(everybody[0]), everybody[1], SETTINGS, 1)
    _, notes = apply_model(model, BLOCKS, OUTCOME, SETTINGS, 1)
    lacking = int(TABLES["ct"].isna().all(axis=1).sum())
    assert notes[-1].startswith(f"{lacking} patients lack block 'ct', which all training patients")


def test_a_model_that_does_not_fit_is_refused(path: Path) -> None:
    model = read_model(path)

    def refused(message: str, blocks: dict[str, Block] = BLOCKS, **changed: object) -> None:
        with pytest.raises(FusionError, match=message):
            apply_model(model, blocks, OUTCOME, SETTINGS.model_copy(update=changed), 1)

    other = Block("ct", TABLES["ct"], "features", {"engine": "pyradiomics 3.0.1"})
    refused(
        "features of block 'ct' come from engine pyradiomics 3.0.1; the model was trained with "
        "engine z-rad 26.9.0, bin_width_hu 25: one of them",
        BLOCKS | {"ct": other},
    )
    fewer = Block("ct", TABLES["ct"].drop(columns="f_3"), "features", MADE)
    refused(
        "block 'ct' has no column 'f_3', which the model was trained with", BLOCKS | {"ct": fewer}
    )
    refused("needs block 'ct', which is not in fusion.blocks", {"clinical": BLOCKS["clinical"]})
    refused("the model predicts LM, this run asks for OS", endpoint="OS")
    refused("horizon 60: the model was trained for 24, 36 months", horizons=(24, 60))


def test_damaged_files_are_refused(path: Path, tmp_path: Path) -> None:
    def refused(message: str) -> None:
        with pytest.raises(FusionError, match=message):
            read_model(path)

    about, numbers = path.read_text(), path.with_suffix(".safetensors")
    content = numbers.read_bytes()
    numbers.write_bytes(content[:-1])
    refused("is not the file that .*model.json was written with: copy both together")
    numbers.unlink()
    refused("cannot be read: .*No such file")
    numbers.write_bytes(content)
    path.write_text(about.replace("fusion 1", "fusion 9"))
    refused("is no 'histohet fusion 1' but 'histohet fusion 9'")
    path.write_text(about[:-9])
    refused("is not valid JSON")
    broken = json.loads(about)
    del broken["blocks"]["ct"]["columns"]
    path.write_text(json.dumps(broken))
    refused("is damaged: KeyError")


def test_too_few_events_give_no_model() -> None:
    few = OUTCOME.assign(state=0)
    with pytest.raises(FusionError, match="0 events among 120 patients: 3 folds need at least 6"):
        fit_to_all(BLOCKS, few, SETTINGS, 1)
