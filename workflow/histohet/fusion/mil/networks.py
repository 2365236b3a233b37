"""Networks of one split on disk, and what they say of patients: NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import safetensors.numpy

from histohet.common.arrays import Floats
from histohet.common.files import atomic_path
from histohet.common.provenance import Provenance
from histohet.fusion.folds import EVERYBODY, LEFT_OUT
from histohet.fusion.mil.bags import Bags
from histohet.fusion.mil.block import PREDICTED
from histohet.traits.models import AttentionHeads, layers_of, pooled_logit

WHOLE = 0
"""Number of the network of a split that all training patients trained; that number p did not see
those of inner fold p."""

Tensors = Mapping[str, Floats]
"""Parameters by name, those of all networks of a split along the first axis."""


def write_networks(path: str | Path, tensors: Tensors, provenance: Provenance) -> None:
    """Write the networks of a split, as float32."""
    content = {name: np.ascontiguousarray(one, np.float32) for name, one in tensors.items()}
    about = {"provenance": provenance.as_json()}
    with atomic_path(path) as partial:
        partial.write_bytes(safetensors.numpy.save(content, metadata=about))


def read_networks(path: str | Path) -> Tensors:
    """Read what `write_networks` wrote, as float64."""
    tensors = safetensors.numpy.load(Path(path).read_bytes())
    return {name: one.astype(np.float64) for name, one in tensors.items()}


def whole_network(tensors: Tensors) -> Tensors:
    """Return the network of a split that all training patients trained."""
    return {name: one[WHOLE : WHOLE + 1] for name, one in tensors.items()}


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
