"""Models of a trait: what they say of tiles and slides, in NumPy alone, and their file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import h5py
import numpy as np
from scipy.special import expit, logit, softmax

from histohet.common.arrays import Bools, Floats
from histohet.common.hdf5 import new_file, open_file
from histohet.common.outcome import OK
from histohet.common.provenance import Provenance
from histohet.traits.expression import TraitError
from histohet.traits.settings import INCEPTION

Tensors = Mapping[str, Floats]


class Heads(Protocol):
    """Models of the same kind, one per round; a logit above 0 speaks for the trait."""

    @property
    def width(self) -> int:
        """Numbers per tile."""

    def tile_logits(self, tiles: Floats) -> Floats:
        """Return what each of R models says of each tile, (N, D) to (N, R)."""

    def slide_logits(self, tiles: Floats) -> Floats:
        """Return what each of R models says of a slide by its tiles, (N, D) to (R,)."""

    def mean_logits(self, tiles: Floats) -> Floats:
        """Return the mean of what the models say of each tile, (N, D) to (N,)."""

    def tensors(self) -> Tensors:
        """Return the parameters by name."""


@dataclass(frozen=True)
class LinearHeads:
    """A plane each: the logit of a slide is the mean of its tiles', and that of its mean vector.

    Attributes
    ----------
    weight, bias
        float64 (R, D) and (R,).
    """

    weight: Floats
    bias: Floats

    @property
    def width(self) -> int:
        """Numbers per tile."""
        return int(self.weight.shape[1])

    def tile_logits(self, tiles: Floats) -> Floats:
        """See `Heads`."""
        logits: Floats = tiles @ self.weight.T + self.bias
        return logits

    def slide_logits(self, tiles: Floats) -> Floats:
        """See `Heads`."""
        logits: Floats = self.tile_logits(tiles.mean(axis=0, keepdims=True))[0]
        return logits

    def mean_logits(self, tiles: Floats) -> Floats:
        """See `Heads`; the mean of planes is the plane of their means."""
        logits: Floats = tiles @ self.weight.mean(axis=0) + self.bias.mean()
        return logits

    def tensors(self) -> Tensors:
        """See `Heads`."""
        return {"weight": self.weight, "bias": self.bias}


class Layers(NamedTuple):
    """Linear layers of R networks: weight (R, out, in), bias (R, out)."""

    weight: Floats
    bias: Floats

    def of(self, model: int, rows: Floats) -> Floats:
        """Map rows (N, in) to (N, out) by one of the networks."""
        mapped: Floats = rows @ self.weight[model].T + self.bias[model]
        return mapped


@dataclass(frozen=True)
class ProportionHeads:
    """Networks with a layer of rectified units; a slide is the mean probability of its tiles."""

    hidden: Layers
    output: Layers

    @property
    def width(self) -> int:
        """Numbers per tile."""
        return int(self.hidden.weight.shape[2])

    def tile_logits(self, tiles: Floats) -> Floats:
        """See `Heads`."""
        columns = [
            self.output.of(r, np.maximum(self.hidden.of(r, tiles), 0))[:, 0]
            for r in range(len(self.hidden.weight))
        ]
        return np.stack(columns, axis=1)

    def slide_logits(self, tiles: Floats) -> Floats:
        """See `Heads`."""
        logits: Floats = logit(expit(self.tile_logits(tiles)).mean(axis=0))
        return logits

    def mean_logits(self, tiles: Floats) -> Floats:
        """See `Heads`."""
        logits: Floats = self.tile_logits(tiles).mean(axis=1)
        return logits

    def tensors(self) -> Tensors:
        """See `Heads`."""
        return _tensors_of(hidden=self.hidden, output=self.output)


@dataclass(frozen=True)
class AttentionHeads:
    """Gated attention (Ilse et al., ICML 2018) with a linear classifier, which makes it additive.

    The logit of a slide is the mean of its tiles' logits, weighted by attention: each tile's logit
    is a score of the tile. Attention is none: it says how much a tile counts, whatever it shows.
    """

    hidden: Layers
    tanh_gate: Layers
    sigmoid_gate: Layers
    score: Layers
    output: Layers

    @property
    def width(self) -> int:
        """Numbers per tile."""
        return int(self.hidden.weight.shape[2])

    def _hidden(self, model: int, tiles: Floats) -> Floats:
        return np.maximum(self.hidden.of(model, tiles), 0)

    def tile_logits(self, tiles: Floats) -> Floats:
        """See `Heads`."""
        columns = [
            self.output.of(r, self._hidden(r, tiles))[:, 0] for r in range(len(self.hidden.weight))
        ]
        return np.stack(columns, axis=1)

    def of_tiles(self, model: int, tiles: Floats) -> tuple[Floats, Floats]:
        """Return raw attention and logit of every tile by one of the networks, each (N,)."""
        hidden = self._hidden(model, tiles)
        gated = np.tanh(self.tanh_gate.of(model, hidden))
        gated *= expit(self.sigmoid_gate.of(model, hidden))
        return self.score.of(model, gated)[:, 0], self.output.of(model, hidden)[:, 0]

    def attention(self, tiles: Floats) -> Floats:
        """Return the weight of every tile, (N, R), each column adding up to 1."""
        raw = [self.of_tiles(r, tiles)[0] for r in range(len(self.hidden.weight))]
        return np.stack([softmax(one) for one in raw], axis=1)

    def slide_logits(self, tiles: Floats) -> Floats:
        """See `Heads`."""
        rounds = range(len(self.hidden.weight))
        return np.array([pooled_logit([self.of_tiles(r, tiles)]) for r in rounds])

    def mean_logits(self, tiles: Floats) -> Floats:
        """See `Heads`."""
        logits: Floats = self.tile_logits(tiles).mean(axis=1)
        return logits

    def tensors(self) -> Tensors:
        """See `Heads`."""
        return _tensors_of(
            hidden=self.hidden,
            tanh_gate=self.tanh_gate,
            sigmoid_gate=self.sigmoid_gate,
            score=self.score,
            output=self.output,
        )


def pooled_logit(of_chunks: Iterable[tuple[Floats, Floats]]) -> float:
    """Return the logit of a slide by `AttentionHeads.of_tiles` of all its tiles, in chunks."""
    raw, logits = map(np.concatenate, zip(*of_chunks, strict=True))
    return float(softmax(raw) @ logits)


def layers_of(tensors: Tensors) -> dict[str, Layers]:
    """Return the layers that parameters are of, by name."""
    names = dict.fromkeys(name.partition(".")[0] for name in tensors)
    return {n: Layers(tensors[f"{n}.weight"], tensors[f"{n}.bias"]) for n in names}


def _tensors_of(**layers: Layers) -> Tensors:
    return {
        f"{name}.{part}": getattr(layer, part)
        for name, layer in layers.items()
        for part in Layers._fields
    }


NETWORKS: Mapping[str, type[ProportionHeads] | type[AttentionHeads]] = {
    "proportion": ProportionHeads,
    "abmil": AttentionHeads,
}


def heads_of(kind: str, tensors: Tensors) -> Heads:
    """Return the models that parameters are of, by the name of their kind (`settings.model`)."""
    if kind in ("linear", INCEPTION):
        # Of networks on pixels the tiles bring the logits; what is left are planes that take one.
        return LinearHeads(**tensors)
    return NETWORKS[kind](**layers_of(tensors))


class TileScores(NamedTuple):
    """Of N tiles: the logit of a trait, and whether the tile counts as positive."""

    logit: Floats
    vote: Bools


@dataclass(frozen=True)
class FoldModel:
    """The models of a fold, which have not seen its patients.

    Attributes
    ----------
    heads
        One model per round that counts.
    thresholds
        Logits above which a tile is positive: of each model, which then vote; or a single one, of
        their mean.
    about
        What is worth knowing of the training, such as the penalty and the AUC of every round on its
        validation slides.
    """

    heads: Heads
    thresholds: Floats
    about: Mapping[str, Any] = field(default_factory=dict)

    def tile_scores(self, tiles: Floats) -> TileScores:
        """Score tiles, (N, D).

        Raises
        ------
        ValueError
            If they have another width than the model, or are not finite.
        """
        if tiles.shape[1] != self.heads.width:
            raise ValueError(
                f"the trait model takes {self.heads.width} numbers per tile, these have "
                f"{tiles.shape[1]}: they are of another encoder"
            )
        if len(self.thresholds) == 1:
            mean = _finite(self.heads.mean_logits(tiles))
            return TileScores(mean, mean > self.thresholds[0])
        logits = _finite(self.heads.tile_logits(tiles))
        votes = (logits > self.thresholds).sum(axis=1)
        return TileScores(logits.mean(axis=1), 2 * votes > len(self.thresholds))


def _finite(logits: Floats) -> Floats:
    if not np.isfinite(logits).all():
        raise ValueError("the embeddings of some tiles are not finite; encode the slide again")
    return logits


@dataclass(frozen=True)
class TraitModel:
    """The models of a trait by fold, and what they are for.

    Attributes
    ----------
    trait, kind, encoder
        Our name of the trait, the kind of models (`settings.model`), whose embeddings they take.
    folds
        By number, from 1.
    """

    trait: str
    kind: str
    encoder: str
    folds: Mapping[int, FoldModel]


def write_model(path: str | Path, model: TraitModel, provenance: Provenance) -> None:
    """Write a model as HDF5: a group ``fold_<n>`` for each fold, with its parameters."""
    with new_file(path, OK, provenance) as file:
        file.attrs.update({"trait": model.trait, "kind": model.kind, "encoder": model.encoder})
        for number, fold in model.folds.items():
            group = file.create_group(f"fold_{number}")
            for name, tensor in {**fold.heads.tensors(), "thresholds": fold.thresholds}.items():
                group.create_dataset(name, data=np.asarray(tensor, np.float64))
            group.attrs["about"] = json.dumps(fold.about, sort_keys=True)


def read_model(path: str | Path, trait: str, encoder: str) -> TraitModel:
    """Read what `write_model` wrote.

    Raises
    ------
    TraitError
        If it is of another trait or encoder.
    """
    with open_file(path) as file:
        found = {name: str(file.attrs[name]) for name in ("trait", "kind", "encoder")}
        for what, wanted in (("trait", trait), ("encoder", encoder)):
            if found[what] != wanted:
                raise TraitError(
                    f"{path} is a model of the {what} '{found[what]}', not of '{wanted}'"
                )
        folds = {
            int(name.removeprefix("fold_")): _read_fold(group, found["kind"])
            for name, group in file.items()
        }
    return TraitModel(**found, folds=dict(sorted(folds.items())))


def _read_fold(group: h5py.Group, kind: str) -> FoldModel:
    tensors = {name: dataset[:] for name, dataset in group.items()}
    thresholds = tensors.pop("thresholds")
    return FoldModel(heads_of(kind, tensors), thresholds, json.loads(group.attrs["about"]))
