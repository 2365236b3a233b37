"""Trait maps of a slide: every tile scored by models that have not seen its patient."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from histohet.common.arrays import Bools, Float32
from histohet.common.hdf5 import CHUNK_ROWS
from histohet.common.outcome import Outcome, SlideLost, attempt
from histohet.features.file import FeatureTable
from histohet.measures.traits import TraitMap
from histohet.traits.labels import HIGH, LOW, NONE
from histohet.traits.models import TraitModel
from histohet.traits.settings import TraitSettings
from histohet.traits.splits import TESTED_IN


class Known(NamedTuple):
    """What is known of the patient of a slide.

    Attributes
    ----------
    fold
        Whose models map the slide.
    unseen
        By trait, whether these have not seen the patient.
    expression
        By trait; NaN where nothing was measured.
    """

    fold: int
    unseen: Mapping[str, bool]
    expression: Mapping[str, float]


def known_of(
    patient: str, labels: pd.DataFrame, splits: pd.DataFrame, settings: TraitSettings
) -> Known:
    """Return what is known of a patient.

    Of the published scheme, whoever is not tested is mapped by models that were trained on all
    patients with a label that counts; they have not seen the others.
    """
    tested_in = _tested_in(patient, splits)
    of_patient = labels[labels["patient"] == patient].set_index("trait")
    learned_from = (LOW, HIGH) if settings.target == "extremes" else ()
    unseen = {}
    for trait, label in of_patient["label"].items():
        trained_on = label in learned_from if learned_from else label != NONE
        unseen[str(trait)] = tested_in > 0 or not trained_on
    values = {str(trait): float(value) for trait, value in of_patient["value"].items()}
    return Known(fold_of(patient, splits), unseen, values)


def fold_of(patient: str, splits: pd.DataFrame) -> int:
    """Return the fold whose models map a patient; of the published scheme there is one."""
    return max(_tested_in(patient, splits), 1)


def _tested_in(patient: str, splits: pd.DataFrame) -> int:
    return int(splits.loc[splits["patient"] == patient, TESTED_IN].iloc[0])


def map_traits(
    table: FeatureTable, models: Sequence[TraitModel], known: Known, outcome: Outcome
) -> TraitMap:
    """Score and call every tile of a slide for every trait, a few thousand at a time.

    Parameters
    ----------
    table
        Embeddings of the tiles that count.
    models
        Of each trait.
    outcome
        How far the slide came.

    Returns
    -------
    TraitMap
        Of a slide whose embeddings do not fit the models, or without tiles that count, one without
        tiles that says why.
    """
    names = tuple(model.trait for model in models)
    n = len(table.features) if outcome.ok else 0

    def scored() -> tuple[Float32, Bools]:
        logits = np.empty((n, len(models)), np.float32)
        votes = np.empty((n, len(models)), bool)
        if not n:
            raise SlideLost("no tile counts: none has enough epithelium")
        for first in range(0, n, CHUNK_ROWS):
            rows = slice(first, first + CHUNK_ROWS)
            tiles = np.asarray(table.features[rows], np.float64)
            for column, model in enumerate(models):
                try:
                    found = model.folds[known.fold].tile_scores(tiles)
                except ValueError as error:
                    raise SlideLost(str(error)) from error
                logits[rows, column], votes[rows, column] = found.logit, found.vote
        return logits, votes

    nothing = np.empty((0, len(models)), np.float32), np.empty((0, len(models)), bool)
    (logits, votes), outcome = attempt(scored, nothing, outcome)
    return TraitMap(
        names,
        table.tiles.coords if outcome.ok else table.tiles.coords[:0],
        votes,
        logits,
        outcome,
        {name: known.unseen.get(name, True) for name in names},
        {name: known.expression.get(name, math.nan) for name in names},
    )


def map_table(found: TraitMap) -> pd.DataFrame:
    """Return trait maps as the sheet's column ``traits`` takes them: x, y, and 0 or 1 per trait."""
    positions = pd.DataFrame(found.coords, columns=["x", "y"], dtype="int64")
    votes = pd.DataFrame(found.votes.astype(np.int8), columns=list(found.names))
    return pd.concat([positions, votes], axis="columns")
