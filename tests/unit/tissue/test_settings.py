"""Presets and what stands in place of them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from histohet.common.settings import explain
from histohet.tissue.settings import (
    TISSUE_PRESETS,
    TissueOverrides,
    TissueParameters,
    TissueSettings,
)

BIOPSY = TISSUE_PRESETS["bwh_biopsy"]


def test_published_defaults_and_presets() -> None:
    """FORMATS: CLAM's create_patches_fp.py and its preset files."""
    expected = {
        "default": (8, 7, 4, 100, 16, 8),
        "bwh_biopsy": (15, 11, 2, 1, 1, 2),
        "bwh_resection": (15, 11, 4, 100, 16, 8),
        "tcga": (8, 7, 4, 16, 4, 8),
    }
    found = {
        name: (p.sthresh, p.mthresh, p.close, p.a_t, p.a_h, p.max_n_holes)
        for name, p in TISSUE_PRESETS.items()
        if name in expected
    }
    assert found == expected
    assert set(TISSUE_PRESETS) - set(expected) == {"core"}


def test_overrides_stand_in_place_of_the_preset() -> None:
    settings = TissueSettings(preset="tcga", overrides=TissueOverrides(sthresh=20))
    assert settings.parameters == TISSUE_PRESETS["tcga"].model_copy(update={"sthresh": 20})
    # So does a value that is the default of another preset.
    assert TissueSettings(**{"preset": "bwh_biopsy", "overrides": {"sthresh": 8.0}}).parameters == (
        BIOPSY.model_copy(update={"sthresh": 8})
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"preset": "biopsy"},
            "preset: there is no tissue preset 'biopsy'; did you mean bwh_biopsy?",
        ),
        ({"overrides": {"sthres": 3}}, "overrides.sthres: unknown key; did you mean sthresh?"),
        ({"overrides": {"max_ink": 2}}, "overrides.max_ink: 2 must be at most 1"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        TissueSettings(**wrong)
    assert message in explain(error.value, wrong)


def test_a_median_blur_has_a_middle() -> None:
    with pytest.raises(ValidationError, match="the side of a median blur is odd, got 4"):
        TissueParameters(mthresh=4)
