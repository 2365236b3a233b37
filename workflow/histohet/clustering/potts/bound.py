"""A lower bound of the Potts energy: sequential tree-reweighted message passing (TRW-S).

The algorithm is Kolmogorov's (2006), with messages cut off at the weight of the edge as the Potts
term allows. Messages are whole numbers held in float64, none beyond 2^53, and the share of a tile's
costs that goes into each message is rounded down. No other step rounds, so the bound holds exactly,
whatever the messages.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from histohet.clustering.potts.model import IntegerModel, restrict
from histohet.common.arrays import Bools, Floats, Int32, Ints

# Lets loops over labels run in vector registers; whole numbers may be added in any order.
REORDER = {"nnan", "ninf", "nsz", "reassoc"}


class Dual(NamedTuple):
    """Messages between tiles that are sorted by connected group; groups are independent.

    Attributes
    ----------
    model
        Tiles in the order in which they are passed.
    ends
        (G + 1,) int64; group g has the tiles ends[g] to ends[g + 1] - 1.
    earlier
        (N,) int64 number of neighbours that come before each tile; they head its list of arcs.
    message_of
        (A,) int32 row of `messages` for every arc, the same for both directions.
    messages
        (E, K) float64, sent in the direction of the last pass, in rows by the edge's first tile.
    bound
        (G,) float64 lower bound of E' in quanta.
    """

    model: IntegerModel
    ends: Ints
    earlier: Ints
    message_of: Int32
    messages: Floats
    bound: Floats


def by_group(model: IntegerModel) -> tuple[Ints, Ints]:
    """Return the tiles (N,) sorted by connected group, and where groups start and end (G + 1,)."""
    n = len(model.unary)
    graph = csr_array((np.ones(len(model.tile), np.int8), model.tile, model.first), shape=(n, n))
    n_groups, group = connected_components(graph, directed=False)
    order = np.argsort(group, kind="stable").astype(np.int64)
    return order, np.searchsorted(group[order], np.arange(n_groups + 1)).astype(np.int64)


def silent(model: IntegerModel, ends: Ints) -> Dual:
    """Return the dual without messages of tiles sorted by group.

    The neighbours of every tile must be in ascending order.
    """
    message_of, earlier = _number_messages(model)
    messages = np.zeros((len(message_of) // 2, model.unary.shape[1]))
    return Dual(model, ends, earlier, message_of, messages, np.zeros(len(ends) - 1))


def only_groups(dual: Dual, kept: Bools, labels: Ints) -> Dual:
    """Return the dual of the groups `kept` (G,) alone, with their messages."""
    sizes = np.diff(dual.ends)
    tiles = np.flatnonzero(np.repeat(kept, sizes))
    model = restrict(dual.model, tiles, labels)
    ends = np.concatenate([[0], np.cumsum(sizes[kept])]).astype(np.int64)
    message_of, earlier = _number_messages(model)
    n_sent = np.diff(dual.model.first) - dual.earlier
    messages = dual.messages[np.repeat(np.repeat(kept, sizes), n_sent)]
    return Dual(model, ends, earlier, message_of, messages, dual.bound[kept])


@njit(cache=True)
def group_energies(model: IntegerModel, ends: Ints, labels: Ints) -> Floats:
    """Return E' of each group (G,) in quanta."""
    energies = np.zeros(len(ends) - 1)
    for group in range(len(energies)):
        twice = 0
        for tile in range(ends[group], ends[group + 1]):
            twice += 2 * model.unary[tile, labels[tile]]
            for arc in range(model.first[tile], model.first[tile + 1]):
                if labels[model.tile[arc]] != labels[tile]:
                    twice += model.weight[arc]
        energies[group] = twice // 2
    return energies


def tighten(dual: Dual, enough: Floats, n_rounds: int) -> None:
    """Pass messages forth and back in each group, up to `n_rounds` times, and raise its bound.

    A group is done once its bound reaches `enough` (G,).
    """
    model = dual.model
    _tighten(
        model.first,
        model.first[:-1] + dual.earlier,
        dual.message_of,
        model.weight.astype(np.float64),
        model.unary.astype(np.float64),
        dual.messages,
        dual.ends,
        dual.bound,
        enough,
        n_rounds,
    )


@njit(cache=True)
def decode(dual: Dual) -> Ints:
    """Return labels (N,) chosen tile by tile, by the messages and the labels already chosen."""
    model = dual.model
    labels = np.empty(len(model.unary), np.int64)
    n_labels = model.unary.shape[1]
    costs = np.empty(n_labels)
    for tile in range(len(labels)):
        for label in range(n_labels):
            costs[label] = model.unary[tile, label]
        for arc in range(model.first[tile], model.first[tile + 1]):
            other = model.tile[arc]
            if other < tile:
                costs[labels[other]] -= model.weight[arc]
            else:
                for label in range(n_labels):
                    costs[label] += dual.messages[dual.message_of[arc], label]
        labels[tile] = np.argmin(costs)
    return labels


@njit(cache=True)
def _number_messages(model: IntegerModel) -> tuple[Int32, Ints]:
    """Return the message of every arc, and how many neighbours of each tile come before it."""
    message_of = np.empty(len(model.tile), np.int32)
    earlier = np.zeros(len(model.unary), np.int64)
    used = 0
    for tile in range(len(earlier)):
        for arc in range(model.first[tile], model.first[tile + 1]):
            if model.tile[arc] < tile:
                earlier[tile] += 1
            else:
                message_of[arc] = message_of[model.reverse[arc]] = used
                used += 1
    return message_of, earlier


@njit(cache=True)
def _tighten(
    first: Ints,
    middle: Ints,
    message_of: Int32,
    weight: Floats,
    unary: Floats,
    messages: Floats,
    ends: Ints,
    bound: Floats,
    enough: Floats,
    n_rounds: int,
) -> None:
    for group in range(len(bound)):
        start, end = ends[group], ends[group + 1]
        for _ in range(n_rounds):
            if bound[group] >= enough[group]:
                break
            _pass_on(first, middle, message_of, weight, unary, messages, start, end, True)
            passed = _pass_on(first, middle, message_of, weight, unary, messages, start, end, False)
            bound[group] = max(bound[group], passed)


@njit(cache=True, fastmath=REORDER)
def _pass_on(
    first: Ints,
    middle: Ints,
    message_of: Int32,
    weight: Floats,
    unary: Floats,
    messages: Floats,
    start: int,
    end: int,
    forward: bool,
) -> float:
    """Send messages from every tile to those after it, or before it; return the costs set aside.

    What a pass back sets aside is a lower bound. Each tile sets its least cost aside and gives
    every edge to an earlier tile the same share of the rest. The edge adds the message that came
    that way, with the opposite sign, and again sets the least aside; the message it passes on is
    at most the cost of any pair of labels. So all costs that remain are 0 or more.
    """
    n_labels = unary.shape[1]
    costs = np.empty(n_labels)
    aside = 0.0
    for step in range(end - start):
        tile = start + step if forward else end - 1 - step
        arcs, half, no_more = first[tile], middle[tile], first[tile + 1]
        for label in range(n_labels):
            costs[label] = unary[tile, label]
        for arc in range(arcs, no_more):
            row = message_of[arc]
            for label in range(n_labels):
                costs[label] += messages[row, label]
        least = np.inf
        for label in range(n_labels):
            least = min(least, costs[label])
        aside += least
        # A hair less than the exact share, so that rounding never hands out more than there is.
        share = (1.0 - 2.0**-52) / max(1, half - arcs, no_more - half)
        for label in range(n_labels):
            costs[label] = np.floor((costs[label] - least) * share)
        for arc in range(half if forward else arcs, no_more if forward else half):
            row = message_of[arc]
            least = np.inf
            for label in range(n_labels):
                least = min(least, costs[label] - messages[row, label])
            aside += least
            for label in range(n_labels):
                messages[row, label] = min(costs[label] - messages[row, label] - least, weight[arc])
    return aside
