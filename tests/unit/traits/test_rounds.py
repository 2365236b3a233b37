"""From what networks say of tiles to maps: columns, votes, rows."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import logit

from helpers.tiletables import tile_table
from helpers.traits import settings
from histohet.common.outcome import OK
from histohet.common.provenance import Provenance
from histohet.features.file import feature_file, open_features
from histohet.measures.traits import read_trait_map, write_trait_map
from histohet.traits.expression import TraitError
from histohet.traits.maps import Known, map_traits
from histohet.traits.models import read_model, write_model
from histohet.traits.rounds import (
    Evaluation,
    Round,
    model_of_rounds,
    read_round,
    read_weights,
    write_round,
)
from histohet.traits.settings import INCEPTION, TraitSettings

WANTED = {"A": "A", "B": "B"}


def of_networks(**changes: Any) -> TraitSettings:
    fixed = {"model": INCEPTION, "tiles": "whole", "threshold": 0.5, "wanted": WANTED}
    return settings(**fixed | changes)


def rounds(trait: str, aucs: np.ndarray) -> list[Round]:
    """Of slide AUCs, (folds, rounds)."""
    return [
        Round(trait, fold + 1, number + 1, Evaluation(1e-3, 0.6, 0.5, 0.7, float(value)))
        for (fold, number), value in np.ndenumerate(aucs)
    ]


def test_a_network_comes_back(tmp_path: Path) -> None:
    (one,) = rounds("A", np.array([[0.9]]))
    weights = {"a.weight": np.ones((2, 3), np.float32), "a.number": np.array(4)}
    write_round(tmp_path / "r.h5", one, weights, Provenance())
    assert read_round(tmp_path / "r.h5") == one
    found = read_weights(tmp_path / "r.h5")
    assert {n: (t.shape, t.dtype) for n, t in found.items()} == {
        n: (t.shape, t.dtype) for n, t in weights.items()
    }


@pytest.mark.parametrize("scheme", ["published", "cross_fitted"])
def test_maps_are_votes_or_means_of_the_rounds_that_count(tmp_path: Path, scheme: str) -> None:
    of = of_networks(scheme=scheme, folds=2, rounds=4, best=3, threshold=0.6)
    n, rng = 30, np.random.default_rng(1)
    aucs = {trait: rng.random((of.n_folds, 4)) for trait in WANTED}
    aucs["A"][0] = [0.7, 0.9, 0.7, 0.7]
    logits = rng.normal(0.4, 1, (n, 8)).astype(np.float32)
    index = np.arange(n) * 2
    tiles = tile_table(rng.integers(0, 999, (2 * n, 2)), 0.5, (1000, 1000), tile_um=256)
    with feature_file(tmp_path / "f.h5", tiles, index, 8, INCEPTION, Provenance()) as file:
        file.append(logits)
    models = []
    for trait in WANTED:
        made = model_of_rounds(trait, rounds(trait, aucs[trait]), of)
        write_model(tmp_path / f"{trait}.h5", made, Provenance())
        models.append(read_model(tmp_path / f"{trait}.h5", trait, INCEPTION))
    fold = of.n_folds
    with open_features(tmp_path / "f.h5") as table:
        found = map_traits(table, models, Known(fold, {}, {}), OK)
        write_trait_map(tmp_path / "m.h5", found, table.tiles, table.tile_index, {}, Provenance())
    again = read_trait_map(tmp_path / "m.h5")
    assert again.logits is not None
    assert again.votes.shape == again.logits.shape == (n, 2)
    np.testing.assert_array_equal(again.coords, tiles.coords[index])
    for column, trait in enumerate(WANTED):
        own = logits[:, 4 * column : 4 * column + 4]
        if scheme == "published":
            best = sorted(range(4), key=lambda r: (-aucs[trait][0, r], r))[:3]
            votes = (own[:, best] > logit(0.6)).sum(axis=1) >= 2
            assert models[column].folds[1].about["rounds"] == [one + 1 for one in best]
        else:
            best = list(range(4))
            votes = own.mean(axis=1) > logit(0.6)
        np.testing.assert_array_equal(again.votes[:, column], votes)
        np.testing.assert_allclose(again.logits[:, column], own[:, best].mean(axis=1), atol=1e-6)


def test_a_missing_network_is_named() -> None:
    of = of_networks(folds=2, rounds=2)
    for fold, number in product((1, 2), (1, 2)):
        some = [
            one for one in rounds("B", np.ones((2, 2))) if (one.fold, one.round) != (fold, number)
        ]
        with pytest.raises(TraitError, match=f"'B': no network of fold {fold}, round {number}"):
            model_of_rounds("B", some, of)
    with pytest.raises(TraitError, match="need a number as threshold"):
        model_of_rounds("A", [], settings())
