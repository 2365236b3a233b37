"""The configuration as a whole; what it refuses: tests/bad_input/test_bad_configuration.py."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, get_args

import pytest
import yaml

from helpers import ROOT
from helpers.cohorts import in_another_form
from histohet.config import Config, NamedVariant, OwnVariant, read_config, varied
from histohet.tiles.settings import Block, TileSpec
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


DENSE = {"name": "resnet50", "dense": {"tokens_um": 28}}


def test_tokens_are_parts_of_tiles() -> None:
    config = read_config({"slides": "config/slides.tsv", "encoder": DENSE})
    assert config.block == Block(4, 1)
    assert config.block.kept == 2
    assert config.row_size == TileSpec(tile_um=28, tile_px=56)
    assert config.row_size.mpp == config.tiles.mpp
    thirds = {"tokens_um": 37.33, "margin": 1}
    found = read_config(
        {
            "slides": "config/slides.tsv",
            "tiles": {"tile_px": 225},
            "encoder": DENSE | {"dense": thirds},
        }
    )
    assert found.block == Block(3, 1)
    assert found.row_size == TileSpec(tile_um=112 / 3, tile_px=75)


def test_without_tokens_tiles_are_what_has_a_row() -> None:
    config = read_config({"slides": "config/slides.tsv", "tiles": {"overlap_um": 56}})
    assert config.block == Block(1, 0)
    assert config.row_size == TileSpec(tile_um=112, tile_px=224, overlap_um=56)


@pytest.mark.parametrize(
    ("dense", "tiles", "message"),
    [
        ({}, {}, "encoder.dense.tokens_um: is missing"),
        ({"tokens_um": 0}, {}, "encoder.dense.tokens_um: 0 must be at least 1"),
        ({"tokens_um": 30}, {}, r"tokens_um: tiles\.tile_um \(112\) is no multiple of 30"),
        ({"tokens_um": 500}, {}, r"tokens_um: tiles\.tile_um \(112\) is no multiple of 500"),
        ({"tokens_um": 28}, {"tile_px": 226}, "226 px .* cannot be divided into 4 tokens"),
        ({"tokens_um": 28}, {"overlap_um": 28}, "tiles that overlap have no tokens"),
        (
            {"tokens_um": 28, "margin": 2},
            {},
            r"margin: tiles of 4 × 4 tokens with a margin of 2 have none to keep",
        ),
        ({"tokens_um": 112}, {}, "margin: tiles of 1 × 1 tokens with a margin of 1"),
    ],
)
def test_tokens_that_are_no_parts_of_tiles_are_refused(
    dense: dict[str, float], tiles: dict[str, float], message: str
) -> None:
    values = {"slides": "config/slides.tsv", "encoder": DENSE | {"dense": dense}, "tiles": tiles}
    with pytest.raises(ValueError, match=message):
        read_config(values)


def test_chief_takes_no_tokens() -> None:
    attention = {"from": "chief", "checkpoint": "c", "encoder": DENSE}
    with pytest.raises(ValueError, match="attention: CHIEF takes one vector for a tile"):
        read_config({"slides": "config/slides.tsv", "attention": attention})
