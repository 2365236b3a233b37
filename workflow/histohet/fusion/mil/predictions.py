"""What networks say of patients, with all tiles of each: NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from histohet.common.arrays import Floats
from histohet.common.hdf5 import CHUNK_ROWS
from histohet.features.file import FeatureRows
from histohet.fusion.mil.bags import Bags
from histohet.fusion.mil.networks import WHOLE, Tensors
from histohet.fusion.mil.tables import PREDICTED
from histohet.fusion.splits import EVERYBODY, LEFT_OUT
from histohet.traits.models import AttentionHeads, layers_of, pooled_logit


def predict_split(
    networks: Mapping[int, Tensors], parts: Mapping[int, pd.Series[int]], bags: Bags, repeat: int
) -> pd.DataFrame:
    """Return what networks say of patients whom they had not seen, in every fold of a repetition.

    A bag is read once for all networks.

    Parameters
    ----------
    networks, parts
        By fold the networks of its split, and `histohet.fusion.folds.Split.part` by patient.
    bags
        Of patients, who may lack one.
    repeat
        Number of the repetition.

    Returns
    -------
    DataFrame
        Columns `PREDICTED`, sorted by fold and patient; nobody who has no bag.
    """
    heads = {fold: _heads(tensors) for fold, tensors in networks.items()}
    patients = dict.fromkeys(patient for part in parts.values() for patient in part.index)
    rows = []
    for patient in patients:
        if patient not in bags:
            continue
        here = {fold: int(part[patient]) for fold, part in parts.items()}
        chosen = [(heads[fold], WHOLE if part == LEFT_OUT else part) for fold, part in here.items()]
        said = _log_hazards(chosen, bags, patient)
        rows += [
            (repeat, fold, patient, part == LEFT_OUT, value)
            for (fold, part), value in zip(here.items(), said, strict=True)
        ]
    table = pd.DataFrame(rows, columns=list(PREDICTED))
    return table.sort_values(["fold", "patient"], kind="stable", ignore_index=True)


def predict_all(network: Tensors, bags: Bags) -> pd.DataFrame:
    """Return what the network of a saved model says of all patients of a cohort, as `PREDICTED`."""
    heads = _heads(network)
    rows = [
        (EVERYBODY, EVERYBODY, patient, False, _log_hazards([(heads, WHOLE)], bags, patient)[0])
        for patient in bags.slides
    ]
    return pd.DataFrame(rows, columns=list(PREDICTED))


def attention_of(tensors: Tensors, features: FeatureRows) -> Floats:
    """Return the raw attention to each of N tiles, (N,), of the network by all training patients.

    Parameters
    ----------
    tensors
        Networks of a split.
    features
        Embeddings of the tiles, (N, D).
    """
    heads, found = _heads(tensors), []
    for first in range(0, len(features), CHUNK_ROWS):
        tiles = features[first : first + CHUNK_ROWS].astype(np.float64)
        found.append(heads.of_tiles(WHOLE, tiles)[0])
    return np.concatenate(found)


def _heads(tensors: Tensors) -> AttentionHeads:
    return AttentionHeads(**layers_of(tensors))


def _log_hazards(
    chosen: Sequence[tuple[AttentionHeads, int]], bags: Bags, patient: str
) -> list[float]:
    """Return what some networks, by number among their like, say of a patient."""
    said: list[list[tuple[Floats, Floats]]] = [[] for _ in chosen]
    for tiles in bags.chunks(patient):
        for of_network, (heads, number) in zip(said, chosen, strict=True):
            of_network.append(heads.of_tiles(number, tiles.astype(np.float64)))
    return list(map(pooled_logit, said))
