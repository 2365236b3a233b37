"""The configuration as a whole; what it refuses: tests/bad_input/test_bad_configuration.py."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, get_args

import pytest
import yaml

from helpers import ROOT
from helpers.cohorts import in_another_form
from histohet.config import Config, NamedVariant, OwnVariant, read_config, varied
from plan.variants import VARIANTS

DEMO: dict[str, Any] = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
EXAMPLE: dict[str, Any] = yaml.safe_load((ROOT / "config/config.yaml").read_text())


def test_the_example_says_the_defaults() -> None:
    defaults = read_config({"slides": "config/slides.tsv"})
    assert read_config(EXAMPLE) == defaults
    # And leaves none out, but for sections that are optional.
    assert set(EXAMPLE) == set(defaults.canonical())
    for name, section in defaults.canonical().items():
        if isinstance(section, dict):
            assert set(EXAMPLE[name]) == set(section)


def test_order_number_types_and_defaults_written_out_change_nothing() -> None:
    config = read_config(DEMO)
    for form in (in_another_form(DEMO), config.canonical(), in_another_form(config.canonical())):
        assert repr(read_config(form).canonical()) == repr(config.canonical())


@pytest.mark.parametrize(
    "change",
    [
        {"tiles": {"tile_um": 112.5}},
        {"clinical": [DEMO["clinical"][0] | {"patient": "id"}]},
        {"analyses": [DEMO["analyses"][0] | {"slides": "max"}]},
        {"clustering": {"reach": None}},
    ],
)
def test_another_meaning_is_another_form(change: dict[str, Any]) -> None:
    assert read_config(DEMO | change).canonical() != read_config(DEMO).canonical()


def test_a_preset_is_filled_in_where_the_analysis_says_nothing() -> None:
    one, other = read_config(
        DEMO | {"analyses": [{"preset": "hetmap_stad", "trim": None}, {"preset": "pathomch_luad"}]}
    ).analyses
    assert (one.name, one.slides, one.trim) == ("hetmap_stad", "first_diagnostic", None)
    assert [covariate.name for covariate in one.covariates] == ["age", "T", "N"]
    assert other.canonical()["grouping"] == {"low_at_most": 0.3, "high_above": 0.7}
    assert "preset" not in other.canonical()


def test_a_variant_has_its_own_settings_in_place() -> None:
    own = {"name": "few", "clustering": {"q": 10.0}, "encoder": {"name": "uni"}}
    config = read_config(DEMO | {"variants": ["full", own]})
    variant = config.variants[1]
    assert isinstance(variant, OwnVariant)
    changed = varied(config, variant.settings)
    assert (changed.clustering.q, changed.encoder.name) == (10, "uni")
    # What it does not name stays; of the encoder, nothing.
    assert changed.clustering.restarts == config.clustering.restarts == 6
    assert changed.tissue == config.tissue


def test_every_variant_has_a_name_in_the_configuration() -> None:
    assert get_args(NamedVariant) == tuple(VARIANTS)


def test_what_is_given_is_not_changed() -> None:
    given = deepcopy(DEMO)
    read_config(given)
    assert given == DEMO


def test_every_key_is_described() -> None:
    def undescribed(model: type, prefix: str = "") -> list[str]:
        return [
            f"{prefix}{name}"
            for name, field in model.model_fields.items()  # type: ignore[attr-defined]
            if not field.description and not hasattr(field.annotation, "model_fields")
        ]

    assert undescribed(Config) == []


def test_a_class_is_not_both_epithelium_and_taken_out_of_it() -> None:
    epithelium = {"class_names": ["Tumor", "necrosis"]}
    with pytest.raises(ValueError, match="excluded_names: 'Necrosis' is also one of"):
        read_config({"slides": "config/slides.tsv", "epithelium": epithelium})
    epithelium["excluded_names"] = []
    read_config({"slides": "config/slides.tsv", "epithelium": epithelium})
