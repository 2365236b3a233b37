"""Noise predicts nothing, whatever the model and the filter (about 4 min of a core)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.competing import four_of_noise, noise
from helpers.honesty import FILTERS, inside_and_first, of_all_models

SEEDS = 40


@pytest.mark.parametrize("filters", FILTERS)
def test_noise_predicts_nothing_by_any_model(filters: str) -> None:
    found = pd.DataFrame(
        [
            of_all_models(*four_of_noise(60, 1000, seed), FILTERS[filters], seed)
            for seed in range(SEEDS)
        ]
    ).mean()
    assert len(found) == 14
    assert found.between(0.45, 0.55).all(), found


def test_features_chosen_by_everybody_first_find_what_is_not_there() -> None:
    pairs = []
    for seed in range(SEEDS):
        blocks, outcome = noise(60, 1000, seed)
        pairs.append(inside_and_first(blocks["ct"], outcome, seed))
    inside, first = np.mean(pairs, axis=0)
    assert inside == pytest.approx(0.5, abs=0.05)
    assert first > 0.8
