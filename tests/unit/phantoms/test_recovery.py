"""What is found of what was planted."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from histohet.phantoms.recovery import correlations, dice, summary_of

PLANTED = pd.DataFrame(
    {
        "patient": list("abcd"),
        "ct_factor": [1.0, 2.0, 3.0, 9.0],
        "grade": [4.0, 3.0, 2.0, 1.0],
        "age": [50, 60, 70, 80],
        "log_hazard": [0.1, 0.4, 0.3, 0.2],
        "has_ct": [1, 1, 1, 0],
        "has_slide": [1, 1, 1, 1],
    }
)
WHOLE = "clinical + ct"


def risks(**predictors: list[float]) -> pd.DataFrame:
    """Two repetitions, of which the second says nothing."""
    tables = []
    for model, values in predictors.items():
        for repeat, predictor in enumerate((values, [0.0] * 4), start=1):
            one = {"patient": list("abcd"), "model": model, "repeat": repeat}
            tables.append(pd.DataFrame(one | {"predictor": predictor}))
    return pd.concat(tables)


def test_correlations_are_of_those_who_have_the_block() -> None:
    given = risks(ct=[1, 2, 3, 0], clinical=[4, 3, 2, 1]).replace({"model": {"whole": WHOLE}})
    whole = risks(whole=[1, 4, 3, 2]).assign(model=WHOLE)
    found = correlations(PLANTED, pd.concat([given, whole]), WHOLE).set_index("model")
    assert found["estimate"].to_dict() == pytest.approx({"ct": 1, "clinical": -1, WHOLE: 1})
    assert found["n"].to_dict() == {"ct": 3, "clinical": 4, WHOLE: 4}
    assert found.loc[WHOLE, "measure"] == "spearman with log_hazard"


def test_dice_by_hand() -> None:
    one, other = np.zeros((2, 5), bool), np.zeros((2, 5), bool)
    one[0, :3] = other[0, 2:] = True
    assert dice(one, other) == pytest.approx(2 * 1 / 6)
    assert dice(one, one) == 1
    assert math.isnan(dice(one & other & ~one, one & ~one))


def test_overlaps_have_their_median_and_extremes() -> None:
    found = summary_of("dice", [0.9, 0.2, 0.6])
    assert found == {"measure": "dice, median", "n": 3, "estimate": 0.6, "lower": 0.2, "upper": 0.9}
