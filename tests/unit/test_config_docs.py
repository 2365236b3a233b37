"""What is written from the settings is current: `make config-docs`."""

from __future__ import annotations

import yaml
from jsonschema import Draft202012Validator

from helpers import ROOT
from histohet.config_docs import README, SCHEMA, schema, with_tables

CURRENT = "`make config-docs` brings it up to date"


def test_the_schema_is_current() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema(), CURRENT


def test_the_tables_of_keys_are_current() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_tables(text) == text, CURRENT
    for key in ("`tiles.tile_um` | `112`", "`analyses` | `[{name: main}]`", "`header_lines`"):
        assert f"| {key} |" in text


def test_the_schema_knows_the_examples() -> None:
    described = yaml.safe_load(schema())
    Draft202012Validator.check_schema(described)
    validator = Draft202012Validator(described)
    for name in ("config", "demo"):
        validator.validate(yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()))
    preset = {"slides": "slides.tsv", "analyses": [{"preset": "hetmap_stad"}]}
    assert validator.is_valid(preset)
    assert not validator.is_valid({})
    assert not validator.is_valid({"slides": "slides.tsv", "tiles": {"tile_umm": 1}})
