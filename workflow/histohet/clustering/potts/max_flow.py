"""Minimum cuts of sparse graphs: the max-flow of Boykov and Kolmogorov (2004) in whole numbers.

Two trees of nodes with residual capacity grow towards each other, one from the source and one from
the sink. Where they touch, flow is pushed along the path; nodes cut off from their tree look for a
new parent, nearest to the terminal first, or become free. The flow is exact because capacities are
integers, and the cut returned is the smallest of the minimum cuts, which is unique.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from histohet.common.arrays import Bools, Int32, Ints

FREE, SOURCE, SINK = 0, 1, 2
# What stands in place of the arc to the parent.
ROOT, ORPHAN = -1, -2

# Records keep what is read together in one line of the processor's cache.
ARC = np.dtype([("head", np.int32), ("reverse", np.int32), ("residual", np.int64)])
NODE = np.dtype(
    [
        # What the source (or, negative, the sink) can still push in.
        ("excess", np.int64),
        # The first of the node's arcs; the next node's first ends them.
        ("first", np.int32),
        # The tree, the arc towards its terminal, and the number of arcs until there, which was
        # right in phase `stamp`.
        ("side", np.int32),
        ("to_parent", np.int32),
        ("distance", np.int32),
        ("stamp", np.int32),
        # Nodes that may still grow, and nodes without a parent, are chained in two queues; a node
        # that is in neither points at NOWHERE, the last one at itself.
        ("next_active", np.int32),
        ("next_orphan", np.int32),
    ],
    align=True,
)
NOWHERE = -1
FIRST_ACTIVE, LAST_ACTIVE, FIRST_ORPHAN, LAST_ORPHAN = 0, 1, 2, 3
Records = npt.NDArray[np.void]


@njit(cache=True)
def source_side(first: Ints, head: Int32, reverse: Int32, capacity: Ints, excess: Ints) -> Bools:
    """Return the nodes on the source's side of the minimum cut; the fewest, where cuts tie.

    Nodes i with excess[i] > 0 hang on the source with that capacity, those with excess[i] < 0 on
    the sink. The cut is the set S that minimises
    ``-sum(excess[S]) + sum(capacity of arcs from S to other nodes)``, so S is empty unless some
    set makes this negative.

    Parameters
    ----------
    first, head, reverse
        Arcs as in `model.Neighbours` (there, `head` is called `tile`): (N + 1,) int64, (A,) int32
        and (A,) int32.
    capacity
        (A,) int64, 0 or more, of the arc in its direction.
    excess
        (N,) int64. Neither the sum of magnitudes nor the sum of capacities may exceed 2^62.

    Returns
    -------
    ndarray
        (N,) bool.
    """
    n = len(excess)
    found = np.zeros(n, np.bool_)
    members = _candidates(first, head, capacity, excess)
    if not len(members):
        return found
    nodes, arcs = _network(members, first, head, reverse, capacity, excess)
    _push_all_flow(nodes, arcs)
    for node in range(len(members)):
        found[members[node]] = nodes[node].side == SOURCE
    return found


@njit(cache=True)
def _candidates(first: Ints, head: Int32, capacity: Ints, excess: Ints) -> Int32:
    """Return a set of nodes, ascending, that contains the source's side.

    It starts from the nodes with excess and takes in every node that the arcs from the set could
    pull over. No set of other nodes can gain by joining: each of them loses at least what its arcs
    from the set are worth.
    """
    n = len(excess)
    pull = excess.copy()
    found = np.empty(n, np.int32)
    n_found = 0
    for node in range(n):
        if pull[node] > 0:
            found[n_found] = node
            n_found += 1
    done = 0
    while done < n_found:
        node = found[done]
        done += 1
        for arc in range(first[node], first[node + 1]):
            other = head[arc]
            if pull[other] <= 0:
                pull[other] += capacity[arc]
                if pull[other] > 0:
                    found[n_found] = other
                    n_found += 1
    return np.nonzero(pull > 0)[0].astype(np.int32)


@njit(cache=True)
def _network(
    members: Int32,
    first: Ints,
    head: Int32,
    reverse: Int32,
    capacity: Ints,
    excess: Ints,
) -> tuple[Records, Records]:
    """Return nodes and arcs among `members`; all other nodes are taken to be on the sink's side."""
    n = len(members)
    number = np.full(len(excess), -1, np.int32)
    for node in range(n):
        number[members[node]] = node
    nodes = np.empty(n + 1, NODE)
    # Arcs without capacity either way are left out.
    position = np.empty(len(head), np.int32)
    n_arcs = 0
    for node in range(n):
        member = members[node]
        left = excess[member]
        nodes[node].first = n_arcs
        for arc in range(first[member], first[member + 1]):
            if number[head[arc]] < 0:
                left -= capacity[arc]
            elif capacity[arc] > 0 or capacity[reverse[arc]] > 0:
                position[arc] = n_arcs
                n_arcs += 1
        nodes[node].excess = left
    nodes[n].first = n_arcs
    arcs = np.empty(n_arcs, ARC)
    filled = 0
    for node in range(n):
        member = members[node]
        for arc in range(first[member], first[member + 1]):
            back = reverse[arc]
            if number[head[arc]] >= 0 and (capacity[arc] > 0 or capacity[back] > 0):
                arcs[filled].head = number[head[arc]]
                arcs[filled].reverse = position[back]
                arcs[filled].residual = capacity[arc]
                filled += 1
    return nodes, arcs


@njit(cache=True)
def _push_all_flow(nodes: Records, arcs: Records) -> None:
    """Push all the flow there is; leave every node in the tree that still reaches it."""
    queues = np.full(4, NOWHERE, np.int32)
    for node in range(len(nodes) - 1):
        excess = nodes[node].excess
        nodes[node].side = FREE if excess == 0 else SOURCE if excess > 0 else SINK
        nodes[node].to_parent = ROOT
        nodes[node].distance = 1
        nodes[node].stamp = 0
        nodes[node].next_active = NOWHERE
        nodes[node].next_orphan = NOWHERE
        if excess != 0:
            _activate(nodes, queues, node)
    phase = 0
    while queues[FIRST_ACTIVE] != NOWHERE:
        node = _pop_active(nodes, queues)
        arc = nodes[node].first
        while arc < nodes[node + 1].first and nodes[node].side != FREE:
            if _grow(nodes, arcs, queues, node, arc):
                phase += 1
                _augment(
                    nodes, arcs, queues, arc if nodes[node].side == SOURCE else arcs[arc].reverse
                )
                _adopt_orphans(nodes, arcs, queues, phase)
            else:
                arc += 1


@njit(cache=True, inline="always")
def _activate(nodes: Records, queues: Int32, node: int) -> None:
    """Let `node` wait for its turn to grow, if it does not yet."""
    if nodes[node].next_active == NOWHERE:
        nodes[node].next_active = node
        if queues[FIRST_ACTIVE] == NOWHERE:
            queues[FIRST_ACTIVE] = node
        else:
            nodes[queues[LAST_ACTIVE]].next_active = node
        queues[LAST_ACTIVE] = node


@njit(cache=True, inline="always")
def _pop_active(nodes: Records, queues: Int32) -> int:
    node = queues[FIRST_ACTIVE]
    following = nodes[node].next_active
    queues[FIRST_ACTIVE] = following if following != node else NOWHERE
    nodes[node].next_active = NOWHERE
    return int(node)


@njit(cache=True, inline="always")
def _orphan(nodes: Records, queues: Int32, node: int) -> None:
    """Take `node` from its parent and let it wait for another."""
    nodes[node].to_parent = ORPHAN
    nodes[node].next_orphan = node
    if queues[FIRST_ORPHAN] == NOWHERE:
        queues[FIRST_ORPHAN] = node
    else:
        nodes[queues[LAST_ORPHAN]].next_orphan = node
    queues[LAST_ORPHAN] = node


@njit(cache=True, inline="always")
def _pop_orphan(nodes: Records, queues: Int32) -> int:
    node = queues[FIRST_ORPHAN]
    following = nodes[node].next_orphan
    queues[FIRST_ORPHAN] = following if following != node else NOWHERE
    return int(node)


@njit(cache=True, inline="always")
def _grow(nodes: Records, arcs: Records, queues: Int32, node: int, arc: int) -> bool:
    """Let the tree of `node` grow along `arc`; return whether it meets the other tree there."""
    side = nodes[node].side
    outward = arc if side == SOURCE else arcs[arc].reverse
    if arcs[outward].residual == 0:
        return False
    other = arcs[arc].head
    if nodes[other].side == FREE:
        nodes[other].side = side
        _activate(nodes, queues, other)
    elif nodes[other].side != side:
        return True
    elif nodes[other].stamp > nodes[node].stamp or nodes[other].distance <= nodes[node].distance:
        return False
    # A free node joins the tree, or one of the same tree finds a shorter way to the terminal.
    nodes[other].to_parent = arcs[arc].reverse
    nodes[other].stamp = nodes[node].stamp
    nodes[other].distance = nodes[node].distance + 1
    return False


@njit(cache=True)
def _augment(nodes: Records, arcs: Records, queues: Int32, bridge: int) -> None:
    """Push flow from source to sink over the arc `bridge`, which leads from tree to tree."""
    flow = arcs[bridge].residual
    node = arcs[arcs[bridge].reverse].head
    while nodes[node].to_parent != ROOT:
        arc = nodes[node].to_parent
        flow = min(flow, arcs[arcs[arc].reverse].residual)
        node = arcs[arc].head
    flow = min(flow, nodes[node].excess)
    node = arcs[bridge].head
    while nodes[node].to_parent != ROOT:
        arc = nodes[node].to_parent
        flow = min(flow, arcs[arc].residual)
        node = arcs[arc].head
    flow = min(flow, -nodes[node].excess)

    arcs[bridge].residual -= flow
    arcs[arcs[bridge].reverse].residual += flow
    node = arcs[arcs[bridge].reverse].head
    while nodes[node].to_parent != ROOT:
        arc = nodes[node].to_parent
        back = arcs[arc].reverse
        arcs[arc].residual += flow
        arcs[back].residual -= flow
        if arcs[back].residual == 0:
            _orphan(nodes, queues, node)
        node = arcs[arc].head
    nodes[node].excess -= flow
    if nodes[node].excess == 0:
        _orphan(nodes, queues, node)
    node = arcs[bridge].head
    while nodes[node].to_parent != ROOT:
        arc = nodes[node].to_parent
        arcs[arc].residual -= flow
        arcs[arcs[arc].reverse].residual += flow
        if arcs[arc].residual == 0:
            _orphan(nodes, queues, node)
        node = arcs[arc].head
    nodes[node].excess += flow
    if nodes[node].excess == 0:
        _orphan(nodes, queues, node)


@njit(cache=True)
def _adopt_orphans(nodes: Records, arcs: Records, queues: Int32, phase: int) -> None:
    """Find every orphan a new parent in its tree, or set it free."""
    while queues[FIRST_ORPHAN] != NOWHERE:
        node = _pop_orphan(nodes, queues)
        nearest, parent = 0, ORPHAN
        for arc in range(nodes[node].first, nodes[node + 1].first):
            if _flow_may_pass(nodes, arcs, node, arc):
                distance = _distance_to_terminal(nodes, arcs, arcs[arc].head, phase)
                if distance > 0 and (parent == ORPHAN or distance < nearest):
                    nearest, parent = distance, arc
        if parent != ORPHAN:
            nodes[node].to_parent = parent
            nodes[node].stamp = phase
            nodes[node].distance = nearest + 1
        else:
            _set_free(nodes, arcs, queues, node)


@njit(cache=True, inline="always")
def _flow_may_pass(nodes: Records, arcs: Records, node: int, arc: int) -> bool:
    """Return whether `arc` leads to a node of the same tree that could be the parent."""
    side = nodes[node].side
    inward = arcs[arc].reverse if side == SOURCE else arc
    return bool(nodes[arcs[arc].head].side == side and arcs[inward].residual > 0)


@njit(cache=True)
def _set_free(nodes: Records, arcs: Records, queues: Int32, node: int) -> None:
    """Take `node` from its tree; its children lose their parent, others may grow to it again."""
    for arc in range(nodes[node].first, nodes[node + 1].first):
        other = arcs[arc].head
        if nodes[other].side != nodes[node].side:
            continue
        if _flow_may_pass(nodes, arcs, node, arc):
            _activate(nodes, queues, other)
        if nodes[other].to_parent == arcs[arc].reverse:
            _orphan(nodes, queues, other)
    nodes[node].side = FREE


@njit(cache=True)
def _distance_to_terminal(nodes: Records, arcs: Records, node: int, phase: int) -> int:
    """Return the arcs to the terminal, 0 if an orphan is in the way; stamp the nodes passed."""
    length = 0
    ancestor = node
    while nodes[ancestor].stamp != phase:
        arc = nodes[ancestor].to_parent
        if arc == ORPHAN:
            return 0
        if arc == ROOT:
            nodes[ancestor].stamp = phase
            nodes[ancestor].distance = 1
        else:
            length += 1
            ancestor = arcs[arc].head
    length += nodes[ancestor].distance
    remaining = length
    while nodes[node].stamp != phase:
        nodes[node].stamp = phase
        nodes[node].distance = remaining
        remaining -= 1
        node = arcs[nodes[node].to_parent].head
    return int(length)
