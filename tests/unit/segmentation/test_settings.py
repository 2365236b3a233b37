"""What the section `segmentation` may say."""

from __future__ import annotations

from typing import Any

import pytest

from histohet.config import read_config

WRONG = [
    ({}, "segmentation.model: is missing"),
    ({"model": "m", "step": 0}, "segmentation.step: 0 must be above 0"),
    ({"model": "m", "step": 2}, "segmentation.step: 2 must be at most 1"),
    ({"model": "m", "folds": []}, "segmentation.folds: must not be empty"),
    ({"model": "m", "folds": [0, 0]}, "segmentation.folds: 0 comes twice"),
    ({"model": "m", "folds": [-1]}, "segmentation.folds[0]: -1 must be at least 0"),
    ({"model": "m", "folds": "0"}, "segmentation.folds: '0' is none of 'all'"),
    ({"model": "m", "lable": "a"}, "segmentation.lable: unknown key; did you mean label?"),
    ({"model": "m", "orientation": "LRS"}, "segmentation.orientation: 'LRS' is no orientation"),
    ({"model": "m", "orientation": "lps"}, "segmentation.orientation: 'lps' is no orientation"),
    ({"model": "m", "orientation": "LPSI"}, "segmentation.orientation: 'LPSI' is no orientation"),
]


@pytest.mark.parametrize(("section", "message"), WRONG)
def test_what_is_wrong_is_named(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="config") as error:
        read_config({"slides": "s.tsv", "segmentation": section})
    assert message in str(error.value)


def test_every_orientation_of_the_axes_is_one() -> None:
    for orientation in ("LPS", "RAS", "SPL", "AIR"):
        section = {"model": "m", "orientation": orientation}
        config = read_config({"slides": "s.tsv", "segmentation": section})
        assert config.segmentation is not None
        assert config.segmentation.orientation == orientation


def test_without_the_section_there_is_none() -> None:
    assert read_config({"slides": "s.tsv"}).segmentation is None
