"""Settings of tumour clusters and attention."""

from __future__ import annotations

import pytest

from histohet.encoders.settings import EncoderSettings
from histohet.tumour.settings import AttentionSettings, TumourSettings


def test_a_name_is_a_section_of_an_encoder() -> None:
    attention = AttentionSettings.model_validate({"from": "sheet", "encoder": "uni"})
    assert attention.encoder == EncoderSettings(name="uni")
    assert AttentionSettings.model_validate(attention.canonical()) == attention
    assert attention.canonical()["from"] == "sheet"


def test_chief_needs_its_network() -> None:
    with pytest.raises(ValueError, match="checkpoint"):
        AttentionSettings.model_validate({"from": "chief"})


@pytest.mark.parametrize("threshold", ["otsu", 0.25, "results/cohort/thresholds/full.json"])
def test_thresholds(threshold: object) -> None:
    assert TumourSettings.model_validate({"threshold": threshold}).threshold == threshold


def test_no_threshold_is_no_text() -> None:
    with pytest.raises(ValueError, match="threshold"):
        TumourSettings.model_validate({"threshold": ""})
