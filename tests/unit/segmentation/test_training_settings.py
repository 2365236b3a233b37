"""What the section `segmentation_training` may say."""

from __future__ import annotations

from typing import Any

import pytest

from histohet.config import read_config

WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "dataset: is missing"),
    ({"configuration": "3d_cascade_fullres"}, "configuration: '3d_cascade_fullres' is none of"),
    ({"plan": "tiny"}, "plan: 'tiny' is none of 'default', 'small'"),
    ({"epochs": 0}, "epochs: 0 must be at least 1"),
    ({"iterations": 0}, "iterations: 0 must be at least 1"),
    ({"folds": []}, "folds: must not be empty"),
    ({"folds": [1, 1]}, "folds: 1 comes twice"),
    ({"folds": [5]}, "folds[0]: 5 must be below 5"),
    ({"folds": "0"}, "folds: '0' is none of 'all'"),
    ({"epoch": 3}, "epoch: unknown key; did you mean epochs?"),
]


@pytest.mark.parametrize(("section", "message"), WRONG)
def test_what_is_wrong_is_named(section: dict[str, Any], message: str) -> None:
    given = {"dataset": "Dataset001_A"} | section if section else section
    with pytest.raises(ValueError, match="config") as error:
        read_config({"slides": "s.tsv", "segmentation_training": given})
    assert f"config, segmentation_training.{message}" in str(error.value)


def test_defaults_are_those_of_nnunet() -> None:
    config = read_config({"slides": "s.tsv", "segmentation_training": {"dataset": "Dataset001_A"}})
    assert config.segmentation_training is not None
    assert config.segmentation_training.canonical() == {
        "dataset": "Dataset001_A",
        "configuration": "3d_fullres",
        "plan": "default",
        "epochs": 1000,
        "iterations": 250,
        "folds": [0, 1, 2, 3, 4],
    }
    assert config.segmentation_training.names_of_folds == ["0", "1", "2", "3", "4"]
