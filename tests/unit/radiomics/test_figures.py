"""Figures of features: which are stable, which say the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from histohet.radiomics.figures import draw_correlation, draw_stability
from histohet.radiomics.stability import COLUMNS

LOW = {"morph_volume": (0.9, 0.5), "morph_av": (0.8, 0.8), "cm_contrast_3D_comb": (0.2, np.nan)}


def stability(*sources: str) -> pd.DataFrame:
    family = {"morph_volume": "shape", "morph_av": "shape", "cm_contrast_3D_comb": "GLCM"}
    rows = [
        (name, name, family[name], source, 24, 120, 0.9, low[number], 0.95)
        for number, source in enumerate(sources)
        for name, low in LOW.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


@pytest.mark.parametrize(
    ("sources", "min_icc", "counts", "total"),
    [
        (["perturbation"], 0.75, ["2 of 2", "0 of 1"], "2 of 3 features at 0.75 or above"),
        (["perturbation"], 0.85, ["1 of 2", "0 of 1"], "1 of 3 features at 0.85 or above"),
        (["reader", "perturbation"], 0.6, ["1 of 2", "0 of 1"], "1 of 3 features at 0.6 or above"),
        (["perturbation"], None, [], None),
    ],
)
def test_families_are_counted_at_the_threshold_of_the_fusion(
    sources: list[str], min_icc: float | None, counts: list[str], total: str | None
) -> None:
    axes = draw_stability(stability(*sources), min_icc).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["shape", "GLCM"]
    assert [text.get_text() for text in axes.texts] == counts
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    names = {"reader": "other readers", "perturbation": "boundary moved"}
    assert labels == [f"{names[one]}, 24 scans" for one in sources] + [total] * (total is not None)
    dashed = [list(line.get_xdata()) for line in axes.lines if line.get_linestyle() == "--"]
    assert dashed[:1] == ([] if min_icc is None else [[min_icc, min_icc]])


def test_without_draws_there_is_nothing_to_draw() -> None:
    figure = draw_stability(stability()[:0], 0.75)
    assert "no two scans have several masks" in figure.axes[0].texts[0].get_text()


def test_features_that_say_the_same_stand_together() -> None:
    """Two groups by any order of rank, one alone; a constant and one with gaps are left out."""
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=30), rng.normal(size=30)
    values = pd.DataFrame(
        {
            "morph_volume": one,
            "cm_contrast_3D_comb": other,
            "stat_mean": -np.exp(one),
            "stat_var": other**3,
            "stat_skew": rng.normal(size=30),
            "stat_min": 1.0,
            "odd": np.where(one > 0, np.nan, one),
        }
    )
    figure = draw_correlation(values, 0.95)
    axes = figure.axes[0]
    assert axes.get_title(loc="left") == "5 features, 3 groups with |ρ| of 0.95 or above"
    rho = axes.images[0].get_array()
    assert sorted(np.sum(np.asarray(rho) > 0.99, axis=0)) == [1, 2, 2, 2, 2]
    boxes = [patch for patch in axes.patches if not patch.get_fill()]
    assert [patch.get_width() for patch in boxes] == [2, 2]
    for box in boxes:
        first = round(box.get_x() + 0.5)
        assert np.asarray(rho)[first, first + 1] > 0.99
    key = {text.get_text() for text in axes.get_legend().get_texts()}
    assert key == {"shape", "GLCM", "intensity"}


@pytest.mark.parametrize("shape", [(2, 5), (9, 1), (9, 0), (0, 3)])
def test_too_few_scans_or_features_are_said(shape: tuple[int, int]) -> None:
    values = pd.DataFrame(np.random.default_rng(0).normal(size=shape))
    figure = draw_correlation(values, 0.95)
    assert "no three scans with two features" in figure.axes[0].texts[0].get_text()
