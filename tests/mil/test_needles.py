"""Networks find what no mean of tiles tells, and nothing where there is nothing (three minutes)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.bags import Needles, cross_fitted, mil_of, needles
from histohet.fusion.blocks import Block, Filters
from histohet.fusion.cross_validation import cross_validate
from histohet.fusion.folds import deal_splits
from histohet.fusion.models import Fusion
from histohet.fusion.performance import auc, known_by
from histohet.fusion.settings import MilSettings

MONTHS = 12.0


def aucs(cohort: Needles, folder: Path, settings: MilSettings, seed: int = 1) -> dict[str, float]:
    """AUC by `MONTHS` of the networks and of the mean of the tiles, in the same three folds."""
    import pandas as pd

    time, state = (cohort.outcome[name].to_numpy() for name in ("time_months", "state"))
    splits = deal_splits(state, 3, 1, seed)
    means = pd.DataFrame({who: tiles.mean(axis=0) for who, tiles in cohort.tiles.items()}).T
    said = cross_fitted(cohort, cohort.bags(folder), splits, settings, seed)
    blocks = {
        "mil": mil_of(cohort, said),
        "slide": Block("slide", means.add_prefix("feat_"), "vector"),
    }
    models = {name: Fusion((name,)) for name in blocks}
    found = cross_validate(
        blocks, time, state, models, splits, horizons=(MONTHS,), filters=Filters()
    )
    known, once = known_by(time, state, MONTHS), np.ones((1, len(time)))
    return {
        name: float(auc(known, risks[0, 0], found.fold[0], once)[0])
        for name, risks in zip(models, found.incidence, strict=True)
    }


def test_rare_tiles_that_cancel_out_are_found(tmp_path: Path) -> None:
    """Two tiles in a hundred are +v, as many −v: the mean says nothing."""
    found = aucs(needles(90, 1), tmp_path, MilSettings(tiles=128, epochs=15))
    assert found["mil"] > 0.9
    assert found["slide"] < 0.65


def test_noise_predicts_nothing(tmp_path: Path) -> None:
    found = [
        aucs(
            needles(60, seed, tiles=40, width=16, effect=0, months=30),
            tmp_path / str(seed),
            MilSettings(tiles=40, epochs=10),
            seed,
        )["mil"]
        for seed in range(8)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=0.08)
