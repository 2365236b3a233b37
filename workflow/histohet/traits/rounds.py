"""Networks of a trait, one file per round, and the model of the trait that is made of them.

To the maps a network is an embedding of one number, its logit: what `score_inception_tiles` writes
of a slide are embeddings with a column for each trait and round, and the model of a trait is planes
that take one column each. So votes, thresholds, maps and all that follows are those of any model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from histohet.common.arrays import Float32
from histohet.common.hdf5 import new_file, open_file
from histohet.common.outcome import OK
from histohet.common.provenance import Provenance
from histohet.traits.expression import TraitError
from histohet.traits.models import FoldModel, LinearHeads, TraitModel
from histohet.traits.settings import INCEPTION, TraitSettings
from histohet.traits.training import about_rounds, counting_rounds, given_thresholds

Weights = Mapping[str, Float32]


@dataclass(frozen=True)
class Evaluation:
    """How a network did on the validation slides of its round.

    Attributes
    ----------
    learning_rate, train_loss
        Of the steps before.
    loss
        Mean cross-entropy of the tiles.
    tile_auc, slide_auc
        Of tiles by their logit, of slides by the share of tiles with a logit above 0 (PathoMCH).
    """

    learning_rate: float
    train_loss: float
    loss: float
    tile_auc: float
    slide_auc: float


@dataclass(frozen=True)
class Round:
    """Which round of which fold, and how its network did when it was best."""

    trait: str
    fold: int
    round: int
    best: Evaluation


def write_round(path: str | Path, found: Round, weights: Weights, provenance: Provenance) -> None:
    """Write a network as HDF5: a dataset for each of its tensors, with their names."""
    with new_file(path, OK, provenance) as file:
        file.attrs.update({"trait": found.trait, "fold": found.fold, "round": found.round})
        file.attrs["best"] = json.dumps(asdict(found.best))
        for name, tensor in weights.items():
            file.create_dataset(name, data=tensor)


def read_round(path: str | Path) -> Round:
    """Read what `write_round` wrote, without the network."""
    with open_file(path) as file:
        return Round(
            str(file.attrs["trait"]),
            int(file.attrs["fold"]),
            int(file.attrs["round"]),
            Evaluation(**json.loads(file.attrs["best"])),
        )


def read_weights(path: str | Path) -> Weights:
    """Read the network that `write_round` wrote."""
    with open_file(path) as file:
        return {name: dataset[()] for name, dataset in file.items()}


def model_of_rounds(trait: str, rounds: Sequence[Round], settings: TraitSettings) -> TraitModel:
    """Return the model of a trait that takes the logits of its networks.

    Parameters
    ----------
    rounds
        Of all folds.

    Raises
    ------
    TraitError
        If one is missing, or the threshold is no number.
    """
    if settings.threshold == "matched":
        raise TraitError("networks on pixels need a number as threshold")
    found = {(one.trait, one.fold, one.round): one.best for one in rounds}
    before = list(settings.wanted).index(trait) * settings.rounds
    columns = np.eye(len(settings.wanted) * settings.rounds)
    folds = {}
    for fold in range(1, settings.n_folds + 1):
        numbers = range(1, settings.rounds + 1)
        missing = [number for number in numbers if (trait, fold, number) not in found]
        if missing:
            raise TraitError(f"trait '{trait}': no network of fold {fold}, round {missing[0]}")
        best = [found[trait, fold, number] for number in numbers]
        aucs = [one.slide_auc for one in best]
        kept = counting_rounds(aucs, settings)
        heads = LinearHeads(columns[[before + number for number in kept]], np.zeros(len(kept)))
        about = about_rounds(kept, aucs, np.array([one.loss for one in best]))
        folds[fold] = FoldModel(heads, given_thresholds(settings.threshold, settings), about)
    return TraitModel(trait, settings.model, INCEPTION, folds)
