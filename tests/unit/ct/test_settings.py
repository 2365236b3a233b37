"""How scans are prepared and features extracted: what a configuration may say."""

from __future__ import annotations

from typing import Any

import pytest

from histohet.config import read_config

WRONG = [
    ({"ct": {"spacing_mm": 0}}, "ct.spacing_mm: 0 must be at least 0.1"),
    ({"ct": {"spacing_mm": [1, 1]}}, "ct.spacing_mm"),
    ({"ct": {"spacing_mm": "as_is"}}, "ct.spacing_mm: 'as_is' is none of 'as_stored'"),
    ({"ct": {"range_hu": [250, -150]}}, "ct.range_hu: 250 is not below -150"),
    ({"radiomics": {"engine": "zrad"}}, "did you mean z-rad?"),
    (
        {"radiomics": {"engine": "paper", "dimension": "2D"}},
        "radiomics.dimension: engine 'paper' has 3D only, no 2D",
    ),
    ({"ct": {"outliers_sd": 0.5}}, "ct.outliers_sd: 0.5 must be at least 1"),
    ({"ct": {"interpolation": "cubic"}}, "'cubic' is none of 'linear', 'bspline'"),
    ({"ct": {"keep": "first"}}, "ct.keep: 'first' is none of 'all', 'largest'"),
    ({"radiomics": {"families": []}}, "radiomics.families"),
    ({"radiomics": {"families": ["glcm", "glcm"]}}, "radiomics.families"),
    ({"radiomics": {"families": ["texture"]}}, "radiomics.families"),
    (
        {"radiomics": {"engine": "paper", "families": ["shape", "gldzm"]}},
        "radiomics.families: engine 'paper' has no 'gldzm'",
    ),
    ({"radiomics": {"bins": 1}}, "radiomics.bins: 1 must be at least 2"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_what_is_wrong_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="config") as error:
        read_config({"slides": "s.tsv", **changes})
    assert message in str(error.value)


def test_spacing_is_one_side_three_or_that_of_the_scan() -> None:
    for spacing in (1, [1, 1, 2.5], "as_stored"):
        read_config({"slides": "s.tsv", "ct": {"spacing_mm": spacing}})
