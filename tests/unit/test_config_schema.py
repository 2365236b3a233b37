"""The schema of the configuration by itself; what it refuses: tests/bad_input."""

from __future__ import annotations

import pytest
import yaml
from jsonschema import Draft202012Validator

from helpers import ROOT

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
CLINICAL = {
    "table": "clinical.csv",
    "patient": "id",
    "endpoints": {
        "OS": {"time": "t", "unit": "months", "event": "e", "events": [1], "censored": [0]}
    },
}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = yaml.safe_load(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_slides_are_enough_and_needed(validator: Draft202012Validator) -> None:
    assert validator.is_valid({"slides": "slides.tsv"})
    assert validator.is_valid({"slides": "slides.tsv", "clinical": [CLINICAL]})
    assert not validator.is_valid({})
