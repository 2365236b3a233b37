"""What the schema of the configuration refuses, and that the error says where and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml"
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


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        ({"clustering": {"Q": 3}}, ["Q", "clustering"]),
        ({"clustering": {"reach": 0}}, ["reach", "0"]),
        ({"clustering": {"energy": "cosin"}}, ["cosin", "calibrated"]),
        ({"clustering": {"n_init": 0}}, ["n_init"]),
        ({"clustering": {"restarts": -1}}, ["restarts"]),
        ({"tissue": {"preset": "biopsy"}}, ["biopsy", "bwh_biopsy"]),
        ({"tissue": {"overrides": {"mthresh": 6}}}, ["mthresh"]),
        ({"epithelium": {"min_coverage": 25}}, ["25", "min_coverage"]),
        ({"epithelium": {"fill": "grey"}}, ["grey", "white"]),
        ({"encoder": {"kind": "timm", "name": "x"}}, ["model"]),
        ({"encoder": {"name": "../x"}}, ["../x"]),
        ({"encoder": {"name": "uni", "symmetry": "d8"}}, ["d8", "d4"]),
        ({"variants": ["full", "full"]}, ["non-unique"]),
        ({"analyses": [{"name": "a", "grouping": "tertiles"}]}, ["tertiles"]),
        ({"analyses": [{"name": "a", "scor": "n_tiles"}]}, ["analyses[0]", "scor"]),
        ({"analyses": [{"preset": "hetmap"}]}, ["hetmap", "hetmap_stad"]),
        ({"analyses": [{"score": "n_tiles"}]}, ["analyses[0]"]),
        ({"clinical": [{**CLINICAL, "endpoints": {"OS": {"time": "t"}}}]}, ["endpoints"]),
        ({"clinical": [{"table": "clinical.csv", "format": "seer"}]}, ["seer", "cbioportal"]),
        (
            {"clinical": [CLINICAL], "specification_curve": {"groupings": ["best_cut"]}},
            ["specification_curve.groupings", "best_cut"],
        ),
        ({"max_failed_fraction": 2}, ["2", "max_failed_fraction"]),
    ],
)
def test_mistakes_are_named(
    validator: Draft202012Validator, change: dict[str, Any], messages: list[str]
) -> None:
    error = next(validator.iter_errors({"slides": "slides.tsv", **change}))
    text = f"{error.json_path}: {error.message}"
    for message in messages:
        assert message in text
