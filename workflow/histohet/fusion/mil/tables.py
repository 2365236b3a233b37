"""Columns of the tables of bags and of predictions."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

COLUMN = "mil"

MADE_BY = ("encoder", "weights", "tile_um", "tile_px", "width")
"""Columns of bags that say what made the embeddings of a slide."""

PREDICTED = ("repeat", "fold", "patient", "left_out", COLUMN)
"""Columns of predictions: log relative hazards by networks that had not seen the patient."""


def identity_of(bags: pd.DataFrame, made_by: Mapping[str, str]) -> dict[str, str]:
    """Return what made the embeddings of all bags, and what else is said to have made them."""
    having = bags[bags["n_tiles"] > 0]
    return {name: str(having[name].iloc[0]) for name in MADE_BY} | dict(made_by)
