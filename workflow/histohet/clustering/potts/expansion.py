"""Graph cuts on the Potts energy: alpha-expansion, and which tiles are certain.

Both ask for the best set of tiles that take one label (Boykov, Veksler and Zabih, 2001) or keep
theirs against all others (Kovtun, 2003), which is a minimum cut.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from histohet.clustering.potts.max_flow import source_side
from histohet.clustering.potts.model import IntegerModel
from histohet.common.arrays import Bools, Ints


class Expansion(NamedTuple):
    """Labels (N,) int64 that no expansion improves, and the number of cuts it took."""

    labels: Ints
    n_cuts: int


def expand(model: IntegerModel, start: Ints) -> Expansion:
    """Expand the labels in turn until no expansion of any of them lowers the energy.

    An expansion of label a finds, among all labellings in which tiles take a or keep what they
    have, one of least energy; among several the one with the fewest changes. Hence a label is left
    alone exactly if its expansion gains nothing, and the result does not depend on the order of
    the tiles.
    """
    labels = start.copy()
    n_labels = model.unary.shape[1]
    label, n_idle, n_cuts = 0, 0, 0
    while n_idle < n_labels:
        capacity, excess = _expansion_terms(model, labels, label)
        takes = source_side(model.first, model.tile, model.reverse, capacity, excess)
        n_cuts += 1
        # Right after its expansion, a label has nothing to gain from another one.
        n_idle = 1 if takes.any() else n_idle + 1
        labels[takes] = label
        label = (label + 1) % n_labels
    return Expansion(labels, n_cuts)


def certain(model: IntegerModel, labels: Ints) -> Bools:
    """Return tiles (N,) that have their present label in every labelling of minimum energy.

    Kovtun's test cuts each label from all the others as if those were one, the cheapest of them
    for each tile. Whatever the labels of the rest, giving the tiles on the label's side that label
    lowers the energy. Labels that no expansion improves already agree with these tests, so one cut
    makes all of them.
    """
    if model.unary.shape[1] == 1:
        return np.ones(len(labels), np.bool_)
    capacity, excess = _certainty_terms(model, labels)
    return source_side(model.first, model.tile, model.reverse, capacity, excess)


@njit(cache=True)
def _expansion_terms(model: IntegerModel, labels: Ints, label: int) -> tuple[Ints, Ints]:
    """Return capacities and excess of the cut whose source's side takes `label`, all twofold.

    Two tiles of different labels pay w unless both take the new one: w - w/2 for each that does,
    plus w/2 if only one does.
    """
    capacity = np.zeros(len(model.tile), np.int64)
    excess = np.zeros(len(labels), np.int64)
    for tile in range(len(labels)):
        own = labels[tile]
        if own == label:
            continue
        gain = 2 * (model.unary[tile, own] - model.unary[tile, label])
        for arc in range(model.first[tile], model.first[tile + 1]):
            other, weight = labels[model.tile[arc]], model.weight[arc]
            if other == own:
                capacity[arc] = 2 * weight
            elif other == label:
                gain += 2 * weight
            else:
                gain += weight
                capacity[arc] = weight
        excess[tile] = gain
    return capacity, excess


@njit(cache=True)
def _certainty_terms(model: IntegerModel, labels: Ints) -> tuple[Ints, Ints]:
    """Return capacities and excess of the cut whose source's side surely keeps its labels."""
    capacity = np.zeros(len(model.tile), np.int64)
    excess = np.zeros(len(labels), np.int64)
    n_labels = model.unary.shape[1]
    for tile in range(len(labels)):
        own = labels[tile]
        cheapest = model.unary[tile, (own + 1) % n_labels]
        for label in range(n_labels):
            if label != own:
                cheapest = min(cheapest, model.unary[tile, label])
        excess[tile] = cheapest - model.unary[tile, own]
        for arc in range(model.first[tile], model.first[tile + 1]):
            if labels[model.tile[arc]] == own:
                capacity[arc] = model.weight[arc]
            else:
                excess[tile] -= model.weight[arc]
    return capacity, excess


@njit(cache=True)
def better_parts(model: IntegerModel, labels: Ints, other: Ints) -> Ints:
    """Return `labels` with those of `other` wherever these are better.

    Where the two differ, tiles joined by edges make a part. Parts do not touch, so each can be
    chosen for itself: the one of lower energy, `labels` if equal.
    """
    chosen = labels.copy()
    seen = labels == other
    part = np.empty(len(labels), np.int64)
    for seed in range(len(labels)):
        if seen[seed]:
            continue
        seen[seed] = True
        part[0] = seed
        size, done, twice_rise = 1, 0, 0
        while done < size:
            tile = part[done]
            done += 1
            old, new = labels[tile], other[tile]
            twice_rise += 2 * (model.unary[tile, new] - model.unary[tile, old])
            for arc in range(model.first[tile], model.first[tile + 1]):
                end = model.tile[arc]
                differ = labels[end] != other[end]
                rise = model.weight[arc] * (
                    np.int64(other[end] != new) - np.int64(labels[end] != old)
                )
                # Both ends of an edge inside the part count it.
                twice_rise += rise if differ else 2 * rise
                if not seen[end]:
                    seen[end] = True
                    part[size] = end
                    size += 1
        if twice_rise < 0:
            for index in range(size):
                chosen[part[index]] = other[part[index]]
    return chosen
