"""The section `fusion`: what is refused, and how it is put."""

from __future__ import annotations

from typing import Any

import pytest

from histohet.config import read_config

OS = {"time": "t", "unit": "days", "event": "e", "events": [1], "censored": [0]}
CLINICAL = [{"table": "c.tsv", "patient": "id", "endpoints": {"OS": OS}}]
GOOD = {"endpoint": "OS", "blocks": ["slide", "ct"], "tables": {"ct": "ct.tsv"}}


def read(section: dict[str, Any], **others: Any) -> None:
    read_config({"slides": "slides.tsv", "clinical": CLINICAL, "fusion": section} | others)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"blocks": ["slides"]}, "'slides' is none of 'clinical', 'slide', 'mil', 'heterogeneity'"),
        ({"blocks": ["ct", "mil"], "permutations": 9}, "permutations: the networks of block 'mil'"),
        ({"mil": {"epochs": 0}}, "epochs"),
        ({"blocks": ["slide"]}, "'ct' is not among the 'blocks'"),
        ({"blocks": ["slide", "slide"]}, "slide"),
        (
            {"tables": {"ct": "a.tsv", "slide": "b.tsv"}},
            "'slide' is what the workflow calls",
        ),
        ({"tables": {"ct": "a.tsv", "volume": "b.tsv"}}, "'volume' is what the workflow calls"),
        ({"volume": "volume"}, "'volume' must be '<table>:<column>', of 'ct'"),
        ({"thresholds": [0.5, 0.1]}, "0.5, 0.1 must be ordered"),
        ({"thresholds": [0, 0.1]}, "thresholds"),
        ({"folds": 1}, "folds"),
        ({"horizon": 3}, "horizon"),
        ({"analysis": "mian"}, "no analysis is called 'mian', there are 'main'"),
        ({"pooling": "chief"}, "set attention.from to chief"),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], message: str) -> None:
    read(GOOD)
    with pytest.raises(ValueError, match=message):
        read(GOOD | change)


def test_it_needs_clinical_tables() -> None:
    with pytest.raises(ValueError, match="it needs survival, so the section `clinical`"):
        read_config({"slides": "slides.tsv", "fusion": GOOD})
