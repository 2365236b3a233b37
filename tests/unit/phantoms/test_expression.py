"""Bulk expression of phantoms: what it says of their tiles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from histohet.phantoms.expression import GENES, NOISE, expression_table, tile_traits
from histohet.phantoms.phenotype import NAMES, PATTERNS, SLIDE_SPREAD, SUBCLONE_SPREAD, TRAITS
from histohet.phantoms.plan import plan_cohort
from histohet.phantoms.render import design_phantom, planned_scores
from histohet.phantoms.settings import PhantomSettings


def test_a_tile_expresses_what_its_subclone_shows() -> None:
    truth = pd.DataFrame(
        {
            "x": [0, 10, 20, 30, 40],
            "y": 0,
            "epithelium_fraction": [0.9, 0.9, 0.1, 0.9, 0.9],
            "subclone": [1, 2, 1, 0, -1],
        }
    )
    scores = np.full((3, len(NAMES)), -1.0)
    scores[0, NAMES.index("mucin")] = 9  # goblet cells of normal epithelium
    scores[1, NAMES.index("mucin")] = 2.6
    scores[1, NAMES.index("nuclear_layer_um")] = 0.7
    scores[2, NAMES.index("nuclear_layer_um")] = 0.8
    scores[2, NAMES.index("mucin")] = 2.4
    found = tile_traits(truth, scores)
    assert found["x"].tolist() == [0, 10, 30, 40]
    assert found["MUC"].tolist() == [1, 0, 1, 0]
    assert found["STRAT"].tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("gene", "patterns", "in_normal"),
    [
        ("MUC", {"mucinous"}, True),
        ("STRAT", {"cribriform", "micropapillary", "trabecular", "solid"}, False),
    ],
)
def test_growth_patterns_express_what_they_are_named_for(
    gene: str, patterns: set[str], in_normal: bool
) -> None:
    trait, above = GENES[gene]
    scores = {name: pattern.get(trait, 0.0) for name, pattern in PATTERNS.items()}
    assert {name for name, score in scores.items() if score > above} == patterns
    assert (TRAITS[trait].normal_score > above) == in_normal
    # A pattern is on the other side by chance in less than a subclone of twenty.
    spread = float(np.hypot(SUBCLONE_SPREAD, SLIDE_SPREAD))
    assert min(abs(score - above) for score in scores.values()) > 1.65 * spread


def test_expression_is_the_share_of_tiles_and_noise() -> None:
    tiles = [pd.DataFrame(dict.fromkeys(GENES, [1] * n + [0] * (100 - n))) for n in range(100)]
    found = expression_table([f"p{n}" for n in range(100)], tiles, seed=1)
    for gene in GENES:
        residual = found[gene] - np.arange(100) / 100
        assert residual.std() == pytest.approx(NOISE, rel=0.3)
    pd.testing.assert_frame_equal(found, expression_table(list(found["patient"]), tiles, seed=1))


def test_scores_are_those_that_the_slide_is_made_with() -> None:
    settings = PhantomSettings(n_slides=1, epithelial_tiles=40, seed=3)
    (plan,) = plan_cohort(settings)
    np.testing.assert_array_equal(planned_scores(plan), design_phantom(plan).scores)
